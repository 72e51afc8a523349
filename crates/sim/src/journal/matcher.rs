//! Which requests a test expects.

use std::fmt;

use asaanbill_wire::Endpoint;

use super::record::{RequestId, RequestOutcome, RequestRecord};
use crate::endpoint_name::endpoint_name;
use crate::fault::FaultKind;

/// Which requests are meant: all that fulfil every condition.
///
/// ```
/// use asaanbill_sim::RequestMatcher;
/// use asaanbill_wire::Endpoint;
///
/// let second_try = RequestMatcher::to(Endpoint::Add).status(200).body_contains(r#""FS-BSCS-095""#);
/// # drop(second_try);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct RequestMatcher {
    conditions: Vec<Condition>,
}

#[derive(Clone, PartialEq, Eq)]
enum Condition {
    Endpoint(Endpoint),
    Status(u16),
    NoAnswer,
    User(String),
    Address(String),
    Body(String),
    Fault(FaultKind),
    NoFault,
    After(RequestId),
}

impl RequestMatcher {
    /// Any request but those to the simulator's own pages.
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests of an operation.
    pub fn to(endpoint: Endpoint) -> Self {
        Self::any().and(Condition::Endpoint(endpoint))
    }

    /// Answered with this status.
    pub fn status(self, status: u16) -> Self {
        self.and(Condition::Status(status))
    }

    /// Without an answer: dropped by a fault, or abandoned by the client.
    pub fn no_answer(self) -> Self {
        self.and(Condition::NoAnswer)
    }

    /// That name this user.
    pub fn user(self, user: impl Into<String>) -> Self {
        self.and(Condition::User(user.into()))
    }

    /// Whose path and query have this in them.
    pub fn address_contains(self, text: impl Into<String>) -> Self {
        self.and(Condition::Address(text.into()))
    }

    /// Whose body, as far as it is kept and with its secrets removed, has this in it.
    pub fn body_contains(self, text: impl Into<String>) -> Self {
        self.and(Condition::Body(text.into()))
    }

    /// That this fault befell.
    pub fn fault(self, kind: FaultKind) -> Self {
        self.and(Condition::Fault(kind))
    }

    /// That no fault befell.
    pub fn no_fault(self) -> Self {
        self.and(Condition::NoFault)
    }

    /// That came later than another one.
    pub fn after(self, request: RequestId) -> Self {
        self.and(Condition::After(request))
    }

    fn and(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Whether a request is meant.
    pub fn matches(&self, request: &RequestRecord) -> bool {
        self.conditions.iter().all(|condition| condition.holds(request))
    }

    /// How many conditions hold.
    pub(crate) fn nearness(&self, request: &RequestRecord) -> usize {
        self.conditions.iter().filter(|condition| condition.holds(request)).count()
    }

    /// What of a request is otherwise.
    pub(crate) fn differences(&self, request: &RequestRecord) -> Vec<String> {
        let otherwise = self.conditions.iter().filter(|condition| !condition.holds(request));
        otherwise.map(|condition| condition.difference(request)).collect()
    }
}

impl Condition {
    fn holds(&self, request: &RequestRecord) -> bool {
        match self {
            Self::Endpoint(endpoint) => request.endpoint() == Some(*endpoint),
            Self::Status(status) => request.status().is_some_and(|is| is.as_u16() == *status),
            Self::NoAnswer => request.status().is_none(),
            Self::User(user) => request.user() == Some(user),
            Self::Address(text) => request.address().contains(text.as_str()),
            Self::Body(text) => memchr::memmem::find(request.body().bytes(), text.as_bytes()).is_some(),
            Self::Fault(kind) => request.fault() == Some(*kind),
            Self::NoFault => request.fault().is_none(),
            Self::After(id) => request.id() > *id,
        }
    }

    /// What was there in its place. A body isn't shown: it holds payers' data.
    fn difference(&self, request: &RequestRecord) -> String {
        let found = match self {
            Self::Endpoint(_) => request.endpoint().map_or("no operation", endpoint_name).to_owned(),
            Self::Status(_) | Self::NoAnswer => match request.outcome() {
                RequestOutcome::Answered(status) => format!("status {}", status.as_u16()),
                outcome => outcome.to_string(),
            },
            Self::User(_) => request.user().map_or_else(|| "no user".to_owned(), |user| format!("user {user}")),
            Self::Address(_) => request.address().to_owned(),
            Self::Body(_) => {
                let body = request.body();
                let kept = if body.is_truncated() { ", of which only the beginning is kept" } else { "" };
                match body.length() {
                    Some(length) => format!("another body of {length} bytes{kept}"),
                    None => "a body that nobody read".to_owned(),
                }
            }
            Self::Fault(_) | Self::NoFault => {
                request.fault().map_or_else(|| "no fault".to_owned(), |fault| format!("fault {fault}"))
            }
            Self::After(_) => format!("request {}", request.id()),
        };
        format!("expected {self}, was {found}")
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(endpoint) => f.write_str(endpoint_name(*endpoint)),
            Self::Status(status) => write!(f, "status {status}"),
            Self::NoAnswer => f.write_str("no answer"),
            Self::User(user) => write!(f, "user {user}"),
            Self::Address(text) => write!(f, "an address with {text}"),
            Self::Body(text) => write!(f, "a body with {text}"),
            Self::Fault(kind) => write!(f, "fault {kind}"),
            Self::NoFault => f.write_str("no fault"),
            Self::After(id) => write!(f, "after request {id}"),
        }
    }
}

impl fmt::Display for RequestMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conditions: Vec<_> = self.conditions.iter().map(ToString::to_string).collect();
        if conditions.is_empty() { f.write_str("any request") } else { f.write_str(&conditions.join(", ")) }
    }
}

impl fmt::Debug for RequestMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestMatcher({self})")
    }
}
