//! Arithmetic on decimal text, which loses nothing to binary floating point.

/// Rounds plain decimal `text` to `n_digits` after the point, ties to even, and drops zeros that say nothing.
///
/// `text` is an optional minus, digits, and an optional point with digits, as Rust prints a finite number.
pub(super) fn round_plain(text: &str, n_digits: usize) -> String {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let (kept, dropped) = fraction.split_at(fraction.len().min(n_digits));
    let mut digits: Vec<u8> = whole.bytes().chain(kept.bytes()).collect();
    if rounds_up(digits.last().copied(), dropped.as_bytes()) {
        increment(&mut digits);
    }

    let (whole, fraction) = digits.split_at(digits.len() - kept.len());
    let text_of = |digits: &[u8]| digits.iter().map(|digit| char::from(*digit)).collect::<String>();
    let whole = text_of(whole);
    let whole = whole.trim_start_matches('0');
    let fraction = text_of(fraction);
    let fraction = fraction.trim_end_matches('0');

    let mut out = String::new();
    if is_negative && !(whole.is_empty() && fraction.is_empty()) {
        out.push('-');
    }
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

fn rounds_up(last_kept: Option<u8>, dropped: &[u8]) -> bool {
    match dropped {
        [b'6'..=b'9', ..] => true,
        [b'5', rest @ ..] => {
            let is_tie = rest.iter().all(|digit| *digit == b'0');
            !is_tie || last_kept.is_some_and(|digit| (digit - b'0') % 2 == 1)
        }
        _ => false,
    }
}

fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

#[cfg(test)]
mod tests {
    use super::round_plain;

    #[test]
    fn rounds_to_even_and_drops_zeros() {
        // Expected values are by hand.
        for (text, n_digits, expected) in [
            ("1", 12, "1"),
            ("1.50", 12, "1.5"),
            ("-0", 12, "0"),
            ("-0.0004", 3, "0"),
            ("0.0005", 3, "0"),
            ("0.0015", 3, "0.002"),
            ("0.00050001", 3, "0.001"),
            ("9.9996", 3, "10"),
            ("-99.95", 1, "-100"),
            ("100", 0, "100"),
            ("2.5", 0, "2"),
            ("3.5", 0, "4"),
            ("0.1234567890123", 12, "0.123456789012"),
            ("00012.30", 2, "12.3"),
        ] {
            assert_eq!(round_plain(text, n_digits), expected, "{text} to {n_digits} digits");
        }
    }
}
