//! What a receiver can be told, and within which bounds.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How long accepting may take if nothing is said.
pub const ACCEPT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long accepting may take at the most: the hub gives up after 5 s, and connecting is part of that.
pub const ACCEPT_TIMEOUT_MAX: Duration = Duration::from_secs(4);

/// How many unresolved call-backs an inbox holds if nothing is said, and how many of them may come from one source. Together
/// with [`CALLBACK_BODY_MAX`](crate::CALLBACK_BODY_MAX) it bounds the disk that a flood can fill: usual ones are 200 bytes.
pub const UNRESOLVED_MAX: u64 = 1_000_000;

/// How many unresolved call-backs may come from one source: more than a hub that was away for a day could have sent.
pub const UNRESOLVED_PER_SOURCE_MAX: u64 = 500_000;

/// How often the hub is asked, at the most, if nothing is said. A call-back needs one look-up, a repeat in the same moment none.
pub const LOOKUPS_PER_SECOND: u32 = 100;

/// How many look-ups are under way at once if nothing is said.
pub const LOOKUPS_AT_ONCE: usize = 16;

/// How often the hub's records are swept if nothing is said.
pub const SWEEP_EVERY: Duration = Duration::from_secs(15 * 60);

/// After how long a receipt that came to nothing, forged or repeated, is forgotten if nothing is said.
pub const RETENTION: Duration = Duration::from_secs(90 * 24 * 3600);

/// Limits of what a receiver takes and asks. All of them bound what a flood can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How long accepting one call-back may take, the body's arrival and the durable commit included:
    /// [`ACCEPT_TIMEOUT`] if nothing is said, [`ACCEPT_TIMEOUT_MAX`] at the most.
    pub accept_timeout: Duration,
    /// How many unresolved call-backs there may be: [`UNRESOLVED_MAX`].
    pub unresolved: u64,
    /// How many of them from one source: [`UNRESOLVED_PER_SOURCE_MAX`].
    pub unresolved_per_source: u64,
    /// How many look-ups a second, at least 1: [`LOOKUPS_PER_SECOND`]. None for as many as the hub answers.
    pub lookups_per_second: Option<u32>,
    /// How many look-ups at once, 1 to 256: [`LOOKUPS_AT_ONCE`].
    pub lookups_at_once: usize,
    /// How many connections [`serve`](crate::Receiver::serve) keeps, at least 16: [`CONNECTIONS_MAX`](crate::CONNECTIONS_MAX).
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            accept_timeout: ACCEPT_TIMEOUT,
            unresolved: UNRESOLVED_MAX,
            unresolved_per_source: UNRESOLVED_PER_SOURCE_MAX,
            lookups_per_second: Some(LOOKUPS_PER_SECOND),
            lookups_at_once: LOOKUPS_AT_ONCE,
            connections: crate::serve::CONNECTIONS_MAX,
        }
    }
}

impl Limits {
    /// What isn't allowed.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.accept_timeout.is_zero() || self.accept_timeout > ACCEPT_TIMEOUT_MAX {
            problems.push(format!(
                "accept_timeout is {:?}, and may be up to {ACCEPT_TIMEOUT_MAX:?}: the hub gives up after 5 s",
                self.accept_timeout
            ));
        }
        if self.lookups_per_second == Some(0) {
            problems.push("lookups_per_second is 0, and has to be at least 1".to_owned());
        }
        if !(1..=256).contains(&self.lookups_at_once) {
            problems.push(format!("lookups_at_once is {}, and has to be 1 to 256", self.lookups_at_once));
        }
        if self.connections < 16 {
            problems.push(format!("connections is {}, and has to be at least 16", self.connections));
        }
        problems
    }
}

/// How the hub's records are looked through for payments that no call-back announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sweep {
    /// How often. With several receivers on one inbox, one of them does it.
    pub every: SignedDuration,
    /// From when on payments are announced that the very first sweep finds. If nothing is said, from the moment on when the
    /// first sweep of this inbox begins: older payments are yours to know.
    pub since: Option<Timestamp>,
}

impl Sweep {
    /// A sweep that often.
    pub fn every(every: Duration) -> Self {
        Self { every: SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX), since: None }
    }

    /// The very first one looks back so far.
    #[must_use]
    pub fn since(self, since: Timestamp) -> Self {
        Self { since: Some(since), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_not_allowed_is_said_at_once() {
        assert_eq!(Limits::default().problems(), [""; 0]);
        let none = Limits {
            accept_timeout: Duration::from_secs(5),
            lookups_per_second: Some(0),
            lookups_at_once: 0,
            connections: 1,
            ..Limits::default()
        };
        assert_eq!(none.problems().len(), 4);
    }
}
