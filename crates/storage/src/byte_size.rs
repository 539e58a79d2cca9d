//! Byte counts as people write and read them: `2GiB`, `500MB`, `1.5G`.

use std::fmt;

use thiserror::Error;

/// A text that is not a byte count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a size: {problem}. Write a number and a unit, such as 512MB, 2GiB or 1.5G")]
pub struct ByteSizeError {
    /// The text as it was given.
    pub text: String,
    /// What is wrong with it.
    pub problem: ByteSizeProblem,
}

/// Why a text is not a byte count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ByteSizeProblem {
    /// Nothing but white space was given.
    Empty,
    /// The text does not start with an unsigned decimal number.
    NotANumber,
    /// The text after the number names no known unit.
    UnknownUnit,
    /// The number of bytes is more than 2^64 - 1.
    TooLarge,
    /// A positive size of less than one byte.
    LessThanAByte,
}

impl fmt::Display for ByteSizeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::NotANumber => "it does not start with a number",
            Self::UnknownUnit => "the unit is unknown",
            Self::TooLarge => "it is too large",
            Self::LessThanAByte => "it is less than one byte",
        })
    }
}

/// Reads a byte count.
///
/// The units are `B`, decimal `KB`, `MB`, `GB`, `TB`, `PB` (powers of 1000) and binary `KiB`, `MiB`, `GiB`, `TiB`, `PiB`
/// (powers of 1024), in any case. A single letter (`K`, `M`, `G`, `T`, `P`) is binary, as in most tools that limit
/// memory. A number without a unit is bytes. A fraction of a byte is cut off.
///
/// # Errors
/// [`ByteSizeError`] if `text` is not such a count, is too large for `u64`, or is a positive size of less than a byte.
pub fn parse_bytes(text: &str) -> Result<u64, ByteSizeError> {
    let fail = |problem| ByteSizeError { text: text.to_owned(), problem };
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(fail(ByteSizeProblem::Empty));
    }
    let number_len = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(number_len);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(fail(ByteSizeProblem::NotANumber));
    }
    let scale = unit_bytes(unit.trim()).ok_or_else(|| fail(ByteSizeProblem::UnknownUnit))?;
    let too_large = || fail(ByteSizeProblem::TooLarge);

    // Integers throughout: a float would round 9007199254740993 to its even neighbour.
    let whole_bytes = match whole {
        "" => 0,
        digits => digits.parse::<u64>().ok().and_then(|n| n.checked_mul(scale)).ok_or_else(too_large)?,
    };
    let bytes = whole_bytes.checked_add(fraction_of(fraction, scale)).ok_or_else(too_large)?;
    if bytes == 0 && number.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        return Err(fail(ByteSizeProblem::LessThanAByte));
    }
    Ok(bytes)
}

/// Writes a byte count in the largest binary unit that it fills, with at most one decimal: `1.5 GiB`, `200 MiB`, `17 B`.
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit_idx = if bytes == 0 { 0 } else { (bytes.ilog2() / 10) as usize };
    let mut tenths = in_tenths(bytes, unit_idx);
    // 1023.97 KiB rounds to 1024.0 KiB, which reads better as 1 MiB.
    if tenths >= 10_240 && unit_idx + 1 < UNITS.len() {
        unit_idx += 1;
        tenths = in_tenths(bytes, unit_idx);
    }
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {}", UNITS[unit_idx]),
        (whole, tenth) => format!("{whole}.{tenth} {}", UNITS[unit_idx]),
    }
}

/// `bytes` in tenths of the unit 1024^`unit_idx`, rounded half up.
fn in_tenths(bytes: u64, unit_idx: usize) -> u128 {
    let unit = 1_u128 << (10 * unit_idx);
    (u128::from(bytes) * 10 + unit / 2) / unit
}

fn unit_bytes(unit: &str) -> Option<u64> {
    const LETTERS: &str = "KMGTPE";
    let unit = unit.to_ascii_uppercase();
    if unit.is_empty() || unit == "B" {
        return Some(1);
    }
    let mut chars = unit.chars();
    let exponent = LETTERS.find(chars.next()?)? as u32 + 1;
    match chars.as_str() {
        "" | "IB" | "I" => Some(1024_u64.pow(exponent)),
        "B" => Some(1000_u64.pow(exponent)),
        _ => None,
    }
}

/// `0.digits * scale`, rounded down. Digits past the 18th are worth less than a byte of any unit and are left out.
fn fraction_of(digits: &str, scale: u64) -> u64 {
    let kept = &digits[..digits.len().min(18)];
    let numerator = kept.bytes().fold(0_u128, |n, digit| n * 10 + u128::from(digit - b'0'));
    let product = numerator * u128::from(scale) / 10_u128.pow(kept.len() as u32);
    u64::try_from(product).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        let cases = [
            ("1048576", 1_048_576),
            ("0", 0),
            ("2GiB", 2_147_483_648),
            ("500MB", 500_000_000),
            ("1.5G", 1_610_612_736),
            (" 3 kb ", 3_000),
            ("3kib", 3_072),
            (".5K", 512),
            ("17b", 17),
            ("1.2345KB", 1_234),
            ("9007199254740993", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX),
            ("2P", 2_251_799_813_685_248),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let cases = [
            ("", ByteSizeProblem::Empty),
            ("  ", ByteSizeProblem::Empty),
            ("lots", ByteSizeProblem::NotANumber),
            (".", ByteSizeProblem::NotANumber),
            ("1.2.3G", ByteSizeProblem::NotANumber),
            ("-1G", ByteSizeProblem::NotANumber),
            ("5 bananas", ByteSizeProblem::UnknownUnit),
            ("5KiBs", ByteSizeProblem::UnknownUnit),
            ("80%", ByteSizeProblem::UnknownUnit),
            ("18446744073709551616", ByteSizeProblem::TooLarge),
            ("99999999PB", ByteSizeProblem::TooLarge),
            ("0.1B", ByteSizeProblem::LessThanAByte),
        ];
        for (text, problem) in cases {
            assert_eq!(parse_bytes(text).unwrap_err().problem, problem, "{text}");
        }
    }

    #[test]
    fn writes_what_people_read() {
        let cases = [
            (0, "0 B"),
            (17, "17 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (1_048_575, "1 MiB"),
            (209_715_200, "200 MiB"),
            (1_610_612_736, "1.5 GiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(format_bytes(bytes), text);
        }
    }

    proptest! {
        #[test]
        fn plain_numbers_read_back(bytes: u64) {
            prop_assert_eq!(parse_bytes(&bytes.to_string()), Ok(bytes));
        }

        #[test]
        fn formatted_sizes_read_back_within_rounding(bytes in 0..1_u64 << 60) {
            let read = parse_bytes(&format_bytes(bytes)).unwrap();
            prop_assert!(read.abs_diff(bytes) <= bytes / 20 + 1, "{bytes} came back as {read}");
        }

        #[test]
        fn any_text_gives_an_answer(text in "\\PC*") {
            let _ = parse_bytes(&text);
        }

        #[test]
        fn fractions_match_exact_arithmetic(whole in 0_u64..1000, thousandths in 0_u64..1000) {
            let expected = whole * 1_048_576 + thousandths * 1_048_576 / 1000;
            prop_assert_eq!(parse_bytes(&format!("{whole}.{thousandths:03}MiB")), Ok(expected));
        }
    }
}
