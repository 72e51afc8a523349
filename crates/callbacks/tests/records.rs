//! Records that are many, odd, unreadable or of batches, and what the handler gets of them.

use std::time::Duration;

use asaanbill_callbacks::{CONFIRM_DELAYS_SECONDS, Confirmed, ReceiptState};

use crate::world::{World, bulk_approved, psid};

async fn pass_a_day(world: &mut World) {
    for seconds in CONFIRM_DELAYS_SECONDS {
        world.pass(Duration::from_secs(seconds.into())).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_handler_gets_the_hubs_record() {
    let mut world = World::in_memory().await;
    let id = world.hub.bill(&psid('A'), "50", "55");
    world.hub.pay(id);
    let claimed = r#"{"title":"Mallory","identifier":"X","dueDate":"1999-01-01","amount":50.0,"amountAfterDueDate":"55.0",
        "psid":"PSID"}"#;
    world.post("/processed", &claimed.replace("PSID", &psid('A'))).await;
    world.settle().await;
    let Confirmed::Payment(paid) = &world.ledger.events()[0] else { panic!("a payment") };
    assert_eq!((paid.id().get(), paid.effect_key()), (id, format!("payment/23/{id}")));
    let record = paid.record();
    assert_eq!((record.title(), record.identifier()), (Some("Bareera Sheikh"), Some("FS-BSCS-095")));
    assert_eq!(record.psid().unwrap().as_str(), psid('A'));
    assert_eq!((record.amount().unwrap().as_str(), record.due_date_text()), ("50", Some("2025-08-31")));
}

/// The batch, and what becomes of its call-back at once and after a day.
async fn check_batch(payments: &[(&str, &str)], at_once: ReceiptState, after_a_day: ReceiptState) {
    let mut world = World::in_memory().await;
    world.hub.batch(29, payments);
    world.post("/bulk-payment-request-approved", &bulk_approved(29)).await;
    world.settle().await;
    assert_eq!(world.states().await, [at_once], "{payments:?}");
    pass_a_day(&mut world).await;
    assert_eq!(world.states().await, [after_a_day], "{payments:?}");
    let handled = if after_a_day == ReceiptState::Confirmed { vec!["bulk/23/29"] } else { vec![] };
    assert_eq!(world.handled(), handled, "{payments:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_done_when_no_payment_waits_for_its_psid() {
    use ReceiptState::{Confirmed, Received, Unconfirmed};
    let (a, b) = (&*psid('A'), &*psid('B'));
    check_batch(&[(a, "APPROVED")], Confirmed, Confirmed).await;
    check_batch(&[(a, "APPROVED"), (b, "PROCESSED"), (a, "DISCARD"), ("", "ERRORED")], Confirmed, Confirmed).await;
    // A forged one must not announce half a batch.
    check_batch(&[(a, "APPROVED"), ("", "IN_PROCESS")], Received, Unconfirmed).await;
    check_batch(&[("", "DRAFT"), (a, "APPROVED")], Received, Unconfirmed).await;
    check_batch(&[("", "ERRORED")], Received, Unconfirmed).await;
    check_batch(&[], Received, Unconfirmed).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_announced_once() {
    let mut world = World::in_memory().await;
    world.hub.batch(29, &[("", "DRAFT")]);
    for body in [bulk_approved(29), r#"{"bulkPaymentRequestId":"29"}"#.into()] {
        world.post("/bulk-payment-request-approved", &body).await;
    }
    for body in [bulk_approved(30), r#"{"bulkPaymentRequestId":"no number"}"#.into(), bulk_approved(0)] {
        world.post("/bulk-payment-request-approved", &body).await;
    }
    world.settle().await;
    world.hub.batch(29, &[(&psid('A'), "APPROVED"), (&psid('B'), "APPROVED")]);
    world.pass(Duration::from_secs(1)).await;
    world.pass(Duration::from_secs(2)).await;
    let rejected = ReceiptState::Rejected;
    let expected = [ReceiptState::Confirmed, ReceiptState::Duplicate, rejected, rejected, rejected];
    assert_eq!(world.states().await, expected);
    assert_eq!(world.handled(), ["bulk/23/29"]);
    let events = world.ledger.events();
    let batch = events.iter().find_map(|event| match event {
        Confirmed::Bulk(batch) => Some(batch),
        _ => None,
    });
    let batch = batch.unwrap();
    assert_eq!((batch.id().get(), batch.record().payments.len()), (29, 2));
}

#[tokio::test(start_paused = true)]
async fn a_payment_and_a_batch_of_one_number_are_two_effects() {
    let mut world = World::in_memory().await;
    let id = world.hub.bill(&psid('A'), "50", "55");
    world.hub.pay(id);
    world.hub.batch(id, &[(&psid('A'), "PROCESSED")]);
    world.post("/bulk-payment-request-approved", &bulk_approved(id)).await;
    world.post_processed(&psid('A'), "50", Some("55")).await;
    world.settle().await;
    assert_eq!(world.handled(), [format!("bulk/23/{id}"), format!("payment/23/{id}")]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_without_a_readable_number_asks_the_hub_nothing() {
    let mut world = World::in_memory().await;
    for psid in [r#""""#, "7", r#""10013910010014475458458""#, r#""A00139100100144754584584""#, "{}", "true"] {
        world.post("/processed", &format!(r#"{{"psid":{psid},"amount":"50"}}"#)).await;
    }
    world.settle().await;
    assert_eq!(world.states().await, [ReceiptState::Rejected; 6]);
    assert_eq!(world.hub.asked("/search/"), 1, "the marker's alone");
}

#[tokio::test(start_paused = true)]
async fn a_psid_may_have_many_records() {
    let mut world = World::in_memory().await;
    world.hub.set_page_max(2);
    world.hub.template(&psid('T'));
    let scans: Vec<_> = (0..7).map(|_| world.hub.scan(&psid('T'), "120")).collect();
    let search = format!("/search/{}", psid('T'));

    world.post_processed(&psid('T'), "120", None).await;
    world.settle().await;
    assert_eq!(world.hub.asked(&search), 1, "the newest page is enough");
    for _ in 1..7 {
        world.post_processed(&psid('T'), "120", None).await;
    }
    world.settle().await;
    let mut handled = world.handled();
    handled.sort();
    let mut expected: Vec<_> = scans.iter().map(|id| format!("payment/23/{id}")).collect();
    expected.sort();
    assert_eq!(handled, expected);
    assert_eq!(world.states().await, [ReceiptState::Confirmed; 7]);
}

#[tokio::test(start_paused = true)]
async fn the_reading_of_records_has_an_end() {
    let mut world = World::in_memory().await;
    world.hub.set_page_max(1);
    let newest_100 = 100;
    let old = world.hub.scan(&psid('T'), "5");
    for _ in 0..newest_100 {
        world.hub.scan(&psid('T'), "120");
    }
    world.post_processed(&psid('T'), "5", None).await;
    world.settle().await;
    assert_eq!(world.hub.asked(&format!("/search/{}", psid('T'))), newest_100);
    // What wasn't read may hold it: nothing is decided.
    assert_eq!(world.states().await, [ReceiptState::Received]);
    world.hub.set_page_max(2);
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(world.handled(), [format!("payment/23/{old}")]);
}

#[tokio::test(start_paused = true)]
async fn unreadable_records_decide_nothing() {
    // An element of which nothing can be read.
    let mut world = World::in_memory().await;
    world.hub.set_extra(Some(r#""no record""#));
    world.post_processed(&psid('A'), "50", Some("55")).await;
    for seconds in [0, 1, 2, 5] {
        world.pass(Duration::from_secs(seconds)).await;
    }
    assert_eq!(world.states().await, [ReceiptState::Received]);
    world.hub.set_extra(None);
    for seconds in [15, 60, 300] {
        world.pass(Duration::from_secs(seconds)).await;
    }
    assert_eq!(world.states().await, [ReceiptState::Rejected]);

    // A paid record that matches, and whose number can't be read.
    let mut world = World::in_memory().await;
    let id = world.hub.bill(&psid('A'), "50", "55");
    world.hub.pay(id);
    world.hub.set_id(id, "N/A");
    world.post_processed(&psid('A'), "50", Some("55")).await;
    world.settle().await;
    assert_eq!(world.states().await, [ReceiptState::Received]);
    pass_a_day(&mut world).await;
    assert_eq!(world.states().await, [ReceiptState::Unconfirmed]);
    assert_eq!(world.handled(), [""; 0]);
}
