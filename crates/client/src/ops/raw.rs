//! Requests that the client doesn't model.

use tracing::Instrument as _;

use crate::Client;
use crate::error::ClientError;
use crate::raw::{Answer, Create, Read, Request, Unsent};
use crate::trace::operation;

impl Client {
    /// Sends a request that only reads, and gives the answer as it came. It is sent again as the retry policy says.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the hub doesn't answer with success.
    pub async fn read(&self, request: &Request<Read>) -> Result<Answer, ClientError> {
        self.sessions().read(request, self.retry()).instrument(operation!("read")).await
    }

    /// Sends a request that creates, once, and gives the answer as it came. **The journal doesn't know it**: if the outcome
    /// is unknown, nothing here can find it out.
    ///
    /// Cancellation: it may have been done.
    ///
    /// # Errors
    ///
    /// [`Unsent`], which holds the request again if it is proven that the hub hasn't seen it.
    pub async fn create(&self, request: Request<Create>) -> Result<Answer, Unsent> {
        let sending = async {
            match self.sessions().ready(self.retry()).await {
                Ok(ready) => self.sessions().create(ready, request).await,
                Err(error) => Err(Unsent { request: Some(request), error }),
            }
        };
        sending.instrument(operation!("create")).await
    }
}
