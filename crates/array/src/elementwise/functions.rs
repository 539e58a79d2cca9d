//! The named elementwise functions, all of one form.

use dolmen_kernels::{DType, Op};

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
    copysign Copysign
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
