//! Hands over what is confirmed.

use std::collections::HashMap;
use std::sync::Arc;

use asaanbill_storage::queue::{Backoff, Lease};
use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::SignedDuration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::core::{Core, HEARTBEAT, caught, pause};
use crate::event::{Confirmed, Effect};
use crate::handler::{Handler, HandlerError, Kind};
use crate::metrics::Event;
use crate::store::{End, Unhandled, Which};

/// How often a handler is asked for one event; then the event is dead, until a person re-drives it. With the waits between,
/// about a day and a half.
pub const HANDLE_ATTEMPTS_MAX: u32 = 48;

/// How long to wait before a handler is asked again.
pub const HANDLE_BACKOFF: Backoff =
    Backoff { first: SignedDuration::from_secs(1), most: SignedDuration::from_secs(3_600) };

/// How many events a transactional handler is given at once: they share a commit.
const TOGETHER: usize = 128;

/// Why an event is dead: its handler failed too often, or what was kept of its record can't be read.
const DEAD_HANDLER: &str = "handler";
const DEAD_RECORD: &str = "record";

pub(crate) struct Dispatcher {
    core: Arc<Core>,
    /// The newest lease of each effect that is in work here.
    held: HashMap<Effect, Lease>,
}

/// How the handling of one event ended.
type Handled = (Effect, u32, Result<(), HandlerError>);

impl Dispatcher {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, held: HashMap::new() }
    }

    /// Works until it is dropped, or drained: then it waits for the handlers that are under way.
    pub(crate) async fn run(mut self) {
        let core = Arc::clone(&self.core);
        let mut draining = core.draining.subscribe();
        let mut handling = FuturesUnordered::new();
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look_at = Instant::now();
        loop {
            let room = match core.handling.0 {
                Kind::Plain(_) => core.handlers_at_once - handling.len(),
                _ => TOGETHER,
            };
            if room > 0 && look_at <= Instant::now() && !core.is_draining() {
                let (unhandled, next) = self.claim(room).await;
                look_at = next;
                match &core.handling.0 {
                    Kind::Plain(handler) => {
                        for (effect, attempts, event) in unhandled {
                            handling.push(hand_over(Arc::clone(handler), effect, attempts, event));
                        }
                    }
                    _ => self.handle_together(unhandled).await,
                }
            }
            if core.is_draining() && handling.is_empty() {
                return;
            }
            let idle = matches!(core.handling.0, Kind::Plain(_)).then(|| handling.len() < core.handlers_at_once);
            tokio::select! {
                Some(handled) = handling.next(), if !handling.is_empty() => {
                    let mut all: Vec<Handled> = vec![handled];
                    while let Some(Some(more)) = handling.next().now_or_never() {
                        all.push(more);
                    }
                    self.finish(all).await;
                    // There is room for another one.
                    look_at = Instant::now();
                }
                () = core.bells.confirmed.notified() => look_at = Instant::now(),
                () = sleep_until(look_at), if idle.unwrap_or(true) => {}
                _ = beat.tick(), if !self.held.is_empty() => self.heartbeat().await,
                _ = draining.changed() => {}
            }
        }
    }

    /// Claims events that are due, and says when to look again.
    async fn claim(&mut self, most: usize) -> (Vec<(Effect, u32, Confirmed)>, Instant) {
        let claimed = match self.core.claim(most) {
            Ok(claim) => self.core.store.claim_effects(claim).await,
            Err(error) => Err(error),
        };
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                pause(&error).await;
                return (Vec::new(), Instant::now());
            }
        };
        let some = !claimed.is_empty();
        let (mut events, mut dead) = (Vec::new(), Vec::new());
        for Unhandled { lease, effect, attempts, event } in claimed {
            // Rescued from ourselves: its handler is slow, and is never run twice at once here.
            if self.held.insert(effect, lease).is_some() {
                continue;
            }
            match event {
                Some(event) => events.push((effect, attempts, event)),
                None => dead.push((effect, End::Dead(DEAD_RECORD))),
            }
        }
        self.end(dead).await;
        if some {
            return (events, Instant::now());
        }
        match self.core.store.next_due(Which::Handlings, self.core.now()).await {
            Ok(due) => {
                let next = [due.ready, due.lease].into_iter().flatten().min();
                (events, Instant::now() + self.core.rest_until(next))
            }
            Err(error) => {
                pause(&error).await;
                (events, Instant::now())
            }
        }
    }

    /// In the inbox's own transactions.
    async fn handle_together(&mut self, unhandled: Vec<(Effect, u32, Confirmed)>) {
        if unhandled.is_empty() {
            return;
        }
        let (mut events, mut asked) = (Vec::new(), Vec::new());
        for (effect, attempts, event) in unhandled {
            if let Some(lease) = self.held.get(&effect) {
                events.push((*lease, effect, event));
                asked.push((effect, attempts));
            }
        }
        let results = self.core.store.handle(&self.core.handling, events, self.core.now()).await;
        let mut failed = Vec::new();
        for ((effect, attempts), result) in asked.into_iter().zip(results) {
            match result {
                Ok(()) => {
                    self.core.metrics.count(Event::Handled);
                    self.held.remove(&effect);
                }
                Err(error) => failed.push((effect, attempts, Err(error))),
            }
        }
        self.finish(failed).await;
    }

    /// Notes how handlings ended.
    async fn finish(&mut self, all: Vec<Handled>) {
        let mut ends = Vec::new();
        for (effect, attempts, result) in all {
            ends.push((effect, self.end_of(effect, attempts, result)));
        }
        self.end(ends).await;
    }

    fn end_of(&self, effect: Effect, attempts: u32, result: Result<(), HandlerError>) -> End {
        let Err(error) = result else {
            self.core.metrics.count(Event::Handled);
            return End::Handled;
        };
        self.core.metrics.count(Event::HandlingFailed);
        if attempts >= HANDLE_ATTEMPTS_MAX {
            self.core.metrics.count(Event::HandlingDead);
            tracing::error!(key = effect.key(), attempts, error = &*error, "an event is given up: re-drive it");
            return End::Dead(DEAD_HANDLER);
        }
        tracing::warn!(key = effect.key(), attempts, error = &*error, "an event was not handled");
        // Without randomness they come back together: slower, and no harm.
        let random = getrandom::u64().unwrap_or(u64::MAX);
        End::Later(self.core.after(HANDLE_BACKOFF.after(attempts, random)))
    }

    /// What is done is done: if it can't be noted, only the note is tried again, not the handler.
    async fn end(&mut self, ends: Vec<(Effect, End)>) {
        if ends.is_empty() {
            return;
        }
        let ends = ends.into_iter().filter_map(|(effect, end)| Some((self.held.remove(&effect)?, effect, end)));
        let ends: Arc<Vec<_>> = Arc::new(ends.collect());
        while let Err(error) = self.core.store.finish(Arc::clone(&ends), self.core.now()).await {
            pause(&error).await;
        }
    }

    async fn heartbeat(&mut self) {
        let leases = self.held.values().copied().collect();
        match self.core.store.heartbeat(Which::Handlings, leases, self.core.lease_until()).await {
            Ok(lost) => {
                for lease in lost.leases() {
                    self.core.metrics.count(Event::LeaseLost);
                    tracing::warn!(job = lease.id, "somebody else hands over an event that is in work here");
                }
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "leases could not be extended"),
        }
    }
}

async fn hand_over(handler: Arc<dyn Handler>, effect: Effect, attempts: u32, event: Confirmed) -> Handled {
    // A panicking handler is one that failed: the others' events go on.
    let handled = caught(async { handler.handle(event).await }).await;
    (effect, attempts, handled.unwrap_or_else(|panicked| Err(panicked.into())))
}
