//! The simulator.
//!
//! guide:env-9

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asaanbill_core::{BulkRequestId, ChannelId};
use asaanbill_storage::StorageError;
use asaanbill_wire::Message;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

use crate::bank::Bank;
use crate::builder::SimBuilder;
use crate::clock::Clock;
use crate::effect::Effect;
use crate::engine::{Bell, Engine};
use crate::fault::Faults;
use crate::hub::{Act, Cause, Credentials, Outcome, Push, Refusal, Token, check_password};
use crate::journal::{Expectation, Journal, RequestMatcher};
use crate::login_limit::LoginLimit;
use crate::outbox::Outbox;
use crate::store::{
    Access, Attempts, BulkStage, CountLogin, DueBatch, FindUser, InsertToken, KeepClock, Kept, NextDelivery, TokenUser,
};
use crate::tokens::{Tokens, monotonic};
use crate::transport::SimTransport;
use crate::{http, outbox, worker};

/// How many passwords are checked at once: each takes a core and 19 MiB for some milliseconds. More of them wait.
const PASSWORD_CHECKS_MAX: usize = 4;

/// How many attempts are returned at the most: the newest.
const CALLBACK_ATTEMPTS_MAX: u32 = 10_000;

/// How long workers are waited for at once before the store is looked at again.
const SETTLING_GLANCE: Duration = Duration::from_millis(20);

/// How long nothing may happen until no more is waited for: many times a call-back's whole deadline.
const SETTLING_PATIENCE: Duration = Duration::from_secs(60);

/// A hub. Cheap to clone; the workers stop with the last clone.
#[derive(Clone)]
pub struct Sim {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    settings: SimBuilder,
    faults: Faults,
    journal: Journal,
    password_checks: Arc<Semaphore>,
    tokens: Tokens,
    login_limit: Arc<LoginLimit>,
    /// One advance at a time.
    advancing: Semaphore,
    workers: [AbortHandle; 3],
    /// Who sends call-backs, and how that is told to stop.
    sending: Mutex<Option<JoinHandle<()>>>,
    closing: watch::Sender<bool>,
}

/// One attempt to call the integrator back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackAttempt {
    /// The path of the event: `/processed` or `/bulk-payment-request-approved`.
    pub path: String,
    /// Why it wasn't acknowledged, if it wasn't.
    pub failure: Option<String>,
}

impl Sim {
    /// Settings to start from.
    pub fn builder() -> SimBuilder {
        SimBuilder::default()
    }

    pub(crate) fn start(engine: Engine, settings: SimBuilder, outbox: Outbox, clock: Kept) -> Self {
        let batches = tokio::spawn(worker::advance_batches(engine.clone())).abort_handle();
        let (closing, closed) = watch::channel(false);
        let sending = tokio::spawn(worker::send_callbacks(engine.clone(), Arc::new(outbox), closed));
        let password_checks = Arc::new(Semaphore::new(PASSWORD_CHECKS_MAX));
        let tokens = Tokens::new(engine.store().is_shared());
        let (faults, journal) = (Faults::new(settings.settings.strict_faults), Journal::new(settings.settings.journal));
        let login_limit = Arc::<LoginLimit>::default();
        let clock = tokio::spawn(worker::share_clock(engine.clone(), clock)).abort_handle();
        let (advancing, workers) = (Semaphore::new(1), [batches, sending.abort_handle(), clock]);
        let inner = Inner {
            engine,
            settings,
            faults,
            journal,
            password_checks,
            tokens,
            login_limit,
            advancing,
            workers,
            sending: Mutex::new(Some(sending)),
            closing,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The hub as the other end of a client in this process, without a socket.
    pub fn transport(&self) -> SimTransport {
        SimTransport::new(http::passage(self.clone()))
    }

    /// Serves HTTP until `stop` resolves, and then finishes what is in flight, for [`STOP_PATIENCE`](crate::STOP_PATIENCE)
    /// at most. The simulator's own pages, under `/_sim`, are open where the listener's address is a loopback one; see
    /// [`SimBuilder::admin_token`](crate::SimBuilder::admin_token).
    ///
    /// Cancellation: all connections are dropped; what was being committed is committed or not. The workers go on.
    ///
    /// # Errors
    ///
    /// If the listener has no address.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        http::serve(self, listener, stop).await
    }

    /// Sends no more call-backs that are owed, and resolves when those under way are acknowledged or given up, and noted, or after so
    /// long. What is owed still is in the store; one that takes longer is sent again by whoever opens it next.
    ///
    /// Cancellation: safe; no more are sent.
    pub async fn finish_callbacks(&self, within: Duration) {
        self.inner.closing.send_replace(true);
        let sending = self.inner.sending.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sending) = sending {
            // It is aborted with the last clone.
            let _ = tokio::time::timeout(within, sending).await;
        }
    }

    /// The bank's side.
    pub fn bank(&self) -> Bank {
        Bank::new(self.inner.engine.clone())
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        self.inner.engine.clock()
    }

    /// The faults that befall requests.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// The requests that came in.
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// An assertion on the requests that came or will come: at least one that is meant, if nothing else is said.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use asaanbill_sim::{RequestMatcher, Sim};
    /// # use asaanbill_wire::Endpoint;
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sim = Sim::builder().build().await?;
    /// let unmet = sim.expect(RequestMatcher::to(Endpoint::Add).status(200)).times(2).within(Duration::from_secs(1)).await;
    /// assert!(unmet.unwrap_err().to_string().starts_with("expected within 1s: 2 of [add, status 200]; there were 0"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn expect(&self, requests: RequestMatcher) -> Expectation {
        Expectation::new(self.inner.journal.clone(), requests)
    }

    /// Every attempt to call an integrator back, oldest first.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn callback_attempts(&self) -> Result<Vec<CallbackAttempt>, StorageError> {
        let attempts = self.inner.engine.look(Attempts { limit: CALLBACK_ATTEMPTS_MAX }).await?;
        Ok(attempts
            .into_iter()
            .map(|row| CallbackAttempt {
                path: row.path,
                failure: row.failure.map(|failure| outbox::sentence(&failure)),
            })
            .collect())
    }

    /// Moves the clock by a duration, from one time at which something is due to the next, and lets it stand at the end. Resolves when
    /// all that was due by then is done, and returns it in order: batches' steps, and call-backs with what became of them. What isn't done
    /// when nothing has happened for a minute is left, as where the store fails.
    ///
    /// Cancellation: the clock stands somewhere between, and what was begun is done.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn advance(&self, by: SignedDuration) -> Result<Vec<Effect>, StorageError> {
        let _turn = self.inner.advancing.acquire().await;
        let now = self.clock().now();
        self.advance_to(now.saturating_add(by).unwrap_or(now)).await
    }

    /// As [`advance`](Self::advance), to an instant. Where that is in the past, the clock is merely set.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn set_time(&self, at: Timestamp) -> Result<Vec<Effect>, StorageError> {
        let _turn = self.inner.advancing.acquire().await;
        self.advance_to(at).await
    }

    /// As [`advance`](Self::advance), to the next time at which something is due; nowhere, if nothing is.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn advance_to_next_due(&self) -> Result<Vec<Effect>, StorageError> {
        let _turn = self.inner.advancing.acquire().await;
        let mark = self.engine().effects().mark();
        self.clock().freeze();
        self.settle().await?;
        if let Some(next) = self.next_due().await? {
            self.advance_to(next).await?;
        }
        Ok(mark.since())
    }

    /// When something is due next on the simulator's clock. It may be past, if a worker is about to do it.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StorageError> {
        let batch = self.engine().look(DueBatch { except: Vec::new() }).await?.map(|(_, _, due)| due);
        let delivery = self.engine().look(NextDelivery).await?.ready;
        Ok(batch.into_iter().chain(delivery).min())
    }

    async fn advance_to(&self, target: Timestamp) -> Result<Vec<Effect>, StorageError> {
        let mark = self.engine().effects().mark();
        self.clock().freeze();
        loop {
            self.settle().await?;
            match self.next_due().await? {
                // What is due by now and isn't done can't be: its worker tries again later.
                Some(next) if next <= target && next > self.clock().now() => self.clock().set(next),
                _ => break,
            }
        }
        self.clock().set(target);
        self.settle().await?;
        Ok(mark.since())
    }

    /// Resolves when the store has the clock's course: then a restart keeps it, and other instances follow within a fraction of a second.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub(crate) async fn keep_clock(&self) -> Result<(), StorageError> {
        self.engine().change(KeepClock(self.clock().course())).await.map(drop)
    }

    /// Waits until the workers have done what is due, or nothing has happened for [`SETTLING_PATIENCE`]: a store in trouble.
    async fn settle(&self) -> Result<(), StorageError> {
        let engine = self.engine();
        engine.ring(Bell::Batches);
        engine.ring(Bell::Callbacks);
        let mut latest = None;
        let mut since = Instant::now();
        loop {
            let progress = engine.until_progress();
            let (now, noted) = (self.clock().now(), engine.effects().count());
            let batch = engine.look(DueBatch { except: Vec::new() }).await?;
            let deliveries = engine.look(NextDelivery).await?;
            let stepping = batch.as_ref().is_some_and(|(_, _, due)| *due <= now);
            let sending = deliveries.lease.is_some() || deliveries.ready.is_some_and(|due| due <= now);
            // The store knows of an effect a moment before it is noted.
            if !stepping && !sending && engine.effects().are_noted() {
                return Ok(());
            }
            let seen = Some((noted, batch, deliveries));
            if seen != latest {
                (latest, since) = (seen, Instant::now());
            } else if since.elapsed() > SETTLING_PATIENCE {
                return Ok(());
            }
            // Looks again by itself: another instance may be the one that does it.
            let _ = tokio::time::timeout(SETTLING_GLANCE, progress).await;
        }
    }

    /// Takes a batch one step further by hand: its drafts are scheduled, or its scheduled payments get their PSIDs. Returns the batch's
    /// status then, in the hub's words; none if there is no such batch.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn advance_batch(
        &self,
        channel: ChannelId,
        id: BulkRequestId,
    ) -> Result<Option<&'static str>, StorageError> {
        let act = Act::Step { batch: (channel, id), push: Push::Hand };
        match self.engine().ask(act, Cause::default()).await? {
            Outcome::Stepped(stage) => Ok(stage.map(BulkStage::as_str)),
            _ => Ok(None),
        }
    }

    /// Lets rows of a batch that isn't done fail, as a hub's own troubles would: those at these places, from 0, or all. Returns how many
    /// did; none if there is no such batch.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn fail_batch(
        &self,
        channel: ChannelId,
        id: BulkRequestId,
        places: Option<Vec<u32>>,
        why: &str,
    ) -> Result<Option<u64>, StorageError> {
        let act = Act::Fail { batch: (channel, id), places, why: why.to_owned() };
        match self.engine().ask(act, Cause::default()).await? {
            Outcome::Failed(failed) => Ok(failed),
            _ => Ok(None),
        }
    }

    /// Counts that a batch's detail was shown, and takes it as far as that brings it.
    pub(crate) async fn polled(&self, channel: ChannelId, id: BulkRequestId, cause: Cause) -> Result<(), StorageError> {
        let batch = (channel, id);
        let Outcome::Polled(Some((to, mut stage))) = self.engine().ask(Act::Poll { batch }, cause).await? else {
            return Ok(());
        };
        while stage < to {
            match self.engine().ask(Act::Step { batch, push: Push::Hand }, cause).await? {
                Outcome::Stepped(Some(next)) if next > stage => stage = next,
                _ => break,
            }
        }
        Ok(())
    }

    /// The user of a token, from memory if it was used lately.
    pub(crate) async fn token_user(&self, digest: [u8; 32]) -> Result<Option<Arc<Access>>, StorageError> {
        if let Some(access) = self.inner.tokens.find(&digest) {
            return Ok(Some(access));
        }
        let remembered = self.inner.tokens.begin();
        let Some(access) = self.engine().look(TokenUser { digest }).await? else { return Ok(None) };
        Ok(Some(remembered.keep(digest, access)))
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.inner.tokens
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn settings(&self) -> &SimBuilder {
        &self.inner.settings
    }

    /// Trades a password for a new token.
    pub(crate) async fn login(&self, credentials: Credentials) -> Result<(Access, Token), Refusal> {
        let refused = || Refusal::not_found(Message::BadCredentials);
        let Credentials { user, password } = credentials;
        let limit = Arc::clone(&self.inner.login_limit);
        let admit = |limit: &LoginLimit| limit.admit(&user, monotonic()).map_err(Refusal::too_many);
        admit(&limit)?;
        let found = self.engine().look(FindUser { name: user.clone() }).await?;
        let permit = Arc::clone(&self.inner.password_checks).acquire_owned().await;
        // Whoever came at the same time may have failed meanwhile.
        admit(&limit)?;
        // argon2 takes milliseconds, by intention: not on the threads that serve.
        let checked = tokio::task::spawn_blocking(move || {
            // Held until the outcome is noted, also when nobody waits for it any more.
            let _permit = permit;
            let right = check_password(&password, found.as_ref().map(|(_, digest)| digest.as_str()));
            let access = found.filter(|_| right).map(|(access, _)| access);
            match &access {
                Some(_) => limit.succeeded(&user),
                None => limit.failed(&user, monotonic()),
            }
            access
        });
        let access = checked.await.ok().flatten().ok_or_else(refused)?;
        let nth = self.engine().change(CountLogin { user: access.user.clone() }).await?.ok_or_else(refused)?;
        let token = match self.engine().seed() {
            Some(seed) => Token::seeded(seed, &access.user, nth),
            None => Token::random().map_err(|error| {
                tracing::error!(%error, "the system has no randomness");
                Refusal::new(::http::StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
            })?,
        };
        self.engine().change(InsertToken { digest: token.digest, user: access.user.clone() }).await?;
        Ok((access, token))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.abort();
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("engine", &self.inner.engine).finish_non_exhaustive()
    }
}
