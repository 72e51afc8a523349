//! Handlers that fail, panic and hang, and who has to wait for them.

use std::time::Duration;

use asaanbill_callbacks::{HANDLE_ATTEMPTS_MAX, ReceiptState, Redrive, StuckKind};

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

/// What was announced fails so often, and is asked for again after waits that double, with their upper halves left to chance.
async fn check_retries(deed: Deed, times: u32) {
    let mut world = World::in_memory().await;
    world.ledger.plan((0..times).map(|_| deed));
    let key = announce(&world, 'A').await;
    world.settle().await;
    for failures in 0..times {
        let asked = usize::try_from(failures).unwrap() + 1;
        assert_eq!(world.states().await, [ReceiptState::Confirmed]);
        assert_eq!((world.handled().len(), world.handed_over().len()), (0, asked));
        let half = Duration::from_millis(500) * 2_u32.pow(failures);
        world.pass(half - Duration::from_millis(1)).await;
        assert_eq!(world.handed_over().len(), asked, "not before its time");
        world.pass(half + Duration::from_millis(1)).await;
    }
    assert_eq!(world.handled(), std::slice::from_ref(&key));
    assert_eq!(world.handed_over(), vec![key; usize::try_from(times).unwrap() + 1], "always with the same key");
    world.pass(MINUTE * 60).await;
    assert_eq!(world.handed_over().len(), usize::try_from(times).unwrap() + 1, "what is handled stays so");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_is_asked_again() {
    check_retries(Deed::Fail, 8).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_is_one_that_fails() {
    check_retries(Deed::Panic, 3).await;
    check_retries(Deed::PanicAtOnce, 3).await;
}

/// What never succeeds is given up, is seen to be dead, and succeeds once a person asks for it again.
#[tokio::test(start_paused = true)]
async fn what_is_never_handled_is_dead_until_it_is_re_driven() {
    let mut world = World::in_memory().await;
    world.ledger.plan((0..HANDLE_ATTEMPTS_MAX).map(|_| Deed::Fail));
    let key = announce(&world, 'A').await;
    world.settle().await;
    for _ in 0..HANDLE_ATTEMPTS_MAX {
        world.pass(MINUTE * 60).await;
    }
    let attempts = usize::try_from(HANDLE_ATTEMPTS_MAX).unwrap();
    assert_eq!((world.handed_over().len(), world.handled().len()), (attempts, 0));
    let effect = world.receiver.history(1).await.unwrap().unwrap().effect.unwrap();
    assert_eq!((effect.key, effect.dead.as_deref(), effect.handled_at), (key.clone(), Some("handler"), None));
    let health = world.receiver.health().await;
    assert_eq!(health.stuck.iter().map(|stuck| stuck.what).collect::<Vec<_>>(), [StuckKind::Dead]);

    assert_eq!(world.receiver.redrive(1).await.unwrap(), Redrive::Handling);
    assert_eq!(world.receiver.redrive(1).await.unwrap(), Redrive::Nothing);
    world.settle().await;
    assert_eq!(world.handled(), [key]);
    assert!(world.receiver.health().await.is_well());
    assert!(world.receiver.history(1).await.unwrap().unwrap().effect.unwrap().handled_at.is_some());
}

/// Longer than its lease: it isn't run a second time beside itself.
#[tokio::test(start_paused = true)]
async fn a_slow_handler_is_not_run_twice_at_once() {
    let world = World::in_memory().await;
    world.ledger.plan([Deed::Hang]);
    announce(&world, 'A').await;
    world.until("the handler hangs", async |world| world.ledger.asked().len() == 1).await;
    for _ in 0..100 {
        tokio::time::advance(Duration::from_secs(3)).await;
        world.receipts().await;
    }
    assert_eq!(world.handed_over().len(), 1);
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

/// What was confirmed is handed over whatever the hub does meanwhile.
#[tokio::test(start_paused = true)]
async fn the_hub_is_not_asked_again_for_what_is_confirmed() {
    let mut world = World::in_memory().await;
    world.ledger.plan([Deed::Fail]);
    let key = announce(&world, 'A').await;
    world.settle().await;
    world.hub.set_mood(Mood::Unreachable);
    tokio::time::advance(MINUTE).await;
    world.until("it is handled", async |world| world.ledger.handled().contains(&key)).await;
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
    let noted = "SELECT handled_at IS NOT NULL FROM effects WHERE receipt = 1";
    assert!(world.file().query_row(noted, [], |row| row.get::<_, bool>(0)).unwrap());
}
