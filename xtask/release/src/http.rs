//! One HTTP exchange: https to anybody, plain http to this machine only, nothing followed blindly, nothing read without end.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, http};

/// crates.io refuses whoever doesn't say who asks.
const USER_AGENT: &str = concat!("asaanbill-release/", env!("CARGO_PKG_VERSION"));

/// What a registry or a forge is asked through.
#[derive(Debug)]
pub(crate) struct Http {
    agent: Agent,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// How long we are told to wait, if we are.
    pub(crate) retry_after: Option<Duration>,
}

/// Why there is no answer. Whether the request was acted upon isn't known.
#[derive(Debug)]
pub(crate) struct NoAnswer(String);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Http {
    pub(crate) fn new(exchange: Duration) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(exchange))
            .user_agent(USER_AGENT)
            // A download may move; ureq keeps the token from another host. A PUT or POST isn't sent on.
            .max_redirects(3)
            .max_redirects_will_error(false)
            // Each exchange has its own connection: a stale one would be an outcome that nobody knows.
            .max_idle_connections(0)
            .tls_config(tls)
            .build();
        Self { agent: config.into() }
    }

    /// Asks, without effect there. `limit` bounds the body, in bytes.
    pub(crate) fn get(&self, url: &str, token: Option<&str>, limit: u64) -> Result<Answer, NoAnswer> {
        let mut request = self.agent.get(checked(url)?).header("cache-control", "no-cache");
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        read(request.call(), limit)
    }

    /// Uploads.
    pub(crate) fn put(&self, url: &str, token: &str, body: &[u8], limit: u64) -> Result<Answer, NoAnswer> {
        let request = self.agent.put(checked(url)?).config().max_redirects(0).build();
        read(request.header("authorization", token).header("accept", "application/json").send(body), limit)
    }

    /// Creates.
    pub(crate) fn post(&self, url: &str, token: &str, json: &str, limit: u64) -> Result<Answer, NoAnswer> {
        let request = self.agent.post(checked(url)?).config().max_redirects(0).build();
        read(request.header("authorization", token).header("content-type", "application/json").send(json), limit)
    }
}

/// The address, if a token and a package may be sent there.
pub(crate) fn is_allowed(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return url.starts_with("https://");
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    ["127.0.0.1", "localhost", "[::1]"].contains(&host)
}

fn checked(url: &str) -> Result<&str, NoAnswer> {
    if is_allowed(url) { Ok(url) } else { Err(NoAnswer(format!("{url} is neither https nor on this machine"))) }
}

fn read(answer: Result<http::Response<Body>, ureq::Error>, limit: u64) -> Result<Answer, NoAnswer> {
    let mut answer = answer.map_err(|error| NoAnswer(error.to_string()))?;
    let status = answer.status().as_u16();
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let retry_after = header("retry-after").and_then(|after| waiting_time(&after, header("date").as_deref()));
    let body =
        answer.body_mut().with_config().limit(limit).read_to_vec().map_err(|error| NoAnswer(error.to_string()))?;
    Ok(Answer { status, body, retry_after })
}

/// `Retry-After` is seconds, or a date: then the answer's own date is what it counts from, whatever our clock says.
fn waiting_time(after: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = after.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = date.and_then(|date| httpdate::parse_http_date(date).ok())?;
    let then: SystemTime = httpdate::parse_http_date(after.trim()).ok()?;
    Some(then.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_https_or_nowhere_else() {
        for url in ["https://index.crates.io/", "http://127.0.0.1:80/x", "http://localhost/", "http://[::1]:9/"] {
            assert!(is_allowed(url), "{url}");
        }
        for url in [
            "http://crates.io/",
            "http://localhost.evil/",
            "http://127.0.0.1.evil:80/",
            "ftp://x/",
            "http://a@127.0.0.1/",
            "",
        ] {
            assert!(!is_allowed(url), "{url}");
        }
    }

    #[test]
    fn how_long_to_wait_is_seconds_or_a_date() {
        let date = Some("Mon, 08 Jul 2024 16:16:50 GMT");
        let check = |after: &str, date: Option<&str>, seconds: Option<u64>| {
            assert_eq!(waiting_time(after, date), seconds.map(Duration::from_secs), "{after}");
        };
        check("600", None, Some(600));
        check("Mon, 08 Jul 2024 16:26:50 GMT", date, Some(600));
        check("Mon, 08 Jul 2024 16:06:50 GMT", date, Some(0));
        check("Mon, 08 Jul 2024 16:26:50 GMT", None, None);
        check("soon", date, None);
    }
}
