//! A store on PostgreSQL, which other instances may share: its connections, and how many sets are under way at once.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::time::Duration;

use asaanbill_storage::{Isolation, Migration, Postgres, StorageError};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::Script;
use super::postgres::PostgresTx;

/// How many sets are under way at once, at most.
const LANES: i64 = 2;

/// How long a set is waited for before another one goes on beside it. A large set costs the server less than two small ones, so
/// there is one at a time, unless one takes long: a batch, or a server far away.
const PATIENCE: Duration = Duration::from_millis(25);

/// How many instances write their kept totals to rows of their own; of more than that, some meet at one.
const SHARDS: u64 = 16;

pub(crate) struct Server {
    pool: Postgres,
    /// Where this instance's part of the kept totals begins. A lane has a shard of its own there.
    first_shard: i64,
    lanes: Lanes,
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
        let first_shard = instance * (LANES + 1);
        Ok(Self { pool, first_shard, lanes: Lanes::new() })
    }

    pub(super) async fn look<S: Script>(&self, script: &S) -> Result<S::Answer, StorageError> {
        let shard = self.first_shard;
        self.pool.read(move |tx| async move { script.run(&PostgresTx::new(tx, shard)).await }).await
    }

    pub(super) async fn change<S: Script>(&self, script: &S) -> Result<S::Answer, StorageError> {
        self.change_in(self.first_shard, script).await
    }

    /// Waits for a lane. None when the store is closed.
    pub(crate) async fn lane(&self) -> Option<Lane<'_>> {
        let (lane, permit) = self.lanes.enter().await?;
        Some(Lane { server: self, shard: self.first_shard + lane, _permit: permit })
    }

    async fn change_in<S: Script>(&self, shard: i64, script: &S) -> Result<S::Answer, StorageError> {
        let change = move |tx| async move { script.run(&PostgresTx::new(tx, shard)).await };
        self.pool.transaction(Isolation::ReadCommitted, change).await
    }
}

impl Lanes {
    fn new() -> Self {
        Self { usual: Semaphore::new(1), beside: Semaphore::new(1) }
    }

    /// Waits for one of them, and says which of [`LANES`] it is, from 1.
    async fn enter(&self) -> Option<(i64, SemaphorePermit<'_>)> {
        let mut usual = pin!(self.usual.acquire());
        let (lane, permit) = match timeout(PATIENCE, usual.as_mut()).await {
            Ok(permit) => (1, permit),
            Err(_) => tokio::select! {
                permit = usual => (1, permit),
                permit = self.beside.acquire() => (2, permit),
            },
        };
        Some((lane, permit.ok()?))
    }
}

impl Lane<'_> {
    pub(crate) async fn change<S: Script>(&self, script: &S) -> Result<S::Answer, StorageError> {
        self.server.change_in(self.shard, script).await
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use tokio::time::advance;

    use super::{LANES, Lanes, PATIENCE};

    #[tokio::test(start_paused = true)]
    async fn a_second_lane_opens_when_the_first_takes_long() {
        let lanes = Lanes::new();
        let (first, usual) = lanes.enter().await.unwrap();
        let mut next = Box::pin(lanes.enter());
        assert!(next.as_mut().now_or_never().is_none());
        advance(PATIENCE - Duration::from_millis(1)).await;
        assert!(next.as_mut().now_or_never().is_none(), "it is waited for");
        advance(Duration::from_millis(2)).await;
        let (second, beside) = next.as_mut().now_or_never().flatten().expect("it is waited for no longer");
        assert_eq!((first, second), (1, LANES));

        let mut third = Box::pin(lanes.enter());
        assert!(third.as_mut().now_or_never().is_none());
        advance(PATIENCE * 2).await;
        assert!(third.as_mut().now_or_never().is_none(), "there is no third lane");
        drop(beside);
        assert_eq!(third.await.map(|(lane, _)| lane), Some(2));
        drop(usual);
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_lane_is_taken_over() {
        let lanes = Lanes::new();
        let usual = lanes.enter().await.unwrap();
        let mut next = Box::pin(lanes.enter());
        assert!(next.as_mut().now_or_never().is_none());
        advance(PATIENCE / 2).await;
        drop(usual);
        assert_eq!(next.await.map(|(lane, _)| lane), Some(1));
    }
}
