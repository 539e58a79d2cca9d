//! JSON as Python writes it: with NaN and infinities, which JSON itself does not know.

use serde_json::Value;

/// Reads JSON. Names of numbers that JSON does not know become texts: `"NaN"`, `"Infinity"`, `"-Infinity"`.
///
/// # Errors
/// What is wrong with the text, for the original text.
pub(crate) fn parse(text: &[u8]) -> Result<Value, String> {
    let error = match serde_json::from_slice(text) {
        Ok(value) => return Ok(value),
        Err(error) => error.to_string(),
    };
    serde_json::from_slice(&quote_numbers(text)).map_err(|_| error)
}

fn quote_numbers(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut is_inside_string = false;
    while let Some((&byte, behind)) = rest.split_first() {
        if is_inside_string && byte == b'\\' {
            let n = rest.len().min(2);
            quoted.extend(&rest[..n]);
            rest = &rest[n..];
            continue;
        }
        is_inside_string ^= byte == b'"';
        let name = [b"NaN".as_slice(), b"Infinity", b"-Infinity"].into_iter().find(|name| rest.starts_with(name));
        if let Some(name) = name.filter(|_| !is_inside_string) {
            quoted.push(b'"');
            quoted.extend(name);
            quoted.push(b'"');
            rest = &rest[name.len()..];
        } else {
            quoted.push(byte);
            rest = behind;
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pythons_numbers_become_texts() {
        let text = br#"{"a": NaN, "b": [-Infinity, Infinity, 1], "c\"": "is NaN, \\", "d": "NaN"}"#;
        let expected = json!({"a": "NaN", "b": ["-Infinity", "Infinity", 1], "c\"": "is NaN, \\", "d": "NaN"});
        assert_eq!(parse(text), Ok(expected));
        assert!(parse(b"{\"a\": nan}").unwrap_err().contains("line 1 column 8"));
        assert!(parse(b"\"\\").is_err());
    }
}
