//! Imports: in order, to the end, and resumed after a kill at any moment without a second bill.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asaanbill_client::{
    Client, ClientBuilder, ErrorKind, ImportEvent, ImportOptions, ImportedRow, PageRequest, Progress, ResolvePolicy,
    RetryPolicy, RowOutcome, SqliteJournal, Status,
};
use asaanbill_core::{Bill, PaymentStatus};
use asaanbill_e2e::bill;
use asaanbill_sim::Sim;
use asaanbill_transport::{Fault, Faulty, Transport};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, StatusCode};

use crate::random::{Random, cancelled_after};

/// How long an operation may take, and whatever is lost may still arrive.
const WINDOW: Duration = Duration::from_secs(30);

/// The same where requests never arrive: a client waits for all of it then.
const SHORT_WINDOW: Duration = Duration::from_secs(5);

/// How long an import waits for its PSIDs.
const PSIDS_WITHIN: Duration = Duration::from_secs(60);

fn row(identifier: &str, amount: usize) -> Bill {
    bill(identifier, &amount.to_string()).unwrap().bill().unwrap().clone()
}

fn rows(count: usize) -> Vec<Bill> {
    (0..count).map(|number| row(&format!("I-{number}"), number + 1)).collect()
}

fn builder(transport: impl Transport + 'static) -> ClientBuilder {
    builder_within(WINDOW, transport)
}

fn builder_within(window: Duration, transport: impl Transport + 'static) -> ClientBuilder {
    let milliseconds = Duration::from_millis;
    Client::builder()
        .base_url("http://localhost")
        .credentials("demo", "demo")
        .transport(transport)
        .retry(RetryPolicy::default().backoff(milliseconds(1), milliseconds(5)).total(window))
        .resolve_policy(ResolvePolicy::default().quiescence(window).looks(milliseconds(5), milliseconds(50)))
}

/// All rows and the last progress; the error that ended it, if one did.
async fn run(
    client: &Client,
    bills: Vec<Bill>,
    options: ImportOptions,
) -> (Vec<ImportedRow>, Progress, Option<ErrorKind>) {
    let mut import = client.import(stream::iter(bills), options);
    let (mut rows, mut progress, mut failed) = (Vec::new(), Progress::default(), None);
    while let Some(event) = import.next().await {
        match event {
            Ok(ImportEvent::Row(row)) => rows.push(row),
            Ok(ImportEvent::Progress(so_far)) => progress = so_far,
            Ok(_) => {}
            Err(error) => failed = Some(error.kind()),
        }
    }
    (rows, progress, failed)
}

/// Each identifier's payments in the hub, as `status amount`. Waits for the hub to have assigned all PSIDs.
async fn records(sim: &Sim, expected: u64) -> BTreeMap<String, Vec<String>> {
    let client = builder(sim.transport()).build().unwrap();
    let page = loop {
        let page = client.payments(PageRequest::new(0, 100_000).unwrap()).await.unwrap();
        if page.total.is_some_and(|total| total >= expected) {
            break page;
        }
        tokio::task::yield_now().await;
    };
    let mut records = BTreeMap::<_, Vec<_>>::new();
    for payment in page.items {
        let shown = match payment.status() {
            Some(Status::Known(PaymentStatus::Approved)) => format!("unpaid {}", payment.amount().unwrap()),
            other => format!("{other:?} {}", payment.amount().unwrap()),
        };
        records.entry(payment.identifier().unwrap().to_owned()).or_default().push(shown);
    }
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_in_order_with_their_psids() {
    let sim = Sim::builder().build().await.unwrap();
    let client = builder(sim.transport()).build().unwrap();
    let mut bills = rows(25);
    bills[7] = row(" I-7", 8);
    let options = ImportOptions::new().chunk_rows(10).in_flight(3).wait_for_psids(PSIDS_WITHIN);
    let (rows, progress, failed) = run(&client, bills, options).await;
    assert_eq!((failed, rows.len(), progress.read, progress.accepted, progress.refused), (None, 25, 25, 24, 1));
    assert_eq!((progress.sent, progress.resumed), (24, 0), "the client refuses a row by itself");
    for (position, row) in rows.iter().enumerate() {
        assert_eq!(row.position, u64::try_from(position).unwrap());
        match &row.outcome {
            RowOutcome::Accepted => assert!(row.psid.is_some() && row.batch.is_some(), "{row:?}"),
            RowOutcome::Refused(_) if position == 7 => assert_eq!((row.psid, row.batch), (None, None)),
            other => panic!("{position}: {other:?}"),
        }
    }
    let psid = rows[3].psid.unwrap();
    assert_eq!(client.search(psid, PageRequest::default()).await.unwrap().items[0].identifier(), Some("I-3"));
}

/// The later row of an identifier wins, also where both are under way at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_in_two_chunks_is_billed_in_order() {
    let sim = Sim::builder().build().await.unwrap();
    let client = builder(sim.transport()).build().unwrap();
    let bills = (0..40).map(|number| row(&format!("I-{}", number % 4), number + 1)).collect();
    let (rows, progress, failed) = run(&client, bills, ImportOptions::new().chunk_rows(4).in_flight(8)).await;
    assert_eq!((failed, rows.len(), progress.accepted), (None, 40, 40));
    let records = records(&sim, 40).await;
    for (identifier, last) in [("I-0", 37), ("I-1", 38), ("I-2", 39), ("I-3", 40)] {
        let unpaid: Vec<_> = records[identifier].iter().filter(|record| record.starts_with("unpaid")).collect();
        assert_eq!(unpaid, [&format!("unpaid {last}")]);
    }
}

/// A chunk whose answer is lost is found again; one that was never there is sent again; a busy hub is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn lost_chunks_are_resolved() {
    let sim = Sim::builder().build().await.unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let adds = Arc::clone(&count);
    let faulty = Faulty::by(sim.transport(), move |request: &Request<Bytes>| {
        if request.uri().path() != "/integration/add-bulk" {
            return Fault::None;
        }
        match adds.fetch_add(1, Ordering::Relaxed) {
            0 => Fault::LoseAnswer,
            1 => Fault::LoseRequest,
            3 => Fault::ProxyAnswerAfter(StatusCode::BAD_GATEWAY),
            _ => Fault::None,
        }
    });
    let client = builder_within(SHORT_WINDOW, faulty).build().unwrap();
    let (rows, progress, failed) = run(&client, rows(30), ImportOptions::new().chunk_rows(10).in_flight(1)).await;
    assert_eq!((failed, rows.len(), progress.accepted), (None, 30, 30));
    assert_eq!((progress.sent, progress.resumed), (30, 0), "also what was found again");
    let records = records(&sim, 30).await;
    assert_eq!(records.len(), 30);
    assert!(records.values().all(|payments| payments.len() == 1), "{records:?}");
    assert_eq!(count.load(Ordering::Relaxed), 4);
}

/// Killed at any moment, again and again, with faults on the way: in the end each row is billed once.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_is_resumed() {
    const ROWS: usize = 60;
    let mut resumed = 0;
    for seed in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let sim = Sim::builder().build().await.unwrap();
        let mut random = Random::new(seed);
        let options = ImportOptions::named("fees").chunk_rows(7).in_flight(3);
        let mut of_faults = Random::new(seed ^ 0xfa);
        let faulty = Arc::new(Faulty::by(sim.transport(), move |request: &Request<Bytes>| {
            match request.uri().path() == "/integration/add-bulk" && of_faults.chance(25) {
                true => [Fault::LoseAnswer, Fault::CutAnswer, Fault::Refuse][of_faults.below(3)],
                false => Fault::None,
            }
        }));
        let mut kills = 0;
        let (rows, progress) = loop {
            let journal = SqliteJournal::open(folder.path().join("journal.db")).unwrap();
            let client = builder_within(SHORT_WINDOW, Arc::clone(&faulty)).journal(journal).build().unwrap();
            client.log_in().await.unwrap();
            let polls = 1 + random.below(60);
            let polls = if kills < 12 { polls } else { usize::MAX };
            match cancelled_after(polls, run(&client, rows(ROWS), options.clone())).await {
                Some((rows, progress, None)) => break (rows, progress),
                Some((.., Some(kind))) => panic!("seed {seed}: {kind:?}"),
                None => kills += 1,
            }
        };
        assert_eq!((rows.len(), progress.accepted), (ROWS, u64::try_from(ROWS).unwrap()), "seed {seed}");
        resumed += progress.resumed;
        let records = records(&sim, u64::try_from(ROWS).unwrap()).await;
        for (number, (_, payments)) in records.iter().enumerate() {
            assert_eq!(payments.len(), 1, "seed {seed}, {number}: {payments:?}");
        }
        assert_eq!(records.len(), ROWS);
    }
    assert!(resumed > 0, "no kill left anything to resume");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_rows_under_the_same_name_end_it() {
    let sim = Sim::builder().build().await.unwrap();
    let client = builder(sim.transport()).build().unwrap();
    let options = ImportOptions::named("fees").chunk_rows(5);
    assert_eq!(run(&client, rows(10), options.clone()).await.2, None);
    let mut other = rows(10);
    other[7] = row("I-7", 999);
    let (rows, _, failed) = run(&client, other, options).await;
    assert_eq!((failed, rows.len()), (Some(ErrorKind::Refused), 5));
    assert_eq!(records(&sim, 10).await.len(), 10);
}

/// Nothing but what the client itself refuses, and nothing at all.
#[tokio::test(flavor = "multi_thread")]
async fn imports_without_a_request() {
    let sim = Sim::builder().build().await.unwrap();
    let client = builder(sim.transport()).build().unwrap();
    assert_eq!(run(&client, Vec::new(), ImportOptions::new()).await, (Vec::new(), Progress::default(), None));
    let edged = (0..12).map(|number| row(&format!(" I-{number}"), 1)).collect();
    let (rows, progress, failed) = run(&client, edged, ImportOptions::new().chunk_rows(5)).await;
    assert_eq!((rows.len(), progress.refused, failed), (12, 12, None));
}

/// A hub that forbids ends it: the failed chunk's rows aren't given, and no more is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_forbids_ends_it() {
    let sim = Sim::builder().build().await.unwrap();
    let client = builder(sim.transport()).credentials("viewer", "viewer").build().unwrap();
    let (rows, _, failed) = run(&client, rows(100), ImportOptions::new().chunk_rows(5)).await;
    assert_eq!(
        (rows.iter().filter(|row| row.outcome == RowOutcome::Accepted).count(), failed),
        (0, Some(ErrorKind::Forbidden))
    );
}
