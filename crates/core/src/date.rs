//! Days, as Karachi counts them.
//!
//! guide:form-9

use core::fmt;
use core::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

use crate::error::{Field, FieldError, Problem};

/// The hub's time zone: five hours ahead of UTC, no daylight saving. The guide names none. (assumed)
pub const KARACHI: Offset = jiff::tz::offset(5);

/// The day it is in Karachi at an instant.
pub fn karachi_date(at: Timestamp) -> Date {
    KARACHI.to_datetime(at).date()
}

/// What a clock in Karachi shows at an instant.
pub fn karachi_time(at: Timestamp) -> Time {
    KARACHI.to_datetime(at).time()
}

/// The last day on which a bill costs its `amount`, to its end in Karachi. (Guide, Add Payment: `dueDate`)
///
/// A day in the past is allowed: one of the guide's samples has one.
///
/// ```
/// use asaanbill_core::{DueDate, Problem};
///
/// let due: DueDate = "2024-03-28".parse()?;
/// assert_eq!(due.to_string(), "2024-03-28");
/// assert_eq!("2025-06-31".parse::<DueDate>().unwrap_err().problem(), Problem::NoSuchDay);
/// # Ok::<(), asaanbill_core::FieldError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DueDate(Date);

impl DueDate {
    /// The day.
    pub fn date(self) -> Date {
        self.0
    }

    /// Whether the day has ended in Karachi.
    pub fn is_past(self, now: Timestamp) -> bool {
        karachi_date(now) > self.0
    }
}

impl TryFrom<Date> for DueDate {
    type Error = FieldError;

    /// Takes a day of the years 1 to 9999, which is what four digits can say.
    fn try_from(date: Date) -> Result<Self, FieldError> {
        if date.year() < 1 {
            return Err(FieldError::out_of_range(Field::DueDate));
        }
        Ok(Self(date))
    }
}

impl FromStr for DueDate {
    type Err = FieldError;

    /// Reads `yyyy-MM-dd` and nothing else.
    fn from_str(value: &str) -> Result<Self, FieldError> {
        if value.trim().is_empty() {
            return Err(FieldError::missing(Field::DueDate));
        }
        let refused = |problem| FieldError::new(Field::DueDate, problem, value);
        let (year, month, day) = split_year_first(value).ok_or_else(|| refused(Problem::Malformed))?;
        let date = Date::new(year, month, day).map_err(|_| refused(Problem::NoSuchDay))?;
        Self::try_from(date).map_err(|_| refused(Problem::NoSuchDay))
    }
}

fn split_year_first(value: &str) -> Option<(i16, i8, i8)> {
    let bytes = value.as_bytes();
    let shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(i, b)| if matches!(i, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() });
    if !shaped {
        return None;
    }
    Some((value[..4].parse().ok()?, value[5..7].parse().ok()?, value[8..].parse().ok()?))
}

impl fmt::Display for DueDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

impl fmt::Debug for DueDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DueDate({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::{DueDate, karachi_date};
    use crate::Problem;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use std::string::{String, ToString};

    fn check(value: &str, expected: Result<(), Problem>) {
        let read = value.parse::<DueDate>();
        assert_eq!(read.map(|d| d.to_string()).map_err(|e| e.problem()), expected.map(|()| value.into()), "{value:?}");
    }

    #[test]
    fn year_month_day_only() {
        check("2024-03-28", Ok(()));
        check("2024-02-29", Ok(()));
        check("0001-01-01", Ok(()));
        check("9999-12-31", Ok(()));
        check("", Err(Problem::Missing));
        check("2025-06-31", Err(Problem::NoSuchDay));
        check("2023-02-29", Err(Problem::NoSuchDay));
        check("2024-00-10", Err(Problem::NoSuchDay));
        check("0000-01-01", Err(Problem::NoSuchDay));
        for malformed in ["28-03-2024", "2024-3-28", "2024/03/28", "2024-03-28 ", "2024-03-2x", "20240328", "٢٠٢٤-٠٣"]
        {
            check(malformed, Err(Problem::Malformed));
        }
    }

    #[test]
    fn a_day_ends_at_midnight_in_karachi() {
        let due: DueDate = "2024-03-28".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(!due.is_past(at("2024-03-28T18:59:59.999999999Z")));
        assert!(due.is_past(at("2024-03-28T19:00:00Z")));
        assert_eq!(karachi_date(at("2024-03-28T19:00:00Z")).to_string(), "2024-03-29");
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        let last: DueDate = "9999-12-31".parse().unwrap();
        assert!(!last.is_past(Timestamp::MAX));
        assert!(!last.is_past(Timestamp::MIN));
    }

    proptest! {
        #[test]
        fn written_as_read(year in 1_i16..=9999, month in 1_i8..=12, day in 1_i8..=31) {
            let text = std::format!("{year:04}-{month:02}-{day:02}");
            match text.parse::<DueDate>() {
                Ok(due) => prop_assert_eq!(due.to_string(), text),
                Err(error) => {
                    prop_assert_eq!(error.problem(), Problem::NoSuchDay);
                    prop_assert!(day > 28);
                }
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            if let Ok(due) = text.parse::<DueDate>() {
                prop_assert_eq!(due.to_string(), text);
            }
        }
    }
}
