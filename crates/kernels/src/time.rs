//! Points and spans of time as counts of a unit.

use crate::TimeUnit;

/// "Not a time": what NaN is to floats.
pub(crate) const NAT: i64 = i64::MIN;

/// How a count of one unit becomes a count of another: `value * multiply / divide`, rounded down.
pub(crate) fn ratio(from: TimeUnit, to: TimeUnit) -> (i64, i64) {
    let (from, to) = (from.nanoseconds(), to.nanoseconds());
    if from >= to { (from / to, 1) } else { (1, to / from) }
}

/// `value` units of `from` in units of `to`, rounded down; what does not fit wraps, NaT stays.
#[inline(always)]
pub(crate) fn convert(value: i64, from: TimeUnit, to: TimeUnit) -> i64 {
    let (multiply, divide) = ratio(from, to);
    if value == NAT { NAT } else { value.wrapping_mul(multiply).div_euclid(divide) }
}

/// ISO 8601 with as many parts as the unit tells apart, as NumPy prints it.
pub(crate) fn iso_text(value: i64, unit: TimeUnit) -> String {
    let per_day = TimeUnit::Day.nanoseconds() / unit.nanoseconds();
    let (day, rest) = (value.div_euclid(per_day), value.rem_euclid(per_day));
    let (year, month, day) = civil_from_days(day);
    let year = if year < 0 { format!("-{:04}", -year) } else { format!("{year:04}") };
    let mut text = format!("{year}-{month:02}-{day:02}");
    // Below a day, the rest fits an i64 of nanoseconds.
    let nanoseconds = rest * unit.nanoseconds();
    let seconds = nanoseconds / 1_000_000_000;
    if unit >= TimeUnit::Hour {
        text += &format!("T{:02}", seconds / 3600);
    }
    if unit >= TimeUnit::Minute {
        text += &format!(":{:02}", seconds / 60 % 60);
    }
    if unit >= TimeUnit::Second {
        text += &format!(":{:02}", seconds % 60);
    }
    let digits = 3 * (unit as usize).saturating_sub(TimeUnit::Second as usize);
    if digits > 0 {
        let fraction = format!("{:09}", nanoseconds % 1_000_000_000);
        text += &format!(".{}", &fraction[..digits]);
    }
    text
}

/// The year, month and day of a count of days since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Years start in March here, so that the day that comes and goes is the last of its year.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = i128::from(days) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    (year as i64, month as i64, day as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_numpy() {
        assert_eq!(iso_text(5, TimeUnit::Nanosecond), "1970-01-01T00:00:00.000000005");
        assert_eq!(iso_text(-1, TimeUnit::Day), "1969-12-31");
        assert_eq!(iso_text(5, TimeUnit::Minute), "1970-01-01T00:05");
        assert_eq!(iso_text(5, TimeUnit::Hour), "1970-01-01T05");
        assert_eq!(iso_text(1_388_534_400, TimeUnit::Second), "2014-01-01T00:00:00");
        assert_eq!(iso_text(951_782_400, TimeUnit::Second), "2000-02-29T00:00:00");
        assert_eq!(iso_text(-2_203_891_200_001, TimeUnit::Millisecond), "1900-02-28T23:59:59.999");
    }

    #[test]
    fn units_round_down() {
        assert_eq!(convert(-1, TimeUnit::Millisecond, TimeUnit::Second), -1);
        assert_eq!(convert(2, TimeUnit::Day, TimeUnit::Hour), 48);
        assert_eq!(convert(NAT, TimeUnit::Day, TimeUnit::Second), NAT);
    }
}
