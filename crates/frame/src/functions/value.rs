//! The Rust types that a closure may return, and how they become Arrow columns.

use std::fmt::Display;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BinaryViewBuilder, BooleanBuilder, ListArray, NullBufferBuilder, PrimitiveArray,
    StringViewBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::sealed::Sealed;
use super::sql_type::{Element, SqlType, UTC};

/// A Rust type that a closure may return as a SQL value: those of [`SqlType`] that own their data, and `&'static str`.
///
/// Timestamps are returned with microseconds, as in PostgreSQL; finer parts are dropped.
pub trait SqlValue: Sized + 'static {
    /// Collects the values of a column.
    type Builder;

    /// The Arrow type of the result column.
    fn data_type() -> DataType;
    /// Starts a column of about `capacity` rows.
    fn builder(capacity: usize) -> Self::Builder;
    /// Adds a row; `None` is NULL.
    fn push(builder: &mut Self::Builder, value: Option<Self>);
    /// Ends the column.
    fn finish(builder: Self::Builder) -> ArrayRef;
}

/// Values of a fixed width, kept as plain numbers so that the loop around the closure stays tight.
#[derive(Debug)]
pub struct NumberBuilder<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
}

impl<T: ArrowPrimitiveType> NumberBuilder<T> {
    fn new(capacity: usize) -> Self {
        Self { values: Vec::with_capacity(capacity), nulls: NullBufferBuilder::new(capacity) }
    }

    #[inline]
    fn push(&mut self, value: Option<T::Native>) {
        match value {
            Some(value) => {
                self.values.push(value);
                self.nulls.append_non_null();
            }
            None => {
                self.values.push(T::Native::default());
                self.nulls.append_null();
            }
        }
    }

    fn finish(self) -> PrimitiveArray<T> {
        PrimitiveArray::new(self.values.into(), self.nulls.build())
    }
}

macro_rules! number {
    ($rust:ty, $arrow:ty, $to_native:expr, $finish:expr) => {
        impl SqlValue for $rust {
            type Builder = NumberBuilder<$arrow>;

            fn data_type() -> DataType {
                <$rust as SqlType>::data_type()
            }

            fn builder(capacity: usize) -> Self::Builder {
                NumberBuilder::new(capacity)
            }

            #[inline]
            fn push(builder: &mut Self::Builder, value: Option<Self>) {
                builder.push(value.map($to_native));
            }

            fn finish(builder: Self::Builder) -> ArrayRef {
                Arc::new($finish(builder.finish()))
            }
        }
    };
    ($rust:ty, $arrow:ty) => {
        number!($rust, $arrow, std::convert::identity, std::convert::identity);
    };
}

number!(i8, Int8Type);
number!(i16, Int16Type);
number!(i32, Int32Type);
number!(i64, Int64Type);
number!(u8, UInt8Type);
number!(u16, UInt16Type);
number!(u32, UInt32Type);
number!(u64, UInt64Type);
number!(f32, Float32Type);
number!(f64, Float64Type);
number!(NaiveDate, Date32Type, Date32Type::from_naive_date, std::convert::identity);
number!(
    NaiveDateTime,
    TimestampMicrosecondType,
    |value: NaiveDateTime| value.and_utc().timestamp_micros(),
    std::convert::identity
);
number!(
    DateTime<Utc>,
    TimestampMicrosecondType,
    |value: DateTime<Utc>| value.timestamp_micros(),
    |array: PrimitiveArray<TimestampMicrosecondType>| array.with_timezone(UTC)
);

macro_rules! built {
    ($rust:ty, $builder:ty, $data_type:ident) => {
        impl SqlValue for $rust {
            type Builder = $builder;

            fn data_type() -> DataType {
                DataType::$data_type
            }

            fn builder(capacity: usize) -> Self::Builder {
                <$builder>::with_capacity(capacity)
            }

            #[inline]
            fn push(builder: &mut Self::Builder, value: Option<Self>) {
                builder.append_option(value);
            }

            fn finish(mut builder: Self::Builder) -> ArrayRef {
                Arc::new(builder.finish())
            }
        }
    };
}

built!(bool, BooleanBuilder, Boolean);
// Views have no limit of 2 GiB per column, which an offset of 32 bits would have.
built!(String, StringViewBuilder, Utf8View);
built!(&'static str, StringViewBuilder, Utf8View);
built!(Vec<u8>, BinaryViewBuilder, BinaryView);

/// Lists, as the elements of all rows and where each row ends.
#[derive(Debug)]
pub struct ListBuilder<B> {
    elements: B,
    lengths: Vec<usize>,
    nulls: NullBufferBuilder,
}

impl<T> SqlValue for Vec<T>
where
    T: Element + Nullable + 'static,
{
    type Builder = ListBuilder<<T::Value as SqlValue>::Builder>;

    fn data_type() -> DataType {
        DataType::List(Arc::new(Field::new_list_field(T::Value::data_type(), true)))
    }

    fn builder(capacity: usize) -> Self::Builder {
        ListBuilder {
            elements: T::Value::builder(capacity),
            lengths: Vec::with_capacity(capacity),
            nulls: NullBufferBuilder::new(capacity),
        }
    }

    fn push(builder: &mut Self::Builder, value: Option<Self>) {
        match &value {
            Some(_) => builder.nulls.append_non_null(),
            None => builder.nulls.append_null(),
        }
        let elements = value.unwrap_or_default();
        builder.lengths.push(elements.len());
        for element in elements {
            T::Value::push(&mut builder.elements, element.into_option());
        }
    }

    fn finish(mut builder: Self::Builder) -> ArrayRef {
        let offsets = OffsetBuffer::from_lengths(builder.lengths);
        let field = Arc::new(Field::new_list_field(T::Value::data_type(), true));
        let elements = T::Value::finish(builder.elements);
        Arc::new(ListArray::new(field, offsets, elements, builder.nulls.finish()))
    }
}

/// A value or an `Option` of one, where `None` is NULL.
pub trait Nullable {
    /// The type of the value.
    type Value: SqlValue;

    /// The value, or `None` for NULL.
    fn into_option(self) -> Option<Self::Value>;
}

impl<T: SqlValue> Nullable for T {
    type Value = T;

    #[inline]
    fn into_option(self) -> Option<T> {
        Some(self)
    }
}

impl<T: SqlValue> Nullable for Option<T> {
    type Value = T;

    #[inline]
    fn into_option(self) -> Option<T> {
        self
    }
}

/// What a closure may return: `T`, `Option<T>`, `Result<T, E>` or `Result<Option<T>, E>`.
///
/// `None` is NULL. An `Err` ends the query with an error that shows the function, the arguments and the message.
pub trait Outcome {
    /// The type of the value.
    type Value: SqlValue;

    /// The value, `None` for NULL, or the message of an error.
    fn into_result(self) -> Result<Option<Self::Value>, String>;
}

impl<T: Nullable> Outcome for T {
    type Value = T::Value;

    #[inline]
    fn into_result(self) -> Result<Option<Self::Value>, String> {
        Ok(self.into_option())
    }
}

impl<T: Nullable, E: Display> Outcome for Result<T, E> {
    type Value = T::Value;

    #[inline]
    fn into_result(self) -> Result<Option<Self::Value>, String> {
        match self {
            Ok(value) => Ok(value.into_option()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What a step that returns no value may return: `()`, or a `Result<(), E>`.
pub trait Done: Sealed {
    /// The message of an error, if there was one.
    fn into_done(self) -> Result<(), String>;
}

// `()` is sealed already, as the tuple of no arguments.
impl<E> Sealed for Result<(), E> {}

impl Done for () {
    #[inline]
    fn into_done(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> Done for Result<(), E> {
    #[inline]
    fn into_done(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}
