//! How much slower everything is in a large store, what a payment takes on the disk, and a start on all that.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::add;
use crate::hub::{BATCH, Gets, Hub, Listed, page_path};
use crate::load::{self, Line, Typical};
use crate::process::Running;
use crate::report::{Amount, Bound, Report, median};
use crate::start::{MEMORY, READY};
use crate::{Bench, Outcome, floor};

/// Payments in the small store.
pub(crate) const SMALL: u64 = 10_000;

/// A reading takes at most so many thousandths of its time in the small store.
const READING: Bound = Bound::AtMost(1500);

/// Adds are at least so many thousandths of their rate in the small store.
const ADDING: Bound = Bound::AtLeast(600);

/// A page this deep comes within this time.
const DEEP: u64 = 1_000_000;
const DEEP_PAGE: Bound = Bound::Within(Amount::Time(Duration::from_millis(20)));

/// A payment takes at most so many thousandths of the bare row's bytes.
const BYTES: Bound = Bound::AtMost(2500);

/// Connections that read, and that add.
const READERS: usize = 4;
const ADDERS: usize = 64;

/// As the hub's default page.
const PAGE: u64 = 100;

/// Pages out of which records are picked, and deep pages that are asked for.
const SAMPLED_PAGES: u64 = 20;

/// How often it is said how far the seeding is.
const SAID_EVERY: u64 = 500_000;

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(1);
const ROUNDS_QUICK: usize = 1;
const ROUND_QUICK: Duration = Duration::from_millis(200);

/// A store under a running simulator.
struct Store {
    _sim: Running,
    hub: Hub,
    payments: u64,
    sample: Vec<Listed>,
}

/// Both stores, seeded and compared.
pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Outcome {
    let folder = TempDir::new()?;
    let payments = bench.args.payments;
    let (small_file, large_file) = (folder.path().join("small/sim.db"), folder.path().join("large/sim.db"));
    seed(bench, &small_file, SMALL)?;
    seed(bench, &large_file, payments)?;
    bytes(&folder.path().join("floor.db"), &large_file, payments, report)?;
    restart(bench, &large_file, payments, report)?;
    let (small, large) = (Store::open(bench, &small_file)?, Store::open(bench, &large_file)?);
    compare(bench, &small, &large, report)?;
    deep(&large, report)
}

/// Adds payments the way that users add many, and stops the simulator.
fn seed(bench: &Bench, file: &Path, payments: u64) -> Outcome {
    fs::create_dir_all(file.parent().ok_or("a file is in a folder")?)?;
    let (sim, hub) = bench.program.sim_on(file)?;
    let mut line = Line::open(hub.address)?;
    let begin = Instant::now();
    let mut added = 0;
    while added < payments {
        let rows = BATCH.min(payments - added);
        hub.approve_bulk(&mut line, &format!("seed-{:07}", added / BATCH), rows)?;
        added += rows;
        if added % SAID_EVERY == 0 {
            crate::say(&format!("  {added} payments are seeded after {} s", begin.elapsed().as_secs()));
        }
    }
    drop(line);
    sim.stop()
}

/// What a payment takes on the disk.
fn bytes(floor_file: &Path, file: &Path, payments: u64, report: &mut Report) -> Outcome {
    floor::fill(floor_file, payments)?;
    let bytes = |file| Ok::<_, std::io::Error>(Amount::MilliBytes(fs::metadata(file)?.len() * 1000 / payments));
    report.beside(format!("bytes a payment, of {payments}"), bytes(floor_file)?, bytes(file)?, BYTES);
    Ok(fs::remove_file(floor_file)?)
}

/// A start on what is there.
fn restart(bench: &Bench, file: &Path, payments: u64, report: &mut Report) -> Outcome {
    let (ready, memory) = crate::start::starts(bench, file)?;
    report.alone(format!("ready after its start on {payments} payments"), ready, READY);
    if let Some(memory) = memory {
        report.alone(format!("idle memory on {payments} payments"), memory, MEMORY);
    }
    Ok(())
}

impl Store {
    fn open(bench: &Bench, file: &Path) -> Outcome<Self> {
        let (sim, hub) = bench.program.sim_on(file)?;
        let mut line = Line::open(hub.address)?;
        let (payments, _) = hub.page(&mut line, 0, PAGE)?;
        let mut sample = Vec::new();
        for nth in 0..SAMPLED_PAGES {
            sample.extend(hub.page(&mut line, payments / PAGE * nth / SAMPLED_PAGES, PAGE)?.1);
        }
        Ok(Self { _sim: sim, hub, payments, sample })
    }

    fn of_each(&self, path: impl Fn(&Listed) -> String) -> Vec<String> {
        self.sample.iter().map(path).collect()
    }

    fn batches(&self) -> Vec<String> {
        let batches = self.payments / BATCH;
        (0..SAMPLED_PAGES)
            .map(|nth| format!("/integration/bulk-payment-request/{}", 1 + batches * nth / SAMPLED_PAGES))
            .collect()
    }
}

fn compare(bench: &Bench, small: &Store, large: &Store, report: &mut Report) -> Outcome {
    type Paths = fn(&Store) -> Vec<String>;
    let readings: [(&str, Paths, usize); 5] = [
        ("search by PSID", |store| store.of_each(|listed| format!("/integration/search/{}", listed.psid)), READERS),
        // Where a page is full, what is beyond it is counted.
        (
            "search by PSID, one a page",
            |store| store.of_each(|listed| format!("/integration/search/{}?pageSize=1", listed.psid)),
            READERS,
        ),
        ("by id", |store| store.of_each(|listed| format!("/integration/payment/{}", listed.id)), READERS),
        ("first page with totals", |_| vec![page_path(0, PAGE)], READERS),
        ("bulk detail", Store::batches, 1),
    ];
    let (rounds, time) = if bench.args.quick { (ROUNDS_QUICK, ROUND_QUICK) } else { (ROUNDS, ROUND) };
    let what = |reading: &str| format!("{reading}, {} payments against {}", large.payments, small.payments);
    for (name, paths, connections) in readings {
        let of = |store: &Store| std::sync::Arc::new(Gets { hub: store.hub.clone(), paths: paths(store) });
        let (of_small, of_large) = (of(small), of(large));
        let (mut smalls, mut larges) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            smalls.push(load::run(&of_small, connections, time)?);
            larges.push(load::run(&of_large, connections, time)?);
        }
        report.beside(what(name), Typical::of(&smalls).median, Typical::of(&larges).median, READING);
    }
    let (mut smalls, mut larges) = (Vec::new(), Vec::new());
    // So few rounds that the small store stays small beside the large one.
    for nth in 0..add::number_of_rounds(bench).min(3) {
        smalls.push(add::round(bench, std::slice::from_ref(&small.hub), ADDERS, &format!("more-{nth}"))?);
        larges.push(add::round(bench, std::slice::from_ref(&large.hub), ADDERS, &format!("more-{nth}"))?);
    }
    report.beside(what("add rate"), Typical::of(&smalls).rate, Typical::of(&larges).rate, ADDING);
    Ok(())
}

/// Pages deep in the list, or as deep as it is.
fn deep(large: &Store, report: &mut Report) -> Outcome {
    let depth = DEEP.min(large.payments - PAGE * SAMPLED_PAGES);
    let mut line = Line::open(large.hub.address)?;
    let times: Outcome<Vec<_>> =
        (0..SAMPLED_PAGES).map(|nth| Ok(line.ask(large.hub.get(&page_path(depth / PAGE + nth, PAGE)))?.1)).collect();
    report.alone(format!("a page {depth} payments deep"), Amount::Time(median(times?)), DEEP_PAGE);
    Ok(())
}
