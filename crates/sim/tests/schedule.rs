//! When a call-back is attempted again, on a clock that stands until it is moved.

use asaanbill_sim::Effect;
use jiff::{SignedDuration, Timestamp};

use crate::hub::{BILL, Hub, NOW, psid};
use crate::receivers::{answered_with, attempts};
use crate::recorder::{Recorder, settle};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// By how many seconds each attempt follows the one before it. (Standard Webhooks 1.0.0, example retry schedule)
const STEPS: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// A hub that owes a call-back, whose first attempt was made.
async fn paid_hub(recorder: &Recorder, schedule: &str) -> Hub {
    let hub = Hub::with(recorder.builder(&[("callback_schedule", schedule)])).await;
    hub.add("PSID", BILL).await;
    assert_eq!(hub.pay(&psid(1), "50", "R").await.0, 200);
    settle(&hub).await;
    assert_eq!(attempts(&hub, 1).await.len(), 1);
    hub
}

/// The times of effects.
fn times(effects: &[Effect]) -> Vec<Timestamp> {
    effects.iter().map(|effect| effect.at).collect()
}

#[tokio::test]
async fn ten_attempts_in_three_days() {
    let recorder = Recorder::answering(|_| 503).await;
    let hub = paid_hub(&recorder, "standard-webhooks").await;
    let mut before: Timestamp = NOW.parse().unwrap();
    let mut made = Vec::new();
    for step in STEPS {
        let effects = hub.sim.advance_to_next_due().await.unwrap();
        let [Effect { at, what }] = effects.as_slice() else { panic!("one attempt after {step} s: {effects:?}") };
        assert_eq!(what, "call-back 1 /processed (genuine): status 503");
        let (wait, step) = (at.duration_since(before), SignedDuration::from_secs(step));
        assert!(step <= wait && wait <= step * 6 / 5, "at most a fifth later than {step}: {wait}");
        before = *at;
        made.push(*at);
    }
    assert_eq!(hub.sim.next_due().await.unwrap(), None);
    assert_eq!(hub.sim.advance(DAY * 30).await.unwrap(), []);
    let attempts = hub.sim.callback_attempts().await.unwrap();
    assert_eq!((attempts.len(), recorder.told().len()), (10, 10));
    assert!(attempts.iter().all(|attempt| attempt.failure == Some(answered_with(503))));
    assert!(recorder.told().iter().all(|told| *told == recorder.told()[0]), "the same each time");

    // Whoever takes one long step meets the same times.
    let recorder = Recorder::answering(|_| 503).await;
    let hub = paid_hub(&recorder, "standard-webhooks").await;
    assert_eq!(times(&hub.sim.advance(DAY * 5).await.unwrap()), made);
    assert_eq!(hub.sim.clock().now(), NOW.parse::<Timestamp>().unwrap() + DAY * 5);
}

#[tokio::test]
async fn an_acknowledged_one_stops() {
    let recorder = Recorder::answering(|number| if number < 2 { 503 } else { 200 }).await;
    let hub = paid_hub(&recorder, "standard-webhooks").await;
    let effects = hub.sim.advance(DAY * 5).await.unwrap();
    let whats: Vec<_> = effects.iter().map(|effect| effect.what.rsplit(": ").next().unwrap()).collect();
    assert_eq!(whats, ["status 503", "acknowledged"]);
    assert_eq!(hub.sim.next_due().await.unwrap(), None);
    assert_eq!(recorder.told().len(), 3);
    let failures: Vec<_> = attempts(&hub, 3).await.into_iter().map(|attempt| attempt.failure).collect();
    assert_eq!(failures, [Some(answered_with(503)), Some(answered_with(503)), None]);
}

/// One that is acknowledged doesn't end another one's attempts, and each has jitter of its own.
#[tokio::test]
async fn each_has_its_own_times() {
    // The first call-back's first attempt is the only one that fails with it.
    let recorder = Recorder::answering(|number| if number < 2 { 500 } else { 200 }).await;
    let hub = paid_hub(&recorder, "standard-webhooks").await;
    hub.add("PSID", &BILL.replace("FS-BSCS-095", "B")).await;
    assert_eq!(hub.pay(&psid(2), "50", "R").await.0, 200);
    settle(&hub).await;
    let effects = hub.sim.advance(DAY).await.unwrap();
    let mut whats: Vec<_> = effects.iter().map(|effect| effect.what.as_str()).collect();
    whats.sort_unstable();
    let expected = [1, 2].map(|number| format!("call-back {number} /processed (genuine): acknowledged"));
    assert_eq!(whats, expected);
    assert_ne!(effects[0].at, effects[1].at);
}

/// The guide promises no more.
#[tokio::test]
async fn faithful_is_once() {
    let recorder = Recorder::answering(|_| 503).await;
    let hub = paid_hub(&recorder, "faithful").await;
    assert_eq!(hub.sim.next_due().await.unwrap(), None);
    assert_eq!(hub.sim.advance(DAY * 5).await.unwrap(), []);
    assert_eq!((recorder.told().len(), attempts(&hub, 1).await.len()), (1, 1));
}
