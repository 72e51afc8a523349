//! Who is let in, how much is taken, what a sweep finds, and what a person may do.

use std::time::Duration;

use asaanbill_callbacks::{Inbox, Limits, Location, ReceiptState, Receiver, ReceiverErrorKind, Redrive};
use asaanbill_transport::{ServiceTransport, Transport as _};

use crate::hub::Hub;
use crate::ledger::Ledger;
use crate::world::{World, post, processed, psid};

const SECRET: &str = "0123456789abcdefghijkl";

async fn status(receiver: &Receiver, path: &str, forwarded: Option<&str>) -> u16 {
    let mut request = post(path, &processed(&psid('A'), "50", Some("55")));
    if let Some(forwarded) = forwarded {
        request.headers_mut().insert("x-forwarded-for", forwarded.parse().unwrap());
    }
    ServiceTransport::new(receiver.router()).send(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_secret_and_the_allow_list() {
    let builder = Receiver::builder(Location::Memory, Hub::default().client(), Ledger::default()).sweep(None);
    let builder = builder.path_secret(SECRET).allow(["192.0.2.0/24".parse().unwrap()]).proxy_hops(1);
    let receiver = builder.build().await.unwrap();
    let right = format!("/{SECRET}/processed");
    for (path, forwarded, expected) in [
        (right.as_str(), Some("192.0.2.7"), 200),
        (&right, Some("198.51.100.7"), 403),
        (&right, Some("192.0.2.7, 198.51.100.7"), 403),
        (&right, None, 403),
        ("/processed", Some("192.0.2.7"), 404),
        ("/0123456789abcdefghijkm/processed", Some("192.0.2.7"), 404),
        (&format!("/{SECRET}/other"), Some("192.0.2.7"), 404),
    ] {
        assert_eq!(status(&receiver, path, forwarded).await, expected, "{path} {forwarded:?}");
    }
    let receipts = receiver.receipts().await.unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.source.as_deref()).collect::<Vec<_>>(), [Some("192.0.2.7")]);
    let metrics = receiver.metrics().await.unwrap();
    for line in ["accepted_total 1", "refused_total{reason=\"path\"} 3", "refused_total{reason=\"source\"} 3"] {
        assert!(metrics.contains(&format!("asaanbill_callbacks_{line}\n")), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn settings_that_are_not_allowed_are_all_named() {
    let mut limits = Limits::default();
    limits.accept_timeout = Duration::from_secs(5);
    let builder = Receiver::builder(Location::Memory, Hub::default().client(), Ledger::default());
    let builder = builder.path_secret("short").handlers_at_once(0).limits(limits);
    let failed = builder.confirm_schedule([Duration::ZERO; 65]).build().await.unwrap_err();
    assert_eq!(failed.kind(), ReceiverErrorKind::Settings);
    let said = failed.to_string();
    for named in ["path secret", "accept_timeout", "handlers_at_once", "65 waits", "shorter than 1 s"] {
        assert!(said.contains(named), "{said}");
    }
    for text in ["", "inbox.db", "sqlite:", "mysql://x"] {
        assert!(text.parse::<Inbox>().is_err(), "{text}");
    }
    assert_eq!("sqlite:inbox.db".parse(), Ok(Inbox::Sqlite(Location::File("inbox.db".into()))));
}

#[tokio::test]
async fn waits_of_a_second_to_a_week_are_allowed() {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
    let second = Duration::from_secs(1);
    let allowed = async |wait| {
        let builder = Receiver::builder(Location::Memory, Hub::default().client(), Ledger::default());
        builder.confirm_schedule([wait]).build().await.is_ok()
    };
    let just = Duration::from_millis(1);
    for (wait, expected) in [(second - just, false), (second, true), (WEEK, true), (WEEK + just, false)] {
        assert_eq!(allowed(wait).await, expected, "{wait:?}");
    }
}

#[tokio::test]
async fn a_flood_is_bounded() {
    let mut limits = Limits::default();
    limits.unresolved = 3;
    let hub = Hub::default();
    hub.set_mood(crate::hub::Mood::Hanging);
    let builder = Receiver::builder(Location::Memory, hub.client(), Ledger::default()).sweep(None);
    let receiver = builder.limits(limits).build().await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(status(&receiver, "/processed", None).await);
    }
    assert_eq!(answers, [200, 200, 200, 503, 503]);
    assert_eq!(receiver.receipts().await.unwrap().len(), 3);
    assert!(receiver.give_up(1, "a flood").await.unwrap());
    assert_eq!(status(&receiver, "/processed", None).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_person_looks_and_decides() {
    let mut world = World::in_memory().await;
    let bill = world.hub.bill(&psid('A'), "50", "55");
    world.post_processed(&psid('A'), "5", Some("55")).await;
    world.post_processed(&psid('X'), "50", Some("55")).await;
    world.settle().await;
    world.hub.pay(bill);
    world.post_processed(&psid('A'), "6", Some("55")).await;
    world.settle().await;
    let receiver = world.receiver.clone();
    use ReceiptState::{GivenUp, Mismatch, Received, Rejected};
    assert_eq!(world.states().await, [Rejected, Received, Mismatch]);
    let mismatches = receiver.list(Some(Mismatch), i64::MAX, 10).await.unwrap();
    let [mismatch] = &mismatches[..] else { panic!("{mismatches:?}") };
    let kinds: Vec<_> = receiver.health().await.stuck.iter().map(|stuck| stuck.what).collect();
    assert_eq!(kinds, [asaanbill_callbacks::StuckKind::Mismatch]);

    assert!(receiver.give_up(2, "a forgery\nthat").await.unwrap());
    assert!(!receiver.give_up(2, "again").await.unwrap());
    let history = receiver.history(2).await.unwrap().unwrap();
    assert_eq!(history.receipt.state, GivenUp);
    let words: Vec<_> = history.steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(words, ["the hub knows nothing of the kind", "given up: a forgerythat"]);
    assert_eq!(receiver.history(999).await.unwrap(), None);

    assert_eq!(receiver.redrive(mismatch.id).await.unwrap(), Redrive::Confirming);
    world.settle().await;
    assert_eq!(world.states().await, [Rejected, GivenUp, Mismatch], "it is as it was");
    assert_eq!(receiver.redrive(999).await.unwrap(), Redrive::Nothing);
}
