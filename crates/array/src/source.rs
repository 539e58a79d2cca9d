//! Where arrays are read from: the seam to file formats.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use dolmen_graph::{BoxFuture, DecodeError, EncodeError, OpRegistry, RegistryError, TaskBody, TaskError};
use dolmen_kernels::{AxisSlice as BlockSlice, Block, DType, Pool};
use smallvec::SmallVec;

use crate::node::{Expr, Slices};
use crate::slice::AxisSlice;
use crate::task::{ArrayOp, Foreign, Plan, decode_plan, kept, unknown};
use crate::value::BlockValue;
use crate::{Array, ArrayError, ChunkSpec, Chunks};

/// Something that arrays are read from, part by part: a file, a dataset in a store.
///
/// It tells shape and dtype without reading elements. Whoever plans asks only for parts that are needed, so that a slice of
/// a file reads no more than the chunks it touches.
pub trait Source: fmt::Debug + Send + Sync {
    /// What reprs, plans and errors call it, such as the name of the file.
    fn name(&self) -> &str;

    /// The name under which [`register_source`] has its decoder.
    fn op_name(&self) -> &'static str;

    /// The shape of the whole.
    fn shape(&self) -> &[usize];

    /// The dtype of the elements.
    fn dtype(&self) -> DType;

    /// The sizes in which it is stored; reading in multiples of them is cheapest.
    fn stored_chunks(&self) -> Chunks;

    /// Reads the part from `offset` on of `shape`, which is within the whole.
    fn read(&self, offset: &[usize], shape: &[usize]) -> BoxFuture<Result<Block, SourceError>>;

    /// The source as bytes, from which its decoder makes it in another process.
    ///
    /// # Errors
    /// [`EncodeError`] if it exists in this process only.
    fn encode(&self) -> Result<Vec<u8>, EncodeError>;
}

/// Why a source could not read.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// A shared source; two are equal if they are the same one.
#[derive(Debug, Clone)]
pub(crate) struct SourceRef(Arc<dyn Source>);

impl std::ops::Deref for SourceRef {
    type Target = dyn Source;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for SourceRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SourceRef {}

impl Hash for SourceRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Array {
    /// The array behind `source`, cut as `chunks` says or, for `None`, as it is stored.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn from_source(source: Arc<dyn Source>, chunks: Option<&ChunkSpec>) -> Result<Self, ArrayError> {
        let dtype = source.dtype();
        let chunks = match chunks {
            Some(spec) => spec.chunks(source.shape(), dtype.size_bytes(), Some(&source.stored_chunks()))?,
            None => source.stored_chunks(),
        };
        chunks.n_blocks()?;
        let slices = source.shape().iter().map(|len| Some(AxisSlice::full(*len))).collect();
        Ok(Self::from_node(Expr::Source { source: SourceRef(source), slices }, dtype, chunks))
    }
}

/// Registers how sources of one kind are made from what [`Source::encode`] wrote.
///
/// # Errors
/// [`RegistryError::Duplicate`] if the name is taken.
pub fn register_source(
    registry: &mut OpRegistry,
    op_name: &'static str,
    pool: &Pool,
    decode: impl Fn(&[u8]) -> Result<Arc<dyn Source>, DecodeError> + Send + Sync + 'static,
) -> Result<(), RegistryError> {
    let pool = pool.clone();
    registry.register_op(op_name, move |bytes, _| {
        let (plan, own) = decode_plan(op_name, bytes)?;
        Ok(Arc::new(ArrayOp::new(plan, Foreign::Source(SourceRef(decode(&own)?)), pool.clone())))
    })
}

/// The body of a task that reads a part of a source.
pub(crate) fn body(source: SourceRef, plan: Arc<Plan>, slices: Slices, pool: Pool, partition: u32) -> TaskBody {
    TaskBody::stream(move |_, context| async move {
        let pool = context.service::<Pool>().as_deref().cloned().unwrap_or(pool);
        let region = plan.out.block_region(partition).ok_or_else(unknown)?;
        let (mut offset, mut shape, mut steps) =
            (SmallVec::<[usize; 4]>::new(), SmallVec::<[usize; 4]>::new(), SmallVec::<[BlockSlice; 4]>::new());
        for (axis, slice) in slices.iter().enumerate() {
            let part = slice.ok_or_else(unknown)?;
            let part = part.part(&(region.offset[axis]..region.offset[axis] + region.shape[axis]));
            let (low, n) = extent(&part);
            offset.push(low);
            shape.push(n);
            steps.push(BlockSlice { start: part.start - low, len: part.len, step: part.step });
        }
        let read = source.read(&offset, &shape).await.map_err(|error| {
            TaskError::failed(ArrayError::Source { source_name: source.name().to_owned(), error: Arc::from(error) })
        })?;
        if read.shape() != &*shape || read.dtype() != plan.dtype {
            return Err(TaskError::failed(format!(
                "`{}` read {} of shape {:?} where {} of shape {shape:?} was asked for",
                source.name(),
                read.dtype(),
                read.shape(),
                plan.dtype
            )));
        }
        let block = read.slice(&steps).map_err(crate::task::failed)?;
        Ok(BlockValue::new(kept(block, &pool).map_err(crate::task::failed)?).into_ref())
    })
}

/// The lowest element that a slice shows, and how many there are from it to the highest.
fn extent(part: &AxisSlice) -> (usize, usize) {
    if part.len == 0 {
        return (0, 0);
    }
    let (first, last) = (part.start, part.position(part.len - 1));
    (first.min(last), first.abs_diff(last) + 1)
}
