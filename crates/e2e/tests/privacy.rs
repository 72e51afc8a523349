//! Every operation under TRACE, good and failing: spans by OpenTelemetry's conventions, and no secret, payer or body in them.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asaanbill_client::raw::{Create, Read, Request};
use asaanbill_client::{Client, ImportEvent, ImportOptions, PageRequest, ResolvePolicy, RetryPolicy, WatchPolicy};
use asaanbill_core::{Fields, NewPayment, PaymentKind};
use asaanbill_sim::{Role, Sim, User};
use asaanbill_transport::{Fault, Faulty, HyperTransport, ReqwestTransport, Transport, TransportError};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use tokio::net::TcpListener;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// How long an operation may take, and whatever is lost may still arrive. No fault makes a client wait for its end.
const WINDOW: Duration = Duration::from_secs(5);

const PASSWORD: &str = "p4ss-w0rd-of-nobody";
const PAYER: &str = "Zubaida Khatoon";
const IDENTIFIER: &str = "PAYER-OF-TRACE";
const DESCRIPTION: &str = "confidential tea";

/// Writes everything down.
#[derive(Clone, Default)]
struct Capture {
    spans: Arc<AtomicU64>,
    /// By span, and what belongs to none under 0.
    lines: Arc<Mutex<HashMap<u64, String>>>,
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The hub's own are the hub's.
        !metadata.target().starts_with("asaanbill_sim") && !metadata.target().starts_with("asaanbill_storage")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.spans.fetch_add(1, Ordering::Relaxed) + 1;
        let mut line = format!("{} {}", span.metadata().target(), span.metadata().name());
        span.record(&mut Line(&mut line));
        self.lines.lock().unwrap().insert(id, line);
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut lines = self.lines.lock().unwrap();
        values.record(&mut Line(lines.entry(span.into_u64()).or_default()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut lines = self.lines.lock().unwrap();
        let line = lines.entry(0).or_default();
        let _ = write!(line, "\n{}", event.metadata().target());
        event.record(&mut Line(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Notes the tokens that go out.
#[derive(Debug)]
struct Spy<T> {
    inner: T,
    tokens: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl<T: Transport> Transport for Spy<T> {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        if let Some(token) = request.headers().get("x-auth-ph-key") {
            assert!(token.is_sensitive());
            self.tokens.lock().unwrap().push(token.to_str().unwrap().to_owned());
        }
        self.inner.send(request).await
    }
}

fn new(kind: PaymentKind, identifier: &str) -> NewPayment {
    let fields = Fields {
        title: Some(PAYER),
        identifier: Some(identifier),
        amount: Some("50"),
        due_date: Some("2099-12-31"),
        amount_after_due_date: Some("50"),
        description: Some(DESCRIPTION),
        longitude: Some("72.996636"),
        latitude: Some("33.646342"),
    };
    NewPayment::parse(kind, &fields).unwrap()
}

/// Everything that a client can do.
async fn everything(client: &Client) {
    let page = PageRequest::default();
    let bill = new(PaymentKind::Psid, IDENTIFIER);
    let row = bill.bill().unwrap().clone();
    let _ = client.log_in().await;
    for &kind in PaymentKind::ALL {
        let _ = client.add(&new(kind, &format!("{IDENTIFIER}-{kind:?}"))).await;
    }
    let psid = client.add_once("invoice", &bill).await.ok().and_then(|payment| payment.psid());
    let psid = psid.unwrap_or("100139100100154854584585".parse().unwrap());
    let _ = client.add_if_none_outstanding(&bill).await;
    let _ = client.add_bulk(std::slice::from_ref(&row)).await;
    let _ = client.payments(page).await;
    let _ = client.payment("999".parse().unwrap()).await;
    let _ = client.search(psid, page).await;
    let _ = client.bulk_requests(page).await;
    let _ = client.bulk_request("1".parse().unwrap()).await;
    let _ = client.read(&Request::<Read>::new(&format!("/search/{psid}"), []).unwrap()).await;
    let _ = client
        .create(Request::<Create>::new("/add", [("who", PAYER)], format!("{{\"title\":\"{PAYER}\"}}")).unwrap())
        .await;
    let _ = client.watch(psid, WatchPolicy::default()).next().await;
    let _ = client.sweep().next().await;
    let mut import = client.import(stream::iter(vec![row; 3]), ImportOptions::new());
    while let Some(Ok(ImportEvent::Row(_) | ImportEvent::Progress(_))) = import.next().await {}
    for intent in client.open_intents(None).await.unwrap() {
        let _ = client.resolve(&intent).await;
    }
}

/// The captured lines of everything over a transport, with the tokens that went out.
async fn captured(hub: &str, transport: impl Transport + 'static, password: &str) -> (Vec<String>, Vec<String>) {
    let (capture, tokens) = (Capture::default(), Arc::new(Mutex::new(Vec::new())));
    let client = Client::builder()
        .base_url(hub)
        .credentials("trace", password)
        .retry(
            RetryPolicy::default()
                .attempts(2)
                .backoff(Duration::from_millis(1), Duration::from_millis(1))
                .total(WINDOW),
        )
        .resolve_policy(ResolvePolicy::default().quiescence(WINDOW).looks(WINDOW, WINDOW))
        .transport(Spy { inner: transport, tokens: Arc::clone(&tokens) })
        .build()
        .unwrap();
    let guard = tracing::subscriber::set_default(capture.clone());
    everything(&client).await;
    drop(guard);
    let lines = capture.lines.lock().unwrap().values().cloned().collect();
    let tokens = tokens.lock().unwrap().clone();
    (lines, tokens)
}

#[tokio::test]
async fn nothing_private_is_traced() {
    let user = User::new("trace", PASSWORD, "23".parse().unwrap(), Role::Full);
    let sim = Sim::builder().user(user).build().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hub = format!("http://{}", listener.local_addr().unwrap());
    let serving = sim.clone();
    let server = tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });

    let faults = |rule: fn(usize) -> Fault| {
        let mut count = 0;
        Faulty::by(sim.transport(), move |_| {
            count += 1;
            if count == 1 { Fault::None } else { rule(count) }
        })
    };
    let mut runs = vec![
        captured(&hub, HyperTransport::new().unwrap(), PASSWORD).await,
        captured(&hub, ReqwestTransport::new().unwrap(), PASSWORD).await,
        captured(&hub, sim.transport(), "wr0ng-pass-of-nobody").await,
    ];
    let rules: [fn(usize) -> Fault; 6] = [
        |_| Fault::LoseAnswer,
        |count| if count % 2 == 0 { Fault::Refuse } else { Fault::None },
        |_| Fault::ProxyAnswerAfter(StatusCode::BAD_GATEWAY),
        |_| Fault::Truncate(100),
        |_| Fault::CutAnswer,
        |_| Fault::LoseRequest,
    ];
    for rule in rules {
        runs.push(captured(&hub, faults(rule), PASSWORD).await);
    }
    server.abort();

    let mut all = String::new();
    for (lines, tokens) in runs {
        let text = lines.join("\n");
        let tokens = tokens.iter().map(String::as_str);
        let private = [
            PASSWORD,
            "wr0ng-pass",
            PAYER,
            "Zubaida",
            IDENTIFIER,
            DESCRIPTION,
            "1001390000",
            "responseMessage",
            "amountAfter",
            "72.99",
        ];
        for private in private.into_iter().chain(tokens) {
            assert!(!text.contains(private), "{private} is in {text}");
        }
        all.push_str(&text);
        all.push('\n');
    }
    // It is by the conventions, and it isn't empty.
    for expected in [
        r#"otel.name="asaanbill.add""#,
        r#"otel.name="asaanbill.import""#,
        r#"otel.name="POST /integration/add""#,
        r#"otel.name="GET /integration/search/{psid}""#,
        r#"otel.kind="client""#,
        r#"http.request.method="POST""#,
        "http.response.status_code=200",
        "http.response.status_code=502",
        "http.request.resend_count=1",
        r#"server.address="127.0.0.1""#,
        r#"error.type="OutcomeUnknown""#,
        r#"otel.status_code="ERROR""#,
    ] {
        assert!(all.contains(expected), "{expected} is missing in {all}");
    }
}
