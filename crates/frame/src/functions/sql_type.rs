//! The Rust types that a closure may take, and how they are read from Arrow columns.

use std::sync::Arc;

use arrow::array::{
    Array, AsArray, BinaryArray, BinaryViewArray, BooleanArray, LargeBinaryArray, LargeStringArray, ListArray,
    StringArray, StringViewArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, Utc};

use super::error::ValueError;
use super::sealed::Sealed;

/// A Rust type that holds one SQL value other than NULL.
///
/// | Rust | SQL | converts implicitly from |
/// |---|---|---|
/// | `bool` | BOOLEAN | |
/// | `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64` | TINYINT to BIGINT UNSIGNED | every integer type; a value that does not fit is an error |
/// | `f32`, `f64` | REAL, DOUBLE | integers, decimals, the other float |
/// | `String`, `&str` | VARCHAR | every text type, dictionaries |
/// | `Vec<u8>`, `&[u8]` | BLOB | every binary type, text |
/// | `NaiveDate` | DATE | text |
/// | `NaiveDateTime` | TIMESTAMP | timestamps of every unit, DATE, text |
/// | `DateTime<Utc>` | TIMESTAMP WITH TIME ZONE | timestamps of every unit and zone, DATE, text |
/// | `Vec<T>` | LIST | lists whose elements convert |
///
/// NULL converts to every type. `&str` and `&[u8]` borrow from the column, so they cost no allocation.
pub trait SqlType: Sealed {
    /// What the closure receives; it may borrow from the column.
    type Item<'a>;
    /// A column that is ready to be read row by row.
    type Column<'a>;

    /// The name of the type in SQL, for error messages.
    fn sql_name() -> String;
    /// The Arrow type that stands for this type when the call gives no better one.
    fn data_type() -> DataType;
    /// The Arrow type to which an argument of type `given` is converted, or `None` if it does not convert.
    fn accept(given: &DataType) -> Option<DataType>;
    /// Opens `array`, whose type is one that [`SqlType::accept`] returned; `None` if it is not.
    fn column(array: &dyn Array) -> Option<Self::Column<'_>>;
    /// Reads the value at `row`, which is not NULL.
    ///
    /// # Errors
    /// [`ValueError`] if the stored value has no counterpart in the Rust type.
    fn item<'a>(column: &Self::Column<'a>, row: usize) -> Result<Self::Item<'a>, ValueError>;
}

/// A type in a closure's argument list: a [`SqlType`], or an `Option` of one, which also receives NULL.
pub trait Argument: Sealed {
    /// What the closure receives.
    type Item<'a>;
    /// A column that is ready to be read row by row.
    type Column<'a>;
    /// Whether the closure wants to see NULL.
    const TAKES_NULL: bool;

    /// See [`SqlType::sql_name`].
    fn sql_name() -> String;
    /// See [`SqlType::data_type`].
    fn data_type() -> DataType;
    /// See [`SqlType::accept`].
    fn accept(given: &DataType) -> Option<DataType>;
    /// See [`SqlType::column`].
    fn column(array: &dyn Array) -> Option<Self::Column<'_>>;
    /// Reads the value at `row`, which is not NULL unless [`Argument::TAKES_NULL`].
    ///
    /// # Errors
    /// [`ValueError`] if the stored value has no counterpart in the Rust type.
    fn item<'a>(column: &Self::Column<'a>, row: usize) -> Result<Self::Item<'a>, ValueError>;
}

impl<T: SqlType> Argument for T {
    type Item<'a> = <T as SqlType>::Item<'a>;
    type Column<'a> = <T as SqlType>::Column<'a>;
    const TAKES_NULL: bool = false;

    fn sql_name() -> String {
        <T as SqlType>::sql_name()
    }

    fn data_type() -> DataType {
        <T as SqlType>::data_type()
    }

    fn accept(given: &DataType) -> Option<DataType> {
        accept_nullable::<T>(given)
    }

    fn column(array: &dyn Array) -> Option<Self::Column<'_>> {
        <T as SqlType>::column(array)
    }

    #[inline]
    fn item<'a>(column: &Self::Column<'a>, row: usize) -> Result<Self::Item<'a>, ValueError> {
        <T as SqlType>::item(column, row)
    }
}

impl<T: SqlType> Sealed for Option<T> {}

impl<T: SqlType> Argument for Option<T> {
    type Item<'a> = Option<<T as SqlType>::Item<'a>>;
    type Column<'a> = (<T as SqlType>::Column<'a>, Option<NullBuffer>);
    const TAKES_NULL: bool = true;

    fn sql_name() -> String {
        <T as SqlType>::sql_name()
    }

    fn data_type() -> DataType {
        <T as SqlType>::data_type()
    }

    fn accept(given: &DataType) -> Option<DataType> {
        accept_nullable::<T>(given)
    }

    fn column(array: &dyn Array) -> Option<Self::Column<'_>> {
        Some((<T as SqlType>::column(array)?, array.logical_nulls()))
    }

    #[inline]
    fn item<'a>((column, nulls): &Self::Column<'a>, row: usize) -> Result<Self::Item<'a>, ValueError> {
        match nulls {
            Some(nulls) if nulls.is_null(row) => Ok(None),
            _ => <T as SqlType>::item(column, row).map(Some),
        }
    }
}

/// Unpacks what every type accepts, NULL and dictionaries, and leaves the rest to the type.
fn accept_nullable<T: SqlType>(given: &DataType) -> Option<DataType> {
    match given {
        DataType::Null => Some(<T as SqlType>::data_type()),
        DataType::Dictionary(_, values) => <T as SqlType>::accept(values),
        given => <T as SqlType>::accept(given),
    }
}

/// A type that may stand inside a list. `u8` is missing because `Vec<u8>` is a BLOB.
pub trait Element: Sealed {}

impl<T: SqlType + Element> Element for Option<T> {}

macro_rules! number {
    ($rust:ty, $arrow:ty, $data_type:ident, $name:literal, $accepts:path) => {
        impl Sealed for $rust {}

        impl SqlType for $rust {
            type Item<'a> = $rust;
            type Column<'a> = &'a [$rust];

            fn sql_name() -> String {
                $name.to_owned()
            }

            fn data_type() -> DataType {
                DataType::$data_type
            }

            fn accept(given: &DataType) -> Option<DataType> {
                $accepts(given).then_some(DataType::$data_type)
            }

            fn column(array: &dyn Array) -> Option<Self::Column<'_>> {
                Some(array.as_primitive_opt::<$arrow>()?.values())
            }

            #[inline]
            fn item<'a>(column: &Self::Column<'a>, row: usize) -> Result<Self::Item<'a>, ValueError> {
                Ok(column[row])
            }
        }
    };
}

/// Integers of other widths are converted by a checked cast: the types of literals and columns are often wider than
/// their values, and a value that does not fit is an error, never a wrap.
fn is_integer(given: &DataType) -> bool {
    given.is_integer()
}

fn is_number(given: &DataType) -> bool {
    given.is_numeric()
}

number!(i8, Int8Type, Int8, "TINYINT", is_integer);
number!(i16, Int16Type, Int16, "SMALLINT", is_integer);
number!(i32, Int32Type, Int32, "INT", is_integer);
number!(i64, Int64Type, Int64, "BIGINT", is_integer);
number!(u8, UInt8Type, UInt8, "TINYINT UNSIGNED", is_integer);
number!(u16, UInt16Type, UInt16, "SMALLINT UNSIGNED", is_integer);
number!(u32, UInt32Type, UInt32, "INT UNSIGNED", is_integer);
number!(u64, UInt64Type, UInt64, "BIGINT UNSIGNED", is_integer);
number!(f32, Float32Type, Float32, "REAL", is_number);
number!(f64, Float64Type, Float64, "DOUBLE", is_number);

macro_rules! element {
    ($($rust:ty),* $(,)?) => { $(impl Element for $rust {})* };
}

element!(
    bool,
    i8,
    i16,
    i32,
    i64,
    u16,
    u32,
    u64,
    f32,
    f64,
    String,
    &str,
    Vec<u8>,
    &[u8],
    NaiveDate,
    NaiveDateTime,
    DateTime<Utc>
);

impl<T: Element> Element for Vec<T> {}

impl Sealed for bool {}

impl SqlType for bool {
    type Item<'a> = bool;
    type Column<'a> = &'a BooleanArray;

    fn sql_name() -> String {
        "BOOLEAN".to_owned()
    }

    fn data_type() -> DataType {
        DataType::Boolean
    }

    fn accept(given: &DataType) -> Option<DataType> {
        (given == &DataType::Boolean).then_some(DataType::Boolean)
    }

    fn column(array: &dyn Array) -> Option<Self::Column<'_>> {
        array.as_boolean_opt()
    }

    #[inline]
    fn item<'a>(column: &Self::Column<'a>, row: usize) -> Result<Self::Item<'a>, ValueError> {
        Ok(column.value(row))
    }
}

/// A column of text in any of its layouts. All three are read as they are, which spares a copy of the column.
#[derive(Debug, Clone, Copy)]
pub enum TextColumn<'a> {
    /// 32-bit offsets.
    Small(&'a StringArray),
    /// 64-bit offsets.
    Large(&'a LargeStringArray),
    /// Views.
    View(&'a StringViewArray),
}

impl<'a> TextColumn<'a> {
    fn open(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Utf8 => Self::Small(array.as_string_opt()?),
            DataType::LargeUtf8 => Self::Large(array.as_string_opt()?),
            _ => Self::View(array.as_string_view_opt()?),
        })
    }

    #[inline]
    fn value(&self, row: usize) -> &'a str {
        match self {
            Self::Small(array) => array.value(row),
            Self::Large(array) => array.value(row),
            Self::View(array) => array.value(row),
        }
    }
}

fn is_text(given: &DataType) -> bool {
    matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// A column of bytes in any of its layouts.
#[derive(Debug, Clone, Copy)]
pub enum BinaryColumn<'a> {
    /// 32-bit offsets.
    Small(&'a BinaryArray),
    /// 64-bit offsets.
    Large(&'a LargeBinaryArray),
    /// Views.
    View(&'a BinaryViewArray),
}

impl<'a> BinaryColumn<'a> {
    fn open(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Binary => Self::Small(array.as_binary_opt()?),
            DataType::LargeBinary => Self::Large(array.as_binary_opt()?),
            _ => Self::View(array.as_binary_view_opt()?),
        })
    }

    #[inline]
    fn value(&self, row: usize) -> &'a [u8] {
        match self {
            Self::Small(array) => array.value(row),
            Self::Large(array) => array.value(row),
            Self::View(array) => array.value(row),
        }
    }
}

fn accept_binary(given: &DataType) -> Option<DataType> {
    match given {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Some(given.clone()),
        DataType::FixedSizeBinary(_) => Some(DataType::Binary),
        given if is_text(given) => Some(DataType::BinaryView),
        _ => None,
    }
}

macro_rules! bytes_like {
    ($rust:ty, $item:ty, $column:ident, $name:literal, $data_type:ident, $accept:expr, $own:expr) => {
        impl Sealed for $rust {}

        impl SqlType for $rust {
            type Item<'a> = $item;
            type Column<'a> = $column<'a>;

            fn sql_name() -> String {
                $name.to_owned()
            }

            fn data_type() -> DataType {
                DataType::$data_type
            }

            fn accept(given: &DataType) -> Option<DataType> {
                $accept(given)
            }

            fn column(array: &dyn Array) -> Option<Self::Column<'_>> {
                $column::open(array)
            }

            #[inline]
            fn item<'a>(column: &Self::Column<'a>, row: usize) -> Result<Self::Item<'a>, ValueError> {
                Ok($own(column.value(row)))
            }
        }
    };
}

fn accept_text(given: &DataType) -> Option<DataType> {
    is_text(given).then(|| given.clone())
}

bytes_like!(String, String, TextColumn, "VARCHAR", Utf8View, accept_text, str::to_owned);
bytes_like!(&str, &'a str, TextColumn, "VARCHAR", Utf8View, accept_text, std::convert::identity);
bytes_like!(Vec<u8>, Vec<u8>, BinaryColumn, "BLOB", BinaryView, accept_binary, <[u8]>::to_vec);
bytes_like!(&[u8], &'a [u8], BinaryColumn, "BLOB", BinaryView, accept_binary, std::convert::identity);

impl Sealed for NaiveDate {}

impl SqlType for NaiveDate {
    type Item<'a> = NaiveDate;
    type Column<'a> = &'a [i32];

    fn sql_name() -> String {
        "DATE".to_owned()
    }

    fn data_type() -> DataType {
        DataType::Date32
    }

    fn accept(given: &DataType) -> Option<DataType> {
        (matches!(given, DataType::Date32 | DataType::Date64) || is_text(given)).then_some(DataType::Date32)
    }

    fn column(array: &dyn Array) -> Option<Self::Column<'_>> {
        Some(array.as_primitive_opt::<Date32Type>()?.values())
    }

    fn item<'a>(column: &Self::Column<'a>, row: usize) -> Result<Self::Item<'a>, ValueError> {
        let days = column[row];
        date_from_days(days).ok_or(ValueError::OutOfRange { target: "NaiveDate", stored: i64::from(days) })
    }
}

/// The date that lies `days` after 1970-01-01.
pub(super) fn date_from_days(days: i32) -> Option<NaiveDate> {
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    let distance = Days::new(u64::from(days.unsigned_abs()));
    if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) }
}

/// A column of timestamps: counts of a unit since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy)]
pub struct TimestampColumn<'a> {
    unit: TimeUnit,
    values: &'a [i64],
}

impl<'a> TimestampColumn<'a> {
    fn open(array: &'a dyn Array) -> Option<Self> {
        let DataType::Timestamp(unit, _) = array.data_type() else { return None };
        let values = match unit {
            TimeUnit::Second => array.as_primitive_opt::<TimestampSecondType>()?.values(),
            TimeUnit::Millisecond => array.as_primitive_opt::<TimestampMillisecondType>()?.values(),
            TimeUnit::Microsecond => array.as_primitive_opt::<TimestampMicrosecondType>()?.values(),
            TimeUnit::Nanosecond => array.as_primitive_opt::<TimestampNanosecondType>()?.values(),
        };
        Some(Self { unit: *unit, values })
    }

    fn value(&self, row: usize, target: &'static str) -> Result<DateTime<Utc>, ValueError> {
        let stored = self.values[row];
        instant(stored, self.unit).ok_or(ValueError::OutOfRange { target, stored })
    }
}

/// The instant that lies `count` units after 1970-01-01 00:00 UTC.
pub(super) fn instant(count: i64, unit: TimeUnit) -> Option<DateTime<Utc>> {
    match unit {
        TimeUnit::Second => DateTime::from_timestamp(count, 0),
        TimeUnit::Millisecond => DateTime::from_timestamp_millis(count),
        TimeUnit::Microsecond => DateTime::from_timestamp_micros(count),
        TimeUnit::Nanosecond => Some(DateTime::from_timestamp_nanos(count)),
    }
}

impl Sealed for NaiveDateTime {}

impl SqlType for NaiveDateTime {
    type Item<'a> = NaiveDateTime;
    type Column<'a> = TimestampColumn<'a>;

    fn sql_name() -> String {
        "TIMESTAMP".to_owned()
    }

    fn data_type() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, None)
    }

    fn accept(given: &DataType) -> Option<DataType> {
        match given {
            DataType::Timestamp(_, None) => Some(given.clone()),
            DataType::Date32 | DataType::Date64 => Some(<Self as SqlType>::data_type()),
            given => is_text(given).then(<Self as SqlType>::data_type),
        }
    }

    fn column(array: &dyn Array) -> Option<Self::Column<'_>> {
        TimestampColumn::open(array)
    }

    fn item<'a>(column: &Self::Column<'a>, row: usize) -> Result<Self::Item<'a>, ValueError> {
        Ok(column.value(row, "NaiveDateTime")?.naive_utc())
    }
}

/// The zone of the timestamps that functions return.
pub(super) const UTC: &str = "UTC";

impl Sealed for DateTime<Utc> {}

impl SqlType for DateTime<Utc> {
    type Item<'a> = DateTime<Utc>;
    type Column<'a> = TimestampColumn<'a>;

    fn sql_name() -> String {
        "TIMESTAMP WITH TIME ZONE".to_owned()
    }

    fn data_type() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
    }

    fn accept(given: &DataType) -> Option<DataType> {
        match given {
            // The zone only says how an instant is shown; the stored count is the same in every zone.
            DataType::Timestamp(_, Some(_)) => Some(given.clone()),
            DataType::Timestamp(unit, None) => Some(DataType::Timestamp(*unit, Some(UTC.into()))),
            DataType::Date32 | DataType::Date64 => Some(<Self as SqlType>::data_type()),
            given => is_text(given).then(<Self as SqlType>::data_type),
        }
    }

    fn column(array: &dyn Array) -> Option<Self::Column<'_>> {
        TimestampColumn::open(array)
    }

    fn item<'a>(column: &Self::Column<'a>, row: usize) -> Result<Self::Item<'a>, ValueError> {
        column.value(row, "DateTime<Utc>")
    }
}

/// A column of lists with its elements opened.
#[derive(Debug)]
pub struct ListColumn<'a, C> {
    lists: &'a ListArray,
    elements: C,
    element_nulls: Option<NullBuffer>,
}

impl<T: Element> Sealed for Vec<T> {}

impl<T: Element + Argument> SqlType for Vec<T> {
    type Item<'a> = Vec<T::Item<'a>>;
    type Column<'a> = ListColumn<'a, T::Column<'a>>;

    fn sql_name() -> String {
        format!("{}[]", T::sql_name())
    }

    fn data_type() -> DataType {
        DataType::List(Arc::new(Field::new_list_field(T::data_type(), true)))
    }

    fn accept(given: &DataType) -> Option<DataType> {
        let (DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _)) = given else {
            return None;
        };
        let element = T::accept(field.data_type())?;
        if matches!(given, DataType::List(_)) && element == *field.data_type() {
            return Some(given.clone());
        }
        Some(DataType::List(Arc::new(Field::new_list_field(element, true))))
    }

    fn column(array: &dyn Array) -> Option<Self::Column<'_>> {
        let lists = array.as_list_opt::<i32>()?;
        let elements = T::column(lists.values().as_ref())?;
        Some(ListColumn { lists, elements, element_nulls: lists.values().logical_nulls() })
    }

    fn item<'a>(column: &Self::Column<'a>, row: usize) -> Result<Self::Item<'a>, ValueError> {
        let offsets = column.lists.value_offsets();
        // Arrow's offsets are never negative, so the conversion keeps every value.
        let range = offsets[row] as usize..offsets[row + 1] as usize;
        range
            .map(|position| match &column.element_nulls {
                Some(nulls) if !T::TAKES_NULL && nulls.is_null(position) => Err(ValueError::NullElement),
                _ => T::item(&column.elements, position),
            })
            .collect()
    }
}
