//! Who may use the simulator's own pages, `/_sim`: programs on this machine, and elsewhere whoever has the token. Never a web
//! page from somewhere else.
//!
//! A browser on this machine reaches what listens on loopback, whatever page asks it to; and a page whose name's address
//! changes to 127.0.0.1 after it was loaded (DNS rebinding) counts as of the same origin. So the name that was asked for has
//! to be ours, and so has the page's origin.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use axum::response::Response;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::admin::refused;
use crate::SimBuilder;

/// The first segment of the simulator's own pages.
const OWN_PAGES: &str = "/_sim";

/// What tells only whether the simulator runs: watchdogs ask it without a token.
const OPEN_PAGES: [&str; 2] = ["/_sim/health", "/_sim/ready"];

/// Where a browser says which page asks: the same origin, another one, or a person.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who may use the simulator's own pages from elsewhere, and under which names.
#[derive(Clone, Default)]
pub(crate) struct Admin {
    /// Kept as a digest: so tokens of all lengths are compared in the same time, and none can be shown.
    token: Option<[u8; 32]>,
    names: Vec<String>,
}

impl SimBuilder {
    /// Opens the simulator's own pages, under `/_sim`, to whoever sends `authorization: Bearer` with this token. They need no
    /// token where the listener's address is a loopback one, and without a token they are closed everywhere else.
    #[must_use]
    pub fn admin_token(mut self, token: &SecretString) -> Self {
        self.admin.token = Some(digest(token.expose_secret()));
        self
    }

    /// Adds a name under which the simulator's own pages may be asked for, beside `localhost` and the address that is
    /// listened on. A name without a port.
    #[must_use]
    pub fn host_name(mut self, name: impl Into<String>) -> Self {
        self.admin.names.push(name.into());
        self
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("token", &self.token.is_some()).field("names", &self.names).finish()
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Stands before the router.
#[derive(Debug)]
pub(super) struct Guard {
    admin: Admin,
    /// Whether the listener's address is a loopback one. An address for all interfaces isn't, whoever connects: a proxy on
    /// this machine would lend its own to everybody.
    on_loopback: bool,
}

impl Guard {
    /// For a listener on that address.
    pub(super) fn new(admin: Admin, listener: SocketAddr) -> Self {
        Self { admin, on_loopback: listener.ip().to_canonical().is_loopback() }
    }

    /// The answer to a request that may not pass. `local` is the connection's own address here.
    pub(super) fn refuse<B>(&self, request: &Request<B>, local: SocketAddr) -> Option<Response> {
        let path = request.uri().path();
        let own = path.strip_prefix(OWN_PAGES).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !own {
            return None;
        }
        let headers = request.headers();
        let hosts = headers.get_all(header::HOST).iter().map(authority);
        // A request line with a whole address means that one, whatever the header says.
        let hosts: Option<Vec<_>> = hosts.chain(request.uri().authority().cloned().map(Some)).collect();
        let hosts = hosts.unwrap_or_default();
        if hosts.is_empty() || !hosts.iter().all(|host| self.is_ours(host, local)) {
            let why = "the Host header must name localhost, the address that is listened on, or a configured name";
            return Some(refused(StatusCode::FORBIDDEN, &why));
        }
        if !is_same_origin(headers, &hosts[0]) {
            return Some(refused(StatusCode::FORBIDDEN, &"no page of another origin may do this"));
        }
        if self.on_loopback || OPEN_PAGES.contains(&path) {
            return None;
        }
        self.refuse_stranger(headers)
    }

    fn refuse_stranger(&self, headers: &HeaderMap) -> Option<Response> {
        let Some(expected) = &self.admin.token else {
            let why = "closed: it is open on a loopback address, and elsewhere if an admin token is set";
            return Some(refused(StatusCode::FORBIDDEN, &why));
        };
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let token = match (given.next().and_then(bearer), given.next()) {
            (Some(token), None) => digest(token),
            _ => [0; 32],
        };
        if bool::from(token.ct_eq(expected)) {
            return None;
        }
        let mut response = refused(StatusCode::UNAUTHORIZED, &"authorization: Bearer with the admin token is needed");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(response)
    }

    fn is_ours(&self, host: &Authority, local: SocketAddr) -> bool {
        let name = host.host();
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            // An address can't be bent by DNS: who asks for it has connected to it.
            let ip = ip.to_canonical();
            return ip.is_loopback() || ip == local.ip().to_canonical();
        }
        let mut names = self.admin.names.iter().map(String::as_str).chain(["localhost"]);
        names.any(|ours| ours.eq_ignore_ascii_case(name))
    }
}

/// A host with or without a port, and nothing else.
fn authority(value: &HeaderValue) -> Option<Authority> {
    let authority: Authority = value.to_str().ok()?.parse().ok()?;
    (!authority.as_str().contains('@')).then_some(authority)
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_start())
}

/// Whether no page asks, or one of our own. A page can't forge these headers, and browsers leave the second out for what
/// they take for harmless, such as a picture.
fn is_same_origin(headers: &HeaderMap, host: &Authority) -> bool {
    let sites_fit = headers.get_all(&FETCH_SITE).iter().all(|site| site == "same-origin" || site == "none");
    let origin_fits = |origin: &HeaderValue| {
        let (scheme, origin) = origin.to_str().ok()?.split_once("://")?;
        let default = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let origin: Authority = origin.parse().ok()?;
        let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
        Some(origin.host().eq_ignore_ascii_case(host.host()) && port(&origin) == port(host))
    };
    sites_fit && headers.get_all(header::ORIGIN).iter().all(|origin| origin_fits(origin) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::{Admin, Guard, digest};
    use http::Request;

    const TOKEN: &str = "of-the-admin";

    fn guard(listener: &str, token: bool) -> Guard {
        let names = vec!["Sim.example".to_owned()];
        Guard::new(Admin { token: token.then(|| digest(TOKEN)), names }, listener.parse().unwrap())
    }

    /// The status with which a request is refused, if it is; `local` is the connection's own address.
    fn check(guard: &Guard, local: &str, path: &str, headers: &[(&str, &str)], expected: Option<u16>) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let refused = guard.refuse(&request.body(()).unwrap(), local.parse().unwrap());
        assert_eq!(refused.map(|response| response.status().as_u16()), expected, "{path} {headers:?}");
    }

    #[test]
    fn only_its_own_pages_are_guarded() {
        let guard = guard("0.0.0.0:80", false);
        for path in ["/", "/integration/add", "/_simulator", "/api/1.0/Payments/BillInquiry", "/payment-hub/_sim/pay"] {
            check(&guard, "10.0.0.5:80", path, &[("host", "evil.example")], None);
        }
        for path in ["/_sim", "/_sim/", "/_sim/pay", "/_sim/pay?a=b", "/_sim//pay"] {
            check(&guard, "10.0.0.5:80", path, &[("host", "10.0.0.5")], Some(403));
        }
    }

    #[test]
    fn the_host_must_be_ours() {
        let guard = guard("127.0.0.1:8088", false);
        let check = |host: &str, expected| check(&guard, "127.0.0.1:8088", "/_sim/pay", &[("host", host)], expected);
        for ours in [
            "localhost",
            "LOCALHOST:8088",
            "127.0.0.1",
            "127.0.0.1:8088",
            "127.8.8.8:1",
            "[::1]:8088",
            "[::ffff:127.0.0.1]",
            "sim.example:80",
            "SIM.EXAMPLE",
        ] {
            check(ours, None);
        }
        for other in [
            "evil.example",
            "evil.example:8088",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "sim.example.evil.example",
            "10.0.0.5",
            "",
            "localhost@evil.example",
            "evil@localhost",
            "local host",
        ] {
            check(other, Some(403));
        }
    }

    #[test]
    fn every_host_must_be_ours() {
        let guard = guard("127.0.0.1:8088", false);
        let check = |path, headers: &[_], expected| check(&guard, "127.0.0.1:8088", path, headers, expected);
        check("/_sim/pay", &[], Some(403));
        check("/_sim/pay", &[("host", "localhost"), ("host", "localhost")], None);
        check("/_sim/pay", &[("host", "localhost"), ("host", "evil.example")], Some(403));
        check("/_sim/pay", &[("host", "evil.example"), ("host", "localhost")], Some(403));
        check("http://evil.example/_sim/pay", &[("host", "localhost")], Some(403));
        check("http://localhost/_sim/pay", &[("host", "evil.example")], Some(403));
        check("http://localhost/_sim/pay", &[("host", "localhost")], None);
    }

    #[test]
    fn pages_of_other_origins() {
        let guard = guard("127.0.0.1:8088", false);
        let check = |host: &str, header: &str, value: &str, expected| {
            check(&guard, "127.0.0.1:8088", "/_sim/pay", &[("host", host), (header, value)], expected);
        };
        check("localhost:8088", "origin", "http://localhost:8088", None);
        check("localhost:8088", "origin", "http://LOCALHOST:8088", None);
        check("localhost", "origin", "http://localhost", None);
        check("localhost:80", "origin", "http://localhost", None);
        check("localhost", "origin", "https://localhost:443", None);
        for other in [
            "http://evil.example",
            "http://localhost",
            "http://localhost:8089",
            "http://127.0.0.1:8088",
            "https://localhost",
            "null",
            "",
            "localhost:8088",
            "file://",
            "ftp://localhost:8088",
        ] {
            check("localhost:8088", "origin", other, Some(403));
        }
        for (site, expected) in
            [("same-origin", None), ("none", None), ("same-site", Some(403)), ("cross-site", Some(403))]
        {
            check("localhost:8088", "sec-fetch-site", site, expected);
        }
    }

    #[test]
    fn elsewhere_a_token_is_needed() {
        let here = "10.0.0.5:80";
        let ask = |guard: &Guard, authorization: &[&str], expected| {
            let headers = authorization.iter().map(|value| ("authorization", *value));
            let headers: Vec<_> = [("host", "10.0.0.5")].into_iter().chain(headers).collect();
            check(guard, here, "/_sim/pay", &headers, expected);
        };
        for listener in ["10.0.0.5:80", "0.0.0.0:80", "[::]:80"] {
            let guarded = guard(listener, true);
            ask(&guarded, &["Bearer of-the-admin"], None);
            ask(&guarded, &["bearer  of-the-admin"], None);
            let wrong = [
                "",
                "Bearer",
                "Bearer ",
                "Bearer of-the-admi",
                "Bearer of-the-admin2",
                "Basic of-the-admin",
                "of-the-admin",
            ];
            for wrong in wrong {
                ask(&guarded, &[wrong], Some(401));
            }
            ask(&guarded, &[], Some(401));
            ask(&guarded, &["Bearer of-the-admin", "Bearer of-the-admin"], Some(401));
            ask(&guard(listener, false), &["Bearer of-the-admin"], Some(403));
            // Whoever connects over loopback to an address for all may be a proxy.
            check(&guarded, "127.0.0.1:80", "/_sim/pay", &[("host", "localhost")], Some(401));
            for open in ["/_sim/health", "/_sim/ready"] {
                check(&guarded, here, open, &[("host", "10.0.0.5")], None);
                check(&guarded, here, open, &[("host", "evil.example")], Some(403));
            }
        }
        check(&guard("[::1]:80", true), "[::1]:80", "/_sim/pay", &[("host", "[::1]")], None);
    }

    #[test]
    fn an_admin_shows_no_token() {
        let shown = format!("{:?}", guard("0.0.0.0:80", true));
        assert!(shown.contains("token: true") && shown.contains("Sim.example"), "{shown}");
        assert!(!shown.contains(TOKEN));
    }
}
