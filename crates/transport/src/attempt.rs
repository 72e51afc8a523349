//! The limits of one attempt, carried in the request's extensions.

use std::time::Duration;

use http::Extensions;
use tokio::time::Instant;

/// How long an attempt may take where the request carries no [`AttemptDeadline`].
///
/// Longer than a healthy hub takes to accept a batch of 5000 rows, and short enough that a person waits for the answer.
pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// How large an answer's body may be where the request carries no [`ResponseLimit`]: 16 MiB.
///
/// A batch of 5000 payments comes back in one page of about 4 MiB; four times that is either a mistake or an attack.
pub const DEFAULT_RESPONSE_LIMIT: usize = 16 * 1024 * 1024;

/// When this attempt ends, whatever it is doing: resolving, connecting, shaking hands, sending, or reading the answer's
/// head or body. Put it into the request's extensions; without it [`DEFAULT_ATTEMPT_TIMEOUT`] counts from `send`.
///
/// ```
/// use std::time::Duration;
/// use asaanbill_transport::AttemptDeadline;
///
/// let mut request = http::Request::new(bytes::Bytes::new());
/// request.extensions_mut().insert(AttemptDeadline::after(Duration::from_secs(5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptDeadline(pub Instant);

impl AttemptDeadline {
    /// The deadline that is this long from now, by tokio's clock.
    pub fn after(timeout: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(timeout).unwrap_or_else(|| now + FAR))
    }
}

/// A day: stands for "never" where a time-out is too long to add to the clock.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// How many bytes the answer's body may have. Put it into the request's extensions; without it
/// [`DEFAULT_RESPONSE_LIMIT`] holds. A body of exactly so many bytes is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseLimit(pub usize);

/// The limits that hold for one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) deadline: Instant,
    pub(crate) response: usize,
}

impl Limits {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let AttemptDeadline(deadline) =
            extensions.get().copied().unwrap_or_else(|| AttemptDeadline::after(DEFAULT_ATTEMPT_TIMEOUT));
        let ResponseLimit(response) = extensions.get().copied().unwrap_or(ResponseLimit(DEFAULT_RESPONSE_LIMIT));
        Self { deadline, response }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn limits_come_from_the_request_or_from_the_defaults() {
        let mut extensions = Extensions::new();
        let before = Instant::now();
        let limits = Limits::of(&extensions);
        assert!(limits.deadline >= before + DEFAULT_ATTEMPT_TIMEOUT);
        assert!(limits.deadline <= Instant::now() + DEFAULT_ATTEMPT_TIMEOUT);
        assert_eq!(limits.response, DEFAULT_RESPONSE_LIMIT);

        extensions.insert(AttemptDeadline(before));
        extensions.insert(ResponseLimit(7));
        let limits = Limits::of(&extensions);
        assert_eq!((limits.deadline, limits.response), (before, 7));
    }

    #[tokio::test]
    async fn a_time_out_beyond_the_clock_is_no_panic() {
        assert!(AttemptDeadline::after(Duration::MAX).0 > Instant::now());
    }
}
