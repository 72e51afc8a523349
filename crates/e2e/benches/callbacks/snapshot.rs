//! A queue on PostgreSQL while somebody holds a snapshot, as a backup does: what is completed can't be cleaned away, and
//! nobody may have to walk past it.

use std::time::{Duration, Instant};

use asaanbill_storage::queue::Cursor;
use asaanbill_storage::tokio_postgres::{NoTls, connect};
use asaanbill_storage::{Isolation, Postgres, StorageError};

use crate::Outcome;
use crate::args::Args;
use crate::claims::{CLAIMED, JOBS, ON_POSTGRES, claim, jobs_of, now, runtime};
use crate::cluster::Cluster;
use crate::report::{Amount, Bound, Report, median};

/// Jobs that are done while the snapshot is held.
const DONE: u64 = 100_000;
const DONE_QUICK: u64 = 5_000;

/// How much more a claim may cost at the end than in the middle, in thousandths: it visits what was completed in the last few
/// seconds, and nothing older.
const MOST: u64 = 1_500;

pub(crate) fn run(args: &Args, report: &mut Report) -> Outcome {
    let Some(cluster) = Cluster::start_or_skip("snapshot", report)? else { return Ok(()) };
    let url = cluster.database("snapshot")?;
    let runtime = runtime()?;
    let took = runtime.block_on(async {
        let store = Postgres::connect(&url, ON_POSTGRES).await?;
        let (holder, connection) = connect(&url, NoTls).await?;
        tokio::spawn(connection);
        // Nothing is completed before it.
        holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM jobs").await?;
        let (mut cursor, mut took) = (Cursor::default(), Vec::new());
        let rounds = args.pick(DONE, DONE_QUICK) / u64::from(CLAIMED);
        for _ in 0..rounds {
            took.push(round(&store, &mut cursor).await?);
        }
        holder.batch_execute("COMMIT").await?;
        Ok::<_, Box<dyn std::error::Error>>(took)
    })?;
    // A tenth of them each: the first, those after the middle, and the last.
    let part = (took.len() / 10).max(1);
    let of = |begin: usize| Amount::Time(median(took[begin..begin + part].to_vec()));
    let [early, middle, late] = [0, took.len() / 2, took.len() - part].map(of);
    let what = |done: u64| format!("claim {CLAIMED}, PostgreSQL, under a snapshot older than {done} completed ones");
    let done = args.pick(DONE, DONE_QUICK);
    report.beside(format!("{} against none", what(done / 2)), early, middle, Bound::None);
    report.beside(format!("{} against {}", what(done), done / 2), middle, late, Bound::AtMost(MOST));
    Ok(())
}

/// Enqueues as many as are claimed, claims them and completes them. Says how long the claim took.
async fn round(store: &Postgres, cursor: &mut Cursor) -> Result<Duration, StorageError> {
    let new = &jobs_of(u64::from(CLAIMED));
    store
        .transaction(Isolation::ReadCommitted, |tx| async move { JOBS.postgres(&tx).enqueue(new, now()).await })
        .await?;
    let claim = claim()?;
    let claim = &claim.from(cursor.position(claim.clocks.now));
    let claimed = store.transaction(Isolation::ReadCommitted, |tx| async move {
        let begun = Instant::now();
        let jobs = JOBS.postgres(&tx).claim(claim).await?;
        let took = begun.elapsed();
        let held: Vec<_> = jobs.iter().map(|job| job.lease).collect();
        drop(JOBS.postgres(&tx).complete(&held).await?);
        Ok::<_, StorageError>((jobs, took))
    });
    let (jobs, took) = claimed.await?;
    cursor.passed(claim, &jobs);
    Ok(took)
}
