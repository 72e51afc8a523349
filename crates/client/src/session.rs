//! Login: when it is needed, once for all who wait, and once more when the hub forgets the token.
//!
//! guide:addr-7 guide:addr-11

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use asaanbill_core::ChannelId;
use asaanbill_wire::{CHANNEL_HEADER, LoginAnswer, LoginRequest, TOKEN_HEADER, USERNAME_HEADER};
use bytes::Bytes;
use http::HeaderValue;
use http::header::HeaderName;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use crate::error::{ClientError, ErrorKind};
use crate::exchange::{Attempted, Data, FromAnswer, Hub};
use crate::limits::Lane;
use crate::raw::{Create, Read, Request, Unsent};
use crate::retry::{RetryPolicy, is_passing};

/// The headers' names, read once.
static TOKEN: HeaderName = HeaderName::from_static(TOKEN_HEADER);
static CHANNEL: HeaderName = HeaderName::from_static(CHANNEL_HEADER);
static USERNAME: HeaderName = HeaderName::from_static(USERNAME_HEADER);

/// Who logs in, and with what.
pub(crate) struct Credentials {
    pub(crate) username: HeaderValue,
    /// None where the token was given: when the hub forgets it, nobody can log in again.
    pub(crate) password: Option<SecretString>,
}

/// What a login gives.
pub(crate) struct Session {
    token: HeaderValue,
    channel: ChannelId,
    channel_header: HeaderValue,
}

impl Session {
    /// A token must be visible ASCII: anything else could end the header that holds it and begin another.
    pub(crate) fn new(token: &SecretString, channel: ChannelId) -> Option<Self> {
        let token = token.expose_secret();
        let visible = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        let mut token = HeaderValue::from_str(token).ok().filter(|_| visible)?;
        token.set_sensitive(true);
        Some(Self { token, channel, channel_header: HeaderValue::from(channel.get()) })
    }
}

/// One login, begun or done. Whoever comes while it is under way waits for it; if its leader is cancelled, the next one leads.
type Login = Arc<OnceCell<Session>>;

/// The hub, logged in to.
pub(crate) struct Sessions {
    pub(crate) hub: Hub,
    credentials: Credentials,
    current: Mutex<Login>,
}

/// A login, a place among the requests under way, and the time by which all must be over: what is needed before anything is
/// noted or sent.
pub(crate) struct Ready {
    login: Login,
    policy: RetryPolicy,
    deadline: Instant,
    lane: Lane,
}

impl Sessions {
    pub(crate) fn new(hub: Hub, credentials: Credentials, session: Option<Session>) -> Self {
        let current =
            Mutex::new(session.map_or_else(Login::default, |session| Arc::new(OnceCell::new_with(Some(session)))));
        Self { hub, credentials, current }
    }

    /// Sends a request that only reads, again where that may help.
    pub(crate) async fn read<T: FromAnswer>(
        &self,
        request: &Request<Read>,
        policy: RetryPolicy,
    ) -> Result<T, ClientError> {
        let Ready { mut login, policy, deadline, lane: _lane } = self.ready(policy).await?;
        let (mut attempt, mut renewed) = (1, false);
        loop {
            let error = match self.attempt(&login, request, attempt, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // In the hub's own envelope: what a proxy says proves nothing.
            if error.kind() == ErrorKind::Credentials && !renewed {
                (login, renewed) = (Box::pin(self.log_in_again(&login, error, &policy, deadline)).await?, true);
                continue;
            }
            if !is_passing(&error) {
                return Err(error);
            }
            attempt += 1;
            Box::pin(self.wait(&policy, attempt, error, deadline)).await?;
        }
    }

    /// Sends a request that creates. It is sent again in two cases only: it is proven that the hub hasn't seen it, or the
    /// hub says in its own envelope that it doesn't know the token.
    ///
    /// A block in a function: an `async fn` has what it is given in memory twice.
    pub(crate) fn create<T: FromAnswer>(
        &self,
        ready: Ready,
        mut request: Request<Create>,
    ) -> impl Future<Output = Result<T, Unsent>> {
        let Ready { mut login, policy, deadline, lane } = ready;
        let (mut attempt, mut renewed) = (1, false);
        async move {
            // Held to the end.
            let _lane = lane;
            loop {
                let attempted = {
                    let Some(session) = login.get() else {
                        return Err(Unsent { request: Some(request), error: not_logged_in() });
                    };
                    let attempt = pin!(self.hub.attempt(&request, || self.headers(session), attempt, deadline));
                    attempt.await
                };
                match Attempted::of(request, attempted) {
                    Attempted::Done(done) => return done.map_err(|error| Unsent { request: None, error }),
                    Attempted::Unauthenticated(unseen, error) if renewed => {
                        return Err(Unsent { request: Some(unseen), error });
                    }
                    Attempted::Unauthenticated(unseen, error) => {
                        match Box::pin(self.log_in_again(&login, error, &policy, deadline)).await {
                            Ok(newer) => (login, renewed, request) = (newer, true, unseen),
                            Err(error) => return Err(Unsent { request: Some(unseen), error }),
                        }
                    }
                    Attempted::Unsent(unseen, error) => {
                        attempt += 1;
                        if !error.is_worth_another_try() {
                            return Err(Unsent { request: Some(unseen), error });
                        }
                        if let Err(error) = Box::pin(self.wait(&policy, attempt, error, deadline)).await {
                            return Err(Unsent { request: Some(unseen), error });
                        }
                        request = unseen;
                    }
                }
            }
        }
    }

    /// Logs in, unless somebody has, and waits for a place. Nothing of the operation is sent.
    pub(crate) async fn ready(&self, policy: RetryPolicy) -> Result<Ready, ClientError> {
        let deadline = policy.deadline();
        let login = self.current();
        self.ensure(&login, &policy, deadline).await?;
        let lane = self.hub.gate.enter(deadline).await?;
        Ok(Ready { login, policy, deadline, lane })
    }

    /// The channel of the login.
    pub(crate) async fn channel(&self, policy: RetryPolicy) -> Result<ChannelId, ClientError> {
        let login = self.current();
        Ok(self.ensure(&login, &policy, policy.deadline()).await?.channel)
    }

    async fn attempt<T: FromAnswer>(
        &self,
        login: &Login,
        request: &Request<Read>,
        attempt: u32,
        deadline: Instant,
    ) -> Result<T, ClientError> {
        let session = login.get().ok_or_else(not_logged_in)?;
        self.hub.attempt(request, || self.headers(session), attempt, deadline).await
    }

    fn headers(&self, session: &Session) -> [(HeaderName, HeaderValue); 3] {
        [
            (TOKEN.clone(), session.token.clone()),
            (CHANNEL.clone(), session.channel_header.clone()),
            (USERNAME.clone(), self.credentials.username.clone()),
        ]
    }

    /// Waits before the next attempt, or gives the error back if there is none.
    async fn wait(
        &self,
        policy: &RetryPolicy,
        next: u32,
        error: ClientError,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let remaining = deadline.saturating_duration_since(Instant::now());
        match self.hub.budget.delay(policy, next, &error, remaining, &self.hub.environment) {
            Some(delay) => {
                tracing::debug!(attempt = next, ?delay, kind = ?error.kind(), "the request is sent again");
                sleep(delay).await;
                Ok(())
            }
            None => Err(error),
        }
    }

    fn current(&self) -> Login {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn ensure<'l>(
        &self,
        login: &'l Login,
        policy: &RetryPolicy,
        deadline: Instant,
    ) -> Result<&'l Session, ClientError> {
        if let Some(session) = login.get() {
            return Ok(session);
        }
        // Boxed, as it is rare and large: otherwise each operation would carry the room for it. So are the others of its kind.
        Box::pin(login.get_or_try_init(|| self.log_in(policy, deadline))).await
    }

    /// Replaces a login whose token the hub has forgotten, unless somebody already has.
    async fn log_in_again(
        &self,
        stale: &Login,
        error: ClientError,
        policy: &RetryPolicy,
        deadline: Instant,
    ) -> Result<Login, ClientError> {
        if self.credentials.password.is_none() {
            return Err(error);
        }
        let login = {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            if Arc::ptr_eq(&current, stale) {
                *current = Login::default();
            }
            Arc::clone(&current)
        };
        self.ensure(&login, policy, deadline).await?;
        Ok(login)
    }

    async fn log_in(&self, policy: &RetryPolicy, deadline: Instant) -> Result<Session, ClientError> {
        let password = self.credentials.password.clone().ok_or_else(not_logged_in)?;
        let body = serde_json::to_vec(&LoginRequest { password })
            .map_err(|error| ClientError::new(ErrorKind::NotSent, "the login can't be written").caused(error))?;
        let request = Request::login(Bytes::from(body));
        let mut attempt = 1;
        loop {
            let username = || [(USERNAME.clone(), self.credentials.username.clone())];
            let error = match self.hub.attempt::<_, Data<LoginAnswer>, _>(&request, username, attempt, deadline).await {
                Ok(Data(answer)) => return session(&answer),
                Err(error) => error,
            };
            if !is_passing(&error) {
                return Err(error);
            }
            attempt += 1;
            self.wait(policy, attempt, error, deadline).await?;
        }
    }
}

fn session(answer: &LoginAnswer) -> Result<Session, ClientError> {
    let unreadable = |what| ClientError::new(ErrorKind::Unreadable, what);
    let channel = answer.channel.as_ref().and_then(|channel| channel.id.as_ref()).and_then(|id| id.whole());
    let channel = channel.and_then(|id| ChannelId::try_from(id).ok());
    let channel = channel.ok_or_else(|| unreadable("the login's channel has no number; is this the hub?"))?;
    Session::new(&answer.token, channel)
        .ok_or_else(|| unreadable("the login's token is no visible ASCII text; is this the hub?"))
}

fn not_logged_in() -> ClientError {
    ClientError::new(
        ErrorKind::Credentials,
        "nobody is logged in; the client has no password to do so, and needs a new token or one",
    )
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("hub", &self.hub).field("logged_in", &self.current().initialized()).finish()
    }
}
