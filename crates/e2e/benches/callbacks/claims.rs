//! What a claim costs from a long backlog, beside what it costs from a short one.

use std::time::{Duration, Instant};

use asaanbill_storage::queue::{Claim, Clocks, NewJob, Queue, Token};
use asaanbill_storage::{
    Isolation, Location, Migration, Postgres, Sqlite, StorageError, queue_schema_postgres, queue_schema_sqlite,
};
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::args::Args;
use crate::cluster::Cluster;
use crate::report::{Amount, Bound, Report, median};

pub(crate) const JOBS: Queue = Queue::new("jobs");

const ON_SQLITE: &[Migration] = &[Migration { version: 1, name: "jobs", sql: queue_schema_sqlite!("jobs") }];
pub(crate) const ON_POSTGRES: &[Migration] =
    &[Migration { version: 1, name: "jobs", sql: queue_schema_postgres!("jobs") }];

/// Jobs of the two backlogs.
const SHORT: u64 = 1_000;
const LONG: u64 = 1_000_000;
const LONG_QUICK: u64 = 10_000;

/// Jobs of one claim.
pub(crate) const CLAIMED: u32 = 100;

/// Claims from each backlog, in turns.
const CLAIMS: usize = 201;

/// Jobs of one transaction while a backlog is made.
const AT_ONCE: u64 = 10_000;

/// How much more a claim from the long backlog may cost, in thousandths.
const MOST: u64 = 1_500;

pub(crate) fn on_sqlite(args: &Args, report: &mut Report) -> Outcome {
    let folder = tempfile::tempdir()?;
    let runtime = runtime()?;
    let long = args.pick(LONG, LONG_QUICK);
    let [few, many] = [SHORT, long].map(|jobs| {
        let store = Sqlite::open(&Location::File(folder.path().join(format!("{jobs}.db"))), ON_SQLITE)?;
        for begin in (0..jobs).step_by(usize::try_from(AT_ONCE).unwrap_or(usize::MAX)) {
            let some = jobs_of(AT_ONCE.min(jobs - begin));
            runtime.block_on(store.write(move |tx| JOBS.sqlite(tx).enqueue(&some, now())))?;
        }
        Ok::<_, StorageError>(store)
    });
    let (few, many) = (few?, many?);
    let claim = async |store: &Sqlite| {
        let claim = claim()?;
        let took = store.write(move |tx| {
            let begun = Instant::now();
            let jobs = JOBS.sqlite(tx).claim(&claim)?;
            let took = begun.elapsed();
            let again: Vec<_> = jobs.iter().map(|job| (job.lease, job.due)).collect();
            drop(JOBS.sqlite(tx).retry(&again)?);
            Ok::<_, StorageError>(took)
        });
        took.await
    };
    let [short, long_took] = in_turns(&runtime, args, async || claim(&few).await, async || claim(&many).await)?;
    let what = format!("claim {CLAIMED}, SQLite, of {long} against {SHORT}");
    report.beside(what, short, long_took, Bound::AtMost(MOST));
    Ok(())
}

pub(crate) fn on_postgres(args: &Args, report: &mut Report) -> Outcome {
    let Some(cluster) = Cluster::start_or_skip("claims-postgres", report)? else { return Ok(()) };
    let runtime = runtime()?;
    let long = args.pick(LONG, LONG_QUICK);
    let mut stores = Vec::new();
    for jobs in [SHORT, long] {
        let url = cluster.database(&format!("claims_{jobs}"))?;
        let store = runtime.block_on(async {
            let store = Postgres::connect(&url, ON_POSTGRES).await?;
            let count = i64::try_from(jobs).unwrap_or(i64::MAX);
            // As they are enqueued, a microsecond after one another.
            let fill = "INSERT INTO jobs (payload, due_at, enqueued_at)
                SELECT '12345', $1::BIGINT + n, $1::BIGINT + n FROM generate_series(1::BIGINT, $2::BIGINT) AS n";
            let at = now().as_microsecond() - count;
            let filled =
                store.transaction(Isolation::ReadCommitted, |tx| async move { tx.execute(fill, &[&at, &count]).await });
            filled.await?;
            Ok::<_, StorageError>(store)
        });
        stores.push(store?);
    }
    let claim = async |store: &Postgres| {
        let claim = &claim()?;
        let took = store.transaction(Isolation::ReadCommitted, |tx| async move {
            let begun = Instant::now();
            let jobs = JOBS.postgres(&tx).claim(claim).await?;
            let took = begun.elapsed();
            let again: Vec<_> = jobs.iter().map(|job| (job.lease, job.due)).collect();
            drop(JOBS.postgres(&tx).retry(&again).await?);
            Ok::<_, StorageError>(took)
        });
        took.await
    };
    let [short, long_took] =
        in_turns(&runtime, args, async || claim(&stores[0]).await, async || claim(&stores[1]).await)?;
    let what = format!("claim {CLAIMED}, PostgreSQL, of {long} against {SHORT}");
    report.beside(what, short, long_took, Bound::AtMost(MOST));
    Ok(())
}

/// Medians of the two, which take turns.
fn in_turns(
    runtime: &Runtime,
    args: &Args,
    one: impl AsyncFn() -> Result<Duration, StorageError>,
    other: impl AsyncFn() -> Result<Duration, StorageError>,
) -> Outcome<[Amount; 2]> {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..args.pick(CLAIMS, 11) {
        ones.push(runtime.block_on(one())?);
        others.push(runtime.block_on(other())?);
    }
    Ok([ones, others].map(|took| Amount::Time(median(took))))
}

/// A claim of what is due now.
pub(crate) fn claim() -> Result<Claim, StorageError> {
    let now = now();
    Ok(Claim::new(CLAIMED, Token::random()?, Clocks { due: now, now }, SignedDuration::from_secs(15)))
}

pub(crate) fn jobs_of(count: u64) -> Vec<NewJob> {
    let at = now();
    (0..count).map(|_| NewJob { lane: None, payload: "12345".into(), due: at }).collect()
}

#[allow(clippy::disallowed_methods, reason = "a bench measures real time")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

pub(crate) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}
