//! The named elementwise functions, all of one form.

use dolmen_kernels::{DType, Op, float_that_holds};

use super::Arg;
use crate::{Array, ArrayError};

macro_rules! unary {
    ($($name:ident $op:ident)*) => {
        impl Array {
            $(
                #[doc = concat!("NumPy's `", stringify!($name), "` of each element.")]
                ///
                /// # Errors
                /// Those of [`Array::apply`].
                pub fn $name(&self) -> Result<Self, ArrayError> {
                    Self::apply(Op::$op, &[self.into()])
                }
            )*
        }
    };
}

macro_rules! binary {
    ($($name:ident $op:ident)*) => {
        impl Array {
            $(
                #[doc = concat!("NumPy's `", stringify!($name), "` of elements that meet.")]
                ///
                /// # Errors
                /// Those of [`Array::apply`].
                pub fn $name(&self, other: impl Into<Arg>) -> Result<Self, ArrayError> {
                    Self::apply(Op::$op, &[self.into(), other.into()])
                }
            )*
        }
    };
}

unary! {
    negative Negative
    positive Positive
    absolute Absolute
    sign Sign
    square Square
    reciprocal Reciprocal
    sqrt Sqrt
    cbrt Cbrt
    spacing Spacing
    i0 I0
    exp Exp
    exp2 Exp2
    expm1 Expm1
    log Log
    log2 Log2
    log10 Log10
    log1p Log1p
    sin Sin
    cos Cos
    tan Tan
    arcsin Arcsin
    arccos Arccos
    arctan Arctan
    sinh Sinh
    cosh Cosh
    tanh Tanh
    arcsinh Arcsinh
    arccosh Arccosh
    arctanh Arctanh
    floor Floor
    ceil Ceil
    trunc Trunc
    rint Rint
    conjugate Conjugate
    real Real
    imag Imag
    angle Angle
    logical_not LogicalNot
    invert Invert
    isnan Isnan
    isinf Isinf
    isfinite Isfinite
    signbit Signbit
}

binary! {
    add Add
    subtract Subtract
    multiply Multiply
    true_divide TrueDivide
    floor_divide FloorDivide
    remainder Remainder
    fmod Fmod
    power Power
    maximum Maximum
    minimum Minimum
    fmax Fmax
    fmin Fmin
    arctan2 Arctan2
    hypot Hypot
    logaddexp Logaddexp
    logaddexp2 Logaddexp2
    copysign Copysign
    nextafter Nextafter
    equal Equal
    not_equal NotEqual
    less Less
    less_equal LessEqual
    greater Greater
    greater_equal GreaterEqual
    logical_and LogicalAnd
    logical_or LogicalOr
    logical_xor LogicalXor
    bitwise_and BitwiseAnd
    bitwise_or BitwiseOr
    bitwise_xor BitwiseXor
    left_shift LeftShift
    right_shift RightShift
}

impl Array {
    /// The elements as another dtype, as NumPy's `astype` does: floats are cut to integers, integers wrap.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] for a cast that loses what the value means.
    pub fn astype(&self, dtype: DType) -> Result<Self, ArrayError> {
        self.check()?;
        if self.dtype() == dtype { Ok(self.clone()) } else { Self::apply(Op::Cast(dtype), &[self.into()]) }
    }

    /// NumPy's `ldexp`: the elements times two to the power of the integers `n`.
    ///
    /// # Errors
    /// Those of [`Array::apply`].
    pub fn ldexp(&self, n: &Self) -> Result<Self, ArrayError> {
        self.check()?;
        if !n.dtype().is_integer() {
            let remedy = "powers of ldexp are integers; cast them with astype";
            return Err(ArrayError::DTypeUnsupported { op: "ldexp", dtype: n.dtype(), remedy });
        }
        let float = float_that_holds(self.dtype());
        let made = Self::apply(Op::Ldexp, &[self.into(), (&n.astype(DType::F64)?).into()])?;
        made.astype(float)
    }

    /// NumPy's `frexp`: numbers from 0.5 up to, and without, 1 (their sign aside), and the powers of two that they are to be
    /// multiplied with, as `int32`.
    ///
    /// # Errors
    /// Those of [`Array::apply`].
    pub fn frexp(&self) -> Result<(Self, Self), ArrayError> {
        let mantissa = Self::apply(Op::Mantissa, &[self.into()])?;
        Ok((mantissa, Self::apply(Op::Exponent, &[self.into()])?.astype(DType::I32)?))
    }

    /// The elements rounded to so many decimals, to even where two are as near.
    ///
    /// # Errors
    /// Those of [`Array::apply`].
    pub fn round(&self, decimals: i32) -> Result<Self, ArrayError> {
        Self::apply(Op::Round(decimals), &[self.into()])
    }

    /// The elements, but `low` where they are lower and `high` where they are higher.
    ///
    /// # Errors
    /// Those of [`Array::apply`].
    pub fn clip(&self, low: impl Into<Arg>, high: impl Into<Arg>) -> Result<Self, ArrayError> {
        Self::apply(Op::Clip, &[self.into(), low.into(), high.into()])
    }

    /// The element of `x` where `condition` is true, that of `y` elsewhere: NumPy's `where`, which is a word of Rust's.
    ///
    /// # Errors
    /// Those of [`Array::apply`].
    pub fn where_(condition: impl Into<Arg>, x: impl Into<Arg>, y: impl Into<Arg>) -> Result<Self, ArrayError> {
        Self::apply(Op::Where, &[condition.into(), x.into(), y.into()])
    }
}
