//! Login: when it is needed, once for all who wait, and once more when the hub forgets the token.
//!
//! guide:addr-7 guide:addr-11

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use asaanbill_core::ChannelId;
use asaanbill_wire::{CHANNEL_HEADER, Endpoint, LoginAnswer, LoginRequest, TOKEN_HEADER, USERNAME_HEADER};
use bytes::Bytes;
use http::HeaderValue;
use http::header::HeaderName;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use crate::error::{ClientError, ErrorKind};
use crate::exchange::{Call, Effect, Hub};

/// Who logs in.
pub(crate) struct Credentials {
    pub(crate) username: HeaderValue,
    pub(crate) password: SecretString,
}

/// What a login gives.
struct Session {
    token: HeaderValue,
    channel: ChannelId,
}

/// One login, begun or done. Whoever comes while it is under way waits for it; if its leader is cancelled, the next one leads.
type Login = Arc<OnceCell<Session>>;

/// The hub, logged in to.
pub(crate) struct Sessions {
    hub: Hub,
    credentials: Credentials,
    current: Mutex<Login>,
}

impl Sessions {
    pub(crate) fn new(hub: Hub, credentials: Credentials) -> Self {
        Self { hub, credentials, current: Mutex::default() }
    }

    /// Makes a call with a token. If the hub doesn't know the token, it has done nothing: then there is one more login, and
    /// the call is made again.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ClientError> {
        let login = self.current();
        match self.call_as(&login, call).await {
            // In the hub's own envelope: what a proxy says proves nothing.
            Err(error) if error.kind() == ErrorKind::Credentials && login.initialized() => {
                self.call_as(&self.renew(&login), call).await
            }
            done => done,
        }
    }

    /// The channel of the login.
    pub(crate) async fn channel(&self) -> Result<ChannelId, ClientError> {
        Ok(self.current().get_or_try_init(|| self.login()).await?.channel)
    }

    async fn call_as<T: DeserializeOwned>(&self, login: &Login, call: &Call) -> Result<T, ClientError> {
        let session = login.get_or_try_init(|| self.login()).await?;
        let headers = [
            (HeaderName::from_static(TOKEN_HEADER), session.token.clone()),
            (HeaderName::from_static(CHANNEL_HEADER), HeaderValue::from(session.channel.get())),
            (HeaderName::from_static(USERNAME_HEADER), self.credentials.username.clone()),
        ];
        self.hub.exchange(call, headers).await
    }

    fn current(&self) -> Login {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces a login whose token the hub has forgotten, unless somebody already has.
    fn renew(&self, stale: &Login) -> Login {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, stale) {
            *current = Login::default();
        }
        Arc::clone(&current)
    }

    async fn login(&self) -> Result<Session, ClientError> {
        let request = LoginRequest { password: self.credentials.password.clone() };
        let body = serde_json::to_vec(&request)
            .map_err(|error| ClientError::new(ErrorKind::NotSent, "the login can't be written").caused(error))?;
        let endpoint = Endpoint::Login;
        let call = Call { endpoint, path: endpoint.path(""), body: Bytes::from(body), effect: Effect::Read };
        let username = (HeaderName::from_static(USERNAME_HEADER), self.credentials.username.clone());
        let answer: LoginAnswer = self.hub.exchange(&call, [username]).await?;
        let unreadable = |what| ClientError::new(ErrorKind::Unreadable, what);
        let token = answer.token.expose_secret();
        let visible = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        let mut token = HeaderValue::from_str(token)
            .ok()
            .filter(|_| visible)
            .ok_or_else(|| unreadable("the login's token is no visible ASCII text"))?;
        token.set_sensitive(true);
        let channel = answer.channel.as_ref().and_then(|channel| channel.id.as_ref()).and_then(|id| id.whole());
        let channel = channel.and_then(|id| ChannelId::try_from(id).ok());
        Ok(Session { token, channel: channel.ok_or_else(|| unreadable("the login's channel has no number"))? })
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("hub", &self.hub).field("logged_in", &self.current().initialized()).finish()
    }
}
