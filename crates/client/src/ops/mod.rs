//! The hub's operations.

mod add;
mod bulk;
mod create;
mod outstanding;
mod payments;
mod raw;

pub use add::{Detached, GENERATED_PREFIX};
pub(crate) use bulk::outcomes_of;
pub use bulk::{BulkAccepted, BulkRequest, BulkSummary, RowOutcome};
pub(crate) use create::not_noted;
pub use payments::Page;

use bytes::Bytes;
use serde::Serialize;

use crate::error::{ClientError, ErrorKind};

/// The paths of the operations that create, which never change.
pub(crate) const FIXED_PATHS: [&str; 5] =
    [add::PSID_PATH, add::STATIC_QR_PATH, add::OPEN_QR_PATH, add::DYNAMIC_QR_PATH, bulk::PATH];

fn body(request: &impl Serialize, capacity: usize) -> Result<Bytes, ClientError> {
    let mut written = Vec::with_capacity(capacity);
    serde_json::to_writer(&mut written, request)
        .map_err(|error| ClientError::new(ErrorKind::NotSent, "the request can't be written").caused(error))?;
    Ok(Bytes::from(written))
}

/// A path with a query.
pub(crate) fn with_query<'q>(path: &str, pairs: impl IntoIterator<Item = (&'q str, String)>) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{path}?{query}")
}
