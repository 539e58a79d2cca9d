//! The parameters of laws, and the shape that they give together.

use std::sync::Arc;

use dolmen_kernels::{DType, Kind, Op, ParameterRule, Scalar};
use smallvec::SmallVec;

use crate::chunks::AxisChunks;
use crate::elementwise::{common_chunks, cut_alike};
use crate::kernel::Kernel;
use crate::node::{Expr, Operand, OperandAxis};
use crate::shape::{Dims, broadcast};
use crate::{Arg, Array, ArrayError, AxisSpec, ChunkSpec, Chunks};

/// A parameter of a law: a number, or an array with one for each element, which broadcasts with the other parameters.
///
/// Equal parameters give equal numbers, whether they stand in an array or not. What makes no sense as a number is an error at
/// once, in an array when its block is computed.
#[derive(Debug, Clone)]
pub enum Parameter<T> {
    /// The same for all elements.
    Number(T),
    /// One for each element.
    Array(Array),
}

impl From<f64> for Parameter<f64> {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<i64> for Parameter<i64> {
    fn from(value: i64) -> Self {
        Self::Number(value)
    }
}

impl From<u64> for Parameter<u64> {
    fn from(value: u64) -> Self {
        Self::Number(value)
    }
}

impl<T> From<Array> for Parameter<T> {
    fn from(array: Array) -> Self {
        Self::Array(array)
    }
}

impl<T> From<&Array> for Parameter<T> {
    fn from(array: &Array) -> Self {
        Self::Array(array.clone())
    }
}

/// The shape of random numbers: NumPy's `size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size<'a> {
    /// What the parameters broadcast to: one number without axes if they are numbers.
    OfParameters,
    /// This shape, to which the parameters broadcast.
    Shape(&'a [usize]),
}

impl<'a> From<&'a [usize]> for Size<'a> {
    fn from(shape: &'a [usize]) -> Self {
        Self::Shape(shape)
    }
}

impl<'a, const N: usize> From<&'a [usize; N]> for Size<'a> {
    fn from(shape: &'a [usize; N]) -> Self {
        Self::Shape(shape)
    }
}

impl<'a> From<&'a Vec<usize>> for Size<'a> {
    fn from(shape: &'a Vec<usize>) -> Self {
        Self::Shape(shape)
    }
}

impl Parameter<f64> {
    /// The parameter with an array as `float64`.
    pub(super) fn read(self, op: &'static str) -> Result<Self, ArrayError> {
        let Self::Array(array) = self else { return Ok(self) };
        array.check()?;
        match array.dtype().kind() {
            Kind::Bool | Kind::Signed | Kind::Unsigned | Kind::Float => Ok(Self::Array(array.astype(DType::F64)?)),
            _ => Err(refused(op, &array, "parameters are real numbers")),
        }
    }

    pub(super) fn add(&self, other: &Self) -> Result<Self, ArrayError> {
        self.arithmetic(Op::Add, |a, b| a + b, other)
    }

    pub(super) fn subtract(&self, other: &Self) -> Result<Self, ArrayError> {
        self.arithmetic(Op::Subtract, |a, b| a - b, other)
    }

    pub(super) fn multiply(&self, other: &Self) -> Result<Self, ArrayError> {
        self.arithmetic(Op::Multiply, |a, b| a * b, other)
    }

    pub(super) fn divide(&self, other: &Self) -> Result<Self, ArrayError> {
        self.arithmetic(Op::TrueDivide, |a, b| a / b, other)
    }

    pub(super) fn times(&self, factor: f64) -> Result<Self, ArrayError> {
        self.multiply(&Self::Number(factor))
    }

    pub(super) fn reciprocal(&self) -> Result<Self, ArrayError> {
        Self::Number(1.0).divide(self)
    }

    /// The same of numbers as of arrays: these operations have one exact result.
    fn arithmetic(&self, op: Op, of_numbers: fn(f64, f64) -> f64, other: &Self) -> Result<Self, ArrayError> {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Ok(Self::Number(of_numbers(*a, *b))),
            (a, b) => Ok(Self::Array(Array::apply(op, &[a.arg(), b.arg()])?)),
        }
    }

    fn to_array(&self) -> Array {
        match self {
            Self::Number(value) => Array::scalar(Scalar::F64(*value)),
            Self::Array(array) => array.clone(),
        }
    }

    /// The parameter as an argument of elementwise functions.
    pub(super) fn arg(&self) -> Arg {
        match self {
            Self::Number(value) => Arg::Strong(Scalar::F64(*value)),
            Self::Array(array) => Arg::Array(array.clone()),
        }
    }
}

/// What a formula goes on with in place of `parameters`, which are checked: at once, or where the elements of arrays are
/// computed.
pub(super) fn checked(rule: ParameterRule, parameters: &[&Parameter<f64>]) -> Result<Parameter<f64>, ArrayError> {
    let numbers = parameters.iter().map(|parameter| match parameter {
        Parameter::Number(value) => Some(*value),
        Parameter::Array(_) => None,
    });
    if let Some(numbers) = numbers.collect::<Option<SmallVec<[f64; 3]>>>() {
        let values = std::array::from_fn(|at| numbers.get(at).copied().unwrap_or(0.0));
        return Ok(Parameter::Number(rule.apply(values)?));
    }
    let arrays: Vec<Array> = parameters.iter().map(|parameter| parameter.to_array()).collect();
    let grid = Grid::new(rule.op(), &arrays.iter().collect::<Vec<_>>(), Size::OfParameters, ChunkSpec::Auto)?;
    Ok(Parameter::Array(grid.blockwise(Kernel::Parameter(rule), &arrays, DType::F64)))
}

/// A parameter as a law reads it: of `float64` or `int64`.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Number(Scalar),
    Array(Array),
}

impl Value {
    pub(super) fn array(&self) -> Option<&Array> {
        match self {
            Self::Number(_) => None,
            Self::Array(array) => Some(array),
        }
    }

    /// Of integers; those of an array have to fit an `int64`.
    pub(super) fn integer<T>(
        op: &'static str,
        parameter: Parameter<T>,
        number: fn(T) -> Scalar,
    ) -> Result<Self, ArrayError> {
        match parameter {
            Parameter::Number(value) => Ok(Self::Number(number(value))),
            Parameter::Array(array) => {
                array.check()?;
                match array.dtype() {
                    DType::U64 => Err(refused(op, &array, "cast the array with astype('int64')")),
                    dtype if matches!(dtype.kind(), Kind::Bool | Kind::Signed | Kind::Unsigned) => {
                        Ok(Self::Array(array.astype(DType::I64)?))
                    }
                    _ => Err(refused(op, &array, "this parameter is an integer; cast the array with astype('int64')")),
                }
            }
        }
    }
}

impl From<Parameter<f64>> for Value {
    fn from(parameter: Parameter<f64>) -> Self {
        match parameter {
            Parameter::Number(value) => Self::Number(Scalar::F64(value)),
            Parameter::Array(array) => Self::Array(array),
        }
    }
}

fn refused(op: &'static str, array: &Array, remedy: &'static str) -> ArrayError {
    ArrayError::DTypeUnsupported { op, dtype: array.dtype(), remedy }
}

/// The shape of random numbers, and how it is cut.
#[derive(Debug)]
pub(super) struct Grid {
    dims: Dims,
    pub(super) chunks: Chunks,
}

impl Grid {
    /// Of numbers with the parameters `arrays`. Where nobody says how it is cut, it is cut as these are.
    pub(super) fn new(
        op: &'static str,
        arrays: &[&Array],
        size: Size<'_>,
        chunks: ChunkSpec,
    ) -> Result<Self, ArrayError> {
        for array in arrays {
            array.known_shape(op)?;
        }
        let shapes: SmallVec<[Dims; 4]> = arrays.iter().map(|array| array.dims()).collect();
        let own = broadcast(shapes.iter().map(|dims| &**dims)).ok_or_else(|| ArrayError::Broadcast {
            op: op.to_owned(),
            shapes: shapes.iter().map(|dims| dims.to_vec()).collect(),
            hint: String::new(),
        })?;
        let dims: Dims = match size {
            Size::OfParameters => own,
            Size::Shape(shape) => {
                let dims: Dims = shape.iter().copied().map(Some).collect();
                if broadcast([&*own, &*dims].into_iter()).as_ref() != Some(&dims) {
                    let shapes = vec![own.into_vec(), dims.into_vec()];
                    let expected = "the parameters broadcast to the size, which is the second one".to_owned();
                    return Err(ArrayError::ShapeMismatch { op, shapes, expected });
                }
                dims
            }
        };
        let shape: Vec<usize> = dims.iter().map(|len| len.unwrap_or(0)).collect();
        let operands: Vec<Operand> = arrays.iter().map(|array| Operand::broadcast((*array).clone(), &dims)).collect();
        let has = |axis| operands.iter().any(|operand| operand.axes.contains(&OperandAxis::Out(axis)));
        let spec = match chunks {
            ChunkSpec::Auto | ChunkSpec::AutoBytes(_) if !arrays.is_empty() => {
                let auto = match chunks {
                    ChunkSpec::AutoBytes(bytes) => AxisSpec::AutoBytes(bytes),
                    _ => AxisSpec::Auto,
                };
                let spec = |axis| if has(axis) { AxisSpec::Keep } else { auto.clone() };
                ChunkSpec::PerAxis((0..shape.len()).map(spec).collect())
            }
            given => given,
        };
        let common = common_chunks(op, &operands, dims.len())?;
        let own = (common.axes().iter().zip(&shape).enumerate())
            .map(|(axis, (own, len))| if has(axis) { own.clone() } else { AxisChunks::single(*len) });
        let own = Chunks::new(own);
        // All laws make numbers of eight bytes.
        let chunks = spec.chunks(&shape, 8, Some(&own))?;
        Ok(Self { dims, chunks })
    }

    /// A parameter cut as the numbers are.
    pub(super) fn cut(&self, parameter: &Parameter<f64>) -> Arg {
        match parameter {
            Parameter::Array(array) => Arg::Array(self.operand(array).array),
            number => number.arg(),
        }
    }

    /// What a kernel makes of arrays for each block.
    pub(super) fn blockwise(&self, kernel: Kernel, arrays: &[Array], dtype: DType) -> Array {
        let operands = arrays.iter().map(|array| self.operand(array)).collect();
        Array::from_node(Expr::Blockwise { kernel: Arc::new(kernel), operands }, dtype, self.chunks.clone())
    }

    fn operand(&self, array: &Array) -> Operand {
        cut_alike(Operand::broadcast(array.clone(), &self.dims), &self.chunks)
    }
}
