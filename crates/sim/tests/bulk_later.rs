//! Batches: what becomes of their rows after the answer.

use asaanbill_sim::{BulkProgress, Sim, SimBuilder};
use serde_json::Value;

use crate::disk::Disk;
use crate::durability::with_receiver;
use crate::hub::{Answer, Hub, plain, psid};
use crate::story::{bill, row, shown};

/// A batch of bills of these identifiers.
fn batch(identifiers: &[&str]) -> String {
    let rows: Vec<String> = identifiers.iter().map(|identifier| row(identifier, "5", "5", "2025-01-31")).collect();
    format!(r#"{{"payments":[{}]}}"#, rows.join(","))
}

/// A simulator that leaves batches as they were accepted.
fn asleep() -> SimBuilder {
    Sim::builder().bulk_progress(BulkProgress::ByHand)
}

/// The batch's status, and each row's identifier, status and PSID.
fn detail(answer: &Answer) -> Vec<String> {
    let rows = answer.data()["payments"]["content"].as_array().expect("rows");
    let line = |row: &Value| ["identifier", "status", "psid"].map(|field| plain(&row[field])).join(" ");
    std::iter::once(answer.text_at("/status").to_owned()).chain(rows.iter().map(line)).collect()
}

async fn check(hub: &Hub, id: u64, expected: &[&str]) {
    let answer = hub.get(&format!("/bulk-payment-request/{id}")).send().await;
    assert_eq!(detail(&answer), expected);
}

/// The process ends after the answer, and nobody took the batch any further: each step is seen as it was stored.
#[test]
fn drafts_get_their_psids_later() {
    let disk = Disk::new();
    disk.run_with(asleep(), async |hub| {
        assert_eq!(hub.add_bulk(batch(&["A", "B"])).await.data()["bulkPaymentRequestId"], 1);
    });
    assert_eq!(disk.look("SELECT status FROM payments"), ["DRAFT", "DRAFT"]);
    assert_eq!(disk.look("SELECT status FROM bulk_requests"), ["DRAFT"]);

    // Asleep, so that the drafts can be looked at.
    disk.change("UPDATE bulk_requests SET due_at = NULL");
    disk.run(async |hub| {
        check(&hub, 1, &["DRAFT", "A DRAFT null", "B DRAFT null"]).await;
        assert_eq!(hub.get("/payment").send().await.content().len(), 0, "only what has a PSID is listed");
        let draft = hub.get("/payment/1").send().await;
        assert_eq!((draft.text_at("/status"), draft.text_at("/qrString")), ("DRAFT", ""));
        assert_eq!(draft.data()["psid"], Value::Null);
        assert_eq!(hub.pay(&psid(1), "5", "R").await.0, 404);
    });

    for status in ["DRAFT", "IN_PROCESS"] {
        disk.change(&format!(
            "UPDATE bulk_requests SET status = '{status}', due_at = 0; UPDATE payments SET status = '{status}'"
        ));
        disk.run(async |hub| {
            hub.settled().await;
            let (a, b) = (format!("A APPROVED {}", psid(1)), format!("B APPROVED {}", psid(2)));
            check(&hub, 1, &["PROCESSED", &a, &b]).await;
        });
        // As if it hadn't happened.
        disk.change("UPDATE payments SET psid = NULL; DELETE FROM identifiers; UPDATE counters SET psid = 1");
    }
}

/// A bill that was added after the batch, and got its PSID before it, is the newer one.
#[test]
fn a_row_that_a_later_bill_overtakes() {
    let disk = Disk::new();
    disk.run_with(asleep(), async |hub| {
        hub.add("PSID", &bill("A", "1", "1", "2025-01-31")).await;
        hub.add_bulk(batch(&["A", "B", "A"])).await;
    });
    disk.change("UPDATE bulk_requests SET due_at = NULL");
    let later = disk.run(async |hub| {
        hub.add("PSID", &bill("A", "9", "9", "2025-01-31")).await;
        hub.get(&format!("/search/{}", psid(1))).send().await
    });
    assert_eq!(shown(&later), ["A 9 APPROVED", "A 1 DISCARD"]);
    disk.change("UPDATE bulk_requests SET due_at = 0");
    disk.run(async |hub| {
        hub.settled().await;
        let approved = format!("B APPROVED {}", psid(2));
        check(&hub, 1, &["PROCESSED", "A ERRORED null", &approved, "A ERRORED null"]).await;
        let now = hub.get(&format!("/search/{}", psid(1))).send().await;
        assert_eq!(shown(&now), shown(&later), "what overtook them is left alone");
        assert_eq!(hub.pay(&psid(1), "9", "R").await.0, 200);
        hub.add_bulk(batch(&["A"])).await;
        hub.settled().await;
        let approved = format!("A APPROVED {}", psid(1));
        check(&hub, 2, &["PROCESSED", &approved]).await;
    });
    assert_eq!(
        disk.look("SELECT why FROM payments WHERE why IS NOT NULL"),
        ["Overtaken by payment 5 on the same identifier"; 2]
    );
}

/// A batch of which every row was overtaken has no PSIDs to tell of.
#[test]
fn a_batch_that_was_overtaken_calls_nobody_back() {
    let disk = Disk::new();
    disk.run_with(asleep(), async |hub| {
        hub.add_bulk(batch(&["A"])).await;
    });
    disk.change("UPDATE bulk_requests SET due_at = NULL");
    disk.run(async |hub| {
        hub.add("PSID", &bill("A", "9", "9", "2025-01-31")).await;
    });
    disk.change("UPDATE bulk_requests SET due_at = 0");
    with_receiver(|receiver| {
        disk.run_with(Sim::builder().callback_url(receiver.url()), async |hub| {
            hub.settled().await;
            check(&hub, 1, &["PROCESSED", "A ERRORED null"]).await;
            hub.add_bulk(batch(&["B"])).await;
            let called = receiver.acknowledged().await;
            assert_eq!(called, r#"/hooks/bulk-payment-request-approved {"bulkPaymentRequestId":2}"#);
        });
    });
}

/// Batches are done in the order in which they were accepted, so that the later one's rows are the newer ones.
#[test]
fn of_two_batches_the_later_one_wins() {
    let disk = Disk::new();
    disk.run_with(asleep(), async |hub| {
        hub.add_bulk(batch(&["A", "B"])).await;
    });
    disk.change("UPDATE bulk_requests SET due_at = NULL");
    disk.run_with(asleep(), async |hub| {
        hub.add_bulk(batch(&["B", "C"])).await;
    });
    disk.change("UPDATE bulk_requests SET due_at = 0");
    disk.run(async |hub| {
        hub.settled().await;
        let (a, b) = (format!("A APPROVED {}", psid(1)), format!("B DISCARD {}", psid(2)));
        check(&hub, 1, &["PROCESSED", &a, &b]).await;
        let (b, c) = (format!("B APPROVED {}", psid(2)), format!("C APPROVED {}", psid(3)));
        check(&hub, 2, &["PROCESSED", &b, &c]).await;
    });
}
