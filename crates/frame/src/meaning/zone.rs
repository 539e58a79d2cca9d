//! Time zones by name, and their offsets.

use std::str::FromStr;

use arrow::array::timezone::Tz;
use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone};
use datafusion::common::{Result, exec_err};

/// A time zone with a name.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    name: String,
    zone: Tz,
}

impl Zone {
    /// The zone called `name`.
    ///
    /// PostgreSQL turns the sign of an offset such as `+02` around, and has abbreviations of its own for some zones: neither
    /// is taken for something else here.
    pub(super) fn parse(name: &str) -> Result<Self> {
        let is_full = name.contains('/') || ["UTC", "GMT", "Z"].contains(&name.to_uppercase().as_str());
        let known = if name.contains('/') { name } else { "UTC" };
        match Tz::from_str(known) {
            Ok(zone) if is_full => Ok(Self { name: name.to_owned(), zone }),
            _ => exec_err!("time zone '{name}' is not known; write UTC, or a full name such as 'Europe/Prague'"),
        }
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name
    }

    /// Seconds that the zone's clocks are ahead of UTC at an instant.
    pub(super) fn offset_at(&self, utc_seconds: i64) -> Result<i64> {
        let utc = naive(utc_seconds)?;
        Ok(self.zone.offset_from_utc_datetime(&utc).fix().local_minus_utc().into())
    }

    /// Seconds that a clock of the zone which shows this time is ahead of UTC.
    ///
    /// A time that the clocks show twice is the later one, in standard time; one that they skip counts from before the skip.
    pub(super) fn offset_of(&self, local_seconds: i64) -> Result<i64> {
        let local = naive(local_seconds)?;
        let seconds = |offset: &<Tz as TimeZone>::Offset| i64::from(offset.fix().local_minus_utc());
        Ok(match self.zone.offset_from_local_datetime(&local) {
            LocalResult::Single(offset) => seconds(&offset),
            LocalResult::Ambiguous(a, b) => seconds(&a).min(seconds(&b)),
            LocalResult::None => match local.checked_sub_signed(TimeDelta::days(1)) {
                Some(before) => seconds(&self.zone.offset_from_utc_datetime(&before)),
                None => return exec_err!("a time is out of range"),
            },
        })
    }
}

fn naive(seconds: i64) -> Result<NaiveDateTime> {
    match DateTime::from_timestamp(seconds, 0) {
        Some(instant) => Ok(instant.naive_utc()),
        None => exec_err!("a time is out of range for a change of its zone"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_change() {
        let prague = Zone::parse("Europe/Prague").unwrap();
        let at = |text: &str| text.parse::<NaiveDateTime>().unwrap().and_utc().timestamp();
        // PostgreSQL 15: skipped and repeated times count as standard time.
        assert_eq!(prague.offset_of(at("2024-03-31T02:30:00")).unwrap(), 3600);
        assert_eq!(prague.offset_of(at("2024-10-27T02:30:00")).unwrap(), 3600);
        assert_eq!(prague.offset_of(at("2024-07-01T12:00:00")).unwrap(), 7200);
        assert_eq!(prague.offset_at(at("2024-03-31T01:00:00")).unwrap(), 7200);
        assert_eq!(prague.offset_at(at("2024-03-31T00:59:59")).unwrap(), 3600);
    }

    #[test]
    fn only_full_names() {
        for name in ["CET", "+02", "+02:00", "Nowhere/Town", ""] {
            assert!(Zone::parse(name).unwrap_err().to_string().contains("is not known"));
        }
    }
}
