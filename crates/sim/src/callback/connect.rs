//! A TCP connection to an address that may be called.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::diagnosis::Diagnosis;
use super::target::TargetPolicy;

/// How many addresses of one name are tried at most: a name with more gets no more out of one attempt.
pub(super) const ADDRESSES_MAX: usize = 8;

/// Connects to the first of these addresses that answers. What may not be called is left out, and the time that is left is
/// shared out among the others, so that a dead first one leaves some for the second.
///
/// The policy sees the very address that is given to the socket. A name that is looked up again elsewhere, or that has
/// another address a moment later, changes nothing.
///
/// Dropping the future closes what was open.
///
/// # Errors
///
/// What became of the first address that was tried; [`Diagnosis::ForbiddenTarget`] with the first address if none was.
pub(super) async fn connect(
    policy: &TargetPolicy,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), Diagnosis> {
    let canonical = addresses.iter().map(canonical);
    let permitted: Vec<_> = canonical.filter(|peer| policy.permits(peer.ip())).take(ADDRESSES_MAX).collect();
    let mut first = None;
    for (tried, &peer) in permitted.iter().enumerate() {
        let left = u32::try_from(permitted.len() - tried).unwrap_or(u32::MAX);
        let now = Instant::now();
        let failed = match timeout_at(now + (deadline - now) / left, TcpStream::connect(peer)).await {
            // A request is one write; waiting to fill a packet would only delay it.
            Ok(Ok(stream)) => match stream.set_nodelay(true) {
                Ok(()) => return Ok((stream, peer)),
                Err(error) => diagnose(&error),
            },
            Ok(Err(error)) => diagnose(&error),
            Err(_) => Diagnosis::SlowConnect,
        };
        first.get_or_insert(failed);
    }
    let forbidden = || addresses.first().map(|peer| Diagnosis::ForbiddenTarget(peer.ip().to_canonical()));
    Err(first.or_else(forbidden).unwrap_or(Diagnosis::Dns))
}

/// The address itself where it wears IPv6's clothes; otherwise as it is, with its zone.
fn canonical(address: &SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip if ip == address.ip() => *address,
        ip => SocketAddr::new(ip, address.port()),
    }
}

fn diagnose(error: &io::Error) -> Diagnosis {
    use io::ErrorKind as E;
    match error.kind() {
        E::ConnectionRefused => Diagnosis::Refused,
        E::HostUnreachable | E::NetworkUnreachable | E::NetworkDown | E::AddrNotAvailable => Diagnosis::Unreachable,
        E::TimedOut => Diagnosis::SlowConnect,
        _ => Diagnosis::Connect,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::{Diagnosis, canonical, diagnose};

    #[test]
    fn failures_have_names() {
        for (kind, expected) in [
            (ErrorKind::ConnectionRefused, Diagnosis::Refused),
            (ErrorKind::HostUnreachable, Diagnosis::Unreachable),
            (ErrorKind::NetworkUnreachable, Diagnosis::Unreachable),
            (ErrorKind::AddrNotAvailable, Diagnosis::Unreachable),
            (ErrorKind::TimedOut, Diagnosis::SlowConnect),
            (ErrorKind::ConnectionReset, Diagnosis::Connect),
            (ErrorKind::PermissionDenied, Diagnosis::Connect),
        ] {
            assert_eq!(diagnose(&Error::from(kind)), expected, "{kind}");
        }
    }

    #[test]
    fn a_mapped_address_is_connected_to_as_what_it_is() {
        let check = |given: &str, expected: &str| {
            assert_eq!(canonical(&given.parse().unwrap()), expected.parse().unwrap(), "{given}");
        };
        check("[::ffff:127.0.0.1]:8", "127.0.0.1:8");
        check("[fe80::1%3]:8", "[fe80::1%3]:8");
        check("127.0.0.1:8", "127.0.0.1:8");
    }
}
