//! A relay between the hub and its receivers: it has one address for all of them, and remembers what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use asaanbill_client::Client;
use asaanbill_core::Psid;
use asaanbill_e2e::bill;
use asaanbill_sim::Sim;
use asaanbill_transport::{HyperTransport, Transport as _};
use axum::Router;
use axum::body::{Body, Bytes};
use http::{Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What acknowledges a call-back. (Guide, Call-back APIs)
const ACKNOWLEDGED: &str = r#"{"responseCode":200,"responseMessage":"Request processed successfully"}"#;

/// More than any call-back has.
const BODY_MAX: usize = 1 << 16;

/// Cheap to clone; clones are the same relay.
#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    receivers: watch::Sender<Vec<SocketAddr>>,
    transport: HyperTransport,
    turn: AtomicUsize,
    seen: Mutex<Seen>,
    /// Rung whenever something is seen.
    posts: watch::Sender<u64>,
}

/// What has passed. A payment is known by its PSID and its amount, as its call-back is.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// The effect keys of what was paid, or may be one day.
    keys: BTreeMap<Claim, String>,
    /// Those that were paid.
    paid: BTreeSet<String>,
    /// Their call-backs were sent to a receiver, acknowledged or not.
    pub(crate) posted: BTreeSet<String>,
    pub(crate) acknowledged: BTreeSet<String>,
    /// Acknowledged call-backs about nothing that was paid.
    pub(crate) forged: u64,
}

type Claim = (String, String);

impl Relay {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Inner {
            receivers: watch::Sender::default(),
            transport: HyperTransport::new().unwrap(),
            turn: AtomicUsize::new(0),
            seen: Mutex::default(),
            posts: watch::Sender::default(),
        };
        let relay = Self { address, inner: Arc::new(inner) };
        let inner = Arc::clone(&relay.inner);
        let app = Router::new().fallback(move |request: Request<Body>| {
            let inner = Arc::clone(&inner);
            async move { inner.pass(request).await }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        relay
    }

    /// From now on call-backs go to these in turn; they wait while there is none.
    pub(crate) fn turn_to(&self, receivers: Vec<SocketAddr>) {
        self.inner.receivers.send_replace(receivers);
    }

    pub(crate) fn seen(&self) -> Seen {
        self.inner.seen.lock().unwrap().clone()
    }

    /// Adds a bill and pays it, or leaves it unpaid and sends a forged call-back; waits until its call-back was passed on.
    pub(crate) async fn bill(&self, sim: &Sim, client: &Client, identifier: &str, amount: &str, pay: bool) {
        let added = client.add(&bill(identifier, amount).unwrap()).await.unwrap();
        let (psid, key) = (added.psid().unwrap(), format!("payment/23/{}", added.id().unwrap().get()));
        {
            let mut seen = self.inner.seen.lock().unwrap();
            seen.keys.insert((psid.to_string(), amount.to_owned()), key.clone());
            if pay {
                seen.paid.insert(key.clone());
            }
        }
        if pay {
            sim.bank().pay(psid, amount.parse().unwrap(), identifier).await.unwrap();
        } else {
            self.forge(psid, identifier, amount).await;
        }
        let mut posts = self.inner.posts.subscribe();
        posts.wait_for(|_| self.inner.seen.lock().unwrap().posted.contains(&key)).await.unwrap();
    }

    async fn forge(&self, psid: Psid, identifier: &str, amount: &str) {
        let body = format!(
            r#"{{"title":"Ali Tuck Shop","identifier":"{identifier}","dueDate":"2099-12-31","amount":"{amount}","amountAfterDueDate":"{amount}","psid":"{psid}"}}"#
        );
        let request = Request::post(format!("http://{}/processed", self.address)).body(Bytes::from(body)).unwrap();
        // It may meet a receiver that is killed.
        drop(self.inner.transport.send(request).await);
    }
}

impl Inner {
    async fn pass(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, BODY_MAX).await.unwrap();
        let mut receivers = self.receivers.subscribe();
        let receivers = receivers.wait_for(|receivers| !receivers.is_empty()).await.unwrap().clone();
        let receiver = receivers[self.turn.fetch_add(1, Ordering::Relaxed) % receivers.len()];
        let url = format!("http://{receiver}{}", head.uri.path());
        let passed = Request::post(url).header("content-type", "application/json").body(body.clone()).unwrap();
        // Before it is sent: it may be handled before it is answered.
        let key = self.note_posted(&body);
        let answer = self.transport.send(passed).await;
        if answer.as_ref().is_ok_and(|answer| answer.body().as_ref() == ACKNOWLEDGED.as_bytes()) {
            self.note_acknowledged(key);
        }
        let nobody = || Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).unwrap();
        answer.map_or_else(|_| nobody(), |answer| answer.map(Body::from))
    }

    /// Says which payment it is about, if there is one.
    fn note_posted(&self, body: &[u8]) -> Option<String> {
        let text = |value: &serde_json::Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let claim = (text(&body, "psid"), text(&body, "amount"));
        let key = {
            let mut seen = self.seen.lock().unwrap();
            let key = seen.keys.get(&claim).cloned();
            seen.posted.extend(key.clone());
            key
        };
        self.posts.send_modify(|posts| *posts += 1);
        key
    }

    fn note_acknowledged(&self, key: Option<String>) {
        let mut seen = self.seen.lock().unwrap();
        match key {
            Some(key) if seen.paid.contains(&key) => {
                seen.acknowledged.insert(key);
            }
            _ => seen.forged += 1,
        }
    }
}

impl Seen {
    /// Holds what was handled against what passed: all that was acknowledged once, nothing twice, nothing forged. Says what
    /// is missing.
    pub(crate) fn missing_from(&self, handled: &[String]) -> usize {
        let keys: BTreeSet<_> = handled.iter().cloned().collect();
        assert_eq!(keys.len(), handled.len(), "handled more than once");
        let stray: Vec<_> =
            keys.iter().filter(|key| !self.paid.contains(*key) || !self.posted.contains(*key)).collect();
        assert!(stray.is_empty(), "never announced, and handled: {stray:?}");
        self.acknowledged.difference(&keys).count()
    }
}
