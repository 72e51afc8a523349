//! Two simulators on one database, against one of them alone.

use tempfile::TempDir;

use crate::add;
use crate::cluster::Cluster;
use crate::hub::Hub;
use crate::load::{Line, Measured, Typical};
use crate::report::{Bound, Report};
use crate::{Bench, Outcome};

/// How many connections there are, to both or to one alone: those that one is measured with to each, and those in all.
const LOADS: [(usize, Bound); 2] = [(128, TOGETHER), (64, Bound::None)];

/// Each of two instances has one thread that answers, so that together they have as many as one alone, and as there are cores.
const ONE_THREAD: [&str; 2] = ["--threads", "1"];

/// Together at least so many thousandths of one alone.
const TOGETHER: Bound = Bound::AtLeast(900);

/// So many connections, and what they showed.
struct Load {
    connections: usize,
    bound: Bound,
    alone: Vec<Measured>,
    together: Vec<Measured>,
}

pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Outcome {
    let Some(cluster) = Cluster::start_or_skip("instances", report)? else { return Ok(()) };
    let folders = [TempDir::new()?, TempDir::new()?, TempDir::new()?];
    let [alone, first, second] = &folders;
    let database = cluster.database("hub")?;
    let sims = [
        bench.program.sim(&database, alone.path())?,
        bench.program.sim_with(&database, first.path(), &ONE_THREAD)?,
        bench.program.sim_with(&database, second.path(), &ONE_THREAD)?,
    ];
    let [alone, first, second] = &sims;
    let (one, two) = ([Hub::log_in(alone.address)?], [Hub::log_in(first.address)?, Hub::log_in(second.address)?]);
    let mut loads = LOADS.map(|(connections, bound)| Load { connections, bound, alone: vec![], together: vec![] });
    for nth in 0..add::number_of_rounds(bench) {
        for Load { connections, alone, together, .. } in &mut loads {
            alone.push(add::round(bench, &one, *connections, &format!("alone-{connections}-{nth}"))?);
            together.push(add::round(bench, &two, *connections, &format!("together-{connections}-{nth}"))?);
        }
    }
    let rounds = loads.iter().flat_map(|load| load.alone.iter().chain(&load.together));
    let acknowledged: u64 = rounds.map(|round| round.answers).sum();
    for hub in one.iter().chain(&two) {
        let (listed, _) = hub.page(&mut Line::open(hub.address)?, 0, 1)?;
        if listed != acknowledged {
            return Err(format!("{acknowledged} payments were acknowledged, and {listed} are listed").into());
        }
    }
    for Load { connections, bound, alone, together } in loads {
        let (alone, together) = (Typical::of(&alone), Typical::of(&together));
        let what = |of: &str| format!("two instances against one, PostgreSQL, {connections} connections: {of}");
        report.beside(what("rate"), alone.rate, together.rate, bound);
        report.beside(what("p99"), alone.p99, together.p99, Bound::None);
    }
    Ok(())
}
