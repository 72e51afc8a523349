//! What a client is made of.
//!
//! guide:addr-2

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use asaanbill_transport::Transport;
use asaanbill_wire::STAGING_BASE;
use http::HeaderValue;
use secrecy::SecretString;

use crate::Client;
use crate::base::{Base, PathStyle};
use crate::error::BuildError;
use crate::exchange::Hub;
use crate::session::{Credentials, Sessions};

/// How long one attempt may take, from connecting to the answer's last byte. A batch of 5000 rows takes the hub seconds.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes of an answer: a batch of 5000 payments needs about 2 MiB.
pub const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Settings of a [`Client`].
#[derive(Clone, Default)]
pub struct ClientBuilder {
    base_url: Option<String>,
    path_style: PathStyle,
    credentials: Option<(String, SecretString)>,
    transport: Option<Arc<dyn Transport>>,
}

impl ClientBuilder {
    /// Where the hub is: its staging system if nothing is said. Only https, but for this machine.
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

    /// Who logs in.
    #[must_use]
    pub fn credentials(mut self, username: impl Into<String>, password: impl Into<SecretString>) -> Self {
        self.credentials = Some((username.into(), password.into()));
        self
    }

    /// What sends requests: reqwest if nothing is said and its feature is on.
    #[must_use]
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Builds the client. It connects to nothing, and starts nothing: the first operation logs in.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the address isn't allowed, credentials are missing, or there is no transport.
    pub fn build(self) -> Result<Client, BuildError> {
        let base = Base::new(self.base_url.as_deref().unwrap_or(STAGING_BASE), self.path_style)?;
        let (username, password) = self.credentials.ok_or(BuildError::Credentials)?;
        let visible = !username.is_empty() && username.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        let username = HeaderValue::from_str(&username).ok().filter(|_| visible).ok_or(BuildError::Credentials)?;
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport()?,
        };
        let hub = Hub::new(base, transport);
        Ok(Client::new(Sessions::new(hub, Credentials { username, password })))
    }
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
