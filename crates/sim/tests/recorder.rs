//! An integrator's receiver that answers by itself, and remembers what it was told: for tests in which time passes.

use std::sync::{Arc, Mutex};

use asaanbill_sim::{Settings, Sim, SimBuilder};
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, Response, Uri};
use jiff::SignedDuration;
use tokio::net::TcpListener;

use crate::hub::Hub;
use crate::receiver::RECEIVED;

pub(crate) struct Recorder {
    port: u16,
    told: Arc<Mutex<Vec<Told>>>,
}

/// A call-back that was answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

impl Recorder {
    /// Acknowledges everything.
    pub(crate) async fn start() -> Self {
        Self::answering(|_| 200).await
    }

    /// Answers the call-back with this number, from 0, with a status, of which 200 acknowledges.
    pub(crate) async fn answering(status: fn(usize) -> u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let noted = Arc::clone(&told);
        let receive = async move |request: Request<Body>| {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap().into();
            let number = {
                let mut noted = noted.lock().unwrap();
                noted.push(Told { path: parts.uri.path().to_owned(), body });
                noted.len() - 1
            };
            Response::builder().status(status(number)).body(Body::from(RECEIVED)).unwrap()
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(receive)).await });
        Self { port, told }
    }

    /// A simulator that calls it back, with these settings.
    pub(crate) fn builder(&self, settings: &[(&str, &str)]) -> SimBuilder {
        let url: Uri = format!("http://127.0.0.1:{}", self.port).parse().unwrap();
        with_settings(settings).callback_url(url)
    }

    /// What it was told so far, oldest first.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// The bodies of what it was told, which are text.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.told().into_iter().map(|told| String::from_utf8(told.body).unwrap()).collect()
    }
}

/// Waits until all that is due now is done.
pub(crate) async fn settle(hub: &Hub) {
    hub.sim.advance(SignedDuration::ZERO).await.unwrap();
}

/// A simulator with settings by name.
pub(crate) fn with_settings(settings: &[(&str, &str)]) -> SimBuilder {
    let mut values = Settings::default();
    for (name, value) in settings {
        values.set(name, value).unwrap();
    }
    Sim::builder().settings(values)
}
