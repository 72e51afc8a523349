//! What a client is made of.
//!
//! guide:addr-2

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use asaanbill_core::ChannelId;
use asaanbill_transport::Transport;
use asaanbill_wire::STAGING_BASE;
use http::HeaderValue;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::base::{Base, PathStyle};
use crate::check::{EdgeWhiteSpace, PastDue, Strictness};
use crate::client::Client;
use crate::environment::Environment;
use crate::error::BuildError;
use crate::exchange::Hub;
use crate::journal::{Journal, MemoryJournal};
use crate::limits::{Gate, Limits};
use crate::resolve::ResolvePolicy;
use crate::retry::{Budget, RetryPolicy};
use crate::session::{Credentials, Session, Sessions};

/// Where the hub's staging system is. (Guide, Base URL; the spelling is theirs) The guide names no other.
pub const STAGING: &str = STAGING_BASE;

/// How long one attempt may take, from connecting to the answer's last byte. A batch of 5000 rows takes the hub seconds.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes of an answer: a batch of 5000 payments needs about 2 MiB.
pub const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Settings of a [`Client`].
#[derive(Clone)]
pub struct ClientBuilder {
    base_url: Option<String>,
    path_style: PathStyle,
    username: Option<String>,
    password: Option<SecretString>,
    token: Option<(SecretString, ChannelId)>,
    transport: Option<Arc<dyn Transport>>,
    journal: Option<Arc<dyn Journal>>,
    environment: Environment,
    limits: Limits,
    retry: RetryPolicy,
    resolve: ResolvePolicy,
    strictness: Strictness,
    attempt_timeout: Duration,
    answer_max: usize,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            base_url: None,
            path_style: PathStyle::default(),
            username: None,
            password: None,
            token: None,
            transport: None,
            journal: None,
            environment: Environment::default(),
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            resolve: ResolvePolicy::default(),
            strictness: Strictness::default(),
            attempt_timeout: ATTEMPT_TIMEOUT,
            answer_max: ANSWER_MAX,
        }
    }
}

impl ClientBuilder {
    /// Where the hub is: its staging system, [`STAGING`], if nothing is said. An absolute `https` address, or `http` on this
    /// machine (loopback). Whether it ends in `/integration` or not, requests go where the [style](Self::path_style) says.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// How the base and an endpoint's path are joined.
    #[must_use]
    pub fn path_style(mut self, style: PathStyle) -> Self {
        self.path_style = style;
        self
    }

    /// Who logs in. The first operation does; and once more if the hub forgets the token.
    #[must_use]
    pub fn credentials(mut self, username: impl Into<String>, password: impl Into<SecretString>) -> Self {
        (self.username, self.password) = (Some(username.into()), Some(password.into()));
        self
    }

    /// The token of an earlier login, its user and channel. Nobody logs in as long as the hub knows the token; afterwards only
    /// if [`credentials`](Self::credentials) were given too.
    #[must_use]
    pub fn token(mut self, username: impl Into<String>, token: impl Into<SecretString>, channel: ChannelId) -> Self {
        (self.username, self.token) = (Some(username.into()), Some((token.into(), channel)));
        self
    }

    /// What sends requests: reqwest if nothing is said and its feature is on. A proxy or a certificate authority of your own
    /// is the transport's: see `ReqwestTransport::builder`.
    #[must_use]
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Where intents are noted: in memory if nothing is said, and then a program that is killed forgets them.
    #[must_use]
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.journal = Some(Arc::new(journal));
        self
    }

    /// When what may be sent again is sent again.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How many requests there may be at once, and a second.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How unknown outcomes are resolved.
    #[must_use]
    pub fn resolve_policy(mut self, policy: ResolvePolicy) -> Self {
        self.resolve = policy;
        self
    }

    /// How long one attempt may take: [`ATTEMPT_TIMEOUT`] if nothing is said. The retry policy's total caps it.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// The most bytes of an answer: [`ANSWER_MAX`] if nothing is said.
    #[must_use]
    pub fn answer_max(mut self, bytes: usize) -> Self {
        self.answer_max = bytes;
        self
    }

    /// What is done with an identifier that has white space at an edge: it is refused if nothing is said. The hub matches it
    /// literally, so it silently makes a second payer.
    #[must_use]
    pub fn edge_white_space(mut self, edges: EdgeWhiteSpace) -> Self {
        self.strictness.edges = edges;
        self
    }

    /// What is done with a bill whose due date is past: it is sent, with a warning, if nothing is said.
    #[must_use]
    pub fn past_due(mut self, past: PastDue) -> Self {
        self.strictness.past_due = past;
        self
    }

    /// The clock: the system's if nothing is said. It dates intents and judges due dates; it measures no time-outs.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.environment = self.environment.with_clock(clock);
        self
    }

    /// The source of randomness, 64 bits at a time: the system's if nothing is said. It spreads delays and makes identifiers
    /// where the caller gives none, so **outside a test** it must be unpredictable.
    #[must_use]
    pub fn randomness(mut self, randomness: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.environment = self.environment.with_randomness(randomness);
        self
    }

    /// Builds the client. It connects to nothing, and starts nothing: the first operation logs in.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the address isn't allowed, credentials are missing, there is no transport, or the quiescence is
    /// shorter than an operation may take.
    pub fn build(self) -> Result<Client, BuildError> {
        let base = Base::new(self.base_url.as_deref().unwrap_or(STAGING_BASE), self.path_style)?;
        let username = self.username.as_deref().and_then(username).ok_or(BuildError::Credentials)?;
        let session = match &self.token {
            Some((token, channel)) => Some(Session::new(token, *channel).ok_or(BuildError::Credentials)?),
            None => None,
        };
        if session.is_none() && self.password.is_none() {
            return Err(BuildError::Credentials);
        }
        let (quiescence, total) = (self.resolve.quiescence, self.retry.total);
        if quiescence < total {
            return Err(BuildError::Quiescence { quiescence, total });
        }
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport()?,
        };
        let hub = Hub {
            base,
            transport,
            environment: self.environment,
            gate: Gate::new(self.limits),
            budget: Budget::default(),
            attempt_timeout: self.attempt_timeout,
            answer_max: self.answer_max,
        };
        let sessions = Sessions::new(hub, Credentials { username, password: self.password }, session);
        let journal = self.journal.unwrap_or_else(|| Arc::new(MemoryJournal::new()));
        Ok(Client::new(sessions, self.retry, journal, self.resolve, self.strictness))
    }
}

/// A user's name goes into a header, and should be what a person can read there.
fn username(name: &str) -> Option<HeaderValue> {
    let visible = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    HeaderValue::from_str(name).ok().filter(|_| visible)
}

#[cfg(feature = "reqwest")]
fn default_transport() -> Result<Arc<dyn Transport>, BuildError> {
    let transport = asaanbill_transport::ReqwestTransport::new().map_err(|e| BuildError::Transport(e.into()))?;
    Ok(Arc::new(transport))
}

#[cfg(not(feature = "reqwest"))]
fn default_transport() -> Result<Arc<dyn Transport>, BuildError> {
    Err(BuildError::Transport("without the feature `reqwest` a client needs `ClientBuilder::transport`".into()))
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            // An address that will be refused may hold a password.
            .field("base_url", &self.base_url.as_ref().map(|url| Base::new(url, self.path_style)))
            .field("path_style", &self.path_style)
            .finish_non_exhaustive()
    }
}
