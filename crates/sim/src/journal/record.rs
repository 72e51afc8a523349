//! One entry of the journal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use asaanbill_wire::{CHANNEL_HEADER, Endpoint, USERNAME_HEADER};
use http::{HeaderMap, Method, StatusCode, request, response};
use jiff::Timestamp;

use super::redact::{self, Secrets};
use crate::fault::FaultKind;

/// The most bytes of a request's path and query that are kept: no path of the hub has a tenth of it.
const ADDRESS_KEPT_MAX: usize = 2 * 1024;

/// The most bytes of a request's or an answer's headers that are kept.
const HEADERS_KEPT_MAX: usize = 8 * 1024;

/// The number of a request: they are counted from 1 as they come in. The answer has it in `x-sim-request-id`, and whoever
/// handles the request in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

impl RequestId {
    pub(crate) fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// An answer left, with this status. Whether it arrived nobody knows.
    Answered(StatusCode),
    /// A fault closed the connection in place of an answer.
    Dropped,
    /// The client went away before there was an answer, and the server has noticed. What was being done may have been done.
    Abandoned,
}

impl fmt::Display for RequestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(status) => status.as_u16().fmt(f),
            Self::Dropped => f.write_str("no answer: dropped by a fault"),
            Self::Abandoned => f.write_str("no answer: the client went away"),
        }
    }
}

/// A request, what was answered, and what befell it. Cheap to clone.
#[derive(Clone)]
pub struct RequestRecord(Arc<Record>);

struct Record {
    position: u64,
    id: RequestId,
    at: Timestamp,
    duration: Duration,
    method: Method,
    endpoint: Option<Endpoint>,
    outcome: RequestOutcome,
    fault: Option<FaultKind>,
    texts: Texts,
}

/// All text of an entry, one after another, in one piece of memory.
struct Texts {
    bytes: Vec<u8>,
    /// Where the address, the request's headers, its body, the answer's headers and its body end.
    ends: [usize; 5],
    /// The first is cut, the second, and so on.
    whole: [bool; 5],
    /// Bytes of the bodies as they were, where they were read.
    lengths: [Option<u64>; 2],
}

const ADDRESS: usize = 0;
const REQUEST_HEADERS: usize = 1;
const REQUEST_BODY: usize = 2;
const ANSWER_HEADERS: usize = 3;
const ANSWER_BODY: usize = 4;

/// A body as the journal keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecordedBody<'r> {
    bytes: &'r [u8],
    length: Option<u64>,
    whole: bool,
}

impl<'r> RecordedBody<'r> {
    /// What is kept of it, with secrets removed.
    pub fn bytes(&self) -> &'r [u8] {
        self.bytes
    }

    /// How many bytes it had; `None` where nobody read it, as with a body that belongs to no operation.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether its end is missing here.
    pub fn is_truncated(&self) -> bool {
        !self.whole
    }
}

/// Shows the length only: bodies hold payers' data.
impl fmt::Debug for RecordedBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedBody")
            .field("length", &self.length)
            .field("truncated", &!self.whole)
            .finish_non_exhaustive()
    }
}

impl RequestRecord {
    /// The request's number.
    pub fn id(&self) -> RequestId {
        self.0.id
    }

    /// When it came, by the simulator's clock.
    pub fn at(&self) -> Timestamp {
        self.0.at
    }

    /// From its head until its answer was ready to leave, in real time.
    pub fn duration(&self) -> Duration {
        self.0.duration
    }

    /// Its method.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// Its path and query, without secrets.
    pub fn address(&self) -> &str {
        std::str::from_utf8(self.part(ADDRESS)).unwrap_or_default()
    }

    /// The operation, if it is one.
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.0.endpoint
    }

    /// The user that it names.
    pub fn user(&self) -> Option<&str> {
        self.header(USERNAME_HEADER)
    }

    /// The channel that it names.
    pub fn channel(&self) -> Option<&str> {
        self.header(CHANNEL_HEADER)
    }

    /// How it ended.
    pub fn outcome(&self) -> RequestOutcome {
        self.0.outcome
    }

    /// The status that was answered, if one was.
    pub fn status(&self) -> Option<StatusCode> {
        match self.0.outcome {
            RequestOutcome::Answered(status) => Some(status),
            RequestOutcome::Dropped | RequestOutcome::Abandoned => None,
        }
    }

    /// The fault that befell it.
    pub fn fault(&self) -> Option<FaultKind> {
        self.0.fault
    }

    /// Its headers, names in lower case, values of secret ones removed. Values that aren't UTF-8 are left out.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        lines(self.part(REQUEST_HEADERS))
    }

    /// Its body.
    pub fn body(&self) -> RecordedBody<'_> {
        self.body_at(REQUEST_BODY, 0)
    }

    /// The answer's headers.
    pub fn answer_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        lines(self.part(ANSWER_HEADERS))
    }

    /// The answer's body, as it was sent.
    pub fn answer_body(&self) -> RecordedBody<'_> {
        self.body_at(ANSWER_BODY, 1)
    }

    /// Whether all headers are there, and the whole address.
    pub fn is_head_truncated(&self) -> bool {
        [ADDRESS, REQUEST_HEADERS, ANSWER_HEADERS].iter().any(|part| !self.0.texts.whole[*part])
    }

    /// Its place in the journal, which is the order in which requests ended.
    pub(crate) fn position(&self) -> u64 {
        self.0.position
    }

    /// What it takes of memory.
    pub(crate) fn size(&self) -> usize {
        size_of::<Record>() + self.0.texts.bytes.capacity()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(header, _)| *header == name).map(|(_, value)| value)
    }

    fn body_at(&self, part: usize, length: usize) -> RecordedBody<'_> {
        let texts = &self.0.texts;
        RecordedBody { bytes: self.part(part), length: texts.lengths[length], whole: texts.whole[part] }
    }

    fn part(&self, part: usize) -> &[u8] {
        let texts = &self.0.texts;
        let start = part.checked_sub(1).map_or(0, |before| texts.ends[before]);
        texts.bytes.get(start..texts.ends[part]).unwrap_or_default()
    }
}

fn lines(headers: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter_map(|line| line.split_once(": "))
}

/// Shows no address, header or body: the address has PSIDs, the others payers' data.
impl fmt::Debug for RequestRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRecord")
            .field("id", &self.0.id)
            .field("method", &self.0.method)
            .field("endpoint", &self.0.endpoint)
            .field("outcome", &self.0.outcome)
            .field("fault", &self.0.fault)
            .finish_non_exhaustive()
    }
}

/// An entry while its request is under way.
pub(crate) struct Draft {
    id: RequestId,
    at: Timestamp,
    method: Method,
    endpoint: Option<Endpoint>,
    pub(crate) fault: Option<FaultKind>,
    texts: Texts,
}

/// What most entries need, so that they are written without growing.
const TYPICAL_ENTRY: usize = 2 * 1024;

impl Draft {
    pub(crate) fn new(id: RequestId, at: Timestamp, endpoint: Option<Endpoint>, head: &request::Parts) -> Self {
        let mut texts =
            Texts { bytes: Vec::with_capacity(TYPICAL_ENTRY), ends: [0; 5], whole: [true; 5], lengths: [None; 2] };
        let uri = &head.uri;
        let whole = redact::address(&mut texts.bytes, uri.path(), uri.query(), ADDRESS_KEPT_MAX);
        texts.end(ADDRESS, whole);
        texts.headers(REQUEST_HEADERS, &head.headers);
        Self { id, at, method: head.method.clone(), endpoint, fault: None, texts }
    }

    /// Notes the request's body, which was read whole.
    pub(crate) fn body(&mut self, body: &[u8], kept_max: usize) {
        // A password may stand under a misspelt name.
        let secrets = if self.endpoint == Some(Endpoint::Login) { Secrets::All } else { Secrets::Named };
        self.texts.body(REQUEST_BODY, 0, body, kept_max, secrets);
    }

    /// Notes the answer's head.
    pub(crate) fn answer(&mut self, head: &response::Parts) {
        self.texts.headers(ANSWER_HEADERS, &head.headers);
    }

    /// Notes the answer's body.
    pub(crate) fn answer_body(&mut self, body: &[u8], kept_max: usize) {
        self.texts.body(ANSWER_BODY, 1, body, kept_max, Secrets::Named);
    }

    /// In no more memory than it needs.
    pub(crate) fn shrunk(mut self) -> Self {
        self.texts.bytes.shrink_to_fit();
        self
    }

    pub(crate) fn finish(self, position: u64, outcome: RequestOutcome, duration: Duration) -> RequestRecord {
        let Self { id, at, method, endpoint, fault, texts } = self;
        RequestRecord(Arc::new(Record { position, id, at, duration, method, endpoint, outcome, fault, texts }))
    }
}

impl Texts {
    /// Ends a part. Parts are written in their order; those after it are empty as long as nobody writes them.
    fn end(&mut self, part: usize, whole: bool) {
        for end in self.ends.iter_mut().skip(part) {
            *end = self.bytes.len();
        }
        self.whole[part] = whole;
    }

    fn headers(&mut self, part: usize, headers: &HeaderMap) {
        let whole = redact::headers(&mut self.bytes, headers, HEADERS_KEPT_MAX);
        self.end(part, whole);
    }

    /// Cut first, redacted then: what is cut off isn't looked at.
    fn body(&mut self, part: usize, length: usize, body: &[u8], kept_max: usize, secrets: Secrets) {
        self.lengths[length] = Some(body.len() as u64);
        redact::body(&mut self.bytes, body.get(..kept_max).unwrap_or(body), secrets);
        self.end(part, body.len() <= kept_max);
    }
}
