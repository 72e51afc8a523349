//! A receiver that is told to stop: what is under way is finished, nothing new is begun, and the next one does the rest.

use asaanbill_callbacks::{DRAIN_TIMEOUT, ReceiptState};
use futures_util::FutureExt as _;

use crate::hub::Mood;
use crate::ledger::Deed;
use crate::world::{World, psid};

/// A paid bill and its call-back; the key of its effect.
async fn announce(world: &World, letter: char) -> String {
    let bill = world.hub.bill(&psid(letter), "50", "55");
    world.hub.pay(bill);
    world.post_processed(&psid(letter), "50", Some("55")).await;
    format!("payment/23/{bill}")
}

#[tokio::test(start_paused = true)]
async fn a_handler_under_way_is_waited_for_and_the_next_one_is_not_begun() {
    let world = World::on_disk().await;
    world.ledger.plan([Deed::Wait]);
    let first = announce(&world, 'A').await;
    world.until("a handler waits", async |world| world.ledger.asked().len() == 1).await;
    let second = announce(&world, 'B').await;
    world.until("another event is there", async |world| world.states().await == [ReceiptState::Confirmed; 2]).await;

    let receiver = world.receiver.clone();
    let mut draining = Box::pin(async move { receiver.drain().await });
    for _ in 0..100 {
        assert!(draining.as_mut().now_or_never().is_none(), "a handler is under way");
        world.receipts().await;
    }
    world.ledger.release();
    draining.await;
    assert_eq!(world.handled(), std::slice::from_ref(&first));

    // Still acknowledged, and left to the next one.
    let third = announce(&world, 'C').await;
    for _ in 0..100 {
        world.receipts().await;
    }
    use ReceiptState::{Confirmed, Received};
    assert_eq!(world.states().await, [Confirmed, Confirmed, Received]);
    let mut world = world.restart(|_| {}).await;
    world.settle().await;
    assert_eq!(world.handed_over(), [first, second, third], "each once");
}

#[tokio::test(start_paused = true)]
async fn a_question_under_way_is_waited_for_and_what_waits_behind_it_is_given_back() {
    let world = World::on_disk().await;
    world.hub.set_mood(Mood::Hanging);
    // More than are asked for at once.
    let keys: Vec<_> = futures_util::future::join_all(('A'..='Z').map(|letter| announce(&world, letter))).await;
    world.until("the hub is asked", async |world| world.hub.asked("/") > 0).await;
    let receiver = world.receiver.clone();
    let mut draining = Box::pin(async move { receiver.drain().await });
    assert!(draining.as_mut().now_or_never().is_none(), "a question is under way");
    // It hangs for longer than is waited for.
    tokio::time::advance(DRAIN_TIMEOUT).await;
    draining.await;
    world.hub.set_mood(Mood::Well);
    let mut world = world.restart(|_| {}).await;
    world.settle().await;
    let mut handled = world.handled();
    handled.sort_by_key(|key| (key.len(), key.clone()));
    assert_eq!(handled, keys);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_given_up_and_its_event_comes_again() {
    let world = World::on_disk().await;
    world.ledger.plan([Deed::Hang]);
    let key = announce(&world, 'A').await;
    world.until("a handler hangs", async |world| world.ledger.asked().len() == 1).await;
    let receiver = world.receiver.clone();
    let mut draining = Box::pin(async move { receiver.drain().await });
    assert!(draining.as_mut().now_or_never().is_none());
    tokio::time::advance(DRAIN_TIMEOUT).await;
    draining.await;
    let mut world = world.restart(|_| {}).await;
    world.settle().await;
    assert_eq!((world.handled(), world.handed_over()), (vec![key.clone()], vec![key.clone(), key]));
}
