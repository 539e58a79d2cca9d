//! Functions of each element, with broadcasting and NumPy 2's promotion.

mod functions;
mod operators;

use dolmen_kernels::{DType, Op, OperandType, Program, Scalar, WeakScalar, result_dtype};
use smallvec::SmallVec;

use crate::chunks::{AxisChunks, common};
use crate::formula::{Formula, Step};
use crate::node::{Expr, Operand, OperandAxis};
use crate::shape::{broadcast, broadcast_dim};
use crate::{Array, ArrayError, BLOCK_BYTES_DEFAULT, Chunks};

/// A formula, and what its inputs are.
#[derive(Debug, Clone)]
pub(crate) struct Elementwise {
    pub(crate) formula: Formula,
    pub(crate) operands: Vec<Operand>,
}

impl Elementwise {
    /// The formula in the form that kernels run.
    pub(crate) fn program(&self) -> Result<Program, ArrayError> {
        let dtypes: SmallVec<[DType; 4]> = self.operands.iter().map(|operand| operand.array.dtype()).collect();
        Ok(self.formula.program(&dtypes)?)
    }

    pub(crate) fn name(&self) -> String {
        match self.formula.n_operations() {
            0 | 1 => self.formula.name().to_owned(),
            n => format!("{} (fused {n})", self.formula.name()),
        }
    }
}

/// An argument of an elementwise function: an array, a literal that takes the dtype of what it meets (`bool`, `i32`, `i64`,
/// `f64`), or a [`Scalar`] with a dtype of its own.
#[derive(Debug, Clone)]
pub enum Arg {
    /// An array.
    Array(Array),
    /// A literal.
    Weak(WeakScalar),
    /// A value with a dtype.
    Strong(Scalar),
}

impl From<Array> for Arg {
    fn from(array: Array) -> Self {
        Self::Array(array)
    }
}

impl From<&Array> for Arg {
    fn from(array: &Array) -> Self {
        Self::Array(array.clone())
    }
}

impl From<Scalar> for Arg {
    fn from(value: Scalar) -> Self {
        Self::Strong(value)
    }
}

impl From<WeakScalar> for Arg {
    fn from(value: WeakScalar) -> Self {
        Self::Weak(value)
    }
}

impl From<bool> for Arg {
    fn from(value: bool) -> Self {
        Self::Weak(WeakScalar::Bool(value))
    }
}

impl From<i32> for Arg {
    fn from(value: i32) -> Self {
        Self::Weak(WeakScalar::Int(value.into()))
    }
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Weak(WeakScalar::Int(value.into()))
    }
}

impl From<f64> for Arg {
    fn from(value: f64) -> Self {
        Self::Weak(WeakScalar::Float(value))
    }
}

impl Arg {
    fn operand_type(&self) -> OperandType {
        match self {
            Self::Array(array) => OperandType::Strong(array.dtype()),
            Self::Weak(value) => OperandType::Weak(*value),
            Self::Strong(value) => OperandType::Strong(value.dtype()),
        }
    }
}

impl Array {
    /// NumPy's ufunc `op` of `args`: shapes broadcast, the dtype is NumPy 2's. Every named function is this one, so that
    /// whoever has the operation as a value needs no other.
    ///
    /// ```
    /// # use dolmen_array::Array;
    /// # use dolmen_kernels::{DType, Op};
    /// let x = Array::from_vec(&[3], vec![1_i8, 2, 3])?;
    /// assert_eq!(Array::apply(Op::Sqrt, &[(&x).into()])?.dtype(), DType::F16);
    /// assert_eq!(Array::apply(Op::Add, &[(&x).into(), 1.into()])?.dtype(), DType::I8);
    /// # Ok::<(), dolmen_array::ArrayError>(())
    /// ```
    ///
    /// # Errors
    /// [`ArrayError::Broadcast`] if the shapes do not fit, [`ArrayError::Kernel`] if the operation is not defined for the
    /// dtypes or a literal does not fit its dtype; [`ArrayError::Argument`] for another number of operands than it has.
    pub fn apply(op: Op, args: &[Arg]) -> Result<Self, ArrayError> {
        if args.len() != op.n_operands() {
            let problem = format!("are {}, it has {}", args.len(), op.n_operands());
            return Err(ArrayError::Argument { op: op.name(), argument: "operands", problem });
        }
        let within;
        let args = if op == Op::Clip {
            within = bounds_within(args);
            &within
        } else {
            args
        };
        let types: SmallVec<[OperandType; 3]> = args.iter().map(Arg::operand_type).collect();
        let arrays = args.iter().filter_map(|arg| match arg {
            Arg::Array(array) => Some(array.clone()),
            Arg::Weak(_) | Arg::Strong(_) => None,
        });
        let arrays: Vec<Self> = arrays.collect();
        arrays.iter().try_for_each(Self::check)?;
        let dtype = result_dtype(op, &types)?;
        let mut steps = Vec::with_capacity(args.len() + 1);
        let mut n_inputs = 0;
        for arg in args {
            steps.push(match arg {
                Arg::Array(_) => {
                    n_inputs += 1;
                    Step::Input(n_inputs - 1)
                }
                Arg::Weak(value) => Step::Weak(*value),
                Arg::Strong(value) => Step::Strong(*value),
            });
        }
        let places = 0..u32::try_from(args.len()).unwrap_or(0);
        steps.push(Step::Apply { op, args: places.collect() });
        Self::from_formula(op.name(), Formula { steps }, &arrays, dtype)
    }

    /// The array of a formula over arrays that are broadcast and cut alike.
    pub(crate) fn from_formula(
        op: &'static str,
        formula: Formula,
        arrays: &[Self],
        dtype: DType,
    ) -> Result<Self, ArrayError> {
        let shapes: SmallVec<[_; 4]> = arrays.iter().map(Self::dims).collect();
        let Some(dims) = broadcast(shapes.iter().map(|dims| &**dims)) else {
            let shapes = shapes.into_iter().map(SmallVec::into_vec).collect();
            return Err(ArrayError::Broadcast { op: op.to_owned(), shapes, hint: keepdims_hint(arrays) });
        };
        let operands: Vec<Operand> = arrays.iter().map(|array| Operand::broadcast(array.clone(), &dims)).collect();
        let chunks = within_bytes(common_chunks(op, &operands, dims.len())?, &operands, dtype);
        let operands = operands.into_iter().map(|operand| cut_alike(operand, &chunks)).collect();
        let elementwise = Elementwise { formula, operands };
        Ok(Self::from_node(Expr::Elementwise(elementwise), dtype, chunks))
    }
}

/// The chunks of an output of `n_dims` axes: with all borders of the operands.
pub(crate) fn common_chunks(op: &'static str, operands: &[Operand], n_dims: usize) -> Result<Chunks, ArrayError> {
    let mut found: SmallVec<[Option<AxisChunks>; 4]> = SmallVec::from_elem(None, n_dims);
    for operand in operands {
        for (from, own) in operand.axes.iter().zip(operand.array.chunks().axes()) {
            let OperandAxis::Out(out) = *from else { continue };
            found[out] = Some(match &found[out] {
                None => own.clone(),
                Some(known) => common(known, own).ok_or_else(|| ArrayError::ChunkMismatch {
                    op,
                    problem: format!("chunks {known} and {own} of axis {out} have unknown sizes and differ"),
                })?,
            });
        }
    }
    let chunks = Chunks::new(found.into_iter().map(|axis| axis.unwrap_or_else(|| AxisChunks::single(1))));
    chunks.n_blocks()?;
    Ok(chunks)
}

/// `chunks` without blocks of more than the operands aim at that are there because these broadcast; blocks as large as an
/// operand has them stay.
fn within_bytes(chunks: Chunks, operands: &[Operand], dtype: DType) -> Chunks {
    let of_operand = |operand: &Operand| operand.array.chunks().block_elements_max().unwrap_or(usize::MAX);
    let block_bytes =
        operands.iter().map(|operand| operand.array.node.block_bytes).fold(BLOCK_BYTES_DEFAULT, usize::min);
    let most = operands.iter().map(of_operand).fold(block_bytes / dtype.size_bytes(), usize::max);
    let mut axes = chunks.axes().to_vec();
    if axes.iter().any(|axis| !axis.is_known()) {
        return chunks;
    }
    let n_elements = |axes: &[AxisChunks]| axes.iter().try_fold(1_usize, |n, axis| n.checked_mul(axis.size_max()?));
    while n_elements(&axes).is_none_or(|n| n > most) {
        let even = axes.iter_mut().filter(|axis| axis.uniform_size().is_some_and(|size| size > 1));
        let Some(longest) = even.max_by_key(|axis| axis.uniform_size()) else { break };
        let (Some(len), Some(size)) = (longest.len(), longest.uniform_size()) else { break };
        *longest = AxisChunks::uniform(len, size.min(len).div_ceil(2));
    }
    let cut = Chunks::new(axes);
    if cut.n_blocks().is_ok() { cut } else { chunks }
}

/// The operand cut as the output is.
pub(crate) fn cut_alike(operand: Operand, chunks: &Chunks) -> Operand {
    let own = operand.axes.iter().zip(operand.array.chunks().axes()).map(|(from, own)| match *from {
        OperandAxis::Out(out) => chunks.axes()[out].clone(),
        _ => own.clone(),
    });
    let own = Chunks::new(own);
    Operand { array: operand.array.with_chunks(&own), axes: operand.axes }
}

/// What probably was meant where shapes do not broadcast: a reduction with `keepdims`, as in `x - x.mean(axis=1)`.
fn keepdims_hint(arrays: &[Array]) -> String {
    for (idx, array) in arrays.iter().enumerate() {
        let Expr::View(view) = &array.node.expr else { continue };
        let Expr::Reduce(reduction) = &view.array.node.expr else { continue };
        let kept = view.array.dims();
        let fits = arrays.iter().enumerate().filter(|(other, _)| *other != idx).all(|(_, other)| {
            let dims = other.dims();
            dims.len() == kept.len() && dims.iter().zip(&kept).all(|(a, b)| broadcast_dim(*a, *b).is_some())
        });
        if fits {
            return format!(
                "; `{}` dropped the axis it reduced: with keepdims its shape is {}, which fits",
                reduction.name(),
                crate::shape::shape_text(&kept)
            );
        }
    }
    String::new()
}

/// The operands of `clip`: literals beyond what an integer dtype reaches are no bounds to its elements, so that what it reaches
/// stands for them.
fn bounds_within(args: &[Arg]) -> Vec<Arg> {
    let mut args = args.to_vec();
    if let [Arg::Array(array), low, high] = &mut args[..]
        && let Some((least, most)) = array.dtype().integer_bounds()
    {
        if let Arg::Weak(WeakScalar::Int(low)) = low {
            *low = least.max(*low);
        }
        if let Arg::Weak(WeakScalar::Int(high)) = high {
            *high = most.min(*high);
        }
    }
    args
}
