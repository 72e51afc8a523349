//! What was acknowledged outlives the receiver.

use std::time::Duration;

use asaanbill_callbacks::{Location, ReceiptState, Receiver};
use asaanbill_storage::rusqlite::Connection;
use tempfile::TempDir;

use crate::hub::{Hub, Mood};
use crate::ledger::{Deed, Ledger};
use crate::world::{MINUTE, World, bulk_approved, processed, psid};

fn bodies(inbox: &Connection) -> Vec<(String, String)> {
    let mut select = inbox.prepare("SELECT path, body FROM receipts ORDER BY id").unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_is_in_the_file_and_is_handled_after_reopening() {
    let world = World::on_disk().await;
    let bill = world.hub.bill(&psid('A'), "50", "55");
    world.hub.pay(bill);
    world.hub.batch(29, &[(&psid('A'), "PROCESSED")]);
    world.hub.set_mood(Mood::Unreachable);
    let odd = format!(" {{\"psid\":\"{}\",\"amount\":50.0,\"amountAfterDueDate\":\"55\",\"more\":1}}\n", psid('A'));
    let posted = [
        ("/processed", processed(&psid('A'), "50", Some("55"))),
        ("/processed", odd),
        ("/bulk-payment-request-approved", bulk_approved(29)),
    ];
    for (path, body) in &posted {
        world.post(path, body).await;
    }

    let hub = world.hub.clone();
    let mut world = world
        .restart(|inbox| {
            let posted = posted.map(|(path, body)| (path.to_owned(), body));
            assert_eq!(bodies(inbox), posted, "byte for byte");
            hub.set_mood(Mood::Well);
        })
        .await;
    // Some of them may have been asked for in vain before.
    tokio::time::advance(MINUTE).await;
    world.settle().await;
    // Which of the two alike is first depends on what was asked for in vain before.
    let states = world.states().await;
    assert!(states[..2].contains(&ReceiptState::Duplicate), "{states:?}");
    assert_eq!(states.iter().filter(|state| **state == ReceiptState::Confirmed).count(), 2, "{states:?}");
    let mut handled = world.handled();
    handled.sort();
    assert_eq!(handled, ["bulk/23/29".to_owned(), format!("payment/23/{bill}")]);
}

/// Each is ended as soon as it is acknowledged, before anything else can happen.
#[tokio::test(start_paused = true)]
async fn an_acknowledgement_is_enough() {
    let mut world = World::on_disk().await;
    let mut keys = Vec::new();
    for letter in 'A'..='J' {
        let bill = world.hub.bill(&psid(letter), "50", "55");
        world.hub.pay(bill);
        keys.push(format!("payment/23/{bill}"));
        world.post_processed(&psid(letter), "50", Some("55")).await;
        world = world.restart(|_| {}).await;
    }
    world.pass(MINUTE).await;
    assert_eq!(world.states().await, [ReceiptState::Confirmed; 10]);
    // At least once, and never under another key.
    let mut handled = world.handled();
    handled.sort();
    handled.dedup();
    keys.sort();
    assert_eq!(handled, keys);
}

#[tokio::test(start_paused = true)]
async fn what_is_confirmed_and_not_handled_is_handled_after_reopening() {
    let mut world = World::on_disk().await;
    let bill = world.hub.bill(&psid('A'), "50", "55");
    let key = format!("payment/23/{bill}");
    world.hub.pay(bill);
    world.ledger.plan([Deed::Fail]);
    world.post_processed(&psid('A'), "50", Some("55")).await;
    world.settle().await;
    assert_eq!((world.states().await, world.handled()), (vec![ReceiptState::Confirmed], vec![]));

    let mut world = world.restart(|_| {}).await;
    world.pass(MINUTE).await;
    assert_eq!(world.handled(), std::slice::from_ref(&key));
    assert_eq!(world.handed_over(), [key.clone(), key], "with the same key");
}

#[tokio::test(start_paused = true)]
async fn what_is_handled_is_not_handled_after_reopening() {
    let mut world = World::on_disk().await;
    let bill = world.hub.bill(&psid('A'), "50", "55");
    world.hub.pay(bill);
    world.post_processed(&psid('A'), "50", Some("55")).await;
    // The second one shows that what came before the first is done to the end.
    world.settle().await;
    world.settle().await;

    let mut world = world.restart(|_| {}).await;
    world.post_processed(&psid('A'), "50", Some("55")).await;
    world.pass(MINUTE).await;
    assert_eq!(world.states().await, [ReceiptState::Confirmed, ReceiptState::Duplicate]);
    assert_eq!(world.handed_over(), [format!("payment/23/{bill}")]);
}

/// The wait goes on where it was, and isn't begun again.
#[tokio::test(start_paused = true)]
async fn attempts_outlive_the_receiver() {
    let mut world = World::on_disk().await;
    world.post_processed(&psid('A'), "50", Some("55")).await;
    for seconds in [1, 2] {
        world.settle().await;
        world = world.restart(|_| {}).await;
        world.pass(Duration::from_secs(seconds)).await;
    }
    assert_eq!(world.states().await, [ReceiptState::Rejected]);
    assert_eq!(world.receipts().await[0].attempts, 3);
}

#[tokio::test]
async fn an_inbox_that_cannot_be_opened_is_an_error() {
    let folder = TempDir::new().unwrap();
    let no_file = Location::File(folder.path().to_owned());
    let failed = Receiver::builder(no_file, Hub::default().client(), Ledger::default()).build().await;
    assert_eq!(
        failed.unwrap_err().to_string(),
        "the inbox failed; what was acknowledged is kept, and nothing is acknowledged until it works again"
    );
}
