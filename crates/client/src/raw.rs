//! Requests by their effect, and answers as they come: for what the client doesn't model.
//!
//! A [`Request`] says in its type what it does to the hub. [`Client::read`](crate::Client::read) borrows a
//! `Request<Read>`, and may send it several times. [`Client::create`](crate::Client::create) **consumes** a
//! `Request<Create>`, which can't be cloned, and gives it back in one case only: it is proven that the hub has not seen it
//! ([`Unsent`]). So to send again what may have been sent doesn't compile.
//!
//! ```
//! use asaanbill_client::raw::{Create, Read, Request};
//!
//! let list = Request::<Read>::new("/payment", [("pageNo", "0"), ("pageSize", "10")])?;
//! let add = Request::<Create>::new("/add", [("generationTypes", "PSID")], br#"{"payment":{}}"#.to_vec())?;
//! # Ok::<(), asaanbill_client::ClientError>(())
//! ```
//!
//! What creates isn't retried by what retries:
//!
//! ```compile_fail,E0308
//! # use asaanbill_client::{Client, raw::{Create, Request}};
//! # async fn example(client: Client, add: Request<Create>) {
//! client.read(&add).await;
//! # }
//! ```
//!
//! nor sent twice:
//!
//! ```compile_fail,E0382
//! # use asaanbill_client::{Client, raw::{Create, Request}};
//! # async fn example(client: Client, add: Request<Create>) {
//! client.create(add).await;
//! client.create(add).await;
//! # }
//! ```
//!
//! nor copied to be sent twice:
//!
//! ```compile_fail,E0599
//! # use asaanbill_client::{Client, raw::{Create, Request}};
//! # async fn example(client: Client, add: Request<Create>) {
//! client.create(add.clone()).await;
//! # }
//! ```
//!
//! and nobody else can say that it wasn't sent:
//!
//! ```compile_fail,E0451
//! # use asaanbill_client::{ClientError, raw::{Create, Request, Unsent}};
//! # fn example(add: Request<Create>, error: ClientError) -> Unsent {
//! Unsent { request: Some(add), error }
//! # }
//! ```
//!
//! Nor is there a third effect that could be retried:
//!
//! ```compile_fail,E0277
//! # use asaanbill_client::raw::Request;
//! struct Maybe;
//! fn example(request: Request<Maybe>) {}
//! ```

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use asaanbill_wire::Endpoint;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::value::RawValue;

use crate::error::{ClientError, ErrorKind};
use crate::ops::with_query;

/// It changes nothing: it may be sent again.
#[derive(Clone, Copy, Debug)]
pub enum Read {}

/// It creates bills: after a lost answer nobody knows whether it has.
#[derive(Clone, Copy, Debug)]
pub enum Create {}

/// What a request does to the hub: [`Read`] or [`Create`], and nothing else.
pub trait Effect: sealed::Sealed {}

impl Effect for Read {}
impl Effect for Create {}

mod sealed {
    pub trait Sealed {
        /// Whether a lost answer leaves something unknown.
        const CREATES: bool;
    }

    impl Sealed for super::Read {
        const CREATES: bool = false;
    }

    impl Sealed for super::Create {
        const CREATES: bool = true;
    }
}

/// A request before it has an address and headers. One that creates can't be cloned.
pub struct Request<E: Effect> {
    pub(crate) method: Method,
    /// Path and query after the base.
    pub(crate) path: Cow<'static, str>,
    /// The path without its values, for spans.
    pub(crate) template: &'static str,
    pub(crate) body: Bytes,
    effect: PhantomData<E>,
}

impl Request<Read> {
    /// A GET of a path after the base, such as `/payment`, with a query.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] if it is no path.
    pub fn new<'q>(path: &str, query: impl IntoIterator<Item = (&'q str, &'q str)>) -> Result<Self, ClientError> {
        Ok(Self::of(Method::GET, checked(path, query)?, RAW, Bytes::new()))
    }

    /// The request of an operation that reads.
    pub(crate) fn read(endpoint: Endpoint, path: impl Into<Cow<'static, str>>) -> Self {
        Self::of(endpoint.method(), path, endpoint.template(), Bytes::new())
    }

    /// Login trades a password for a token, and may do so twice.
    pub(crate) fn login(body: Bytes) -> Self {
        let endpoint = Endpoint::Login;
        Self::of(endpoint.method(), endpoint.path(""), endpoint.template(), body)
    }
}

impl Request<Create> {
    /// A POST to a path after the base, such as `/add`, with a query and a JSON body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] if it is no path.
    pub fn new<'q>(
        path: &str,
        query: impl IntoIterator<Item = (&'q str, &'q str)>,
        body: impl Into<Bytes>,
    ) -> Result<Self, ClientError> {
        Ok(Self::of(Method::POST, checked(path, query)?, RAW, body.into()))
    }

    /// The request of an operation that creates.
    pub(crate) fn create(endpoint: Endpoint, path: impl Into<Cow<'static, str>>, body: Bytes) -> Self {
        Self::of(endpoint.method(), path, endpoint.template(), body)
    }
}

/// What spans call a path that the client doesn't know: it may hold anything.
const RAW: &str = "/{raw}";

fn checked<'q>(path: &str, query: impl IntoIterator<Item = (&'q str, &'q str)>) -> Result<String, ClientError> {
    let plain = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && !b"?#\\".contains(&b));
    let climbs = path.split('/').any(|segment| matches!(segment, "." | ".."));
    if !plain || climbs {
        let allowed =
            "a path begins with a slash and holds visible ASCII characters, no `?`, `#`, `\\`, `.` or `..` segment";
        return Err(ClientError::new(ErrorKind::Refused, allowed));
    }
    let mut pairs = query.into_iter().map(|(name, value)| (name, value.to_owned())).peekable();
    Ok(if pairs.peek().is_some() { with_query(path, pairs) } else { path.into() })
}

impl<E: Effect> Request<E> {
    /// Whether a lost answer leaves something unknown.
    pub(crate) const CREATES: bool = <E as sealed::Sealed>::CREATES;

    fn of(method: Method, path: impl Into<Cow<'static, str>>, template: &'static str, body: Bytes) -> Self {
        Self { method, path: path.into(), template, body, effect: PhantomData }
    }

    pub(crate) fn is_login(&self) -> bool {
        self.template == Endpoint::Login.template()
    }
}

/// Says where it goes, by the path's pattern, and how much: never what it holds.
impl<E: Effect> fmt::Debug for Request<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("template", &self.template)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// An answer of the hub as it came, envelope and all. Its HTTP status and its code say success. `Debug` hides the data.
#[derive(Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The hub's words, which may hold anything.
    pub message: Box<str>,
    /// The data as JSON, if there is any.
    pub data: Option<Box<RawValue>>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.data.as_ref().map(|data| data.get().len());
        f.debug_struct("Answer").field("status", &self.status).field("data_bytes", &bytes).finish_non_exhaustive()
    }
}

/// A request to create that failed, and, if it is proven that the hub hasn't seen it, the request itself: it may be sent
/// again.
#[derive(Debug)]
pub struct Unsent {
    pub(crate) request: Option<Request<Create>>,
    pub(crate) error: ClientError,
}

impl Unsent {
    /// What went wrong.
    pub fn error(&self) -> &ClientError {
        &self.error
    }

    /// The request, if it may be sent again, and what went wrong.
    pub fn into_parts(self) -> (Option<Request<Create>>, ClientError) {
        (self.request, self.error)
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Unsent {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl From<Unsent> for ClientError {
    fn from(unsent: Unsent) -> Self {
        unsent.error
    }
}

#[cfg(test)]
mod tests {
    use super::{Create, Read, Request};

    #[test]
    fn a_path_stays_below_the_base() {
        let check = |path: &str, expected: Option<&str>| {
            let read = Request::<Read>::new(path, [("a", "b c")]);
            assert_eq!(read.ok().map(|request| request.path).as_deref(), expected, "{path:?}");
        };
        check("/payment", Some("/payment?a=b+c"));
        check("/payment/25", Some("/payment/25?a=b+c"));
        for refused in ["", "payment", "/a?b", "/a#b", "/a b", "/a\n", "/../login", "/./a", "/é", "/a\\b"] {
            check(refused, None);
        }
        assert_eq!(Request::<Read>::new("/a", []).unwrap().path, "/a");
    }

    #[test]
    fn debug_says_neither_path_nor_body() {
        let request = Request::<Create>::new("/search/1001", [("who", "Mahd")], "{\"title\":\"Mahd\"}").unwrap();
        assert_eq!(format!("{request:?}"), "Request { method: POST, template: \"/{raw}\", bytes: 16, .. }");
    }
}
