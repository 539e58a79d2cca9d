//! Random arrays: counter-based, so that the numbers depend on the seed and the position, and on nothing else.

mod laws;
mod parameter;

use std::sync::atomic::{AtomicU64, Ordering};

use dolmen_kernels::{DType, Distribution, Family, Kind, ParameterRule, Random, Scalar};

pub use parameter::{Parameter, Size};

use crate::elementwise::Elementwise;
use crate::formula::{Formula, Step};
use crate::kernel::Kernel;
use crate::node::Expr;
use crate::{Array, ArrayError, ChunkSpec};
use parameter::{Grid, Value, checked};

/// Makes random arrays from a seed, each with numbers of its own: NumPy's `Generator`.
///
/// The same seed gives the same arrays in the same order of calls, with equal bits under any chunks and on any number of
/// threads. The numbers are not NumPy's.
///
/// Parameters are numbers or arrays ([`Parameter`]), which broadcast together and to the shape that is asked for; with
/// [`Size::OfParameters`] the shape is what they broadcast to. Besides what a law says for itself, each fails with
/// [`ArrayError::Broadcast`] or [`ArrayError::ShapeMismatch`] if they do not, [`ArrayError::UnknownLength`] for arrays whose
/// lengths are known only when they are computed, [`ArrayError::DTypeUnsupported`] for arrays that are no such numbers, and
/// with the errors of [`ChunkSpec::chunks`].
///
/// ```
/// # use dolmen_array::{ChunkSpec, RandomGenerator};
/// let random = RandomGenerator::new(42);
/// let x = random.normal(10.0, 0.1, &[20_000_000], 1_000_000)?;
/// assert_eq!(x.chunks().n_blocks()?, 20);
/// # Ok::<(), dolmen_array::ArrayError>(())
/// ```
#[derive(Debug)]
pub struct RandomGenerator {
    seed: u64,
    next_stream: AtomicU64,
}

impl RandomGenerator {
    /// The generator of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, next_stream: AtomicU64::new(0) }
    }

    /// Evenly distributed over `[0, 1)`.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn random(&self, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        Ok(self.even(&grid("random.random", &[], shape, chunks)?))
    }

    /// Evenly distributed over `[low, high)`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if the range is not finite; those of parameters.
    pub fn uniform<'a>(
        &self,
        low: impl Into<Parameter<f64>>,
        high: impl Into<Parameter<f64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let op = "random.uniform";
        let (low, high) = (low.into().read(op)?, high.into().read(op)?);
        let range = checked(ParameterRule::UniformRange, &[&low, &high])?;
        let grid = grid(op, &[&low, &range], shape, chunks)?;
        self.even(&grid).multiply(grid.cut(&range))?.add(grid.cut(&low))
    }

    /// Normally distributed with mean `loc` and standard deviation `scale`.
    ///
    /// ```
    /// # use dolmen_array::{Array, RandomGenerator, Size};
    /// let random = RandomGenerator::new(42);
    /// let scale = Array::from_vec(&[3], vec![0.1, 1.0, 10.0])?;
    /// let rows = random.normal(0.0, &scale, &[1000, 3], 500)?;
    /// assert_eq!(random.normal(0.0, &scale, Size::OfParameters, 3)?.shape()?, [3]);
    /// # assert_eq!(rows.shape()?, [1000, 3]);
    /// # Ok::<(), dolmen_array::ArrayError>(())
    /// ```
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if the deviation is negative; those of parameters.
    pub fn normal<'a>(
        &self,
        loc: impl Into<Parameter<f64>>,
        scale: impl Into<Parameter<f64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        self.normal_by(ParameterRule::NormalScale, loc.into(), scale.into(), shape, chunks)
    }

    fn normal_by<'a>(
        &self,
        rule: ParameterRule,
        loc: Parameter<f64>,
        scale: Parameter<f64>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        Self::scaled(rule, loc, scale, shape, chunks, |grid| Ok(self.normals(grid)))
    }

    /// A law of a location and a scale, of which `standard` makes numbers with 0 and 1.
    fn scaled<'a>(
        rule: ParameterRule,
        loc: Parameter<f64>,
        scale: Parameter<f64>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
        standard: impl FnOnce(&Grid) -> Result<Array, ArrayError>,
    ) -> Result<Array, ArrayError> {
        let op = rule.op();
        let (loc, scale) = (loc.read(op)?, checked(rule, &[&scale.read(op)?])?);
        let grid = grid(op, &[&loc, &scale], shape, chunks)?;
        standard(&grid)?.multiply(grid.cut(&scale))?.add(grid.cut(&loc))
    }

    /// Integers from `low` up to, and without, `high`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if there is none; those of parameters.
    pub fn integers<'a>(
        &self,
        low: impl Into<Parameter<i64>>,
        high: impl Into<Parameter<i64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        self.integers_as(DType::I64, low, high, shape, chunks)
    }

    /// As [`integers`](Self::integers), as elements of a dtype of integers or `bool`, which has to hold all of them.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] for bounds that `dtype` does not hold; [`ArrayError::DTypeUnsupported`] for other dtypes.
    pub fn integers_as<'a>(
        &self,
        dtype: DType,
        low: impl Into<Parameter<i64>>,
        high: impl Into<Parameter<i64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let op = "random.integers";
        if !matches!(dtype.kind(), Kind::Bool | Kind::Signed | Kind::Unsigned) {
            return Err(ArrayError::DTypeUnsupported { op, dtype, remedy: "take a dtype of integers, or bool" });
        }
        let low = Value::integer(op, low.into(), Scalar::I64)?;
        let high = Value::integer(op, high.into(), Scalar::I64)?;
        self.family(op, Family::Integers(dtype), &[low, high], shape, chunks)?.astype(dtype)
    }

    fn next_stream(&self) -> u64 {
        self.next_stream.fetch_add(1, Ordering::Relaxed)
    }

    /// Numbers of a law that draws with its parameters at hand.
    fn family<'a>(
        &self,
        op: &'static str,
        family: Family,
        parameters: &[Value],
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let arrays: Vec<&Array> = parameters.iter().filter_map(Value::array).collect();
        let grid = Grid::new(op, &arrays, shape.into(), chunks.into())?;
        self.family_on(&grid, family, parameters)
    }

    fn family_on(&self, grid: &Grid, family: Family, parameters: &[Value]) -> Result<Array, ArrayError> {
        let numbers = parameters.iter().map(|parameter| match parameter {
            Value::Number(value) => Some(*value),
            Value::Array(_) => None,
        });
        if let Some(numbers) = numbers.collect::<Option<Vec<Scalar>>>() {
            return Ok(self.draw(family.with(&numbers)?, grid));
        }
        let arrays = parameters.iter().zip(family.parameters()).map(|(parameter, dtype)| match parameter {
            Value::Number(value) => Ok(Array::scalar(value.cast(*dtype)?)),
            Value::Array(array) => Ok(array.clone()),
        });
        let arrays = arrays.collect::<Result<Vec<Array>, ArrayError>>()?;
        let kernel = Kernel::Draw { family, seed: self.seed, stream: self.next_stream() };
        Ok(grid.blockwise(kernel, &arrays, family.dtype()))
    }

    /// Evenly distributed over `[0, 1)`.
    fn even(&self, grid: &Grid) -> Array {
        self.draw(Distribution::Uniform, grid)
    }

    /// Normally distributed with mean 0 and deviation 1.
    fn normals(&self, grid: &Grid) -> Array {
        self.draw(Distribution::Normal, grid)
    }

    /// Numbers of a distribution that was checked.
    fn draw(&self, distribution: Distribution, grid: &Grid) -> Array {
        let random = Random { distribution, seed: self.seed, stream: self.next_stream() };
        let elementwise = Elementwise { formula: Formula::single(Step::Random(random)), operands: Vec::new() };
        Array::from_node(Expr::Elementwise(elementwise), random.dtype(), grid.chunks.clone())
    }
}

/// The shape and chunks of numbers with some parameters.
fn grid<'a>(
    op: &'static str,
    parameters: &[&Parameter<f64>],
    shape: impl Into<Size<'a>>,
    chunks: impl Into<ChunkSpec>,
) -> Result<Grid, ArrayError> {
    let arrays = parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Number(_) => None,
        Parameter::Array(array) => Some(array),
    });
    Grid::new(op, &arrays.collect::<Vec<_>>(), shape.into(), chunks.into())
}
