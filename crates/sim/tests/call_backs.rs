//! Call-backs: what is sent, and when.

use std::collections::BTreeSet;

use asaanbill_sim::{CallbackAttempt, Sim};

use crate::disk::Disk;
use crate::hub::{BILL, Hub, joined, psid};
use crate::receiver::{RECEIVED, Receiver};
use crate::receivers::answered_with;
use crate::story::row;

async fn called_hub() -> (Hub, Receiver) {
    let receiver = Receiver::start().await;
    (Hub::with(Sim::builder().callback_url(receiver.url())).await, receiver)
}

/// Pays, and expects exactly this to be posted.
async fn check(hub: &Hub, receiver: &mut Receiver, number: u64, amount: &str, expected: &str) {
    let reference = format!("R{number}");
    assert_eq!(hub.pay(&psid(number), amount, &reference).await.0, 200);
    let call = receiver.next().await;
    assert_eq!(call.head, "POST /hooks/processed application/json");
    assert_eq!(call.body, joined(expected));
    call.answer(200, RECEIVED);
}

#[tokio::test]
async fn a_paid_payment() {
    let (hub, mut receiver) = called_hub().await;
    hub.add("PSID", BILL).await;
    hub.add("SQRC_WITH_AMOUNT", &BILL.replace("FS-BSCS-095", " FS-1").replace("\"50\"", "\"050.0\"")).await;
    hub.add("SQRC_WITHOUT_AMOUNT", r#"{"payment":{"title":"Ali Tuck Shop","identifier":"ali-tuck-shop-1"}}"#).await;
    hub.add("DQRC", r#"{"payment":{"amount":"1500","longitude":"72.996636","latitude":"33.646342"}}"#).await;
    let bill = r#"{"title":"Muhammad Mahd Sheikh","identifier":"FS-BSCS-095","dueDate":"2025-01-31","amount":"50",
        "amountAfterDueDate":"55","psid":"100139000000000000000001"}"#;
    check(&hub, &mut receiver, 1, "50", bill).await;
    let code = r#"{"title":"Muhammad Mahd Sheikh","identifier":" FS-1","dueDate":"2025-01-31","amount":"050.0",
        "amountAfterDueDate":"55","psid":"100139000000000000000002"}"#;
    check(&hub, &mut receiver, 2, "50", code).await;
    let shop = r#"{"title":"Ali Tuck Shop","identifier":"ali-tuck-shop-1","dueDate":null,"amount":"120.50",
        "amountAfterDueDate":null,"psid":"100139000000000000000003"}"#;
    check(&hub, &mut receiver, 3, "120.50", shop).await;
    let sale = r#"{"title":null,"identifier":"4","dueDate":null,"amount":"1500",
        "amountAfterDueDate":null,"psid":"100139000000000000000004"}"#;
    check(&hub, &mut receiver, 4, "1500", sale).await;
}

/// The payload doesn't say that more was paid because it was late.
#[tokio::test]
async fn a_bill_that_is_paid_late() {
    let (hub, mut receiver) = called_hub().await;
    hub.add("PSID", BILL).await;
    hub.sim.clock().set("2025-02-01T00:00:00+05:00".parse().unwrap());
    let bill = r#"{"title":"Muhammad Mahd Sheikh","identifier":"FS-BSCS-095","dueDate":"2025-01-31","amount":"50",
        "amountAfterDueDate":"55","psid":"100139000000000000000001"}"#;
    check(&hub, &mut receiver, 1, "55", bill).await;
}

#[tokio::test]
async fn an_approved_batch() {
    let (hub, mut receiver) = called_hub().await;
    let rows = [row("A", "5", "5", "2025-01-31"), row("B", "0", "5", "2025-01-31")].join(",");
    hub.add_bulk(format!(r#"{{"payments":[{rows}]}}"#)).await;
    let call = receiver.next().await;
    assert_eq!(call.head, "POST /hooks/bulk-payment-request-approved application/json");
    assert_eq!(call.body, r#"{"bulkPaymentRequestId":1}"#);
    // It is so when it is said.
    let batch = hub.get("/bulk-payment-request/1").send().await;
    assert_eq!(batch.text_at("/status"), "PROCESSED");
    assert_eq!(batch.text_at("/payments/content/0/status"), "APPROVED");
    call.answer(200, RECEIVED);
    // All rows bad: there is no batch to tell of. The next call-back is the next batch's.
    hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, row("A", "0", "5", "2025-01-31"))).await;
    hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, row("A", "5", "5", "2025-01-31"))).await;
    assert_eq!(receiver.acknowledged().await, r#"/hooks/bulk-payment-request-approved {"bulkPaymentRequestId":2}"#);
}

/// While the receiver thinks, the hub's record already says so, and the hub works on.
#[tokio::test]
async fn after_the_commit_and_beside_the_hub() {
    let (hub, mut receiver) = called_hub().await;
    hub.add("PSID", BILL).await;
    hub.pay(&psid(1), "50", "R").await;
    let call = receiver.next().await;
    let found = hub.get("/search/100139000000000000000001").send().await;
    assert_eq!(found.column("status"), ["PROCESSED"]);
    assert_eq!(hub.sim.callback_attempts().await.unwrap(), [], "it isn't answered yet");
    assert!(hub.add("PSID", BILL).await.is_success());
    assert_eq!(hub.pay(&psid(1), "50", "S").await.0, 200);
    receiver.acknowledged().await;
    call.answer(200, RECEIVED);
    let acknowledged = CallbackAttempt { path: "/processed".into(), failure: None };
    assert_eq!(crate::receivers::attempts(&hub, 2).await, [acknowledged.clone(), acknowledged]);
}

/// One attempt each, whatever the receiver says; a bank's repeat is no event. They may be under way together, and in any order.
#[tokio::test]
async fn one_attempt_for_each_event() {
    let (hub, mut receiver) = called_hub().await;
    for identifier in ["A", "B", "C"] {
        hub.add("PSID", &BILL.replace("FS-BSCS-095", identifier)).await;
    }
    for number in 1..=3 {
        hub.pay(&psid(number), "50", "R").await;
        hub.pay(&psid(number), "50", "R").await;
        hub.pay(&psid(number), "49", "S").await;
    }
    let mut calls = [receiver.next().await, receiver.next().await, receiver.next().await];
    calls.sort_by(|one, other| one.body.cmp(&other.body));
    for (call, (identifier, status)) in calls.into_iter().zip([("A", 500), ("B", 200), ("C", 503)]) {
        assert!(call.body.contains(&format!(r#""identifier":"{identifier}""#)), "{}", call.body);
        call.answer(status, RECEIVED);
    }
    let attempts = crate::receivers::attempts(&hub, 3).await;
    let failures: BTreeSet<_> = attempts.into_iter().map(|attempt| attempt.failure).collect();
    assert_eq!(failures, [Some(answered_with(500)), None, Some(answered_with(503))].into());
    hub.add("PSID", &BILL.replace("FS-BSCS-095", "D")).await;
    hub.pay(&psid(4), "50", "R").await;
    let next = receiver.acknowledged().await;
    assert!(next.contains(r#""identifier":"D""#), "nothing was repeated: {next}");
}

#[tokio::test]
async fn nobody_is_called_who_gave_no_address() {
    let hub = Hub::start().await;
    hub.add("PSID", BILL).await;
    hub.pay(&psid(1), "50", "R").await;
    hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, row("A", "5", "5", "2025-01-31"))).await;
    hub.settled().await;
    assert_eq!(hub.sim.callback_attempts().await.unwrap(), []);
}

/// Nothing is owed that could be sent one day to whoever gives an address then.
#[test]
fn nothing_is_owed_where_there_is_no_address() {
    let disk = Disk::new();
    disk.run(async |hub| {
        hub.add("PSID", BILL).await;
        hub.pay(&psid(1), "50", "R").await;
        hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, row("A", "5", "5", "2025-01-31"))).await;
        hub.settled().await;
    });
    assert_eq!(disk.look("SELECT path FROM callbacks"), [""; 0]);
}
