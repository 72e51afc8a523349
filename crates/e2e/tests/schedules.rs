//! For any schedule of faults: at most one unpaid bill for each intent, none paid twice, and each resolved or honestly
//! unknown. Bugs that are planted in the client break that, and are caught.

mod plants;
mod schedule;

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use asaanbill_client::{PageRequest, Resolution, SqliteJournal};
use asaanbill_e2e::bill;
use asaanbill_sim::Sim;
use asaanbill_transport::{Fault, Faulty};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::Request;

use self::plants::Plant;
use self::schedule::{INTENTS, Report, builder, run, token};

/// How many schedules are tried with the client as it is, and with each bug.
const SEEDS: u64 = 32;
const SEEDS_OF_A_BUG: u64 = 16;

/// Asks for more of whatever is tried at random, in proportion to proptest's own 256 cases.
const MORE: &str = "PROPTEST_CASES";

/// How many of them run at once. They wait more than they work.
const AT_ONCE: usize = 16;

/// What the schedules are made of, all of which must have happened.
const KINDS: [&str; 14] = [
    "refuse",
    "lose request",
    "lose answer",
    "cut answer",
    "late",
    "reordered",
    "twice",
    "hang",
    "proxy",
    "proxy after",
    "truncate",
    "cancelled",
    "killed",
    "left",
];

/// So many, or more.
fn seeds() -> u64 {
    let asked = env::var(MORE).ok().and_then(|cases| cases.parse::<u64>().ok());
    asked.map_or(SEEDS, |cases| cases * SEEDS / 256).max(SEEDS)
}

/// The schedules of so many seeds with each of these bugs, or with none.
async fn run_all(seeds: u64, plants: &[Plant]) -> Vec<(Plant, u64, Report)> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = plants.iter().flat_map(move |plant| (0..seeds).map(move |seed| (*plant, seed)));
    stream::iter(all)
        .map(|(plant, seed)| async move { (plant, seed, run(seed, plant, folder).await) })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_schedule_of_faults_bills_twice() {
    let (mut kinds, mut resolved) = (BTreeMap::new(), 0);
    for (_, seed, report) in run_all(seeds(), &[Plant::None]).await {
        assert!(report.broken.is_empty(), "seed {seed}: {:#?}\n{:#?}", report.broken, report.log);
        assert!(report.kinds.iter().any(|(kind, _)| *kind != "none"), "seed {seed}: no fault has fired");
        resolved += report.resolved;
        for (kind, count) in report.kinds {
            *kinds.entry(kind).or_insert(0) += count;
        }
    }
    for kind in KINDS {
        assert!(kinds.get(kind).is_some_and(|count| *count > 0), "{kind} has not happened: {kinds:?}");
    }
    let all = INTENTS * usize::try_from(seeds()).unwrap();
    assert!(resolved * 10 >= all * 9, "only {resolved} of {all} ended resolved");
}

/// A naive retry in most schedules, and each of the other bugs in some.
#[tokio::test(flavor = "multi_thread")]
async fn planted_bugs_are_caught() {
    let reports = run_all(SEEDS_OF_A_BUG, &Plant::BUGS).await;
    for plant in Plant::BUGS {
        let of_it = reports.iter().filter(|(of, _, _)| *of == plant);
        let caught = of_it.clone().filter(|(_, _, report)| !report.broken.is_empty()).count();
        let all = of_it.count();
        println!("{plant:?}: caught in {caught} of {all} schedules");
        assert!(
            caught * 100 > all * plant.caught_at_least(),
            "{plant:?} is caught in {caught} of {all} schedules only"
        );
    }
}

/// An answer that ends at any byte, as if that were all.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_cut_at_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let sim = Sim::builder().build().await.unwrap();
    let token = token(&sim).await;
    let cut = Arc::new(AtomicU64::new(0));
    let at = Arc::clone(&cut);
    let faults = Faulty::by(sim.transport(), move |request: &Request<Bytes>| match request.uri().path() {
        "/integration/add" => Fault::Truncate(usize::try_from(at.load(Ordering::Relaxed)).unwrap()),
        _ => Fault::None,
    });
    let journal = SqliteJournal::open(folder.path().join("cut.db")).unwrap();
    let client = builder(&token, Duration::from_secs(5)).transport(faults).journal(journal).build().unwrap();
    let mut whole = None;
    for bytes in 0..1_000 {
        cut.store(bytes, Ordering::Relaxed);
        let new = bill(&format!("C-{bytes}"), "50").unwrap();
        let psid = match client.add(&new).await {
            Ok(payment) => {
                whole = whole.or(Some(bytes));
                payment.psid()
            }
            Err(error) => {
                assert!(error.is_outcome_unknown() && whole.is_none(), "{bytes}: {error:?}");
                match client.resolve(error.intent().unwrap()).await.unwrap() {
                    Resolution::Added(payment) => payment.psid(),
                    other => panic!("{bytes}: {other:?}"),
                }
            }
        };
        assert_eq!(client.search(psid.unwrap(), PageRequest::default()).await.unwrap().total, Some(1));
        if whole.is_some_and(|whole| bytes > whole + 3) {
            break;
        }
    }
    assert!(whole.is_some_and(|bytes| bytes > 300), "{whole:?}");
}
