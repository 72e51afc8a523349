//! Why a call-back was not acknowledged.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::send::CALLBACK_ANSWER_MAX;

/// The step of an attempt that failed, in the order in which an attempt takes its steps.
///
/// It is kept and shown, and therefore holds nothing of the receiver's path or body but a number. [`name`](Self::name) is for
/// programs and stays as it is; `Display` is a sentence for a person; [`as_text`](Self::as_text) is for the store and comes
/// back by `FromStr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Diagnosis {
    /// The event's path or the address make no request. Nothing was tried.
    Unsendable,
    /// The name has no address.
    Dns,
    /// The name's address was not found in time.
    SlowDns,
    /// The address may not be called, and none was that may.
    ForbiddenTarget(IpAddr),
    /// Nobody listens.
    Refused,
    /// No way leads there.
    Unreachable,
    /// Nobody answered in time.
    SlowConnect,
    /// Connecting failed in another way.
    Connect,
    /// The handshake took too long.
    SlowTls,
    /// The connection ended within the handshake.
    LostInTls,
    /// TLS itself failed.
    Tls(TlsFault),
    /// The receiver didn't take the request in time.
    SlowRequest,
    /// The connection ended before the request was written.
    LostInRequest,
    /// No whole head of an answer in time.
    SlowHeader,
    /// The connection ended before the answer's head was whole.
    LostInHeader,
    /// The answer's head is too long.
    LargeHeader,
    /// What came is no HTTP.
    NotHttp,
    /// A status other than 2xx.
    Status(u16),
    /// No whole body in time.
    SlowBody,
    /// The connection ended before the answer's body was whole.
    LostInBody,
    /// More than [`CALLBACK_ANSWER_MAX`] bytes.
    LargeBody,
    /// The body's chunks can't be read.
    GarbledBody,
    /// The body is empty or no JSON.
    NotJson,
    /// JSON, but no object that can be read.
    NotObject,
    /// An object without a code.
    CodeMissing,
    /// A code that is no integer: the string `"200"`, `200.0`, `null`.
    CodeKind,
    /// Another integer than 200.
    Code(i64),
}

/// What was wrong with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TlsFault {
    /// Nobody whom we trust vouches for the certificate.
    UnknownAuthority,
    /// The certificate is another host's.
    WrongName,
    /// The certificate's time is over.
    Expired,
    /// The certificate's time hasn't come.
    NotYetValid,
    /// The certificate can't be accepted for another reason.
    Certificate,
    /// What came is no TLS: perhaps plain HTTP on that port.
    NotTls,
    /// The receiver broke it off.
    Alert,
    /// No version or cipher in common.
    Incompatible,
    /// Our own side: the machine's authorities can't be read.
    NoAuthorities,
    /// Anything else.
    Other,
}

impl TlsFault {
    const ALL: [Self; 10] = [
        Self::UnknownAuthority,
        Self::WrongName,
        Self::Expired,
        Self::NotYetValid,
        Self::Certificate,
        Self::NotTls,
        Self::Alert,
        Self::Incompatible,
        Self::NoAuthorities,
        Self::Other,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::UnknownAuthority => "unknown_authority",
            Self::WrongName => "wrong_name",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Certificate => "certificate",
            Self::NotTls => "not_tls",
            Self::Alert => "alert",
            Self::Incompatible => "incompatible",
            Self::NoAuthorities => "no_authorities",
            Self::Other => "other",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::UnknownAuthority => "its certificate comes from an authority that is not trusted here",
            Self::WrongName => "its certificate is for another name",
            Self::Expired => "its certificate has expired",
            Self::NotYetValid => "its certificate is not valid yet",
            Self::Certificate => "its certificate can't be accepted",
            Self::NotTls => "what it speaks is not TLS; the port may be for plain http",
            Self::Alert => "the receiver broke the handshake off",
            Self::Incompatible => "it has no TLS version or cipher in common with the hub",
            Self::NoAuthorities => "this machine's certificate authorities can't be read",
            Self::Other => "the handshake failed",
        }
    }
}

impl Diagnosis {
    /// Those that say it all by their name.
    const PLAIN: [Self; 23] = [
        Self::Unsendable,
        Self::Dns,
        Self::SlowDns,
        Self::Refused,
        Self::Unreachable,
        Self::SlowConnect,
        Self::Connect,
        Self::SlowTls,
        Self::LostInTls,
        Self::SlowRequest,
        Self::LostInRequest,
        Self::SlowHeader,
        Self::LostInHeader,
        Self::LargeHeader,
        Self::NotHttp,
        Self::SlowBody,
        Self::LostInBody,
        Self::LargeBody,
        Self::GarbledBody,
        Self::NotJson,
        Self::NotObject,
        Self::CodeMissing,
        Self::CodeKind,
    ];

    /// The name for programs. It never changes and never has a space.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unsendable => "unsendable",
            Self::Dns => "dns",
            Self::SlowDns => "slow_dns",
            Self::ForbiddenTarget(_) => "forbidden_target",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::SlowConnect => "slow_connect",
            Self::Connect => "connect",
            Self::SlowTls => "slow_tls",
            Self::LostInTls => "lost_in_tls",
            Self::Tls(_) => "tls",
            Self::SlowRequest => "slow_request",
            Self::LostInRequest => "lost_in_request",
            Self::SlowHeader => "slow_header",
            Self::LostInHeader => "lost_in_header",
            Self::LargeHeader => "large_header",
            Self::NotHttp => "not_http",
            Self::Status(_) => "status",
            Self::SlowBody => "slow_body",
            Self::LostInBody => "lost_in_body",
            Self::LargeBody => "large_body",
            Self::GarbledBody => "garbled_body",
            Self::NotJson => "not_json",
            Self::NotObject => "not_object",
            Self::CodeMissing => "code_missing",
            Self::CodeKind => "code_kind",
            Self::Code(_) => "code",
        }
    }

    /// The name, and behind a space what it is about, if anything: `dns`, `status 503`, `tls expired`.
    pub(crate) fn as_text(self) -> String {
        let name = self.name();
        match self {
            Self::ForbiddenTarget(address) => format!("{name} {address}"),
            Self::Tls(fault) => format!("{name} {}", fault.name()),
            Self::Status(status) => format!("{name} {status}"),
            Self::Code(code) => format!("{name} {code}"),
            _ => name.to_owned(),
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForbiddenTarget(address) => {
                return write!(f, "the address {address} may not be called; its network has to be allowed first");
            }
            Self::Tls(fault) => return write!(f, "no TLS with the receiver: {}", fault.sentence()),
            Self::Status(status) => return write!(f, "the receiver answered with HTTP status {status}, not with 2xx"),
            Self::Code(code) => return write!(f, "the answer's responseCode is {code}, not 200"),
            Self::LargeBody => {
                return write!(f, "the answer's body is larger than {} KiB", CALLBACK_ANSWER_MAX / 1024);
            }
            Self::Unsendable => "the call-back has no path that can be sent",
            Self::Dns => "the receiver's name has no address",
            Self::SlowDns => "the receiver's name was not looked up in time",
            Self::Refused => "nobody listens at the receiver's address and port",
            Self::Unreachable => "the receiver's address can't be reached from here",
            Self::SlowConnect => "the receiver's address did not answer in time",
            Self::Connect => "connecting to the receiver failed",
            Self::SlowTls => "the TLS handshake was not done in time",
            Self::LostInTls => "the receiver closed the connection during the TLS handshake",
            Self::SlowRequest => "the receiver did not take the request in time",
            Self::LostInRequest => "the connection was lost before the request was written",
            Self::SlowHeader => "the answer's head was not there in time",
            Self::LostInHeader => "the connection was lost before the answer's head was complete",
            Self::LargeHeader => "the answer's head is too long",
            Self::NotHttp => "the answer is not HTTP",
            Self::SlowBody => "the answer's body was not complete in time",
            Self::LostInBody => "the connection was lost before the answer's body was complete",
            Self::GarbledBody => "the answer's body breaks the rules of HTTP",
            Self::NotJson => "the answer's body is empty or not JSON",
            Self::NotObject => "the answer's body is JSON, but not an object that names each field once",
            Self::CodeMissing => "the answer has no responseCode",
            Self::CodeKind => "the answer's responseCode is not an integer; a string or 200.0 doesn't count",
        })
    }
}

/// A text that no diagnosis has. It doesn't repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no diagnosis of this name is known; a newer version may have stored it")]
pub(crate) struct UnknownDiagnosis;

impl FromStr for Diagnosis {
    type Err = UnknownDiagnosis;

    fn from_str(text: &str) -> Result<Self, UnknownDiagnosis> {
        let found = match text.split_once(' ') {
            None => Self::PLAIN.into_iter().find(|plain| plain.name() == text),
            Some(("forbidden_target", address)) => address.parse().ok().map(Self::ForbiddenTarget),
            Some(("tls", fault)) => TlsFault::ALL.into_iter().find(|known| known.name() == fault).map(Self::Tls),
            Some(("status", status)) => status.parse().ok().map(Self::Status),
            Some(("code", code)) => code.parse().ok().map(Self::Code),
            Some(_) => None,
        };
        // Numbers can be written in several ways; what we write, in one.
        found.filter(|found| found.as_text() == text).ok_or(UnknownDiagnosis)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Diagnosis, TlsFault};

    fn every() -> Vec<Diagnosis> {
        let mut every = Diagnosis::PLAIN.to_vec();
        every.extend(TlsFault::ALL.map(Diagnosis::Tls));
        every.push(Diagnosis::ForbiddenTarget("10.0.0.1".parse().unwrap()));
        every.push(Diagnosis::ForbiddenTarget("2001:db8::1".parse().unwrap()));
        every.extend([100, 302, 503, 999].map(Diagnosis::Status));
        every.extend([0, -1, 201, i64::MAX, i64::MIN].map(Diagnosis::Code));
        every
    }

    #[test]
    fn the_store_gives_back_what_it_was_given() {
        for one in every() {
            assert_eq!(one.as_text().parse(), Ok(one));
        }
        let texts: BTreeSet<_> = every().into_iter().map(Diagnosis::as_text).collect();
        assert_eq!(texts.len(), every().len(), "no two have one text");
    }

    /// A new one must be in one of the two lists above, or the store can't read it.
    #[test]
    #[expect(clippy::match_same_arms, reason = "in lines that can be read")]
    fn none_is_forgotten() {
        use Diagnosis as D;
        let is_plain = |one: &D| match one {
            D::Unsendable | D::Dns | D::SlowDns | D::Refused | D::Unreachable | D::SlowConnect | D::Connect => true,
            D::SlowTls | D::LostInTls | D::SlowRequest | D::LostInRequest | D::SlowHeader | D::LostInHeader => true,
            D::LargeHeader | D::NotHttp | D::SlowBody | D::LostInBody | D::LargeBody | D::GarbledBody => true,
            D::NotJson | D::NotObject | D::CodeMissing | D::CodeKind => true,
            D::ForbiddenTarget(_) | D::Tls(_) | D::Status(_) | D::Code(_) => false,
        };
        assert!(D::PLAIN.iter().all(is_plain));
        let names: BTreeSet<_> = every().into_iter().map(D::name).collect();
        assert_eq!(names.len(), D::PLAIN.len() + 4);
    }

    #[test]
    fn what_no_store_holds() {
        for text in [
            "",
            " ",
            "ok",
            "DNS",
            "dns ",
            "dns 1",
            "status",
            "status +503",
            "status 0503",
            "status 70000",
            "tls",
            "tls x",
            "code x",
            "code 1 2",
            "code -0",
            "forbidden_target",
            "forbidden_target ::ffff:0:1:2:3:4:5:6",
        ] {
            assert!(text.parse::<Diagnosis>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn as_programs_and_as_people_read_it() {
        let table: Vec<_> = every().iter().map(|one| format!("{:<30} {one}", one.as_text())).collect();
        insta::assert_snapshot!(table.join("\n"), @r"
        unsendable                     the call-back has no path that can be sent
        dns                            the receiver's name has no address
        slow_dns                       the receiver's name was not looked up in time
        refused                        nobody listens at the receiver's address and port
        unreachable                    the receiver's address can't be reached from here
        slow_connect                   the receiver's address did not answer in time
        connect                        connecting to the receiver failed
        slow_tls                       the TLS handshake was not done in time
        lost_in_tls                    the receiver closed the connection during the TLS handshake
        slow_request                   the receiver did not take the request in time
        lost_in_request                the connection was lost before the request was written
        slow_header                    the answer's head was not there in time
        lost_in_header                 the connection was lost before the answer's head was complete
        large_header                   the answer's head is too long
        not_http                       the answer is not HTTP
        slow_body                      the answer's body was not complete in time
        lost_in_body                   the connection was lost before the answer's body was complete
        large_body                     the answer's body is larger than 64 KiB
        garbled_body                   the answer's body breaks the rules of HTTP
        not_json                       the answer's body is empty or not JSON
        not_object                     the answer's body is JSON, but not an object that names each field once
        code_missing                   the answer has no responseCode
        code_kind                      the answer's responseCode is not an integer; a string or 200.0 doesn't count
        tls unknown_authority          no TLS with the receiver: its certificate comes from an authority that is not trusted here
        tls wrong_name                 no TLS with the receiver: its certificate is for another name
        tls expired                    no TLS with the receiver: its certificate has expired
        tls not_yet_valid              no TLS with the receiver: its certificate is not valid yet
        tls certificate                no TLS with the receiver: its certificate can't be accepted
        tls not_tls                    no TLS with the receiver: what it speaks is not TLS; the port may be for plain http
        tls alert                      no TLS with the receiver: the receiver broke the handshake off
        tls incompatible               no TLS with the receiver: it has no TLS version or cipher in common with the hub
        tls no_authorities             no TLS with the receiver: this machine's certificate authorities can't be read
        tls other                      no TLS with the receiver: the handshake failed
        forbidden_target 10.0.0.1      the address 10.0.0.1 may not be called; its network has to be allowed first
        forbidden_target 2001:db8::1   the address 2001:db8::1 may not be called; its network has to be allowed first
        status 100                     the receiver answered with HTTP status 100, not with 2xx
        status 302                     the receiver answered with HTTP status 302, not with 2xx
        status 503                     the receiver answered with HTTP status 503, not with 2xx
        status 999                     the receiver answered with HTTP status 999, not with 2xx
        code 0                         the answer's responseCode is 0, not 200
        code -1                        the answer's responseCode is -1, not 200
        code 201                       the answer's responseCode is 201, not 200
        code 9223372036854775807       the answer's responseCode is 9223372036854775807, not 200
        code -9223372036854775808      the answer's responseCode is -9223372036854775808, not 200
        ");
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "(status |code |tls |forbidden_target )?\\PC{0,20}") {
            if let Ok(read) = text.parse::<Diagnosis>() {
                prop_assert_eq!(read.as_text(), text);
            }
        }
    }
}
