//! Who may post call-backs: the path secret, and the addresses.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap};
use ipnet::IpNet;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The fewest characters of a path secret: 22 random ones of the allowed alphabet are 128 bits, and whoever makes one up by
/// hand is warned by the limit alone.
pub const PATH_SECRET_MIN: usize = 22;

/// The most: it is part of each request's first line.
pub const PATH_SECRET_MAX: usize = 256;

/// The most proxies before the receiver.
const PROXY_HOPS_MAX: usize = 8;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Who may post call-backs.
#[derive(Clone, Default)]
pub(crate) struct Guard {
    /// The secret's digest: two of them are compared in the same time, whatever the secrets' lengths.
    secret: Option<[u8; 32]>,
    allowed: Vec<IpNet>,
    hops: usize,
}

impl Guard {
    /// The guard, or what isn't allowed.
    pub(crate) fn new(secret: Option<&str>, allowed: Vec<IpNet>, hops: usize) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        if let Some(secret) = secret {
            if !(PATH_SECRET_MIN..=PATH_SECRET_MAX).contains(&secret.len()) {
                problems.push(format!(
                    "the path secret has {} characters, and may have {PATH_SECRET_MIN} to {PATH_SECRET_MAX}",
                    secret.len()
                ));
            }
            if !secret.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b)) {
                problems.push("the path secret has other characters than A-Z, a-z, 0-9, - . _ ~".to_owned());
            }
        }
        if hops > PROXY_HOPS_MAX {
            problems.push(format!("there are {hops} proxy hops, and may be up to {PROXY_HOPS_MAX}"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { secret: secret.map(digest), allowed, hops })
    }

    /// The path after the secret; none if the secret isn't there.
    pub(crate) fn unlock<'p>(&self, path: &'p str) -> Option<&'p str> {
        let Some(secret) = &self.secret else { return Some(path) };
        let (segment, _) = path.strip_prefix('/')?.split_once('/').unwrap_or((path, ""));
        let right = bool::from(digest(segment).ct_eq(secret));
        right.then(|| &path[segment.len() + 1..])
    }

    /// Whom a request comes from, as far as that is known: the peer, or what the outermost trusted proxy says of its own.
    pub(crate) fn source(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        if self.hops == 0 {
            return extensions.get().map(|ConnectInfo::<SocketAddr>(peer)| peer.ip().to_canonical());
        }
        // Each proxy appends whom it heard: the last entry is the nearest proxy's word, and what is before the outermost
        // trusted one's is anybody's.
        let all = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let entries: Vec<&str> = all.flat_map(|value| value.split(',')).collect();
        let entry = entries.len().checked_sub(self.hops).and_then(|place| entries.get(place))?.trim();
        let address = entry.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|at| at.ip()));
        address.map(|address: IpAddr| address.to_canonical())
    }

    /// Whether call-backs may come from there.
    pub(crate) fn admits(&self, source: Option<IpAddr>) -> bool {
        self.allowed.is_empty() || source.is_some_and(|source| self.allowed.iter().any(|net| net.contains(&source)))
    }

    /// Whether a connection from there can't bring any that may.
    pub(crate) fn turns_away(&self, peer: SocketAddr) -> bool {
        self.hops == 0 && !self.admits(Some(peer.ip().to_canonical()))
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("secret", &self.secret.is_some())
            .field("allowed", &self.allowed)
            .field("hops", &self.hops)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "correct-horse-battery-staple";

    #[test]
    fn only_the_secret_unlocks() {
        let guard = Guard::new(Some(SECRET), Vec::new(), 0).unwrap();
        let check = |path: &str, expected: Option<&str>| assert_eq!(guard.unlock(path), expected, "{path}");
        check(&format!("/{SECRET}/processed"), Some("/processed"));
        check(&format!("/{SECRET}/"), Some("/"));
        check(&format!("/{SECRET}"), None);
        check(&format!("{SECRET}/processed"), None);
        for path in ["/processed", "/", "", "//processed", "/correct-horse-battery-stapl/processed", "/x/y"] {
            check(path, None);
        }
        check(&format!("/{SECRET}e/processed"), None);
        check(&format!("//{SECRET}/processed"), None);
        assert_eq!(Guard::default().unlock("/processed"), Some("/processed"));
        assert!(!format!("{guard:?}").contains("horse"));
    }

    #[test]
    fn a_weak_secret_is_refused() {
        for (secret, hops, problems) in
            [("short", 0, 1), ("with a space, and so on", 0, 1), ("né", 9, 3), (&"x".repeat(257), 0, 1)]
        {
            assert_eq!(Guard::new(Some(secret), Vec::new(), hops).unwrap_err().len(), problems, "{secret}");
        }
    }

    /// Allowed are `192.0.2.0/24` and `2001:db8::/32`. The peer, the forwarding headers, the hops.
    fn check(peer: Option<&str>, forwarded: &[&str], hops: usize, expected: bool) {
        let allowed = vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let guard = Guard::new(None, allowed, hops).unwrap();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let mut extensions = Extensions::new();
        if let Some(peer) = peer {
            extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 7)));
        }
        let admitted = guard.admits(guard.source(&headers, &extensions));
        assert_eq!(admitted, expected, "{peer:?} {forwarded:?} {hops}");
    }

    #[test]
    fn without_proxies_the_peer_counts() {
        check(Some("192.0.2.7"), &[], 0, true);
        check(Some("::ffff:192.0.2.7"), &[], 0, true);
        check(Some("2001:db8::1"), &[], 0, true);
        check(Some("198.51.100.7"), &[], 0, false);
        check(Some("198.51.100.7"), &["192.0.2.7"], 0, false);
        check(None, &["192.0.2.7"], 0, false);
    }

    #[test]
    fn behind_proxies_the_outermost_trusted_word_counts() {
        check(Some("10.0.0.1"), &["192.0.2.7"], 1, true);
        check(Some("10.0.0.1"), &["192.0.2.7:4711"], 1, true);
        check(Some("10.0.0.1"), &["192.0.2.7, 198.51.100.7"], 1, false);
        check(Some("10.0.0.1"), &["198.51.100.7, 192.0.2.7"], 1, true);
        check(Some("10.0.0.1"), &["198.51.100.7", "192.0.2.7"], 1, true);
        check(Some("10.0.0.1"), &["192.0.2.7, 10.0.0.2"], 2, true);
        check(Some("10.0.0.1"), &["192.0.2.7, 198.51.100.7, 10.0.0.2"], 2, false);
        check(Some("10.0.0.1"), &["192.0.2.7"], 2, false);
        check(Some("192.0.2.7"), &[], 1, false);
        check(Some("10.0.0.1"), &["unknown"], 1, false);
    }
}
