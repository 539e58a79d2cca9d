//! Integers, which wrap, and truth values.

use multiversion::multiversion;

use super::{LaneOps, compare_with, map, map2, not_here};
use crate::element::{B8, cast};
use crate::{KernelError, Op, Result};

macro_rules! int_ops {
    ($($type:ident, $signed:literal, $binary:ident, $compare:ident;)*) => {$(
        #[multiversion(targets("x86_64+avx2+fma"))]
        fn $binary(op: Op, a: &[$type], b: &[$type], out: &mut [$type]) {
            match op {
                Op::Add => map2(a, b, out, |a, b| a.wrapping_add(b)),
                Op::Subtract => map2(a, b, out, |a, b| a.wrapping_sub(b)),
                Op::Multiply => map2(a, b, out, |a, b| a.wrapping_mul(b)),
                Op::FloorDivide => map2(a, b, out, |a, b| {
                    if b == 0 {
                        return 0;
                    }
                    let quotient = a.wrapping_div(b);
                    // Towards minus infinity, where Rust goes towards zero.
                    let inexact = a.wrapping_rem(b) != 0;
                    if $signed && inexact && (negative(a.into()) != negative(b.into())) { quotient.wrapping_sub(1) } else { quotient }
                }),
                Op::Remainder => map2(a, b, out, |a, b| {
                    if b == 0 {
                        return 0;
                    }
                    let rest = a.wrapping_rem(b);
                    if $signed && rest != 0 && negative(rest.into()) != negative(b.into()) { rest.wrapping_add(b) } else { rest }
                }),
                Op::Fmod => map2(a, b, out, |a, b| if b == 0 { 0 } else { a.wrapping_rem(b) }),
                Op::Maximum | Op::Fmax => map2(a, b, out, |a, b| a.max(b)),
                Op::Minimum | Op::Fmin => map2(a, b, out, |a, b| a.min(b)),
                Op::BitwiseAnd => map2(a, b, out, |a, b| a & b),
                Op::BitwiseOr => map2(a, b, out, |a, b| a | b),
                Op::BitwiseXor => map2(a, b, out, |a, b| a ^ b),
                Op::LeftShift => map2(a, b, out, |a, b| match u32::try_from(b) {
                    Ok(by) if by < $type::BITS => a << by,
                    _ => 0,
                }),
                Op::RightShift => map2(a, b, out, |a, b| match u32::try_from(b) {
                    Ok(by) if by < $type::BITS => a >> by,
                    _ => if negative(a.into()) { !0 } else { 0 },
                }),
                Op::Power => map2(a, b, out, |base, exponent| {
                    let (mut power, mut square, mut rest) = (1 as $type, base, exponent);
                    while rest > 0 {
                        if rest & 1 == 1 {
                            power = power.wrapping_mul(square);
                        }
                        square = square.wrapping_mul(square);
                        rest >>= 1;
                    }
                    power
                }),
                _ => not_here(op, "an operation of two integers"),
            }
        }

        #[multiversion(targets("x86_64+avx2+fma"))]
        fn $compare(op: Op, a: &[$type], b: &[$type], out: &mut [B8]) {
            compare_with(op, a, b, out, |a, b| a == b, |a, b| a < b, |a, b| a <= b);
        }

        impl LaneOps for $type {
            fn binary(op: Op, a: &[Self], b: &[Self], out: &mut [Self]) -> Result<()> {
                if op == Op::Power && $signed && b.iter().any(|b| negative((*b).into())) {
                    return Err(KernelError::NegativePower);
                }
                $binary(op, a, b, out);
                Ok(())
            }

            fn compare(op: Op, a: &[Self], b: &[Self], out: &mut [B8]) {
                $compare(op, a, b, out);
            }

            fn unary(op: Op, a: &[Self], out: &mut [Self]) {
                match op {
                    Op::Negative => map(a, out, |a| a.wrapping_neg()),
                    Op::Absolute => map(a, out, |a| if negative(a.into()) { a.wrapping_neg() } else { a }),
                    Op::Sign => map(a, out, |a| if a == 0 { 0 } else if negative(a.into()) { !0 } else { 1 }),
                    Op::Square => map(a, out, |a| a.wrapping_mul(a)),
                    Op::Reciprocal => map(a, out, |a| cast(1.0 / cast::<_, f64>(a))),
                    Op::Invert => map(a, out, |a| !a),
                    _ => not_here(op, "an operation of one integer"),
                }
            }

            fn test(op: Op, _: &[Self], _: &mut [B8]) {
                not_here(op, "a test of integers")
            }
        }
    )*};
}

int_ops! {
    i8, true, binary_i8, compare_i8;
    i16, true, binary_i16, compare_i16;
    i32, true, binary_i32, compare_i32;
    i64, true, binary_i64, compare_i64;
    u8, false, binary_u8, compare_u8;
    u16, false, binary_u16, compare_u16;
    u32, false, binary_u32, compare_u32;
    u64, false, binary_u64, compare_u64;
}

#[inline(always)]
fn negative(value: i128) -> bool {
    value < 0
}

impl LaneOps for B8 {
    fn binary(op: Op, a: &[Self], b: &[Self], out: &mut [Self]) -> Result<()> {
        // 0 and 1 stay 0 and 1.
        u8::binary(op, bytemuck::cast_slice(a), bytemuck::cast_slice(b), bytemuck::cast_slice_mut(out))
    }

    fn compare(op: Op, a: &[Self], b: &[Self], out: &mut [B8]) {
        u8::compare(op, bytemuck::cast_slice(a), bytemuck::cast_slice(b), out);
    }

    fn unary(op: Op, a: &[Self], out: &mut [Self]) {
        match op {
            Op::Invert => map(a, out, |a| (!a.get()).into()),
            _ => not_here(op, "an operation of one bool"),
        }
    }

    fn test(op: Op, _: &[Self], _: &mut [B8]) {
        not_here(op, "a test of bools")
    }
}
