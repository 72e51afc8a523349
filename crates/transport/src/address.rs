//! Where a request may go.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::error::{ErrorKind, TransportError};

/// https to anybody, plain http to this machine only, and no second meaning hidden in the address.
pub(crate) fn check(uri: &Uri) -> Result<(), TransportError> {
    let invalid = |detail: &'static str| Err(TransportError::not_sent(ErrorKind::InvalidRequest).with_detail(detail));
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return invalid("its address is not absolute");
    };
    if authority.as_str().contains('@') {
        return invalid("its address holds a user name; credentials belong in headers");
    }
    let host = authority.host();
    if host.is_empty() || !is_host_and_port(authority, host) {
        return invalid("its address has no readable host and port");
    }
    if *scheme == Scheme::HTTPS {
        return match cfg!(feature = "__rustls") {
            true => Ok(()),
            false => Err(TransportError::not_sent(ErrorKind::Tls)
                .with_detail("built without TLS: turn on the feature rustls-ring or rustls-aws-lc-rs")),
        };
    }
    if *scheme != Scheme::HTTP {
        return invalid("its scheme is neither https nor http");
    }
    if !is_loopback(host) {
        return Err(TransportError::not_sent(ErrorKind::Refused)
            .with_detail("plain http leaves this machine in clear text; use https"));
    }
    Ok(())
}

/// Whether the authority is the host, and a port written as numbers are, if there is one.
fn is_host_and_port(authority: &Authority, host: &str) -> bool {
    let is_port = |digits: &str| {
        digits.bytes().all(|b| b.is_ascii_digit())
            && digits.parse::<u16>().is_ok()
            && (digits == "0" || !digits.starts_with('0'))
    };
    match authority.as_str().strip_prefix(host) {
        Some("") => true,
        Some(rest) => rest.strip_prefix(':').is_some_and(is_port),
        None => false,
    }
}

/// Whether a host is this machine by its spelling alone: 127.0.0.0/8 in dotted decimals, `[::1]` or `localhost`. The
/// transports never ask a resolver for `localhost`.
fn is_loopback(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match v6 {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => {
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Delivery;

    fn check(uri: &str, expected: Result<(), ErrorKind>) {
        let verdict = super::check(&uri.parse().unwrap()).map_err(|error| {
            assert_eq!(error.delivery(), Delivery::NotSent, "{uri}");
            error.kind()
        });
        assert_eq!(verdict, expected, "{uri}");
    }

    #[cfg(feature = "__rustls")]
    #[test]
    fn https_goes_anywhere() {
        for uri in ["https://hub.example/add", "https://192.0.2.1:8443", "https://[2001:db8::1]/a?b=c"] {
            check(uri, Ok(()));
        }
    }

    #[cfg(not(feature = "__rustls"))]
    #[test]
    fn https_needs_a_feature() {
        check("https://hub.example/add", Err(ErrorKind::Tls));
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for host in ["127.0.0.1", "127.255.255.254:80", "localhost", "LocalHost:9", "[::1]", "[::1]:8080"] {
            check(&format!("http://{host}/"), Ok(()));
        }
        for host in [
            "192.0.2.1",
            "128.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::ffff:127.0.0.1]",
            "hub.example",
            "localhost.",
            "localhost.example",
            "127.0.0.1.example",
            "127.1",
            "0x7f.0.0.1",
        ] {
            check(&format!("http://{host}/"), Err(ErrorKind::Refused));
        }
    }

    #[test]
    fn an_address_means_one_thing() {
        for uri in ["/add", "hub.example:443", "https://me@hub.example/", "http://a:b@127.0.0.1/", "http://127.0.0.1:/"]
        {
            check(uri, Err(ErrorKind::InvalidRequest));
        }
        for uri in ["ftp://127.0.0.1/", "http://127.0.0.1:70000/", "http://127.0.0.1:080/", "unix://localhost/"] {
            check(uri, Err(ErrorKind::InvalidRequest));
        }
    }

    /// reqwest reads addresses by other rules than `http` does. Whatever passes here as plain http to this machine must
    /// be this machine to it as well.
    #[cfg(feature = "reqwest")]
    mod against_reqwests_reading {
        use std::net::IpAddr;

        use proptest::prelude::*;

        use super::super::*;

        fn is_this_machine(url: &::reqwest::Url) -> bool {
            let host = url.host_str().unwrap_or_default();
            let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            url.scheme() == "http" && (host == "localhost" || address.is_ok_and(|address| address.is_loopback()))
        }

        proptest! {
            #[test]
            fn what_is_admitted_in_clear_text_stays_here(
                host in "(127\\.0\\.0\\.1|localhost|\\[::1\\]|127\\.|0x7f|[0-9a-z.:%\\[\\]@_-]{1,4})[0-9a-z.:%\\[\\]@_-]{0,3}",
                rest in "[/?#\\\\]?[a-z.@:/\\\\]{0,12}",
            ) {
                let text = format!("http://{host}{rest}");
                let admitted = text.parse::<Uri>().is_ok_and(|uri| check(&uri).is_ok());
                if admitted {
                    let uri: Uri = text.parse()?;
                    if let Ok(url) = ::reqwest::Url::parse(&uri.to_string()) {
                        prop_assert!(is_this_machine(&url), "{text} is {url} to reqwest");
                    }
                }
            }
        }
    }
}
