//! Plays a cassette.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use super::cassette::{Asked, Cassette, Exchange};
use super::redaction::{Redaction, Secrets};
use crate::error::{ErrorKind, TransportError};
use crate::transport::Transport;

/// A transport that answers from a cassette: each exchange once, to the first request that has its method, path, query and
/// body. What isn't on the cassette is [`NotSent`](crate::Delivery::NotSent), with
/// [`ErrorKind::InvalidRequest`], so that nobody tries it again.
pub struct Player {
    redaction: Redaction,
    left: Mutex<Vec<Exchange>>,
}

impl Player {
    /// Plays a cassette that was recorded with the usual [`Redaction`].
    pub fn new(cassette: Cassette) -> Self {
        Self::with_redaction(cassette, Redaction::default())
    }

    /// Plays a cassette that was recorded with another one.
    pub fn with_redaction(cassette: Cassette, redaction: Redaction) -> Self {
        Self { redaction, left: Mutex::new(cassette.into_exchanges()) }
    }

    /// How many exchanges nobody has asked for yet. A test asserts 0.
    pub fn remaining(&self) -> usize {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[async_trait]
impl Transport for Player {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let asked = Asked::note(&request, &self.redaction, &mut Secrets::default());
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |exchange: &Exchange| {
            let recorded = &exchange.request;
            recorded.method == asked.method && recorded.path == asked.path && recorded.body.is_like(&asked.body)
        };
        let Some(position) = left.iter().position(is_it) else {
            let detail = format!("it is none of the {} that are left on the cassette", left.len());
            return Err(TransportError::not_sent(ErrorKind::InvalidRequest)
                .with_detail(detail)
                .with_origin(request.uri()));
        };
        let Exchange { request: _, answer, failure } = left.remove(position);
        match (answer, failure) {
            (Some(answer), _) => Ok(answer.play()),
            (None, Some(failure)) => Err(failure.play().with_detail("from a cassette").with_origin(request.uri())),
            (None, None) => Err(TransportError::unknown(ErrorKind::Other).with_origin(request.uri())),
        }
    }
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player").field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}
