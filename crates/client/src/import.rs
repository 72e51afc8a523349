//! Many bills, chunk by chunk.

mod chunk;
mod chunker;
mod progress;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use asaanbill_core::{BULK_ROWS_MAX, Bill, BulkRequestId, Psid};
use futures_util::Stream;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use self::chunk::Done;
use self::chunker::Chunker;
pub use self::progress::Progress;
use crate::Client;
use crate::error::ClientError;
use crate::ops::RowOutcome;

/// The most bytes of one chunk if nothing is said: below the 4 MiB that a server usually takes.
pub const CHUNK_BYTES: usize = 3 * 1024 * 1024;

/// How many chunks are under way at once if nothing is said: one is worked on while the next is on its way. The hub assigns
/// PSIDs one after another in any case.
pub const CHUNKS_IN_FLIGHT: usize = 2;

/// The most chunks that may be under way at once: each holds its rows in memory.
pub const CHUNKS_IN_FLIGHT_MAX: usize = 64;

/// How often one run sends a chunk at most, each time after it was proven not to be there.
pub const SUBMISSIONS_MAX: usize = 3;

/// How an import is done.
///
/// ```
/// use std::time::Duration;
/// use asaanbill_client::ImportOptions;
///
/// let fees = ImportOptions::named("fees-2027-03").in_flight(4).wait_for_psids(Duration::from_secs(600));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    name: Option<Arc<str>>,
    chunk_rows: usize,
    chunk_bytes: usize,
    in_flight: usize,
    psids: Option<Duration>,
}

impl ImportOptions {
    /// An import without a name: it can't be resumed.
    pub fn new() -> Self {
        Self {
            name: None,
            chunk_rows: BULK_ROWS_MAX,
            chunk_bytes: CHUNK_BYTES,
            in_flight: CHUNKS_IN_FLIGHT,
            psids: None,
        }
    }

    /// An import that can be resumed under its name, with the same rows in the same order, from a journal that is durable.
    /// Another import needs another name.
    pub fn named(name: &str) -> Self {
        Self { name: Some(name.into()), ..Self::new() }
    }

    /// The most rows of a chunk, from 1 to 5000. 5000 if nothing is said.
    #[must_use]
    pub fn chunk_rows(mut self, rows: usize) -> Self {
        self.chunk_rows = rows.clamp(1, BULK_ROWS_MAX);
        self
    }

    /// The most bytes of a chunk; a single row may be longer. [`CHUNK_BYTES`] if nothing is said.
    #[must_use]
    pub fn chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = bytes;
        self
    }

    /// How many chunks are under way at once, from 1 to [`CHUNKS_IN_FLIGHT_MAX`]. [`CHUNKS_IN_FLIGHT`] if nothing is said.
    #[must_use]
    pub fn in_flight(mut self, chunks: usize) -> Self {
        self.in_flight = chunks.clamp(1, CHUNKS_IN_FLIGHT_MAX);
        self
    }

    /// Waits for each batch's PSIDs, at most so long, before its rows are given. Not if nothing is said: the hub assigns
    /// them later.
    #[must_use]
    pub fn wait_for_psids(mut self, at_most: Duration) -> Self {
        self.psids = Some(at_most);
        self
    }
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What an import gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ImportEvent {
    /// What became of a row. Rows come in the order in which they were given, each once.
    Row(ImportedRow),
    /// How far it is, after each chunk.
    Progress(Progress),
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedRow {
    /// Its position, from 0.
    pub position: u64,
    /// Accepted, or not.
    pub outcome: RowOutcome,
    /// The batch that holds it, if its number is known.
    pub batch: Option<BulkRequestId>,
    /// Its PSID, if it was waited for and has come.
    pub psid: Option<Psid>,
}

/// An import under way. A [`Stream`], and for those who need no more, [`next`](Self::next). Nothing happens unless it is
/// asked.
#[must_use = "an import does nothing unless it is asked for its events"]
pub struct Import(BoxStream<'static, Result<ImportEvent, ClientError>>);

impl Client {
    /// Adds any number of bills in batches. Memory depends on the options, not on the number of bills.
    ///
    /// Each chunk is noted in the journal before it is sent, and sent once. If its outcome is unknown, the import
    /// [resolves](Self::resolve) it before it goes on with it, which may take minutes; only a chunk that is proven not to be
    /// there is sent again, [`SUBMISSIONS_MAX`] times at most. An identifier's rows are added in their order, also from one
    /// chunk to another: the later one wins.
    ///
    /// **Resuming**: an import with a [name](ImportOptions::named) that was killed at any moment is given the same rows in
    /// the same order again. Chunks whose outcome the journal knows aren't sent, and their rows are given as they were;
    /// chunks that were under way are resolved first. Rows that differ from the first run's end it with
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused). Of the settings for single payments,
    /// [`PastDue::Refused`](crate::PastDue) isn't heeded: a resumed import must not see other rows than the first run.
    ///
    /// An error ends it, in the order of the rows: what follows the failed chunk is not sent, but chunks that were under way
    /// are seen to their end, and their rows follow the error.
    ///
    /// Cancellation: chunks that were under way are open in the journal. Resume to find out.
    pub fn import(&self, bills: impl Stream<Item = Bill> + Send + 'static, options: ImportOptions) -> Import {
        let (client, in_flight) = (self.clone(), options.in_flight);
        let mut tally = progress::Tally::begin();
        let chunks = Chunker::new(client, bills.boxed(), options).into_stream();
        let events = chunks.buffered(in_flight).flat_map(move |done| match done {
            Ok(done) => stream::iter(tally.events(done)).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        });
        Import(events.boxed())
    }
}

impl Import {
    /// The next event, or none at the end.
    ///
    /// Cancellation: safe; what is under way goes on when it is asked again.
    pub async fn next(&mut self) -> Option<Result<ImportEvent, ClientError>> {
        self.0.next().await
    }
}

impl Stream for Import {
    type Item = Result<ImportEvent, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").finish_non_exhaustive()
    }
}
