//! Adding a batch of 5000: until it is accepted, and until all of it is approved.

use std::time::Duration;

use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::floor::{BarePostgres, BareSqlite};
use crate::hub::{BATCH, Hub};
use crate::load::Line;
use crate::report::{Amount, Bound, Report, median};
use crate::{Bench, Outcome};

/// Accepted within so many thousandths of the bare transaction.
const ACCEPTED: Bound = Bound::AtMost(2500);

/// Approved within so many.
const APPROVED: Bound = Bound::AtMost(4000);

const ROUNDS: usize = 31;
const ROUNDS_QUICK: usize = 3;

/// On SQLite, on the disk.
pub(crate) fn on_sqlite(bench: &Bench, report: &mut Report) -> Outcome {
    let folder = TempDir::new()?;
    let mut bare = BareSqlite::open(&folder.path().join("floor.db"))?;
    let (_sim, hub) = bench.program.sim_on(&folder.path().join("sim.db"))?;
    compare(bench, "SQLite", &hub, |rows| Ok(bare.insert(rows)?), report)
}

/// On PostgreSQL.
pub(crate) fn on_postgres(bench: &Bench, cluster: &Cluster, report: &mut Report) -> Outcome {
    let folder = TempDir::new()?;
    let mut bare = BarePostgres::open(&cluster.database("bulk_floor")?)?;
    let sim = bench.program.sim(&cluster.database("bulk_sim")?, folder.path())?;
    let hub = Hub::log_in(sim.address)?;
    compare(bench, "PostgreSQL", &hub, |rows| bare.insert(rows), report)
}

fn compare(
    bench: &Bench,
    store: &str,
    hub: &Hub,
    mut bare: impl FnMut(i64) -> Outcome<Duration>,
    report: &mut Report,
) -> Outcome {
    let mut line = Line::open(hub.address)?;
    let rounds = if bench.args.quick { ROUNDS_QUICK } else { ROUNDS };
    let (mut floors, mut accepted, mut approved) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        floors.push(bare(i64::try_from(BATCH)?)?);
        let (when_accepted, when_approved) = hub.approve_bulk(&mut line, &format!("bulk-{round:07}"), BATCH)?;
        accepted.push(when_accepted);
        approved.push(when_approved);
    }
    let typical = |times| Amount::Time(median(times));
    let floor = typical(floors);
    report.beside(format!("add-bulk of {BATCH}, {store}: accepted"), floor, typical(accepted), ACCEPTED);
    report.beside(format!("add-bulk of {BATCH}, {store}: all approved"), floor, typical(approved), APPROVED);
    Ok(())
}
