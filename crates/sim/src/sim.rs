//! The simulator.
//!
//! guide:env-9

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use asaanbill_storage::StorageError;
use asaanbill_transport::HyperTransport;
use asaanbill_wire::Message;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::bank::Bank;
use crate::builder::SimBuilder;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::hub::{Credentials, Refusal, Token, check_password};
use crate::store::Access;
use crate::transport::SimTransport;
use crate::{http, outbox, worker};

/// How many passwords are checked at once: each takes a core and 19 MiB for some milliseconds. More of them wait.
const PASSWORD_CHECKS_MAX: usize = 4;

/// A hub. Cheap to clone; the workers stop with the last clone.
#[derive(Clone)]
pub struct Sim {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    settings: SimBuilder,
    password_checks: Arc<Semaphore>,
    workers: [AbortHandle; 2],
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

    pub(crate) fn start(engine: Engine, settings: SimBuilder, transport: HyperTransport) -> Self {
        let batches = tokio::spawn(worker::advance_batches(engine.clone())).abort_handle();
        let callbacks = tokio::spawn(worker::send_callbacks(engine.clone(), transport)).abort_handle();
        let password_checks = Arc::new(Semaphore::new(PASSWORD_CHECKS_MAX));
        Self { inner: Arc::new(Inner { engine, settings, password_checks, workers: [batches, callbacks] }) }
    }

    /// The hub as the other end of a client in this process, without a socket.
    pub fn transport(&self) -> SimTransport {
        SimTransport::new(http::router(self.clone()))
    }

    /// Serves HTTP until `stop` resolves, and then finishes what is in flight.
    ///
    /// Cancellation: no more connections are taken. Those that are open live until their clients close them or `stop`
    /// resolves, and so do the workers; what was being committed is committed or not.
    ///
    /// # Errors
    ///
    /// If the listener fails.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        axum::serve(listener, http::router(self.clone())).with_graceful_shutdown(stop).await
    }

    /// The bank's side.
    pub fn bank(&self) -> Bank {
        Bank::new(self.inner.engine.clone())
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        self.inner.engine.clock()
    }

    /// Every attempt to call an integrator back, oldest first.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn callback_attempts(&self) -> Result<Vec<CallbackAttempt>, StorageError> {
        let outcomes = self.inner.engine.read(|tx| tx.outcomes()).await?;
        let attempt = |(path, outcome): (String, String)| {
            let failure = (outcome != outbox::ACKNOWLEDGED).then_some(outcome);
            CallbackAttempt { path, failure }
        };
        Ok(outcomes.into_iter().map(attempt).collect())
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
        let found = self.engine().read(move |tx| tx.user(&user)).await?;
        // argon2 takes milliseconds, by intention: not on the threads that serve.
        let permit = Arc::clone(&self.inner.password_checks).acquire_owned().await;
        let checked = tokio::task::spawn_blocking(move || {
            // Held to the end of the work, also when nobody waits for it any more.
            let _permit = permit;
            let right = check_password(&password, found.as_ref().map(|(_, digest)| digest.as_str()));
            found.filter(|_| right).map(|(access, _)| access)
        });
        let access = checked.await.ok().flatten().ok_or_else(refused)?;
        let token = Token::random().map_err(|error| {
            tracing::error!(%error, "the system has no randomness");
            Refusal::new(::http::StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
        })?;
        let (digest, user) = (token.digest, access.user.clone());
        self.engine().write(move |tx, _| tx.insert_token(&digest, &user)).await?;
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
