//! The client.

use std::sync::Arc;

use crate::builder::ClientBuilder;
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
}
