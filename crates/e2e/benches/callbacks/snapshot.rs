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

/// How much more a claim may cost once they are done, in thousandths.
const MOST: u64 = 2_000;

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
    // A tenth of them each.
    let part = (took.len() / 10).max(1);
    let early = Amount::Time(median(took[..part].to_vec()));
    let late = Amount::Time(median(took[took.len() - part..].to_vec()));
    let what = format!("claim {CLAIMED}, PostgreSQL, under a snapshot that is older than {DONE} completed ones");
    report.beside(what, early, late, Bound::AtMost(MOST));
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
