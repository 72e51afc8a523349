//! The file.

use std::error::Error;
use std::fmt;
use std::path::Path;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::redaction::{Redaction, Secrets};
use crate::error::{Delivery, ErrorKind, TransportError};

/// The form of the file.
const VERSION: u32 = 1;

/// Exchanges, as JSON that a person can read and change: bodies that are JSON stand in it as JSON, numbers as they came.
#[derive(Clone, Serialize, Deserialize)]
pub struct Cassette {
    version: u32,
    exchanges: Vec<Exchange>,
}

impl Cassette {
    pub(super) fn new(exchanges: Vec<Exchange>) -> Self {
        Self { version: VERSION, exchanges }
    }

    /// How many exchanges it has.
    pub fn len(&self) -> usize {
        self.exchanges.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// As text.
    pub fn to_json(&self) -> String {
        // Strings, numbers and JSON that was read as JSON: nothing in it can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// From text.
    ///
    /// # Errors
    ///
    /// [`CassetteError`] if it isn't a cassette of this version.
    pub fn from_json(text: &str) -> Result<Self, CassetteError> {
        let cassette: Self = serde_json::from_str(text).map_err(|error| CassetteError::new(UNREADABLE, error))?;
        if cassette.version != VERSION {
            return Err(CassetteError::new(UNREADABLE, format!("version {} isn't {VERSION}", cassette.version)));
        }
        for (position, Exchange { request: _, answer, failure }) in cassette.exchanges.iter().enumerate() {
            let status =
                answer.as_ref().map(|answer| answer.status).or(failure.as_ref().and_then(|failure| failure.status));
            if answer.is_some() == failure.is_some()
                || status.is_some_and(|status| StatusCode::from_u16(status).is_err())
            {
                let wrong = format!("exchange {position} needs an answer or a failure, and a status from 100 to 999");
                return Err(CassetteError::new(UNREADABLE, wrong));
            }
        }
        Ok(cassette)
    }

    /// Into a file. Blocks.
    ///
    /// # Errors
    ///
    /// [`CassetteError`] if it can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), CassetteError> {
        std::fs::write(path, self.to_json() + "\n")
            .map_err(|error| CassetteError::new("can't be written; the cause says why", error))
    }

    /// From a file. Blocks.
    ///
    /// # Errors
    ///
    /// [`CassetteError`] if it can't be read, or isn't a cassette of this version.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, CassetteError> {
        let text = std::fs::read_to_string(path).map_err(|error| CassetteError::new(UNREADABLE, error))?;
        Self::from_json(&text)
    }

    pub(super) fn into_exchanges(self) -> Vec<Exchange> {
        self.exchanges
    }
}

impl fmt::Debug for Cassette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cassette").field("exchanges", &self.len()).finish_non_exhaustive()
    }
}

const UNREADABLE: &str = "can't be read; mend what the cause names, or record it again";

/// A cassette that can't be read or written.
#[derive(Debug)]
pub struct CassetteError {
    what: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl CassetteError {
    fn new(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what, source: source.into() }
    }
}

impl fmt::Display for CassetteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cassette {}", self.what)
    }
}

impl Error for CassetteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// One exchange: a request, and an answer or a failure.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Exchange {
    pub(super) request: Asked,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<Answer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Failure>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Path and query; where it went is the player's to say.
    pub(super) path: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    pub(super) body: Body,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Answer {
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Failure {
    kind: String,
    delivery: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

/// A body: nothing, JSON, text, or bytes in hexadecimal digits.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Body {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

impl Asked {
    pub(super) fn note(request: &Request<Bytes>, redaction: &Redaction, secrets: &mut Secrets) -> Self {
        // Headers and body first: what is a secret there is one in the path, too.
        let headers = redaction.headers(request.headers(), secrets);
        let body = Body::note(request.body(), redaction, secrets);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        Self { method: request.method().as_str().to_owned(), path: secrets.remove_from(path), headers, body }
    }
}

impl Answer {
    pub(super) fn note(answer: &Response<Bytes>, redaction: &Redaction, secrets: &mut Secrets) -> Self {
        let body = Body::note(answer.body(), redaction, secrets);
        Self { status: answer.status().as_u16(), headers: redaction.headers(answer.headers(), secrets), body }
    }

    pub(super) fn play(&self) -> Response<Bytes> {
        let mut answer = Response::new(self.body.bytes());
        *answer.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        for (name, value) in &self.headers {
            // The length was the original's; a secret may have been longer than what stands for it.
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value))
                && name != http::header::CONTENT_LENGTH
            {
                answer.headers_mut().append(name, value);
            }
        }
        answer
    }
}

impl Failure {
    pub(super) fn note(error: &TransportError) -> Self {
        let kind = KINDS.iter().find(|(kind, _)| *kind == error.kind()).map_or("other", |(_, word)| word);
        let delivery = match error.delivery() {
            Delivery::NotSent => "not sent",
            Delivery::Unknown => "unknown",
            Delivery::Answered => "answered",
        };
        let status = error.status().map(|status| status.as_u16());
        Self { kind: kind.to_owned(), delivery: delivery.to_owned(), status }
    }

    /// Whatever isn't known to be harmless is unknown.
    pub(super) fn play(&self) -> TransportError {
        let kind = KINDS.iter().find(|(_, word)| *word == self.kind).map_or(ErrorKind::Other, |(kind, _)| *kind);
        match (self.delivery.as_str(), self.status.and_then(|status| StatusCode::from_u16(status).ok())) {
            ("not sent", _) => TransportError::not_sent(kind),
            ("answered", Some(status)) => TransportError::answered(kind, status),
            _ => TransportError::unknown(kind),
        }
    }
}

const KINDS: [(ErrorKind, &str); 9] = [
    (ErrorKind::Refused, "refused"),
    (ErrorKind::InvalidRequest, "invalid request"),
    (ErrorKind::Connect, "connect"),
    (ErrorKind::Tls, "tls"),
    (ErrorKind::Timeout, "timeout"),
    (ErrorKind::Closed, "closed"),
    (ErrorKind::TooLarge, "too large"),
    (ErrorKind::InvalidResponse, "invalid response"),
    (ErrorKind::Other, "other"),
];

impl Body {
    fn note(bytes: &[u8], redaction: &Redaction, secrets: &mut Secrets) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            return Self { hex: Some(hex), ..Self::default() };
        };
        // Only a whole text that is JSON can stand as JSON.
        let json = serde_json::from_str::<&RawValue>(text).ok().map(|raw| redaction.json(raw.get(), secrets));
        match json.and_then(|json| RawValue::from_string(json).ok()) {
            Some(json) => Self { json: Some(json), ..Self::default() },
            None => Self { text: Some(secrets.remove_from(text)), ..Self::default() },
        }
    }

    fn bytes(&self) -> Bytes {
        match (&self.json, &self.text, &self.hex) {
            (Some(json), _, _) => Bytes::from(json.get().to_owned()),
            (None, Some(text), _) => Bytes::from(text.clone()),
            (None, None, Some(hex)) => {
                let pairs = hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
                pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
            }
            (None, None, None) => Bytes::new(),
        }
    }

    /// Whether both say the same: JSON by its values, white space apart.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let value = |body: &Self| serde_json::from_slice::<serde_json::Value>(&body.bytes()).ok();
        self.bytes() == other.bytes() || value(self).is_some_and(|value_of_self| value(other) == Some(value_of_self))
    }
}
