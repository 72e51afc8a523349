//! The hub as the bench asks it: requests in the guide's form, and what is read from their answers.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use serde::Deserialize;

use crate::Outcome;
use crate::load::{Line, Requests};

/// The channel of the simulator's default users.
const CHANNEL: &str = "23";

/// The most rows that a batch has. (Guide, Add Bulk)
pub(crate) const BATCH: u64 = 5000;

/// How long a batch may take from accepted to approved before the bench gives up.
const APPROVAL_TIMEOUT: Duration = Duration::from_secs(60);

/// How often it is asked whether a batch is approved. Asking without a pause would take a core from those who approve it.
const APPROVAL_ASKED_EVERY: Duration = Duration::from_millis(1);

/// Where a hub is, and a token for it. Cheap to clone. A floor takes any token.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    pub(crate) address: SocketAddr,
    token: HeaderValue,
    host: HeaderValue,
}

/// A page or a batch, as far as the bench looks at it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    total_elements: Option<u64>,
    content: Vec<Listed>,
}

/// A record of a page.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Listed {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) psid: String,
    #[serde(default)]
    status: String,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct Login {
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    bulk_payment_request_id: u64,
}

impl Hub {
    /// A floor, which asks for no token.
    ///
    /// # Errors
    ///
    /// Never: an address is a header's value.
    pub(crate) fn open(address: SocketAddr) -> Outcome<Self> {
        // As long as a token is.
        let token = HeaderValue::from_str(&"t".repeat(44))?;
        Ok(Self { address, token, host: HeaderValue::from_str(&address.to_string())? })
    }

    /// Logs in as the default user.
    ///
    /// # Errors
    ///
    /// If the hub doesn't let it in.
    pub(crate) fn log_in(address: SocketAddr) -> Outcome<Self> {
        let hub = Self::open(address)?;
        let (answer, _) = Line::open(address)?.ask(hub.login())?;
        hub.with_token_of(&answer)
    }

    /// The same hub with the token of a login's answer.
    ///
    /// # Errors
    ///
    /// If there is none in it.
    pub(crate) fn with_token_of(self, answer: &[u8]) -> Outcome<Self> {
        let Envelope { data: Login { token } } = serde_json::from_slice(answer)?;
        Ok(Self { token: HeaderValue::from_str(&token)?, ..self })
    }

    /// Logs the default user in.
    pub(crate) fn login(&self) -> Request<Full<Bytes>> {
        self.post("/integration/login", r#"{"password":"demo"}"#.into())
    }

    /// A request without a body.
    pub(crate) fn get(&self, path: &str) -> Request<Full<Bytes>> {
        self.request(Method::GET, path, Bytes::new())
    }

    fn post(&self, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        self.request(Method::POST, path, body)
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("the bench's own paths are paths");
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-auth-ph-key", self.token.clone());
        headers.insert("channel-id", HeaderValue::from_static(CHANNEL));
        headers.insert("username", HeaderValue::from_static("demo"));
        request
    }

    /// Adds a payment with a new identifier.
    pub(crate) fn add(&self, identifier: &str) -> Request<Full<Bytes>> {
        self.post("/integration/add?generationTypes=PSID", format!(r#"{{"payment":{}}}"#, payment(identifier)).into())
    }

    /// Adds a batch of payments with new identifiers.
    pub(crate) fn add_bulk(&self, batch: &str, rows: u64) -> Request<Full<Bytes>> {
        self.post("/integration/add-bulk?contentType=JSON", bulk_body(batch, rows))
    }

    /// Adds a batch and waits until all of it is approved. Returns when it was accepted and when approved.
    ///
    /// # Errors
    ///
    /// If it isn't, in good time.
    pub(crate) fn approve_bulk(&self, line: &mut Line, batch: &str, rows: u64) -> Outcome<(Duration, Duration)> {
        let request = self.add_bulk(batch, rows);
        let begin = Instant::now();
        let (answer, accepted) = line.ask(request)?;
        let newest = || self.get("/integration/bulk-payment-request?contentType=JSON&pageSize=1");
        // The state of the batch follows its last payment, in the same commit.
        line.ask_until(newest, (APPROVAL_ASKED_EVERY, APPROVAL_TIMEOUT), |page| {
            let Envelope::<Page> { data } = serde_json::from_slice(page)?;
            Ok(data.content.first().is_some_and(|newest| newest.status == "PROCESSED"))
        })?;
        let approved = begin.elapsed();
        let Envelope::<Accepted> { data } = serde_json::from_slice(&answer)?;
        debug_assert!(data.bulk_payment_request_id > 0, "batches are numbered from 1");
        Ok((accepted, approved))
    }

    /// Some listed payments, and how many there are.
    ///
    /// # Errors
    ///
    /// If there is no such page.
    pub(crate) fn page(&self, line: &mut Line, number: u64, size: u64) -> Outcome<(u64, Vec<Listed>)> {
        let (page, _) = line.ask(self.get(&page_path(number, size)))?;
        let Envelope::<Page> { data } = serde_json::from_slice(&page)?;
        Ok((data.total_elements.ok_or("a page without a total")?, data.content))
    }
}

/// The path of a page of the list.
pub(crate) fn page_path(number: u64, size: u64) -> String {
    format!("/integration/payment?pageNo={number}&pageSize={size}")
}

fn payment(identifier: &str) -> String {
    let rest = r#""title":"Muhammad Mahd Sheikh","dueDate":"2027-03-28","amount":"1500","amountAfterDueDate":"1550""#;
    format!(r#"{{"identifier":"{identifier}",{rest}}}"#)
}

fn bulk_body(batch: &str, rows: u64) -> Bytes {
    let mut body = String::from(r#"{"payments":["#);
    for row in 0..rows {
        let comma = if row == 0 { "" } else { "," };
        let _ = write!(body, "{comma}{}", payment(&format!("{batch}-{row:06}")));
    }
    body.push_str("]}");
    body.into()
}

/// Payments to add, each with an identifier of its own, at one hub or at several in turn.
#[derive(Debug)]
pub(crate) struct Adds {
    pub(crate) hubs: Vec<Hub>,
    /// Parts this round's identifiers from all others.
    pub(crate) round: String,
}

impl Adds {
    pub(crate) fn new(hubs: &[Hub], round: String) -> Arc<Self> {
        Arc::new(Self { hubs: hubs.to_vec(), round })
    }

    fn hub(&self, connection: usize) -> &Hub {
        &self.hubs[connection % self.hubs.len()]
    }
}

impl Requests for Adds {
    fn address(&self, connection: usize) -> SocketAddr {
        self.hub(connection).address
    }

    fn request(&self, connection: usize, nth: u64) -> Request<Full<Bytes>> {
        // Numbered as bills are: what comes at the same time stands together.
        self.hub(connection).add(&format!("{}-{nth:07}-{connection:03}", self.round))
    }
}

/// The same few questions, over and over.
#[derive(Debug)]
pub(crate) struct Gets {
    pub(crate) hub: Hub,
    pub(crate) paths: Vec<String>,
}

impl Requests for Gets {
    fn address(&self, _: usize) -> SocketAddr {
        self.hub.address
    }

    fn request(&self, connection: usize, nth: u64) -> Request<Full<Bytes>> {
        // Connections begin at different places.
        let place = connection * 7919 + usize::try_from(nth).unwrap_or_default();
        self.hub.get(&self.paths[place % self.paths.len()])
    }
}
