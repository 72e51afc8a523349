//! Where intents are noted before they are sent.

mod memory;
#[cfg(feature = "journal-sqlite")]
mod sqlite;

pub use memory::{CHUNKS_MAX, IDENTIFIERS_MAX, INTENTS_MAX, MemoryJournal};
#[cfg(feature = "journal-sqlite")]
pub use sqlite::SqliteJournal;

use std::error::Error;
use std::fmt;

use asaanbill_core::{BulkRequestId, Identifier, PaymentId, Psid};
use async_trait::async_trait;
use jiff::Timestamp;

use crate::intent::{Intent, IntentId, Wanted};
use crate::ops::RowOutcome;

/// Notes what is to be created **before** it is sent, and what became of it. So a program that was killed at any moment finds
/// what it doesn't know, and no identifier is billed anew while nobody knows whether it was billed already.
///
/// One journal belongs to one channel of one hub. Several programs may share one that is durable.
///
/// Implementations: [`MemoryJournal`], which forgets with the program, and `SqliteJournal` (feature `journal-sqlite`). One
/// of your own must keep these rules:
/// - what [`begin`](Self::begin) returns is as durable as the journal promises before it resolves;
/// - `begin` refuses an intent of which any identifier is among those of an open intent, or whose key was added already, all
///   of it atomically;
/// - nothing closes an intent but [`close`](Self::close).
///
/// It holds payers' data: keep it as safe as your own records.
#[async_trait]
pub trait Journal: fmt::Debug + Send + Sync {
    /// Notes an intent, unless one of its identifiers has an open one, or its key was added already.
    ///
    /// Cancellation: it may be noted; then it is open, and is found among [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it can't be noted: then nothing is sent.
    async fn begin(&self, draft: Draft) -> Result<Begun, JournalError>;

    /// Notes what became of an intent, which ends it: its identifiers are free again. One that isn't open stays as it is.
    ///
    /// Cancellation: it may be noted.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it can't be noted: the intent stays open, and can be resolved later.
    async fn close(&self, intent: IntentId, how: Closed) -> Result<(), JournalError>;

    /// The intents whose outcome nobody has noted, oldest first, after `after` and at most `limit` of them.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it can't be read.
    async fn open(&self, after: Option<IntentId>, limit: usize) -> Result<Vec<Intent>, JournalError>;

    /// What is known of an identifier's newest payment.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it can't be read.
    async fn known(&self, identifier: &Identifier) -> Result<Option<Known>, JournalError>;

    /// Whether a batch is known to belong to another intent than the open ones.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it can't be read.
    async fn has_batch(&self, batch: BulkRequestId) -> Result<bool, JournalError>;

    /// What is noted of a chunk of an import.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it can't be read.
    async fn chunk(&self, chunk: &ChunkKey) -> Result<Option<ChunkRecord>, JournalError>;
}

/// What is to be noted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Draft {
    /// What is wanted.
    pub wanted: Wanted,
    /// When it will be sent.
    pub sent_at: Timestamp,
    /// Which part of which import it is, if it is one, or the caller's own key.
    pub chunk: Option<(ChunkKey, Digest)>,
}

/// Whether it was noted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Begun {
    /// It was, with the payment that was known of its identifier before, if it takes one identifier.
    Noted(Intent, Option<Known>),
    /// It wasn't: this one, for one of the same identifiers, is open.
    Open(Intent),
    /// It wasn't: what has the same key was added already.
    Done(ChunkRecord),
}

/// What became of an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// It is proven that it wasn't sent.
    NotSent,
    /// The hub refused it. Of a batch: what it said of each row, if it did.
    Refused(Vec<RowOutcome>),
    /// The payment exists.
    Added(Known),
    /// The batch exists.
    AddedBulk {
        /// The batch's number, if it is known.
        batch: Option<BulkRequestId>,
        /// The rows that weren't accepted, by position, with what became of them.
        exceptions: Vec<(usize, RowOutcome)>,
    },
    /// It was looked for until nothing could arrive any more, and isn't there.
    NotFound,
    /// It is there several times, and the caller was told.
    Duplicate,
}

/// What is known of an identifier: its newest payment as far as this journal knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The PSID, which is the identifier's for ever.
    pub psid: Option<Psid>,
    /// The payment.
    pub payment: Option<PaymentId>,
}

/// Which part of which import, or the caller's own key of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkKey {
    /// The import's name behind `import:`, or the caller's key behind `add:`.
    pub import: Box<str>,
    /// The part's position, from 0.
    pub position: u64,
}

/// What the rows of a chunk are, in brief: equal rows have equal digests on every machine.
pub type Digest = [u8; 16];

/// FNV-1a of 128 bits over fields, each with its length before it. It guards against mistakes, not against malice.
pub(crate) fn digest<F: AsRef<[u8]>>(fields: impl IntoIterator<Item = F>) -> Digest {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash = OFFSET;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
        }
    };
    for field in fields {
        let field = field.as_ref();
        add(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        add(field);
    }
    hash.to_be_bytes()
}

/// What is noted of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkRecord {
    /// How many rows it has.
    pub rows: usize,
    /// What they are.
    pub digest: Digest,
    /// What became of it.
    pub state: ChunkState,
}

/// What became of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkState {
    /// Nobody knows.
    Open(Intent),
    /// It ended so.
    Closed(Closed),
}

impl Draft {
    /// What is to be noted of a payment or a batch that is no part of an import.
    pub fn new(wanted: Wanted, sent_at: Timestamp) -> Self {
        Self { wanted, sent_at, chunk: None }
    }
}

impl ChunkKey {
    pub(crate) fn of_import(name: &str, position: u64) -> Self {
        Self { import: format!("import:{name}").into(), position }
    }

    pub(crate) fn of_add(key: &str) -> Self {
        Self { import: format!("add:{key}").into(), position: 0 }
    }
}

impl ChunkRecord {
    /// Whether it exists in the hub, as far as the journal knows.
    pub(crate) fn is_added(&self) -> bool {
        matches!(self.state, ChunkState::Closed(Closed::Added(_) | Closed::AddedBulk { .. }))
    }

    /// For whoever writes a [`Journal`].
    pub fn new(rows: usize, digest: Digest, state: ChunkState) -> Self {
        Self { rows, digest, state }
    }
}

/// A journal that can't note or be read.
#[derive(Debug)]
pub struct JournalError {
    message: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl JournalError {
    /// For whoever writes a [`Journal`]: what can't be done. It must hold no payer's data, and neither must the source.
    pub fn new(message: &'static str) -> Self {
        Self { message, source: None }
    }

    /// With its cause.
    #[must_use]
    pub fn caused(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the journal: {}", self.message)
    }
}

impl Error for JournalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
