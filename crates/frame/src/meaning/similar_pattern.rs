//! The patterns of `SIMILAR TO`, as regular expressions.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

/// The name of [`SimilarPattern`].
pub(crate) const SIMILAR_PATTERN: &str = "__similar_pattern";

/// `__similar_pattern(pattern, escape)`: the regular expression that matches what `SIMILAR TO pattern ESCAPE escape` does.
///
/// The standard's pattern matches the whole string. `%` is any text and `_` any character; `|`, `*`, `+`, `?`, `{m,n}`,
/// `(...)` and `[...]` have their meaning in regular expressions, and every other character stands for itself.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SimilarPattern {
    signature: Signature,
}

impl Default for SimilarPattern {
    fn default() -> Self {
        let text = || vec![DataType::Utf8, DataType::Utf8];
        Self { signature: Signature::one_of(vec![TypeSignature::Exact(text())], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for SimilarPattern {
    fn name(&self) -> &str {
        SIMILAR_PATTERN
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [patterns, escapes] = arrays.as_slice() else {
            return internal_err!("{SIMILAR_PATTERN} takes two arguments, not {}", arrays.len());
        };
        let (patterns, escapes) = (cast(patterns, &DataType::Utf8)?, cast(escapes, &DataType::Utf8)?);
        let pairs = patterns.as_string::<i32>().iter().zip(escapes.as_string::<i32>());
        let expressions = pairs.map(|(pattern, escape)| pattern.zip(escape).map(|(p, e)| regular_expression(p, e)));
        let expressions = expressions.map(Option::transpose).collect::<Result<StringArray>>()?;
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let expressions: ArrayRef = Arc::new(expressions);
        Ok(match is_scalar && expressions.len() == 1 {
            true => ColumnarValue::Scalar(datafusion::scalar::ScalarValue::try_from_array(&expressions, 0)?),
            false => ColumnarValue::Array(expressions),
        })
    }
}

fn regular_expression(pattern: &str, escape: &str) -> Result<String> {
    let mut escapes = escape.chars();
    let (escape, None) = (escapes.next(), escapes.next()) else {
        return exec_err!("the ESCAPE of SIMILAR TO is one character, or none; it is '{escape}'");
    };
    // `s`: the dot matches a line break too.
    let mut out = String::from("(?s)^(?:");
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        if Some(character) == escape {
            match characters.next() {
                Some(literal) => out.push_str(&regex::escape(&literal.to_string())),
                None => return exec_err!("the pattern '{pattern}' of SIMILAR TO ends in its escape character"),
            }
        } else if in_class {
            match character {
                ']' => {
                    in_class = false;
                    out.push(']');
                }
                // A name such as [:alpha:].
                '[' if characters.peek() == Some(&':') => {
                    out.push('[');
                    for inner in characters.by_ref() {
                        out.push(inner);
                        if inner == ']' {
                            break;
                        }
                    }
                }
                '[' | '&' | '~' | '\\' => out.extend(['\\', character]),
                other => out.push(other),
            }
        } else {
            match character {
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '[' => {
                    in_class = true;
                    out.push('[');
                    if characters.peek() == Some(&'^') {
                        characters.next();
                        out.push('^');
                    }
                    // A bracket in the first place stands for itself.
                    if characters.peek() == Some(&']') {
                        characters.next();
                        out.push_str("\\]");
                    }
                }
                '|' | '*' | '+' | '?' | '{' | '}' | ')' => out.push(character),
                other => out.push_str(&regex::escape(&other.to_string())),
            }
        }
    }
    out.push_str(")$");
    match regex::Regex::new(&out) {
        Ok(_) => Ok(out),
        Err(_) => exec_err!("'{pattern}' is not a pattern of SIMILAR TO: a bracket or a repetition does not fit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_regular_expressions() {
        for (pattern, expected) in [
            ("a_c%", "(?s)^(?:a.c.*)$"),
            ("(a|b)+", "(?s)^(?:(?:a|b)+)$"),
            ("a.c^$", r"(?s)^(?:a\.c\^\$)$"),
            ("100\\%", "(?s)^(?:100%)$"),
            ("[^a-c_%]", "(?s)^(?:[^a-c_%])$"),
            ("[[:alpha:]&]", r"(?s)^(?:[[:alpha:]\&])$"),
        ] {
            assert_eq!(regular_expression(pattern, "\\").unwrap(), expected);
        }
        assert_eq!(regular_expression("a#%", "#").unwrap(), "(?s)^(?:a%)$");
        assert_eq!(regular_expression("a\\b", "").unwrap(), r"(?s)^(?:a\\b)$");
        assert!(regular_expression("a#", "#").is_err());
        assert!(regular_expression("(a", "\\").is_err());
        assert!(regular_expression("a", "##").is_err());
    }
}
