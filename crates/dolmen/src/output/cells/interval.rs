//! The text of an interval, and the small numbers it shares with times.

/// Appends an interval as PostgreSQL's default style writes it: `1 year 2 mons -3 days +04:05:06.7`.
///
/// The parts have signs of their own; a positive part after a negative one shows its sign. The empty interval is
/// `00:00:00`.
///
/// Source: <https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-INTERVAL-OUTPUT>.
pub(super) fn append_interval(months: i64, days: i64, nanoseconds: i64, out: &mut Vec<u8>) {
    let start = out.len();
    let mut after_negative = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        if out.len() > start {
            out.push(b' ');
        }
        if after_negative && value > 0 {
            out.push(b'+');
        }
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        if value != 1 {
            out.push(b's');
        }
        after_negative = value < 0;
    }
    if nanoseconds == 0 && out.len() > start {
        return;
    }
    if out.len() > start {
        out.push(b' ');
    }
    if nanoseconds < 0 {
        out.push(b'-');
    } else if after_negative {
        out.push(b'+');
    }
    const PER_SECOND: u64 = 1_000_000_000;
    let (seconds, fraction) = (nanoseconds.unsigned_abs() / PER_SECOND, nanoseconds.unsigned_abs() % PER_SECOND);
    append_two_digits(seconds / 3600, out);
    out.push(b':');
    append_two_digits(seconds / 60 % 60, out);
    out.push(b':');
    append_two_digits(seconds % 60, out);
    append_fraction(fraction, PER_SECOND, out);
}

/// Appends a number with at least two digits.
pub(super) fn append_two_digits(value: u64, out: &mut Vec<u8>) {
    if value < 100 {
        // Both are below ten.
        out.push(b'0' + (value / 10) as u8);
        out.push(b'0' + (value % 10) as u8);
    } else {
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
}

/// Appends `.5` for `fraction / whole` of a half, without trailing zeros, and nothing for zero. `whole` is a power of ten.
pub(super) fn append_fraction(mut fraction: u64, mut whole: u64, out: &mut Vec<u8>) {
    if fraction == 0 {
        return;
    }
    out.push(b'.');
    while fraction > 0 {
        whole /= 10;
        // A digit, because the fraction was below ten times the new whole.
        out.push(b'0' + (fraction / whole) as u8);
        fraction %= whole;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The expected texts are those of PostgreSQL 16, `SELECT interval '...'`.
    #[test]
    fn intervals_read_as_in_postgresql() {
        let text = |months, days, nanoseconds| {
            let mut out = Vec::new();
            append_interval(months, days, nanoseconds, &mut out);
            String::from_utf8(out).unwrap()
        };
        let hour = 3_600_000_000_000;
        assert_eq!(text(0, 0, 0), "00:00:00");
        assert_eq!(text(1, 0, 0), "1 mon");
        assert_eq!(text(14, 3, 4 * hour + 306_700_000_000), "1 year 2 mons 3 days 04:05:06.7");
        assert_eq!(text(0, 1, 2 * hour + 184_000_000_000), "1 day 02:03:04");
        assert_eq!(text(-14, 3, -hour), "-1 years -2 mons +3 days -01:00:00");
        assert_eq!(text(0, -1, hour), "-1 days +01:00:00");
        assert_eq!(text(0, 0, -1_000), "-00:00:00.000001");
        assert_eq!(text(0, 0, 100 * hour), "100:00:00");
        assert_eq!(text(0, 0, i64::MIN), "-2562047:47:16.854775808");
        assert_eq!(text(i64::from(i32::MIN), i64::from(i32::MIN), 0), "-178956970 years -8 mons -2147483648 days");
    }
}
