//! The workers: one takes batches from draft to approved, one sends call-backs. Both go by the simulator's clock.
//!
//! guide:call-15

use std::sync::Arc;
use std::time::{Duration, Instant};

use asaanbill_core::{BulkRequestId, ChannelId};
use asaanbill_storage::StorageError;
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::effect::Effect;
use crate::engine::{Bell, Engine};
use crate::hub::{Act, Cause, Outcome, Push};
use crate::outbox::{CLAIM_PATIENCE, Outbox};
use crate::store::{DueBatch, KeepClock, Kept, KeptClock, NextDelivery};

/// How long a worker leaves alone what it failed at, so that a store in trouble isn't hammered and others get their turn.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How often a store that other instances write to is looked at unasked.
const SHARED_GLANCE: Duration = Duration::from_millis(250);

/// How many call-backs are under way at once: a slow receiver holds up no others until there are as many.
const DELIVERIES_AT_ONCE: usize = 16;

/// Advances batches whenever a step is due. What an earlier process left undone is done first.
pub(crate) async fn advance_batches(engine: Engine) {
    let mut failed: Vec<(ChannelId, BulkRequestId)> = Vec::new();
    loop {
        let due = match engine.look(DueBatch { except: failed.clone() }).await {
            Ok(due) => due,
            Err(error) => {
                note_failure("looking for batches", &error);
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        match due {
            Some((channel, id, due)) if due <= engine.clock().now() => match step(&engine, channel, id).await {
                Ok(()) => {}
                Err(error) => {
                    note_failure("a batch's step", &error);
                    failed.push((channel, id));
                }
            },
            due => {
                let unrung = wait(&engine, Bell::Batches, due.map(|(_, _, due)| due), None);
                if failed.is_empty() {
                    unrung.await;
                } else {
                    // A timeout is the point.
                    let _ = tokio::time::timeout(AFTER_FAILURE, unrung).await;
                    failed.clear();
                }
            }
        }
    }
}

async fn step(engine: &Engine, channel: ChannelId, id: BulkRequestId) -> Result<(), StorageError> {
    let _under_way = engine.effects().begin();
    let outcome = engine.ask(Act::Step { batch: (channel, id), push: Push::Due }, Cause::default()).await?;
    if let Outcome::Stepped(Some(stage)) = outcome {
        let what = format!("batch {id} of channel {channel}: {}", stage.as_str());
        engine.done(Effect { at: engine.clock().now(), what });
    }
    Ok(())
}

/// Sends call-backs that are due, several at once, until `closing` says so; then those that are under way are finished.
pub(crate) async fn send_callbacks(engine: Engine, outbox: Arc<Outbox>, mut closing: watch::Receiver<bool>) {
    // Deliveries end with the worker.
    let mut under_way = JoinSet::new();
    claim_and_send(&engine, &outbox, &mut closing, &mut under_way).await;
    while under_way.join_next().await.is_some() {}
}

async fn claim_and_send(
    engine: &Engine,
    outbox: &Arc<Outbox>,
    closing: &mut watch::Receiver<bool>,
    under_way: &mut JoinSet<()>,
) {
    let free = Arc::new(Semaphore::new(DELIVERIES_AT_ONCE));
    loop {
        while under_way.try_join_next().is_some() {}
        let first = tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => return,
            first = Arc::clone(&free).acquire_owned() => first,
        };
        let Ok(first) = first else { return };
        let most = 1 + free.available_permits();
        let asked = Instant::now();
        let claimed = match outbox.claim(engine, most).await {
            Ok(claimed) => claimed,
            Err(error) => {
                note_failure("claiming call-backs", &error);
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        if claimed.is_empty() {
            drop(first);
            match engine.look(NextDelivery).await {
                Ok(due) => tokio::select! {
                    _ = closing.wait_for(|closing| *closing) => return,
                    () = wait(engine, Bell::Callbacks, due.ready, due.lease) => {}
                },
                Err(error) => {
                    note_failure("looking for call-backs", &error);
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
            continue;
        }
        let mut permit = Some(first);
        for delivery in claimed {
            let permit = match permit.take() {
                Some(permit) => permit,
                None => match Arc::clone(&free).acquire_owned().await {
                    Ok(permit) => permit,
                    Err(_) => return,
                },
            };
            if asked.elapsed() > CLAIM_PATIENCE {
                tracing::warn!(
                    delivery.callback,
                    "claimed too late to be attempted within its lease; it is left until that ends"
                );
                continue;
            }
            let (engine, outbox) = (engine.clone(), Arc::clone(outbox));
            under_way.spawn(async move {
                outbox.deliver(&engine, delivery).await;
                drop(permit);
                engine.ring(Bell::Callbacks);
            });
        }
    }
}

/// Keeps how time goes in the store, and lets it go here as other instances say.
pub(crate) async fn share_clock(engine: Engine, mut known: Kept) {
    let mut changes = engine.clock().changes();
    loop {
        let glance = async {
            if engine.store().is_shared() {
                tokio::time::sleep(SHARED_GLANCE).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let changed = tokio::select! {
            changed = changes.changed() => changed.is_ok(),
            () = glance => false,
        };
        let course = engine.clock().course();
        let kept = if changed && course != known.course {
            engine.change(KeepClock(course)).await
        } else if engine.store().is_shared() {
            engine.look(KeptClock).await
        } else {
            continue;
        };
        match kept {
            Ok(kept) => {
                // What somebody said here meanwhile counts more, and is kept next.
                let untouched = engine.clock().course() == course;
                if untouched && kept.course != course && kept.revision != known.revision {
                    engine.clock().adopt(kept.course);
                }
                known = kept;
            }
            Err(error) => note_failure("keeping the clock", &error),
        }
    }
}

/// Waits for a bell, for the simulator's clock to show `due`, for the system's to show `lease`, or for another instance.
async fn wait(engine: &Engine, bell: Bell, due: Option<Timestamp>, lease: Option<Timestamp>) {
    let leased = lease.map(|lease| {
        let wait = lease.duration_since(crate::clock::system_time());
        Duration::try_from(wait).unwrap_or(Duration::ZERO) + Duration::from_millis(1)
    });
    let glance = engine.store().is_shared().then_some(SHARED_GLANCE);
    let longest = leased.into_iter().chain(glance).min();
    let woken = async {
        tokio::select! {
            () = engine.until_rung(bell) => {}
            () = engine.clock().until(due) => {}
        }
    };
    match longest {
        // A timeout is the point.
        Some(longest) => drop(tokio::time::timeout(longest, woken).await),
        None => woken.await,
    }
}

fn note_failure(what: &str, error: &StorageError) {
    tracing::error!(what, error = error as &dyn std::error::Error, "a worker failed, and tries again");
}
