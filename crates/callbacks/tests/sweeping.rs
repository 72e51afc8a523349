//! What no call-back announced is found in the hub's records, once; and what came to nothing is forgotten after a while.

use std::time::Duration;

use asaanbill_callbacks::{RETENTION, ReceiptState, Sweep};
use jiff::{SignedDuration, Timestamp};

use crate::hub::{Hub, Mood};
use crate::world::{MINUTE, World, beginning, psid};

/// How often these worlds are swept.
const EVERY: Duration = Duration::from_secs(300);

/// How long a payment is left to its call-back.
const GRACE: SignedDuration = SignedDuration::from_mins(2);

/// A bill that was paid then; the key of its effect.
fn paid_at(hub: &Hub, letter: char, at: Timestamp) -> String {
    let bill = hub.bill(&psid(letter), "50", "55");
    hub.pay_at(bill, at);
    format!("payment/23/{bill}")
}

/// A bill that is paid now.
fn paid(world: &World, letter: char) -> String {
    paid_at(&world.hub, letter, world.now())
}

/// By their numbers.
fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort_by_key(|key| (key.len(), key.clone()));
    keys
}

/// Up to when the hub's records were swept to the end.
fn swept_to(world: &World) -> i64 {
    world.file().query_row("SELECT swept_to FROM sweeps", [], |row| row.get(0)).unwrap()
}

/// Lets time pass until something changes that only a sweep does.
async fn pass_until(world: &mut World, happened: impl AsyncFn(&World) -> bool) {
    // A round is a minute, and what it does is seen a round later.
    for _ in 0..EVERY.as_secs() / 60 + 5 {
        world.pass(MINUTE).await;
        if happened(world).await {
            return world.settle().await;
        }
    }
    panic!("there is no sweep");
}

/// Lets time pass until a sweep has come to its end.
async fn next_sweep(world: &mut World) {
    let before = swept_to(world);
    pass_until(world, async |world| swept_to(world) > before).await;
}

/// Lets time pass until a sweep has failed.
async fn next_failure(world: &mut World) {
    let before = world.metric("sweeps_failed_total").await;
    pass_until(world, async |world| world.metric("sweeps_failed_total").await > before).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_announced_is_found_once() {
    let mut world = World::sweeping(Hub::default(), Sweep::every(EVERY)).await;
    let _before_its_time = paid_at(&world.hub, 'A', world.now() - SignedDuration::from_mins(1));
    world.pass(MINUTE).await;
    let [silent, announced] = ['B', 'C'].map(|letter| paid(&world, letter));
    world.post_processed(&psid('C'), "50", Some("55")).await;
    let unpaid = world.hub.bill(&psid('D'), "50", "55");
    next_sweep(&mut world).await;
    assert_eq!(world.handled(), [announced, silent.clone()]);
    assert_eq!(world.metric("swept_total").await, 1);
    let found = world.ledger.events().into_iter().find(|event| event.effect_key() == silent).unwrap();
    assert!(found.notice().swept);

    // Its call-back comes after all, and the next ones find nothing more.
    world.post_processed(&psid('B'), "50", Some("55")).await;
    next_sweep(&mut world).await;
    world.hub.pay_at(unpaid, world.now());
    next_sweep(&mut world).await;
    use ReceiptState::{Confirmed, Duplicate};
    assert_eq!(world.states().await, [Confirmed, Confirmed, Duplicate, Confirmed]);
    assert_eq!(world.handled().len(), 3);
    assert_eq!(world.metric("swept_total").await, 2);
}

/// The hub shows times to the minute: it seems to be older than the receiver.
#[tokio::test(start_paused = true)]
async fn what_is_paid_in_the_first_minute_is_found() {
    let mut world = World::sweeping(Hub::default(), Sweep::every(EVERY)).await;
    assert_ne!(world.now().as_second() % 60, 0);
    let at_once = paid(&world, 'A');
    next_sweep(&mut world).await;
    assert_eq!(world.handled(), [at_once]);
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_left_to_its_call_back_for_a_while() {
    let mut world = World::sweeping(Hub::default(), Sweep::every(EVERY)).await;
    // One a minute, until there is a sweep.
    let before = swept_to(&world);
    let (mut silent, mut shown) = (Vec::new(), Vec::new());
    for letter in ('A'..='Z').cycle() {
        silent.push(paid(&world, letter));
        // To the minute, as the hub says it.
        shown.push(Timestamp::from_second(world.now().as_second() / 60 * 60).unwrap());
        world.pass(MINUTE).await;
        if swept_to(&world) > before {
            break;
        }
    }
    world.settle().await;
    let found = sorted(world.handled());
    let left = silent.split_off(found.len());
    assert_eq!(found, silent, "the oldest");
    // On a slow machine more may have been paid while the sweep went on.
    let latest = Timestamp::from_microsecond(swept_to(&world)).unwrap() - GRACE;
    let recent = shown.iter().filter(|paid| **paid > latest).count();
    assert_eq!(left.len(), recent, "{latest}: those are left to their call-backs");
    assert!(recent > 0, "the last one was paid a minute ago");
    next_sweep(&mut world).await;
    assert_eq!(sorted(world.handled()), [silent, left].concat());
}

#[tokio::test(start_paused = true)]
async fn the_first_one_looks_back_if_it_is_told_to() {
    let (hub, ago) = (Hub::default(), |hours| beginning() - SignedDuration::from_hours(hours));
    let _before = paid_at(&hub, 'B', ago(25));
    let yesterday = paid_at(&hub, 'A', ago(23));
    let mut world = World::sweeping(hub, Sweep::every(EVERY).since(ago(24))).await;
    next_sweep(&mut world).await;
    assert_eq!(world.handled(), [yesterday]);
}

/// A sweep that didn't come to its end is made up for by the next that does, however much later.
#[tokio::test(start_paused = true)]
async fn an_outage_hides_nothing_from_the_sweep() {
    let mut world = World::sweeping(Hub::default(), Sweep::every(EVERY)).await;
    next_sweep(&mut world).await;
    let silent: Vec<_> = ('A'..='E').map(|letter| paid(&world, letter)).collect();
    world.hub.set_mood_for("/payment", Mood::Failing);
    next_failure(&mut world).await;
    // For longer than sweeps overlap.
    world.pass(MINUTE * 120).await;
    next_failure(&mut world).await;
    assert_eq!(world.handled(), [""; 0]);
    world.hub.set_mood_for("/payment", Mood::Well);
    // Two payments a page.
    world.hub.set_page_max(2);
    next_sweep(&mut world).await;
    assert_eq!(sorted(world.handled()), silent);
}

/// It reads back to what it has seen, and not through everything that ever was.
#[tokio::test(start_paused = true)]
async fn it_reads_no_further_than_it_must() {
    let mut world = World::sweeping(Hub::default(), Sweep::every(EVERY)).await;
    next_sweep(&mut world).await;
    for letter in 'A'..='J' {
        paid(&world, letter);
    }
    for _ in 0..9 {
        next_sweep(&mut world).await;
    }
    assert_eq!(world.handled().len(), 10);
    // Markers are never paid, as far as the hub says; they come first, as they were changed last.
    let newer = u64::try_from(world.hub.asked("/search/9")).unwrap();
    world.hub.set_page_max(100);
    let asked = world.hub.asked("/payment");
    next_sweep(&mut world).await;
    next_sweep(&mut world).await;
    let pages = u64::try_from(world.hub.asked("/payment") - asked).unwrap();
    assert!(pages <= 2 * (newer / 100 + 2), "{pages} pages with {newer} newer records");
}

#[tokio::test(start_paused = true)]
async fn what_came_to_nothing_is_forgotten_and_nothing_else_is() {
    let mut world = World::on_disk().await;
    let bill = world.hub.bill(&psid('A'), "50", "55");
    world.hub.pay(bill);
    for (letter, amount) in [('A', "50"), ('A', "50"), ('A', "1"), ('X', "50")] {
        world.post_processed(&psid(letter), amount, Some("55")).await;
    }
    for seconds in [1, 2, 5] {
        world.pass(Duration::from_secs(seconds)).await;
    }
    use ReceiptState::{Confirmed, Duplicate, Mismatch, Rejected};
    assert_eq!(world.states().await, [Confirmed, Duplicate, Mismatch, Rejected]);
    // A flood of forged ones: more than are forgotten in one transaction.
    let flood = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
        INSERT INTO receipts (path, body, received_at, state, resolved_at)
        SELECT path, body, received_at, state, resolved_at FROM n, receipts WHERE id = 4";
    world.file().execute_batch(flood).unwrap();
    let held = |world: &World| {
        let count = "SELECT count(*) FROM receipts WHERE state IN ('rejected', 'duplicate')";
        world.file().query_row(count, [], |row| row.get::<_, u64>(0)).unwrap()
    };
    tokio::time::advance(RETENTION - MINUTE).await;
    world.pass(MINUTE / 2).await;
    assert_eq!(held(&world), 2_502, "not before their time");
    world.pass(MINUTE).await;
    world.pass(MINUTE).await;
    world.until("they are forgotten", async |world| held(world) == 0).await;
    assert_eq!(world.states().await, [Confirmed, Mismatch]);

    // The key of an effect is never forgotten.
    world.post_processed(&psid('A'), "50", Some("55")).await;
    world.settle().await;
    assert_eq!(world.states().await, [Confirmed, Mismatch, Duplicate]);
    assert_eq!(world.handled(), [format!("payment/23/{bill}")]);
}
