//! The simulator inside a test, without a socket.

use std::error::Error as _;

use asaanbill_transport::{Delivery, ErrorKind, ServiceTransport, Transport, TransportError};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use crate::http::{Dropped, Passage};

/// A [`Transport`] whose other end is a simulator in this process. Any host will do. Cheap to clone.
///
/// Where a fault drops the connection, the error is what a socket's would be: closed, and delivery unknown.
#[derive(Clone, Debug)]
pub struct SimTransport(ServiceTransport<Passage>);

impl SimTransport {
    pub(crate) fn new(hub: Passage) -> Self {
        Self(ServiceTransport::new(hub))
    }
}

#[async_trait]
impl Transport for SimTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let uri = request.uri().clone();
        self.0.send(request).await.map_err(|error| {
            let dropped = error.source().is_some_and(|source| source.is::<Dropped>());
            if dropped && error.delivery() == Delivery::Unknown {
                return TransportError::unknown(ErrorKind::Closed).with_source(Dropped).with_origin(&uri);
            }
            error
        })
    }
}
