//! Handlers that fail, panic and hang, and who has to wait for them.

use std::time::Duration;

use asaanbill_callbacks::ReceiptState;

use crate::hub::Mood;
use crate::ledger::Deed;
use crate::world::{MINUTE, World, psid};

/// A paid bill and its call-back; the key of its effect.
async fn announce(world: &World, letter: char) -> String {
    let bill = world.hub.bill(&psid(letter), "50", "55");
    world.hub.pay(bill);
    world.post_processed(&psid(letter), "50", Some("55")).await;
    format!("payment/23/{bill}")
}

/// What was announced fails so often, and is asked for again after these seconds.
async fn check_retries(deed: Deed, seconds: &[u64]) {
    let mut world = World::in_memory().await;
    world.ledger.plan(vec![deed; seconds.len()]);
    let key = announce(&world, 'A').await;
    world.settle().await;
    for (failures, seconds) in seconds.iter().enumerate() {
        assert_eq!(world.states().await, [ReceiptState::Confirmed]);
        assert_eq!((world.handled().len(), world.handed_over().len()), (0, failures + 1));
        world.pass(Duration::from_secs(seconds - 1)).await;
        assert_eq!(world.handed_over().len(), failures + 1, "not before its time");
        world.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(world.handled(), std::slice::from_ref(&key));
    assert_eq!(world.handed_over(), vec![key; seconds.len() + 1], "always with the same key");
    world.pass(MINUTE).await;
    assert_eq!(world.handed_over().len(), seconds.len() + 1, "what is handled stays so");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_is_asked_again() {
    check_retries(Deed::Fail, &[1, 2, 5, 15, 60, 60, 60]).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_is_one_that_fails() {
    check_retries(Deed::Panic, &[1, 2, 5]).await;
    check_retries(Deed::PanicAtOnce, &[1, 2, 5]).await;
}

#[tokio::test(start_paused = true)]
async fn one_event_that_always_fails_holds_up_no_other() {
    let mut world = World::in_memory().await;
    let bill = world.hub.bill(&psid('A'), "50", "55");
    world.ledger.curse(&format!("payment/23/{bill}"));
    world.hub.pay(bill);
    world.post_processed(&psid('A'), "50", Some("55")).await;
    let mut others = Vec::new();
    for letter in ['B', 'C', 'D', 'E'] {
        others.push(announce(&world, letter).await);
        world.pass(MINUTE).await;
        assert_eq!(world.handled(), others);
    }
    assert!(world.handed_over().len() > others.len() + 3, "and is asked for again and again");
}

/// One effect of which the hub shows nothing any more.
#[tokio::test(start_paused = true)]
async fn one_record_that_is_gone_holds_up_no_other() {
    let mut world = World::in_memory().await;
    for (letter, mood) in [('A', Mood::Forgetful), ('B', Mood::Failing), ('C', Mood::Unreachable)] {
        let bill = world.hub.bill(&psid(letter), "50", "55");
        world.hub.pay(bill);
        world.hub.set_mood_for(&format!("/payment/{bill}"), mood);
        world.post_processed(&psid(letter), "50", Some("55")).await;
    }
    let key = announce(&world, 'D').await;
    world.settle().await;
    world.pass(MINUTE).await;
    assert_eq!(world.handled(), [key]);
    assert_eq!(world.states().await, [ReceiptState::Confirmed; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_holds_up_no_confirmation() {
    let world = World::in_memory().await;
    world.ledger.plan([Deed::Hang]);
    announce(&world, 'A').await;
    world.until("the handler hangs", async |world| world.ledger.asked().len() == 1).await;
    announce(&world, 'B').await;
    world.until("both are confirmed", async |world| world.states().await == [ReceiptState::Confirmed; 2]).await;
    assert_eq!(world.handed_over().len(), 1, "events come one after another");
}

/// The handler has done its work; that this can't be noted is no reason to ask it again.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_repeats_no_handling() {
    let mut world = World::on_disk().await;
    let full = "CREATE TRIGGER full BEFORE UPDATE OF handled_at ON effects BEGIN SELECT RAISE(FAIL, 'no room'); END";
    world.file().execute_batch(full).unwrap();
    let key = announce(&world, 'A').await;
    world.until("it is handled", async |world| world.ledger.handled().len() == 1).await;
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(1)).await;
        world.receipts().await;
    }
    assert_eq!(world.handed_over(), std::slice::from_ref(&key));
    world.file().execute_batch("DROP TRIGGER full").unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    world.pass(MINUTE).await;
    assert_eq!(world.handed_over(), [key]);
    let noted = "SELECT min(handled_at) IS NOT NULL FROM effects WHERE due_at = (SELECT min(due_at) FROM effects)";
    assert!(world.file().query_row(noted, [], |row| row.get::<_, bool>(0)).unwrap());
}
