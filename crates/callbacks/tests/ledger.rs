//! A handler that writes down what it was handed, and fails as a test asks it to.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use asaanbill_callbacks::{Confirmed, Handler, HandlerError};
use tokio::sync::Notify;

/// Cheap to clone; clones are the same ledger.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<State>>, Arc<Notify>);

#[derive(Default)]
struct State {
    /// What was handed over and handled, in order.
    handled: Vec<Confirmed>,
    /// The keys of all that was handed over.
    asked: Vec<String>,
    /// What is to happen to the next ones; then all are handled.
    plan: VecDeque<Deed>,
    /// A key that is never handled.
    cursed: Option<String>,
    /// Keys that are always handled, whatever the plan.
    exempt: HashSet<String>,
}

/// What happens to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Handle,
    Fail,
    /// While it is polled.
    Panic,
    /// Before there is a future.
    PanicAtOnce,
    Hang,
    /// Until it is released.
    Wait,
}

impl Ledger {
    pub(crate) fn plan(&self, deeds: impl IntoIterator<Item = Deed>) {
        self.state().plan.extend(deeds);
    }

    pub(crate) fn curse(&self, key: &str) {
        self.state().cursed = Some(key.into());
    }

    pub(crate) fn exempt(&self, key: &str) {
        self.state().exempt.insert(key.into());
    }

    /// Lets one go on that waits, now or later.
    pub(crate) fn release(&self) {
        self.1.notify_one();
    }

    /// The keys of what was handled, in order.
    pub(crate) fn handled(&self) -> Vec<String> {
        self.state().handled.iter().map(key).collect()
    }

    /// The keys of what was handed over, handled or not, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    pub(crate) fn events(&self) -> Vec<Confirmed> {
        self.state().handled.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// What is to happen to an event.
    fn next(&self, event: &Confirmed) -> Deed {
        let mut state = self.state();
        let key = key(event);
        state.asked.push(key.clone());
        if state.cursed.as_ref() == Some(&key) {
            return Deed::Fail;
        }
        if state.exempt.contains(&key) { Deed::Handle } else { state.plan.pop_front().unwrap_or(Deed::Handle) }
    }
}

pub(crate) fn key(event: &Confirmed) -> String {
    match event {
        Confirmed::Payment(paid) => paid.effect_key(),
        Confirmed::Bulk(batch) => batch.effect_key(),
        other => panic!("an event of a new sort: {other:?}"),
    }
}

/// Without `async_trait`, so that it can panic before there is a future.
impl Handler for Ledger {
    fn handle<'a, 'f>(&'a self, event: Confirmed) -> Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        let deed = self.next(&event);
        assert!(deed != Deed::PanicAtOnce, "the handler has a bug");
        Box::pin(async move {
            match deed {
                Deed::Fail => return Err("the ledger is closed".into()),
                Deed::Hang => std::future::pending().await,
                Deed::Wait => self.1.notified().await,
                Deed::Handle => {}
                Deed::Panic | Deed::PanicAtOnce => panic!("the handler has a bug"),
            }
            self.state().handled.push(event);
            Ok(())
        })
    }
}
