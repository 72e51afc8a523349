//! What every face of the simulator shares: the store, the clock, the gathering of commands into sets, and the bells that wake
//! the workers.
//!
//! guide:pay-9

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use asaanbill_storage::rusqlite::Connection;
use asaanbill_storage::{Sqlite, StorageError, StorageErrorKind};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
#[cfg(feature = "postgres")]
use tokio::time::timeout;

use crate::clock::Clock;
use crate::effect::{Effect, Effects};
use crate::hub::{self, Act, BulkProgress, Cause, Command, Outcome};
use crate::store::{Book, History, Plan, Script, Seed, Set, Store, Trim, at_once};
#[cfg(feature = "postgres")]
use crate::store::{Lane, PATIENCE, Server};

/// The most records that a set of commands is gathered up to. More would make the first of them wait without sharing the commit
/// much better.
pub(crate) const SET_MAX: usize = 512;

// A step is the last of its set, so nobody there asks for more of its payments than the step itself does.
const _: () = assert!(asaanbill_core::BULK_ROWS_MAX >= SET_MAX);

/// How many commands may wait for their set; then those who ask wait.
const QUEUE_MAX: usize = 4096;

#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    desk: Arc<Desk>,
    queue: mpsc::Sender<Asked>,
}

/// What it takes to commit a set.
struct Desk {
    store: Store,
    clock: Clock,
    seed: Option<Seed>,
    progress: BulkProgress,
    plan: Arc<Plan>,
    bells: Bells,
    effects: Effects,
    history: History,
    /// The commands that wait. Whoever is free to commit takes them: on SQLite the writer itself.
    waiting: Mutex<mpsc::Receiver<Asked>>,
    /// Whether a commit is on its way that will take those that wait.
    called: AtomicBool,
    /// Where commits are called from.
    runtime: Handle,
}

#[derive(Default)]
struct Bells {
    batches: Notify,
    callbacks: Notify,
    /// A worker has done something.
    progress: Notify,
}

struct Asked {
    command: Command,
    tell: oneshot::Sender<Result<Outcome, StorageError>>,
}

/// Which worker is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bell {
    /// A batch is accepted or has a step due.
    Batches,
    /// Call-backs are owed.
    Callbacks,
}

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) seed: Option<Seed>,
    pub(crate) progress: BulkProgress,
    pub(crate) plan: Arc<Plan>,
}

impl Engine {
    /// Begins to take commands. To be called on a runtime.
    pub(crate) fn start(parts: Parts) -> Self {
        let Parts { store, clock, seed, progress, plan } = parts;
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let desk = Arc::new(Desk {
            store,
            clock,
            seed,
            progress,
            plan,
            bells: Bells::default(),
            effects: Effects::default(),
            history: History::default(),
            waiting: Mutex::new(waiting),
            called: AtomicBool::new(false),
            runtime: Handle::current(),
        });
        Self(Arc::new(Inner { desk, queue }))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.desk.clock
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.desk.store
    }

    pub(crate) fn seed(&self) -> Option<Seed> {
        self.0.desk.seed
    }

    pub(crate) fn progress(&self) -> BulkProgress {
        self.0.desk.progress
    }

    pub(crate) fn effects(&self) -> &Effects {
        &self.0.desk.effects
    }

    /// Decides a command in a set with others, and resolves when what came of it is durable.
    ///
    /// Cancellation: once it is queued, it is done.
    pub(crate) async fn ask(&self, act: Act, cause: Cause) -> Result<Outcome, StorageError> {
        let (tell, told) = oneshot::channel();
        let asked = Asked { command: Command { act, cause }, tell };
        self.0.queue.send(asked).await.map_err(|_| closed())?;
        self.0.desk.call();
        told.await.map_err(|_| closed())?
    }

    /// Changes something that isn't a command's business.
    pub(crate) async fn change<S: Script + 'static>(&self, script: S) -> Result<S::Answer, StorageError> {
        self.store().change(script).await
    }

    pub(crate) async fn look<S: Script + 'static>(&self, script: S) -> Result<S::Answer, StorageError> {
        self.store().look(script).await
    }

    /// Wakes a worker.
    pub(crate) fn ring(&self, bell: Bell) {
        self.0.desk.bells.of(bell).notify_one();
    }

    /// Waits for a bell. One that rang while nobody waited is heard too.
    pub(crate) async fn until_rung(&self, bell: Bell) {
        self.0.desk.bells.of(bell).notified().await;
    }

    /// Notes what a worker did.
    pub(crate) fn done(&self, effect: Effect) {
        self.effects().push(effect);
        self.0.desk.bells.progress.notify_waiters();
    }

    /// Resolves when a worker has done something after this call.
    pub(crate) fn until_progress(&self) -> impl Future<Output = ()> + '_ {
        self.0.desk.bells.progress.notified()
    }
}

impl Bells {
    fn of(&self, bell: Bell) -> &Notify {
        match bell {
            Bell::Batches => &self.batches,
            Bell::Callbacks => &self.callbacks,
        }
    }
}

fn closed() -> StorageError {
    StorageError::closed()
}

/// Commands that were taken together, and those who wait for what comes of each.
#[derive(Default)]
struct Taken {
    commands: Vec<Command>,
    tell: Vec<oneshot::Sender<Result<Outcome, StorageError>>>,
}

impl Taken {
    fn push(&mut self, Asked { command, tell }: Asked) {
        self.commands.push(command);
        self.tell.push(tell);
    }

    fn into_singles(self) -> impl Iterator<Item = Self> {
        let singles = self.commands.into_iter().zip(self.tell);
        singles.map(|(command, tell)| Self { commands: vec![command], tell: vec![tell] })
    }
}

/// How many records commands may change, and so about how many events they note.
fn weight(commands: &[Command]) -> usize {
    commands.iter().map(Command::weight).sum()
}

/// A commit that is to be made. If its runtime ends before somebody has taken it on, the next one who asks calls again.
struct Call(Option<Arc<Desk>>);

impl Call {
    fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(desk) = &self.0 {
            desk.called.store(false, Ordering::Release);
        }
    }
}

impl Desk {
    /// Sees to it that the commands that wait are committed. Most often the writer takes that on at once, and nobody else has to be
    /// woken for it.
    fn call(self: &Arc<Self>) {
        self.calling(|commit| commit.now_or_never().is_some());
    }

    /// As [`call`](Self::call), for whoever is in the middle of a commit.
    fn call_later(self: &Arc<Self>) {
        self.calling(|_| false);
    }

    /// Makes a commit if nobody does, which a task goes on with unless it is `begun` and done.
    fn calling(self: &Arc<Self>, begun: impl FnOnce(Pin<&mut (dyn Future<Output = ()> + Send)>) -> bool) {
        if self.called.swap(true, Ordering::AcqRel) {
            return;
        }
        let (desk, call) = (Arc::clone(self), Call(Some(Arc::clone(self))));
        match &self.store {
            Store::Sqlite(sqlite) => {
                let sqlite = sqlite.clone();
                let mut commit = Box::pin(async move {
                    desk.commit_by_writer(&sqlite, Self::take).await;
                    call.end();
                });
                if !begun(commit.as_mut()) {
                    self.runtime().spawn(commit);
                }
            }
            #[cfg(feature = "postgres")]
            Store::Postgres(server) => {
                let server = Arc::clone(server);
                self.runtime().spawn(async move { desk.commit_sets(&server, call).await });
            }
        }
    }

    /// Where commits are made.
    fn runtime(&self) -> Handle {
        match &self.store {
            // Who asks is on a runtime that runs; the writer's own thread is on none.
            Store::Sqlite(_) => Handle::try_current().unwrap_or_else(|_| self.runtime.clone()),
            #[cfg(feature = "postgres")]
            Store::Postgres(server) => server.runtime().clone(),
        }
    }

    /// The commands that wait, for the writer: who comes later calls again.
    fn take(self: &Arc<Self>) -> Taken {
        // Before they are looked for.
        self.called.store(false, Ordering::Release);
        let taken = self.gather();
        if self.is_wanted() {
            self.call_later();
        }
        taken
    }

    /// The commands that wait, up to a set's size.
    fn gather(&self) -> Taken {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut taken, mut weight) = (Taken::default(), 0);
        while weight < SET_MAX
            && let Ok(asked) = waiting.try_recv()
        {
            weight += asked.command.weight();
            taken.push(asked);
        }
        taken
    }

    /// Whether commands wait.
    fn is_wanted(&self) -> bool {
        !self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Commits what `take` gives when the writer comes to it, and tells each what came of it.
    async fn commit_by_writer(
        self: &Arc<Self>,
        sqlite: &Sqlite,
        take: impl FnOnce(&Arc<Self>) -> Taken + Send + 'static,
    ) {
        let (deciding, telling) = (Arc::clone(self), Arc::clone(self));
        let work = move |connection: &Connection| {
            let taken = take(&deciding);
            let decided = at_once(&deciding.set(&taken.commands), connection).and_then(|outcomes| {
                if deciding.history.is_long(weight(&taken.commands)) {
                    at_once(&Trim, connection)?;
                }
                Ok(outcomes)
            });
            match decided {
                Ok(outcomes) => Ok((taken, outcomes)),
                Err(error) => Err((taken, error)),
            }
        };
        let then = move |result, committed: Result<(), StorageError>| match (result, committed) {
            (Ok((taken, outcomes)), Ok(())) => telling.tell(taken, Ok(outcomes)),
            (Ok((taken, _)), Err(error)) | (Err((taken, error)), _) => telling.tell(taken, Err(error)),
        };
        if let Err(error) = sqlite.write_then(work, then).await {
            // Nothing will be committed any more. Those who wait have waited long enough.
            self.tell(self.take(), Err(error));
        }
    }

    /// Commits set after set until no commands wait. Those who ask meanwhile needn't call, and nobody is woken for them while a set is
    /// under way.
    #[cfg(feature = "postgres")]
    async fn commit_sets(self: &Arc<Self>, server: &Server, call: Call) {
        loop {
            let Some(lane) = server.lane().await else { return };
            let taken = self.gather();
            let mut commit = Box::pin(self.commit_in_lane(&lane, taken));
            if timeout(PATIENCE, commit.as_mut()).await.is_err() {
                // It takes long: somebody else goes on beside it.
                call.end();
                if self.is_left() {
                    self.call();
                }
                return commit.await;
            }
            if !self.is_left() || self.called.swap(true, Ordering::AcqRel) {
                return call.end();
            }
        }
    }

    /// Takes the call back, and says whether commands wait that relied on it. Who asks later calls again; a swap, so that what was asked
    /// before it is seen.
    #[cfg(feature = "postgres")]
    fn is_left(&self) -> bool {
        self.called.swap(false, Ordering::AcqRel);
        self.is_wanted()
    }

    /// Commits a set, and tells each what came of it.
    #[cfg(feature = "postgres")]
    async fn commit_in_lane(self: &Arc<Self>, lane: &Lane<'_>, taken: Taken) {
        if taken.commands.is_empty() {
            return;
        }
        let outcomes = self.change_on_server(lane, &taken.commands).await;
        let long = outcomes.is_ok() && self.history.is_long(weight(&taken.commands));
        self.tell(taken, outcomes);
        if long {
            self.trim_beside();
        }
    }

    /// Drops the oldest events, for which no set waits.
    #[cfg(feature = "postgres")]
    fn trim_beside(&self) {
        let store = self.store.clone();
        // The runtime that this was started on may have ended.
        self.runtime().spawn(async move {
            if let Err(error) = store.change(Trim).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the oldest events are not dropped");
            }
        });
    }

    #[cfg(feature = "postgres")]
    async fn change_on_server(&self, lane: &Lane<'_>, commands: &[Command]) -> Result<Vec<Outcome>, StorageError> {
        let set = self.set(commands);
        let Some((mut outcomes, numbers)) = lane.add(&set).await? else { return lane.change(&set).await };
        hub::renumber(&mut outcomes, &numbers)?;
        Ok(outcomes)
    }

    /// The script that decides commands as one set.
    fn set<'s>(
        &'s self,
        commands: &'s [Command],
    ) -> Set<'s, impl Fn(&mut Book, Timestamp) -> Result<Vec<Outcome>, StorageError> + 's> {
        let progress = self.progress;
        Set {
            wants: hub::wants(commands, self.seed.is_some(), progress),
            seed: self.seed,
            clock: &self.clock,
            plan: &*self.plan,
            decide: move |book: &mut Book, now| hub::decide(commands, progress, book, now),
        }
    }

    /// Tells each what came of its command. If the set failed for what it holds, each command is tried by itself, so that none
    /// fails for another.
    fn tell(self: &Arc<Self>, taken: Taken, outcomes: Result<Vec<Outcome>, StorageError>) {
        match outcomes {
            Ok(outcomes) => {
                self.ring_for(&taken.commands);
                for (tell, outcome) in taken.tell.into_iter().zip(outcomes) {
                    // Somebody who hung up has no interest in it.
                    let _ = tell.send(Ok(outcome));
                }
            }
            Err(error) if taken.commands.len() > 1 && error.kind() == StorageErrorKind::Statement => {
                let desk = Arc::clone(self);
                self.runtime().spawn(async move { desk.commit_singly(taken).await });
            }
            Err(error) => {
                let commands = taken.commands.len();
                tracing::error!(error = &error as &dyn std::error::Error, commands, "a set failed");
                for tell in taken.tell {
                    let _ = tell.send(Err(error.repeated()));
                }
            }
        }
    }

    async fn commit_singly(self: Arc<Self>, taken: Taken) {
        for single in taken.into_singles() {
            match &self.store {
                Store::Sqlite(sqlite) => self.commit_by_writer(sqlite, |_| single).await,
                #[cfg(feature = "postgres")]
                Store::Postgres(server) => {
                    let Some(lane) = server.lane().await else { return };
                    Box::pin(self.commit_in_lane(&lane, single)).await;
                }
            }
        }
    }

    fn ring_for(&self, commands: &[Command]) {
        for command in commands {
            match &command.act {
                Act::Add { .. } | Act::Fail { .. } | Act::Poll { .. } => {}
                Act::Pay { .. } => self.bells.callbacks.notify_one(),
                Act::Accept { .. } => self.bells.batches.notify_one(),
                Act::Step { .. } => {
                    self.bells.batches.notify_one();
                    self.bells.callbacks.notify_one();
                }
            }
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("store", self.store()).field("clock", self.clock()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use asaanbill_core::{Fields, NewPayment, PaymentKind};
    use asaanbill_storage::StorageError;

    use super::Desk;
    use crate::Sim;
    use crate::hub::{Act, Cause, Command, Outcome};
    use crate::store::{Script, Tx};

    /// Commands that have been taken together.
    struct Together(Arc<Desk>, Vec<Command>);

    impl Script for Together {
        type Answer = Vec<Outcome>;

        async fn run<T: Tx>(&self, tx: &T) -> Result<Vec<Outcome>, StorageError> {
            self.0.set(&self.1).run(tx).await
        }
    }

    fn template(identifier: &str) -> Act {
        let fields = Fields { title: Some("Ali Tuck Shop"), identifier: Some(identifier), ..Fields::default() };
        Act::Add { channel: "23".parse().unwrap(), new: NewPayment::parse(PaymentKind::OpenQr, &fields).unwrap() }
    }

    /// A payment that is added and one that a template's payer adds take their numbers one after the other, and both before anything
    /// is inserted. Had they the same, the set would fail, and its commands would be done one by one.
    #[tokio::test]
    async fn adding_and_paying_a_template_are_one_set() {
        let sim = Sim::builder().build().await.unwrap();
        let Outcome::Added(first) = sim.engine().ask(template("25"), Cause::default()).await.unwrap() else { panic!() };
        let pay = Act::Pay {
            psid: first.stage.psid().unwrap(),
            amount: "50".parse().unwrap(),
            reference: "8f9e10".to_owned(),
        };
        let commands = [template("26"), pay].map(|act| Command { act, cause: Cause::default() });

        let together = Together(Arc::clone(&sim.engine().0.desk), commands.into());
        let outcomes = sim.engine().store().change(together).await.unwrap();
        let [Outcome::Added(second), Outcome::Paid(paid)] = &outcomes[..] else { panic!("{outcomes:?}") };
        let paid = paid.as_ref().as_ref().unwrap().payment();
        assert_eq!(paid.stage.psid(), first.stage.psid());
        assert!(first.id < second.id && first.id < paid.id && second.id != paid.id);
    }
}
