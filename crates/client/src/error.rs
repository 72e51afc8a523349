//! What went wrong, and whether it may be tried again.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use asaanbill_transport::TransportError;
use http::StatusCode;
use serde_json::value::RawValue;

use crate::intent::Intent;
use crate::ops::RowOutcome;

/// The most characters of the hub's own words that an error keeps.
pub const HUB_MESSAGE_MAX_CHARS: usize = 1_000;

/// A client that can't be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The base address isn't allowed.
    #[error("the hub's base address is not allowed: {0} (expected: https://HOST/PATH)")]
    Base(&'static str),
    /// There are no credentials.
    #[error("a client needs credentials: a user name of visible ASCII characters, and a password or a token of them")]
    Credentials,
    /// The window in which a lost request may still arrive is shorter than the time in which one may be sent.
    #[error(
        "the quiescence of {quiescence:?} must be at least the retry policy's total of {total:?}: a request may be on its way for so long"
    )]
    Quiescence {
        /// The window.
        quiescence: Duration,
        /// How long an operation may take.
        total: Duration,
    },
    /// The transport can't be built.
    #[error("the client's transport can't be built; the cause says why, and `ClientBuilder::transport` takes another")]
    Transport(#[source] Box<dyn Error + Send + Sync>),
}

/// An operation that failed. Its message holds no secret and no payer's data.
pub struct ClientError(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    status: Option<StatusCode>,
    message: String,
    intent: Option<Intent>,
    rows: Vec<RowOutcome>,
    hub: Option<Said>,
    retry_after: Option<Duration>,
    hopeless: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The hub's own words. They may hold anything.
struct Said {
    message: Box<str>,
    data: Option<Box<RawValue>>,
}

/// What sort of failure, and with it whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It is proven that the request wasn't sent. It may be sent again.
    NotSent,
    /// Whether the hub has done it isn't known: [`Client::resolve`](crate::Client::resolve) finds out from
    /// [`ClientError::intent`]. Sending it again may bill a second time.
    OutcomeUnknown,
    /// A request that only reads got no answer. It may be sent again.
    NoAnswer,
    /// The hub doesn't know the user, or the password is wrong. (The guide's 404 to a login, or a 401)
    Credentials,
    /// The user may not do this, or the channel is another's.
    Forbidden,
    /// The hub refused what was asked for and has done nothing; or this client did, before sending anything
    /// ([`ClientError::status`] is then none).
    Refused,
    /// Another intent for the same identifier is open: whether that bill exists isn't known yet, so this one was not sent.
    /// [`ClientError::intent`] is the open one, **an earlier request's**: resolve it first. What was asked for now is still to be added.
    Unresolved,
    /// The identifier has an unpaid bill, which this one would have destroyed. It was not sent.
    Outstanding,
    /// The journal failed before anything was sent.
    Journal,
    /// There is no such payment or batch.
    NotFound,
    /// Something else than the hub has answered, or the hub in a way that can't be read. What creates a payment ends so only if
    /// nothing can have been done; otherwise it is [`OutcomeUnknown`](Self::OutcomeUnknown).
    Unreadable,
}

impl ClientError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            status: None,
            message: message.into(),
            intent: None,
            rows: Vec::new(),
            hub: None,
            retry_after: None,
            hopeless: false,
            source: None,
        }))
    }

    pub(crate) fn transport(kind: ErrorKind, error: TransportError) -> Self {
        let hopeless = matches!(
            error.kind(),
            asaanbill_transport::ErrorKind::Refused | asaanbill_transport::ErrorKind::InvalidRequest
        );
        let message = match kind {
            ErrorKind::NotSent => "the request was not sent; it may be sent again",
            ErrorKind::OutcomeUnknown => "nobody knows whether the hub has done it; look before sending it again",
            _ => "the hub did not answer; it may be asked again",
        };
        let mut new = Self::new(kind, message).caused(error);
        new.0.hopeless = hopeless;
        new
    }

    /// Whether what wasn't sent could be sent if it were tried again.
    pub(crate) fn is_worth_another_try(&self) -> bool {
        !self.0.hopeless
    }

    pub(crate) fn after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    pub(crate) fn caused(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn answered(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn said(mut self, message: &str, data: Option<&RawValue>) -> Self {
        let message = message.chars().take(HUB_MESSAGE_MAX_CHARS).collect::<String>().into();
        self.0.hub = Some(Said { message, data: data.map(ToOwned::to_owned) });
        self
    }

    /// The data that came with a refusal.
    pub(crate) fn refusal_data(&self) -> Option<&RawValue> {
        self.0.hub.as_ref()?.data.as_deref()
    }

    pub(crate) fn with_rows(mut self, rows: Vec<RowOutcome>) -> Self {
        self.0.rows = rows;
        self
    }

    /// An operation that creates something knows what it wanted.
    pub(crate) fn intended(mut self, intent: Intent) -> Self {
        self.0.intent = Some(intent);
        self
    }

    /// What sort of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether nobody knows if the hub has done it.
    pub fn is_outcome_unknown(&self) -> bool {
        self.kind() == ErrorKind::OutcomeUnknown
    }

    /// Whether there is no such payment or batch.
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// Whether an open intent for the same identifier stands in the way.
    pub fn is_unresolved(&self) -> bool {
        self.kind() == ErrorKind::Unresolved
    }

    /// How long the hub asks to be left alone, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The intent that nobody knows the outcome of: of [`ErrorKind::OutcomeUnknown`] the request's own (none if its task was ended
    /// by the runtime, and of a [raw](crate::raw) request, which isn't noted), of [`ErrorKind::Unresolved`] an earlier one's. Give it to [`Client::resolve`](crate::Client::resolve).
    pub fn intent(&self) -> Option<&Intent> {
        self.0.intent.as_ref()
    }

    /// What the hub says of each row of a batch that it refused as a whole; empty for any other error.
    pub fn rows(&self) -> &[RowOutcome] {
        &self.0.rows
    }

    /// The hub's own words, at most [`HUB_MESSAGE_MAX_CHARS`] of them. **They may hold anything, a payer's data included**:
    /// the error's message and Debug show them only if they are known to name nobody.
    pub fn hub_message(&self) -> Option<&str> {
        self.0.hub.as_ref().map(|said| &*said.message)
    }

    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match self.0.status {
            Some(status) => write!(f, " (HTTP {})", status.as_u16()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, status, message, intent, rows, hub: _, retry_after: _, hopeless: _, source } = &*self.0;
        f.debug_struct("ClientError")
            .field("kind", kind)
            .field("status", status)
            .field("message", message)
            .field("intent", intent)
            .field("rows", rows)
            .field("source", source)
            .finish_non_exhaustive()
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
