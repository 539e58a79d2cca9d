//! Elementwise programs: what is done to every element, as data.

use serde::{Deserialize, Serialize};

use crate::op::{operand_dtypes, signature};
use crate::random::Random;
use crate::{DType, KernelError, Kind, Op, OperandType, Result, Scalar, WeakScalar};

/// An elementwise computation over blocks that broadcast together, made by a [`ProgramBuilder`].
///
/// A program is data: it can be encoded, sent and joined to another. It is run by [`Program::run`], tile by tile, so that
/// no step makes an array of its own.
///
/// ```
/// use dolmen_kernels::{Block, DType, Op, Pool, ProgramBuilder, Region};
///
/// # fn main() -> Result<(), dolmen_kernels::KernelError> {
/// let mut builder = ProgramBuilder::new();
/// let (a, b) = (builder.input(DType::F64), builder.input(DType::I32));
/// let product = builder.apply(Op::Multiply, &[a, b])?;
/// let root = builder.apply(Op::Sqrt, &[product])?;
/// let program = builder.finish(root)?;
///
/// let a = Block::from_vec(&[2, 1], vec![1.0, 4.0])?;
/// let b = Block::from_vec(&[3], vec![1, 4, 9])?;
/// let result = program.run(&[a, b], &Region::whole(&[2, 3]), &Pool::new(0))?;
/// assert_eq!(result.to_vec::<f64>()?, [1.0, 2.0, 3.0, 2.0, 4.0, 6.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Program {
    pub(crate) inputs: Vec<DType>,
    /// Each uses only those before it.
    pub(crate) nodes: Vec<(Node, DType)>,
    pub(crate) output: usize,
}

/// A program as it is read from bytes, not yet checked.
#[derive(Deserialize)]
struct Raw {
    inputs: Vec<DType>,
    nodes: Vec<(Node, DType)>,
    output: usize,
}

impl TryFrom<Raw> for Program {
    type Error = KernelError;

    fn try_from(raw: Raw) -> Result<Self> {
        let malformed = |problem| KernelError::MalformedProgram { problem };
        for (at, (node, dtype)) in raw.nodes.iter().enumerate() {
            if node.operands().any(|operand| operand >= at) {
                return Err(malformed("a step uses a later one"));
            }
            let known = node.dtype(&raw.inputs, &raw.nodes).ok_or(malformed("a step has no kernel"))?;
            let fits = match node {
                Node::Convert(from) => signature(Op::Cast(*dtype), &[raw.nodes[*from].1]).is_ok(),
                _ => known == *dtype,
            };
            if !fits {
                return Err(malformed("a step has another dtype than it makes"));
            }
        }
        if raw.output >= raw.nodes.len() {
            return Err(malformed("it has no result"));
        }
        Ok(Self { inputs: raw.inputs, nodes: raw.nodes, output: raw.output })
    }
}

/// One step of a program.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Node {
    Input(usize),
    Constant(Scalar),
    Generate(Generator),
    Unary(Op, usize),
    Binary(Op, usize, usize),
    Select(usize, usize, usize),
    /// To the dtype of the node.
    Convert(usize),
}

/// What makes elements from their position.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Generator {
    /// The position along one axis of the whole array.
    Index(usize),
    /// The position in the whole array in C order.
    LinearIndex,
    Random(Random),
}

/// The loop that a unary step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unary {
    /// To the same dtype.
    Same,
    /// To truth values.
    Test,
    /// From a complex number to a real one.
    Part,
}

/// The loop that a binary step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    /// Operands and result of one dtype.
    Same,
    /// Truth values from two of one dtype.
    Compare,
    /// Truth values from `int64` and `uint64`.
    CompareMixed,
    /// As before, with the operands exchanged.
    CompareMixedSwapped,
    /// Time in, time out, or the whole quotient of two spans.
    Time,
    /// The quotient of two spans.
    TimeQuotient,
    /// A span and an integer.
    TimeInt,
    /// As before, with the operands exchanged.
    TimeIntSwapped,
    /// A span and a float.
    TimeFloat,
    /// As before, with the operands exchanged.
    TimeFloatSwapped,
}

impl Node {
    pub(crate) fn operands(&self) -> impl Iterator<Item = usize> {
        let operands = match *self {
            Self::Input(_) | Self::Constant(_) | Self::Generate(_) => [None; 3],
            Self::Unary(_, a) | Self::Convert(a) => [Some(a), None, None],
            Self::Binary(_, a, b) => [Some(a), Some(b), None],
            Self::Select(condition, a, b) => [Some(condition), Some(a), Some(b)],
        };
        operands.into_iter().flatten()
    }

    fn map_operands(self, f: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Input(_) | Self::Constant(_) | Self::Generate(_) => self,
            Self::Unary(op, a) => Self::Unary(op, f(a)),
            Self::Convert(a) => Self::Convert(f(a)),
            Self::Binary(op, a, b) => Self::Binary(op, f(a), f(b)),
            Self::Select(condition, a, b) => Self::Select(f(condition), f(a), f(b)),
        }
    }

    /// The dtype that the node makes, the operand's for a conversion; `None` if there is no kernel for it.
    fn dtype(&self, inputs: &[DType], nodes: &[(Self, DType)]) -> Option<DType> {
        let dtype = |node: usize| nodes.get(node).map(|node| node.1);
        match *self {
            Self::Input(input) => inputs.get(input).copied(),
            Self::Constant(value) => Some(value.dtype()),
            Self::Generate(Generator::Index(_) | Generator::LinearIndex) => Some(DType::I64),
            Self::Generate(Generator::Random(random)) => random.check().is_ok().then(|| random.dtype()),
            Self::Unary(op, a) => unary_kernel(op, dtype(a)?).map(|kernel| kernel.1),
            Self::Binary(op, a, b) => binary_kernel(op, dtype(a)?, dtype(b)?).map(|kernel| kernel.1),
            Self::Select(condition, a, b) => {
                let (a, b) = (dtype(a)?, dtype(b)?);
                (dtype(condition)? == DType::Bool && a == b).then_some(a)
            }
            Self::Convert(a) => dtype(a),
        }
    }
}

/// The loop for `op` of `dtype`, and the dtype of its result.
pub(crate) fn unary_kernel(op: Op, dtype: DType) -> Option<(Unary, DType)> {
    use Op::*;
    let same = Some((Unary::Same, dtype));
    let transcendental = matches!(
        op,
        Sqrt | Exp
            | Exp2
            | Expm1
            | Log
            | Log2
            | Log10
            | Log1p
            | Sin
            | Cos
            | Tan
            | Arcsin
            | Arccos
            | Arctan
            | Sinh
            | Cosh
            | Tanh
            | Arcsinh
            | Arccosh
            | Arctanh
            | Rint
    );
    let test = Some((Unary::Test, DType::Bool));
    match (dtype.kind(), op) {
        (Kind::Bool, Invert) => same,
        (Kind::Signed | Kind::Unsigned, Negative | Absolute | Sign | Square | Reciprocal | Invert) => same,
        // Half floats are computed with as float32.
        (Kind::Float, _) if dtype == DType::F16 => None,
        (Kind::Float, Negative | Absolute | Sign | Square | Reciprocal | Cbrt | Floor | Ceil | Trunc) => same,
        (Kind::Float, Spacing | Mantissa | Exponent | I0) => same,
        (Kind::Float | Kind::Complex, _) if transcendental => same,
        (Kind::Float, Isnan | Isinf | Isfinite | Signbit) => test,
        (Kind::Complex, Negative | Sign | Square | Reciprocal | Conjugate) => same,
        (Kind::Complex, Real | Imag | Absolute | Angle) => Some((Unary::Part, dtype.real())),
        (Kind::Complex | Kind::DateTime | Kind::TimeDelta, Isnan | Isinf | Isfinite) => test,
        (Kind::TimeDelta, Negative | Absolute | Sign) => same,
        _ => None,
    }
}

/// The loop for `op` of two dtypes, and the dtype of its result.
pub(crate) fn binary_kernel(op: Op, a: DType, b: DType) -> Option<(Binary, DType)> {
    use Op::*;
    if a.is_time() || b.is_time() {
        let signature = signature(op, &[a, b]).ok().filter(|signature| signature.operands == [a, b])?;
        let kernel = match (a, b) {
            _ if op.is_comparison() => Binary::Compare,
            (_, DType::I64) => Binary::TimeInt,
            (DType::I64, _) => Binary::TimeIntSwapped,
            (_, DType::F64) => Binary::TimeFloat,
            (DType::F64, _) => Binary::TimeFloatSwapped,
            _ if signature.result == DType::F64 => Binary::TimeQuotient,
            _ => Binary::Time,
        };
        return Some((kernel, signature.result));
    }
    if op.is_comparison() {
        return match (a, b) {
            (DType::I64, DType::U64) => Some((Binary::CompareMixed, DType::Bool)),
            (DType::U64, DType::I64) => Some((Binary::CompareMixedSwapped, DType::Bool)),
            _ => (a == b && a != DType::F16).then_some((Binary::Compare, DType::Bool)),
        };
    }
    let known = match a.kind() {
        Kind::Bool => matches!(op, BitwiseAnd | BitwiseOr | BitwiseXor),
        Kind::Signed | Kind::Unsigned => matches!(
            op,
            Add | Subtract
                | Multiply
                | FloorDivide
                | Remainder
                | Fmod
                | Power
                | Maximum
                | Minimum
                | Fmax
                | Fmin
                | BitwiseAnd
                | BitwiseOr
                | BitwiseXor
                | LeftShift
                | RightShift
        ),
        Kind::Float => {
            a != DType::F16
                && matches!(
                    op,
                    Add | Subtract
                        | Multiply
                        | TrueDivide
                        | FloorDivide
                        | Remainder
                        | Fmod
                        | Power
                        | Maximum
                        | Minimum
                        | Fmax
                        | Fmin
                        | Arctan2
                        | Hypot
                        | Logaddexp
                        | Logaddexp2
                        | Copysign
                        | Nextafter
                        | Ldexp
                        | StudentTails
                )
        }
        Kind::Complex => {
            matches!(op, Add | Subtract | Multiply | TrueDivide | Power | Maximum | Minimum | Fmax | Fmin)
        }
        Kind::DateTime | Kind::TimeDelta => false,
    };
    (known && a == b).then_some((Binary::Same, a))
}

/// What an operation is applied to while a program is built.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operand {
    /// The result of a step.
    Step(Step),
    /// A literal, which takes the dtype of what it meets.
    Weak(WeakScalar),
}

/// The result of a step of a program that is being built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step(usize);

/// Builds a [`Program`] step by step; equal steps become one.
#[derive(Debug, Clone, Default)]
pub struct ProgramBuilder {
    inputs: Vec<DType>,
    nodes: Vec<(Node, DType)>,
}

impl ProgramBuilder {
    /// A program without steps.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next block that is given to the program.
    pub fn input(&mut self, dtype: DType) -> Operand {
        self.inputs.push(dtype);
        self.step(Node::Input(self.inputs.len() - 1), dtype)
    }

    /// One value for all elements.
    pub fn scalar(&mut self, value: Scalar) -> Operand {
        self.step(Node::Constant(value), value.dtype())
    }

    /// The position of each element along `axis` of the whole array, as `int64`.
    ///
    /// From it come `arange` (`start + step * index`), `linspace`, `eye`, `tri`, `indices`.
    pub fn index(&mut self, axis: usize) -> Operand {
        self.step(Node::Generate(Generator::Index(axis)), DType::I64)
    }

    /// The position of each element in C order in the whole array, as `int64`.
    pub fn linear_index(&mut self) -> Operand {
        self.step(Node::Generate(Generator::LinearIndex), DType::I64)
    }

    /// Random numbers, each a function of its stream and of the element's position in C order in the whole array.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for a range without values.
    pub fn random(&mut self, random: Random) -> Result<Operand> {
        random.check()?;
        Ok(self.step(Node::Generate(Generator::Random(random)), random.dtype()))
    }

    /// The dtype of an operand, that of a literal alone.
    #[must_use]
    pub fn dtype(&self, operand: Operand) -> DType {
        match operand {
            Operand::Step(step) => self.nodes[step.0].1,
            Operand::Weak(weak) => weak.default_dtype(),
        }
    }

    /// Applies `op`, by NumPy's rules of dtypes.
    ///
    /// # Errors
    /// As [`result_dtype`](crate::result_dtype).
    pub fn apply(&mut self, op: Op, operands: &[Operand]) -> Result<Operand> {
        let types: Vec<OperandType> = operands
            .iter()
            .map(|operand| match operand {
                Operand::Step(step) => OperandType::Strong(self.nodes[step.0].1),
                Operand::Weak(weak) => OperandType::Weak(*weak),
            })
            .collect();
        let dtypes = operand_dtypes(op, &types)?;
        if let Some(result) = self.compare_beyond_range(op, operands, &dtypes) {
            return Ok(result);
        }
        let signature = signature(op, &dtypes)?;
        if let Some(result) = self.simple_power(op, operands, &signature.operands)? {
            return Ok(result);
        }
        let mut cast = Vec::with_capacity(operands.len());
        for ((operand, &own), &wanted) in operands.iter().zip(&dtypes).zip(&signature.operands) {
            let operand = match operand {
                Operand::Step(_) => *operand,
                Operand::Weak(weak) => self.scalar(weak.to_scalar(own)?),
            };
            cast.push(self.convert(operand, wanted)?);
        }
        if op.n_operands() == 1 && signature.operands[0] == signature.result && matches!(op, Op::Cast(_)) {
            return Ok(cast[0]);
        }
        self.lower(op, &cast, signature.result)
    }

    /// The steps of another program, with `operands` in place of its inputs.
    ///
    /// # Errors
    /// [`KernelError::WrongDType`] if an operand has another dtype than the input it stands for;
    /// [`KernelError::Parameter`] if there are not as many as inputs.
    pub fn splice(&mut self, program: &Program, operands: &[Operand]) -> Result<Operand> {
        if operands.len() != program.inputs.len() {
            let problem = "are not as many as its inputs";
            return Err(KernelError::Parameter { op: "splice", parameter: "the operands", problem });
        }
        let mut steps: Vec<Step> = Vec::with_capacity(program.nodes.len());
        for (node, dtype) in &program.nodes {
            let operand = match node {
                Node::Input(input) => {
                    let operand = match operands[*input] {
                        Operand::Weak(weak) => self.scalar(weak.to_scalar(*dtype)?),
                        step @ Operand::Step(_) => step,
                    };
                    if self.dtype(operand) != *dtype {
                        return Err(KernelError::WrongDType { expected: *dtype, actual: self.dtype(operand) });
                    }
                    operand
                }
                node => self.step(node.map_operands(|operand| steps[operand].0), *dtype),
            };
            steps.push(self.as_step(operand));
        }
        Ok(Operand::Step(steps[program.output]))
    }

    /// The program whose result is `output`; a literal gets the dtype it has alone.
    ///
    /// # Errors
    /// [`KernelError::ScalarOutOfRange`] for a literal that fits none.
    pub fn finish(mut self, output: Operand) -> Result<Program> {
        let output = match output {
            Operand::Step(step) => step,
            Operand::Weak(weak) => {
                let scalar = self.scalar(weak.to_scalar(weak.default_dtype())?);
                self.as_step(scalar)
            }
        };
        Ok(Program { inputs: self.inputs, nodes: self.nodes, output: output.0 })
    }

    fn step(&mut self, node: Node, dtype: DType) -> Operand {
        let known = self.nodes.iter().position(|other| *other == (node, dtype));
        Operand::Step(Step(known.unwrap_or_else(|| {
            self.nodes.push((node, dtype));
            self.nodes.len() - 1
        })))
    }

    fn as_step(&mut self, operand: Operand) -> Step {
        match operand {
            Operand::Step(step) => step,
            Operand::Weak(_) => unreachable!("literals were given a dtype before"),
        }
    }

    fn convert(&mut self, operand: Operand, dtype: DType) -> Result<Operand> {
        let from = self.dtype(operand);
        if from == dtype {
            return Ok(operand);
        }
        signature(Op::Cast(dtype), &[from])?;
        let step = self.as_step(operand);
        if let Node::Constant(value) = self.nodes[step.0].0 {
            return Ok(self.scalar(value.cast(dtype)?));
        }
        Ok(self.step(Node::Convert(step.0), dtype))
    }

    /// Emits `op` of operands that have the dtypes of its signature, as steps that have a kernel.
    fn lower(&mut self, op: Op, operands: &[Operand], result: DType) -> Result<Operand> {
        let a = operands[0];
        let dtype = self.dtype(operands[operands.len() - 1]);
        match op {
            Op::Cast(to) => return self.convert(a, to),
            Op::Round(decimals) => return self.round(a, decimals),
            Op::Clip => {
                let above = self.lower(Op::Maximum, &operands[..2], result)?;
                return self.lower(Op::Minimum, &[above, operands[2]], result);
            }
            Op::Where => {
                let [condition, x, y] = [0, 1, 2].map(|at| self.as_step(operands[at]).0);
                return Ok(self.step(Node::Select(condition, x, y), result));
            }
            _ => {}
        }
        if dtype == DType::F16 {
            let wide: Vec<Operand> = operands.iter().map(|a| self.convert(*a, DType::F32)).collect::<Result<_>>()?;
            let wide_result = if result == DType::F16 { DType::F32 } else { result };
            let value = self.lower(op, &wide, wide_result)?;
            return self.convert(value, result);
        }
        let real = dtype.kind() != Kind::Complex;
        let exact = !dtype.is_inexact() && !dtype.is_time();
        let identity = match op {
            Op::Positive => true,
            Op::Conjugate | Op::Real => real,
            Op::Floor | Op::Ceil | Op::Trunc => exact,
            Op::Absolute => matches!(dtype.kind(), Kind::Bool | Kind::Unsigned),
            _ => false,
        };
        if identity {
            return Ok(a);
        }
        let op = match op {
            Op::Imag if real => return Ok(self.scalar(Scalar::zero(dtype))),
            Op::Isnan | Op::Isinf if exact => return Ok(self.scalar(Scalar::Bool(false))),
            Op::Isfinite if exact => return Ok(self.scalar(Scalar::Bool(true))),
            Op::Angle if real => {
                let zero = self.scalar(Scalar::zero(dtype));
                return self.lower(Op::Arctan2, &[zero, a], result);
            }
            Op::LogicalAnd => Op::BitwiseAnd,
            Op::LogicalOr => Op::BitwiseOr,
            Op::LogicalXor => Op::BitwiseXor,
            Op::LogicalNot => Op::Invert,
            Op::Add | Op::Maximum | Op::Fmax if dtype == DType::Bool => Op::BitwiseOr,
            Op::Multiply | Op::Minimum | Op::Fmin if dtype == DType::Bool => Op::BitwiseAnd,
            op => op,
        };
        let node = match *operands {
            [a] => Node::Unary(op, self.as_step(a).0),
            [a, b] => Node::Binary(op, self.as_step(a).0, self.as_step(b).0),
            _ => unreachable!("operations of three operands were lowered above"),
        };
        debug_assert_eq!(node.dtype(&self.inputs, &self.nodes), Some(result), "{op:?} of {dtype}");
        Ok(self.step(node, result))
    }

    fn round(&mut self, a: Operand, decimals: i32) -> Result<Operand> {
        let dtype = self.dtype(a);
        if dtype.is_integer() && decimals >= 0 || dtype.is_time() {
            return Ok(a);
        }
        let scale = Operand::Weak(WeakScalar::Float(10_f64.powi(decimals.saturating_abs())));
        let float = if dtype.is_integer() { self.convert(a, DType::F64)? } else { a };
        if decimals == 0 {
            return self.apply(Op::Rint, &[float]);
        }
        if dtype.kind() == Kind::Complex {
            // Part by part: a quotient of complex numbers is not as exact.
            let [real, imaginary] = [Op::Real, Op::Imag].map(|part| self.apply(part, &[float]));
            let (real, imaginary) = (self.round(real?, decimals)?, self.round(imaginary?, decimals)?);
            let unit = Operand::Weak(WeakScalar::Complex(num_complex::Complex::I));
            let turned = self.apply(Op::Multiply, &[imaginary, unit])?;
            return self.apply(Op::Add, &[real, turned]);
        }
        let (before, after) =
            if decimals > 0 { (Op::Multiply, Op::TrueDivide) } else { (Op::TrueDivide, Op::Multiply) };
        let scaled = self.apply(before, &[float, scale])?;
        let rounded = self.apply(Op::Rint, &[scaled])?;
        let value = self.apply(after, &[rounded, scale])?;
        self.convert(value, dtype)
    }

    /// The answer of a comparison with an integer that is beyond the range of the other operand.
    fn compare_beyond_range(&mut self, op: Op, operands: &[Operand], dtypes: &[DType]) -> Option<Operand> {
        if !op.is_comparison() {
            return None;
        }
        let literal_first = matches!(operands[0], Operand::Weak(_));
        let at = usize::from(!literal_first);
        let Operand::Weak(WeakScalar::Int(value)) = operands[at] else { return None };
        if !dtypes[at].is_integer() || Scalar::from_int(value, dtypes[at]).is_ok() {
            return None;
        }
        // Whether the first operand is above the second one.
        let above = (value > 0) == literal_first;
        let answer = match op {
            Op::Equal => false,
            Op::NotEqual => true,
            Op::Greater | Op::GreaterEqual => above,
            _ => !above,
        };
        Some(self.scalar(Scalar::Bool(answer)))
    }

    /// Powers that are simpler operations, as NumPy's `**` has them: of two, and of one half.
    fn simple_power(&mut self, op: Op, operands: &[Operand], dtypes: &[DType]) -> Result<Option<Operand>> {
        let (Op::Power, Operand::Weak(exponent), true) = (op, operands[operands.len() - 1], dtypes[0].is_inexact())
        else {
            return Ok(None);
        };
        let op = match exponent {
            WeakScalar::Int(2) | WeakScalar::Float(2.0) => Op::Square,
            WeakScalar::Float(0.5) => Op::Sqrt,
            _ => return Ok(None),
        };
        let Operand::Step(_) = operands[0] else { return Ok(None) };
        let base = self.convert(operands[0], dtypes[0])?;
        self.apply(op, &[base]).map(Some)
    }
}

impl Program {
    /// The program that gives its one input back.
    #[must_use]
    pub fn identity(dtype: DType) -> Self {
        Self { inputs: vec![dtype], nodes: vec![(Node::Input(0), dtype)], output: 0 }
    }

    /// The dtypes of the blocks that the program is given.
    #[must_use]
    pub fn inputs(&self) -> &[DType] {
        &self.inputs
    }

    /// The dtype of the result.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.nodes[self.output].1
    }

    /// The number of steps that compute something.
    #[must_use]
    pub fn n_operations(&self) -> usize {
        self.nodes.iter().filter(|(node, _)| !matches!(node, Node::Input(_) | Node::Constant(_))).count()
    }

    /// Whether elements depend on their position in the whole array, so that [`Region::start`](crate::Region) matters.
    #[must_use]
    pub fn depends_on_position(&self) -> bool {
        self.nodes.iter().any(|(node, _)| matches!(node, Node::Generate(_)))
    }
}
