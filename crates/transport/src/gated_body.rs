//! A request body that is handed out at most once, and never after it was withdrawn.
//!
//! This is the evidence behind [`Delivery::NotSent`](crate::Delivery) where the connection belongs to somebody else
//! (reqwest). hyper 1 writes an HTTP/1 request in `proto/h1/dispatch.rs`, `poll_write`: it encodes the head into a
//! buffer (`Conn::write_head`), goes round its loop once, and polls the body; only when `poll_write` returns does
//! `poll_loop` call `poll_flush`, the one place where buffered bytes reach the socket. Between head and body there is
//! one earlier flush, taken if `can_buffer_body` is false, that is if the buffer holds 417,792 bytes or more
//! (`proto/h1/io.rs`, `DEFAULT_MAX_BUFFER_SIZE`): our heads are at most 64 KiB ([`crate::REQUEST_HEAD_LIMIT`]), and a
//! new head isn't begun while an earlier body is still queued (`can_headers_buf`; TCP and rustls streams both write
//! vectored, so bodies are queued). A body that fails when polled ends the connection without a flush (`poll_catch`).
//!
//! So: as long as a body that isn't empty has not been polled, no byte of its head has left, and once it is withdrawn,
//! none ever will. Withdrawing and handing out are one atomic exchange, so that a connection which is just about to
//! write on another thread either has handed the body out before, or fails.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

const WAITING: u8 = 0;
const HANDED_OUT: u8 = 1;
const WITHDRAWN: u8 = 2;

/// The sender's side: asks for the body back.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<AtomicU8>);

impl Gate {
    /// Withdraws the body. True if it was never handed out, and therefore never will be; of an empty body that can't be
    /// told, because hyper doesn't ask for it.
    pub(crate) fn withdraw(&self) -> bool {
        self.0.compare_exchange(WAITING, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// The connection's side.
#[derive(Debug)]
pub(crate) struct GatedBody {
    bytes: Bytes,
    gate: Gate,
}

impl GatedBody {
    pub(crate) fn new(bytes: Bytes) -> (Self, Gate) {
        let state = if bytes.is_empty() { HANDED_OUT } else { WAITING };
        let gate = Gate(Arc::new(AtomicU8::new(state)));
        (Self { bytes, gate: gate.clone() }, gate)
    }
}

impl Body for GatedBody {
    type Data = Bytes;
    type Error = Withdrawn;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Withdrawn>>> {
        let claim = self.gate.0.compare_exchange(WAITING, HANDED_OUT, Ordering::AcqRel, Ordering::Acquire);
        Poll::Ready(match claim {
            Ok(_) => Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))),
            Err(WITHDRAWN) => Some(Err(Withdrawn)),
            Err(_) => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

/// The attempt ended before its body was needed.
#[derive(Debug)]
pub(crate) struct Withdrawn;

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the attempt ended before the request was written")
    }
}

impl Error for Withdrawn {}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_is_handed_out_once_and_then_not_withdrawn() {
        let (mut body, gate) = GatedBody::new(Bytes::from_static(b"{}"));
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(2), false));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "{}");
        assert!(body.is_end_stream());
        assert!(!gate.withdraw());
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_withdrawn_body_is_never_handed_out() {
        let (mut body, gate) = GatedBody::new(Bytes::from_static(b"{}"));
        assert!(gate.withdraw());
        assert!(body.frame().await.unwrap().is_err());
        assert!(!gate.withdraw(), "a second answer must not claim more than the first");
    }

    #[test]
    fn an_empty_body_proves_nothing() {
        let (body, gate) = GatedBody::new(Bytes::new());
        assert!(body.is_end_stream());
        assert!(!gate.withdraw());
    }
}
