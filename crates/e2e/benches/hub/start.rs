//! How soon a simulator serves, and how much memory it has while it does nothing.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::report::{Amount, Bound, Report, median};
use crate::{Bench, Outcome};

/// Ready within this time.
pub(crate) const READY: Bound = Bound::Within(Amount::Time(Duration::from_millis(25)));

/// Idle within this memory.
pub(crate) const MEMORY: Bound = Bound::Within(Amount::KibiBytes(20 * 1024));

const STARTS: usize = 15;
const STARTS_QUICK: usize = 3;

/// On new stores and on one that is there.
pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Outcome {
    let mut times = Vec::new();
    for _ in 0..number_of_starts(bench) {
        let folder = TempDir::new()?;
        times.push(bench.program.sim_on(&folder.path().join("sim.db"))?.0.ready_after);
    }
    report.alone("ready after its first start", Amount::Time(median(times)), READY);
    let folder = TempDir::new()?;
    let (ready, memory) = starts(bench, &folder.path().join("sim.db"))?;
    report.alone("ready after a further start", ready, READY);
    if let Some(memory) = memory {
        report.alone("idle memory", memory, MEMORY);
    }
    Ok(())
}

/// The medians of some starts on one file: how soon it is ready, and how much memory it has then.
pub(crate) fn starts(bench: &Bench, file: &Path) -> Outcome<(Amount, Option<Amount>)> {
    let folder = file.parent().ok_or("a file is in a folder")?;
    let store = format!("sqlite:{}", file.display());
    let (mut times, mut memory) = (Vec::new(), None);
    for _ in 0..number_of_starts(bench) {
        let sim = bench.program.sim(&store, folder)?;
        times.push(sim.ready_after);
        memory = sim.memory()?;
        sim.stop()?;
    }
    Ok((Amount::Time(median(times)), memory))
}

fn number_of_starts(bench: &Bench) -> usize {
    if bench.args.quick { STARTS_QUICK } else { STARTS }
}
