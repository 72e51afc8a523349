//! When a call-back is attempted again.
//!
//! guide:call-7

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// How long after the attempt before it each attempt is made, in milliseconds. (Standard Webhooks 1.0.0, Deliverability and
/// reliability, example retry schedule)
const STEPS: [u64; 10] =
    [0, 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// How much longer than its step a wait may be: a fifth of it. The standard asks for "some" jitter, so that receivers aren't
/// hit by all that failed together; never less than the step, so that a table of times can be relied on. (assumed)
const JITTER_PART: u64 = 5;

/// How often, and when, a call-back is attempted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// Once, at once. The guide promises no more.
    #[default]
    Faithful,
    /// Ten times within about three days, by Standard Webhooks' steps, until it is acknowledged.
    StandardWebhooks,
}

impl Schedule {
    /// How long to wait after so many attempts that weren't acknowledged; `None` if there is no other. Before the first one
    /// there is no wait.
    ///
    /// `chance` is any number, from [`draw`](super::draw()) or elsewhere: it decides on the jitter and on nothing else.
    pub(crate) fn next(self, attempts_made: u32, chance: u64) -> Option<Duration> {
        let steps = match self {
            Self::Faithful => &STEPS[..1],
            Self::StandardWebhooks => &STEPS[..],
        };
        let step = *steps.get(usize::try_from(attempts_made).ok()?)?;
        let jitter = chance % (step / JITTER_PART + 1);
        Some(Duration::from_millis(step + jitter))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Faithful => "faithful",
            Self::StandardWebhooks => "standard-webhooks",
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such schedule of call-backs; allowed: faithful, standard-webhooks")]
pub(crate) struct UnknownSchedule;

impl FromStr for Schedule {
    type Err = UnknownSchedule;

    fn from_str(text: &str) -> Result<Self, UnknownSchedule> {
        [Self::Faithful, Self::StandardWebhooks].into_iter().find(|known| known.name() == text).ok_or(UnknownSchedule)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::Schedule;

    /// Hours, minutes and seconds since the start, as the standard's table has them, without jitter.
    #[test]
    fn the_standards_table() {
        let mut since = Duration::ZERO;
        let mut table = Vec::new();
        while let Some(wait) = Schedule::StandardWebhooks.next(u32::try_from(table.len()).unwrap(), 0) {
            since += wait;
            let seconds = since.as_secs();
            table.push(format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
        }
        let expected = [
            "00:00:00", "00:00:05", "00:05:05", "00:35:05", "02:35:05", "07:35:05", "17:35:05", "31:35:05", "51:35:05",
            "75:35:05",
        ];
        assert_eq!(table, expected);
    }

    #[test]
    fn faithful_is_once() {
        assert_eq!(Schedule::Faithful.next(0, u64::MAX), Some(Duration::ZERO));
        assert_eq!(Schedule::Faithful.next(1, 0), None);
        assert_eq!(Schedule::Faithful.next(u32::MAX, 0), None);
    }

    #[test]
    fn words() {
        for schedule in [Schedule::Faithful, Schedule::StandardWebhooks] {
            assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }
        assert!("Faithful".parse::<Schedule>().is_err());
    }

    /// Both ends of the jitter are reached, and none beyond.
    #[test]
    fn jitter_has_two_ends() {
        let wait = |chance| Schedule::StandardWebhooks.next(1, chance).unwrap();
        assert_eq!(wait(1000), Duration::from_secs(6));
        assert_eq!(wait(1001), Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn jitter_only_adds_and_at_most_a_fifth(made in 0..12_u32, chance: u64) {
            let (plain, wait) = (Schedule::StandardWebhooks.next(made, 0), Schedule::StandardWebhooks.next(made, chance));
            match (plain, wait) {
                (Some(plain), Some(wait)) => prop_assert!(plain <= wait && wait <= plain + plain / 5),
                (plain, wait) => prop_assert!(plain.is_none() && wait.is_none() && made >= 10),
            }
        }
    }
}
