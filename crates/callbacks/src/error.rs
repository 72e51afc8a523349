//! Why a receiver can't be started or asked.

use asaanbill_storage::StorageError;

/// A receiver that can't be started or asked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ReceiverError(#[from] Why);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Why {
    #[error("the inbox failed; what was acknowledged is kept, and nothing is acknowledged until it works again")]
    Store(#[from] StorageError),
    #[error("the receiver's settings: {0}")]
    Settings(String),
}

/// What sort of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiverErrorKind {
    /// The inbox can't be opened, read or written.
    Store,
    /// Settings that aren't allowed, or don't fit together: the message names each.
    Settings,
}

impl ReceiverError {
    /// What sort of failure.
    pub fn kind(&self) -> ReceiverErrorKind {
        match self.0 {
            Why::Store(_) => ReceiverErrorKind::Store,
            Why::Settings(_) => ReceiverErrorKind::Settings,
        }
    }
}

impl From<StorageError> for ReceiverError {
    fn from(error: StorageError) -> Self {
        Self(error.into())
    }
}
