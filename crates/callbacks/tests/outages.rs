//! A hub that can't be asked, a store that is slow, and senders that go away.

use std::time::Duration;

use asaanbill_callbacks::ReceiptState;

use crate::hub::Mood;
use crate::world::{ACKNOWLEDGED, MINUTE, REST, World, post, processed, psid};

/// The client's patience with one request.
const ATTEMPT: Duration = Duration::from_secs(30);

/// While the hub can't be asked, nothing is believed and nothing is lost; once it can, everything is as if nothing had been.
async fn check_outage(mood: Mood) {
    let mut world = World::in_memory().await;
    let (paid, unpaid) = (world.hub.bill(&psid('A'), "50", "55"), world.hub.bill(&psid('B'), "50", "55"));
    world.hub.pay(paid);
    world.hub.set_mood(mood);
    for letter in ['A', 'B', 'C'] {
        world.post_processed(&psid(letter), "50", Some("55")).await;
    }
    // Far more often than an unknown number is asked for.
    for attempts in 1..20 {
        // One at a time, once the hub is taken to be away.
        let asked = async |world: &World| world.hub.asked("/") >= attempts;
        world.until("the hub is asked again", asked).await;
        tokio::time::advance(MINUTE).await;
    }
    let receipts = world.receipts().await;
    assert!(receipts.iter().all(|receipt| receipt.state == ReceiptState::Received && receipt.attempts == 0));
    assert_eq!(world.handed_over(), [""; 0]);

    world.hub.set_mood(Mood::Well);
    tokio::time::advance(MINUTE).await;
    world.settle().await;
    assert_eq!(world.handled(), [format!("payment/23/{paid}")]);
    for seconds in [1, 2, 60] {
        world.pass(Duration::from_secs(seconds)).await;
    }
    use ReceiptState::{Confirmed, Received, Rejected};
    assert_eq!(world.states().await, [Confirmed, Received, Rejected]);
    world.hub.pay(unpaid);
    world.pass(MINUTE).await;
    assert_eq!(world.states().await, [Confirmed, Confirmed, Rejected]);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_unreachable() {
    check_outage(Mood::Unreachable).await;
}

#[tokio::test(start_paused = true)]
async fn a_hub_whose_answers_are_lost() {
    check_outage(Mood::Silent).await;
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_fails_or_forbids() {
    check_outage(Mood::Failing).await;
    check_outage(Mood::Forbidding).await;
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics() {
    check_outage(Mood::Panicking).await;
}

/// The hub fails for one number: that one is asked for less and less often, and holds up no other.
#[tokio::test(start_paused = true)]
async fn one_number_that_cannot_be_asked_for_holds_up_no_other() {
    let mut world = World::in_memory().await;
    let broken = format!("/search/{}", psid('A'));
    world.hub.set_mood_for(&broken, Mood::Failing);
    world.post_processed(&psid('A'), "50", Some("55")).await;
    world.settle().await;
    for (asked, seconds) in [1, 2, 5, 15, 60, 60, 60].into_iter().enumerate() {
        assert_eq!(world.hub.asked(&broken), asked + 1);
        world.pass(Duration::from_secs(seconds - 1)).await;
        assert_eq!(world.hub.asked(&broken), asked + 1, "not before its time");
        world.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(world.states().await, [ReceiptState::Received]);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_hangs_for_one_number_holds_up_the_others_for_one_attempt() {
    let mut world = World::in_memory().await;
    let broken = format!("/search/{}", psid('A'));
    world.hub.set_mood_for(&broken, Mood::Hanging);
    world.post_processed(&psid('A'), "50", Some("55")).await;
    world.until("the hub hangs", async |world| world.hub.asked(&broken) == 1).await;
    let bill = world.hub.bill(&psid('B'), "50", "55");
    world.hub.pay(bill);
    world.post_processed(&psid('B'), "50", Some("55")).await;
    assert_eq!(world.handled(), [""; 0]);
    tokio::time::advance(ATTEMPT).await;
    world.settle().await;
    assert_eq!(world.handled(), [format!("payment/23/{bill}")]);
}

/// The store is locked for longer than the sender may be kept waiting. The call-back isn't acknowledged, and gets into the
/// store all the same: nothing rings, and the worker finds it.
#[tokio::test(start_paused = true)]
async fn what_is_stored_too_late_is_found() {
    let mut world = World::on_disk().await;
    let bill = world.hub.bill(&psid('A'), "50", "55");
    world.hub.pay(bill);
    // The worker has nothing to do, and rests.
    world.settle().await;
    tokio::time::advance(REST).await;
    world.settle().await;

    let other = world.file();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = processed(&psid('A'), "50", Some("55"));
    let sending = world.send(post("/processed", &body));
    tokio::pin!(sending);
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut sending => break answer,
            () = tokio::time::advance(Duration::from_millis(100)) => {}
        }
    };
    assert_eq!(answer.status(), 503);
    assert!(!answer.body().starts_with(ACKNOWLEDGED.as_bytes()));
    other.execute_batch("COMMIT").unwrap();

    world.until("it is stored", async |world| !world.states().await.is_empty()).await;
    tokio::time::advance(REST).await;
    world.until("it is handled", async |world| world.handled() == [format!("payment/23/{bill}")]).await;
}

/// A sender that goes away while its call-back is being stored.
#[tokio::test(start_paused = true)]
async fn what_was_stored_for_nobody_is_found() {
    let world = World::on_disk().await;
    let bill = world.hub.bill(&psid('A'), "50", "55");
    world.hub.pay(bill);
    let other = world.file();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = processed(&psid('A'), "50", Some("55"));
    let patience = async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        answer = world.send(post("/processed", &body)) => panic!("before it is stored: {answer:?}"),
        () = patience => {}
    }
    other.execute_batch("COMMIT").unwrap();
    world.until("it is stored", async |world| !world.states().await.is_empty()).await;
    tokio::time::advance(REST).await;
    world.until("it is handled", async |world| world.handled() == [format!("payment/23/{bill}")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_stops_with_its_receiver() {
    let world = World::in_memory().await;
    world.hub.set_mood(Mood::Unreachable);
    world.post_processed(&psid('A'), "50", Some("55")).await;
    world.until("it is asked for", async |world| world.hub.asked("/") == 1).await;
    let (hub, router) = (world.hub.clone(), world.receiver.router());
    let World { receiver, .. } = world;
    drop(receiver);
    drop(router);
    for _ in 0..10 {
        tokio::time::advance(MINUTE).await;
    }
    assert_eq!(hub.asked("/"), 1);
}
