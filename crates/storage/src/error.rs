//! Why nothing was stored or read.

use std::fmt;

/// A failure of the store. Nothing of what was asked has changed, except where [`StorageErrorKind::Unknown`] says so.
#[derive(Debug)]
pub struct StorageError {
    kind: StorageErrorKind,
    context: &'static str,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What sort of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// No room left on the device.
    Full,
    /// The store can't be opened or reached, is locked by others for too long, or is closed.
    Unavailable,
    /// The store was written by a newer version of the program, or its migrations aren't those that were applied.
    Migration,
    /// A statement failed: a mistake in the program, or a broken file.
    Statement,
    /// The commit failed on its way to the disk, or the server was lost on the way: whether the changes are there shows only
    /// after reopening or reconnecting.
    Unknown,
}

impl StorageError {
    pub(crate) fn new(kind: StorageErrorKind, context: &'static str) -> Self {
        Self { kind, context, source: None }
    }

    pub(crate) fn caused(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// A store that holds what makes no sense to the program that reads it: a mistake, or somebody else has written to it.
    pub fn senseless(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(StorageErrorKind::Statement, "reading what is stored").caused(source)
    }

    /// A store that takes nothing more.
    pub fn closed() -> Self {
        Self::new(StorageErrorKind::Unavailable, "the store is closed")
    }

    /// The same failure, for another of those that it concerns: with the cause in words.
    #[must_use]
    pub fn repeated(&self) -> Self {
        let source = self.source.as_ref().map(|source| source.to_string().into());
        Self { kind: self.kind, context: self.context, source }
    }

    /// For those who store something of their own: what was read is nothing that they wrote. `context` names it, without its
    /// value.
    pub fn unreadable(context: &'static str) -> Self {
        Self::new(StorageErrorKind::Statement, context)
    }

    /// For those who pass work on to somebody else who is gone, or gave up: nothing was stored as far as is known.
    pub fn unavailable(context: &'static str) -> Self {
        Self::new(StorageErrorKind::Unavailable, context)
    }

    /// What sort of failure.
    pub fn kind(&self) -> StorageErrorKind {
        self.kind
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = match self.kind {
            StorageErrorKind::Full => "no room left on the device; free some and try again",
            StorageErrorKind::Unavailable => {
                "the store is not available; nothing has changed, try again when the cause is gone"
            }
            StorageErrorKind::Migration => "the store's migrations are not this program's; use the newer version",
            StorageErrorKind::Statement => {
                "a statement failed and nothing has changed; trying again won't help, the cause has to be mended"
            }
            StorageErrorKind::Unknown => "the commit failed on its way; open the store again to see whether it holds",
        };
        write!(f, "{}: {advice}", self.context)
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StorageErrorKind::Full,
            Some(ErrorCode::CannotOpen | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::ReadOnly) => {
                StorageErrorKind::Unavailable
            }
            _ => StorageErrorKind::Statement,
        };
        Self::new(kind, "SQLite").caused(error)
    }
}

#[cfg(feature = "postgres")]
impl From<tokio_postgres::Error> for StorageError {
    /// What the server says about values is left out.
    fn from(error: tokio_postgres::Error) -> Self {
        use crate::postgres::sqlstate;
        Self::new(sqlstate::kind(&error), "PostgreSQL").caused(sqlstate::said(&error))
    }
}
