//! Why a receiver can't be started or asked.

use asaanbill_storage::StorageError;

/// A receiver whose store fails.
#[derive(Debug, thiserror::Error)]
#[error("the inbox failed")]
pub struct ReceiverError(#[from] StorageError);
