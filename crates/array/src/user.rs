//! Functions of the user on blocks, and blocks that come from delayed values.

mod delayed;
mod rows;

use std::fmt;
use std::sync::Arc;

use dolmen_graph::{EncodeError, OpRegistry, RegistryError, TaskError, TaskResult};
use dolmen_kernels::{Block, DType, Element, Pool};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use delayed::{External, adopt};

use crate::chunks::{AxisChunks, common};
use crate::node::{Expr, Operand, OperandAxes, OperandAxis};
use crate::shape::n_elements;
use crate::task::{ArrayOp, Foreign, Task, decode_plan};
use crate::value::BlockValue;
use crate::{Array, ArrayError, ChunkSpec, Chunks};

/// What a function of the user fails with.
pub type BlockError = Box<dyn std::error::Error + Send + Sync>;

type Call = dyn Fn(&[Block], &BlockInfo) -> Result<Vec<Block>, BlockError> + Send + Sync;

/// What a function of the user makes: a [`Block`], or a `Vec` of them for
/// [`apply_gufunc_many`](Array::apply_gufunc_many).
pub trait MadeBlocks {
    /// The blocks, one for each result.
    fn into_blocks(self) -> Vec<Block>;
}

impl MadeBlocks for Block {
    fn into_blocks(self) -> Vec<Block> {
        vec![self]
    }
}

impl MadeBlocks for Vec<Block> {
    fn into_blocks(self) -> Self {
        self
    }
}

/// What a function of the user is told about the block that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockInfo {
    /// Where the block stands in the grid of blocks.
    pub index: Vec<u32>,
    /// The position of its first element; `None` if sizes before it are unknown.
    pub offset: Option<Vec<usize>>,
    /// Its shape; `None` where it is for the function to say.
    pub shape: Vec<Option<usize>>,
}

/// A function that makes a block from blocks, or one of each of several arrays.
#[derive(Clone)]
pub struct BlockFn {
    name: Arc<str>,
    call: Arc<Call>,
    /// The arguments as bytes, of a function that other processes know.
    args: Option<Arc<[u8]>>,
}

impl BlockFn {
    /// A closure, which stays in this process. `name` is what plans and errors call it.
    pub fn local<F, M, E>(name: &str, function: F) -> Self
    where
        F: Fn(&[Block], &BlockInfo) -> Result<M, E> + Send + Sync + 'static,
        M: MadeBlocks,
        E: Into<BlockError>,
    {
        let call = move |blocks: &[Block], info: &BlockInfo| {
            function(blocks, info).map(MadeBlocks::into_blocks).map_err(Into::into)
        };
        Self { name: name.into(), call: Arc::new(call), args: None }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn op_name(&self) -> &str {
        &self.name
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let args = self.args.as_ref().ok_or_else(|| EncodeError::Local { name: self.name.to_string() })?;
        Ok(args.to_vec())
    }

    /// Tells functions apart, as long as they live.
    pub(crate) fn identity(&self) -> usize {
        Arc::as_ptr(&self.call).cast::<()>().addr()
    }
}

impl fmt::Debug for BlockFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockFn({})", self.name)
    }
}

/// A function on blocks that other processes know by name, with arguments that travel.
///
/// ```
/// use dolmen_array::{BlockError, BlockInfo, RegisteredBlockFn};
/// use dolmen_kernels::Block;
///
/// fn rows(n: &usize, blocks: &[Block], _: &BlockInfo) -> Result<Block, BlockError> {
///     Ok(blocks[0].region(&[0, 0], &[*n, blocks[0].shape()[1]])?)
/// }
/// const ROWS: RegisteredBlockFn<usize> = RegisteredBlockFn::new("example.rows", rows);
/// let first_two = ROWS.with(2)?;
/// # let _ = first_two;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RegisteredBlockFn<A, M = Block> {
    name: &'static str,
    function: fn(&A, &[Block], &BlockInfo) -> Result<M, BlockError>,
}

impl<A: Serialize + DeserializeOwned + Send + Sync + 'static, M: MadeBlocks + 'static> RegisteredBlockFn<A, M> {
    /// `function` under `name`, which has to be unique among all operations of a registry.
    #[must_use]
    pub const fn new(name: &'static str, function: fn(&A, &[Block], &BlockInfo) -> Result<M, BlockError>) -> Self {
        Self { name, function }
    }

    /// The function with its arguments.
    ///
    /// # Errors
    /// [`ArrayError::Encode`] if the arguments cannot be written as bytes.
    pub fn with(&self, args: A) -> Result<BlockFn, ArrayError> {
        let bytes = postcard::to_stdvec(&args)
            .map_err(|error| EncodeError::Failed { name: self.name.to_owned(), source: Arc::new(error) })?;
        let function = self.function;
        let call = move |blocks: &[Block], info: &BlockInfo| function(&args, blocks, info).map(MadeBlocks::into_blocks);
        Ok(BlockFn { name: self.name.into(), call: Arc::new(call), args: Some(bytes.into()) })
    }

    /// Makes the function known to a process that runs graphs from bytes.
    ///
    /// # Errors
    /// [`RegistryError::Duplicate`] if the name is taken.
    pub fn register(&self, registry: &mut OpRegistry, pool: &Pool) -> Result<(), RegistryError> {
        let (this, pool) = (Self { ..*self }, pool.clone());
        registry.register_op(this.name, move |bytes, _| {
            let (plan, args) = decode_plan(this.name, bytes)?;
            let malformed = |source| dolmen_graph::DecodeError::Malformed { name: this.name.to_owned(), source };
            let args: A = postcard::from_bytes(&args).map_err(|error| malformed(Arc::new(error)))?;
            let function = this.with(args).map_err(|error| malformed(Arc::new(error)))?;
            Ok(Arc::new(ArrayOp::new(plan, Foreign::Function(function), pool.clone())))
        })
    }
}

impl Array {
    /// The array whose element at an index is what `function` says.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn from_fn<T, F>(shape: &[usize], chunks: impl Into<ChunkSpec>, function: F) -> Result<Self, ArrayError>
    where
        T: Element,
        F: Fn(&[usize]) -> T + Send + Sync + 'static,
    {
        let chunks = chunks.into().chunks(shape, T::DTYPE.size_bytes(), None)?;
        let make = move |_: &[Block], info: &BlockInfo| -> Result<Block, BlockError> {
            let shape: Vec<usize> = info.shape.iter().map(|len| len.unwrap_or(0)).collect();
            let offset = info.offset.clone().unwrap_or_else(|| vec![0; shape.len()]);
            let mut elements = Vec::with_capacity(n_elements(&shape)?);
            let mut index = offset.clone();
            for _ in 0..elements.capacity() {
                elements.push(function(&index));
                for axis in (0..shape.len()).rev() {
                    index[axis] += 1;
                    if index[axis] < offset[axis] + shape[axis] {
                        break;
                    }
                    index[axis] = offset[axis];
                }
            }
            Ok(Block::from_vec(&shape, elements)?)
        };
        let function = BlockFn::local("from_fn", make);
        Ok(Self::from_node(Expr::Function { function, operands: Vec::new(), others: Vec::new() }, T::DTYPE, chunks))
    }

    /// What `function` makes of each block. `chunks` are those of the result, as many blocks as there are; `None` if blocks
    /// keep their shape. A block that turns out to have another shape or dtype than said is an error.
    ///
    /// # Errors
    /// [`ArrayError::ChunkMismatch`] if `chunks` has another number of blocks.
    pub fn map_blocks(&self, function: BlockFn, dtype: DType, chunks: Option<Chunks>) -> Result<Self, ArrayError> {
        self.check()?;
        let chunks = chunks.unwrap_or_else(|| self.chunks().clone());
        if !chunks.numblocks().eq(self.chunks().numblocks()) {
            let problem =
                format!("the array has chunks {}, the result {chunks}, of another number of blocks", self.chunks());
            return Err(ArrayError::ChunkMismatch { op: "map_blocks", problem });
        }
        let operands = vec![Operand::same(self.clone())];
        Ok(Self::from_node(Expr::Function { function, operands, others: Vec::new() }, dtype, chunks))
    }

    /// What `function` makes of blocks that belong together, by labels of axes as `einsum` has them: blocks with equal
    /// indices along equal labels meet. A label that is not in `out` is read as a whole; one that only `out` has is in
    /// `new_axes` with the sizes of its chunks.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`] if an array has more or fewer axes than labels, [`ArrayError::ShapeMismatch`] if axes of
    /// one label differ in length, [`ArrayError::Argument`] for a label of `out` that comes from nowhere.
    pub fn blockwise(
        function: BlockFn,
        out: &[u32],
        inputs: &[(&Self, &[u32])],
        new_axes: &[(u32, Vec<usize>)],
        dtype: DType,
    ) -> Result<Self, ArrayError> {
        let [made] = <[Self; 1]>::try_from(Self::blockwise_many(function, &[(out, dtype)], inputs, new_axes)?)
            .unwrap_or_else(|_| unreachable!("one result was asked for"));
        Ok(made)
    }

    /// As [`blockwise`](Self::blockwise), of several results of one call, which have the same labels of several blocks.
    pub(crate) fn blockwise_many(
        function: BlockFn,
        outs: &[(&[u32], DType)],
        inputs: &[(&Self, &[u32])],
        new_axes: &[(u32, Vec<usize>)],
    ) -> Result<Vec<Self>, ArrayError> {
        let op = "blockwise";
        let mut sizes: Vec<(u32, AxisChunks)> =
            new_axes.iter().map(|(label, sizes)| (*label, AxisChunks::from_sizes(sizes))).collect();
        for (array, labels) in inputs {
            array.check()?;
            if array.n_dims() != labels.len() {
                return Err(ArrayError::WrongRank { op, expected: "one label for each axis", n_dims: array.n_dims() });
            }
            for (label, own) in labels.iter().zip(array.chunks().axes()) {
                let Some((_, known)) = sizes.iter_mut().find(|(other, _)| other == label) else {
                    sizes.push((*label, own.clone()));
                    continue;
                };
                let mismatch = || ArrayError::ShapeMismatch {
                    op,
                    shapes: inputs.iter().map(|(array, _)| array.dims().into_vec()).collect(),
                    expected: format!("axes of label {label} must be of equal length"),
                };
                if known.len() != own.len() {
                    return Err(mismatch());
                }
                *known = common(known, own).ok_or_else(mismatch)?;
            }
        }
        let of = |label: &u32| sizes.iter().find(|(other, _)| other == label).map(|(_, chunks)| chunks.clone());
        let first = outs.first().map_or(&[][..], |(labels, _)| labels);
        let operands = inputs.iter().map(|(array, labels)| {
            let chunks = labels.iter().zip(array.chunks().axes()).map(|(label, own)| of(label).unwrap_or(own.clone()));
            let axes: OperandAxes = labels
                .iter()
                .map(|label| first.iter().position(|other| other == label).map_or(OperandAxis::All, OperandAxis::Out))
                .collect();
            Operand { array: array.with_chunks(&Chunks::new(chunks)), axes }
        });
        let operands = operands.collect();
        let described = outs.iter().map(|(labels, dtype)| {
            let chunks = labels.iter().map(|label| {
                let problem = || format!("has the label {label}, which no array and no new axis has");
                of(label).ok_or_else(|| ArrayError::Argument { op, argument: "out", problem: problem() })
            });
            Ok((*dtype, Chunks::new(chunks.collect::<Result<Vec<_>, _>>()?)))
        });
        let described = described.collect::<Result<Vec<(DType, Chunks)>, ArrayError>>()?;
        let Some(((dtype, chunks), others)) = described.split_first() else { return Ok(Vec::new()) };
        let expr = Expr::Function { function, operands, others: others.to_vec() };
        let all = Self::from_node(expr, *dtype, chunks.clone());
        if others.is_empty() {
            return Ok(vec![all]);
        }
        let part = |(idx, (dtype, chunks)): (usize, &(DType, Chunks))| {
            Self::from_node(Expr::Part { input: all.clone(), idx }, *dtype, chunks.clone())
        };
        Ok(described.iter().enumerate().map(part).collect())
    }
}

/// Calls the function of a task, and holds it to what was said about its results: `others` come behind the task's own.
pub(crate) fn call(task: &Task<'_>, blocks: &[Block], others: &[(DType, Chunks)]) -> TaskResult {
    let Foreign::Function(function) = task.foreign else {
        return Err(TaskError::failed("the function of the task is not there"));
    };
    let region = task.plan.out.block_region(task.partition);
    let info = BlockInfo {
        index: task.index().into_vec(),
        offset: region.map(|region| region.offset.into_vec()),
        shape: task.dims().into_vec(),
    };
    let made = (function.call)(blocks, &info).map_err(TaskError::failed)?;
    let n_said = 1 + others.len();
    if made.len() != n_said {
        let n = made.len();
        return Err(TaskError::failed(format!("`{}` made {n} blocks, of {n_said} that were announced", function.name)));
    }
    // Blocks stand in the same order in all results: where they differ there is one along the axis.
    let own = [(&task.plan.dtype, &task.plan.out)];
    let said = own.into_iter().chain(others.iter().map(|(dtype, chunks)| (dtype, chunks)));
    for (made, (dtype, chunks)) in made.iter().zip(said) {
        let index = chunks.block_index(task.partition);
        let dims: Vec<Option<usize>> =
            chunks.axes().iter().zip(index).map(|(axis, idx)| axis.bounds(idx).map(|bounds| bounds.len())).collect();
        let fits = made.ndim() == dims.len()
            && made.shape().iter().zip(&dims).all(|(len, said)| said.is_none_or(|said| said == *len));
        if !fits || made.dtype() != *dtype {
            return Err(TaskError::failed(format!(
                "`{}` made a block of {} with shape {:?}, which was announced as {dtype} with shape {}",
                function.name,
                made.dtype(),
                made.shape(),
                crate::shape::shape_text(&dims)
            )));
        }
    }
    let kept = made.into_iter().map(|block| crate::task::kept(block, task.pool));
    let kept = kept.collect::<Result<_, _>>().map_err(crate::task::failed)?;
    Ok(BlockValue::of(kept).into_ref())
}
