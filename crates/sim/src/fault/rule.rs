//! Which requests a fault befalls.

use std::fmt;

use asaanbill_wire::Endpoint;

use super::faults::ARMED_MAX;
use super::kind::FaultKind;

/// The whole of a seeded share.
pub(crate) const PER_MILLE: u64 = 1000;

/// A fault and whom it befalls: the next request of any of the eight operations, if nothing else is said.
///
/// ```
/// use asaanbill_sim::{Fault, FaultKind};
/// use asaanbill_wire::Endpoint;
///
/// let lost_answers = Fault::new(FaultKind::ResetAfterCommit).on(Endpoint::Add).times(2);
/// let third_login = Fault::new(FaultKind::Status { code: 503 }).on(Endpoint::Login).nth(3);
/// let bad_network = Fault::new(FaultKind::ResetBefore).share(50, 7); // 5 %, and the same ones each time
/// # drop((lost_answers, third_login, bad_network));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    endpoint: Option<Endpoint>,
    nth: u64,
    times: Option<u64>,
    share: Option<Share>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    per_mille: u64,
    seed: u64,
}

impl Fault {
    /// Befalls the next request.
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, endpoint: None, nth: 1, times: None, share: None }
    }

    /// Of one operation only.
    #[must_use]
    pub fn on(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Not the next request but the nth from now, counted from 1, among those of its operation.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth;
        self
    }

    /// How often: once if nothing is said; a share without end.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Of those, about so many in a thousand. Which ones follows from the seed and the request's number alone.
    #[must_use]
    pub fn share(mut self, per_mille: u64, seed: u64) -> Self {
        self.share = Some(Share { per_mille, seed });
        self
    }

    /// What befalls them.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// The operation, or `None` for all.
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.endpoint
    }

    /// Per mille and seed, where it is a share.
    pub(crate) fn shared(&self) -> Option<(u64, u64)> {
        self.share.map(|share| (share.per_mille, share.seed))
    }

    /// How many requests of its operation pass first.
    pub(crate) fn skipped(&self) -> u64 {
        self.nth.saturating_sub(1)
    }

    /// How often it fires at most; `None` for a share without end.
    pub(crate) fn at_most(&self) -> Option<u64> {
        self.times.or_else(|| self.share.is_none().then_some(1))
    }

    /// Whether a request is one of the share.
    pub(crate) fn picks(&self, request: u64) -> bool {
        self.share.is_none_or(|share| scatter(share.seed, request) % PER_MILLE < share.per_mille)
    }

    /// All that is wrong with it.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = self.kind.problems();
        if self.nth == 0 {
            problems.push(NTH.to_owned());
        }
        if self.times == Some(0) {
            problems.push(TIMES.to_owned());
        }
        if self.share.is_some_and(|share| !(1..=PER_MILLE).contains(&share.per_mille)) {
            problems.push(SHARE.to_owned());
        }
        problems
    }
}

pub(crate) const NTH: &str = "nth: allowed: a whole number from 1";
pub(crate) const TIMES: &str = "times: allowed: a whole number from 1";
pub(crate) const SHARE: &str = "per_mille: allowed: a whole number from 1 to 1000";

/// A number that looks like chance and is none: `SplitMix64`'s finisher, by Sebastiano Vigna.
fn scatter(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The number of an armed fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FaultId(u64);

impl FaultId {
    pub(crate) fn new(number: u64) -> Self {
        Self(number)
    }

    /// As `GET /_sim/faults` shows it.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A fault that can't be armed. The message tells all that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultError(pub(crate) Refused);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Invalid(Vec<String>),
    TooMany,
}

impl FaultError {
    /// Whether the fault is all right, and too many are armed already.
    pub fn is_too_many(&self) -> bool {
        self.0 == Refused::TooMany
    }
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Refused::Invalid(problems) => f.write_str(&problems.join("; ")),
            Refused::TooMany => write!(f, "{ARMED_MAX} faults are armed already: disarm some"),
        }
    }
}

impl std::error::Error for FaultError {}

#[cfg(test)]
mod tests {
    use super::{Fault, PER_MILLE};
    use crate::fault::FaultKind;

    #[test]
    fn a_share_is_about_right_and_the_same_each_time() {
        let picked = |per_mille, seed| -> Vec<u64> {
            let fault = Fault::new(FaultKind::ResetBefore).share(per_mille, seed);
            (1..=10_000).filter(|request| fault.picks(*request)).collect()
        };
        for (per_mille, least, most) in [(1, 1, 30), (50, 400, 600), (500, 4800, 5200), (999, 9970, 9999)] {
            for seed in [0, 1, 2, u64::MAX] {
                let count = picked(per_mille, seed).len();
                assert!((least..=most).contains(&count), "{per_mille} per mille, seed {seed}: {count}");
            }
        }
        assert_eq!(picked(PER_MILLE, 3).len(), 10_000);
        assert_eq!(picked(50, 7), picked(50, 7));
        assert_ne!(picked(50, 7), picked(50, 8));
        let neighbours = picked(500, 7).windows(2).filter(|pair| pair[0] + 1 == pair[1]).count();
        assert!((2200..2800).contains(&neighbours), "one follows another by chance: {neighbours}");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let wrong = Fault::new(FaultKind::Status { code: 99 }).nth(0).times(0).share(1001, 0);
        assert_eq!(wrong.problems().len(), 4);
        assert_eq!(Fault::new(FaultKind::ResetBefore).share(0, 0).problems().len(), 1);
        assert!(Fault::new(FaultKind::ResetBefore).nth(1).times(1).share(1000, 0).problems().is_empty());
    }
}
