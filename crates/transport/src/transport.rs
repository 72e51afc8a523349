//! The trait.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use crate::TransportError;

/// Makes one attempt to have one request answered.
///
/// An implementation
/// - sends the request at most once: it neither retries nor follows redirects, and it keeps no cookies;
/// - returns any answer whose head and body were read whole, whatever its status;
/// - ends at the [`AttemptDeadline`](crate::AttemptDeadline) found in the request's extensions, or after
///   [`DEFAULT_ATTEMPT_TIMEOUT`](crate::DEFAULT_ATTEMPT_TIMEOUT), whatever it is doing then;
/// - reads no more of a body than the [`ResponseLimit`](crate::ResponseLimit) found there, or
///   [`DEFAULT_RESPONSE_LIMIT`](crate::DEFAULT_RESPONSE_LIMIT), allows;
/// - claims [`NotSent`](crate::Delivery::NotSent) only on proof.
///
/// The `contract` feature's suite holds an implementation to all that.
///
/// Anything that points to a transport (`&T`, `Box<T>`, `Arc<T>`, `Arc<dyn Transport>`) is one.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends a request, whose address is absolute, and reads the answer whole.
    ///
    /// # Errors
    ///
    /// A [`TransportError`] where no answer was read whole. An answer that reports an error is `Ok`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the connection that it uses. The request may or may not have been received by then:
    /// whoever drops it must take its delivery for [`Unknown`](crate::Delivery::Unknown).
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError>;
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for &T {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        (**self).send(request).await
    }
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for Box<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        (**self).send(request).await
    }
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        (**self).send(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_fn;

    #[tokio::test]
    async fn whatever_points_to_a_transport_is_one() {
        async fn status(transport: impl Transport) -> u16 {
            transport.send(Request::new(Bytes::new())).await.unwrap().status().as_u16()
        }
        let teapot = from_fn(|_| async { Ok(Response::builder().status(418).body(Bytes::new()).unwrap()) });
        assert_eq!(status(&teapot).await, 418);
        let shared: Arc<dyn Transport> = Arc::new(teapot);
        assert_eq!(status(shared.clone()).await, 418);
        assert_eq!(status(Box::new(shared) as Box<dyn Transport>).await, 418);
    }
}
