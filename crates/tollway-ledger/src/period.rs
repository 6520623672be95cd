//! A stretch of UTC calendar time that says where to cut the journal: a day or a month.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const DAY_SECONDS: u64 = 86_400;

/// A UTC day (`2026-11-22`) or month (`2026-11`), in the years 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    year: u16,
    month: u8,
    day: Option<u8>,
}

/// Why a text is not a [`Period`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParsePeriodError {
    /// Neither `YYYY-MM-DD` nor `YYYY-MM`.
    #[error("a period is written YYYY-MM-DD or YYYY-MM")]
    Form,
    /// No such day or month, or before 1970.
    #[error("there is no such day or month")]
    Calendar,
}

impl Period {
    /// The UTC day in which the Unix second `at` lies; the last day of 9999 for anything later.
    #[must_use]
    pub fn day_of(at: u64) -> Self {
        let mut days = (at / DAY_SECONDS).min(days_before_year(10_000) - 1);
        let mut year = 1970;
        // One step per year since 1970: at most 8,029, and this runs once per day closed.
        while days >= days_in_year(year) {
            days -= days_in_year(year);
            year += 1;
        }
        let mut month = 1;
        while days >= u64::from(days_in_month(year, month)) {
            days -= u64::from(days_in_month(year, month));
            month += 1;
        }
        let day = u8::try_from(days).unwrap_or(u8::MAX).saturating_add(1);
        Self { year, month, day: Some(day) }
    }

    /// The month this period lies in.
    #[must_use]
    pub fn month(self) -> Self {
        Self { day: None, ..self }
    }

    /// Its first Unix second.
    #[must_use]
    pub fn start(&self) -> u64 {
        let months: u64 = (1..self.month).map(|month| u64::from(days_in_month(self.year, month))).sum();
        let day = u64::from(self.day.unwrap_or(1)) - 1;
        (days_before_year(self.year) + months + day) * DAY_SECONDS
    }

    /// The first Unix second after it.
    #[must_use]
    pub fn end(&self) -> u64 {
        let days = match self.day {
            Some(_) => 1,
            None => u64::from(days_in_month(self.year, self.month)),
        };
        self.start() + days * DAY_SECONDS
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)?;
        match self.day {
            Some(day) => write!(f, "-{day:02}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Period {
    type Err = ParsePeriodError;

    fn from_str(text: &str) -> Result<Self, ParsePeriodError> {
        let bytes = text.as_bytes();
        let (year, month, day) = match bytes {
            [year @ .., b'-', m1, m2] if year.len() == 4 => (year, [*m1, *m2], None),
            [year @ .., b'-', m1, m2, b'-', d1, d2] if year.len() == 4 => (year, [*m1, *m2], Some([*d1, *d2])),
            _ => return Err(ParsePeriodError::Form),
        };
        let year = digits(year)?;
        let month = u8::try_from(digits(&month)?).map_err(|_| ParsePeriodError::Form)?;
        if year < 1970 || !(1..=12).contains(&month) {
            return Err(ParsePeriodError::Calendar);
        }
        let day = match day {
            None => None,
            Some(day) => {
                let day = u8::try_from(digits(&day)?).map_err(|_| ParsePeriodError::Form)?;
                if !(1..=days_in_month(year, month)).contains(&day) {
                    return Err(ParsePeriodError::Calendar);
                }
                Some(day)
            }
        };
        Ok(Self { year, month, day })
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn digits(bytes: &[u8]) -> Result<u16, ParsePeriodError> {
    let mut number = 0_u16;
    for byte in bytes {
        if !byte.is_ascii_digit() {
            return Err(ParsePeriodError::Form);
        }
        number = number * 10 + u16::from(byte - b'0');
    }
    Ok(number)
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_year(year: u16) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1 January 1970 to 1 January of `year`.
fn days_before_year(year: u16) -> u64 {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let year = u64::from(year);
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(text: &str) -> Period {
        text.parse().unwrap()
    }

    #[test]
    fn days_and_months_have_their_seconds() {
        for (text, start, end) in [
            ("1970-01-01", 0, 86_400),
            ("2026-11-22", 1_795_305_600, 1_795_392_000),
            ("2026-11", 1_793_491_200, 1_796_083_200),
            ("2024-02", 1_706_745_600, 1_709_251_200),
            ("2000-02-29", 951_782_400, 951_868_800),
            ("2025-12", 1_764_547_200, 1_767_225_600),
        ] {
            assert_eq!((period(text).start(), period(text).end()), (start, end), "{text}");
            assert_eq!(period(text).to_string(), text);
        }
    }

    #[test]
    fn day_of_finds_the_day_and_days_follow_each_other() {
        let mut day = period("1970-01-01");
        for _ in 0..60_000 {
            let next = Period::day_of(day.end());
            assert_eq!(Period::day_of(day.start()), day);
            assert_eq!(Period::day_of(day.end() - 1), day);
            assert_eq!(next.start(), day.end());
            day = next;
        }
        assert_eq!(Period::day_of(u64::MAX).to_string(), "9999-12-31");
        assert_eq!(period("2026-11-22").month(), period("2026-11"));
    }

    #[test]
    fn refuses_what_is_no_period() {
        use ParsePeriodError::{Calendar, Form};
        for (text, error) in [
            ("", Form),
            ("2026", Form),
            ("2026-1", Form),
            ("2026-11-2", Form),
            ("2026-11-022", Form),
            ("20260-11", Form),
            ("+026-11", Form),
            ("2026/11", Form),
            ("2026-11-2x", Form),
            ("２０２６-11", Form),
            ("2026-00", Calendar),
            ("2026-13", Calendar),
            ("2026-02-29", Calendar),
            ("1900-02-29", Calendar),
            ("2026-11-31", Calendar),
            ("2026-11-00", Calendar),
            ("1969-12-31", Calendar),
        ] {
            assert_eq!(text.parse::<Period>(), Err(error), "{text}");
        }
    }
}
