//! Operators on arrays and literals.
//!
//! An operator cannot return an error, so an array that it could not make keeps it, see [`Array::check`].

use std::ops;

use dolmen_kernels::{Op, Scalar};

use super::Arg;
use crate::Array;

fn apply(op: Op, args: &[Arg]) -> Array {
    Array::apply(op, args).unwrap_or_else(Array::failed)
}

macro_rules! binary {
    ($($trait:ident $method:ident $op:ident)*) => {
        $(
            impl<T: Into<Arg>> ops::$trait<T> for &Array {
                type Output = Array;

                fn $method(self, other: T) -> Array {
                    apply(Op::$op, &[self.into(), other.into()])
                }
            }

            impl<T: Into<Arg>> ops::$trait<T> for Array {
                type Output = Array;

                fn $method(self, other: T) -> Array {
                    apply(Op::$op, &[self.into(), other.into()])
                }
            }

            binary!(@literals $trait $method $op: bool i32 i64 f64 Scalar);
        )*
    };
    (@literals $trait:ident $method:ident $op:ident: $($literal:ty)*) => {
        $(
            impl ops::$trait<&Array> for $literal {
                type Output = Array;

                fn $method(self, other: &Array) -> Array {
                    apply(Op::$op, &[self.into(), other.into()])
                }
            }

            impl ops::$trait<Array> for $literal {
                type Output = Array;

                fn $method(self, other: Array) -> Array {
                    apply(Op::$op, &[self.into(), other.into()])
                }
            }
        )*
    };
}

binary! {
    Add add Add
    Sub sub Subtract
    Mul mul Multiply
    Div div TrueDivide
    Rem rem Remainder
    BitAnd bitand BitwiseAnd
    BitOr bitor BitwiseOr
    BitXor bitxor BitwiseXor
    Shl shl LeftShift
    Shr shr RightShift
}

macro_rules! unary {
    ($($trait:ident $method:ident $op:ident)*) => {
        $(
            impl ops::$trait for &Array {
                type Output = Array;

                fn $method(self) -> Array {
                    apply(Op::$op, &[self.into()])
                }
            }

            impl ops::$trait for Array {
                type Output = Array;

                fn $method(self) -> Array {
                    apply(Op::$op, &[self.into()])
                }
            }
        )*
    };
}

unary! {
    Neg neg Negative
    Not not Invert
}
