//! `regexp_extract`: the part of a text that matches.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use regex::Regex;

use super::{documentation, is_text, plain_type};
use crate::sql_type::sql_type_name;

/// `regexp_extract(text, pattern [, group])`: what the group of the first match has; group 0, the default, is the whole match.
///
/// NULL if nothing matches, if the match is without the group, or if an argument is NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct RegexpExtract {
    signature: Signature,
}

impl Default for RegexpExtract {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for RegexpExtract {
    fn name(&self) -> &str {
        "regexp_extract"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let (texts, group) = match arg_types {
            [_, _] => (arg_types, None),
            [_, _, group] => (&arg_types[..2], Some(group)),
            _ => return plan_err!("regexp_extract(text, pattern [, group]) has {} arguments", arg_types.len()),
        };
        if let Some(other) = texts.iter().find(|text| !is_text(&plain_type(text)) && !text.is_null()) {
            return plan_err!("regexp_extract looks into a text, not into {}; CAST it", sql_type_name(other));
        }
        if let Some(other) = group.filter(|group| !group.is_integer() && !group.is_null()) {
            return plan_err!("the group of regexp_extract is a number, not {}", sql_type_name(other));
        }
        Ok([vec![DataType::Utf8; 2], vec![DataType::Int64; arg_types.len() - 2]].concat())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (texts, patterns, groups) = match arrays.as_slice() {
            [texts, patterns] => (texts.as_string::<i32>(), patterns.as_string::<i32>(), None),
            [texts, patterns, groups] => {
                (texts.as_string::<i32>(), patterns.as_string::<i32>(), Some(groups.as_primitive::<Int64Type>()))
            }
            other => return internal_err!("regexp_extract takes two or three arguments, not {}", other.len()),
        };
        // A pattern is mostly the same in all rows.
        let mut compiled: HashMap<&str, Regex> = HashMap::new();
        let mut parts = StringBuilder::with_capacity(texts.len(), 0);
        for (row, (text, pattern)) in texts.iter().zip(patterns).enumerate() {
            let group = groups.map_or(Some(0), |groups| groups.is_valid(row).then(|| groups.value(row)));
            let (Some(text), Some(pattern), Some(group)) = (text, pattern, group) else {
                parts.append_null();
                continue;
            };
            let regex = match compiled.entry(pattern) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(compile(pattern)?),
            };
            parts.append_option(extract(regex, text, group)?);
        }
        let parts: ArrayRef = Arc::new(parts.finish());
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        Ok(match is_scalar && parts.len() == 1 {
            true => ColumnarValue::Scalar(datafusion::scalar::ScalarValue::try_from_array(&parts, 0)?),
            false => ColumnarValue::Array(parts),
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TEXT: LazyLock<Documentation> = LazyLock::new(|| {
            let description = "The part of a text that a regular expression, or a group of it, matches first.";
            documentation(description, "regexp_extract(text, pattern [, group])")
        });
        Some(&TEXT)
    }
}

fn compile(pattern: &str) -> Result<Regex> {
    match Regex::new(pattern) {
        Ok(regex) => Ok(regex),
        Err(error) => exec_err!("regexp_extract: '{pattern}' is not a regular expression: {error}"),
    }
}

fn extract<'a>(regex: &Regex, text: &'a str, group: i64) -> Result<Option<&'a str>> {
    let n_groups = regex.captures_len() - 1;
    let Some(group) = usize::try_from(group).ok().filter(|group| *group <= n_groups) else {
        return exec_err!("regexp_extract: there is no group {group} in '{regex}', whose last group is {n_groups}");
    };
    // Looking for the whole match alone is quicker.
    Ok(match group {
        0 => regex.find(text).map(|found| found.as_str()),
        _ => regex.captures(text).and_then(|found| found.get(group)).map(|found| found.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_is_not_there_is_an_error_and_one_without_a_match_is_none() {
        let regex = compile("(a)|(b)").unwrap();
        assert_eq!(extract(&regex, "xb", 0).unwrap(), Some("b"));
        assert_eq!(extract(&regex, "xb", 2).unwrap(), Some("b"));
        assert_eq!(extract(&regex, "xb", 1).unwrap(), None);
        assert_eq!(extract(&regex, "x", 0).unwrap(), None);
        assert!(extract(&regex, "xb", 3).unwrap_err().to_string().contains("last group is 2"));
        assert!(extract(&regex, "xb", -1).is_err());
    }
}
