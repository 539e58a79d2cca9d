//! Points in time as NumPy reads them: ISO 8601 with as many parts as there are.

use dolmen_kernels::TimeUnit;

const PROBLEM: &str = "a point in time is written as '2014-01-31' or '2014-01-31T23:59:59.999'";

/// The count of units since 1970-01-01T00:00:00, in the coarsest unit that shows all digits.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn parse(text: &str) -> Result<(i64, TimeUnit), String> {
    if text.eq_ignore_ascii_case("nat") {
        return Ok((i64::MIN, TimeUnit::Second));
    }
    let wrong = || format!("'{text}': {PROBLEM}");
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let days = days_of(date).ok_or_else(wrong)?;
    let Some(time) = time else { return Ok((days, TimeUnit::Day)) };
    let (clock, fraction) = match time.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (time, None),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = match parts.as_slice() {
        [h] => [*h, "00", "00"],
        [h, m] => [*h, *m, "00"],
        [h, m, s] => [*h, *m, *s],
        _ => return Err(wrong()),
    };
    let part = |text: &str, below: i64| number(text, 2).filter(|value| *value < below).ok_or_else(wrong);
    let total = days * 86_400 + part(hours, 24)? * 3600 + part(minutes, 60)? * 60 + part(seconds, 60)?;
    let too_far = || format!("'{text}' is too far from 1970 for its unit");
    match (parts.len(), fraction) {
        (1, None) => Ok((total / 3600 - i64::from(total % 3600 < 0), TimeUnit::Hour)),
        (2, None) => Ok((total.div_euclid(60), TimeUnit::Minute)),
        (3, None) => Ok((total, TimeUnit::Second)),
        (3, Some(digits)) => {
            let unit = match digits.len() {
                1..=3 => TimeUnit::Millisecond,
                4..=6 => TimeUnit::Microsecond,
                7..=9 => TimeUnit::Nanosecond,
                _ => return Err(wrong()),
            };
            let nanoseconds = number(&format!("{digits:0<9}"), 9).ok_or_else(wrong)?;
            let per_second = 1_000_000_000 / unit.nanoseconds();
            let count = total.checked_mul(per_second).and_then(|n| n.checked_add(nanoseconds / unit.nanoseconds()));
            Ok((count.ok_or_else(too_far)?, unit))
        }
        _ => Err(wrong()),
    }
}

/// The days from 1970-01-01 to a date of the Gregorian calendar: `2014-01-31`, `2014-01`, `2014`.
fn days_of(date: &str) -> Option<i64> {
    let (negative, digits) = date.strip_prefix('-').map_or((false, date), |digits| (true, digits));
    let mut parts = digits.split('-');
    let year = number(parts.next()?, 4)? * if negative { -1 } else { 1 };
    let month = parts.next().map_or(Some(1), |text| number(text, 2))?;
    let day = parts.next().map_or(Some(1), |text| number(text, 2))?;
    let is_leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = lengths.get(usize::try_from(month - 1).ok()?)?;
    if parts.next().is_some() || !(1..=*length).contains(&day) {
        return None;
    }
    // Whole years before this one, each 365 days and those of leap years, counted from year 0.
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let of_months: i64 = lengths[..usize::try_from(month - 1).ok()?].iter().sum();
    Some(before * 365 + leap_days + of_months + day - 1 - 719_162)
}

/// So many digits.
fn number(text: &str, n_digits: usize) -> Option<i64> {
    let is_number = text.len() == n_digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use dolmen_kernels::Scalar;

    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        let texts = [
            "1970-01-01",
            "2014-01-31",
            "2000-02-29",
            "1900-02-28",
            "0001-01-01",
            "-0044-03-15",
            "2014-01-01T05",
            "1969-12-31T23",
            "1969-12-31T23:59",
            "2014-01-01T00:00:00",
            "1969-12-31T23:59:59.999",
            "2014-01-01T00:00:00.000001",
            "2014-01-01T00:00:00.123456789",
        ];
        for text in texts {
            let (count, unit) = parse(text).unwrap();
            assert_eq!(Scalar::DateTime(count, unit).to_string(), text);
        }
        assert_eq!(parse("2014"), parse("2014-01-01"));
        assert_eq!(parse("2014-01-01 00:00:00.5"), Ok((1_388_534_400_500, TimeUnit::Millisecond)));
        assert_eq!(parse("NaT").unwrap().0, i64::MIN);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2014-13-01",
            "2014-02-29",
            "2014-1-1",
            "14-01-01",
            "2014-01-01T24",
            "2014-01-01T00:60",
            "2014-01-01T0:00",
            "2014-01-01Z",
            "2014-01-01T00.5",
            "2014-01-01T00:00:00.",
            "2014-01-01T00:00:00.1234567890",
            "yesterday",
            "9999-01-01T00:00:00.000000001",
            "2014-01-01-01",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
