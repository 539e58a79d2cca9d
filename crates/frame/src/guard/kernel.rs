//! Columnar integer arithmetic that notices overflow.
//!
//! A loop that leaves at the first overflow cannot be vectorised. These loops compute every slot, wrapped, and gather
//! the evidence of overflow in one more word. Only when there is some are the slots looked at again, one at a time, to
//! name the operands or to find that they all lie under NULLs.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrowPrimitiveType, AsArray, PrimitiveArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{
    ArrowNativeTypeOp, DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::ColumnarValue;

use super::error::{OverflowError, integer_type_name};

/// What is computed. Negation is a subtraction from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Negate,
}

impl Operation {
    /// The exact result, or none if it needs more than 128 bits.
    fn exact(self, left: i128, right: i128) -> Option<i128> {
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract | Self::Negate => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
        }
    }
}

/// An operation written with its operands, negative ones in parentheses where they stand on the right.
struct Written(Operation, i128, i128);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(operation, left, right) = self;
        let symbol = match operation {
            Operation::Add => "+",
            Operation::Subtract => "-",
            Operation::Multiply => "*",
            Operation::Negate => return write!(f, "-({right})"),
        };
        if *right < 0 { write!(f, "{left} {symbol} ({right})") } else { write!(f, "{left} {symbol} {right}") }
    }
}

/// A native integer whose operations note overflow in `evidence` instead of stopping.
trait NotingInteger: ArrowNativeTypeOp + Into<i128> + TryFrom<i128> {
    /// Wrapped sum; the top bit of `evidence` is set on overflow.
    fn add_noting(self, right: Self, evidence: &mut Self) -> Self;
    /// Wrapped difference; the top bit of `evidence` is set on overflow.
    fn subtract_noting(self, right: Self, evidence: &mut Self) -> Self;
    /// Wrapped product; any bit of `evidence` is set on overflow.
    fn multiply_noting(self, right: Self, evidence: &mut Self) -> Self;
    /// Whether the top bit is set.
    fn has_top_bit(self) -> bool;
}

macro_rules! noting_signed {
    ($($native:ty, $wide:ty);*) => {$(
        impl NotingInteger for $native {
            #[inline(always)]
            fn add_noting(self, right: Self, evidence: &mut Self) -> Self {
                let sum = self.wrapping_add(right);
                // Both operands have the sign that the sum has not.
                *evidence |= (self ^ sum) & (right ^ sum);
                sum
            }
            #[inline(always)]
            fn subtract_noting(self, right: Self, evidence: &mut Self) -> Self {
                let difference = self.wrapping_sub(right);
                *evidence |= (self ^ right) & (self ^ difference);
                difference
            }
            #[inline(always)]
            fn multiply_noting(self, right: Self, evidence: &mut Self) -> Self {
                let product = <$wide>::from(self) * <$wide>::from(right);
                let low = product as Self;
                // The upper half must be the sign of the lower one.
                *evidence |= (product >> Self::BITS) as Self ^ (low >> (Self::BITS - 1));
                low
            }
            #[inline(always)]
            fn has_top_bit(self) -> bool {
                self < 0
            }
        }
    )*};
}

macro_rules! noting_unsigned {
    ($($native:ty, $wide:ty);*) => {$(
        impl NotingInteger for $native {
            #[inline(always)]
            fn add_noting(self, right: Self, evidence: &mut Self) -> Self {
                let sum = self.wrapping_add(right);
                // The carry out of the top bit.
                *evidence |= (self & right) | ((self | right) & !sum);
                sum
            }
            #[inline(always)]
            fn subtract_noting(self, right: Self, evidence: &mut Self) -> Self {
                let difference = self.wrapping_sub(right);
                // The borrow into the top bit.
                *evidence |= (!self & right) | ((!self | right) & difference);
                difference
            }
            #[inline(always)]
            fn multiply_noting(self, right: Self, evidence: &mut Self) -> Self {
                let product = <$wide>::from(self) * <$wide>::from(right);
                *evidence |= (product >> Self::BITS) as Self;
                product as Self
            }
            #[inline(always)]
            fn has_top_bit(self) -> bool {
                self >> (Self::BITS - 1) != 0
            }
        }
    )*};
}

noting_signed!(i8, i16; i16, i32; i32, i64; i64, i128);
noting_unsigned!(u8, u16; u16, u32; u32, u64; u64, u128);

/// Whether the kernels take values of this type.
pub(super) fn is_checked_type(data_type: &DataType) -> bool {
    data_type.is_integer()
}

/// Computes `left operation right` on two operands of one integer type.
///
/// # Errors
/// [`OverflowError::Arithmetic`] if a result that is not NULL does not fit the type.
pub(super) fn evaluate(operation: Operation, left: &ColumnarValue, right: &ColumnarValue) -> Result<ColumnarValue> {
    let data_type = left.data_type();
    if data_type != right.data_type() {
        return internal_err!("checked arithmetic on {data_type} and {}", right.data_type());
    }
    match data_type {
        DataType::Int8 => evaluate_as::<Int8Type>(operation, left, right),
        DataType::Int16 => evaluate_as::<Int16Type>(operation, left, right),
        DataType::Int32 => evaluate_as::<Int32Type>(operation, left, right),
        DataType::Int64 => evaluate_as::<Int64Type>(operation, left, right),
        DataType::UInt8 => evaluate_as::<UInt8Type>(operation, left, right),
        DataType::UInt16 => evaluate_as::<UInt16Type>(operation, left, right),
        DataType::UInt32 => evaluate_as::<UInt32Type>(operation, left, right),
        DataType::UInt64 => evaluate_as::<UInt64Type>(operation, left, right),
        other => internal_err!("checked arithmetic on {other}"),
    }
}

/// Computes `-argument` on an operand of an integer type.
///
/// # Errors
/// [`OverflowError::Arithmetic`] if a result that is not NULL does not fit the type.
pub(super) fn negate(argument: &ColumnarValue) -> Result<ColumnarValue> {
    let zero = ScalarValue::new_zero(&argument.data_type())?;
    evaluate(Operation::Negate, &ColumnarValue::Scalar(zero), argument)
}

/// One side of an operation.
enum Operand<'a, T: ArrowPrimitiveType> {
    Array(&'a PrimitiveArray<T>),
    Value(T::Native),
    Null,
}

impl<'a, T: ArrowPrimitiveType> Operand<'a, T>
where
    T::Native: TryFrom<i128>,
{
    fn new(value: &'a ColumnarValue) -> Result<Self> {
        Ok(match value {
            ColumnarValue::Array(array) => match array.as_primitive_opt::<T>() {
                Some(array) => Self::Array(array),
                None => {
                    return internal_err!("{} where {} was planned", array.data_type(), T::DATA_TYPE);
                }
            },
            ColumnarValue::Scalar(scalar) => match integer_value(scalar)? {
                Some(value) => match T::Native::try_from(value) {
                    Ok(value) => Self::Value(value),
                    Err(_) => return internal_err!("{scalar} is not a value of {}", T::DATA_TYPE),
                },
                None => Self::Null,
            },
        })
    }

    fn nulls(&self) -> Option<&NullBuffer> {
        match self {
            Self::Array(array) => array.nulls(),
            Self::Value(_) | Self::Null => None,
        }
    }
}

/// The value of an integer scalar, widened; none if it is NULL.
pub(super) fn integer_value(scalar: &ScalarValue) -> Result<Option<i128>> {
    Ok(match scalar {
        ScalarValue::Int8(value) => value.map(i128::from),
        ScalarValue::Int16(value) => value.map(i128::from),
        ScalarValue::Int32(value) => value.map(i128::from),
        ScalarValue::Int64(value) => value.map(i128::from),
        ScalarValue::UInt8(value) => value.map(i128::from),
        ScalarValue::UInt16(value) => value.map(i128::from),
        ScalarValue::UInt32(value) => value.map(i128::from),
        ScalarValue::UInt64(value) => value.map(i128::from),
        other => return internal_err!("{other} is not an integer"),
    })
}

fn evaluate_as<T>(operation: Operation, left: &ColumnarValue, right: &ColumnarValue) -> Result<ColumnarValue>
where
    T: ArrowPrimitiveType,
    T::Native: NotingInteger,
{
    let (left, right) = (Operand::<T>::new(left)?, Operand::<T>::new(right)?);
    match operation {
        Operation::Add => zip(operation, &left, &right, T::Native::add_noting, T::Native::has_top_bit),
        Operation::Subtract | Operation::Negate => {
            zip(operation, &left, &right, T::Native::subtract_noting, T::Native::has_top_bit)
        }
        Operation::Multiply => {
            zip(operation, &left, &right, T::Native::multiply_noting, |evidence| !evidence.is_zero())
        }
    }
}

fn zip<T>(
    operation: Operation,
    left: &Operand<'_, T>,
    right: &Operand<'_, T>,
    apply: impl Fn(T::Native, T::Native, &mut T::Native) -> T::Native,
    overflowed: impl Fn(T::Native) -> bool,
) -> Result<ColumnarValue>
where
    T: ArrowPrimitiveType,
    T::Native: NotingInteger,
{
    let mut evidence = T::Native::ZERO;
    let values: Vec<T::Native> = match (left, right) {
        (Operand::Null, _) | (_, Operand::Null) => {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(&T::DATA_TYPE)?));
        }
        (Operand::Value(left), Operand::Value(right)) => {
            let result = apply(*left, *right, &mut evidence);
            if overflowed(evidence) {
                return Err(out_of_range::<T>(operation, *left, *right).into());
            }
            return Ok(ColumnarValue::Scalar(ScalarValue::new_primitive::<T>(Some(result), &T::DATA_TYPE)?));
        }
        (Operand::Array(left), Operand::Array(right)) => {
            if left.values().len() != right.values().len() {
                return internal_err!("checked arithmetic on arrays of different lengths");
            }
            left.values().iter().zip(right.values()).map(|(left, right)| apply(*left, *right, &mut evidence)).collect()
        }
        (Operand::Array(left), Operand::Value(right)) => {
            let right = *right;
            left.values().iter().map(|left| apply(*left, right, &mut evidence)).collect()
        }
        (Operand::Value(left), Operand::Array(right)) => {
            let left = *left;
            right.values().iter().map(|right| apply(left, *right, &mut evidence)).collect()
        }
    };
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    if overflowed(evidence) {
        find_overflow(operation, left, right, nulls.as_ref(), values.len())?;
    }
    Ok(ColumnarValue::Array(Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))))
}

/// Raises the error of the first slot that is not NULL and overflows, if there is one.
#[cold]
fn find_overflow<T>(
    operation: Operation,
    left: &Operand<'_, T>,
    right: &Operand<'_, T>,
    nulls: Option<&NullBuffer>,
    n_slots: usize,
) -> Result<()>
where
    T: ArrowPrimitiveType,
    T::Native: NotingInteger,
{
    let at = |operand: &Operand<'_, T>, slot_idx: usize| match operand {
        Operand::Array(array) => array.value(slot_idx),
        Operand::Value(value) => *value,
        Operand::Null => T::Native::ZERO,
    };
    for slot_idx in 0..n_slots {
        if nulls.is_some_and(|nulls| nulls.is_null(slot_idx)) {
            continue;
        }
        let (left, right) = (at(left, slot_idx), at(right, slot_idx));
        let fits = operation.exact(left.into(), right.into()).is_some_and(|exact| T::Native::try_from(exact).is_ok());
        if !fits {
            return Err(out_of_range::<T>(operation, left, right).into());
        }
    }
    Ok(())
}

fn out_of_range<T>(operation: Operation, left: T::Native, right: T::Native) -> OverflowError
where
    T: ArrowPrimitiveType,
    T::Native: NotingInteger,
{
    OverflowError::Arithmetic {
        operation: Written(operation, left.into(), right.into()).to_string(),
        type_name: integer_type_name(&T::DATA_TYPE),
    }
}

#[cfg(test)]
mod tests;
