//! Ranges of numbers, declared once beside their meaning. Messages are made from them.

use core::fmt;

use rust_decimal::Decimal;

/// A range of decimal numbers in one unit, with both ends allowed or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    low: i64,
    high: i64,
    ends_allowed: bool,
    unit: &'static str,
}

impl Bounds {
    /// Degrees from `low` to `high`, both allowed.
    pub const fn degrees(low: i64, high: i64) -> Self {
        Self { low, high, ends_allowed: true, unit: "degrees" }
    }

    /// Rupees more than `low` and less than `high`.
    pub const fn rupees_between(low: i64, high: i64) -> Self {
        Self { low, high, ends_allowed: false, unit: "rupees" }
    }

    /// Whether `value` lies in the range.
    pub fn contains(&self, value: Decimal) -> bool {
        let (low, high) = (Decimal::from(self.low), Decimal::from(self.high));
        if self.ends_allowed { low <= value && value <= high } else { low < value && value < high }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { low, high, ends_allowed, unit } = self;
        match ends_allowed {
            true => write!(f, "{low} to {high} {unit}"),
            false => write!(f, "more than {low} and less than {high} {unit}"),
        }
    }
}
