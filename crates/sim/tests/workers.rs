//! Who sends call-backs: one that dies half way, one that has much to do, and one that is told to stop.

use asaanbill_sim::{Clock, Sim};
use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};

use crate::disk::Disk;
use crate::durability::with_receiver;
use crate::hub::{BILL, Hub, psid};
use crate::receiver::{RECEIVED, Receiver};
use crate::receivers::attempts;
use crate::recorder::{Recorder, settle, with_settings};

/// How long it may take until a call-back goes again whose sender has died: a lease of eight seconds, and what a slow
/// machine needs to start again.
const SECONDS: SignedDuration = SignedDuration::from_secs(20);

/// More than are under way at once.
const AT_ONCE: usize = 16;

/// How many go through one place, one after another.
const ONE_BY_ONE: usize = 21;

/// The process ends while the receiver thinks. The next one waits until the lease has run out, as the first might live, and
/// no longer.
#[test]
fn a_killed_workers_call_back_goes_again() {
    let disk = Disk::new();
    with_receiver(|receiver| {
        let url = receiver.url();
        let settings = || Sim::builder().callback_url(url.clone());
        let held = disk.run_with(settings(), async |hub| {
            hub.add("PSID", BILL).await;
            hub.pay(&psid(1), "50", "R").await;
            receiver.next().await
        });
        let killed = Clock::real().now();
        assert_eq!(disk.look("SELECT 'noted' FROM attempts"), [""; 0], "it was killed before anything was noted");
        let lease = disk.look("SELECT CAST(lease_until AS TEXT) FROM outbox WHERE state = 'leased'");
        let lease = Timestamp::from_microsecond(lease[0].parse().unwrap()).unwrap();
        disk.run_with(settings(), async |hub| {
            let again = receiver.next().await;
            let now = Clock::real().now();
            assert!(now >= lease, "twice at once: {now} is before {lease}");
            assert!(now.duration_since(killed) < SECONDS, "sent again within seconds: {killed}, {now}");
            assert_eq!((&again.head, &again.body), (&held.head, &held.body));
            again.answer(200, RECEIVED);
            let noted = attempts(&hub, 1).await;
            assert_eq!((noted.len(), &noted[0].failure), (1, &None));
            assert_eq!(disk.look("SELECT state FROM outbox"), [""; 0], "and not a third time");
            assert!(receiver.is_idle());
        });
    });
}

/// Whoever ceases to want call-backs gets none of those that were owed, ever.
#[tokio::test]
async fn a_call_back_that_is_wanted_no_more() {
    let mut receiver = Receiver::start().await;
    let late = [("callback_delay", "1000"), ("callback_schedule", "standard-webhooks")];
    let hub = Hub::with(with_settings(&late).callback_url(receiver.url())).await;
    let channel = 23_u64.try_into().unwrap();
    hub.add("PSID", BILL).await;
    hub.pay(&psid(1), "50", "R").await;
    hub.sim.set_callback_url(channel, None).await.unwrap();
    let effects = hub.sim.advance(SignedDuration::from_mins(1)).await.unwrap();
    let whats: Vec<_> = effects.into_iter().map(|effect| effect.what).collect();
    assert_eq!(whats, ["call-back 1 /processed (genuine): unwanted"]);
    let noted = attempts(&hub, 1).await;
    assert_eq!(noted[0].failure.as_deref(), Some("the channel wanted no call-backs any more"));

    hub.sim.set_callback_url(channel, Some(&receiver.url())).await.unwrap();
    assert_eq!(hub.sim.advance(SignedDuration::from_hours(100)).await.unwrap(), []);
    assert!(receiver.is_idle());
}

/// The same between two attempts: what failed isn't tried again.
#[tokio::test]
async fn a_retry_that_is_wanted_no_more() {
    let recorder = Recorder::answering(|_| 503).await;
    let hub = Hub::with(recorder.builder(&[("callback_schedule", "standard-webhooks")])).await;
    hub.add("PSID", BILL).await;
    hub.pay(&psid(1), "50", "R").await;
    settle(&hub).await;
    hub.sim.set_callback_url(23_u64.try_into().unwrap(), None).await.unwrap();
    let effects = hub.sim.advance(SignedDuration::from_hours(100)).await.unwrap();
    assert_eq!((effects.len(), recorder.told().len()), (1, 1));
    assert!(effects[0].what.ends_with(": unwanted"), "{effects:?}");
    assert_eq!(hub.sim.next_due().await.unwrap(), None);
}

/// A hub with a code that can be paid again and again, and a receiver.
async fn shop() -> (Hub, Receiver) {
    let receiver = Receiver::start().await;
    let hub = Hub::with(Sim::builder().callback_url(receiver.url())).await;
    hub.add("SQRC_WITHOUT_AMOUNT", r#"{"payment":{"title":"Ali Tuck Shop","identifier":"shop"}}"#).await;
    (hub, receiver)
}

async fn pay(hub: &Hub, count: usize) {
    for reference in 0..count {
        assert_eq!(hub.pay(&psid(1), &format!("{}", reference + 1), &reference.to_string()).await.0, 200);
    }
}

/// All but one place are taken by call-backs whose receiver says nothing; the others go through the one that is left.
#[tokio::test]
async fn slow_receivers_hold_up_no_others() {
    let (hub, mut receiver) = shop().await;
    pay(&hub, AT_ONCE - 1 + ONE_BY_ONE).await;
    let mut silent = Vec::new();
    for _ in 1..AT_ONCE {
        silent.push(receiver.next().await);
    }
    for _ in 0..ONE_BY_ONE {
        receiver.acknowledged().await;
    }
    let mut noted = attempts(&hub, ONE_BY_ONE).await;
    assert_eq!(noted[0].failure, None, "it didn't wait for a silent one to be given up");
    // On a slow machine those may be given up before all others are through.
    while noted.iter().filter(|attempt| attempt.failure.is_none()).count() < ONE_BY_ONE {
        noted = attempts(&hub, noted.len() + 1).await;
    }
}

/// There is an end to it: so many at once, and the next one when there is room.
#[tokio::test]
async fn so_many_at_once() {
    let (hub, mut receiver) = shop().await;
    pay(&hub, AT_ONCE + 1).await;
    let mut held = Vec::new();
    for _ in 0..AT_ONCE {
        held.push(receiver.next().await);
    }
    // Time enough for another one, were there room.
    for _ in 0..50 {
        assert!(hub.get("/payment").send().await.is_success());
    }
    assert!(receiver.is_idle());
    held.pop().unwrap().answer(200, RECEIVED);
    receiver.acknowledged().await;
    assert_eq!(attempts(&hub, 2).await.len(), 2);
}

/// A hub that is asked on another runtime than the one it was built on, which has ended: it answers.
#[test]
fn a_hub_outlives_its_first_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let hub = runtime().block_on(Hub::start());
    runtime().block_on(async {
        for amount in ["50", "70"] {
            let bill = BILL.replace("\"50\"", &format!("\"{amount}\""));
            assert!(hub.add("PSID", &bill).await.is_success());
        }
    });
}

/// An advance answers when all that is due is done, however much that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_advance_waits_for_thousands() {
    const THOUSANDS: u32 = 4;
    let (url, received) = crate::crash::receiver().await;
    let hub = Hub::with(Sim::builder().callback_url(url.parse().unwrap())).await;
    hub.add("PSID", BILL).await;
    hub.pay(&psid(1), "50", "R").await;
    attempts(&hub, 1).await;
    for _ in 0..THOUSANDS {
        hub.sim.resend_callback(1, None, 1000).await.unwrap();
    }
    hub.sim.advance(SignedDuration::from_secs(1)).await.unwrap();
    let all = 1 + 1000 * u64::from(THOUSANDS);
    assert_eq!(hub.sim.callback_attempts().await.unwrap().len() as u64, all);
    assert_eq!(received.load(std::sync::atomic::Ordering::Relaxed), all);
}

/// What is under way when it is told to stop is finished and noted; what is owed then waits for the next start.
#[tokio::test]
async fn a_call_back_under_way_is_finished() {
    let mut receiver = Receiver::start().await;
    let hub = Hub::with(Sim::builder().callback_url(receiver.url())).await;
    hub.add("PSID", BILL).await;
    hub.add("PSID", &BILL.replace("FS-BSCS-095", "FS-2")).await;
    hub.pay(&psid(1), "50", "R").await;
    let under_way = receiver.next().await;
    let mut finishing = Box::pin(hub.sim.finish_callbacks(crate::hub::PATIENCE));
    assert!(finishing.as_mut().now_or_never().is_none(), "it is waited for");
    hub.pay(&psid(2), "50", "R").await;
    under_way.answer(200, RECEIVED);
    finishing.await;
    let noted = hub.sim.callback_attempts().await.unwrap();
    assert_eq!((noted.len(), &noted[0].failure), (1, &None));
    assert!(receiver.is_idle(), "nothing more is sent");
    hub.sim.finish_callbacks(crate::hub::PATIENCE).await;
}

/// Nobody waits for long for a receiver that hangs.
#[tokio::test]
async fn a_call_back_that_takes_too_long_is_left() {
    let mut receiver = Receiver::start().await;
    let hub = Hub::with(Sim::builder().callback_url(receiver.url())).await;
    hub.add("PSID", BILL).await;
    hub.pay(&psid(1), "50", "R").await;
    let _hanging = receiver.next().await;
    hub.sim.finish_callbacks(std::time::Duration::from_millis(20)).await;
    assert_eq!(hub.sim.callback_attempts().await.unwrap(), []);
}
