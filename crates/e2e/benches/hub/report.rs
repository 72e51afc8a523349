//! What was measured, beside its floor and its bound, as a table in Markdown.

use std::fmt;
use std::time::Duration;

/// A measured quantity. Whole numbers only: ratios are in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// So many a second.
    Rate(u64),
    /// A time.
    Time(Duration),
    /// Thousandths of a byte.
    MilliBytes(u64),
    /// Memory, in KiB.
    KibiBytes(u64),
}

/// What a measurement is held against.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "each bench that uses this has bounds of its own")]
pub(crate) enum Bound {
    /// At least so many thousandths of the floor.
    AtLeast(u64),
    /// At most so many thousandths of the floor.
    AtMost(u64),
    /// At most so much, whatever the floor.
    Within(Amount),
    /// At least so much, whatever the floor.
    From(Amount),
    /// For information.
    None,
}

/// One line of the table.
#[derive(Debug)]
struct Line {
    what: String,
    floor: Option<Amount>,
    real: Amount,
    bound: Bound,
}

/// All lines, and what could not be measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
    skipped: Vec<String>,
    /// Parts that failed: what they were to show isn't shown.
    broken: Vec<String>,
}

impl Amount {
    /// In the smallest unit of its kind.
    fn magnitude(self) -> u64 {
        match self {
            Self::Time(time) => u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            Self::Rate(size) | Self::MilliBytes(size) | Self::KibiBytes(size) => size,
        }
    }

    /// How many thousandths of another amount it is, rounded down.
    fn thousandths_of(self, floor: Self) -> u64 {
        let thousandths = u128::from(self.magnitude()) * 1000 / u128::from(floor.magnitude().max(1));
        u64::try_from(thousandths).unwrap_or(u64::MAX)
    }
}

impl Report {
    /// Adds a measurement beside its floor.
    pub(crate) fn beside(&mut self, what: impl Into<String>, floor: Amount, real: Amount, bound: Bound) {
        self.push(Line { what: what.into(), floor: Some(floor), real, bound });
    }

    /// Adds a measurement that has no floor.
    pub(crate) fn alone(&mut self, what: impl Into<String>, real: Amount, bound: Bound) {
        self.push(Line { what: what.into(), floor: None, real, bound });
    }

    /// Notes what was left out, and why.
    pub(crate) fn skip(&mut self, why: impl Into<String>) {
        self.skipped.push(why.into());
    }

    /// Notes a part that failed.
    pub(crate) fn broke(&mut self, part: &str, error: &dyn std::error::Error) {
        self.broken.push(format!("{part}: {error}"));
    }

    /// Whether every bound is met and nothing failed.
    pub(crate) fn is_good(&self) -> bool {
        self.broken.is_empty() && self.lines.iter().all(|line| line.met() != Some(false))
    }

    /// Whether a part failed, so that what it was to show isn't known.
    pub(crate) fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    fn push(&mut self, line: Line) {
        // A run takes minutes: what is known already is shown.
        crate::say(&format!("  {line}"));
        self.lines.push(line);
    }
}

impl Line {
    fn ratio(&self) -> Option<u64> {
        Some(self.real.thousandths_of(self.floor?))
    }

    /// Whether the bound is met, where there is one.
    fn met(&self) -> Option<bool> {
        match self.bound {
            Bound::AtLeast(least) => Some(self.ratio()? >= least),
            Bound::AtMost(most) => Some(self.ratio()? <= most),
            Bound::Within(most) => Some(self.real.magnitude() <= most.magnitude()),
            Bound::From(least) => Some(self.real.magnitude() >= least.magnitude()),
            Bound::None => None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| measured | floor | hub | ratio | bound | verdict |\n|---|---|---|---|---|---|")?;
        for line in &self.lines {
            writeln!(f, "| {line} |")?;
        }
        for why in &self.skipped {
            writeln!(f, "\nLeft out: {why}.")?;
        }
        for broken in &self.broken {
            writeln!(f, "\nFailed: {broken}.")?;
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let floor = self.floor.map_or_else(|| "–".into(), |floor| floor.to_string());
        let ratio = self.ratio().map_or_else(|| "–".into(), |ratio| Thousandths(ratio).to_string());
        let verdict = match self.met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "–",
        };
        write!(f, "{} | {floor} | {} | {ratio} | {} | {verdict}", self.what, self.real, self.bound)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {}", Thousandths(*least)),
            Self::AtMost(most) => write!(f, "≤ {}", Thousandths(*most)),
            Self::Within(most) => write!(f, "≤ {most}"),
            Self::From(least) => write!(f, "≥ {least}"),
            Self::None => f.write_str("–"),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "{rate}/s"),
            Self::Time(time) if time.as_millis() >= 10 => write!(f, "{} ms", Tenths(time.as_micros() / 100)),
            Self::Time(time) if time.as_micros() >= 1000 => write!(f, "{} ms", Thousandths(micros(*time))),
            Self::Time(time) => write!(f, "{} µs", Tenths(time.as_nanos() / 100)),
            Self::MilliBytes(bytes) => write!(f, "{} B", Tenths(u128::from(bytes / 100))),
            Self::KibiBytes(size) => write!(f, "{} MiB", Tenths(u128::from(size * 10 / 1024))),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A number of thousandths, shown with two places.
struct Thousandths(u64);

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 1000, self.0 % 1000 / 10)
    }
}

/// A number of tenths.
struct Tenths(u128);

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// The middle one of some measurements.
///
/// # Panics
///
/// If there are none.
pub(crate) fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    assert!(!values.is_empty(), "a median of nothing");
    values.sort_unstable();
    values[values.len() / 2]
}
