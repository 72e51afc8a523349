//! Names what failed, from the chain of an error's causes. Says nothing about delivery.

use std::error::Error;
use std::io;

use crate::error::ErrorKind;

/// The part of the exchange that failed once there was a connection.
pub(crate) fn kind_of(error: &(dyn Error + 'static)) -> ErrorKind {
    #[cfg(feature = "__rustls")]
    if is_tls(error) {
        return ErrorKind::Tls;
    }
    let mut kind = ErrorKind::Other;
    for cause in causes(error) {
        if let Some(http) = cause.downcast_ref::<hyper::Error>() {
            kind = match http {
                // Also a head that is too long: hyper tells the two apart for servers only.
                _ if http.is_parse() => return ErrorKind::InvalidResponse,
                _ if http.is_timeout() => return ErrorKind::Timeout,
                _ => ErrorKind::Closed,
            };
        } else if let Some(socket) = cause.downcast_ref::<io::Error>() {
            // hyper reports a chunk it can't read as invalid input or invalid data.
            kind = match socket.kind() {
                io::ErrorKind::TimedOut => ErrorKind::Timeout,
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => ErrorKind::InvalidResponse,
                _ => ErrorKind::Closed,
            };
        }
    }
    kind
}

/// Whether TLS itself failed: a certificate that isn't trusted, an alert, bytes that are no TLS.
#[cfg(feature = "__rustls")]
pub(crate) fn is_tls(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<rustls::Error>())
}

/// Whether hyper gave a request up before it wrote any of it. It then says "canceled", and only then: where the request
/// was still queued when its connection ended (`client/dispatch.rs`, `Envelope::drop`; `proto/h1/dispatch.rs`,
/// `recv_msg` for a request that `try_recv` takes out of the queue), or where the connection was not ready for it
/// (`client/conn/http1.rs`). In each of them it hands the request back whole.
#[cfg(feature = "reqwest")]
pub(crate) fn never_written(error: &(dyn Error + 'static)) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<hyper::Error>()).any(hyper::Error::is_canceled)
}

/// An error and its causes, outermost first. An `io::Error` keeps what it wraps to itself: its `source` is the cause of
/// the wrapped error.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|wrapped| wrapped as &(dyn Error + 'static)),
        None => error.source(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "__rustls")]
    #[test]
    fn a_tls_failure_is_found_inside_an_io_error_inside_another() {
        let tls = rustls::Error::General("no".to_owned());
        let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        assert_eq!(kind_of(&error), ErrorKind::Tls);
    }

    #[test]
    fn sockets_end_in_their_own_ways() {
        for (kind, expected) in [
            (io::ErrorKind::ConnectionReset, ErrorKind::Closed),
            (io::ErrorKind::UnexpectedEof, ErrorKind::Closed),
            (io::ErrorKind::TimedOut, ErrorKind::Timeout),
            (io::ErrorKind::InvalidData, ErrorKind::InvalidResponse),
        ] {
            assert_eq!(kind_of(&io::Error::from(kind)), expected);
        }
        assert_eq!(kind_of(&std::fmt::Error), ErrorKind::Other);
    }
}
