//! Arrays that are made from nothing.

use dolmen_kernels::{DType, Op, Scalar, WeakScalar, promote};

use crate::convert::{assigned, full_block};
use crate::elementwise::{Arg, Elementwise};
use crate::formula::{Formula, Step};
use crate::node::Expr;
use crate::{Array, ArrayError, ChunkSpec, Chunks};

impl Array {
    /// An array of `shape` in which every element is `value`. Takes no memory, however large it is.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn full(shape: &[usize], value: Scalar, chunks: impl Into<ChunkSpec>) -> Result<Self, ArrayError> {
        let chunks = chunks.into().chunks(shape, value.dtype().size_bytes(), None)?;
        Ok(full_block(shape, value).with_chunks(&chunks))
    }

    /// An array of zeros.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn zeros(shape: &[usize], dtype: DType, chunks: impl Into<ChunkSpec>) -> Result<Self, ArrayError> {
        Self::full(shape, Scalar::zero(dtype), chunks)
    }

    /// An array of ones.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn ones(shape: &[usize], dtype: DType, chunks: impl Into<ChunkSpec>) -> Result<Self, ArrayError> {
        Self::full(shape, Scalar::one(dtype), chunks)
    }

    /// An array with the shape and the chunks of this one, in which every element is `value`, as `dtype` or this array's.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if the dtype does not hold the value; [`ArrayError::UnknownLength`].
    pub fn full_like(&self, value: impl Into<Arg>, dtype: Option<DType>) -> Result<Self, ArrayError> {
        let shape = self.known_shape("full_like")?;
        let dtype = dtype.unwrap_or(self.dtype());
        let value = match value.into() {
            Arg::Strong(value) => value.cast(dtype)?,
            Arg::Weak(value) => assigned(value, dtype)?,
            Arg::Array(_) => return Err(no_array("full_like", "fill_value")),
        };
        Ok(full_block(&shape, value).with_chunks(self.chunks()))
    }

    /// `full_like` of zero.
    ///
    /// # Errors
    /// [`ArrayError::UnknownLength`].
    pub fn zeros_like(&self, dtype: Option<DType>) -> Result<Self, ArrayError> {
        self.full_like(Scalar::zero(dtype.unwrap_or(self.dtype())), dtype)
    }

    /// `full_like` of one.
    ///
    /// # Errors
    /// [`ArrayError::UnknownLength`].
    pub fn ones_like(&self, dtype: Option<DType>) -> Result<Self, ArrayError> {
        self.full_like(Scalar::one(dtype.unwrap_or(self.dtype())), dtype)
    }

    /// `start`, `start + step`, ... before `stop`; the dtype is that of the arguments, unless it is given.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for a step of zero, a range that is not finite, or an array in place of a number; those of
    /// [`ChunkSpec::chunks`].
    pub fn arange(
        start: impl Into<Arg>,
        stop: impl Into<Arg>,
        step: impl Into<Arg>,
        dtype: Option<DType>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Self, ArrayError> {
        let op = "arange";
        let [start, stop, step] = [start.into(), stop.into(), step.into()];
        let (start, stop, step) = (value_of(op, &start)?, value_of(op, &stop)?, value_of(op, &step)?);
        let dtype = match dtype {
            Some(dtype) => dtype,
            None => promote(promote(start.dtype(), stop.dtype())?, step.dtype())?,
        };
        let bad = |argument, problem: &str| ArrayError::Argument { op, argument, problem: problem.to_owned() };
        let (len, formula) = match (start.as_int(), stop.as_int(), step.as_int()) {
            (Some(first), Some(end), Some(by)) => {
                if by == 0 {
                    return Err(bad("step", "is zero"));
                }
                let distance = if by > 0 { end - first } else { first - end };
                let len = if distance > 0 { (distance - 1) / by.abs() + 1 } else { 0 };
                let range = || bad("range", "does not fit 64 bits");
                let first = i64::try_from(first).map_err(|_| range())?;
                let by = i64::try_from(by).map_err(|_| range())?;
                let index = Step::Index { axis: 0, start: first, step: by };
                (usize::try_from(len).map_err(|_| range())?, cast_from(Formula::single(index), DType::I64, dtype))
            }
            _ => {
                let ends = (start.as_f64(), stop.as_f64(), step.as_f64());
                let (Some(first), Some(end), Some(by)) = ends else {
                    return Err(bad("range", "is not of real numbers"));
                };
                let len = ((end - first) / by).ceil();
                if by == 0.0 {
                    return Err(bad("step", "is zero"));
                }
                if !len.is_finite() || len > isize::MAX as f64 {
                    return Err(bad("range", "has no finite number of elements"));
                }
                // As NumPy: the distance of the first two elements as they are stored is that of all.
                let work = if dtype.is_inexact() { dtype.real() } else { DType::F64 };
                let stored = |value: f64| Scalar::F64(value).cast(work);
                let (one, two) = (stored(first)?, stored(first + by)?);
                let delta = stored(two.as_f64().unwrap_or(by) - one.as_f64().unwrap_or(first))?;
                (len.max(0.0) as usize, cast_from(linear(one, delta, work), work, dtype))
            }
        };
        Self::generated(&[len], formula, dtype, chunks)
    }

    /// `n` numbers from `start` to `stop`, evenly spaced; `stop` is the last one if `endpoint`, else the one behind it.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for an array in place of a number; those of [`ChunkSpec::chunks`].
    pub fn linspace(
        start: f64,
        stop: f64,
        n: usize,
        endpoint: bool,
        dtype: Option<DType>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Self, ArrayError> {
        let n_steps = if endpoint { n.saturating_sub(1) } else { n };
        let delta = stop - start;
        let step = delta / n_steps.max(1) as f64;
        let index = Step::Index { axis: 0, start: 0, step: 1 };
        let mut steps = vec![index, Step::Apply { op: Op::Cast(DType::F64), args: [0].into_iter().collect() }];
        let mut last = apply(&mut steps, Op::Multiply, &[1], Some(step));
        if step == 0.0 && n_steps > 0 {
            // A step that is too small for a number: NumPy divides first.
            let share = apply(&mut steps, Op::TrueDivide, &[1], Some(n_steps as f64));
            last = apply(&mut steps, Op::Multiply, &[share], Some(delta));
        }
        last = apply(&mut steps, Op::Add, &[last], Some(start));
        if endpoint && n > 1 {
            let is_last = constant_after(&mut steps, Op::Equal, 0, Scalar::I64(n as i64 - 1));
            steps.push(Step::Strong(Scalar::F64(stop)));
            let end = steps.len() as u32 - 1;
            steps.push(Step::Apply { op: Op::Where, args: [is_last, end, last].into_iter().collect() });
        }
        let dtype = dtype.unwrap_or(DType::F64);
        if dtype.is_integer() {
            // As NumPy: to the integer below, where a cast goes towards zero.
            apply(&mut steps, Op::Floor, &[last], None);
        }
        Self::generated(&[n], cast_from(Formula { steps }, DType::F64, dtype), dtype, chunks)
    }

    /// A matrix of `n` rows and `m` columns with ones on the `k`-th diagonal, above the main one if positive, and zeros
    /// elsewhere.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn eye(n: usize, m: usize, k: i64, dtype: DType, chunks: impl Into<ChunkSpec>) -> Result<Self, ArrayError> {
        let row = Step::Index { axis: 0, start: k, step: 1 };
        let column = Step::Index { axis: 1, start: 0, step: 1 };
        let equal = Step::Apply { op: Op::Equal, args: [0, 1].into_iter().collect() };
        let formula = Formula { steps: vec![row, column, equal] };
        Self::generated(&[n, m], cast_from(formula, DType::Bool, dtype), dtype, chunks)
    }

    /// The array of a formula of positions.
    pub(crate) fn generated(
        shape: &[usize],
        formula: Formula,
        dtype: DType,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Self, ArrayError> {
        let chunks: Chunks = chunks.into().chunks(shape, dtype.size_bytes(), None)?;
        let elementwise = Elementwise { formula, operands: Vec::new() };
        Ok(Self::from_node(Expr::Elementwise(elementwise), dtype, chunks))
    }
}

fn no_array(op: &'static str, argument: &'static str) -> ArrayError {
    ArrayError::Argument { op, argument, problem: "is an array, and should be a number".to_owned() }
}

/// The value of a number, with the dtype that it has alone.
fn value_of(op: &'static str, arg: &Arg) -> Result<Scalar, ArrayError> {
    match arg {
        Arg::Strong(value) => Ok(*value),
        Arg::Weak(value) => Ok(value.to_scalar(value.default_dtype())?),
        Arg::Array(_) => Err(no_array(op, "range")),
    }
}

/// The formula with its result, which is of dtype `from`, as `to`.
fn cast_from(mut formula: Formula, from: DType, to: DType) -> Formula {
    if from != to {
        let last = formula.steps.len() as u32 - 1;
        formula.steps.push(Step::Apply { op: Op::Cast(to), args: [last].into_iter().collect() });
    }
    formula
}

/// `start + delta * i` in `dtype`.
fn linear(start: Scalar, delta: Scalar, dtype: DType) -> Formula {
    let index = Step::Index { axis: 0, start: 0, step: 1 };
    let mut steps = vec![index, Step::Apply { op: Op::Cast(dtype), args: [0].into_iter().collect() }];
    let scaled = constant_after(&mut steps, Op::Multiply, 1, delta);
    constant_after(&mut steps, Op::Add, scaled, start);
    Formula { steps }
}

/// Appends `op` of a step and a value.
fn constant_after(steps: &mut Vec<Step>, op: Op, step: u32, value: Scalar) -> u32 {
    steps.push(Step::Strong(value));
    let constant = steps.len() as u32 - 1;
    steps.push(Step::Apply { op, args: [step, constant].into_iter().collect() });
    constant + 1
}

/// Appends `op` of a step and a literal.
fn apply(steps: &mut Vec<Step>, op: Op, args: &[u32], literal: Option<f64>) -> u32 {
    let mut all: smallvec::SmallVec<[u32; 3]> = args.iter().copied().collect();
    if let Some(value) = literal {
        steps.push(Step::Weak(WeakScalar::Float(value)));
        all.push(steps.len() as u32 - 1);
    }
    steps.push(Step::Apply { op, args: all });
    steps.len() as u32 - 1
}
