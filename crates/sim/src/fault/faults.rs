//! The faults that are armed, and those that have fired.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asaanbill_wire::Endpoint;
use http::HeaderMap;
use jiff::Timestamp;

use super::asked;
use super::kind::FaultKind;
use super::rule::{Fault, FaultError, FaultId, Refused};
use crate::journal::RequestId;

/// How many faults are armed at once at most: every request looks at each.
pub(crate) const ARMED_MAX: usize = 1000;

/// How many fired faults are remembered: the last ones. All are counted.
pub(crate) const FIRED_MAX: usize = 1000;

/// The faults of a simulator. Cheap to clone; clones are the same faults.
///
/// Faults befall the eight operations only, never the simulator's own pages. There are three ways to ask for one, and a
/// request has at most one, looked for in this order:
///
/// 1. **By header**: `x-sim-fault: status;code=503`, on the request that it befalls.
/// 2. **By magic value**: an `identifier` or `title` that begins with `fault:`, a fault, and a colon or the end, such as
///    `fault:reset-after-commit:INV-7`. It befalls each request that holds it, so it goes through any client in any
///    language. In a batch the first one counts. The value is written plainly: one with JSON escapes in it is no magic.
/// 3. **By rule** ([`Fault`]), armed with [`arm`](Self::arm) or `POST /_sim/faults`: the next ones, the nth from now, or a
///    seeded share. Every rule counts each request of its operation that has no fault by header or magic value. If
///    several are due, the oldest fires, and the others stay due.
///
/// A strict simulator ([`SimBuilder::strict_faults`](crate::SimBuilder::strict_faults)) knows rules only: headers and
/// values mean to it what they mean to a hub.
#[derive(Clone)]
pub struct Faults {
    inner: Arc<Inner>,
}

struct Inner {
    strict: bool,
    /// Whether a request has to look at the rules at all.
    armed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    armed: Vec<ArmedFault>,
    fired: VecDeque<FiredFault>,
    fired_total: u64,
}

/// A fault that waits for its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmedFault {
    id: FaultId,
    fault: Fault,
    to_pass: u64,
    remaining: Option<u64>,
}

impl ArmedFault {
    /// Its number.
    pub fn id(&self) -> FaultId {
        self.id
    }

    /// What was armed.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// How many requests of its operation pass before it is due.
    pub fn to_pass(&self) -> u64 {
        self.to_pass
    }

    /// How often it will still fire; `None` for a share without end.
    pub fn remaining(&self) -> Option<u64> {
        self.remaining
    }

    /// Counts a request, and says whether it is one to befall.
    fn is_due(&mut self, endpoint: Endpoint, request: RequestId) -> bool {
        if self.fault.endpoint().is_some_and(|only| only != endpoint) {
            return false;
        }
        if self.to_pass > 0 {
            self.to_pass -= 1;
            return false;
        }
        self.fault.picks(request.get())
    }
}

/// How a fault was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FiredBy {
    /// By the armed fault of this number.
    Rule(FaultId),
    /// By the request's `x-sim-fault`.
    Header,
    /// By an identifier or a title that begins with `fault:`.
    MagicValue,
}

/// A fault that befell a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiredFault {
    /// What befell it.
    pub kind: FaultKind,
    /// Why.
    pub by: FiredBy,
    /// The request's number.
    pub request: RequestId,
    /// Its operation.
    pub endpoint: Endpoint,
    /// When, by the simulator's clock.
    pub at: Timestamp,
}

/// A request that may have a fault.
pub(crate) struct Asking<'r> {
    pub(crate) id: RequestId,
    pub(crate) endpoint: Endpoint,
    pub(crate) at: Timestamp,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: &'r [u8],
}

impl Faults {
    pub(crate) fn new(strict: bool) -> Self {
        Self { inner: Arc::new(Inner { strict, armed: AtomicBool::new(false), state: Mutex::default() }) }
    }

    /// Arms a fault: it counts requests from now on.
    ///
    /// # Errors
    ///
    /// [`FaultError`] with all that is wrong with it, or if a thousand are armed already.
    pub fn arm(&self, fault: Fault) -> Result<FaultId, FaultError> {
        let problems = fault.problems();
        if !problems.is_empty() {
            return Err(FaultError(Refused::Invalid(problems)));
        }
        let mut state = self.lock();
        if state.armed.len() >= ARMED_MAX {
            return Err(FaultError(Refused::TooMany));
        }
        state.last_id += 1;
        let id = FaultId::new(state.last_id);
        state.armed.push(ArmedFault { id, fault, to_pass: fault.skipped(), remaining: fault.at_most() });
        self.inner.armed.store(true, Ordering::Release);
        Ok(id)
    }

    /// Disarms one. Says whether it was armed.
    pub fn disarm(&self, id: FaultId) -> bool {
        let mut state = self.lock();
        let before = state.armed.len();
        state.armed.retain(|armed| armed.id != id);
        self.inner.armed.store(!state.armed.is_empty(), Ordering::Release);
        state.armed.len() < before
    }

    /// Disarms all and forgets what has fired. Says how many were armed.
    pub fn clear(&self) -> usize {
        let mut state = self.lock();
        self.inner.armed.store(false, Ordering::Release);
        state.fired.clear();
        state.fired_total = 0;
        std::mem::take(&mut state.armed).len()
    }

    /// What is armed, oldest first. A fault that has fired as often as it should is gone.
    pub fn armed(&self) -> Vec<ArmedFault> {
        self.lock().armed.clone()
    }

    /// What has fired, oldest first: the last thousand.
    pub fn fired(&self) -> Vec<FiredFault> {
        self.lock().fired.iter().cloned().collect()
    }

    /// How many have fired, those included that are no longer remembered.
    pub fn fired_total(&self) -> u64 {
        self.lock().fired_total
    }

    /// Whether headers and magic values mean nothing here.
    pub fn is_strict(&self) -> bool {
        self.inner.strict
    }

    /// The fault of a request, noted as fired. An error tells what is wrong with the one that the request asks for.
    pub(crate) fn fire(&self, asking: &Asking<'_>) -> Result<Option<FaultKind>, String> {
        let asked = if self.inner.strict { None } else { asked::by(asking.headers, asking.body)? };
        if asked.is_none() && !self.inner.armed.load(Ordering::Acquire) {
            return Ok(None);
        }
        let mut state = self.lock();
        let Some((kind, by)) = asked.or_else(|| self.due(&mut state, asking)) else { return Ok(None) };
        let Asking { id: request, endpoint, at, .. } = *asking;
        if state.fired.len() >= FIRED_MAX {
            state.fired.pop_front();
        }
        state.fired.push_back(FiredFault { kind, by, request, endpoint, at });
        state.fired_total += 1;
        Ok(Some(kind))
    }

    /// The oldest rule that is due. Each counts the request.
    fn due(&self, state: &mut State, asking: &Asking<'_>) -> Option<(FaultKind, FiredBy)> {
        let mut first = None;
        for (position, armed) in state.armed.iter_mut().enumerate() {
            if armed.is_due(asking.endpoint, asking.id) && first.is_none() {
                first = Some(position);
            }
        }
        let position = first?;
        let armed = state.armed.get_mut(position)?;
        let fired = (armed.fault.kind(), FiredBy::Rule(armed.id));
        armed.remaining = armed.remaining.map(|remaining| remaining.saturating_sub(1));
        if armed.remaining == Some(0) {
            state.armed.remove(position);
            self.inner.armed.store(!state.armed.is_empty(), Ordering::Release);
        }
        Some(fired)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Faults")
            .field("strict", &self.inner.strict)
            .field("armed", &state.armed.len())
            .field("fired", &state.fired_total)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{ARMED_MAX, Asking, FIRED_MAX, Fault, FaultKind, Faults};
    use crate::journal::RequestId;
    use asaanbill_wire::Endpoint;
    use http::HeaderMap;
    use jiff::Timestamp;

    const A: FaultKind = FaultKind::ResetBefore;
    const B: FaultKind = FaultKind::WrongType;

    fn fire(faults: &Faults, id: u64, endpoint: Endpoint) -> char {
        let headers = &HeaderMap::new();
        let asking = Asking { id: RequestId::new(id), endpoint, at: Timestamp::UNIX_EPOCH, headers, body: b"" };
        match faults.fire(&asking).unwrap() {
            None => '.',
            Some(A) => 'a',
            Some(_) => 'b',
        }
    }

    /// Requests are letters: `A` adds, `s` searches.
    fn check(armed: &[Fault], requests: &str, expected: &str) {
        let faults = Faults::new(false);
        for fault in armed {
            faults.arm(*fault).unwrap();
        }
        let endpoint = |letter| if letter == 'A' { Endpoint::Add } else { Endpoint::Search };
        let fired: String = (1..).zip(requests.chars()).map(|(id, it)| fire(&faults, id, endpoint(it))).collect();
        assert_eq!(fired, expected, "{armed:?} {requests}");
        assert_eq!(faults.fired_total(), expected.chars().filter(|fired| *fired != '.').count() as u64);
    }

    #[test]
    fn whom_it_befalls() {
        let a = Fault::new(A);
        check(&[], "AAA", "...");
        check(&[a], "AAA", "a..");
        check(&[a.times(2)], "AsA", "aa.");
        check(&[a.on(Endpoint::Add)], "ssAA", "..a.");
        check(&[a.nth(3)], "AsAA", "..a.");
        check(&[a.nth(2).on(Endpoint::Search)], "AsAsAs", "...a..");
        check(&[a.nth(2).times(2)], "AAAA", ".aa.");
        check(&[a.share(1000, 0)], "AAAA", "aaaa");
        check(&[a.share(1000, 0).times(2)], "AAAA", "aa..");
        check(&[a.share(1000, 0).nth(3)], "AAAA", "..aa");
    }

    #[test]
    fn of_several_the_oldest_fires_and_the_others_stay_due() {
        let (a, b) = (Fault::new(A), Fault::new(B));
        check(&[a, b], "AAA", "ab.");
        check(&[b, a], "AAA", "ba.");
        check(&[a.nth(2), b.nth(2)], "AAAA", ".ab.");
        check(&[a.on(Endpoint::Add), b], "sAA", "ba.");
        check(&[a.nth(2), b.nth(3)], "AAAA", ".ab.");
    }

    #[test]
    fn what_is_armed_and_fired_is_bounded_and_says_so() {
        let faults = Faults::new(true);
        let id = faults.arm(Fault::new(A).share(1000, 0)).unwrap();
        for request in 0..=FIRED_MAX as u64 {
            fire(&faults, request, Endpoint::Add);
        }
        assert_eq!((faults.fired().len(), faults.fired_total()), (FIRED_MAX, FIRED_MAX as u64 + 1));
        assert_eq!(faults.fired()[0].request.get(), 1, "the oldest is forgotten");
        assert!(faults.disarm(id));
        assert!(!faults.disarm(id));
        assert_eq!(fire(&faults, 0, Endpoint::Add), '.');
        for _ in 0..ARMED_MAX {
            faults.arm(Fault::new(A)).unwrap();
        }
        assert!(faults.arm(Fault::new(A)).unwrap_err().is_too_many());
        assert!(!faults.arm(Fault::new(A).nth(0)).unwrap_err().is_too_many());
        assert_eq!(faults.clear(), ARMED_MAX);
        assert_eq!((faults.armed().len(), faults.fired().len(), faults.fired_total()), (0, 0, 0));
        assert_eq!(fire(&faults, 0, Endpoint::Add), '.');
    }
}
