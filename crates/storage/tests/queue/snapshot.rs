//! A transaction that somebody leaves open for long: PostgreSQL then keeps what the queue is done with.

use std::time::{Duration, Instant};

use asaanbill_storage::queue::{Claim, Clocks, Cursor, NewJob, Position, Token};
use asaanbill_storage::{Postgres, StorageError};
use jiff::{SignedDuration, Timestamp};

use super::postgres::MIGRATIONS;
use super::{LEASE, Store, at, leases};
use crate::cluster::Cluster;

/// How many jobs are done while the snapshot is held.
const DONE: u32 = 40_000;

/// How many are enqueued, claimed and completed at once.
const BATCH: u32 = 200;

/// Measurements of each kind. The quickest counts: whatever else the machine does only adds to it.
const ROUNDS: usize = 15;

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_held_for_long_does_not_make_it_crawl() {
    let url = Cluster::shared().await.database().await;
    let store = Postgres::connect(&url, MIGRATIONS).await.unwrap();
    let mut worker = Worker { store: store.clone(), cursor: Cursor::default(), second: 0 };
    let fresh = worker.measure().await;

    let held = store.read(|tx| {
        let mut worker = worker.clone();
        async move {
            // The snapshot is taken by the first query.
            tx.query("SELECT count(*) FROM jobs", &[]).await?;
            for _ in 0..DONE / BATCH {
                worker.do_some(BATCH, true).await;
                // The server ends a transaction that is idle for too long.
                tx.query("SELECT 1", &[]).await?;
            }
            let with_cursor = worker.measure().await;
            tx.query("SELECT 1", &[]).await?;
            let mut forgetful = Worker { cursor: Cursor::default(), ..worker.clone() };
            let from_beginning = forgetful.measure_from_beginning().await;
            Ok::<_, StorageError>((with_cursor, from_beginning))
        }
    });
    let (with_cursor, from_beginning) = held.await.unwrap();
    println!("a claim: {fresh:?} at first; after {DONE} jobs {with_cursor:?}, from the beginning {from_beginning:?}");
    // That it is much slower from the beginning shows that the snapshot was held and hurts.
    assert!(from_beginning > with_cursor * 2, "{from_beginning:?} {with_cursor:?}");
    assert!(with_cursor < fresh * 4 + Duration::from_millis(2), "{fresh:?} {with_cursor:?}");
}

#[derive(Clone)]
struct Worker {
    store: Postgres,
    cursor: Cursor,
    /// Both clocks, in seconds.
    second: i64,
}

impl Worker {
    fn now(&self) -> Timestamp {
        at(0) + SignedDuration::from_secs(self.second)
    }

    /// Enqueues jobs, claims and completes them. Says how long the claim took.
    async fn do_some(&mut self, count: u32, with_cursor: bool) -> Duration {
        self.second += 1;
        let now = self.now();
        let jobs = (0..count).map(|n| NewJob { lane: None, payload: n.to_string(), due: now }).collect();
        self.store.enqueue(jobs, now).await;
        let from = if with_cursor { self.cursor.position(now) } else { Position::BEGINNING };
        let clocks = Clocks { due: now, now };
        let claim = Claim::new(count + 1, Token::random().unwrap(), clocks, LEASE).from(from);
        let started = Instant::now();
        let jobs = self.store.claim(claim).await;
        let took = started.elapsed();
        self.cursor.passed(&claim, &jobs);
        assert_eq!(jobs.len(), usize::try_from(count).unwrap());
        assert!(self.store.complete(leases(&jobs)).await.is_none());
        took
    }

    /// The quickest of some claims of one job.
    async fn measure(&mut self) -> Duration {
        self.quickest(true).await
    }

    async fn measure_from_beginning(&mut self) -> Duration {
        self.quickest(false).await
    }

    async fn quickest(&mut self, with_cursor: bool) -> Duration {
        let mut quickest = Duration::MAX;
        for _ in 0..ROUNDS {
            quickest = quickest.min(self.do_some(1, with_cursor).await);
        }
        quickest
    }
}
