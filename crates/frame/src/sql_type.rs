//! The SQL names of Arrow types, and back.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::error::Result;
use datafusion::execution::SessionState;

/// The Arrow type of a SQL type name, as a CAST takes it.
pub(crate) fn parse_sql_type(state: &SessionState, name: &str) -> Result<DataType> {
    let schema = datafusion::common::DFSchema::empty();
    let cast = state.create_logical_expr(&format!("CAST(NULL AS {name})"), &schema)?;
    datafusion::logical_expr::ExprSchemable::get_type(&cast, &schema)
}

/// The SQL name of a type, as a table shows it under a column name and DESCRIBE lists it.
///
/// Where SQL has a name for the type, `CAST(x AS <name>)` gives that type again, up to how Arrow stores it: every string
/// type is `varchar`, a dictionary has the name of its values. Timestamps have nanoseconds unless a precision
/// follows: `timestamp(0)`, `timestamp(3)` and `timestamp(6)` have seconds, milliseconds and microseconds. Types that SQL
/// cannot spell (maps, unions, `float16`) still get a readable name.
pub fn sql_type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "null".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::UInt8 => "tinyint unsigned".to_owned(),
        DataType::UInt16 => "smallint unsigned".to_owned(),
        DataType::UInt32 => "integer unsigned".to_owned(),
        DataType::UInt64 => "bigint unsigned".to_owned(),
        DataType::Float16 => "float16".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "varchar".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "bytea".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("time{}", precision(*unit)),
        DataType::Timestamp(unit, None) => format!("timestamp{}", precision(*unit)),
        DataType::Timestamp(unit, Some(_)) => format!("timestamptz{}", precision(*unit)),
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano)
        | DataType::Duration(_) => "interval".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::LargeListView(item) => {
            format!("{}[]", sql_type_name(item.data_type()))
        }
        DataType::FixedSizeList(item, length) => format!("{}[{length}]", sql_type_name(item.data_type())),
        DataType::Struct(fields) => format!("struct<{}>", members(fields.iter().map(AsRef::as_ref))),
        DataType::Union(fields, _) => format!("union<{}>", members(fields.iter().map(|(_, field)| field.as_ref()))),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                format!("map<{}, {}>", sql_type_name(fields[0].data_type()), sql_type_name(fields[1].data_type()))
            }
            _ => "map".to_owned(),
        },
        DataType::Dictionary(_, values) => sql_type_name(values),
        DataType::RunEndEncoded(_, values) => sql_type_name(values.data_type()),
    }
}

fn precision(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "(0)",
        TimeUnit::Millisecond => "(3)",
        TimeUnit::Microsecond => "(6)",
        TimeUnit::Nanosecond => "",
    }
}

fn members<'a>(fields: impl Iterator<Item = &'a Field>) -> String {
    let members: Vec<String> =
        fields.map(|field| format!("{} {}", identifier(field.name()), sql_type_name(field.data_type()))).collect();
    members.join(", ")
}

/// A name as it must be written in SQL to keep its letters.
fn identifier(name: &str) -> String {
    let plain = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Fields;
    use datafusion::prelude::SessionContext;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_cast_to_the_name_gives_the_type() {
        let item = |data_type| Arc::new(Field::new_list_field(data_type, true));
        let types = [
            DataType::Boolean,
            DataType::Int8,
            DataType::Int16,
            DataType::Int32,
            DataType::Int64,
            DataType::UInt8,
            DataType::UInt16,
            DataType::UInt32,
            DataType::UInt64,
            DataType::Float32,
            DataType::Float64,
            DataType::Decimal128(15, 2),
            DataType::Decimal256(60, 20),
            DataType::Utf8View,
            DataType::Binary,
            DataType::Date32,
            DataType::Time64(TimeUnit::Nanosecond),
            DataType::Timestamp(TimeUnit::Second, None),
            DataType::Timestamp(TimeUnit::Millisecond, None),
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Timestamp(TimeUnit::Nanosecond, None),
            DataType::Timestamp(TimeUnit::Nanosecond, Some("+00:00".into())),
            DataType::Interval(IntervalUnit::MonthDayNano),
            DataType::List(item(DataType::Int64)),
            DataType::List(item(DataType::List(item(DataType::Decimal128(15, 2))))),
            DataType::FixedSizeList(item(DataType::Float64), 3),
            DataType::Struct(Fields::from(vec![
                Field::new("a", DataType::Int64, true),
                Field::new("Big \"b\"", DataType::Utf8View, true),
            ])),
        ];
        let context = SessionContext::new();
        context.sql("SET datafusion.execution.time_zone = '+00:00'").await.unwrap();
        for data_type in types {
            let name = sql_type_name(&data_type);
            let frame = context.sql(&format!("SELECT CAST(NULL AS {name}) AS x")).await;
            let frame = frame.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(frame.schema().field(0).data_type(), &data_type, "{name}");
        }
    }

    #[test]
    fn names_of_storage_forms_are_those_of_the_values() {
        let varchar = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        assert_eq!(sql_type_name(&varchar), "varchar");
        let runs = DataType::RunEndEncoded(
            Arc::new(Field::new("run_ends", DataType::Int32, false)),
            Arc::new(Field::new("values", DataType::Decimal32(9, -2), true)),
        );
        assert_eq!(sql_type_name(&runs), "decimal(9,-2)");
    }
}
