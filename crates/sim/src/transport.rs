//! The simulator inside a test, without a socket.

use asaanbill_transport::{ServiceTransport, Transport, TransportError};
use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use http::{Request, Response};

/// A [`Transport`] whose other end is a simulator in this process. Any host will do. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SimTransport(ServiceTransport<Router>);

impl SimTransport {
    pub(crate) fn new(router: Router) -> Self {
        Self(ServiceTransport::new(router))
    }
}

#[async_trait]
impl Transport for SimTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.0.send(request).await
    }
}
