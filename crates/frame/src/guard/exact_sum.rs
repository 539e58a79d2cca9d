//! How values are added up without wrapping: the running total of each kind of SUM.

use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;

use datafusion::arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray};
use datafusion::arrow::datatypes::{ArrowNativeTypeOp, DataType, Decimal128Type, DecimalType, Int64Type, UInt64Type};
use datafusion::common::Result;

use super::error::{OverflowError, integer_type_name};

/// The type of the total of integers while it grows: 128 bits, carried between partitions as a decimal.
const INTEGER_TOTAL: DataType = DataType::Decimal128(38, 0);

/// One kind of SUM: what is added up, in which type, and what the answer may be.
pub(super) trait ExactSum: Debug + Send + Sync + 'static {
    /// The type of the argument and of the answer.
    type Value: ArrowPrimitiveType<Native: Hash + Eq> + Debug + Send;
    /// The type of the running total.
    type Total: ArrowPrimitiveType<Native: ArrowNativeTypeOp> + Debug + Send;

    /// The Arrow type of the running total, where `answer_type` is that of the answer.
    fn total_type(answer_type: &DataType) -> DataType;

    /// A value as a total.
    fn widen(value: Native<Self::Value>) -> Native<Self::Total>;

    /// Adds to the total and says whether it still fits; one that does not is left alone.
    #[must_use]
    fn add(total: &mut Native<Self::Total>, addend: Native<Self::Total>) -> bool;

    /// Takes from the total and says whether it still fits; one that does not is left alone.
    #[must_use]
    fn subtract(total: &mut Native<Self::Total>, subtrahend: Native<Self::Total>) -> bool;

    /// The total of all values of an array that are not NULL, or none if it does not fit.
    fn total(values: &PrimitiveArray<Self::Value>) -> Option<Native<Self::Total>>;

    /// The error of a total that does not fit its own type.
    fn total_overflow(answer_type: &DataType) -> OverflowError;

    /// The answer, which must fit `answer_type`.
    fn answer(total: Native<Self::Total>, answer_type: &DataType) -> Result<Native<Self::Value>, OverflowError>;

    /// An array of values as an array of totals.
    fn widen_array(values: &PrimitiveArray<Self::Value>, answer_type: &DataType) -> PrimitiveArray<Self::Total>;
}

pub(super) type Native<T> = <T as ArrowPrimitiveType>::Native;

/// SUM of BIGINT, signed or not.
///
/// 2^64 values of 64 bits fit into 128 bits, so the total cannot overflow before the number of rows does.
#[derive(Debug)]
pub(super) struct IntegerSum<T>(PhantomData<T>);

/// A 64-bit integer whose sum is taken in 128 bits.
pub(super) trait WideInteger: Copy + Into<i128> + TryFrom<i128> {
    /// The exact sum of up to 2^31 values.
    fn sum(values: impl Iterator<Item = Self>) -> i128;
}

impl WideInteger for i64 {
    fn sum(values: impl Iterator<Item = Self>) -> i128 {
        // Flipping the sign bit adds 2^63 to every value, which is taken off in the end.
        let mut n_values = 0_i128;
        let shifted = u64::sum(values.map(|value| {
            n_values += 1;
            (value as u64) ^ (1 << 63)
        }));
        shifted - (n_values << 63)
    }
}

impl WideInteger for u64 {
    fn sum(values: impl Iterator<Item = Self>) -> i128 {
        // Halves are added up apart, in 64 bits: without carries between words the loop is vectorised.
        let (mut low, mut high) = (0_u64, 0_u64);
        for value in values {
            low += value & u64::from(u32::MAX);
            high += value >> 32;
        }
        (i128::from(high) << 32) + i128::from(low)
    }
}

/// Rows whose halves are added up in 64 bits: 2^32 rows would still fit.
const ROWS_PER_SUM: usize = 1 << 20;

fn sum_integers<T>(values: &PrimitiveArray<T>) -> i128
where
    T: ArrowPrimitiveType<Native: WideInteger>,
{
    let slots = values.values();
    match values.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => slots.chunks(ROWS_PER_SUM).map(|chunk| WideInteger::sum(chunk.iter().copied())).sum(),
        Some(nulls) => nulls
            .valid_slices()
            .flat_map(|(start, end)| slots[start..end].chunks(ROWS_PER_SUM))
            .map(|chunk| WideInteger::sum(chunk.iter().copied()))
            .sum(),
    }
}

macro_rules! integer_sum {
    ($($value:ty),*) => {$(
        impl ExactSum for IntegerSum<$value> {
            type Value = $value;
            type Total = Decimal128Type;

            fn total_type(_answer_type: &DataType) -> DataType {
                INTEGER_TOTAL
            }

            #[inline]
            fn widen(value: Native<Self::Value>) -> i128 {
                i128::from(value)
            }

            #[inline]
            fn add(total: &mut i128, addend: i128) -> bool {
                *total = total.wrapping_add(addend);
                true
            }

            #[inline]
            fn subtract(total: &mut i128, subtrahend: i128) -> bool {
                *total = total.wrapping_sub(subtrahend);
                true
            }

            fn total(values: &PrimitiveArray<Self::Value>) -> Option<i128> {
                Some(sum_integers(values))
            }

            fn total_overflow(_answer_type: &DataType) -> OverflowError {
                OverflowError::WideSum
            }

            fn answer(total: i128, answer_type: &DataType) -> Result<Native<Self::Value>, OverflowError> {
                Native::<Self::Value>::try_from(total).map_err(|_| OverflowError::Sum {
                    sum: total,
                    type_name: integer_type_name(answer_type),
                })
            }

            fn widen_array(
                values: &PrimitiveArray<Self::Value>,
                _answer_type: &DataType,
            ) -> PrimitiveArray<Self::Total> {
                values.unary::<_, Self::Total>(i128::from).with_data_type(INTEGER_TOTAL)
            }
        }
    )*};
}

integer_sum!(Int64Type, UInt64Type);

/// SUM of decimals whose type has no ten digits to spare.
///
/// The total is kept in the storage of the type, where an overflow is an error at once; the answer must also keep to
/// the digits the type declares.
#[derive(Debug)]
pub(super) struct DecimalSum<T>(PhantomData<T>);

impl<T> ExactSum for DecimalSum<T>
where
    T: DecimalType + ArrowPrimitiveType<Native: ArrowNativeTypeOp + Hash + Eq> + Debug + Send + Sync,
{
    type Value = T;
    type Total = T;

    fn total_type(answer_type: &DataType) -> DataType {
        answer_type.clone()
    }

    #[inline]
    fn widen(value: T::Native) -> T::Native {
        value
    }

    #[inline]
    fn add(total: &mut T::Native, addend: T::Native) -> bool {
        match total.add_checked(addend) {
            Ok(sum) => {
                *total = sum;
                true
            }
            Err(_) => false,
        }
    }

    #[inline]
    fn subtract(total: &mut T::Native, subtrahend: T::Native) -> bool {
        match total.sub_checked(subtrahend) {
            Ok(difference) => {
                *total = difference;
                true
            }
            Err(_) => false,
        }
    }

    fn total(values: &PrimitiveArray<T>) -> Option<T::Native> {
        let mut total = T::Native::ZERO;
        let fits = match values.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => values.values().iter().all(|value| Self::add(&mut total, *value)),
            Some(_) => values.iter().flatten().all(|value| Self::add(&mut total, value)),
        };
        fits.then_some(total)
    }

    fn total_overflow(answer_type: &DataType) -> OverflowError {
        OverflowError::DecimalSum { data_type: answer_type.clone() }
    }

    fn answer(total: T::Native, answer_type: &DataType) -> Result<T::Native, OverflowError> {
        let precision = match answer_type {
            DataType::Decimal32(precision, _)
            | DataType::Decimal64(precision, _)
            | DataType::Decimal128(precision, _)
            | DataType::Decimal256(precision, _) => *precision,
            _ => T::MAX_PRECISION,
        };
        if T::is_valid_decimal_precision(total, precision) { Ok(total) } else { Err(Self::total_overflow(answer_type)) }
    }

    fn widen_array(values: &PrimitiveArray<T>, answer_type: &DataType) -> PrimitiveArray<T> {
        values.clone().with_data_type(answer_type.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_sum_is_the_exact_sum() {
        let edges = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX, 1 << 32, -(1 << 32)];
        for n_values in 0..200 {
            let values: Vec<i64> = edges.iter().copied().cycle().skip(n_values % 7).take(n_values).collect();
            let expected: i128 = values.iter().map(|value| i128::from(*value)).sum();
            assert_eq!(i64::sum(values.iter().copied()), expected);

            let values: Vec<u64> = values.iter().map(|value| *value as u64).collect();
            let expected: i128 = values.iter().map(|value| i128::from(*value)).sum();
            assert_eq!(u64::sum(values.iter().copied()), expected);
        }
    }

    #[test]
    fn slots_under_null_are_not_added() {
        let values = PrimitiveArray::<Int64Type>::new(
            vec![i64::MAX, 5, i64::MIN, 7].into(),
            Some(vec![false, true, false, true].into()),
        );
        assert_eq!(IntegerSum::<Int64Type>::total(&values), Some(12));
        assert_eq!(IntegerSum::<Int64Type>::total(&values.slice(2, 2)), Some(7));
    }
}
