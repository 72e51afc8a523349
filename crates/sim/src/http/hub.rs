//! The eight operations over HTTP. Checks come in this order: token, other headers, role, query, body.
//!
//! guide:addr-5 guide:addr-8 guide:env-5 guide:env-6 guide:env-8 guide:env-10 guide:env-11 guide:add-13
//! guide:add-17 guide:reuse-6 guide:bulk-7 guide:read-10

use std::borrow::Cow;
use std::sync::Arc;

use asaanbill_core::{BulkRequestId, ChannelId, NewPayment, PaymentKind};
use asaanbill_storage::StorageError;
use asaanbill_wire::{
    AddRequest, AddedPayment, BulkRequest, CHANNEL_HEADER, CONTENT_TYPE, CONTENT_TYPE_CSV, CONTENT_TYPE_JSON, Endpoint,
    Envelope, GENERATION_TYPES, Literals, LoginAnswer, LoginChannel, LoginRequest, LoginUser, Message, NotText,
    PAGE_NO, PAGE_SIZE, PageRequest, Permission, Private, SEGMENT, Scalar, TOKEN_HEADER, USERNAME_HEADER,
    read_generation_type, refusal,
};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header, request};
use http_body_util::LengthLimitError;
use serde::Deserialize;

use super::{REQUEST_BODY_MAX, written};
use crate::Sim;
use crate::code::qr_string;
use crate::hub::{self, Act, Batch, BulkProgress, Cause, Outcome, Refusal};
use crate::journal::RequestId;
use crate::store::Access;

/// The segment with which the staging system's base begins.
const FIRST_SEGMENT: &str = "payment-hub";

/// A request's body.
pub(super) enum Payload {
    /// It was read already, to its end.
    Read(Bytes),
    /// It comes.
    Coming(Body),
}

/// Answers whatever comes that isn't the simulator's own.
pub(super) async fn answer(State(sim): State<Sim>, request: Request<Body>) -> Response {
    operation(&sim, request.map(Payload::Coming)).await.map(Body::from)
}

/// Answers a request for an operation.
pub(super) async fn operation(sim: &Sim, request: Request<Payload>) -> http::Response<Bytes> {
    let (parts, payload) = request.into_parts();
    match operate(sim, &parts, payload).await {
        Ok(response) => response,
        Err(Refusal { status, message, data, retry_after }) => {
            let mut response = written(status, &Envelope::new(status.as_u16(), &message, data));
            if status == StatusCode::METHOD_NOT_ALLOWED {
                let methods = allowed(parts.uri.path()).map(|method| (header::ALLOW, method));
                response.headers_mut().extend(methods);
            }
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            response
        }
    }
}

type Answered = Result<http::Response<Bytes>, Refusal>;

async fn operate(sim: &Sim, parts: &request::Parts, body: Payload) -> Answered {
    let (endpoint, value) = route(&parts.method, parts.uri.path())?;
    if endpoint == Endpoint::Login {
        let user = header(&parts.headers, USERNAME_HEADER)?.to_owned();
        return login(sim, user, &read_body(&parts.headers, body).await?).await;
    }
    let access = authorize(sim, endpoint, &parts.headers).await?;
    let channel = access.channel;
    let cause = Cause(parts.extensions.get::<RequestId>().map(|id| id.get()));
    let query = Query::read(parts.uri.query().unwrap_or_default());
    let store = sim.engine().store();
    match endpoint {
        Endpoint::Login => Err(Refusal::not_found(Message::NotFound)),
        Endpoint::Add => {
            let kind = query.kind(sim)?;
            let body = read_body(&parts.headers, body).await?;
            add(sim, channel, kind, &body, cause).await
        }
        Endpoint::AddBulk => {
            query.content_type(&[CONTENT_TYPE_JSON])?;
            let body = read_body(&parts.headers, body).await?;
            add_bulk(sim, channel, &body, cause).await
        }
        Endpoint::BulkRequests => {
            let content_type = query.content_type(&[CONTENT_TYPE_JSON, CONTENT_TYPE_CSV])?;
            let page = query.page()?;
            show(hub::bulk_list(store, channel, content_type, page).await?)
        }
        Endpoint::BulkRequest => {
            // What isn't a number is no batch's.
            let id = value.parse::<BulkRequestId>().map_err(|_| Refusal::not_found(Message::BulkRequestNotFound))?;
            let detail = hub::bulk_detail(store, channel, id).await?;
            // What is shown is how it was when it was asked for.
            if matches!(sim.engine().progress(), BulkProgress::Polls(_)) {
                sim.polled(channel, id, cause).await?;
            }
            show(detail)
        }
        Endpoint::Payments => {
            let page = query.page()?;
            show(hub::payments(store, channel, page).await?)
        }
        Endpoint::Payment => show(hub::payment(store, channel, &value).await?),
        Endpoint::Search => {
            let page = query.page()?;
            let found = hub::search(store, channel, &value, page).await?;
            let nothing = found.total() == Some(0);
            if nothing && sim.settings().settings.empty_search_is_not_found {
                return Err(Refusal::not_found(Message::PaymentNotFound));
            }
            show(found)
        }
    }
}

fn show(data: impl serde::Serialize) -> Answered {
    Ok(written(StatusCode::OK, &Envelope::success(data)))
}

/// The operation that a request means, if it means one.
pub(super) fn endpoint(method: &Method, path: &str) -> Option<Endpoint> {
    route(method, path).ok().map(|(endpoint, _)| endpoint)
}

/// Which operation a path means, and the value in it.
fn route(method: &Method, path: &str) -> Result<(Endpoint, String), Refusal> {
    let (name, value) = below_base(path).ok_or_else(|| Refusal::not_found(Message::NotFound))?;
    let mut endpoints = at(name, value).peekable();
    if endpoints.peek().is_none() {
        return Err(Refusal::not_found(Message::NotFound));
    }
    let endpoint = endpoints.find(|endpoint| endpoint.method() == method);
    let not_allowed = || Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Message::MethodNotAllowed.as_str());
    Ok((endpoint.ok_or_else(not_allowed)?, value.unwrap_or_default().to_owned()))
}

/// The operations of a path.
fn at<'p>(name: &'p str, value: Option<&'p str>) -> impl Iterator<Item = Endpoint> + 'p {
    Endpoint::ALL.iter().copied().filter(move |endpoint| {
        let mut template = endpoint.template().split('/').skip(1);
        template.next() == Some(name) && template.next().is_some() == value.is_some()
    })
}

/// The methods that a path has, for a 405. (RFC 9110, section 15.5.6)
fn allowed(path: &str) -> impl Iterator<Item = HeaderValue> {
    let endpoints = below_base(path).into_iter().flat_map(|(name, value)| at(name, value));
    endpoints.filter_map(|endpoint| HeaderValue::from_str(endpoint.method().as_str()).ok())
}

/// What follows the base: a name, and perhaps a value. The segment that the base ends with comes once or twice, and is never
/// left out. (assumed)
fn below_base(path: &str) -> Option<(&str, Option<&str>)> {
    let mut segments = path.strip_prefix('/')?.split('/').peekable();
    segments.next_if_eq(&FIRST_SEGMENT);
    segments.next_if_eq(&SEGMENT)?;
    segments.next_if_eq(&SEGMENT);
    let (name, value) = (segments.next()?, segments.next());
    (segments.next().is_none() && value != Some("")).then_some((name, value))
}

/// A header that has to be there. (documented code, assumed words)
fn header<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Refusal> {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    value.ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, Message::missing_header(name)))
}

/// Token, other headers, role.
async fn authorize(sim: &Sim, endpoint: Endpoint, headers: &HeaderMap) -> Result<Arc<Access>, Refusal> {
    let no_token = || Refusal::new(StatusCode::UNAUTHORIZED, Message::NoToken.as_str());
    let forbidden = || Refusal::new(StatusCode::FORBIDDEN, Message::Forbidden.as_str());
    let token = header(headers, TOKEN_HEADER).map_err(|_| no_token())?;
    let access = sim.token_user(hub::digest(token)).await?.ok_or_else(no_token)?;
    if header(headers, USERNAME_HEADER)? != access.user {
        return Err(no_token());
    }
    let channel = header(headers, CHANNEL_HEADER)?;
    let channel: ChannelId = channel.parse().map_err(|_| Refusal::bad_request(Message::InvalidChannel))?;
    let allowed = match endpoint.permission() {
        None => true,
        Some(Permission::Add) => access.may_add,
        Some(Permission::Read) => access.may_read,
    };
    if channel == access.channel && allowed { Ok(access) } else { Err(forbidden()) }
}

/// A body that says that it is JSON.
async fn read_body(headers: &HeaderMap, body: Payload) -> Result<Bytes, Refusal> {
    let invalid = || Refusal::bad_request(Message::InvalidBody);
    let too_large = || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Message::TooLarge.as_str());
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(invalid());
    }
    match body {
        Payload::Read(bytes) if bytes.len() > REQUEST_BODY_MAX => Err(too_large()),
        Payload::Read(bytes) => Ok(bytes),
        Payload::Coming(body) => axum::body::to_bytes(body, REQUEST_BODY_MAX).await.map_err(|error| {
            let over = std::error::Error::source(&error).is_some_and(|source| source.is::<LengthLimitError>());
            if over { too_large() } else { invalid() }
        }),
    }
}

/// Reads JSON, out of bytes that are checked as UTF-8 once.
fn read_json<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Refusal> {
    let invalid = || Refusal::bad_request(Message::InvalidBody);
    let text = std::str::from_utf8(body).map_err(|_| invalid())?;
    serde_json::from_str(text).map_err(|_| invalid())
}

/// A query's parameters, in order.
struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Query<'q> {
    fn read(query: &'q str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).collect())
    }

    fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// A parameter that comes at most once.
    fn one(&self, name: &str) -> Result<Option<&str>, ()> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| &**value);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(()),
        }
    }

    fn kind(&self, sim: &Sim) -> Result<PaymentKind, Refusal> {
        let kind = match self.one(GENERATION_TYPES) {
            Ok(None) if sim.settings().settings.missing_kind_is_psid => Some(PaymentKind::Psid),
            Ok(word) => word.and_then(read_generation_type),
            Err(()) => None,
        };
        kind.ok_or_else(|| Refusal::bad_request(Message::InvalidGenerationTypes))
    }

    fn content_type(&self, allowed: &[&'static str]) -> Result<&'static str, Refusal> {
        let given = self.one(CONTENT_TYPE).ok().flatten();
        let known = allowed.iter().copied().find(|allowed| Some(*allowed) == given);
        known.ok_or_else(|| Refusal::bad_request(Message::InvalidContentType))
    }

    fn page(&self) -> Result<PageRequest, Refusal> {
        let page = PageRequest::parse(self.all(PAGE_NO).next(), self.all(PAGE_SIZE).next());
        page.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
    }
}

async fn login(sim: &Sim, user: String, body: &[u8]) -> Answered {
    let request: LoginRequest = read_json(body)?;
    let credentials = hub::Credentials { user, password: request.password };
    let (access, token) = sim.login(credentials).await?;
    show(LoginAnswer {
        token: token.text,
        // A simulator's users have one name. (assumed: the guide's sample has two)
        user: Some(LoginUser { first_name: Some(Private::text(access.user)), last_name: Some(Private::text("")) }),
        channel: Some(LoginChannel {
            id: Some(Scalar::number(access.channel.get())),
            name: Some(Scalar::text(access.channel_name)),
        }),
    })
}

async fn add(sim: &Sim, channel: ChannelId, kind: PaymentKind, body: &[u8], cause: Cause) -> Answered {
    let invalid = || Refusal::bad_request(Message::InvalidBody);
    let request: AddRequest<'_> = read_json(body)?;
    let fields = request.payment.fields(literals(sim)).map_err(|NotText| invalid())?;
    let new = NewPayment::parse(kind, &fields).map_err(|bad| {
        let problems: Vec<String> = bad.errors().iter().map(refusal).collect();
        Refusal::new(StatusCode::BAD_REQUEST, problems.join(", "))
    })?;
    match sim.engine().ask(Act::Add { channel, new }, cause).await? {
        Outcome::Added(added) => show(AddedPayment::new(&added, &qr_string(&added))),
        _ => Err(StorageError::closed().into()),
    }
}

async fn add_bulk(sim: &Sim, channel: ChannelId, body: &[u8], cause: Cause) -> Answered {
    let request: BulkRequest<'_> = read_json(body)?;
    let mut batch = Batch::read(&request, literals(sim))?;
    let good = std::mem::take(&mut batch.good);
    match sim.engine().ask(Act::Accept { channel, good }, cause).await? {
        Outcome::Accepted(id) => Ok(written(StatusCode::OK, &batch.answer(id))),
        _ => Err(StorageError::closed().into()),
    }
}

fn literals(sim: &Sim) -> Literals {
    if sim.settings().settings.accept_literals { Literals::Accepted } else { Literals::Refused }
}

#[cfg(test)]
mod tests {
    use super::route;
    use asaanbill_wire::Endpoint;
    use http::Method;

    fn check(method: &Method, path: &str, expected: Result<(Endpoint, &str), u16>) {
        let found = route(method, path);
        let found = found.as_ref().map(|(endpoint, value)| (*endpoint, value.as_str()));
        assert_eq!(found.map_err(|refusal| refusal.status.as_u16()), expected, "{method} {path}");
    }

    #[test]
    fn every_spelling_of_the_base() {
        for base in [
            "/payment-hub/integration",
            "/payment-hub/integration/integration",
            "/integration",
            "/integration/integration",
        ] {
            check(&Method::POST, &format!("{base}/login"), Ok((Endpoint::Login, "")));
            check(&Method::POST, &format!("{base}/add"), Ok((Endpoint::Add, "")));
            check(&Method::POST, &format!("{base}/add-bulk"), Ok((Endpoint::AddBulk, "")));
            check(&Method::GET, &format!("{base}/bulk-payment-request"), Ok((Endpoint::BulkRequests, "")));
            check(&Method::GET, &format!("{base}/bulk-payment-request/11"), Ok((Endpoint::BulkRequest, "11")));
            check(&Method::GET, &format!("{base}/payment"), Ok((Endpoint::Payments, "")));
            check(&Method::GET, &format!("{base}/payment/x"), Ok((Endpoint::Payment, "x")));
            check(&Method::GET, &format!("{base}/search/1001"), Ok((Endpoint::Search, "1001")));
        }
    }

    #[test]
    fn unknown_paths_and_wrong_methods() {
        check(&Method::GET, "/integration/add", Err(405));
        check(&Method::DELETE, "/integration/payment/1", Err(405));
        check(&Method::POST, "/integration/search/1", Err(405));
        for unknown in [
            "/",
            "",
            "/integration",
            "/integration/",
            "/integration/adds",
            "/integration/search",
            "/integration/payment/1/2",
            "/integration/bulkpayment-request/1",
            "/elsewhere/add",
            "/add",
            "/payment-hub/add",
            "/payment-hubs/integration/add",
            "/payment-hubs/add",
            "/integration/integration/integration/add",
            "//integration/add",
            "/integration//add",
            "/integration/add/",
            "/integration/payment/",
            "/integration/search/",
            "/Integration/add",
        ] {
            check(&Method::GET, unknown, Err(404));
        }
    }
}
