//! Nothing that can be printed tells who pays.

use std::fmt::Debug;

use asaanbill_callbacks::{Location, Receiver};

use crate::hub::{CONTACT, Hub, IDENTIFIER, PASSWORD, TITLE};
use crate::ledger::Ledger;
use crate::world::{World, bulk_approved, processed, psid};

/// What is shown, which must say something.
fn check(shown: &dyn Debug, expected: &str) {
    for shown in [format!("{shown:?}"), format!("{shown:#?}")] {
        for private in [TITLE, IDENTIFIER, CONTACT, PASSWORD, "dG9rZW4=", "amaan", "Mallory", "qrString"] {
            assert!(!shown.contains(private), "{private} in {shown}");
        }
        assert!(shown.contains(expected), "{expected} not in {shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn debug_shows_no_payer() {
    let mut world = World::on_disk().await;
    let bill = world.hub.bill(&psid('A'), "50", "55");
    world.hub.pay(bill);
    world.hub.batch(29, &[(&psid('A'), "PROCESSED")]);
    world.post("/processed", &processed(&psid('A'), "50", Some("55")).replace(TITLE, "Mallory")).await;
    world.post("/bulk-payment-request-approved", &bulk_approved(29)).await;
    world.settle().await;

    let events = world.ledger.events();
    assert_eq!(events.len(), 3);
    for event in &events {
        check(event, "Confirmed");
    }
    check(&world.receipts().await, "Receipt");
    check(&world.receiver, "Receiver");
    let location = Location::File("inbox.db".into());
    check(&Receiver::builder(location, Hub::default().client(), Ledger::default()), "ReceiverBuilder");
}

#[tokio::test(start_paused = true)]
async fn errors_show_no_payer() {
    let world = World::on_disk().await;
    world.post("/processed", &processed(&psid('A'), "50", None)).await;
    world.file().execute_batch("UPDATE receipts SET state = body").unwrap();
    let failed = world.receiver.receipts().await.unwrap_err();
    check(&failed, "ReceiverError");
    let mut error: Option<&dyn std::error::Error> = Some(&failed);
    while let Some(cause) = error {
        check(&format_args!("Display: {cause}"), "Display");
        error = cause.source();
    }
}
