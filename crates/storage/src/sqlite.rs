//! SQLite with one writer, group commit, and a pool of readers.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::error::{StorageError, StorageErrorKind};
use crate::migrate::{Migration, migrate};

/// The oldest SQLite that may be linked: before it a write-ahead log could be corrupted.
pub const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// The most transactions that one commit holds. More would make the first of them wait without sharing the flush much better.
pub const GROUP_MAX: usize = 512;

/// How many transactions may wait for the writer; then [`Sqlite::write`] itself waits.
pub const QUEUE_MAX: usize = 4096;

/// How many readers a store on disk has.
pub const READERS: usize = 4;

/// How long another program's lock is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The bytes of a page in memory. There, a transaction sets aside a copy of each page that it touches, and small ones cost less.
const MEMORY_PAGE: u32 = 1024;

/// After how many pages of the log they are copied into the database, which holds up a commit: at four kilobytes a page, 16 MiB.
/// SQLite's own thousand are copied four times as often, and a busy page each time anew.
const CHECKPOINT_PAGES: u32 = 4_000;

/// Prepared statements that a connection keeps.
const STATEMENTS_CACHED: usize = 128;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In memory, gone when the store is dropped.
    Memory,
    /// A file, made where there is none.
    File(PathBuf),
}

/// A store. Cheap to clone; when the last clone is dropped, the writer commits what it has and stops.
#[derive(Clone)]
pub struct Sqlite {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    commits: Arc<AtomicU64>,
}

enum Engine {
    /// In memory nothing is waited for, so that a hand-over to another thread would be most of a transaction's time: whoever asks
    /// runs it.
    Here(Mutex<Connection>),
    Beside {
        jobs: mpsc::Sender<Work>,
        readers: Arc<Readers>,
    },
}

struct Readers {
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

/// What the writer is asked to do. It answers through a channel of its own.
type Work = Box<dyn FnOnce(&Connection) -> Answer + Send>;
type Tell = Box<dyn FnOnce(Result<(), CommitFailed>) + Send>;

/// The answer to one transaction: told `Ok` after the commit, or why that failed. `keep` is false if its changes are to
/// be undone.
struct Answer {
    keep: bool,
    tell: Tell,
}

/// A failed commit, told to each transaction in it.
#[derive(Clone)]
struct CommitFailed {
    kind: StorageErrorKind,
    why: String,
}

impl Sqlite {
    /// Opens a store and brings its tables up to date. Blocks for as long as that takes; starts one thread for a file, none in
    /// memory.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the file can't be opened, the migrations don't fit, or a too old SQLite is linked.
    pub fn open(location: &Location, migrations: &[Migration]) -> Result<Self, StorageError> {
        if rusqlite::version_number() < SQLITE_VERSION_MIN {
            return Err(StorageError::new(StorageErrorKind::Unavailable, "SQLite is older than 3.51.3"));
        }
        let commits = Arc::new(AtomicU64::new(0));
        let engine = match location {
            Location::Memory => {
                let mut connection = Connection::open_in_memory()?;
                connection.pragma_update(None, "page_size", MEMORY_PAGE)?;
                prepare(&connection)?;
                migrate(&mut connection, migrations)?;
                Engine::Here(Mutex::new(connection))
            }
            Location::File(path) => {
                let mut connection = Connection::open(path)?;
                prepare(&connection)?;
                migrate(&mut connection, migrations)?;
                let readers = Arc::new(Readers::open(path)?);
                let (jobs, queue) = mpsc::channel(QUEUE_MAX);
                let commits = Arc::clone(&commits);
                thread::Builder::new()
                    .name("asaanbill-writer".into())
                    .spawn(move || Writer { connection, queue, commits }.run())
                    .map_err(|error| {
                        StorageError::new(StorageErrorKind::Unavailable, "starting the writer").caused(error)
                    })?;
                Engine::Beside { jobs, readers }
            }
        };
        Ok(Self { inner: Arc::new(Inner { engine, commits }) })
    }

    /// Runs `work` inside a transaction, and resolves when its changes are durable. Transactions run one after another, in
    /// the order in which they were asked for; many may share one commit. If `work` fails, its changes are undone and those
    /// of others are not. In memory `work` runs on the thread that polls, while others wait for it.
    ///
    /// Cancellation: once queued, the transaction runs and commits even if the future is dropped.
    ///
    /// # Errors
    ///
    /// What `work` returns, or a [`StorageError`] turned into it.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let then = move |result: Result<T, E>, committed: Result<(), StorageError>| {
            // A dropped receiver has stopped waiting: nobody is left to tell.
            let _ = tell.send(result.and_then(|value| committed.map(|()| value).map_err(E::from)));
        };
        self.write_then(work, then).await?;
        told.await.map_err(|_| closed())?
    }

    /// As [`write`](Self::write), and hands what came of it to `then`, on the thread that committed: for those who gather what
    /// many ask for into one transaction, so that nobody has to be woken only to pass the answers on. `then` gets what `work`
    /// returned, and, if that is to be kept, whether it is durable. It should be quick, since the writer waits for it.
    ///
    /// Resolves when the transaction has its place in the queue; in memory when it is done. If `work` panics, its changes are
    /// undone and `then` is dropped without being called.
    ///
    /// Cancellation: before it is queued nothing happens, afterwards everything.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the store takes nothing more; `then` is dropped without being called.
    pub async fn write_then<T, E, F, N>(&self, work: F, then: N) -> Result<(), StorageError>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        N: FnOnce(Result<T, E>, Result<(), StorageError>) + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let job: Work = Box::new(move |connection| {
            let result = work(connection);
            Answer {
                keep: result.is_ok(),
                tell: Box::new(move |committed| then(result, committed.map_err(CommitFailed::into_error))),
            }
        });
        match &self.inner.engine {
            Engine::Here(connection) => {
                // Whoever does nothing else lets others have their turn.
                tokio::task::consume_budget().await;
                commit_group(&lock(connection), job, || None, &self.inner.commits);
                Ok(())
            }
            Engine::Beside { jobs, .. } => jobs.send(job).await.map_err(|_| closed()),
        }
    }

    /// Runs `work` on what is committed. On disk, readers never wait for the writer.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// What `work` returns, or a [`StorageError`] turned into it.
    ///
    /// # Panics
    ///
    /// If `work` does.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let readers = match &self.inner.engine {
            Engine::Here(connection) => {
                tokio::task::consume_budget().await;
                return work(&lock(connection));
            }
            Engine::Beside { readers, .. } => Arc::clone(readers),
        };
        let permit = Arc::clone(&readers.permits).acquire_owned().await.map_err(|_| closed())?;
        let job = move || {
            // Given back after the connection is.
            let _permit = permit;
            let lent = Lent::take(&readers);
            work(lent.connection.as_ref().ok_or_else(closed)?)
        };
        match tokio::task::spawn_blocking(job).await {
            Ok(result) => result,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(closed().into()),
            },
        }
    }

    /// How many commits there were since the store was opened: fewer than transactions, where they were shared.
    pub fn commits(&self) -> u64 {
        self.inner.commits.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("commits", &self.commits()).finish_non_exhaustive()
    }
}

/// Runs a statement that is used all the time, without compiling it again.
fn run_cached(connection: &Connection, sql: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// A connection whose user panicked has undone what it did.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> StorageError {
    StorageError::new(StorageErrorKind::Unavailable, "the store is closed")
}

impl Readers {
    fn open(path: &Path) -> Result<Self, StorageError> {
        let connections = (0..READERS).map(|_| {
            let connection = Connection::open(path)?;
            prepare(&connection)?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        });
        let idle = Mutex::new(connections.collect::<Result<_, StorageError>>()?);
        Ok(Self { permits: Arc::new(Semaphore::new(READERS)), idle })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader's connection, which goes back when it is dropped, also by a panic.
struct Lent<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl<'a> Lent<'a> {
    /// As many permits are given as there are connections, so one is there.
    fn take(readers: &'a Readers) -> Self {
        Self { readers, connection: readers.idle().pop() }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.readers.idle().extend(self.connection.take());
    }
}

/// The same for each connection: a write-ahead log, flushed at each commit.
fn prepare(connection: &Connection) -> Result<(), StorageError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Otherwise what a savepoint sets aside goes to a file as soon as it is more than a few pages.
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(())
}

struct Writer {
    connection: Connection,
    queue: mpsc::Receiver<Work>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    fn run(mut self) {
        // Until the last sender is gone.
        while let Some(first) = self.queue.blocking_recv() {
            commit_group(&self.connection, first, || self.queue.try_recv().ok(), &self.commits);
        }
    }
}

/// Runs the first transaction and those that are waiting behind it, commits once, and then tells each.
fn commit_group(connection: &Connection, first: Work, mut next: impl FnMut() -> Option<Work>, commits: &AtomicU64) {
    let mut group = Group { connection, size: 0, kept: false, answers: Vec::new(), broken: None };
    if let Err(error) = run_cached(connection, BEGIN) {
        tracing::error!(%error, "a transaction could not begin");
        // Dropping the job tells its caller that the store isn't available.
        return;
    }
    group.run(first);
    while group.size < GROUP_MAX && group.broken.is_none() {
        let Some(work) = next() else { break };
        group.run(work);
    }
    let committed = match group.broken {
        Some(broken) => Err(broken),
        None => run_cached(connection, "COMMIT").map_err(CommitFailed::of_commit),
    };
    // Open still if the commit failed, unless SQLite has undone it by itself for lack of room.
    if committed.is_err()
        && !connection.is_autocommit()
        && let Err(error) = run_cached(connection, UNDO)
    {
        tracing::error!(%error, "a transaction could not be undone");
    }
    if group.kept && committed.is_ok() {
        commits.fetch_add(1, Ordering::Relaxed);
    }
    for tell in group.answers {
        tell(committed.clone());
    }
}

/// There is one writer of ours; another program's lock is waited for here, and not in the middle.
const BEGIN: &str = "BEGIN IMMEDIATE";
const UNDO: &str = "ROLLBACK";

/// The transactions that one commit will hold.
struct Group<'c> {
    connection: &'c Connection,
    size: usize,
    /// Whether the open transaction holds what somebody wants to keep.
    kept: bool,
    answers: Vec<Tell>,
    /// Set when SQLite lost the whole group, as a full disk makes it do.
    broken: Option<CommitFailed>,
}

impl Group<'_> {
    /// Runs one transaction so that its failure undoes its changes and no others. As long as there are no others, that takes no
    /// savepoint: for one, SQLite sets aside a copy of each page that is touched.
    fn run(&mut self, work: Work) {
        const MARK: &str = "SAVEPOINT one";
        const KEEP: &str = "RELEASE one";
        const UNDO_TO_MARK: &str = "ROLLBACK TO one";
        self.size += 1;
        let marked = self.kept;
        let begun = if marked { run_cached(self.connection, MARK) } else { Ok(()) };
        // A panic is the caller's mistake: the caller is told that its transaction is lost, the store goes on.
        let answer = catch_unwind(AssertUnwindSafe(|| work(self.connection)));
        let keep = answer.as_ref().is_ok_and(|answer| answer.keep);
        let ended = begun.and_then(|()| match (marked, keep) {
            (true, true) => run_cached(self.connection, KEEP),
            (true, false) => run_cached(self.connection, UNDO_TO_MARK).and_then(|()| run_cached(self.connection, KEEP)),
            // SQLite ends a transaction by itself when it has no room to go on. What others want isn't in it yet.
            (false, true) if self.connection.is_autocommit() => Err(lost()),
            (false, true) => Ok(()),
            (false, false) if self.connection.is_autocommit() => run_cached(self.connection, BEGIN),
            (false, false) => run_cached(self.connection, UNDO).and_then(|()| run_cached(self.connection, BEGIN)),
        });
        self.kept |= keep;
        if let Err(error) = ended {
            self.broken = Some(CommitFailed::before_commit(&error, self.connection.is_autocommit()));
        }
        match answer {
            Ok(answer) => self.answers.push(answer.tell),
            Err(_) => tracing::error!("a transaction panicked and was undone"),
        }
    }
}

/// A transaction that is gone although nothing in it failed.
fn lost() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT), None)
}

impl CommitFailed {
    /// Nothing was committed. If SQLite has ended the transaction by itself, it had no room to go on.
    fn before_commit(error: &rusqlite::Error, ended_by_itself: bool) -> Self {
        tracing::error!(%error, ended_by_itself, "a group of transactions failed");
        let kind = if ended_by_itself { StorageErrorKind::Full } else { StorageErrorKind::Statement };
        Self { kind, why: "the group of this transaction was rolled back".into() }
    }

    /// A commit that found no room is rolled back; of any other failure nobody knows how far it got.
    fn of_commit(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "a commit failed");
        let kind = match StorageError::from(error).kind() {
            known @ (StorageErrorKind::Full | StorageErrorKind::Unavailable) => known,
            _ => StorageErrorKind::Unknown,
        };
        Self { kind, why: "the commit of this transaction's group failed".into() }
    }

    fn into_error(self) -> StorageError {
        StorageError::new(self.kind, "committing").caused(self.why)
    }
}
