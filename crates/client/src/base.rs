//! Where the hub is.
//!
//! guide:addr-3 guide:addr-4 guide:addr-12

use bytes::Bytes;
use http::Uri;
use http::uri::{Authority, Parts, PathAndQuery};

use crate::error::BuildError;
use crate::ops::FIXED_PATHS;

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
pub(crate) struct Base {
    uri: Uri,
    /// The addresses of paths that never change, so that no bill has to wait for its own to be put together.
    fixed: Vec<(&'static str, Uri)>,
}

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
        let address = match style {
            PathStyle::Single => format!("{base}{segment}"),
            PathStyle::Doubled => format!("{base}{segment}{segment}"),
        };
        let uri = address.parse().map_err(|_| wrong("it is no address"))?;
        let mut base = Self { uri, fixed: Vec::new() };
        base.fixed = FIXED_PATHS.iter().filter_map(|path| Some((*path, base.joined(path)?))).collect();
        Ok(base)
    }

    /// The address of a path below the base, if it is one.
    pub(crate) fn uri(&self, path: &str) -> Option<Uri> {
        let fixed = self.fixed.iter().find(|(fixed, _)| *fixed == path);
        fixed.map_or_else(|| self.joined(path), |(_, uri)| Some(uri.clone()))
    }

    fn joined(&self, path: &str) -> Option<Uri> {
        let before = self.uri.path();
        let mut whole = String::with_capacity(before.len() + path.len());
        whole.push_str(before);
        whole.push_str(path);
        let mut parts = Parts::default();
        parts.scheme = self.uri.scheme().cloned();
        parts.authority = self.uri.authority().cloned();
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(whole)).ok()?);
        Uri::from_parts(parts).ok()
    }

    /// The path of an endpoint's pattern, for spans.
    pub(crate) fn template(&self, template: &str) -> String {
        format!("{}{template}", self.uri.path())
    }

    pub(crate) fn scheme(&self) -> &str {
        self.uri.scheme_str().unwrap_or_default()
    }

    pub(crate) fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    pub(crate) fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(if self.scheme() == "https" { 443 } else { 80 })
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
        assert_eq!(
            Base::new(url, style).ok().and_then(|base| base.uri("/add")).map(|uri| uri.to_string()).as_deref(),
            expected,
            "{url}"
        );
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
