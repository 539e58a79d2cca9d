//! The elementwise operations, and the dtypes they take and give.

use serde::{Deserialize, Serialize};

use crate::{DType, KernelError, Kind, Result, WeakScalar, float_that_holds, promote, promote_weak};

macro_rules! ops {
    ($($op:ident $name:literal $n_operands:literal,)*) => {
        /// An elementwise operation, with NumPy's name and meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Op {
            $(#[doc = concat!("`numpy.", $name, "`.")] $op,)*
            /// `numpy.round` to so many decimals.
            Round(i32),
            /// `astype`.
            Cast(DType),
        }

        impl Op {
            /// Every operation without a parameter.
            pub const ALL: &[Self] = &[$(Self::$op),*];

            /// NumPy's name of the function.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$op => $name,)*
                    Self::Round(_) => "round",
                    Self::Cast(_) => "astype",
                }
            }

            /// The number of operands.
            #[must_use]
            pub fn n_operands(self) -> usize {
                match self {
                    $(Self::$op => $n_operands,)*
                    Self::Round(_) | Self::Cast(_) => 1,
                }
            }
        }
    };
}

ops! {
    Add "add" 2,
    Subtract "subtract" 2,
    Multiply "multiply" 2,
    TrueDivide "true_divide" 2,
    FloorDivide "floor_divide" 2,
    Remainder "remainder" 2,
    Fmod "fmod" 2,
    Power "power" 2,
    Maximum "maximum" 2,
    Minimum "minimum" 2,
    Fmax "fmax" 2,
    Fmin "fmin" 2,
    Arctan2 "arctan2" 2,
    Hypot "hypot" 2,
    Logaddexp "logaddexp" 2,
    Logaddexp2 "logaddexp2" 2,
    Copysign "copysign" 2,
    Nextafter "nextafter" 2,
    Ldexp "ldexp" 2,
    StudentTails "stats.student_tails" 2,
    Equal "equal" 2,
    NotEqual "not_equal" 2,
    Less "less" 2,
    LessEqual "less_equal" 2,
    Greater "greater" 2,
    GreaterEqual "greater_equal" 2,
    LogicalAnd "logical_and" 2,
    LogicalOr "logical_or" 2,
    LogicalXor "logical_xor" 2,
    BitwiseAnd "bitwise_and" 2,
    BitwiseOr "bitwise_or" 2,
    BitwiseXor "bitwise_xor" 2,
    LeftShift "left_shift" 2,
    RightShift "right_shift" 2,
    Negative "negative" 1,
    Positive "positive" 1,
    Absolute "absolute" 1,
    Sign "sign" 1,
    Square "square" 1,
    Reciprocal "reciprocal" 1,
    Sqrt "sqrt" 1,
    Cbrt "cbrt" 1,
    Exp "exp" 1,
    Exp2 "exp2" 1,
    Expm1 "expm1" 1,
    Log "log" 1,
    Log2 "log2" 1,
    Log10 "log10" 1,
    Log1p "log1p" 1,
    Sin "sin" 1,
    Cos "cos" 1,
    Tan "tan" 1,
    Arcsin "arcsin" 1,
    Arccos "arccos" 1,
    Arctan "arctan" 1,
    Sinh "sinh" 1,
    Cosh "cosh" 1,
    Tanh "tanh" 1,
    Arcsinh "arcsinh" 1,
    Arccosh "arccosh" 1,
    Arctanh "arctanh" 1,
    Floor "floor" 1,
    Ceil "ceil" 1,
    Trunc "trunc" 1,
    Rint "rint" 1,
    Spacing "spacing" 1,
    Mantissa "frexp_mantissa" 1,
    Exponent "frexp_exponent" 1,
    I0 "i0" 1,
    Conjugate "conjugate" 1,
    Real "real" 1,
    Imag "imag" 1,
    Angle "angle" 1,
    LogicalNot "logical_not" 1,
    Invert "invert" 1,
    Isnan "isnan" 1,
    Isinf "isinf" 1,
    Isfinite "isfinite" 1,
    Signbit "signbit" 1,
    Where "where" 3,
    Clip "clip" 3,
}

/// What an operation is applied to, as far as its dtype goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OperandType {
    /// An array, or a scalar that has a dtype.
    Strong(DType),
    /// A literal, which takes the dtype of what it meets.
    Weak(WeakScalar),
}

/// The dtypes that the operands of an operation are cast to, and the dtype of its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) operands: Vec<DType>,
    pub(crate) result: DType,
}

impl Op {
    /// Whether the operation compares two operands.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual | Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual)
    }

    /// Whether the result has one dtype for all integers.
    fn forgets_dtypes(self) -> bool {
        matches!(self, Self::LogicalAnd | Self::LogicalOr | Self::LogicalXor | Self::TrueDivide)
    }

    /// Whether two integers make a float as small as they are.
    fn makes_floats(self) -> bool {
        matches!(
            self,
            Self::Arctan2 | Self::Hypot | Self::Copysign | Self::Nextafter | Self::Logaddexp | Self::Logaddexp2
        )
    }
}

/// The dtype of the result of `op`, by NumPy 2's rules.
///
/// ```
/// # use dolmen_kernels::{result_dtype, DType, Op, OperandType, WeakScalar};
/// let int8 = OperandType::Strong(DType::I8);
/// assert_eq!(result_dtype(Op::Sqrt, &[int8]), Ok(DType::F16));
/// assert_eq!(result_dtype(Op::TrueDivide, &[int8, OperandType::Weak(WeakScalar::Int(2))]), Ok(DType::F64));
/// ```
///
/// # Errors
/// [`KernelError::UnsupportedDType`] if the operation is not defined for the operands, [`KernelError::NoCommonDType`] if
/// nothing holds them together, [`KernelError::ScalarOutOfRange`] for a literal that does not fit.
pub fn result_dtype(op: Op, operands: &[OperandType]) -> Result<DType> {
    let dtypes = operand_dtypes(op, operands)?;
    for (operand, dtype) in operands.iter().zip(&dtypes) {
        if let OperandType::Weak(weak) = operand
            && !op.is_comparison()
        {
            weak.to_scalar(*dtype)?;
        }
    }
    Ok(signature(op, &dtypes)?.result)
}

/// The dtype of each operand, literals with the dtype that the other operands give them.
pub(crate) fn operand_dtypes(op: Op, operands: &[OperandType]) -> Result<Vec<DType>> {
    if operands.len() != op.n_operands() {
        let (op, problem) = (op.name(), "are not as many as the operation takes");
        return Err(KernelError::Parameter { op, parameter: "the operands", problem });
    }
    // The condition of `where` has no say in the dtype of the result.
    let first = usize::from(op == Op::Where);
    let mut common: Option<DType> = None;
    for operand in &operands[first..] {
        if let OperandType::Strong(dtype) = operand {
            common = Some(match common {
                None => *dtype,
                // What a binary operation makes of two dtypes is told by its signature.
                Some(common) if op.n_operands() == 2 => common,
                Some(common) => promote(common, *dtype)?,
            });
        }
    }
    let literals = operands[first..].iter().filter_map(|operand| match operand {
        OperandType::Weak(weak) => Some(*weak),
        OperandType::Strong(_) => None,
    });
    let literal_dtype = match common {
        Some(_) => None,
        None => literals.map(|weak| Ok(weak.default_dtype())).reduce(|a, b| promote(a?, b?)).transpose()?,
    };
    let dtype_of = |(position, operand): (usize, &OperandType)| match (operand, common) {
        (OperandType::Strong(dtype), _) => Ok(*dtype),
        (OperandType::Weak(weak), _) if position < first => Ok(weak.default_dtype()),
        (OperandType::Weak(weak), None) => Ok(literal_dtype.unwrap_or(weak.default_dtype())),
        (OperandType::Weak(weak), Some(common)) if common.is_time() => Ok(weak.default_dtype()),
        // What is computed in floats takes integers that an integer dtype does not hold.
        (OperandType::Weak(WeakScalar::Int(_)), Some(common)) if op.makes_floats() && common.is_integer() => {
            Ok(float_that_holds(common))
        }
        (OperandType::Weak(weak @ WeakScalar::Int(_)), Some(common)) if op.forgets_dtypes() && common.is_integer() => {
            Ok(weak.default_dtype())
        }
        (OperandType::Weak(weak), Some(common)) => promote_weak(common, *weak),
    };
    operands.iter().enumerate().map(dtype_of).collect()
}

/// The dtypes that operands of `dtypes` are cast to before `op` is applied, and that of the result.
pub(crate) fn signature(op: Op, dtypes: &[DType]) -> Result<Signature> {
    let unsupported = |remedy| Err(KernelError::UnsupportedDType { op: op.name(), dtypes: dtypes.to_vec(), remedy });
    let same = |dtype: DType| Ok(Signature { operands: vec![dtype; dtypes.len()], result: dtype });
    let to = |dtype: DType, result: DType| Ok(Signature { operands: vec![dtype; dtypes.len()], result });
    if dtypes.iter().any(|dtype| dtype.is_time()) {
        return time_signature(op, dtypes);
    }
    let common = || dtypes[1..].iter().try_fold(dtypes[0], |common, &dtype| promote(common, dtype));
    let common_float = || {
        dtypes[1..]
            .iter()
            .try_fold(float_that_holds(dtypes[0]), |common, &dtype| promote(common, float_that_holds(dtype)))
    };
    match op {
        Op::Add | Op::Multiply | Op::Maximum | Op::Minimum | Op::Fmax | Op::Fmin => same(common()?),
        Op::Clip => same(common()?),
        Op::Subtract => match common()? {
            DType::Bool => unsupported("; use ^ or logical_xor"),
            dtype => same(dtype),
        },
        Op::TrueDivide => match common()? {
            dtype if dtype.is_inexact() && dtypes.iter().any(|dtype| dtype.is_inexact()) => same(common_float()?),
            _ => same(DType::F64),
        },
        Op::FloorDivide | Op::Remainder | Op::Fmod => match common()? {
            DType::Bool => same(DType::I8),
            dtype if dtype.kind() == Kind::Complex => unsupported(""),
            dtype => same(dtype),
        },
        Op::Power => match common()? {
            DType::Bool => same(DType::I8),
            dtype => same(dtype),
        },
        // Neighbours of half floats are not those of the floats that they are computed as.
        Op::Nextafter if common_float()? == DType::F16 => unsupported("; cast to float32 with astype"),
        Op::Spacing if float_that_holds(dtypes[0]) == DType::F16 => unsupported("; cast to float32 with astype"),
        Op::Arctan2
        | Op::Hypot
        | Op::Logaddexp
        | Op::Logaddexp2
        | Op::Copysign
        | Op::Nextafter
        | Op::Ldexp
        | Op::StudentTails => match common_float()? {
            dtype if dtype.kind() == Kind::Complex => unsupported(""),
            dtype => same(dtype),
        },
        Op::Equal | Op::NotEqual | Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => {
            match (dtypes[0], dtypes[1]) {
                // No dtype holds both exactly, so they are compared as they are.
                (DType::U64, b) if b.kind() == Kind::Signed => {
                    Ok(Signature { operands: vec![DType::U64, DType::I64], result: DType::Bool })
                }
                (a, DType::U64) if a.kind() == Kind::Signed => {
                    Ok(Signature { operands: vec![DType::I64, DType::U64], result: DType::Bool })
                }
                _ => to(common()?, DType::Bool),
            }
        }
        Op::LogicalAnd | Op::LogicalOr | Op::LogicalXor | Op::LogicalNot => same(DType::Bool),
        Op::BitwiseAnd | Op::BitwiseOr | Op::BitwiseXor | Op::Invert => match common()? {
            dtype if dtype == DType::Bool || dtype.is_integer() => same(dtype),
            _ => unsupported("; cast to an integer dtype"),
        },
        Op::LeftShift | Op::RightShift => match common()? {
            DType::Bool => same(DType::I8),
            dtype if dtype.is_integer() => same(dtype),
            _ => unsupported("; cast to an integer dtype"),
        },
        Op::Negative | Op::Positive | Op::Sign => match dtypes[0] {
            DType::Bool => unsupported("; use logical_not, or cast to an integer dtype"),
            dtype => same(dtype),
        },
        Op::Absolute => to(dtypes[0], dtypes[0].real()),
        Op::Square | Op::Reciprocal | Op::Conjugate => match dtypes[0] {
            DType::Bool => same(DType::I8),
            dtype => same(dtype),
        },
        Op::Real | Op::Imag => to(dtypes[0], dtypes[0].real()),
        // NumPy takes the arc tangent of it and of an integer zero.
        Op::Angle if dtypes[0] == DType::Bool => same(DType::F64),
        Op::Angle => to(float_that_holds(dtypes[0]), float_that_holds(dtypes[0]).real()),
        Op::Cbrt | Op::Spacing | Op::Mantissa | Op::Exponent | Op::I0 if dtypes[0].kind() == Kind::Complex => {
            unsupported("")
        }
        // No ufunc of NumPy's, but a series in double precision.
        Op::I0 if !dtypes[0].is_inexact() => same(DType::F64),
        Op::Sqrt
        | Op::Cbrt
        | Op::Spacing
        | Op::Mantissa
        | Op::Exponent
        | Op::I0
        | Op::Exp
        | Op::Exp2
        | Op::Expm1
        | Op::Log
        | Op::Log2
        | Op::Log10
        | Op::Log1p
        | Op::Sin
        | Op::Cos
        | Op::Tan
        | Op::Arcsin
        | Op::Arccos
        | Op::Arctan
        | Op::Sinh
        | Op::Cosh
        | Op::Tanh
        | Op::Arcsinh
        | Op::Arccosh
        | Op::Arctanh
        | Op::Rint => same(float_that_holds(dtypes[0])),
        Op::Floor | Op::Ceil | Op::Trunc => match dtypes[0].kind() {
            Kind::Complex => unsupported(""),
            _ => same(dtypes[0]),
        },
        Op::Isnan | Op::Isinf | Op::Isfinite => to(dtypes[0], DType::Bool),
        Op::Signbit => match float_that_holds(dtypes[0]) {
            dtype if dtype.kind() == Kind::Complex => unsupported(""),
            dtype => to(dtype, DType::Bool),
        },
        Op::Where => {
            let dtype = promote(dtypes[1], dtypes[2])?;
            Ok(Signature { operands: vec![DType::Bool, dtype, dtype], result: dtype })
        }
        Op::Round(decimals) => match dtypes[0] {
            DType::Bool if decimals != 0 => unsupported("; cast to a numeric dtype"),
            DType::Bool => same(DType::F16),
            dtype => same(dtype),
        },
        Op::Cast(dtype) => to(dtypes[0], dtype),
    }
}

/// [`signature`] where at least one operand is a point or span of time.
fn time_signature(op: Op, dtypes: &[DType]) -> Result<Signature> {
    use DType::{DateTime, F64, I64, TimeDelta};
    let unsupported =
        || KernelError::UnsupportedDType { op: op.name(), dtypes: dtypes.to_vec(), remedy: "; cast with astype" };
    let make = |operands: &[DType], result| Ok(Signature { operands: operands.to_vec(), result });
    // A number beside time, as the dtype that its kind is computed in.
    let number = |dtype: DType| match dtype.kind() {
        Kind::Bool | Kind::Signed | Kind::Unsigned if dtype != DType::U64 => Some(I64),
        Kind::Float => Some(F64),
        _ => None,
    };
    match (op, dtypes) {
        (Op::Cast(to), &[from]) => make(&[from], to),
        (Op::Where, &[_, a, b]) => {
            let dtype = promote(a, b)?;
            make(&[DType::Bool, dtype, dtype], dtype)
        }
        (Op::Clip, &[a, b, c]) => {
            let dtype = promote(promote(a, b)?, c)?;
            make(&[dtype; 3], dtype)
        }
        (Op::Isnan | Op::Isinf | Op::Isfinite, &[dtype]) => make(&[dtype], DType::Bool),
        (Op::Negative | Op::Positive | Op::Absolute | Op::Sign, &[TimeDelta(unit)]) => {
            make(&[TimeDelta(unit)], TimeDelta(unit))
        }
        (Op::Real | Op::Imag, &[dtype]) => make(&[dtype], dtype),
        (Op::LogicalAnd | Op::LogicalOr | Op::LogicalXor, _) => make(&[DType::Bool; 2], DType::Bool),
        (Op::Add, &[DateTime(a), TimeDelta(b)]) | (Op::Subtract, &[DateTime(a), TimeDelta(b)]) => {
            let unit = a.max(b);
            make(&[DateTime(unit), TimeDelta(unit)], DateTime(unit))
        }
        (Op::Add, &[TimeDelta(a), DateTime(b)]) => {
            let unit = a.max(b);
            make(&[TimeDelta(unit), DateTime(unit)], DateTime(unit))
        }
        (Op::Subtract, &[DateTime(a), DateTime(b)]) => {
            let unit = a.max(b);
            make(&[DateTime(unit); 2], TimeDelta(unit))
        }
        (Op::Add | Op::Subtract, &[TimeDelta(a), TimeDelta(b)]) => {
            let unit = a.max(b);
            make(&[TimeDelta(unit); 2], TimeDelta(unit))
        }
        // An integer counts units of the other operand.
        (Op::Add | Op::Subtract, &[time @ (DateTime(unit) | TimeDelta(unit)), other]) if number(other) == Some(I64) => {
            make(&[time, TimeDelta(unit)], time)
        }
        (Op::Add, &[other, time @ (DateTime(unit) | TimeDelta(unit))])
        | (Op::Subtract, &[other, time @ TimeDelta(unit)])
            if number(other) == Some(I64) =>
        {
            make(&[TimeDelta(unit), time], time)
        }
        (Op::Multiply | Op::TrueDivide | Op::FloorDivide, &[span @ TimeDelta(_), other]) if !other.is_time() => {
            make(&[span, number(other).ok_or_else(unsupported)?], span)
        }
        (Op::Multiply, &[other, span @ TimeDelta(_)]) if !other.is_time() => {
            make(&[number(other).ok_or_else(unsupported)?, span], span)
        }
        (Op::TrueDivide | Op::FloorDivide | Op::Remainder, &[TimeDelta(a), TimeDelta(b)]) => {
            let span = TimeDelta(a.max(b));
            let result = match op {
                Op::TrueDivide => F64,
                Op::FloorDivide => I64,
                _ => span,
            };
            make(&[span; 2], result)
        }
        (Op::Maximum | Op::Minimum | Op::Fmax | Op::Fmin, &[a, b])
            if a.kind() == b.kind() || !(a.is_time() && b.is_time()) =>
        {
            let dtype = promote(a, b)?;
            make(&[dtype; 2], dtype)
        }
        _ if op.is_comparison()
            && !(dtypes[0].is_time() && dtypes[1].is_time() && dtypes[0].kind() != dtypes[1].kind()) =>
        {
            make(&[promote(dtypes[0], dtypes[1])?; 2], DType::Bool)
        }
        _ => Err(unsupported()),
    }
}
