//! Where call-backs go, as an operator writes it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::uri::PathAndQuery;

/// The longest address. Far more than any needs, and a small part of what servers take for a request's head.
pub(crate) const CALLBACK_URL_MAX: usize = 2048;

/// The longest host name. (RFC 1035)
const NAME_MAX: usize = 253;

/// The longest part of a host name between two dots. (RFC 1035)
const LABEL_MAX: usize = 63;

/// Where call-backs go, without the path of the event: `http` or `https`, a host, an optional port and an optional path.
///
/// Invariant: no user, no query, no fragment. An address of IPv4 is kept as what it means, however it was written (`127.1`,
/// `0x7f000001` and `2130706433` are 127.0.0.1), and so is one that wears IPv6's clothes. Nothing is said about whether it
/// may be called: a [`TargetPolicy`](super::TargetPolicy) decides when it is.
///
/// The text comes back by [`CallbackUrl::as_text`]. Receivers keep a secret in its path, so `Debug` and errors don't show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CallbackUrl {
    pub(super) tls: bool,
    pub(super) host: Host,
    port: Option<u16>,
    /// Empty, or a slash and more, with no slash at the end.
    path: String,
}

/// Who is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// To be looked up. In lower case.
    Name(String),
    /// Never mapped.
    Address(IpAddr),
}

impl CallbackUrl {
    /// The whole address, secret path and all: for the store. It parses to the same address again.
    pub(crate) fn as_text(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }

    /// Scheme, host and port: what may be shown.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// Host and port, as the `host` header has them.
    pub(super) fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 443 } else { 80 })
    }

    /// What an event's path makes of it. `None` if the event's path is none.
    pub(super) fn target(&self, event: &str) -> Option<PathAndQuery> {
        (event.starts_with('/') && is_path(event)).then(|| format!("{}{event}", self.path).parse().ok()).flatten()
    }
}

impl FromStr for CallbackUrl {
    type Err = CallbackUrlError;

    fn from_str(text: &str) -> Result<Self, CallbackUrlError> {
        let mut problems = Vec::new();
        if text.len() > CALLBACK_URL_MAX {
            return Err(CallbackUrlError(vec![Problem::TooLong]));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(CallbackUrlError(vec![Problem::Relative]));
        };
        let tls = scheme.eq_ignore_ascii_case("https");
        if !tls && !scheme.eq_ignore_ascii_case("http") {
            problems.push(Problem::Scheme);
        }
        // A backslash ends the authority for browsers and not for others: what follows must not be taken for a host.
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        let (host, port) = read_authority(authority, &mut problems);
        let (rest, fragment) = rest.split_once('#').map_or((rest, false), |(rest, _)| (rest, true));
        let (path, query) = rest.split_once('?').map_or((rest, false), |(path, _)| (path, true));
        problems.extend((!is_path(path)).then_some(Problem::Path));
        problems.extend(query.then_some(Problem::Query));
        problems.extend(fragment.then_some(Problem::Fragment));
        match (host, problems.is_empty()) {
            (Some(host), true) => Ok(Self { tls, host, port, path: path.trim_end_matches('/').to_owned() }),
            _ => Err(CallbackUrlError(problems)),
        }
    }
}

/// Host and port. What is wrong with them goes to the problems.
fn read_authority(authority: &str, problems: &mut Vec<Problem>) -> (Option<Host>, Option<u16>) {
    let (user, authority) = authority.rsplit_once('@').map_or((false, authority), |(_, rest)| (true, rest));
    problems.extend(user.then_some(Problem::User));
    // The colons within brackets are the address's.
    let after = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority[after..].find(':') {
        Some(colon) => (&authority[..after + colon], Some(&authority[after + colon + 1..])),
        None => (authority, None),
    };
    let port = port.and_then(|digits| {
        let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        let number = number.filter(|port| *port != 0);
        problems.extend(number.is_none().then_some(Problem::Port));
        number
    });
    let host = Host::parse(host);
    problems.extend(host.is_none().then_some(Problem::Host));
    (host, port)
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(v6) = text.strip_prefix('[') {
            let address: Ipv6Addr = v6.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.to_canonical()));
        }
        let labels: Vec<&str> = text.split('.').collect();
        // What ends in a number is an address or nothing, as browsers, curl and the C library have it.
        if number(labels.last()?).is_some() || labels.last()?.bytes().all(|b| b.is_ascii_digit()) {
            return Some(Self::Address(ipv4(&labels)?.into()));
        }
        let is_label = |label: &&str| {
            let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            plain && !label.is_empty() && label.len() <= LABEL_MAX && !label.starts_with('-') && !label.ends_with('-')
        };
        (text.len() <= NAME_MAX && labels.iter().all(is_label)).then(|| Self::Name(text.to_ascii_lowercase()))
    }
}

/// An IPv4 address of one to four numbers, of which the last fills what the others leave. (WHATWG URL, IPv4 parser)
fn ipv4(labels: &[&str]) -> Option<Ipv4Addr> {
    let numbers = labels.iter().map(|label| number(label)).collect::<Option<Vec<u64>>>()?;
    let (last, leading) = numbers.split_last()?;
    let spare = 4_u32.checked_sub(u32::try_from(leading.len()).ok()?).filter(|spare| *spare > 0)?;
    if leading.iter().any(|number| *number > 255) || *last >= 1 << (8 * spare) {
        return None;
    }
    let leading = leading.iter().zip([24, 16, 8]).fold(0, |sum, (number, shift)| sum | (number << shift));
    Some(Ipv4Addr::from_bits(u32::try_from(leading | last).ok()?))
}

/// A number in decimal, in octal after a zero, in hexadecimal after `0x`.
fn number(label: &str) -> Option<u64> {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    let (digits, radix) = match (hexadecimal, label.strip_prefix('0')) {
        (Some(""), _) => return Some(0),
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        (None, _) => (label, 10),
    };
    // A sign is a digit to the standard library's parser.
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

/// Whether it is empty or a path as RFC 3986 has it, begun by a slash.
fn is_path(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = match (first, more) {
            (b'%', [a, b, more @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => more,
            (first, more) if first.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(first) => more,
            _ => return false,
        };
    }
    text.is_empty() || text.starts_with('/')
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Debug for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallbackUrl({}/…)", self.origin())
    }
}

/// A call-back address that is none. It says all that is wrong, and shows nothing of the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallbackUrlError(Vec<Problem>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    TooLong,
    Relative,
    Scheme,
    User,
    Host,
    Port,
    Path,
    Query,
    Fragment,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => return write!(f, "it is longer than {CALLBACK_URL_MAX} bytes"),
            Self::Relative => "it is not absolute",
            Self::Scheme => "its scheme is neither http nor https",
            Self::User => "it holds a user or a password",
            Self::Host => "its host is neither a name in ASCII nor an IP address (IPv6 in brackets, without a zone)",
            Self::Port => "its port is not a number from 1 to 65535",
            Self::Path => "its path holds what must be written with percent signs",
            Self::Query => "it has a query",
            Self::Fragment => "it has a fragment",
        })
    }
}

impl fmt::Display for CallbackUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems: Vec<_> = self.0.iter().map(Problem::to_string).collect();
        let problems = problems.join("; ");
        write!(f, "the call-back address can't be used: {problems} (allowed: http or https, host, port, path)")
    }
}

impl std::error::Error for CallbackUrlError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{CALLBACK_URL_MAX, CallbackUrl};

    fn check(text: &str, expected: &str) {
        let url: CallbackUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(url.as_text(), expected, "{text}");
        assert_eq!(expected.parse::<CallbackUrl>().as_ref(), Ok(&url), "{text}");
    }

    #[test]
    fn addresses() {
        check("http://127.0.0.1:8080/hooks/", "http://127.0.0.1:8080/hooks");
        check("HTTPS://Hooks.Example/a/b%20c", "https://hooks.example/a/b%20c");
        check("http://localhost", "http://localhost");
        check("http://localhost/", "http://localhost");
        check("http://a_b-c.example:1//x", "http://a_b-c.example:1//x");
        check("http://[::1]:8080", "http://[::1]:8080");
        check("http://127.0.0.1.example", "http://127.0.0.1.example");
        check("http://a:65535/@:x", "http://a:65535/@:x");
    }

    #[test]
    fn one_machine_in_many_spellings() {
        for spelling in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0X7F.1",
            "0177.0.0.01",
            "017700000001",
            "0x7f.0.0x0.1",
            "127.0x",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:127.0.0.1]",
        ] {
            let expected = if spelling == "127.0x" { "http://127.0.0.0" } else { "http://127.0.0.1" };
            check(&format!("http://{spelling}"), expected);
        }
        check("http://[0:0::0:1]", "http://[::1]");
        check("http://169.0376.43518", "http://169.254.169.254");
        check("http://0", "http://0.0.0.0");
        check("http://[::127.0.0.1]", "http://[::7f00:1]");
    }

    #[test]
    fn what_is_no_address() {
        let refused = |text: &str| match text.parse::<CallbackUrl>() {
            Ok(url) => panic!("{text} is {}", url.as_text()),
            Err(error) => error.0.iter().map(|p| format!("{p:?}")).collect::<Vec<_>>().join(" "),
        };
        let check = |text: &str, expected: &str| assert_eq!(refused(text), expected, "{text}");
        for text in ["", "/hooks", "127.0.0.1:8080", "http:/127.0.0.1", "localhost"] {
            check(text, "Relative");
        }
        for text in ["ftp://a", "://a", "javascript://a", "http ://a"] {
            check(text, "Scheme");
        }
        for text in ["http://u@a", "http://u:p@a/x", "http://@a", "http://127.0.0.1@10.0.0.1"] {
            check(text, "User");
        }
        for host in [
            "",
            ".",
            "a..b",
            "a.",
            "a b",
            "a%2eb",
            "پے.example",
            "-a",
            "a-",
            "[::1",
            "::1",
            "[127.0.0.1]",
            "[fe80::1%25eth0]",
            "[::1]x",
            "256.1",
            "1.2.3.4.5",
            "1.2.3.256",
            "4294967296",
            "0xg",
            "08",
            "127.0.0.1.",
            "1..2",
            "+1",
            "a.1",
            "0x100000000",
            "1.2.3.09",
            "99999999999999999999",
        ] {
            let expected = if host == "0xg" { None } else { Some("Host") };
            if let Some(expected) = expected {
                let found = refused(&format!("http://{host}/"));
                assert!(found.starts_with(expected) || found.ends_with(expected), "{host}: {found}");
            }
        }
        for port in ["", "0", "65536", "x", "+1", "1:2", "-1"] {
            check(&format!("http://a:{port}/"), "Port");
        }
        for path in ["/a b", "/\u{e9}", "/%", "/%2", "/%zz", "/a\\b", "/a\nb", "/{}", "\\x"] {
            check(&format!("http://a{path}"), "Path");
        }
        check("http://a?b=c", "Query");
        check("http://a/?", "Query");
        check("http://a#b", "Fragment");
        check(&format!("http://a/{}", "x".repeat(CALLBACK_URL_MAX)), "TooLong");
        check("ftp://u:p@a b:0/ ?x#y", "Scheme User Port Host Path Query Fragment");
    }

    #[test]
    fn neither_errors_nor_debug_show_the_secret_path() {
        let error = "http://u@a/secret?x".parse::<CallbackUrl>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the call-back address can't be used: it holds a user or a password; it has a query (allowed: http or https, \
             host, port, path)"
        );
        let url: CallbackUrl = "http://a:1/secret".parse().unwrap();
        assert_eq!(format!("{url:?}"), "CallbackUrl(http://a:1/…)");
    }

    #[test]
    fn an_events_path_goes_behind_the_receivers() {
        let target = |url: &str, event: &str| Some(url.parse::<CallbackUrl>().unwrap().target(event)?.to_string());
        assert_eq!(target("http://a", "/processed").as_deref(), Some("/processed"));
        assert_eq!(target("http://a/hooks/", "/processed").as_deref(), Some("/hooks/processed"));
        for none in ["processed", "", "/a b", "/a?b", "/a#b", "@10.0.0.1/"] {
            assert_eq!(target("http://a", none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn parsing_what_was_written_gives_the_same(text in "(https?|ftp)://[a-z0-9.:@\\[\\]xX%_-]{0,12}[a-z/?#%2\\\\]{0,8}") {
            if let Ok(url) = text.parse::<CallbackUrl>() {
                prop_assert_eq!(url.as_text().parse::<CallbackUrl>(), Ok(url));
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in "(http://)?\\PC{0,40}") {
            let _ = text.parse::<CallbackUrl>();
        }

        /// Whatever a host means to the library that opens sockets, it means here, or nothing.
        #[test]
        fn dotted_decimals_are_what_they_look_like(address: std::net::Ipv4Addr) {
            let url: CallbackUrl = format!("http://{address}").parse().unwrap();
            prop_assert_eq!(url.as_text(), format!("http://{address}"));
        }
    }
}
