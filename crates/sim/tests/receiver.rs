//! An integrator's receiver of call-backs on a loopback port, which answers as a test says.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use http::{Request, Response, Uri, header};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::hub::PATIENCE;

/// What acknowledges a call-back. (Guide, Call-back APIs)
pub(crate) const RECEIVED: &str = r#"{"responseCode":200,"responseMessage":"Request processed successfully"}"#;

/// More than any test leaves unread.
const CALLS_MAX: usize = 64;

pub(crate) struct Receiver {
    port: u16,
    calls: mpsc::Receiver<Call>,
}

/// A call-back that waits for its answer.
pub(crate) struct Call {
    /// Method, path and content type.
    pub(crate) head: String,
    pub(crate) body: String,
    answer: oneshot::Sender<Response<Body>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, calls) = mpsc::channel(CALLS_MAX);
        let router = Router::new().fallback(receive).with_state(sender);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, calls }
    }

    pub(crate) fn url(&self) -> Uri {
        format!("http://127.0.0.1:{}/hooks", self.port).parse().unwrap()
    }

    /// The next call-back.
    pub(crate) async fn next(&mut self) -> Call {
        let next = tokio::time::timeout(PATIENCE, self.calls.recv()).await;
        next.expect("a call-back in time").expect("the receiver runs")
    }

    /// The next call-back, acknowledged: its path and body.
    pub(crate) async fn acknowledged(&mut self) -> String {
        let call = self.next().await;
        let said = format!("{} {}", call.head.split(' ').nth(1).unwrap(), call.body);
        call.answer(200, RECEIVED);
        said
    }

    /// Whether nothing has come that wasn't read.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.calls.try_recv().is_err()
    }
}

impl Call {
    pub(crate) fn answer(self, status: u16, body: impl Into<Body>) {
        self.answer_with(Response::builder().status(status).body(body.into()).unwrap());
    }

    pub(crate) fn answer_with(self, answer: Response<Body>) {
        self.answer.send(answer).expect("the hub waits for the answer");
    }
}

async fn receive(State(calls): State<mpsc::Sender<Call>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE).map_or("", |value| value.to_str().unwrap());
    let head = format!("{} {} {content_type}", parts.method, parts.uri);
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().into()).unwrap();
    let (answer, answered) = oneshot::channel();
    calls.send(Call { head, body, answer }).await.expect("the test listens");
    answered.await.unwrap_or_else(|_| Response::builder().status(503).body(Body::empty()).unwrap())
}
