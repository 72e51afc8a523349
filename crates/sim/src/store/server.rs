//! A store on PostgreSQL, which other instances may share: its connections, the thread on which sets are committed, how many are
//! under way at once, and which are presumed to have new identifiers.

use std::convert::Infallible;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use asaanbill_storage::{Isolation, Migration, Postgres, StorageError};
use jiff::Timestamp;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::book::Book;
use super::newcomers::{self, GivenNumbers};
use super::postgres::PostgresTx;
use super::{Script, Set};

/// How many sets are under way at once, at most.
const LANES: u8 = 2;

/// How long a set is waited for before another one goes on beside it. A large set costs the server less than two small ones, so
/// there is one at a time, unless one takes long: a batch, or a server far away.
pub(crate) const PATIENCE: Duration = Duration::from_millis(25);

/// Among how many rows of the kept totals instances choose theirs. Two that chose the same wait for each other's commits, so there are
/// many more than instances.
const SHARDS: u64 = 256;

pub(crate) struct Server {
    /// For what is asked on the runtime of whoever asks.
    pool: Postgres,
    writer: Writer,
    doubt: Doubt,
    /// Where this instance's part of the kept totals begins. A lane has a shard of its own there.
    first_shard: i64,
    lanes: Lanes,
}

/// The thread on which sets are committed, as SQLite has one. Among the tasks that answer requests, a set would wait for its turn
/// behind all of them whenever the server has answered, and the server would have nothing to do meanwhile.
struct Writer {
    /// Its own connections, which its runtime drives.
    pool: Postgres,
    runtime: Handle,
    /// The thread ends when this is dropped.
    _stop: oneshot::Sender<Infallible>,
}

/// How many more sets that only add are not presumed to have new identifiers, since one was and had not: who adds to the same
/// identifiers again and again would have each set decided twice.
#[derive(Debug, Default)]
struct Doubt(AtomicU32);

/// How many they are.
const DOUBTED: u32 = 16;

impl Doubt {
    fn begin(&self) {
        self.0.store(DOUBTED, Ordering::Relaxed);
    }

    /// Whether there is none; each question is for a set.
    fn is_over(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err()
    }
}

/// One set at a time has each of these.
struct Lanes {
    usual: Semaphore,
    beside: Semaphore,
}

/// The way of one set. The next one waits until it is dropped.
pub(crate) struct Lane<'s> {
    server: &'s Server,
    shard: i64,
    _permit: SemaphorePermit<'s>,
}

impl Server {
    pub(super) async fn connect(url: &str, migrations: &[Migration]) -> Result<Self, StorageError> {
        let pool = Postgres::connect(url, migrations).await?;
        // By chance: in containers every program has the same process number.
        let instance = i64::try_from(RandomState::new().hash_one(SHARDS) % SHARDS).unwrap_or_default();
        // Scripts that are no sets share the first.
        let first_shard = instance * (i64::from(LANES) + 1);
        let writer = Writer::start(pool.beside(LANES.into())?)?;
        Ok(Self { pool, writer, doubt: Doubt::default(), first_shard, lanes: Lanes::new() })
    }

    /// Where sets are committed.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.writer.runtime
    }

    pub(super) async fn look<S: Script>(&self, script: &S) -> Result<S::Answer, StorageError> {
        let shard = self.first_shard;
        self.pool.read(move |tx| async move { script.run(&PostgresTx::new(tx, shard)).await }).await
    }

    pub(super) async fn change<S: Script>(&self, script: &S) -> Result<S::Answer, StorageError> {
        change_in(&self.pool, self.first_shard, script).await
    }

    /// Waits for a lane. None when the store is closed. To be called on [`runtime`](Self::runtime).
    pub(crate) async fn lane(&self) -> Option<Lane<'_>> {
        let (lane, permit) = self.lanes.enter().await?;
        Some(Lane { server: self, shard: self.first_shard + lane, _permit: permit })
    }
}

async fn change_in<S: Script>(pool: &Postgres, shard: i64, script: &S) -> Result<S::Answer, StorageError> {
    let change = move |tx| async move { script.run(&PostgresTx::new(tx, shard)).await };
    pool.transaction(Isolation::ReadCommitted, change).await
}

impl Writer {
    fn start(pool: Postgres) -> Result<Self, StorageError> {
        let failed = |error| {
            tracing::error!(%error, "no thread for the writer");
            StorageError::unavailable("starting the writer")
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || _ = runtime.block_on(stopped);
        thread::Builder::new().name("asaanbill-writer".into()).spawn(run).map_err(failed)?;
        Ok(Self { pool, runtime: handle, _stop: stop })
    }
}

impl Lanes {
    fn new() -> Self {
        Self { usual: Semaphore::new(1), beside: Semaphore::new(1) }
    }

    /// Waits for one of them, and says which of [`LANES`] it is, from 1.
    async fn enter(&self) -> Option<(i64, SemaphorePermit<'_>)> {
        let (lane, permit) = tokio::select! {
            biased;
            permit = self.usual.acquire() => (1, permit),
            permit = self.beside.acquire() => (2, permit),
        };
        Some((lane, permit.ok()?))
    }
}

impl Lane<'_> {
    /// Adds what a set adds, where that is all and nobody has its identifiers. None otherwise: nothing is changed then.
    pub(crate) async fn add<A, D>(&self, set: &Set<'_, D>) -> Result<Option<(A, GivenNumbers)>, StorageError>
    where
        D: Fn(&mut Book, Timestamp) -> Result<A, StorageError>,
    {
        let Some(count) = newcomers::count(set) else { return Ok(None) };
        if !self.server.doubt.is_over() {
            return Ok(None);
        }
        let added = newcomers::add(&self.server.writer.pool, self.shard, set, count).await?;
        if added.is_none() {
            self.server.doubt.begin();
        }
        Ok(added)
    }

    pub(crate) async fn change<S: Script>(&self, script: &S) -> Result<S::Answer, StorageError> {
        change_in(&self.server.writer.pool, self.shard, script).await
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::{DOUBTED, Doubt, LANES, Lanes};

    #[test]
    fn doubt_is_over_after_some_sets() {
        let doubt = Doubt::default();
        assert!(doubt.is_over() && doubt.is_over());
        doubt.begin();
        for _ in 0..DOUBTED {
            assert!(!doubt.is_over());
        }
        assert!(doubt.is_over());
    }

    #[tokio::test]
    async fn there_are_two_lanes_and_the_first_is_preferred() {
        let lanes = Lanes::new();
        let (first, usual) = lanes.enter().await.unwrap();
        let (second, beside) = lanes.enter().await.unwrap();
        assert_eq!((first, second), (1, LANES.into()));

        let mut third = Box::pin(lanes.enter());
        assert!(third.as_mut().now_or_never().is_none(), "there is no third lane");
        drop(usual);
        assert_eq!(third.await.map(|(lane, _)| lane), Some(1));
        drop(beside);
        assert_eq!(lanes.enter().await.map(|(lane, _)| lane), Some(1));
    }
}
