//! The client.

use std::sync::Arc;

use asaanbill_core::ChannelId;

use crate::builder::ClientBuilder;
use crate::error::ClientError;
use crate::session::Sessions;

/// A client of the hub. Cheap to clone; clones share the login and the connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) sessions: Arc<Sessions>,
}

impl Client {
    /// Settings to start from.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    pub(crate) fn new(sessions: Sessions) -> Self {
        Self { sessions: Arc::new(sessions) }
    }

    /// Logs in now, unless it has, and says which channel the user belongs to. Operations do so by themselves.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`](crate::ErrorKind::Credentials) if the hub doesn't know the user or the password is wrong.
    pub async fn log_in(&self) -> Result<ChannelId, ClientError> {
        self.sessions.channel().await
    }
}
