//! The oracle is arithmetic in 128 bits (or, for the product of two 64-bit unsigned values, the standard library's
//! `checked_mul`).

use super::*;

const OPERATIONS: [Operation; 4] = [Operation::Add, Operation::Subtract, Operation::Multiply, Operation::Negate];

/// Values around the places where results leave the type.
fn interesting<T>() -> Vec<T::Native>
where
    T: ArrowPrimitiveType,
    T::Native: NotingInteger,
{
    let min: i128 = T::Native::MIN_TOTAL_ORDER.into();
    let max: i128 = T::Native::MAX_TOTAL_ORDER.into();
    let root = (max as f64).sqrt() as i128;
    let mut values = Vec::new();
    for center in [min, min / 2, -root, 0, root, max / 3, max / 2, max] {
        for offset in -3..=3 {
            values.extend(T::Native::try_from(center + offset));
        }
    }
    values
}

fn oracle<T>(operation: Operation, left: T::Native, right: T::Native) -> Option<T::Native>
where
    T: ArrowPrimitiveType,
    T::Native: NotingInteger,
{
    let (left, right): (i128, i128) = (left.into(), right.into());
    let exact = match operation {
        Operation::Add => left + right,
        Operation::Subtract => left - right,
        Operation::Multiply => left.checked_mul(right)?,
        Operation::Negate => -right,
    };
    T::Native::try_from(exact).ok()
}

fn array<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<Vec<bool>>) -> ColumnarValue {
    ColumnarValue::Array(Arc::new(PrimitiveArray::<T>::new(values.into(), nulls.map(NullBuffer::from))))
}

fn scalar<T: ArrowPrimitiveType>(value: Option<T::Native>) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::new_primitive::<T>(value, &T::DATA_TYPE).unwrap())
}

fn run(operation: Operation, left: &ColumnarValue, right: &ColumnarValue) -> Result<ColumnarValue> {
    match operation {
        Operation::Negate => negate(right),
        _ => evaluate(operation, left, right),
    }
}

fn check_type<T>()
where
    T: ArrowPrimitiveType,
    T::Native: NotingInteger,
{
    let values = interesting::<T>();
    let mut n_overflows = 0;
    for operation in OPERATIONS {
        for &left in &values {
            for &right in &values {
                let expected = oracle::<T>(operation, left, right);
                n_overflows += usize::from(expected.is_none());
                // A second, harmless slot shows that one bad slot is enough, and that values stay in their places.
                let (one, zero) = (T::Native::ONE, T::Native::ZERO);
                let pairs = [
                    (array::<T>(vec![left, one], None), array::<T>(vec![right, zero], None)),
                    (array::<T>(vec![left], None), scalar::<T>(Some(right))),
                    (scalar::<T>(Some(left)), array::<T>(vec![right], None)),
                    (scalar::<T>(Some(left)), scalar::<T>(Some(right))),
                ];
                for (left_operand, right_operand) in &pairs {
                    let actual = run(operation, left_operand, right_operand);
                    match expected {
                        Some(expected) => {
                            let actual = actual.unwrap().into_array(1).unwrap();
                            assert_eq!(
                                actual.as_primitive::<T>().value(0),
                                expected,
                                "{left:?} {operation:?} {right:?}"
                            );
                        }
                        None => {
                            let error = actual.expect_err("an overflow").to_string();
                            let right: i128 = right.into();
                            assert!(error.contains(&right.to_string()), "{error}");
                            assert!(error.contains(integer_type_name(&T::DATA_TYPE)), "{error}");
                        }
                    }
                }
            }
        }
    }
    assert!(n_overflows > 100);
}

#[test]
fn every_operation_on_every_width_matches_wide_arithmetic() {
    check_type::<Int8Type>();
    check_type::<Int16Type>();
    check_type::<Int32Type>();
    check_type::<Int64Type>();
    check_type::<UInt8Type>();
    check_type::<UInt16Type>();
    check_type::<UInt32Type>();
    check_type::<UInt64Type>();
}

#[test]
fn every_pair_of_bytes_matches_wide_arithmetic() {
    for operation in OPERATIONS {
        for left in i8::MIN..=i8::MAX {
            for right in i8::MIN..=i8::MAX {
                let actual = run(operation, &scalar::<Int8Type>(Some(left)), &scalar::<Int8Type>(Some(right)));
                let expected = oracle::<Int8Type>(operation, left, right);
                assert_eq!(actual.is_ok(), expected.is_some(), "{left} {operation:?} {right}");
            }
        }
        for left in u8::MIN..=u8::MAX {
            for right in u8::MIN..=u8::MAX {
                let actual = run(operation, &scalar::<UInt8Type>(Some(left)), &scalar::<UInt8Type>(Some(right)));
                let expected = oracle::<UInt8Type>(operation, left, right);
                assert_eq!(actual.is_ok(), expected.is_some(), "{left} {operation:?} {right}");
            }
        }
    }
}

#[test]
fn a_slot_under_null_does_not_raise_and_a_slot_beside_it_does() {
    let max = i64::MAX;
    let left = array::<Int64Type>(vec![max, 1, max], Some(vec![false, true, true]));
    let harmless = array::<Int64Type>(vec![max, 1, max], Some(vec![true, true, false]));
    let result = evaluate(Operation::Add, &left, &harmless).unwrap().into_array(3).unwrap();
    assert_eq!(result.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [None, Some(2), None]);

    let harmful = array::<Int64Type>(vec![max, 1, max], None);
    let error = evaluate(Operation::Add, &left, &harmful).unwrap_err().to_string();
    assert!(error.contains("9223372036854775807 + 9223372036854775807"), "{error}");
}

#[test]
fn slices_are_read_from_their_offset() {
    let long = PrimitiveArray::<Int64Type>::from(vec![Some(i64::MAX), None, Some(3), Some(4)]);
    let slice = ColumnarValue::Array(Arc::new(long.slice(1, 2)));
    let result = evaluate(Operation::Multiply, &slice, &scalar::<Int64Type>(Some(5))).unwrap();
    let result = result.into_array(2).unwrap();
    assert_eq!(result.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [None, Some(15)]);
}

#[test]
fn null_scalars_give_null() {
    let full = array::<UInt16Type>(vec![u16::MAX], None);
    let null = scalar::<UInt16Type>(None);
    for (left, right) in [(&full, &null), (&null, &full), (&null, &null)] {
        match evaluate(Operation::Add, left, right).unwrap() {
            ColumnarValue::Scalar(ScalarValue::UInt16(None)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn messages_are_written_as_sql() {
    let error = |operation, left: i64, right: i64| {
        run(operation, &scalar::<Int64Type>(Some(left)), &scalar::<Int64Type>(Some(right))).unwrap_err().to_string()
    };
    assert!(error(Operation::Add, i64::MAX, 1).ends_with(
        "integer overflow: 9223372036854775807 + 1 is out of range for BIGINT; \
         cast an operand to DECIMAL(38, 0) or DOUBLE"
    ));
    assert!(error(Operation::Subtract, i64::MAX, -1).contains("9223372036854775807 - (-1) is"));
    assert!(error(Operation::Negate, 0, i64::MIN).contains("-(-9223372036854775808) is"));
}
