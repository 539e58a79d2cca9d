//! Dates, times, timestamps, and the columns of intervals and durations.
//!
//! The calendar is the proleptic Gregorian one of ISO 8601, for every instant that fits Arrow's integers: chrono ends
//! 262,000 years from now, seconds in 64 bits do not.

use super::interval::{append_fraction, append_interval, append_two_digits};
use super::{Cells, Syntax};
use arrow::array::timezone::Tz;
use arrow::array::{Array, Date32Array, Date64Array, PrimitiveArray};
use arrow::datatypes::*;
use chrono::{DateTime, Offset, TimeZone};

const SECONDS_PER_DAY: i64 = 86_400;

/// Ticks of a unit in a second.
fn ticks_per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Days since 1970-01-01.
pub(super) struct Dates {
    array: Date32Array,
    syntax: Syntax,
}

impl Dates {
    pub(super) fn new(array: Date32Array, syntax: Syntax) -> Self {
        Self { array, syntax }
    }
}

impl Cells for Dates {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        self.syntax.quote(out);
        append_date(i64::from(self.array.value(row)), out);
        self.syntax.quote(out);
    }
}

/// Dates in milliseconds. Arrow says that they are whole days; what else is found in files is shown, not hidden.
pub(super) struct DateTimes {
    array: Date64Array,
    syntax: Syntax,
}

impl DateTimes {
    pub(super) fn new(array: Date64Array, syntax: Syntax) -> Self {
        Self { array, syntax }
    }
}

impl Cells for DateTimes {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let milliseconds = self.array.value(row);
        self.syntax.quote(out);
        if milliseconds % (SECONDS_PER_DAY * 1_000) == 0 {
            append_date(milliseconds / (SECONDS_PER_DAY * 1_000), out);
        } else {
            let (seconds, fraction) = (milliseconds.div_euclid(1_000), milliseconds.rem_euclid(1_000));
            append_date_time(seconds, fraction, 1_000, self.syntax, out);
        }
        self.syntax.quote(out);
    }
}

/// Times of day in any unit.
pub(super) struct Times<T: ArrowPrimitiveType> {
    array: PrimitiveArray<T>,
    per_second: i64,
    syntax: Syntax,
}

impl<T: ArrowPrimitiveType> Times<T> {
    pub(super) fn new(array: PrimitiveArray<T>, syntax: Syntax) -> Self {
        let per_second = match array.data_type() {
            DataType::Time32(unit) | DataType::Time64(unit) => ticks_per_second(*unit),
            // Only times get here.
            _ => 1,
        };
        Self { array, per_second, syntax }
    }
}

impl<T: ArrowPrimitiveType> Cells for Times<T>
where
    T::Native: Into<i64>,
{
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let ticks: i64 = self.array.value(row).into();
        self.syntax.quote(out);
        // A negative time is not valid, yet a file may hold it.
        if ticks < 0 {
            out.push(b'-');
        }
        let (ticks, per_second) = (ticks.unsigned_abs(), self.per_second.unsigned_abs());
        append_time(ticks / per_second, ticks % per_second, per_second, out);
        self.syntax.quote(out);
    }
}

/// Instants (with a time zone) or local dates and times (without) in any unit.
pub(super) struct Timestamps<T: ArrowTimestampType> {
    array: PrimitiveArray<T>,
    zone: Option<Zone>,
    syntax: Syntax,
}

/// Where the offset from UTC comes from.
enum Zone {
    /// Seconds east of UTC.
    Fixed(i64),
    Named(Tz),
}

impl<T: ArrowTimestampType> Timestamps<T> {
    pub(super) fn new(array: PrimitiveArray<T>, syntax: Syntax) -> Self {
        let zone = match array.data_type() {
            DataType::Timestamp(_, Some(name)) => Some(Zone::new(name)),
            _ => None,
        };
        Self { array, zone, syntax }
    }
}

impl<T: ArrowTimestampType> Cells for Timestamps<T> {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let ticks = self.array.value(row);
        let per_second = ticks_per_second(T::UNIT);
        let (seconds, fraction) = (ticks.div_euclid(per_second), ticks.rem_euclid(per_second));
        self.syntax.quote(out);
        match &self.zone {
            None => append_date_time(seconds, fraction, per_second, self.syntax, out),
            Some(zone) => {
                let (local, offset) = zone.local(seconds);
                append_date_time(local, fraction, per_second, self.syntax, out);
                append_offset(offset, self.syntax, out);
            }
        }
        self.syntax.quote(out);
    }
}

impl Zone {
    /// Reads Arrow's time zone. Instants are stored in UTC, so one that cannot be read is shown in UTC.
    fn new(name: &str) -> Self {
        match name.parse::<Tz>() {
            Ok(zone) if name.starts_with(['+', '-']) => {
                let offset = zone.offset_from_utc_datetime(&DateTime::UNIX_EPOCH.naive_utc()).fix();
                Zone::Fixed(i64::from(offset.local_minus_utc()))
            }
            Ok(zone) if name != "UTC" => Zone::Named(zone),
            _ => Zone::Fixed(0),
        }
    }

    /// Local seconds since 1970, and the seconds that they are ahead of UTC. Falls back to UTC, which is the same
    /// instant, far from our time and where the offset is not whole minutes (before standard time): ISO 8601 and its
    /// readers have no seconds in an offset.
    fn local(&self, seconds: i64) -> (i64, i64) {
        let offset = match self {
            Zone::Fixed(offset) => Some(*offset),
            Zone::Named(zone) => DateTime::from_timestamp(seconds, 0)
                .map(|utc| i64::from(zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc())),
        };
        offset
            .filter(|offset| offset % 60 == 0)
            .and_then(|offset| Some((seconds.checked_add(offset)?, offset)))
            .unwrap_or((seconds, 0))
    }
}

/// Lengths of time in any unit, in days and hours as the difference of two timestamps is in PostgreSQL.
pub(super) struct Durations<T: ArrowPrimitiveType> {
    array: PrimitiveArray<T>,
    per_second: i64,
    syntax: Syntax,
}

impl<T: ArrowPrimitiveType> Durations<T> {
    pub(super) fn new(array: PrimitiveArray<T>, syntax: Syntax) -> Self {
        let per_second = match array.data_type() {
            DataType::Duration(unit) => ticks_per_second(*unit),
            // Only durations get here.
            _ => 1,
        };
        Self { array, per_second, syntax }
    }
}

impl<T: ArrowPrimitiveType<Native = i64>> Cells for Durations<T> {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let ticks = self.array.value(row);
        // Divided before it is multiplied, so that no unit overflows.
        let seconds = ticks / self.per_second;
        let rest = (ticks % self.per_second) * (1_000_000_000 / self.per_second);
        let nanoseconds = (seconds % SECONDS_PER_DAY) * 1_000_000_000 + rest;
        self.syntax.quote(out);
        append_interval(0, seconds / SECONDS_PER_DAY, nanoseconds, out);
        self.syntax.quote(out);
    }
}

/// Intervals of any of Arrow's three forms.
pub(super) struct Intervals<T: ArrowPrimitiveType> {
    array: PrimitiveArray<T>,
    syntax: Syntax,
}

impl<T: ArrowPrimitiveType> Intervals<T> {
    pub(super) fn new(array: PrimitiveArray<T>, syntax: Syntax) -> Self {
        Self { array, syntax }
    }
}

impl<T: ArrowPrimitiveType> Cells for Intervals<T>
where
    T::Native: Parts,
{
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let (months, days, nanoseconds) = self.array.value(row).parts();
        self.syntax.quote(out);
        append_interval(months, days, nanoseconds, out);
        self.syntax.quote(out);
    }
}

/// The months, days and nanoseconds of an interval.
trait Parts {
    fn parts(self) -> (i64, i64, i64);
}

impl Parts for i32 {
    fn parts(self) -> (i64, i64, i64) {
        (i64::from(self), 0, 0)
    }
}

impl Parts for IntervalDayTime {
    fn parts(self) -> (i64, i64, i64) {
        (0, i64::from(self.days), i64::from(self.milliseconds) * 1_000_000)
    }
}

impl Parts for IntervalMonthDayNano {
    fn parts(self) -> (i64, i64, i64) {
        (i64::from(self.months), i64::from(self.days), self.nanoseconds)
    }
}

/// Appends `2013-01-01 06:00:00.5`, with a `T` in JSON.
fn append_date_time(seconds: i64, fraction: i64, per_second: i64, syntax: Syntax, out: &mut Vec<u8>) {
    append_date(seconds.div_euclid(SECONDS_PER_DAY), out);
    out.push(if syntax == Syntax::Text { b' ' } else { b'T' });
    let of_day = seconds.rem_euclid(SECONDS_PER_DAY).unsigned_abs();
    append_time(of_day, fraction.unsigned_abs(), per_second.unsigned_abs(), out);
}

/// Appends `06:00:00.5`; hours are not limited to a day.
fn append_time(seconds: u64, fraction: u64, per_second: u64, out: &mut Vec<u8>) {
    append_two_digits(seconds / 3600, out);
    out.push(b':');
    append_two_digits(seconds / 60 % 60, out);
    out.push(b':');
    append_two_digits(seconds % 60, out);
    append_fraction(fraction, per_second, out);
}

/// Appends `-05` or `+05:30`; in JSON `-05:00`, or `Z` for UTC.
fn append_offset(seconds: i64, syntax: Syntax, out: &mut Vec<u8>) {
    if seconds == 0 && syntax != Syntax::Text {
        out.push(b'Z');
        return;
    }
    out.push(if seconds < 0 { b'-' } else { b'+' });
    let minutes = seconds.unsigned_abs() / 60;
    append_two_digits(minutes / 60, out);
    if !minutes.is_multiple_of(60) || syntax != Syntax::Text {
        out.push(b':');
        append_two_digits(minutes % 60, out);
    }
}

/// Appends the date that is `days` after 1970-01-01. A year outside 0000-9999 gets a sign, as ISO 8601 wants it.
fn append_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_date(days);
    match year {
        0..=9999 => {
            append_two_digits(year.unsigned_abs() / 100, out);
            append_two_digits(year.unsigned_abs() % 100, out);
        }
        _ => {
            out.push(if year < 0 { b'-' } else { b'+' });
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(year.unsigned_abs());
            out.resize(out.len() + 4usize.saturating_sub(digits.len()), b'0');
            out.extend_from_slice(digits.as_bytes());
        }
    }
    out.push(b'-');
    append_two_digits(month, out);
    out.push(b'-');
    append_two_digits(day, out);
}

/// Year, month and day of the month of a day since 1970-01-01, which is of no more than 56 bits.
///
/// Years are counted from March, so that the leap day is the last day of a year; the months from March then
/// start on day `(153 * month + 2) / 5`, which is exact for the lengths 31, 30, 31, 30, 31 and their repetition.
///
/// Source: Howard Hinnant, <https://howardhinnant.github.io/date_algorithms.html>.
fn civil_date(days: i64) -> (i64, u64, u64) {
    const DAYS_PER_ERA: i64 = 146_097;
    const DAYS_FROM_MARCH_0000: i64 = 719_468;
    let days = days + DAYS_FROM_MARCH_0000;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA).unsigned_abs();
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era.cast_signed() + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::super::{Column, texts};
    use super::*;
    use arrow::array::*;
    use proptest::prelude::*;

    fn text(array: &dyn Array) -> Vec<String> {
        texts(&Column::text(array), array.len())
    }

    fn json(array: &dyn Array) -> Vec<String> {
        texts(&Column::json(array), array.len())
    }

    #[test]
    fn dates() {
        // Day numbers by hand: 1970 has 365 days; 2000-02-29 is day 11016; year 0 starts 719528 days before 1970.
        let days = Date32Array::from(vec![0, 364, 365, -1, 11_016, 11_017, -719_528, -719_529, 2_932_897]);
        assert_eq!(
            text(&days),
            [
                "1970-01-01",
                "1970-12-31",
                "1971-01-01",
                "1969-12-31",
                "2000-02-29",
                "2000-03-01",
                "0000-01-01",
                "-0001-12-31",
                "+10000-01-01",
            ]
        );
        assert_eq!(json(&days.slice(0, 1)), ["\"1970-01-01\""]);
        let milliseconds = Date64Array::from(vec![86_400_000, 1, -1]);
        assert_eq!(text(&milliseconds), ["1970-01-02", "1970-01-01 00:00:00.001", "1969-12-31 23:59:59.999"]);
    }

    #[test]
    fn times() {
        assert_eq!(text(&Time32SecondArray::from(vec![0, 86_399])), ["00:00:00", "23:59:59"]);
        assert_eq!(text(&Time32MillisecondArray::from(vec![21_600_500])), ["06:00:00.5"]);
        assert_eq!(text(&Time64MicrosecondArray::from(vec![1, 10])), ["00:00:00.000001", "00:00:00.00001"]);
        assert_eq!(
            text(&Time64NanosecondArray::from(vec![1, -1, i64::MIN])),
            ["00:00:00.000000001", "-00:00:00.000000001", "-2562047:47:16.854775808",]
        );
    }

    #[test]
    fn timestamps_and_time_zones() {
        // 2013-01-01 06:00:00 UTC is 1357020000 seconds after 1970.
        let array = TimestampSecondArray::from(vec![1_357_020_000, 1_372_636_800]);
        assert_eq!(text(&array), ["2013-01-01 06:00:00", "2013-07-01 00:00:00"]);
        assert_eq!(json(&array), ["\"2013-01-01T06:00:00\"", "\"2013-07-01T00:00:00\""]);
        let of = |zone: &str| array.clone().with_timezone(zone);
        assert_eq!(text(&of("UTC")), ["2013-01-01 06:00:00+00", "2013-07-01 00:00:00+00"]);
        assert_eq!(json(&of("UTC")), ["\"2013-01-01T06:00:00Z\"", "\"2013-07-01T00:00:00Z\""]);
        assert_eq!(json(&of("+00:00")), json(&of("UTC")));
        assert_eq!(text(&of("+05:30")), ["2013-01-01 11:30:00+05:30", "2013-07-01 05:30:00+05:30"]);
        assert_eq!(text(&of("America/New_York")), ["2013-01-01 01:00:00-05", "2013-06-30 20:00:00-04"]);
        assert_eq!(json(&of("America/New_York")), ["\"2013-01-01T01:00:00-05:00\"", "\"2013-06-30T20:00:00-04:00\""]);
        assert_eq!(text(&of("Not/A_Zone")), text(&of("UTC")));
        // New York kept its solar time, 4:56:02 behind, until 1883.
        let old = TimestampSecondArray::from(vec![-3_000_000_000]).with_timezone("America/New_York");
        assert_eq!(text(&old), ["1874-12-07 18:40:00+00"]);
    }

    #[test]
    fn the_ends_of_every_unit_do_not_overflow() {
        for zone in [None, Some("+14:00"), Some("-12:00"), Some("Europe/Paris")] {
            let ends = vec![i64::MIN, i64::MAX];
            text(&TimestampSecondArray::from(ends.clone()).with_timezone_opt(zone));
            text(&TimestampMillisecondArray::from(ends.clone()).with_timezone_opt(zone));
            text(&TimestampMicrosecondArray::from(ends.clone()).with_timezone_opt(zone));
        }
        let nanoseconds = TimestampNanosecondArray::from(vec![i64::MIN, i64::MAX]);
        assert_eq!(text(&nanoseconds), ["1677-09-21 00:12:43.145224192", "2262-04-11 23:47:16.854775807"]);
        let seconds = TimestampSecondArray::from(vec![i64::MAX]);
        assert_eq!(text(&seconds), ["+292277026596-12-04 15:30:07"]);
        text(&Date32Array::from(vec![i32::MIN, i32::MAX]));
        text(&Date64Array::from(vec![i64::MIN, i64::MAX]));
    }

    #[test]
    fn durations() {
        let seconds = DurationSecondArray::from(vec![0, 93_784, -93_784, i64::MIN]);
        assert_eq!(
            text(&seconds),
            ["00:00:00", "1 day 02:03:04", "-1 days -02:03:04", "-106751991167300 days -15:30:08",]
        );
        assert_eq!(text(&DurationMillisecondArray::from(vec![-1])), ["-00:00:00.001"]);
        assert_eq!(text(&DurationNanosecondArray::from(vec![i64::MAX])), ["106751 days 23:47:16.854775807"]);
    }

    proptest! {
        #[test]
        fn dates_agree_with_chrono(days in -90_000_000i32..90_000_000) {
            let date = chrono::NaiveDate::from_epoch_days(days).unwrap();
            prop_assert_eq!(&text(&Date32Array::from(vec![days]))[0], &date.to_string());
        }

        #[test]
        fn timestamps_agree_with_chrono(seconds in -8_000_000_000_000i64..8_000_000_000_000) {
            let utc = DateTime::from_timestamp(seconds, 0).unwrap();
            prop_assert_eq!(&text(&TimestampSecondArray::from(vec![seconds]))[0], &utc.naive_utc().to_string());
        }
    }
}
