//! A hub to talk to, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use asaanbill_sim::{Clock, Sim, SimBuilder};
use asaanbill_transport::{Transport, TransportError};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use serde_json::Value;

use crate::stores;

/// When a test's clock stands still: twenty-two past ten in Karachi, as in the guide's sample.
pub(crate) const NOW: &str = "2025-01-10T10:22:30+05:00";

/// What no wait in a test may exceed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The guide's bill.
pub(crate) const BILL: &str = r#"{"payment":{"title":"Muhammad Mahd Sheikh","identifier":"FS-BSCS-095","amount":"50","dueDate":"2025-01-31","amountAfterDueDate":"55"}}"#;

/// The header of a token.
pub(crate) const TOKEN: &str = "x-auth-ph-key";

/// The hub under its one base, `/integration`, and somebody who is logged in.
#[derive(Clone)]
pub(crate) struct Hub {
    pub(crate) sim: Sim,
    pub(crate) token: String,
    user: &'static str,
    transport: Arc<dyn Transport>,
    origin: String,
}

impl Hub {
    /// In this process and in the store that the tests run on, at [`NOW`].
    pub(crate) async fn start() -> Self {
        Self::with(Sim::builder()).await
    }

    /// In this process, at [`NOW`].
    pub(crate) async fn with(settings: SimBuilder) -> Self {
        Self::of_user(stores::chosen(settings).await.clock(clock_at(NOW)).build().await.unwrap(), "demo").await
    }

    /// In this process, for `demo` with this password.
    pub(crate) async fn of_user(sim: Sim, password: &str) -> Self {
        let transport = Arc::new(sim.transport());
        Self::over(sim, transport, "http://hub.test").log_in("demo", password).await
    }

    /// By another way, and nobody is logged in yet.
    pub(crate) fn over(sim: Sim, transport: Arc<dyn Transport>, origin: &str) -> Self {
        Self { sim, token: String::new(), user: "", transport, origin: origin.to_owned() }
    }

    /// The same hub for another user.
    pub(crate) async fn log_in(&self, user: &'static str, password: &str) -> Self {
        let answer = self.login(user, &format!(r#"{{"password":"{password}"}}"#)).send().await;
        let token = answer.text_at("/token").to_owned();
        Self { user, token, ..self.clone() }
    }

    /// A login, which needs no token.
    pub(crate) fn login(&self, user: &str, body: &str) -> Ask<'_> {
        self.ask(Method::POST, "/integration/login", body.to_owned()).with("username", user)
    }

    pub(crate) fn get(&self, path: &str) -> Ask<'_> {
        self.ask(Method::GET, &format!("/integration{path}"), Bytes::new()).signed()
    }

    pub(crate) fn post(&self, path: &str, body: impl Into<Bytes>) -> Ask<'_> {
        self.ask(Method::POST, &format!("/integration{path}"), body).signed()
    }

    /// Adds a payment of a kind.
    pub(crate) async fn add(&self, kind: &str, body: &str) -> Answer {
        self.post(&format!("/add?generationTypes={kind}"), body.to_owned()).send().await
    }

    /// Adds a batch.
    pub(crate) async fn add_bulk(&self, body: impl Into<Bytes>) -> Answer {
        self.post("/add-bulk?contentType=JSON", body).send().await
    }

    /// Any request, with a content type and nothing else.
    pub(crate) fn ask(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Ask<'_> {
        let mut request = Request::new(body.into());
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.origin).parse().unwrap();
        Ask { hub: self, request }.with("content-type", "application/json")
    }

    /// Pays as a bank. Its answers have no envelope.
    pub(crate) async fn pay(&self, psid: &str, amount: &str, reference: &str) -> (u16, String) {
        let body = format!(r#"{{"psid":"{psid}","amount":"{amount}","reference":"{reference}"}}"#);
        let answer = self.ask(Method::POST, "/_sim/pay", body).raw().await;
        (answer.status().as_u16(), String::from_utf8(answer.into_body().into()).unwrap())
    }

    /// Waits until no batch has anything to do.
    pub(crate) async fn settled(&self) {
        let settled = async {
            loop {
                let batches = self.get("/bulk-payment-request?contentType=JSON&pageSize=1000").send().await;
                if batches.content().iter().all(|batch| batch["status"] == "PROCESSED") {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("the batches are done in time");
    }

    /// Everything that can be read, as text: what a refused request must leave as it was.
    pub(crate) async fn everything(&self) -> String {
        let payments = self.get("/payment?pageSize=2147483647").send().await;
        let batches = self.get("/bulk-payment-request?contentType=JSON&pageSize=2147483647").send().await;
        let mut all = vec![payments.text, batches.text.clone()];
        for batch in batches.content() {
            all.push(self.get(&format!("/bulk-payment-request/{}", batch["id"])).send().await.text);
        }
        all.join("\n")
    }
}

/// A request to a hub.
#[must_use]
pub(crate) struct Ask<'h> {
    hub: &'h Hub,
    request: Request<Bytes>,
}

impl Ask<'_> {
    /// With the headers of whoever is logged in.
    pub(crate) fn signed(self) -> Self {
        let (token, user) = (self.hub.token.clone(), self.hub.user);
        self.with(TOKEN, &token).with("username", user).with("channel-id", "23")
    }

    pub(crate) fn with(mut self, header: &str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.request.headers_mut().insert(header.parse::<HeaderName>().unwrap(), value);
        self
    }

    pub(crate) fn without(mut self, header: &str) -> Self {
        self.request.headers_mut().remove(header);
        self
    }

    /// The answer, which must be in the envelope.
    pub(crate) async fn send(self) -> Answer {
        let about = format!("{} {}", self.request.method(), self.request.uri());
        Answer::read(&self.raw().await, &about)
    }

    pub(crate) async fn raw(self) -> Response<Bytes> {
        self.outcome().await.unwrap()
    }

    /// The answer, if one came.
    pub(crate) async fn outcome(self) -> Result<Response<Bytes>, TransportError> {
        self.hub.transport.send(self.request).await
    }
}

/// An answer of the hub.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    json: Value,
}

impl Answer {
    /// Every answer is an envelope of three fields, in JSON, with the HTTP status as its code.
    fn read(response: &Response<Bytes>, about: &str) -> Self {
        let text = std::str::from_utf8(response.body()).unwrap().to_owned();
        assert_eq!(response.headers()["content-type"], "application/json", "{about}: {text}");
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{about}: {error}: {text}"));
        let fields: Vec<&String> = json.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["data", "responseCode", "responseMessage"], "{about}");
        assert_eq!(json["responseCode"], response.status().as_u16(), "{about}: {text}");
        let answer = Self { text, json };
        let refused_rows = answer.message().starts_with("Invalid bulk payment request");
        assert_eq!(answer.data().is_null(), response.status() != 200 && !refused_rows, "{about}: {}", answer.text);
        answer
    }

    pub(crate) fn message(&self) -> &str {
        self.json["responseMessage"].as_str().expect("a message")
    }

    /// Code and message.
    pub(crate) fn said(&self) -> String {
        format!("{} {}", self.json["responseCode"], self.message())
    }

    pub(crate) fn is_success(&self) -> bool {
        self.json["responseCode"] == 200
    }

    pub(crate) fn data(&self) -> &Value {
        &self.json["data"]
    }

    /// The elements of a page.
    pub(crate) fn content(&self) -> &[Value] {
        self.data()["content"].as_array().expect("a page").as_slice()
    }

    /// One value of every element of a page, as text.
    pub(crate) fn column(&self, field: &str) -> Vec<String> {
        self.content().iter().map(|element| plain(&element[field])).collect()
    }

    /// A string in the data.
    pub(crate) fn text_at(&self, pointer: &str) -> &str {
        let found = self.data().pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no text at {pointer} in {}", self.text))
    }

    /// The text with the QR codes, which are long, taken out.
    pub(crate) fn without_codes(&self) -> String {
        let parts = self.text.split(r#""qrString":""#).enumerate();
        let short = parts.map(|(position, part)| match position {
            0 => part.to_owned(),
            _ => format!(r#""qrString":"…{}"#, &part[part.find('"').unwrap()..]),
        });
        short.collect()
    }
}

/// A string's content, or the JSON of anything else.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn clock_at(time: &str) -> Clock {
    Clock::frozen(time.parse().unwrap())
}

/// The PSID that is allocated as the number `n`.
pub(crate) fn psid(n: u64) -> String {
    format!("100139{n:018}")
}

/// JSON that was broken into lines to be read: the lines without their indentation, joined.
pub(crate) fn joined(lines: &str) -> String {
    lines.lines().map(str::trim).collect()
}
