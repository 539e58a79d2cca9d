//! Operators on literals, as Python has them: they are computed when the expression is read, so that they may be shapes,
//! axes and bounds.

use dolmen_kernels::WeakScalar;
use num_complex::Complex;

use crate::parse::ast::{BinaryOp, UnaryOp};

/// What an operator makes of two literals.
///
/// # Errors
/// Why it makes nothing of them.
pub(super) fn binary(op: BinaryOp, left: WeakScalar, right: WeakScalar) -> Result<WeakScalar, String> {
    match (left, right) {
        _ if matches!(op, BinaryOp::And | BinaryOp::Or) => Ok(WeakScalar::Bool(match op {
            BinaryOp::And => is_true(left) && is_true(right),
            _ => is_true(left) || is_true(right),
        })),
        (WeakScalar::Bool(a), WeakScalar::Bool(b)) if is_bitwise(op) => Ok(WeakScalar::Bool(match op {
            BinaryOp::BitAnd => a & b,
            BinaryOp::BitOr => a | b,
            _ => a ^ b,
        })),
        (WeakScalar::Complex(_), _) | (_, WeakScalar::Complex(_)) => of_complex(op, complex(left), complex(right)),
        (WeakScalar::Float(_), _) | (_, WeakScalar::Float(_)) => of_floats(op, float(left), float(right)),
        _ => of_ints(op, int(left), int(right)),
    }
}

/// What an operator makes of one literal.
///
/// # Errors
/// Why it makes nothing of it.
pub(super) fn unary(op: UnaryOp, value: WeakScalar) -> Result<WeakScalar, String> {
    Ok(match (op, value) {
        (UnaryOp::Not, value) => WeakScalar::Bool(!is_true(value)),
        (UnaryOp::Invert, WeakScalar::Bool(value)) => WeakScalar::Bool(!value),
        (UnaryOp::Invert, WeakScalar::Int(value)) => WeakScalar::Int(!value),
        (UnaryOp::Invert, _) => return Err("~ needs integers or truth values".to_owned()),
        (UnaryOp::Plus, WeakScalar::Bool(_)) => WeakScalar::Int(int(value)),
        (UnaryOp::Plus, value) => value,
        (UnaryOp::Minus, WeakScalar::Float(value)) => WeakScalar::Float(-value),
        (UnaryOp::Minus, WeakScalar::Complex(value)) => WeakScalar::Complex(-value),
        (UnaryOp::Minus, value) => WeakScalar::Int(int(value).checked_neg().ok_or_else(overflow)?),
    })
}

fn is_bitwise(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor)
}

fn is_true(value: WeakScalar) -> bool {
    match value {
        WeakScalar::Bool(value) => value,
        WeakScalar::Int(value) => value != 0,
        WeakScalar::Float(value) => value != 0.0,
        WeakScalar::Complex(value) => value != Complex::new(0.0, 0.0),
    }
}

fn int(value: WeakScalar) -> i128 {
    match value {
        WeakScalar::Bool(value) => i128::from(value),
        WeakScalar::Int(value) => value,
        WeakScalar::Float(value) => value as i128,
        WeakScalar::Complex(value) => value.re as i128,
    }
}

fn float(value: WeakScalar) -> f64 {
    match value {
        WeakScalar::Float(value) => value,
        other => int(other) as f64,
    }
}

fn complex(value: WeakScalar) -> Complex<f64> {
    match value {
        WeakScalar::Complex(value) => value,
        other => Complex::new(float(other), 0.0),
    }
}

fn overflow() -> String {
    "the integers are too large; write one of them as a float".to_owned()
}

fn by_zero() -> String {
    "division of a literal by zero".to_owned()
}

fn of_ints(op: BinaryOp, a: i128, b: i128) -> Result<WeakScalar, String> {
    let value = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        BinaryOp::Multiply => a.checked_mul(b),
        BinaryOp::FloorDivide | BinaryOp::Remainder | BinaryOp::Divide if b == 0 => return Err(by_zero()),
        BinaryOp::Divide => return Ok(WeakScalar::Float(a as f64 / b as f64)),
        // Towards minus infinity; the remainder has the sign of the divisor.
        BinaryOp::FloorDivide => a.checked_div(b).map(|q| if (a % b != 0) && ((a < 0) != (b < 0)) { q - 1 } else { q }),
        BinaryOp::Remainder => a.checked_rem(b).map(|r| if r != 0 && ((r < 0) != (b < 0)) { r + b } else { r }),
        BinaryOp::Power if b < 0 => return of_floats(op, a as f64, b as f64),
        BinaryOp::Power => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        BinaryOp::BitAnd => Some(a & b),
        BinaryOp::BitOr => Some(a | b),
        BinaryOp::BitXor => Some(a ^ b),
        BinaryOp::ShiftLeft | BinaryOp::ShiftRight if b < 0 => return Err("a shift by less than zero".to_owned()),
        BinaryOp::ShiftLeft => u32::try_from(b)
            .ok()
            .filter(|b| *b < 127)
            .and_then(|b| a.checked_mul(1_i128 << b))
            .or((a == 0).then_some(0)),
        BinaryOp::ShiftRight => Some(a >> b.min(127)),
        _ => return compared(op, a.cmp(&b).into()),
    };
    value.map(WeakScalar::Int).ok_or_else(overflow)
}

fn of_floats(op: BinaryOp, a: f64, b: f64) -> Result<WeakScalar, String> {
    Ok(WeakScalar::Float(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a * b,
        BinaryOp::Divide | BinaryOp::FloorDivide | BinaryOp::Remainder if b == 0.0 => return Err(by_zero()),
        BinaryOp::Power if a == 0.0 && b < 0.0 => return Err(by_zero()),
        BinaryOp::Divide => a / b,
        BinaryOp::FloorDivide => floor_divide(a, b),
        BinaryOp::Remainder => remainder(a, b),
        BinaryOp::Power if a < 0.0 && b.fract() != 0.0 => {
            return Ok(WeakScalar::Complex(Complex::new(a, 0.0).powf(b)));
        }
        BinaryOp::Power => a.powf(b),
        _ => return compared(op, a.partial_cmp(&b)),
    }))
}

/// The integer that `remainder` goes with: the quotient of what it leaves, which is rounded to either side of an integer.
fn floor_divide(a: f64, b: f64) -> f64 {
    let quotient = (a - remainder(a, b)) / b;
    if quotient == 0.0 {
        return 0.0_f64.copysign(a / b);
    }
    let below = quotient.floor();
    if quotient - below > 0.5 { below + 1.0 } else { below }
}

/// With the sign of the divisor.
fn remainder(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest != 0.0 && ((rest < 0.0) != (b < 0.0)) {
        rest + b
    } else {
        rest.copysign(if rest == 0.0 { b } else { rest })
    }
}

fn of_complex(op: BinaryOp, a: Complex<f64>, b: Complex<f64>) -> Result<WeakScalar, String> {
    Ok(WeakScalar::Complex(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a * b,
        BinaryOp::Divide if b == Complex::new(0.0, 0.0) => return Err(by_zero()),
        BinaryOp::Divide => a / b,
        BinaryOp::Power => a.powc(b),
        BinaryOp::Equal => return Ok(WeakScalar::Bool(a == b)),
        BinaryOp::NotEqual => return Ok(WeakScalar::Bool(a != b)),
        _ => return Err(format!("{} is not defined for complex numbers", op.symbol())),
    }))
}

/// A comparison, given how the two stand to each other; `None` where one is NaN.
fn compared(op: BinaryOp, order: Option<std::cmp::Ordering>) -> Result<WeakScalar, String> {
    Ok(WeakScalar::Bool(match op {
        BinaryOp::Equal => order.is_some_and(|order| order.is_eq()),
        BinaryOp::NotEqual => !order.is_some_and(|order| order.is_eq()),
        BinaryOp::Less => order.is_some_and(|order| order.is_lt()),
        BinaryOp::LessEqual => order.is_some_and(|order| order.is_le()),
        BinaryOp::Greater => order.is_some_and(|order| order.is_gt()),
        BinaryOp::GreaterEqual => order.is_some_and(|order| order.is_ge()),
        _ => return Err(format!("{} is not defined for these numbers", op.symbol())),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(op: BinaryOp, a: i128, b: i128) -> Result<WeakScalar, String> {
        binary(op, WeakScalar::Int(a), WeakScalar::Int(b))
    }

    #[test]
    fn integers_are_divided_as_in_python() {
        for (a, b, quotient, rest) in [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (-7, -2, 3, -1), (6, -2, -3, 0)] {
            assert_eq!(ints(BinaryOp::FloorDivide, a, b), Ok(WeakScalar::Int(quotient)), "{a} // {b}");
            assert_eq!(ints(BinaryOp::Remainder, a, b), Ok(WeakScalar::Int(rest)), "{a} % {b}");
            let (a, b) = (WeakScalar::Float(a as f64), WeakScalar::Float(b as f64));
            assert_eq!(binary(BinaryOp::FloorDivide, a, b), Ok(WeakScalar::Float(quotient as f64)));
            assert_eq!(binary(BinaryOp::Remainder, a, b), Ok(WeakScalar::Float(rest as f64)));
        }
        // Where the quotient is rounded, it is still an integer.
        for (a, b, quotient) in [(1.0, 0.1, 9.0), (6.019_345, -2.996_142, -3.0), (-0.5, 0.1, -5.0), (0.0, -3.0, -0.0)] {
            let found = binary(BinaryOp::FloorDivide, WeakScalar::Float(a), WeakScalar::Float(b));
            let Ok(WeakScalar::Float(found)) = found else { panic!("{found:?}") };
            assert_eq!(found.to_bits(), f64::to_bits(quotient), "{a} // {b} is {found}");
        }
        assert_eq!(ints(BinaryOp::Divide, 1, 2), Ok(WeakScalar::Float(0.5)));
        assert_eq!(ints(BinaryOp::Power, 2, 10), Ok(WeakScalar::Int(1024)));
        assert_eq!(ints(BinaryOp::Power, 2, -1), Ok(WeakScalar::Float(0.5)));
        assert_eq!(ints(BinaryOp::ShiftLeft, 3, 4), Ok(WeakScalar::Int(48)));
        assert_eq!(ints(BinaryOp::ShiftRight, -1, 1000), Ok(WeakScalar::Int(-1)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (op, a, b) in [
            (BinaryOp::Power, 10, 40),
            (BinaryOp::Add, i128::MAX, 1),
            (BinaryOp::Divide, 1, 0),
            (BinaryOp::FloorDivide, i128::MIN, -1),
            (BinaryOp::Remainder, 1, 0),
            (BinaryOp::ShiftLeft, 1, 127),
            (BinaryOp::ShiftLeft, 1, -1),
            (BinaryOp::MatMul, 1, 1),
        ] {
            assert!(ints(op, a, b).is_err(), "{a} {} {b}", op.symbol());
        }
        assert!(binary(BinaryOp::Less, WeakScalar::Int(1), WeakScalar::Complex(Complex::new(0.0, 1.0))).is_err());
    }

    #[test]
    fn kinds_mix_upwards() {
        let (t, one, half) = (WeakScalar::Bool(true), WeakScalar::Int(1), WeakScalar::Float(0.5));
        assert_eq!(binary(BinaryOp::Add, t, t), Ok(WeakScalar::Int(2)));
        assert_eq!(binary(BinaryOp::BitXor, t, t), Ok(WeakScalar::Bool(false)));
        assert_eq!(binary(BinaryOp::Add, one, half), Ok(WeakScalar::Float(1.5)));
        assert_eq!(binary(BinaryOp::Equal, one, t), Ok(WeakScalar::Bool(true)));
        let i = WeakScalar::Complex(Complex::new(0.0, 2.0));
        assert_eq!(binary(BinaryOp::Add, one, i), Ok(WeakScalar::Complex(Complex::new(1.0, 2.0))));
        assert_eq!(unary(UnaryOp::Minus, t), Ok(WeakScalar::Int(-1)));
        assert_eq!(unary(UnaryOp::Not, half), Ok(WeakScalar::Bool(false)));
    }
}
