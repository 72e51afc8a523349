//! Where the hub is.
//!
//! guide:addr-3 guide:addr-4 guide:addr-12

use http::Uri;
use http::uri::Authority;

use crate::error::BuildError;

/// How the hub's base and an endpoint's path are joined: the base ends in `/integration`, and the guide begins each endpoint
/// with `/integration` again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathStyle {
    /// Exactly one: `…/payment-hub/integration/add`. (assumed to be what is meant)
    #[default]
    Single,
    /// Two, as the guide reads literally: `…/payment-hub/integration/integration/add`.
    Doubled,
}

/// The hub's base address. Invariant: https, or http on this machine; no query, no user information; ends as the style
/// says, without a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base(String);

impl Base {
    pub(crate) fn new(url: &str, style: PathStyle) -> Result<Self, BuildError> {
        let wrong = BuildError::Base;
        let uri: Uri = url.parse().map_err(|_| wrong("it is no address"))?;
        let authority = uri.authority().ok_or(wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it holds a user name"));
        }
        if uri.query().is_some() || url.contains('#') {
            return Err(wrong("it has a query or a fragment"));
        }
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_loopback(authority) => {}
            _ => return Err(wrong("only https is allowed, and http on this machine")),
        }
        let segment = format!("/{}", asaanbill_wire::SEGMENT);
        let mut base = url.trim_end_matches('/');
        while let Some(before) = base.strip_suffix(&segment) {
            base = before;
        }
        Ok(Self(match style {
            PathStyle::Single => format!("{base}{segment}"),
            PathStyle::Doubled => format!("{base}{segment}{segment}"),
        }))
    }

    /// The address of a path below the base.
    pub(crate) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    matches!(host, "localhost" | "[::1]") || host.parse::<std::net::Ipv4Addr>().is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{Base, PathStyle};

    fn check(url: &str, style: PathStyle, expected: Option<&str>) {
        assert_eq!(Base::new(url, style).map(|base| base.join("/add")).ok().as_deref(), expected, "{url}");
    }

    #[test]
    fn the_segment_comes_once_or_twice() {
        let staging = asaanbill_wire::STAGING_BASE;
        let host = "https://mypaymenhub-stg.evampsaanga.com/payment-hub";
        check(staging, PathStyle::Single, Some(&format!("{host}/integration/add")));
        check(staging, PathStyle::Doubled, Some(&format!("{host}/integration/integration/add")));
        check(&format!("{staging}/integration"), PathStyle::Single, Some(&format!("{host}/integration/add")));
        check(host, PathStyle::Single, Some(&format!("{host}/integration/add")));
        check("http://127.0.0.1:8080", PathStyle::Single, Some("http://127.0.0.1:8080/integration/add"));
        check("http://[::1]:8080/", PathStyle::Doubled, Some("http://[::1]:8080/integration/integration/add"));
        check("http://localhost/integration/", PathStyle::Single, Some("http://localhost/integration/add"));
    }

    #[test]
    fn secrets_go_over_https_or_stay_here() {
        for refused in [
            "http://hub.example/integration",
            "http://127.0.0.1.example/",
            "ftp://127.0.0.1/",
            "https://user@hub.example/",
            "https://hub.example/?a=b",
            "https://hub.example/integration#x",
            "/integration",
            "hub.example",
            "",
        ] {
            check(refused, PathStyle::Single, None);
        }
    }
}
