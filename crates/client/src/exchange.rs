//! One attempt, and what its answer means.
//!
//! guide:env-3 guide:env-4 guide:env-9 guide:env-13

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use asaanbill_transport::{
    AttemptDeadline, DEFAULT_ATTEMPT_TIMEOUT, DEFAULT_RESPONSE_LIMIT, Delivery, ResponseLimit, Transport,
    TransportError,
};
use asaanbill_wire::{Envelope, Message, SUCCESS, Scalar};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::base::Base;
use crate::environment::Environment;
use crate::error::{ClientError, ErrorKind};
use crate::limits::Gate;
use crate::raw::{Answer, Create, Effect, Request};
use crate::retry::{Budget, retry_after};
use crate::trace::AttemptSpan;

/// Room for the headers that are ours, and the two that a transport adds: the host and the body's length.
const HEADERS: usize = 6;

/// The hub at the other end of a transport, and how to treat it.
pub(crate) struct Hub {
    pub(crate) base: Base,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) environment: Environment,
    pub(crate) gate: Gate,
    pub(crate) budget: Budget,
    pub(crate) attempt_timeout: Duration,
    pub(crate) answer_max: usize,
}

/// What became of one attempt to create.
pub(crate) enum Attempted<T> {
    /// The hub has answered, or may have seen it: it must not be sent again.
    Done(Result<T, ClientError>),
    /// It is proven that the hub hasn't seen it.
    Unsent(Request<Create>, ClientError),
    /// The hub says, in its own envelope, that it doesn't know the token: then it has done nothing.
    Unauthenticated(Request<Create>, ClientError),
}

impl<T> Attempted<T> {
    /// What became of a request that creates, which was sent once. This is the one place that gives it back, and it does so on
    /// proof only.
    pub(crate) fn of(request: Request<Create>, attempted: Result<T, ClientError>) -> Self {
        match attempted {
            Err(error) if error.kind() == ErrorKind::NotSent => Self::Unsent(request, error),
            Err(error) if error.kind() == ErrorKind::Credentials => Self::Unauthenticated(request, error),
            done => Self::Done(done),
        }
    }
}

/// What an operation reads from the hub's answer.
pub(crate) trait FromAnswer: Sized {
    /// Reads the usual success in one go, without a look at the envelope first. None says nothing.
    fn at_once(_: &[u8]) -> Option<Self> {
        None
    }

    fn from_answer(status: StatusCode, envelope: &Envelope<&RawValue>) -> Result<Self, asaanbill_wire::WireError>;
}

/// The answer's data as a structure. Boxed, as it is handed through many hands, and some hundred bytes.
pub(crate) struct Data<T>(pub(crate) Box<T>);

impl<T: DeserializeOwned> FromAnswer for Data<T> {
    fn at_once(body: &[u8]) -> Option<Self> {
        data_at_once(body).map(Self)
    }

    fn from_answer(_: StatusCode, envelope: &Envelope<&RawValue>) -> Result<Self, asaanbill_wire::WireError> {
        envelope.data().map(|data| Self(Box::new(data)))
    }
}

/// The data of a usual success.
pub(crate) fn data_at_once<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.starts_with('{'))?;
    let answer: AtOnce<T> = serde_json::from_str(text).ok()?;
    answer.response_code.0.then_some(answer.data.0)
}

/// The envelope and its data, read together.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "T: Deserialize<'de>"))]
struct AtOnce<T> {
    response_code: IsSuccess,
    data: Object<T>,
}

/// Whether the envelope's code is that of success.
struct IsSuccess(bool);

impl<'de> Deserialize<'de> for IsSuccess {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = <&RawValue>::deserialize(deserializer)?.get();
        // As it is nearly always written; otherwise as the envelope reads it.
        let plain = code.parse() == Ok(SUCCESS);
        let success = || serde_json::from_str::<Scalar>(code).is_ok_and(|code| code.whole() == Some(SUCCESS.into()));
        Ok(Self(plain || success()))
    }
}

/// A structure from an object only: what serde derives would take an array for one.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

impl FromAnswer for Answer {
    fn from_answer(status: StatusCode, envelope: &Envelope<&RawValue>) -> Result<Self, asaanbill_wire::WireError> {
        Ok(Self { status, message: envelope.message().into(), data: envelope.data.map(ToOwned::to_owned) })
    }
}

impl Hub {
    /// Sends a request once, and reads its answer. `headers` are asked for when it has its turn, so that nobody carries them.
    pub(crate) async fn attempt<E: Effect, T: FromAnswer, H: IntoIterator<Item = (HeaderName, HeaderValue)>>(
        &self,
        request: &Request<E>,
        headers: impl FnOnce() -> H,
        attempt: u32,
        deadline: Instant,
    ) -> Result<T, ClientError> {
        self.gate.pace(deadline).await?;
        let span = AttemptSpan::open(&self.base, &request.method, request.template, attempt);
        let sent = self.request(request, headers(), deadline)?;
        // Through the pointer: a pointer to a transport is a transport too, with a future of its own around the other's.
        let exchanged = span.over(Transport::send(&*self.transport, sent)).await;
        let result = match exchanged {
            Ok(answer) => self.read(request, &answer),
            Err(error) => Err(lost::<E>(error)),
        };
        span.close(&result);
        if result.as_ref().map_or_else(|error| error.status().is_some(), |_| true) {
            self.budget.answered();
        }
        result
    }

    fn request<E: Effect>(
        &self,
        request: &Request<E>,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        deadline: Instant,
    ) -> Result<http::Request<Bytes>, ClientError> {
        let invalid = || ClientError::new(ErrorKind::NotSent, "the request has no valid address");
        let mut sent = http::Request::new(request.body.clone());
        *sent.method_mut() = request.method.clone();
        *sent.uri_mut() = self.base.uri(&request.path).ok_or_else(invalid)?;
        *sent.headers_mut() = HeaderMap::with_capacity(HEADERS);
        sent.headers_mut().extend(headers);
        sent.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // What a transport keeps to by itself needn't be said.
        let attempt = Instant::now().checked_add(self.attempt_timeout).unwrap_or(deadline);
        if self.attempt_timeout != DEFAULT_ATTEMPT_TIMEOUT || attempt > deadline {
            sent.extensions_mut().insert(AttemptDeadline(attempt.min(deadline)));
        }
        if self.answer_max != DEFAULT_RESPONSE_LIMIT {
            sent.extensions_mut().insert(ResponseLimit(self.answer_max));
        }
        Ok(sent)
    }

    fn read<E: Effect, T: FromAnswer>(&self, request: &Request<E>, answer: &Response<Bytes>) -> Result<T, ClientError> {
        let (status, body) = (answer.status(), answer.body());
        if status.is_success()
            && let Some(read) = T::at_once(body)
        {
            return Ok(read);
        }
        let told =
            |error: ClientError| error.answered(status).after(retry_after(answer.headers(), self.environment.now()));
        let envelope = match Envelope::read_bytes(body) {
            Ok(envelope) => envelope,
            Err(error) => return Err(told(unreadable::<E>(status).caused(error))),
        };
        if !status.is_success() || envelope.code() != Some(SUCCESS) {
            return Err(told(refused(request, status, &envelope)));
        }
        T::from_answer(status, &envelope).map_err(|error| told(unreadable::<E>(status).caused(error)))
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("base", &self.base).finish_non_exhaustive()
    }
}

/// There is no answer. Only what is proven not to have been sent may be sent again.
fn lost<E: Effect>(error: TransportError) -> ClientError {
    let status = error.status();
    let kind = match error.delivery() {
        Delivery::NotSent => ErrorKind::NotSent,
        Delivery::Unknown | Delivery::Answered if Request::<E>::CREATES => ErrorKind::OutcomeUnknown,
        Delivery::Unknown | Delivery::Answered => ErrorKind::NoAnswer,
    };
    let lost = ClientError::transport(kind, error);
    match status {
        Some(status) => lost.answered(status),
        None => lost,
    }
}

/// The answer isn't the hub's envelope, or not with the data that belongs there.
fn unreadable<E: Effect>(status: StatusCode) -> ClientError {
    match status {
        // Nothing took the request for what it is, so nothing was done.
        StatusCode::NOT_FOUND => ClientError::new(
            ErrorKind::Unreadable,
            "there is no hub at this address; if the host is right, the other PathStyle may be",
        ),
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ClientError::new(
                ErrorKind::Unreadable,
                "something before the hub refused the request, and nothing was done; look at the proxies between",
            )
        }
        _ if Request::<E>::CREATES => ClientError::new(
            ErrorKind::OutcomeUnknown,
            "the answer can't be read, and nobody knows whether the hub has done it; look before sending it again",
        ),
        _ => ClientError::new(
            ErrorKind::Unreadable,
            "the answer can't be read; ask again, and if it stays so, look at what stands between",
        ),
    }
}

/// The hub has answered, and not with success. An HTTP success with another code in its envelope counts as that code.
fn refused<E: Effect>(request: &Request<E>, status: StatusCode, envelope: &Envelope<&RawValue>) -> ClientError {
    let code = match envelope.code() {
        Some(code) if status.is_success() => StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        _ => status,
    };
    let kind = match code {
        StatusCode::NOT_FOUND if request.is_login() => ErrorKind::Credentials,
        StatusCode::UNAUTHORIZED => ErrorKind::Credentials,
        StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::REQUEST_TIMEOUT if Request::<E>::CREATES => ErrorKind::OutcomeUnknown,
        code if code.is_client_error() => ErrorKind::Refused,
        _ if Request::<E>::CREATES => ErrorKind::OutcomeUnknown,
        _ => ErrorKind::NoAnswer,
    };
    let said = envelope.message();
    // Words that aren't known may name a payer, and don't go into a message that is logged.
    let advice = match kind {
        ErrorKind::Credentials if request.is_login() => "check the user's name and password",
        ErrorKind::Credentials => "the token is not taken; log in anew",
        ErrorKind::Forbidden => "the user's role or channel doesn't allow it; the hub's people can change that",
        ErrorKind::NotFound => "nothing of this number is in the user's channel",
        ErrorKind::OutcomeUnknown => "nobody knows whether it was done all the same; look before sending it again",
        ErrorKind::NoAnswer => "it may be asked again",
        _ => "nothing was done; mend what was asked for",
    };
    let message = if Message::is_known(said) {
        format!("the hub says: {said}; {advice}")
    } else {
        format!("the hub refused, in words that `hub_message` has; {advice}")
    };
    ClientError::new(kind, message).said(said, envelope.data)
}
