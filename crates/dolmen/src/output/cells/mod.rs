//! Values as text: one [`Column`] per column of a batch, built once, then asked for one row after the other.
//!
//! Every value is appended to a buffer that the caller reuses, so a cell costs one virtual call and no allocation.

mod interval;
mod nested;
mod number;
mod temporal;
mod text;

use arrow::array::{Array, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::*;
use nested::{Indexed, Lists, Maps, Structs, Unions};
use number::{Decimals, DoubleFloats, HalfFloats, Integers, SingleFloats};
use temporal::{DateTimes, Dates, Durations, Intervals, Times, Timestamps};
use text::{Binaries, Booleans, Nulls, Strings};

/// The values of one column of a batch, as text.
pub(super) struct Column {
    nulls: Option<NullBuffer>,
    cells: Box<dyn Cells>,
}

/// The values that are not NULL of a [`Column`].
trait Cells {
    /// Appends the value of `row`, which is not NULL, as valid UTF-8.
    fn write(&self, row: usize, out: &mut Vec<u8>);
}

impl Column {
    /// The values as people read them.
    pub(super) fn text(array: &dyn Array) -> Self {
        Self::new(array, Syntax::Text)
    }

    /// The values as JSON without spaces.
    pub(super) fn json(array: &dyn Array) -> Self {
        Self::new(array, Syntax::Json)
    }

    fn new(array: &dyn Array, syntax: Syntax) -> Self {
        Self {
            // Logical, because the NULLs of a dictionary may stand in its values, and a NULL column has no bitmap.
            nulls: array.logical_nulls().filter(|nulls| nulls.null_count() > 0),
            cells: cells(array, syntax),
        }
    }

    /// Whether the value of `row` is NULL.
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the value of `row`, which must not be NULL, as valid UTF-8.
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) {
        self.cells.write(row, out);
    }

    /// Appends the value of `row` as `append` writes its text, or `null`; `scratch` is for the text.
    pub(super) fn append(
        &self,
        row: usize,
        null: &[u8],
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
        append: impl Fn(&str, &mut Vec<u8>),
    ) {
        if self.is_null(row) {
            out.extend_from_slice(null);
        } else {
            scratch.clear();
            self.write(row, scratch);
            append(&String::from_utf8_lossy(scratch), out);
        }
    }

    /// Appends the value of `row`, or `null`.
    pub(super) fn write_or_null(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
        } else {
            self.cells.write(row, out);
        }
    }
}

/// What a type's text can be, which decides how a cell is aligned and whether it must be searched for characters
/// to quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Digits, aligned to the right.
    Number,
    /// Letters, digits and `+-.:` and spaces between them, in a text of bounded length.
    Plain,
    /// Anything.
    Text,
}

impl Kind {
    /// The kind of a type; a dictionary is of the kind of its values.
    pub(super) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::RunEndEncoded(_, values) => Self::of(values.data_type()),
            data_type if data_type.is_numeric() => Kind::Number,
            DataType::Null | DataType::Boolean => Kind::Plain,
            data_type if data_type.is_temporal() => Kind::Plain,
            _ => Kind::Text,
        }
    }
}

/// The language in which a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    /// For people: no quotes.
    Text,
    /// JSON without spaces.
    Json,
    /// JSON with a space after each comma and colon: the inside of a nested value in text.
    SpacedJson,
}

impl Syntax {
    /// The syntax of the members of a nested value.
    fn of_members(self) -> Self {
        match self {
            Syntax::Text => Syntax::SpacedJson,
            Syntax::Json | Syntax::SpacedJson => self,
        }
    }

    fn comma(self) -> &'static [u8] {
        if self == Syntax::Json { b"," } else { b", " }
    }

    fn colon(self) -> &'static [u8] {
        if self == Syntax::Json { b":" } else { b": " }
    }

    /// Appends the quote that JSON needs around what is neither a number nor a boolean.
    fn quote(self, out: &mut Vec<u8>) {
        if self != Syntax::Text {
            out.push(b'"');
        }
    }
}

fn cells(array: &dyn Array, syntax: Syntax) -> Box<dyn Cells> {
    macro_rules! primitive {
        ($cells:ident, $data_type:ty) => {
            Box::new($cells::<$data_type>::new(array.as_primitive().clone(), syntax))
        };
    }
    match array.data_type() {
        DataType::Null => Box::new(Nulls),
        DataType::Boolean => Box::new(Booleans(array.as_boolean().clone())),
        DataType::Int8 => primitive!(Integers, Int8Type),
        DataType::Int16 => primitive!(Integers, Int16Type),
        DataType::Int32 => primitive!(Integers, Int32Type),
        DataType::Int64 => primitive!(Integers, Int64Type),
        DataType::UInt8 => primitive!(Integers, UInt8Type),
        DataType::UInt16 => primitive!(Integers, UInt16Type),
        DataType::UInt32 => primitive!(Integers, UInt32Type),
        DataType::UInt64 => primitive!(Integers, UInt64Type),
        DataType::Float16 => Box::new(HalfFloats::new(array.as_primitive().clone(), syntax)),
        DataType::Float32 => Box::new(SingleFloats::new(array.as_primitive().clone(), syntax)),
        DataType::Float64 => Box::new(DoubleFloats::new(array.as_primitive().clone(), syntax)),
        DataType::Decimal32(_, _) => primitive!(Decimals, Decimal32Type),
        DataType::Decimal64(_, _) => primitive!(Decimals, Decimal64Type),
        DataType::Decimal128(_, _) => primitive!(Decimals, Decimal128Type),
        DataType::Decimal256(_, _) => primitive!(Decimals, Decimal256Type),
        DataType::Date32 => Box::new(Dates::new(array.as_primitive().clone(), syntax)),
        DataType::Date64 => Box::new(DateTimes::new(array.as_primitive().clone(), syntax)),
        DataType::Time32(TimeUnit::Millisecond) => primitive!(Times, Time32MillisecondType),
        DataType::Time32(_) => primitive!(Times, Time32SecondType),
        DataType::Time64(TimeUnit::Nanosecond) => primitive!(Times, Time64NanosecondType),
        DataType::Time64(_) => primitive!(Times, Time64MicrosecondType),
        DataType::Timestamp(TimeUnit::Second, _) => primitive!(Timestamps, TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => primitive!(Timestamps, TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => primitive!(Timestamps, TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => primitive!(Timestamps, TimestampNanosecondType),
        DataType::Duration(TimeUnit::Second) => primitive!(Durations, DurationSecondType),
        DataType::Duration(TimeUnit::Millisecond) => primitive!(Durations, DurationMillisecondType),
        DataType::Duration(TimeUnit::Microsecond) => primitive!(Durations, DurationMicrosecondType),
        DataType::Duration(TimeUnit::Nanosecond) => primitive!(Durations, DurationNanosecondType),
        DataType::Interval(IntervalUnit::YearMonth) => primitive!(Intervals, IntervalYearMonthType),
        DataType::Interval(IntervalUnit::DayTime) => primitive!(Intervals, IntervalDayTimeType),
        DataType::Interval(IntervalUnit::MonthDayNano) => primitive!(Intervals, IntervalMonthDayNanoType),
        DataType::Utf8 => Box::new(Strings::new(array.as_string::<i32>().clone(), syntax)),
        DataType::LargeUtf8 => Box::new(Strings::new(array.as_string::<i64>().clone(), syntax)),
        DataType::Utf8View => Box::new(Strings::new(array.as_string_view().clone(), syntax)),
        DataType::Binary => Box::new(Binaries::new(array.as_binary::<i32>().clone(), syntax)),
        DataType::LargeBinary => Box::new(Binaries::new(array.as_binary::<i64>().clone(), syntax)),
        DataType::BinaryView => Box::new(Binaries::new(array.as_binary_view().clone(), syntax)),
        DataType::FixedSizeBinary(_) => Box::new(Binaries::new(array.as_fixed_size_binary().clone(), syntax)),
        DataType::List(_) => Box::new(Lists::of_offsets(array.as_list::<i32>(), syntax)),
        DataType::LargeList(_) => Box::new(Lists::of_offsets(array.as_list::<i64>(), syntax)),
        DataType::ListView(_) => Box::new(Lists::of_views(array.as_list_view::<i32>(), syntax)),
        DataType::LargeListView(_) => Box::new(Lists::of_views(array.as_list_view::<i64>(), syntax)),
        DataType::FixedSizeList(_, _) => Box::new(Lists::of_fixed_size(array.as_fixed_size_list(), syntax)),
        DataType::Struct(_) => Box::new(Structs::new(array.as_struct(), syntax)),
        DataType::Map(_, _) => Box::new(Maps::new(array.as_map(), syntax)),
        DataType::Union(_, _) => Box::new(Unions::new(array.as_union(), syntax)),
        DataType::Dictionary(_, _) => Box::new(Indexed::of_dictionary(array.as_any_dictionary(), syntax)),
        DataType::RunEndEncoded(run_ends, _) => match run_ends.data_type() {
            DataType::Int16 => Box::new(Indexed::of_runs(array.as_run::<Int16Type>(), syntax)),
            DataType::Int32 => Box::new(Indexed::of_runs(array.as_run::<Int32Type>(), syntax)),
            // Arrow allows no other type of run ends than these three.
            _ => Box::new(Indexed::of_runs(array.as_run::<Int64Type>(), syntax)),
        },
    }
}

/// The values of `column`, none of which is NULL.
#[cfg(test)]
fn texts(column: &Column, n_rows: usize) -> Vec<String> {
    (0..n_rows)
        .map(|row| {
            let mut out = Vec::new();
            column.write(row, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        })
        .collect()
}
