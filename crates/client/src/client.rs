//! The client.

use std::sync::Arc;

use asaanbill_core::ChannelId;
use tracing::Instrument as _;

use crate::builder::ClientBuilder;
use crate::check::Strictness;
use crate::environment::Environment;
use crate::error::ClientError;
use crate::journal::Journal;
use crate::resolve::ResolvePolicy;
use crate::retry::RetryPolicy;
use crate::session::Sessions;
use crate::trace::operation;

/// A client of the hub. Cheap to clone; clones share the login, the connections, the journal and the limits.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
    retry: RetryPolicy,
}

#[derive(Debug)]
struct Inner {
    sessions: Sessions,
    journal: Arc<dyn Journal>,
    resolve: ResolvePolicy,
    strictness: Strictness,
}

impl Client {
    /// Settings to start from.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    pub(crate) fn new(
        sessions: Sessions,
        retry: RetryPolicy,
        journal: Arc<dyn Journal>,
        resolve: ResolvePolicy,
        strictness: Strictness,
    ) -> Self {
        Self { inner: Arc::new(Inner { sessions, journal, resolve, strictness }), retry }
    }

    /// The same client, with the same login, connections, journal and limits, that sends again by another policy: for a part
    /// of the program that does its own waiting. The policy's total is at most the quiescence.
    #[must_use]
    pub fn with_retry(self, policy: RetryPolicy) -> Self {
        let total = policy.total.min(self.inner.resolve.quiescence);
        Self { retry: policy.total(total), ..self }
    }

    /// Logs in now, unless it has, and says which channel the user belongs to. Operations do so by themselves.
    ///
    /// Cancellation: safe. Others who wait for the same login go on with it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`](crate::ErrorKind::Credentials) if the hub doesn't know the user or the password is wrong.
    pub async fn log_in(&self) -> Result<ChannelId, ClientError> {
        self.sessions().channel(self.retry).instrument(operation!("log_in")).await
    }

    pub(crate) fn retry(&self) -> RetryPolicy {
        self.retry
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    pub(crate) fn journal(&self) -> &dyn Journal {
        &*self.inner.journal
    }

    pub(crate) fn resolve_policy(&self) -> &ResolvePolicy {
        &self.inner.resolve
    }

    pub(crate) fn strictness(&self) -> Strictness {
        self.inner.strictness
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.inner.sessions.hub.environment
    }
}
