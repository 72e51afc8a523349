//! Limits guessing: who fails too often is refused for a while, before the password is looked at.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many failed logins a user may have within [`LOGIN_FAILURES_WITHIN`]. The next one is refused unseen; those whose passwords are
/// being looked at just then, a few, are not. (assumed)
pub const LOGIN_FAILURES_MAX: u32 = 20;

/// Over how long failures count, in real time, from the first of them. (assumed)
pub const LOGIN_FAILURES_WITHIN: Duration = Duration::from_secs(60);

/// How many users' failures are remembered. Whoever tries more names than that has it forgotten, and guesses no password so.
const USERS_MAX: usize = 10_000;

/// The failures of a program's users. Names that don't exist count as well, so that nobody learns which do.
#[derive(Default)]
pub(crate) struct LoginLimit {
    failures: Mutex<HashMap<String, (u32, Instant)>>,
}

impl LoginLimit {
    /// Whether somebody may try at this instant; otherwise in how long.
    pub(crate) fn admit(&self, user: &str, now: Instant) -> Result<(), Duration> {
        let mut failures = self.lock();
        let Some((count, since)) = failures.get(user).copied() else { return Ok(()) };
        let left = LOGIN_FAILURES_WITHIN.saturating_sub(now.saturating_duration_since(since));
        if left.is_zero() {
            failures.remove(user);
            return Ok(());
        }
        if count < LOGIN_FAILURES_MAX { Ok(()) } else { Err(left) }
    }

    /// Notes that somebody has failed.
    pub(crate) fn failed(&self, user: &str, now: Instant) {
        let mut failures = self.lock();
        if failures.len() >= USERS_MAX && !failures.contains_key(user) {
            failures.clear();
        }
        failures.entry(user.to_owned()).or_insert((0, now)).0 += 1;
    }

    /// Notes that somebody knows the password.
    pub(crate) fn succeeded(&self, user: &str) {
        self.lock().remove(user);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (u32, Instant)>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LOGIN_FAILURES_MAX, LOGIN_FAILURES_WITHIN, LoginLimit, USERS_MAX};

    #[test]
    fn failures_count_for_a_while() {
        let limit = LoginLimit::default();
        let start = Instant::now();
        for _ in 0..LOGIN_FAILURES_MAX {
            assert_eq!(limit.admit("demo", start), Ok(()));
            limit.failed("demo", start);
        }
        assert_eq!(limit.admit("demo", start), Err(LOGIN_FAILURES_WITHIN));
        assert_eq!(limit.admit("viewer", start), Ok(()));
        assert_eq!(limit.admit("demo", start + Duration::from_secs(59)), Err(Duration::from_secs(1)));
        assert_eq!(limit.admit("demo", start + LOGIN_FAILURES_WITHIN), Ok(()));
        limit.failed("demo", start);
        limit.succeeded("demo");
        for user in 0..=USERS_MAX {
            limit.failed(&user.to_string(), start);
        }
        assert!(limit.lock().len() <= USERS_MAX);
    }
}
