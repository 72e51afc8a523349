//! Adding one payment, durable when it is answered, with the journal on.

use std::time::Duration;

use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::floor::Floor;
use crate::hub::{Adds, Hub};
use crate::load::{self, Measured, Typical};
use crate::process::Running;
use crate::report::{Amount, Bound, Report};
use crate::{Bench, Outcome};

/// Connections on SQLite.
const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];

/// Connections on PostgreSQL, and where parts of a floor are shown.
const MANY: usize = 64;

/// The hub's rate is so many thousandths of the floor's, or more.
const RATE: Bound = Bound::AtLeast(600);

/// The hub's 99th percentile is so many thousandths of the floor's, or less.
const P99: Bound = Bound::AtMost(2000);

/// Rounds of each side, in turns; medians count.
const ROUNDS: usize = 11;
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS_QUICK: usize = 1;
const ROUND_QUICK: Duration = Duration::from_millis(400);

impl Bench {
    fn rounds(&self) -> (usize, Duration) {
        if self.args.quick { (ROUNDS_QUICK, ROUND_QUICK) } else { (ROUNDS, ROUND) }
    }
}

/// On SQLite, on the disk.
pub(crate) fn on_sqlite(bench: &Bench, report: &mut Report) -> Outcome {
    let folder = TempDir::new()?;
    let (_http, http) = Running::floor(&Floor::Http)?;
    let floor = Running::floor(&Floor::Sqlite(folder.path().join("floor.db")))?;
    let sim = bench.program.sim_on(&folder.path().join("sim.db"))?;
    let alone = rounds(bench, &[http], MANY, "http")?;
    report.alone(format!("F1: parse and answer, {MANY} connections"), alone.rate, Bound::None);
    for connections in CONNECTIONS {
        let (floor, real) = compare(bench, &floor, &sim, connections)?;
        let what = |of: &str| format!("add, SQLite, {connections} connections: {of}");
        report.beside(what("rate"), floor.rate, real.rate, RATE);
        report.beside(what("median"), floor.median, real.median, Bound::None);
        report.beside(what("p99"), floor.p99, real.p99, P99);
        if let (Some(floor), Some(real)) = (floor.cpu, real.cpu) {
            report.beside(what("processor time"), floor, real, Bound::None);
        }
    }
    Ok(())
}

/// On PostgreSQL.
pub(crate) fn on_postgres(bench: &Bench, cluster: &Cluster, report: &mut Report) -> Outcome {
    let folder = TempDir::new()?;
    let floor = Running::floor(&Floor::Postgres(cluster.database("floor")?))?;
    let sim = bench.program.sim(&cluster.database("sim")?, folder.path())?;
    let hub = Hub::log_in(sim.address)?;
    let (floor, real) = compare(bench, &floor, &(sim, hub), MANY)?;
    report.beside(format!("add, PostgreSQL, {MANY} connections: rate"), floor.rate, real.rate, RATE);
    report.beside(format!("add, PostgreSQL, {MANY} connections: p99"), floor.p99, real.p99, Bound::None);
    Ok(())
}

/// What one side showed.
struct Side {
    rate: Amount,
    median: Amount,
    p99: Amount,
    /// Of the server, for each answer, where the system says.
    cpu: Option<Amount>,
}

impl Side {
    fn of(rounds: &[Measured], spent: Option<Duration>) -> Self {
        let Typical { rate, median, p99 } = Typical::of(rounds);
        let answers: u64 = rounds.iter().map(|round| round.answers).sum();
        let each = |spent: Duration| u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX) / answers.max(1);
        Self { rate, median, p99, cpu: spent.map(|spent| Amount::Time(Duration::from_nanos(each(spent)))) }
    }
}

/// Both sides in turns.
fn compare(bench: &Bench, floor: &(Running, Hub), real: &(Running, Hub), connections: usize) -> Outcome<(Side, Side)> {
    let (rounds, _) = bench.rounds();
    let mut seen = [Vec::new(), Vec::new()];
    let before = [floor.0.cpu()?, real.0.cpu()?];
    for nth in 0..rounds {
        let name = format!("c{connections}-{nth}");
        for ((_, hub), seen) in [floor, real].into_iter().zip(&mut seen) {
            seen.push(round(bench, std::slice::from_ref(hub), connections, &name)?);
        }
    }
    let spent = |side: &(Running, Hub), before: Option<Duration>| -> Outcome<Option<Duration>> {
        Ok(side.0.cpu()?.zip(before).map(|(now, before)| now.saturating_sub(before)))
    };
    let [floors, reals] = seen;
    Ok((Side::of(&floors, spent(floor, before[0])?), Side::of(&reals, spent(real, before[1])?)))
}

/// Rounds of one side alone.
fn rounds(bench: &Bench, hubs: &[Hub], connections: usize, name: &str) -> Outcome<Typical> {
    let (rounds, _) = bench.rounds();
    let rounds: Outcome<Vec<_>> =
        (0..rounds).map(|nth| round(bench, hubs, connections, &format!("{name}-{nth}"))).collect();
    Ok(Typical::of(&rounds?))
}

/// One round of adds with new identifiers, spread over hubs. The name parts its identifiers from all others.
pub(crate) fn round(bench: &Bench, hubs: &[Hub], connections: usize, name: &str) -> Outcome<Measured> {
    let (_, time) = bench.rounds();
    load::run(&Adds::new(hubs, name.to_owned()), connections, time)
}

/// How many rounds each side has.
pub(crate) fn number_of_rounds(bench: &Bench) -> usize {
    bench.rounds().0
}
