//! The contract on PostgreSQL.

use asaanbill_storage::queue::{Claim, Due, Finding, Job, Lease, Lost, NewJob, Position, State, Tally};
use asaanbill_storage::{Isolation, Migration, Postgres, StorageError, queue_schema_postgres};
use jiff::Timestamp;

use super::{JOBS, Store, contract};
use crate::cluster::Cluster;

pub(super) const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, name: "jobs", sql: queue_schema_postgres!("jobs") }];

#[tokio::test(flavor = "multi_thread")]
async fn the_contract() {
    contract::run(async || {
        let url = Cluster::shared().await.database().await;
        Postgres::connect(&url, MIGRATIONS).await.unwrap()
    })
    .await;
}

/// Runs one operation in a transaction of its own.
macro_rules! on {
    ($store:expr, $queue:ident => $work:expr) => {
        $store
            .transaction(Isolation::ReadCommitted, |tx| async move {
                let $queue = JOBS.postgres(&tx);
                $work.await
            })
            .await
            .unwrap()
    };
}

impl Store for Postgres {
    async fn enqueue(&self, jobs: Vec<NewJob>, now: Timestamp) -> Vec<i64> {
        let jobs = &jobs;
        on!(self, queue => queue.enqueue(jobs, now))
    }

    async fn claim(&self, claim: Claim) -> Vec<Job> {
        on!(self, queue => queue.claim(&claim))
    }

    async fn hold(&self, held: Vec<Lease>) -> Lost {
        let held = &held;
        on!(self, queue => queue.hold(held))
    }

    async fn heartbeat(&self, held: Vec<Lease>, until: Timestamp) -> Lost {
        let held = &held;
        on!(self, queue => queue.heartbeat(held, until))
    }

    async fn complete(&self, held: Vec<Lease>) -> Lost {
        let held = &held;
        on!(self, queue => queue.complete(held))
    }

    async fn retry(&self, held: Vec<(Lease, Timestamp)>) -> Lost {
        let held = &held;
        on!(self, queue => queue.retry(held))
    }

    async fn bury(&self, held: Vec<(Lease, &'static str)>, now: Timestamp) -> Lost {
        let held = &held;
        on!(self, queue => queue.bury(held, now))
    }

    async fn give_up(&self, ids: Vec<i64>, cause: &'static str, now: Timestamp) -> Vec<i64> {
        let ids = &ids;
        on!(self, queue => queue.give_up(ids, cause, now))
    }

    async fn revive(&self, ids: Vec<i64>, due: Timestamp) -> Vec<i64> {
        let ids = &ids;
        on!(self, queue => queue.revive(ids, due))
    }

    async fn prune(&self, before: Timestamp, most: u32) -> u64 {
        on!(self, queue => queue.prune(before, most))
    }

    async fn next_due(&self) -> Due {
        on!(self, queue => queue.next_due(Position::BEGINNING))
    }

    async fn tallies(&self) -> Vec<Tally> {
        on!(self, queue => queue.tallies())
    }

    async fn open_in_lane(&self, lane: &'static str, most: u32) -> u32 {
        on!(self, queue => queue.open_in_lane(lane, most))
    }

    async fn list(&self, state: State, after: i64, most: u32) -> Vec<Finding> {
        on!(self, queue => queue.list(state, after, most))
    }

    async fn find(&self, id: i64) -> Option<Finding> {
        on!(self, queue => queue.find(id))
    }

    async fn undone(&self, job: NewJob, held: Lease) {
        let jobs = &[job];
        let undone = self.transaction(Isolation::ReadCommitted, |tx| async move {
            let queue = JOBS.postgres(&tx);
            assert_eq!(queue.enqueue(jobs, Timestamp::UNIX_EPOCH).await?.len(), 1);
            assert!(queue.complete(&[held]).await?.is_none());
            tx.execute("no SQL", &[]).await.map(drop)
        });
        undone.await.unwrap_err();
    }

    async fn refuses(&self, job: NewJob) -> bool {
        let jobs = &[job];
        let refused = self.transaction(Isolation::ReadCommitted, |tx| async move {
            JOBS.postgres(&tx).enqueue(jobs, Timestamp::UNIX_EPOCH).await
        });
        refused.await.map_err(|error: StorageError| error.kind()).is_err()
    }
}
