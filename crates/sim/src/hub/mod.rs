//! The eight operations and the bank's side. What changes something is a [`Command`], decided over a book; what only shows
//! something asks the store. The rules are the domain's, the rows the store's.

mod add;
mod bulk;
mod command;
mod login;
mod pay;
mod read;

use asaanbill_storage::StorageError;
use asaanbill_wire::Message;
use http::StatusCode;

pub(crate) use bulk::{Batch, Push};
pub use bulk::{BulkProgress, UnknownProgress};
#[cfg(feature = "postgres")]
pub(crate) use command::renumber;
pub(crate) use command::{Act, Cause, Command, Outcome, decide, wants};
pub(crate) use login::{Credentials, Token, check_password, digest, hash_password, published_digest};
pub(crate) use read::{bulk_detail, bulk_list, payment, payments, search};

/// What the hub answers instead of success. Nothing has changed. Its data repeats a request: it has no `Debug`.
pub(crate) struct Refusal {
    /// The HTTP status and the envelope's code.
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// The envelope's data, as JSON, where a refusal has any.
    pub(crate) data: Option<Box<serde_json::value::RawValue>>,
    /// After how many seconds it is worth trying again.
    pub(crate) retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), data: None, retry_after: None }
    }

    pub(crate) fn bad_request(message: Message) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message.as_str())
    }

    /// Somebody tries too often. (assumed)
    pub(crate) fn too_many(wait: std::time::Duration) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many login attempts");
        // A second more than a part of one.
        Self { retry_after: Some(wait.as_secs() + 1), ..refusal }
    }

    pub(crate) fn not_found(message: Message) -> Self {
        Self::new(StatusCode::NOT_FOUND, message.as_str())
    }
}

/// A broken store is the hub's own trouble, and nobody else's business.
impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
    }
}
