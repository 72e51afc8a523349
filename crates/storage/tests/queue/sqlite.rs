//! The contract on SQLite, on disk and in memory.

use asaanbill_storage::queue::{Claim, Due, Finding, Job, Lease, Lost, NewJob, SqliteQueue, State, Tally};
use asaanbill_storage::{Location, Migration, Sqlite, StorageError, queue_schema_sqlite};
use jiff::Timestamp;

use super::{JOBS, Store, contract};

const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "jobs", sql: queue_schema_sqlite!("jobs") }];

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_in_memory() {
    contract::run(async || Sqlite::open(&Location::Memory, MIGRATIONS).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = 0..;
    contract::run(async || {
        let file = folder.path().join(format!("{}.db", files.next().unwrap()));
        Sqlite::open(&Location::File(file), MIGRATIONS).unwrap()
    })
    .await;
}

/// What the worker asks costs the same however long the queue is.
#[tokio::test]
async fn what_is_claimed_is_found_by_an_index_alone() {
    let store = Sqlite::open(&Location::Memory, MIGRATIONS).unwrap();
    for (query, index) in [
        ("SELECT id FROM jobs WHERE state = 'leased' AND lease_until <= 1 ORDER BY lease_until LIMIT 1", "jobs_leased"),
        ("SELECT id FROM jobs WHERE state = 'ready' AND due_at <= 1 ORDER BY due_at, id LIMIT 1", "jobs_ready"),
        ("SELECT min(due_at) FROM jobs WHERE state = 'ready'", "jobs_ready"),
        ("SELECT min(lease_until) FROM jobs WHERE state = 'leased'", "jobs_leased"),
        ("SELECT id FROM jobs WHERE state = 'dead' AND buried_at < 1 ORDER BY buried_at LIMIT 1", "jobs_dead"),
        ("SELECT 1 FROM jobs WHERE lane = 'a' AND state <> 'dead' LIMIT 1", "jobs_lane"),
    ] {
        let plan = store.read(move |db| {
            let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {query}"))?;
            let steps = explain.query_map([], |row| row.get::<_, String>("detail"))?;
            Ok::<_, StorageError>(steps.collect::<Result<Vec<_>, _>>()?)
        });
        let plan = plan.await.unwrap().join("; ");
        assert!(plan.contains(&format!("INDEX {index}")), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "nothing is sorted: {plan}");
    }
}

impl Store for Sqlite {
    async fn enqueue(&self, jobs: Vec<NewJob>, now: Timestamp) -> Vec<i64> {
        on(self, move |queue| queue.enqueue(&jobs, now)).await
    }

    async fn claim(&self, claim: Claim) -> Vec<Job> {
        on(self, move |queue| queue.claim(&claim)).await
    }

    async fn hold(&self, held: Vec<Lease>) -> Lost {
        on(self, move |queue| queue.hold(&held)).await
    }

    async fn heartbeat(&self, held: Vec<Lease>, until: Timestamp) -> Lost {
        on(self, move |queue| queue.heartbeat(&held, until)).await
    }

    async fn complete(&self, held: Vec<Lease>) -> Lost {
        on(self, move |queue| queue.complete(&held)).await
    }

    async fn retry(&self, held: Vec<(Lease, Timestamp)>) -> Lost {
        on(self, move |queue| queue.retry(&held)).await
    }

    async fn bury(&self, held: Vec<(Lease, &'static str)>, now: Timestamp) -> Lost {
        on(self, move |queue| queue.bury(&held, now)).await
    }

    async fn give_up(&self, ids: Vec<i64>, cause: &'static str, now: Timestamp) -> Vec<i64> {
        on(self, move |queue| queue.give_up(&ids, cause, now)).await
    }

    async fn revive(&self, ids: Vec<i64>, due: Timestamp) -> Vec<i64> {
        on(self, move |queue| queue.revive(&ids, due)).await
    }

    async fn prune(&self, before: Timestamp, most: u32) -> u64 {
        on(self, move |queue| queue.prune(before, most)).await
    }

    async fn next_due(&self) -> Due {
        on(self, |queue| queue.next_due()).await
    }

    async fn tallies(&self) -> Vec<Tally> {
        on(self, |queue| queue.tallies()).await
    }

    async fn open_in_lane(&self, lane: &'static str, most: u32) -> u32 {
        on(self, move |queue| queue.open_in_lane(lane, most)).await
    }

    async fn list(&self, state: State, after: i64, most: u32) -> Vec<Finding> {
        on(self, move |queue| queue.list(state, after, most)).await
    }

    async fn find(&self, id: i64) -> Option<Finding> {
        on(self, move |queue| queue.find(id)).await
    }

    async fn undone(&self, job: NewJob, held: Lease) {
        let undone = self.write(move |tx| {
            let queue = JOBS.sqlite(tx);
            assert_eq!(queue.enqueue(&[job], Timestamp::UNIX_EPOCH).unwrap().len(), 1);
            assert!(queue.complete(&[held]).unwrap().is_none());
            Err::<(), _>(StorageError::from(asaanbill_storage::rusqlite::Error::InvalidQuery))
        });
        undone.await.unwrap_err();
    }

    async fn refuses(&self, job: NewJob) -> bool {
        self.write(move |tx| JOBS.sqlite(tx).enqueue(&[job], Timestamp::UNIX_EPOCH)).await.is_err()
    }
}

async fn on<T: Send + 'static>(
    store: &Sqlite,
    work: impl FnOnce(SqliteQueue<'_>) -> Result<T, StorageError> + Send + 'static,
) -> T {
    store.write(move |tx| work(JOBS.sqlite(tx))).await.unwrap()
}
