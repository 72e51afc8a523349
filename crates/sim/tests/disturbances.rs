//! What goes wrong with call-backs on purpose, each by its setting, from the payment to the receiver.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::hub::{BILL, Hub, NOW, psid};
use crate::receivers::attempts;
use crate::recorder::{Recorder, settle};
use crate::story::row;

const ALL: &str = "1000";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Adds and pays a bill. The number is also the PSID's.
async fn pay(hub: &Hub, number: u64) {
    hub.add("PSID", &BILL.replace("FS-BSCS-095", &format!("bill {number}"))).await;
    assert_eq!(hub.pay(&psid(number), "50", "R").await.0, 200);
}

/// The numbers of the bills that the receiver was told of, in order.
fn bills(recorder: &Recorder) -> Vec<String> {
    let identifier = |body: &String| object(body.as_bytes())["identifier"].as_str().unwrap().to_owned();
    recorder.bodies().iter().map(|body| identifier(body).replace("bill ", "")).collect()
}

fn object(body: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(body).unwrap()
}

fn later(seconds: i64) -> Timestamp {
    NOW.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

#[tokio::test]
async fn duplicates() {
    for (copies, expected) in [("1", 2), ("3", 4), ("10", 11)] {
        let recorder = Recorder::start().await;
        let settings = recorder.builder(&[("callback_duplicate", ALL), ("callback_copies", copies)]);
        let hub = Hub::with(settings).await;
        pay(&hub, 1).await;
        let attempts = attempts(&hub, expected).await;
        assert!(attempts.iter().all(|attempt| attempt.failure.is_none()));
        hub.sim.advance(HOUR).await.unwrap();
        assert_eq!(recorder.told().len(), expected, "copies {copies}");
        assert!(recorder.told().iter().all(|told| *told == recorder.told()[0]), "each is the same");
        assert_eq!(bills(&recorder)[0], "1");
    }
}

/// A duplicate is acknowledged for itself: one that fails is attempted again, and the others aren't.
#[tokio::test]
async fn duplicates_are_retried_apart() {
    let recorder = Recorder::answering(|number| if number == 0 { 503 } else { 200 }).await;
    let settings = [("callback_duplicate", ALL), ("callback_schedule", "standard-webhooks")];
    let hub = Hub::with(recorder.builder(&settings)).await;
    pay(&hub, 1).await;
    settle(&hub).await;
    assert_eq!(hub.sim.advance(HOUR).await.unwrap().len(), 1);
    assert_eq!(recorder.told().len(), 3);
}

/// The hub's record is the truth all the same.
#[tokio::test]
async fn loss() {
    let recorder = Recorder::start().await;
    let hub = Hub::with(recorder.builder(&[("callback_loss", ALL), ("callback_schedule", "standard-webhooks")])).await;
    pay(&hub, 1).await;
    hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, row("A", "5", "5", "2025-01-31"))).await;
    hub.settled().await;
    assert_eq!(hub.sim.next_due().await.unwrap(), None);
    hub.sim.advance(HOUR * 100).await.unwrap();
    assert_eq!((recorder.told(), hub.sim.callback_attempts().await.unwrap()), (vec![], vec![]));
    let found = hub.get(&format!("/search/{}", psid(1))).send().await;
    assert_eq!(found.column("status"), ["PROCESSED"]);
}

/// Each waits for the one behind it, which doesn't wait itself: they swap two by two.
#[tokio::test]
async fn disorder() {
    let recorder = Recorder::start().await;
    let settings = recorder.builder(&[("callback_disorder", ALL), ("callback_hold_seconds", "40")]);
    let hub = Hub::with(settings).await;
    for (first, second) in [(1, 2), (3, 4)] {
        pay(&hub, first).await;
        assert_eq!(hub.sim.next_due().await.unwrap(), Some(later(40)));
        assert_eq!(bills(&recorder).len() % 2, 0, "the first waits");
        pay(&hub, second).await;
        settle(&hub).await;
    }
    assert_eq!(bills(&recorder), ["2", "1", "4", "3"]);
    assert_eq!(hub.sim.next_due().await.unwrap(), None);
    // With nobody behind it, it has waited long enough at some time.
    pay(&hub, 5).await;
    assert_eq!(hub.sim.advance(SignedDuration::from_secs(39)).await.unwrap(), []);
    let effects = hub.sim.advance(SignedDuration::from_secs(1)).await.unwrap();
    assert_eq!((effects.len(), effects[0].at), (1, later(40)));
    assert_eq!(bills(&recorder), ["2", "1", "4", "3", "5"]);
}

/// A forged one isn't the channel's next call-back, nor is a copy of the same.
#[tokio::test]
async fn disorder_is_behind_another_call_back() {
    let recorder = Recorder::start().await;
    let settings = [("callback_disorder", ALL), ("callback_forgery", ALL), ("callback_duplicate", ALL)];
    let hub = Hub::with(recorder.builder(&settings)).await;
    pay(&hub, 1).await;
    settle(&hub).await;
    assert_eq!(hub.sim.advance(SignedDuration::from_secs(29)).await.unwrap(), []);
    assert_eq!(recorder.told().len(), 1, "the forgery");
    // Then both copies at once, and nothing more.
    assert_eq!(hub.sim.advance(SignedDuration::from_secs(1)).await.unwrap().len(), 2);
    assert_eq!(hub.sim.next_due().await.unwrap(), None);
}

#[tokio::test]
async fn delay() {
    for (seconds, text) in [(60, "60"), (6, "6"), (604_800, "604800")] {
        let recorder = Recorder::start().await;
        let hub = Hub::with(recorder.builder(&[("callback_delay", ALL), ("callback_delay_seconds", text)])).await;
        pay(&hub, 1).await;
        assert_eq!(hub.sim.next_due().await.unwrap(), Some(later(seconds)));
        assert_eq!(hub.sim.advance(SignedDuration::from_secs(seconds - 1)).await.unwrap(), []);
        assert_eq!(recorder.told(), [], "longer than anybody waits who has {text} s less one");
        let effects = hub.sim.advance(SignedDuration::from_secs(1)).await.unwrap();
        assert_eq!((effects.len(), effects[0].at), (1, later(seconds)));
        assert_eq!(bills(&recorder), ["1"]);
    }
}

/// Whatever the damage is, it is no JSON, and what is repeated is whole.
#[tokio::test]
async fn corruption() {
    let recorder = Recorder::start().await;
    let settings = recorder.builder(&[("callback_corruption", ALL), ("callback_duplicate", ALL)]);
    let hub = Hub::with(settings).await;
    for number in 1..=8 {
        pay(&hub, number).await;
    }
    attempts(&hub, 16).await;
    let told = recorder.told();
    let (whole, damaged): (Vec<_>, Vec<_>) =
        told.iter().partition(|told| serde_json::from_slice::<Value>(&told.body).is_ok());
    assert_eq!((whole.len(), damaged.len()), (8, 8));
    assert!(whole.iter().all(|told| object(&told.body)["title"] == "Muhammad Mahd Sheikh"));
    let text = damaged.iter().filter(|told| std::str::from_utf8(&told.body).is_ok()).count();
    assert!((1..8).contains(&text), "bytes that are no text, too");
}

/// The receiver sees what is true and what isn't. Only the hub's record tells which is which.
#[tokio::test]
async fn forgery() {
    let recorder = Recorder::start().await;
    let hub = Hub::with(recorder.builder(&[("callback_forgery", ALL)])).await;
    let mut forged_fields = Vec::new();
    for number in 1..=8_u64 {
        pay(&hub, number).await;
        let count = usize::try_from(number).unwrap() * 2;
        attempts(&hub, count).await;
        let told: Vec<_> = recorder.told()[count - 2..].iter().map(|told| object(&told.body)).collect();
        let is_true = |told: &Map<String, Value>| told["psid"] == *psid(number) && told["amount"] == "50";
        assert_eq!(told.iter().filter(|told| is_true(told)).count(), 1, "{told:?}");
        let differing: Vec<_> = told[0].keys().filter(|key| told[0][*key] != told[1][*key]).cloned().collect();
        let forged = told.iter().find(|told| !is_true(told)).unwrap();
        let found = hub.get(&format!("/search/{}", forged["psid"].as_str().unwrap())).send().await;
        match differing.as_slice() {
            [field] if field == "psid" => assert_eq!(found.content().len(), 0, "nobody's"),
            [field] if field == "amount" => assert_eq!(found.column("amount"), ["50"]),
            other => panic!("one field differs, not {other:?}"),
        }
        forged_fields.extend(differing);
    }
    forged_fields.sort_unstable();
    forged_fields.dedup();
    assert_eq!(forged_fields, ["amount", "psid"], "both kinds");
}

#[tokio::test]
async fn a_batch_that_was_never_approved() {
    let recorder = Recorder::start().await;
    let hub = Hub::with(recorder.builder(&[("callback_forgery", ALL)])).await;
    hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, row("A", "5", "5", "2025-01-31"))).await;
    attempts(&hub, 2).await;
    let mut numbers: Vec<_> = recorder
        .told()
        .iter()
        .map(|told| (told.path.clone(), object(&told.body)["bulkPaymentRequestId"].as_u64().unwrap()))
        .collect();
    numbers.sort_unstable();
    let [(path, 1), (same, made_up)] = numbers.as_slice() else { panic!("{numbers:?}") };
    assert_eq!((path.as_str(), same.as_str()), ("/bulk-payment-request-approved", "/bulk-payment-request-approved"));
    let asked = hub.get(&format!("/bulk-payment-request/{made_up}")).send().await;
    assert!(asked.said().starts_with("404 "), "{}", asked.said());
}

/// Half of all, and the same half for whoever has the seed.
#[tokio::test]
async fn a_seed_decides() {
    let lost = async |seed: Option<u64>| {
        let recorder = Recorder::start().await;
        let builder = recorder.builder(&[("callback_loss", "500")]);
        let builder = seed.into_iter().fold(builder, asaanbill_sim::SimBuilder::seed);
        let hub = Hub::with(builder).await;
        for number in 1..=16 {
            let added = hub.add("PSID", &BILL.replace("FS-BSCS-095", &format!("bill {number}"))).await;
            assert_eq!(hub.pay(added.text_at("/psid"), "50", "R").await.0, 200);
        }
        hub.sim.advance(HOUR).await.unwrap();
        let mut told = bills(&recorder);
        told.sort_unstable();
        told
    };
    let (one, again, other) = (lost(Some(7)).await, lost(Some(7)).await, lost(Some(8)).await);
    assert_eq!(one, again);
    assert_ne!(one, other);
    assert_eq!(lost(None).await, lost(None).await, "without one, too");
    assert!((3..=13).contains(&one.len()), "{one:?}");
}
