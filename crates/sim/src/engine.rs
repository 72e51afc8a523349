//! What every face of the simulator shares: the store, the clock, the gathering of commands into sets, and the bells that wake
//! the workers.
//!
//! guide:pay-9

use std::fmt;
use std::sync::Arc;

use asaanbill_storage::{StorageError, StorageErrorKind};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use crate::clock::Clock;
use crate::effect::{Effect, Effects};
use crate::hub::{self, Act, BulkProgress, Cause, Command, Outcome};
use crate::store::{Plan, Script, Seed, Set, Store};

/// The most records that a set of commands is gathered up to. More would make the first of them wait without sharing the commit
/// much better.
pub(crate) const SET_MAX: usize = 512;

/// How many commands may wait for their set; then those who ask wait.
const QUEUE_MAX: usize = 4096;

/// How many sets are under way on a server at once: one is decided while the other is committed. SQLite has one writer.
const SETS_AT_ONCE: usize = 2;

#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    desk: Desk,
    queue: mpsc::Sender<Asked>,
}

/// What it takes to commit a set.
#[derive(Clone)]
struct Desk {
    store: Store,
    clock: Clock,
    seed: Option<Seed>,
    progress: BulkProgress,
    plan: Arc<Plan>,
    bells: Arc<Bells>,
    effects: Arc<Effects>,
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
    /// Spawns the task that commits sets. It ends with the last clone.
    pub(crate) fn start(parts: Parts) -> Self {
        let Parts { store, clock, seed, progress, plan } = parts;
        let desk = Desk { store, clock, seed, progress, plan, bells: Arc::default(), effects: Arc::default() };
        let (queue, asked) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(desk.clone().commit_sets(asked));
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
        told.await.map_err(|_| closed())?
    }

    /// Changes something that isn't a command's business.
    pub(crate) async fn change<S: Script>(&self, script: S) -> Result<S::Answer, StorageError> {
        self.store().change(script).await
    }

    pub(crate) async fn look<S: Script>(&self, script: S) -> Result<S::Answer, StorageError> {
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

impl Desk {
    async fn commit_sets(self, mut queue: mpsc::Receiver<Asked>) {
        let at_once = if self.store.is_shared() { SETS_AT_ONCE } else { 1 };
        let free = Arc::new(Semaphore::new(at_once));
        loop {
            // Gathering goes on while nothing more can be committed.
            let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
            let Some(first) = queue.recv().await else { return };
            let set = gather(first, &mut queue);
            if at_once == 1 {
                self.commit(set).await;
                continue;
            }
            let desk = self.clone();
            tokio::spawn(async move {
                desk.commit(set).await;
                drop(permit);
            });
        }
    }

    /// Commits a set, and tells each what came of it. If the set fails for what it holds, each command is tried by itself, so that
    /// none fails for another.
    async fn commit(&self, set: Vec<Asked>) {
        let (commands, tell): (Vec<_>, Vec<_>) = set.into_iter().map(|asked| (asked.command, asked.tell)).unzip();
        let commands = Arc::new(commands);
        match self.decide(Arc::clone(&commands)).await {
            Ok(outcomes) => {
                self.ring_for(&commands);
                for (tell, outcome) in tell.into_iter().zip(outcomes) {
                    // Somebody who hung up has no interest in it.
                    let _ = tell.send(Ok(outcome));
                }
            }
            Err(error) if commands.len() > 1 && error.kind() == StorageErrorKind::Statement => {
                let Some(commands) = Arc::into_inner(commands) else { return };
                for (command, tell) in commands.into_iter().zip(tell) {
                    let command = Arc::new(vec![command]);
                    let outcome = self.decide(Arc::clone(&command)).await;
                    self.ring_for(&command);
                    let _ = tell.send(outcome.and_then(|mut outcomes| outcomes.pop().ok_or_else(closed)));
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, commands = commands.len(), "a set failed");
                for tell in tell {
                    let _ = tell.send(Err(error.repeated()));
                }
            }
        }
    }

    async fn decide(&self, commands: Arc<Vec<Command>>) -> Result<Vec<Outcome>, StorageError> {
        let progress = self.progress;
        let set = Set {
            wants: hub::wants(&commands, self.seed.is_some()),
            seed: self.seed,
            clock: self.clock.clone(),
            plan: Arc::clone(&self.plan),
            decide: move |book: &mut _, now| hub::decide(&commands, progress, book, now),
        };
        self.store.change(set).await
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

/// The first command and those that wait behind it, up to a set's size.
fn gather(first: Asked, queue: &mut mpsc::Receiver<Asked>) -> Vec<Asked> {
    let mut weight = first.command.weight();
    let mut set = vec![first];
    while weight < SET_MAX {
        let Ok(asked) = queue.try_recv() else { break };
        weight += asked.command.weight();
        set.push(asked);
    }
    set
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("store", self.store()).field("clock", self.clock()).finish_non_exhaustive()
    }
}
