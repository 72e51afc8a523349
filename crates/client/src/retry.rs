//! When a request is sent again, and after how long.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use tokio::time::Instant;

use crate::environment::Environment;
use crate::error::{ClientError, ErrorKind};

/// How often a request is sent at most if nothing is said.
pub const ATTEMPTS: u32 = 4;

/// The first delay's upper bound if nothing is said; it doubles from attempt to attempt.
pub const BACKOFF: Duration = Duration::from_millis(200);

/// The upper bound of every delay: a hub that is down for longer needs no more than a request every few seconds.
pub const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// How long an operation may take with all its attempts and delays if nothing is said.
pub const TOTAL: Duration = Duration::from_secs(60);

/// What a retry costs in the budget, and what an answer brings in. So in the long run at most one request in ten is a retry,
/// and a hub that is down isn't given several times its load.
const RETRY_COST: u32 = 10;
const ANSWER_WORTH: u32 = 1;

/// How much the budget holds at most, and at first: ten retries in a row.
const BUDGET_MAX: u32 = 10 * RETRY_COST;

/// When what may be sent again is sent again: requests that read, and requests that create if it is **proven** that they
/// weren't sent. Nothing in here can make any other request be sent twice.
///
/// Delays are random between nothing and a bound that doubles ("full jitter"). A hub's `Retry-After` is a lower bound of
/// the delay; if it lies beyond [`total`](Self::total), there is no further attempt. A budget, shared by a client's clones,
/// keeps retries below a tenth of the requests in the long run.
///
/// ```
/// use std::time::Duration;
/// use asaanbill_client::RetryPolicy;
///
/// let patient = RetryPolicy::default().attempts(8).total(Duration::from_secs(120));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    pub(crate) attempts: u32,
    pub(crate) backoff: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) total: Duration,
}

impl RetryPolicy {
    /// Each request is sent once.
    #[must_use]
    pub fn never() -> Self {
        Self::default().attempts(1)
    }

    /// How often a request is sent at most, the first time included: at least once. [`ATTEMPTS`] if nothing is said.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The bound of the first delay, and of every delay. [`BACKOFF`] and [`BACKOFF_MAX`] if nothing is said.
    #[must_use]
    pub fn backoff(mut self, first: Duration, max: Duration) -> Self {
        (self.backoff, self.backoff_max) = (first, max);
        self
    }

    /// How long an operation may take with everything: it caps each attempt and each delay. [`TOTAL`] if nothing is said.
    #[must_use]
    pub fn total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    /// When an operation that begins now must be over.
    pub(crate) fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.total).unwrap_or_else(|| now + TOTAL)
    }

    /// The delay before attempt `next`, counted from 2.
    fn delay(&self, next: u32, environment: &Environment) -> Duration {
        let doublings = next.saturating_sub(2).min(31);
        let bound = self.backoff.saturating_mul(1 << doublings).min(self.backoff_max);
        let bound = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(environment.up_to(bound))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: ATTEMPTS, backoff: BACKOFF, backoff_max: BACKOFF_MAX, total: TOTAL }
    }
}

/// What keeps retries to a part of the requests, whatever the policy.
#[derive(Debug)]
pub(crate) struct Budget(AtomicU32);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(BUDGET_MAX))
    }
}

impl Budget {
    /// An answer came: that fills the budget.
    pub(crate) fn answered(&self) {
        let fill = |budget: u32| (budget < BUDGET_MAX).then(|| budget.saturating_add(ANSWER_WORTH).min(BUDGET_MAX));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fill);
    }

    /// How long to wait before attempt `next`, if there may be one in the time that remains.
    pub(crate) fn delay(
        &self,
        policy: &RetryPolicy,
        next: u32,
        error: &ClientError,
        remaining: Duration,
        environment: &Environment,
    ) -> Option<Duration> {
        if next > policy.attempts {
            return None;
        }
        let delay = policy.delay(next, environment).max(error.retry_after().unwrap_or_default());
        let in_time = delay < remaining;
        (in_time && self.pay()).then_some(delay)
    }

    fn pay(&self) -> bool {
        let take = |budget: u32| budget.checked_sub(RETRY_COST);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

/// Whether what only reads may be asked again after this.
pub(crate) fn is_passing(error: &ClientError) -> bool {
    let status = error.status().unwrap_or_default();
    let busy =
        matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) || status.is_server_error();
    match error.kind() {
        ErrorKind::NotSent => error.is_worth_another_try(),
        ErrorKind::NoAnswer => true,
        ErrorKind::Refused | ErrorKind::Unreadable => busy,
        _ => false,
    }
}

/// What the hub says about when to come again: seconds, or a date. (RFC 9110, 10.2.3)
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    static DATES: DateTimeParser = DateTimeParser::new();
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = DATES.parse_timestamp(text).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue};

    use super::{BUDGET_MAX, Budget, RETRY_COST, RetryPolicy, retry_after};
    use crate::environment::Environment;
    use crate::error::{ClientError, ErrorKind};

    fn no_answer() -> ClientError {
        ClientError::new(ErrorKind::NoAnswer, "no answer")
    }

    #[test]
    fn delays_are_jittered_below_a_bound_that_doubles() {
        let policy = RetryPolicy::default().backoff(Duration::from_millis(100), Duration::from_millis(450));
        let longest = Environment::default().with_randomness(|| u64::MAX - 1);
        let check = |next: u32, bound: u64| {
            // Whatever the randomness, the delay is within the bound.
            for random in [0, 1, 12_345, u64::MAX] {
                let environment = Environment::default().with_randomness(move || random);
                assert!(policy.delay(next, &environment) <= Duration::from_millis(bound));
            }
        };
        check(2, 100);
        check(3, 200);
        check(4, 400);
        check(5, 450);
        check(u32::MAX, 450);
        let spread: Vec<_> = (0..100).map(|_| policy.delay(3, &Environment::default())).collect();
        assert!(spread.iter().any(|delay| *delay < Duration::from_millis(100)), "full jitter: {spread:?}");
        assert!(spread.iter().any(|delay| *delay > Duration::from_millis(100)), "full jitter: {spread:?}");
        let _ = policy.delay(2, &longest);
    }

    #[test]
    fn the_budget_ends_and_is_filled_by_answers() {
        let (retry, policy) = (Budget::default(), RetryPolicy::default().attempts(u32::MAX));
        let environment = Environment::default();
        let again = || retry.delay(&policy, 2, &no_answer(), Duration::from_secs(60), &environment).is_some();
        assert_eq!((0..100).filter(|_| again()).count(), usize::try_from(BUDGET_MAX / RETRY_COST).unwrap());
        for _ in 0..RETRY_COST {
            assert!(!again());
            retry.answered();
        }
        assert!(again());
        assert!(!again());
    }

    #[test]
    fn attempts_and_time_end_too() {
        let (retry, policy) = (Budget::default(), RetryPolicy::default().attempts(2));
        let environment = Environment::default();
        let delay = |next, remaining| retry.delay(&policy, next, &no_answer(), remaining, &environment);
        assert!(delay(2, Duration::from_secs(60)).is_some());
        assert!(delay(3, Duration::from_secs(60)).is_none());
        assert!(delay(2, Duration::ZERO).is_none());
        let told = no_answer().after(Some(Duration::from_secs(5)));
        assert!(
            retry.delay(&policy, 2, &told, Duration::from_secs(60), &environment).unwrap() >= Duration::from_secs(5)
        );
        assert!(retry.delay(&policy, 2, &told, Duration::from_secs(5), &environment).is_none());
        assert!(retry.delay(&RetryPolicy::never(), 2, &told, Duration::from_secs(60), &environment).is_none());
    }

    #[test]
    fn when_the_hub_says_to_come_again() {
        let now = "1994-11-06T08:49:30Z".parse().unwrap();
        let check = |text: &'static [u8], expected: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", HeaderValue::from_bytes(text).unwrap());
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text:?}");
        };
        check(b"120", Some(120));
        check(b" 0 ", Some(0));
        check(b"99999999999999999999999", Some(u64::MAX));
        check(b"Sun, 06 Nov 1994 08:49:37 GMT", Some(7));
        check(b"Sun, 06 Nov 1994 08:49:00 GMT", Some(0));
        for nonsense in [b"".as_slice(), b"-1", b"1.5", b"soon", b"\xff"] {
            check(nonsense, None);
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
