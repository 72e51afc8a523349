//! The hub's operations.

mod add;
mod bulk;
mod payments;

pub use bulk::{BulkAccepted, BulkRequest, BulkSummary, RowOutcome};
pub use payments::Page;

use bytes::Bytes;
use serde::Serialize;

use crate::error::{ClientError, ErrorKind};

fn body(request: &impl Serialize) -> Result<Bytes, ClientError> {
    let written = serde_json::to_vec(request);
    written
        .map(Bytes::from)
        .map_err(|error| ClientError::new(ErrorKind::NotSent, "the request can't be written").caused(error))
}

/// A path with a query.
fn with_query<'q>(path: &str, pairs: impl IntoIterator<Item = (&'q str, String)>) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{path}?{query}")
}

/// When something is sent, for whoever has to look for it later.
#[expect(clippy::disallowed_methods, reason = "a client is an outermost layer")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
