//! What went wrong, and whether it may be tried again.

use std::error::Error;
use std::fmt;

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
    #[error("the hub's base address is not allowed: {0}")]
    Base(&'static str),
    /// There are no credentials.
    #[error("a client needs credentials: a user name of visible ASCII characters and a password")]
    Credentials,
    /// The transport can't be built.
    #[error("the client's transport can't be built")]
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
    /// Whether the hub has done it isn't known: [`ClientError::intent`] says what to look for. Sending it again may bill a
    /// second time.
    OutcomeUnknown,
    /// A request that only reads got no answer. It may be sent again.
    NoAnswer,
    /// The hub doesn't know the user, or the password is wrong. (The guide's 404 to a login, or a 401)
    Credentials,
    /// The user may not do this, or the channel is another's.
    Forbidden,
    /// The hub refused what was asked for; it has done nothing.
    Refused,
    /// There is no such payment or batch.
    NotFound,
    /// Something else than the hub has answered, or the hub in a way that can't be read.
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
            source: None,
        }))
    }

    pub(crate) fn transport(kind: ErrorKind, error: TransportError) -> Self {
        let message = match kind {
            ErrorKind::NotSent => "the request was not sent; it may be sent again",
            ErrorKind::OutcomeUnknown => "nobody knows whether the hub has done it; look before sending it again",
            _ => "the hub did not answer; it may be asked again",
        };
        Self::new(kind, message).caused(error)
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
    pub(crate) fn intended(mut self, intent: impl FnOnce() -> Intent) -> Self {
        if self.is_outcome_unknown() {
            self.0.intent = Some(intent());
        }
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

    /// What was to be created, if nobody knows whether it was.
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
        let Inner { kind, status, message, intent, rows, hub: _, source } = &*self.0;
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
