//! Reads the columns off a Rust type, by letting the type deserialise itself from a recorder.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::error::RowsError;

/// A type that contains itself would be traced for ever.
const DEPTH_MAX: usize = 32;

/// The shape of a Rust type.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) nullable: bool,
}

/// What a Rust type is made of.
#[derive(Debug, Default)]
pub(super) enum Kind {
    /// Not known (yet).
    #[default]
    Unknown,
    /// One value.
    Value(DataType),
    /// A sequence of equal elements.
    List(Box<Shape>),
    /// Named parts, in order.
    Record(Vec<(String, Shape)>),
    /// Parts without names, in order.
    Tuple(Vec<Shape>),
}

/// The shape of `T`.
pub(super) fn shape_of<T: DeserializeOwned>() -> Result<Shape, RowsError> {
    let mut shape = Shape::default();
    T::deserialize(Tracer { shape: &mut shape, depth: 0 })?;
    Ok(shape)
}

impl Shape {
    /// The shape as a column.
    pub(super) fn field(&self, name: &str) -> Result<Field, RowsError> {
        let data_type = match &self.kind {
            Kind::Unknown => {
                return Err(RowsError::custom(format_args!("the type of {name} cannot be told")));
            }
            Kind::Value(data_type) => data_type.clone(),
            Kind::List(element) => DataType::List(Arc::new(element.field(Field::LIST_FIELD_DEFAULT_NAME)?)),
            Kind::Record(parts) => {
                let fields: Result<Vec<Field>, _> = parts.iter().map(|(name, part)| part.field(name)).collect();
                DataType::Struct(fields?.into())
            }
            Kind::Tuple(parts) => {
                // The writer numbers the parts of a nested tuple from 0.
                let parts = parts.iter().enumerate();
                let fields: Result<Vec<Field>, _> = parts.map(|(index, part)| part.field(&index.to_string())).collect();
                DataType::Struct(fields?.into())
            }
        };
        Ok(Field::new(name, data_type, self.nullable))
    }
}

struct Tracer<'s> {
    shape: &'s mut Shape,
    depth: usize,
}

impl Tracer<'_> {
    fn deeper<'t>(shape: &'t mut Shape, depth: usize) -> Result<Tracer<'t>, RowsError> {
        if depth >= DEPTH_MAX {
            return Err(RowsError::custom("the type is nested too deeply, or contains itself"));
        }
        Ok(Tracer { shape, depth: depth + 1 })
    }
}

macro_rules! values {
    ($($method:ident $data_type:ident $visit:ident $sample:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
            self.shape.kind = Kind::Value(DataType::$data_type);
            visitor.$visit($sample)
        })*
    };
}

macro_rules! unsupported {
    ($($method:ident $what:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, RowsError> {
            Err(RowsError::custom($what))
        })*
    };
}

/// What a visitor says that it expects.
struct Expecting<'v, V>(&'v V);

impl<'de, V: Visitor<'de>> fmt::Display for Expecting<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

/// The types of `chrono` deserialise from text; they are told apart by what they say they expect.
///
/// Any other type gets VARCHAR. If it refuses the empty text, the caller falls back to samples.
fn text_type<'de, V: Visitor<'de>>(visitor: &V) -> (DataType, &'static str) {
    let expecting = Expecting(visitor).to_string();
    if expecting == "a formatted date string" {
        (DataType::Date32, "1970-01-01")
    } else if expecting == "a formatted date and time string" {
        (DataType::Timestamp(TimeUnit::Microsecond, None), "1970-01-01T00:00:00")
    } else if expecting.starts_with("an RFC 3339 formatted date and time string") {
        (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), "1970-01-01T00:00:00Z")
    } else {
        (DataType::Utf8View, "")
    }
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = RowsError;

    values! {
        deserialize_bool Boolean visit_bool false;
        deserialize_i8 Int8 visit_i8 0;
        deserialize_i16 Int16 visit_i16 0;
        deserialize_i32 Int32 visit_i32 0;
        deserialize_i64 Int64 visit_i64 0;
        deserialize_u8 UInt8 visit_u8 0;
        deserialize_u16 UInt16 visit_u16 0;
        deserialize_u32 UInt32 visit_u32 0;
        deserialize_u64 UInt64 visit_u64 0;
        deserialize_f32 Float32 visit_f32 0.0;
        deserialize_f64 Float64 visit_f64 0.0;
        deserialize_char Utf8View visit_char 'a';
        deserialize_bytes LargeBinary visit_bytes &[];
        deserialize_byte_buf LargeBinary visit_byte_buf vec![];
    }

    unsupported! {
        deserialize_any "a type that takes any value has no fixed columns";
        deserialize_map "a map has no fixed columns";
        deserialize_unit "a unit holds no value";
        deserialize_identifier "a bare identifier holds no value";
        deserialize_ignored_any "an ignored value has no type";
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        let (data_type, sample) = text_type(&visitor);
        self.shape.kind = Kind::Value(data_type);
        visitor.visit_str(sample)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        self.shape.nullable = true;
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, RowsError> {
        Err(RowsError::custom("a unit struct holds no value"))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, RowsError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        let mut element = Shape::default();
        let value = visitor.visit_seq(OneElement { element: &mut element, depth: self.depth, done: false })?;
        self.shape.kind = Kind::List(Box::new(element));
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, RowsError> {
        let mut parts = Vec::with_capacity(len);
        let value = visitor.visit_seq(Parts { parts: &mut parts, len, depth: self.depth })?;
        self.shape.kind = Kind::Tuple(parts);
        Ok(value)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, RowsError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowsError> {
        let mut parts = Vec::with_capacity(fields.len());
        let value = visitor.visit_map(Fields { fields, parts: &mut parts, depth: self.depth })?;
        self.shape.kind = Kind::Record(parts);
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowsError> {
        let Some(first) = variants.first() else {
            return Err(RowsError::custom("an enum without variants holds no value"));
        };
        self.shape.kind = Kind::Value(DataType::Utf8View);
        visitor.visit_enum(UnitVariant(first))
    }
}

struct OneElement<'s> {
    element: &'s mut Shape,
    depth: usize,
    done: bool,
}

impl<'de> SeqAccess<'de> for OneElement<'_> {
    type Error = RowsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, RowsError> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        seed.deserialize(Tracer::deeper(self.element, self.depth)?).map(Some)
    }
}

struct Parts<'s> {
    parts: &'s mut Vec<Shape>,
    len: usize,
    depth: usize,
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = RowsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, RowsError> {
        if self.parts.len() == self.len {
            return Ok(None);
        }
        let mut part = Shape::default();
        let value = seed.deserialize(Tracer::deeper(&mut part, self.depth)?)?;
        self.parts.push(part);
        Ok(Some(value))
    }
}

struct Fields<'s> {
    fields: &'static [&'static str],
    parts: &'s mut Vec<(String, Shape)>,
    depth: usize,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = RowsError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, RowsError> {
        match self.fields.get(self.parts.len()) {
            None => Ok(None),
            Some(name) => seed.deserialize(StrDeserializer::<RowsError>::new(name)).map(Some),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, RowsError> {
        let name = self.fields.get(self.parts.len()).copied().unwrap_or_default();
        let mut part = Shape::default();
        let value = seed.deserialize(Tracer::deeper(&mut part, self.depth)?)?;
        self.parts.push((name.to_owned(), part));
        Ok(value)
    }
}

struct UnitVariant(&'static str);

impl<'de> EnumAccess<'de> for UnitVariant {
    type Error = RowsError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), RowsError> {
        let value = seed.deserialize(StrDeserializer::<RowsError>::new(self.0))?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for UnitVariant {
    type Error = RowsError;

    fn unit_variant(self) -> Result<(), RowsError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, RowsError> {
        Err(RowsError::custom("an enum whose variants hold values has no column type"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, RowsError> {
        Err(RowsError::custom("an enum whose variants hold values has no column type"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, RowsError> {
        Err(RowsError::custom("an enum whose variants hold values has no column type"))
    }
}
