//! Days and time stamps, which the guide writes in several ways.
//!
//! guide:form-5 guide:form-6 guide:form-8

use asaanbill_core::{DueDate, KARACHI};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;

use crate::scalar::scalar_newtype;

const YEAR_FIRST: &str = "%Y-%m-%d";
const DAY_FIRST: &str = "%d-%m-%Y";
const TIGHT: &str = "%I:%M%p %d-%b-%Y";
const SPACED: &str = "%I:%M %p %d-%b-%Y";
const NOT_APPLICABLE: &str = "N/A";

scalar_newtype! {
    /// A day as it came: `2025-08-31` or `31-08-2025`, depending on the endpoint. A day that doesn't exist stays text.
    Day
}

impl Day {
    /// `2025-08-31`, as requests, listings and call-backs have it.
    pub fn year_first(date: Date) -> Self {
        Self::text(date.strftime(YEAR_FIRST).to_string())
    }

    /// `31-08-2025`, as the answer to an added payment and a batch's detail have it.
    pub fn day_first(date: Date) -> Self {
        Self::text(date.strftime(DAY_FIRST).to_string())
    }

    /// The day, in either order; `None` if there is no such day.
    pub fn date(&self) -> Option<Date> {
        let text = self.as_str().trim();
        // Four digits come first or last: the orders can't be mistaken for each other.
        let format = match text.find('-') {
            Some(4) => YEAR_FIRST,
            Some(2) => DAY_FIRST,
            _ => return None,
        };
        let shaped = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if shaped { strtime::parse(format, text).ok()?.to_date().ok() } else { None }
    }
}

scalar_newtype! {
    /// A time stamp as it came: `10:22 AM 10-Jan-2025` or `05:31AM 12-Feb-2025`, Karachi time to the minute, or `N/A`. One
    /// that doesn't exist, such as the guide's own 31st of June, stays text.
    Stamp
}

impl Stamp {
    /// `05:31AM 12-Feb-2025`, as all endpoints but one have it.
    pub fn tight(at: Timestamp) -> Self {
        Self::text(strftime(TIGHT, at))
    }

    /// `10:22 AM 10-Jan-2025`, as the answer to an added payment has it.
    pub fn spaced(at: Timestamp) -> Self {
        Self::text(strftime(SPACED, at))
    }

    /// `N/A`: it hasn't happened.
    pub fn not_applicable() -> Self {
        Self::text(NOT_APPLICABLE)
    }

    /// Whether it says that there is none.
    pub fn is_not_applicable(&self) -> bool {
        self.as_str().trim().eq_ignore_ascii_case(NOT_APPLICABLE)
    }

    /// What a clock in Karachi showed, in either spelling; `None` if it never did.
    pub fn datetime(&self) -> Option<DateTime> {
        let packed: String = self.as_str().split_whitespace().collect();
        // A year of four digits, and no gaps but the two that the spellings have.
        let gaps = self.as_str().split_whitespace().count();
        let year = packed.rsplit('-').next().is_some_and(|y| y.len() == 4 && y.bytes().all(|b| b.is_ascii_digit()));
        if gaps > 3 || !year {
            return None;
        }
        let format: String = TIGHT.split_whitespace().collect();
        strtime::parse(&format, &packed).ok()?.to_datetime().ok()
    }

    /// The instant of the minute's start. (The time zone is assumed: the guide names none.)
    pub fn timestamp(&self) -> Option<Timestamp> {
        KARACHI.to_timestamp(self.datetime()?).ok()
    }
}

/// `2025-08-31`, as requests have it, written digit by digit: a batch has thousands of them.
pub(crate) fn due_date_text(due: DueDate) -> String {
    let date = due.date();
    let mut text = String::with_capacity("2025-08-31".len());
    let mut digits = |number: u16, power: u16| {
        let mut power = power;
        while power > 0 {
            text.push(char::from_digit(u32::from(number / power % 10), 10).unwrap_or('0'));
            power /= 10;
        }
        if text.len() < 8 {
            text.push('-');
        }
    };
    // A due date's year is 1 to 9999.
    digits(date.year().unsigned_abs(), 1_000);
    digits(date.month().unsigned_abs().into(), 10);
    digits(date.day().unsigned_abs().into(), 10);
    text
}

fn strftime(format: &str, at: Timestamp) -> String {
    KARACHI.to_datetime(at).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Day, Stamp, due_date_text};
    use asaanbill_core::DueDate;
    use jiff::Timestamp;
    use jiff::civil::Date;
    use proptest::prelude::*;

    fn check_day(text: &str, expected: Option<&str>) {
        assert_eq!(Day::text(text).date().map(|d| d.to_string()).as_deref(), expected, "{text:?}");
    }

    fn check_stamp(text: &str, expected: Option<&str>) {
        assert_eq!(Stamp::text(text).datetime().map(|d| d.to_string()).as_deref(), expected, "{text:?}");
    }

    #[test]
    fn days_in_both_orders() {
        check_day("2025-08-31", Some("2025-08-31"));
        check_day("31-08-2025", Some("2025-08-31"));
        check_day("10-01-2025", Some("2025-01-10"));
        check_day(" 10-01-2025", Some("2025-01-10"));
        for unread in
            ["2025-06-31", "31-06-2025", "29-02-2025", "N/A", "", "2025/08/31", "1-1-2025", "20250831", "٣١-٠٨-٢٠٢٥"]
        {
            check_day(unread, None);
        }
    }

    #[test]
    fn stamps_in_both_spellings() {
        check_stamp("10:22 AM 10-Jan-2025", Some("2025-01-10T10:22:00"));
        check_stamp("05:31AM 12-Feb-2025", Some("2025-02-12T05:31:00"));
        check_stamp("12:00AM 01-Mar-2025", Some("2025-03-01T00:00:00"));
        check_stamp("12:59PM 01-Mar-2025", Some("2025-03-01T12:59:00"));
        check_stamp("03:25pm 27-JAN-2025", Some("2025-01-27T15:25:00"));
        for unread in [
            "08:49AM 31-Jun-2025",
            "N/A",
            "",
            "13:00PM 01-Mar-2025",
            "08:49 31-Jul-2025",
            "2025-01-27T15:25:00Z",
            "10:22 AM 10-Jan-25",
            "10:22 AM 10-Jan--025",
            "1 0:2 2AM 10-Jan-2025",
        ] {
            check_stamp(unread, None);
        }
        assert!(Stamp::text("n/a").is_not_applicable());
        assert!(!Stamp::text("").is_not_applicable());
    }

    #[test]
    fn stamps_are_karachi_time() {
        let at: Timestamp = "2025-01-10T05:22:59Z".parse().unwrap();
        assert_eq!(Stamp::spaced(at).as_str(), "10:22 AM 10-Jan-2025");
        assert_eq!(Stamp::tight(at).as_str(), "10:22AM 10-Jan-2025");
        assert_eq!(Stamp::tight(at).timestamp().map(|t| t.to_string()).as_deref(), Some("2025-01-10T05:22:00Z"));
    }

    proptest! {
        #[test]
        fn a_due_date_is_written_as_it_displays(year in 1_i16..=9999, day in 1_i16..=365) {
            let date = Date::new(year, 1, 1).unwrap().with().day_of_year(day).build().unwrap();
            let due = DueDate::try_from(date).unwrap();
            prop_assert_eq!(due_date_text(due), due.to_string());
        }

        #[test]
        fn written_as_read(year in 1_i16..=9999, day in 1_i16..=365) {
            let date = Date::new(year, 1, 1).unwrap().with().day_of_year(day).build().unwrap();
            prop_assert_eq!(Day::year_first(date).date(), Some(date));
            prop_assert_eq!(Day::day_first(date).date(), Some(date));
        }

        #[test]
        fn stamps_written_as_read(minutes in -10_000_000_i64..100_000_000) {
            let at = Timestamp::from_second(minutes * 60).unwrap();
            prop_assert_eq!(Stamp::tight(at).timestamp(), Some(at));
            prop_assert_eq!(Stamp::spaced(at).timestamp(), Some(at));
        }

        #[test]
        fn any_text_is_read_or_not(text in any::<String>()) {
            let _ = (Day::text(text.clone()).date(), Stamp::text(text).timestamp());
        }
    }
}
