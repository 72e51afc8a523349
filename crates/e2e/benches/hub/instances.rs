//! Two simulators on one database, against one of them alone.

use tempfile::TempDir;

use crate::add;
use crate::cluster::Cluster;
use crate::hub::Hub;
use crate::load::{Line, Typical};
use crate::report::{Bound, Report};
use crate::{Bench, Outcome};

/// Connections in all, however many instances serve them.
const CONNECTIONS: usize = 64;

/// Together at least so many thousandths of one alone.
const TOGETHER: Bound = Bound::AtLeast(900);

pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Outcome {
    let Some(cluster) = Cluster::start_or_skip("instances", report)? else { return Ok(()) };
    let (first_folder, second_folder) = (TempDir::new()?, TempDir::new()?);
    let database = cluster.database("hub")?;
    let first = bench.program.sim(&database, first_folder.path())?;
    let second = bench.program.sim(&database, second_folder.path())?;
    let both = [Hub::log_in(first.address)?, Hub::log_in(second.address)?];
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for nth in 0..add::number_of_rounds(bench) {
        alone.push(add::round(bench, &both[..1], CONNECTIONS, &format!("alone-{nth}"))?);
        together.push(add::round(bench, &both, CONNECTIONS, &format!("together-{nth}"))?);
    }
    let acknowledged: u64 = alone.iter().chain(&together).map(|round| round.answers).sum();
    for hub in &both {
        let (listed, _) = hub.page(&mut Line::open(hub.address)?, 0, 1)?;
        if listed != acknowledged {
            return Err(format!("{acknowledged} payments were acknowledged, and {listed} are listed").into());
        }
    }
    let (alone, together) = (Typical::of(&alone), Typical::of(&together));
    let what = |of: &str| format!("two instances against one, PostgreSQL, {CONNECTIONS} connections: {of}");
    report.beside(what("rate"), alone.rate, together.rate, TOGETHER);
    report.beside(what("p99"), alone.p99, together.p99, Bound::None);
    Ok(())
}
