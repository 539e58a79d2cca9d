//! Data types with parts that the planner drops.

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CharLengthUnits, CharacterLength, DataType, ExactNumberInfo, StructField,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::{Checked, refuse_if};

/// The largest precision in bits that a 32-bit float holds; the standard asks for a wider type beyond it.
const FLOAT_PRECISION_MAX: u64 = 24;

/// Checks a type and the types in it.
///
/// The length of `VARCHAR(n)` and `CHAR(n)` and the display width of `INT(n)` are allowed and not enforced. Types that the
/// planner rejects need no rule.
pub(super) fn check_type(data_type: &DataType, span: Span) -> Checked {
    // In a loop: types nest as deep as a user likes to write.
    let mut open = vec![data_type];
    while let Some(data_type) = open.pop() {
        match data_type {
            DataType::Float(ExactNumberInfo::Precision(precision)) => {
                let is_wide = *precision > FLOAT_PRECISION_MAX;
                refuse_if(is_wide, format!("FLOAT({precision})"), "use DOUBLE PRECISION", span)?;
            }
            DataType::Float(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
                let remedy = format!("use DECIMAL({precision}, {scale})");
                refuse_if(true, format!("FLOAT({precision}, {scale})"), remedy, span)?;
            }
            DataType::Char(Some(length)) | DataType::Varchar(Some(length)) => {
                let counts_bytes = match length {
                    CharacterLength::IntegerLength { length: _, unit } => *unit == Some(CharLengthUnits::Octets),
                    CharacterLength::Max => false,
                };
                refuse_if(counts_bytes, "a length in OCTETS", "give the length in characters", span)?;
            }
            DataType::Array(
                ArrayElemTypeDef::AngleBracket(element)
                | ArrayElemTypeDef::SquareBracket(element, _)
                | ArrayElemTypeDef::Parenthesis(element),
            ) => open.push(element),
            DataType::Struct(fields, _) => {
                for StructField { field_name: _, field_type, options } in fields {
                    refuse_if(options.is_some(), "OPTIONS of a STRUCT field", "remove them", span)?;
                    open.push(field_type);
                }
            }
            _ => {}
        }
    }
    Ok(())
}
