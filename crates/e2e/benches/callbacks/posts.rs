//! Genuine call-backs, each about a bill of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::load::Requests;

/// Call-backs to one address, numbered on and on.
#[derive(Debug)]
pub(crate) struct Posts {
    address: SocketAddr,
    next: AtomicU64,
}

impl Posts {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, next: AtomicU64::new(1) }
    }

    /// How many were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.next.load(Ordering::Relaxed) - 1
    }
}

impl Requests for Posts {
    fn address(&self, _connection: usize) -> SocketAddr {
        self.address
    }

    fn request(&self, _connection: usize, _nth: u64) -> Request<Full<Bytes>> {
        request(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// The call-back about the bill of this number.
fn request(number: u64) -> Request<Full<Bytes>> {
    let body = format!(
        r#"{{"title":"Bareera Sheikh","identifier":"FS-{number}","dueDate":"2025-08-31","amount":"50","amountAfterDueDate":"55","psid":"100139{number:018}"}}"#
    );
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static("/processed");
    request.headers_mut().insert("host", http::HeaderValue::from_static("hooks.example"));
    request
}
