//! One request and what its answer means.
//!
//! guide:env-3 guide:env-4 guide:env-9 guide:env-13

use std::fmt;
use std::sync::Arc;

use asaanbill_transport::{AttemptDeadline, Delivery, ResponseLimit, Transport, TransportError};
use asaanbill_wire::{Endpoint, Envelope, Message, SUCCESS};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Request, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::base::Base;
use crate::builder::{ANSWER_MAX, ATTEMPT_TIMEOUT};
use crate::error::{ClientError, ErrorKind};

/// What a request does to the hub, and so what a lost answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It changes nothing that matters: a lost answer may be asked for again.
    Read,
    /// It creates bills: after a lost answer nobody knows whether it has.
    Create,
}

/// A request before it has an address and headers.
pub(crate) struct Call {
    pub(crate) endpoint: Endpoint,
    /// Path and query after the base.
    pub(crate) path: String,
    pub(crate) body: Bytes,
    pub(crate) effect: Effect,
}

/// The hub at the other end of a transport.
#[derive(Clone)]
pub(crate) struct Hub {
    base: Base,
    transport: Arc<dyn Transport>,
}

impl Hub {
    pub(crate) fn new(base: Base, transport: Arc<dyn Transport>) -> Self {
        Self { base, transport }
    }

    /// Sends a call once, and reads its data.
    pub(crate) async fn exchange<T: DeserializeOwned>(
        &self,
        call: &Call,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<T, ClientError> {
        let request = self.request(call, headers)?;
        let answer = match self.transport.send(request).await {
            Ok(answer) => answer,
            Err(error) => return Err(lost(call.effect, error)),
        };
        let (status, body) = (answer.status(), answer.body());
        let envelope = match Envelope::read_bytes(body) {
            Ok(envelope) => envelope,
            Err(error) => return Err(unreadable(call, status).caused(error).answered(status)),
        };
        if !status.is_success() || envelope.code() != Some(SUCCESS) {
            return Err(refused(call, status, &envelope));
        }
        envelope.data().map_err(|error| unreadable(call, status).caused(error).answered(status))
    }

    fn request(
        &self,
        call: &Call,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<Request<Bytes>, ClientError> {
        let invalid = |_| ClientError::new(ErrorKind::NotSent, "the request has no valid address");
        let mut request = Request::new(call.body.clone());
        *request.method_mut() = call.endpoint.method();
        *request.uri_mut() = self.base.join(&call.path).parse().map_err(invalid)?;
        request.headers_mut().extend(headers);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.extensions_mut().insert(AttemptDeadline(Instant::now() + ATTEMPT_TIMEOUT));
        request.extensions_mut().insert(ResponseLimit(ANSWER_MAX));
        Ok(request)
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("base", &self.base).finish_non_exhaustive()
    }
}

/// There is no answer. Only what is proven not to have been sent may be sent again.
fn lost(effect: Effect, error: TransportError) -> ClientError {
    let status = error.status();
    let kind = match (error.delivery(), effect) {
        (Delivery::NotSent, _) => ErrorKind::NotSent,
        (Delivery::Unknown | Delivery::Answered, Effect::Create) => ErrorKind::OutcomeUnknown,
        (Delivery::Unknown | Delivery::Answered, Effect::Read) => ErrorKind::NoAnswer,
    };
    let lost = ClientError::transport(kind, error);
    match status {
        Some(status) => lost.answered(status),
        None => lost,
    }
}

/// The answer isn't the hub's envelope, or not with the data that belongs there.
fn unreadable(call: &Call, status: StatusCode) -> ClientError {
    match status {
        // Nothing took the request for what it is, so nothing was done.
        StatusCode::NOT_FOUND => ClientError::new(
            ErrorKind::Unreadable,
            "there is no hub at this address; if the host is right, the other PathStyle may be",
        ),
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ClientError::new(ErrorKind::Unreadable, "something before the hub refused the request")
        }
        _ if call.effect == Effect::Create => ClientError::new(
            ErrorKind::OutcomeUnknown,
            "the answer can't be read, and nobody knows whether the hub has done it; look before sending it again",
        ),
        _ => ClientError::new(ErrorKind::Unreadable, "the answer can't be read"),
    }
}

/// The hub has answered, and not with success. An HTTP success with another code in its envelope counts as that code.
fn refused(call: &Call, status: StatusCode, envelope: &Envelope<&RawValue>) -> ClientError {
    let code = match envelope.code() {
        Some(code) if status.is_success() => StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        _ => status,
    };
    let login = call.endpoint == Endpoint::Login;
    let kind = match code {
        StatusCode::NOT_FOUND if login => ErrorKind::Credentials,
        StatusCode::UNAUTHORIZED => ErrorKind::Credentials,
        StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::REQUEST_TIMEOUT if call.effect == Effect::Create => ErrorKind::OutcomeUnknown,
        code if code.is_client_error() => ErrorKind::Refused,
        _ if call.effect == Effect::Create => ErrorKind::OutcomeUnknown,
        _ => ErrorKind::NoAnswer,
    };
    let said = envelope.message();
    // Words that aren't known may name a payer, and don't go into a message that is logged.
    let message = if Message::is_known(said) { format!("the hub says: {said}") } else { "the hub refused it".into() };
    ClientError::new(kind, message).said(said, envelope.data).answered(status)
}
