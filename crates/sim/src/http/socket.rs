//! A connection's socket and its requests' bodies, both of which note the connection's pace.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::pace::Pace;

/// How much is read of what nobody wants, after the answer to it: as much as the largest body may have.
const LINGER_BYTES_MAX: usize = super::REQUEST_BODY_MAX;

/// How much of it at a time.
const LINGER_READ: usize = 8 * 1024;

/// A connection's socket.
pub(super) struct Socket {
    stream: TcpStream,
    pace: Arc<Pace>,
    discarded: usize,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, pace: Arc<Pace>) -> Self {
        Self { stream, pace, discarded: 0 }
    }

    fn wrote(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Pending => self.pace.is_stuck(),
            Poll::Ready(_) => self.pace.bytes_went(),
        }
        outcome
    }
}

/// What is dropped without an answer is reset, not closed: the peer sees at once that no answer comes.
impl Drop for Socket {
    fn drop(&mut self) {
        if self.pace.is_abrupt() {
            // A socket that the peer has closed already can't be set, and needn't be.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pace.bytes_came();
        }
        outcome
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        let mut scratch = [0; LINGER_READ];
        while self.pace.lingers() && self.discarded < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            match buffer.filled().len() {
                0 => break,
                read => self.discarded += read,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A request's body. It fails when it takes too long.
pub(super) struct RequestBody {
    incoming: Incoming,
    pace: Arc<Pace>,
    ended: bool,
}

/// A body that took too long.
#[derive(Debug, thiserror::Error)]
#[error("the request's body took too long")]
struct Late;

impl RequestBody {
    pub(super) fn new(incoming: Incoming, pace: Arc<Pace>) -> Self {
        Self { incoming, pace, ended: false }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Pending if self.pace.body_is_late() => Poll::Ready(Some(Err(Late.into()))),
            Poll::Pending => {
                self.pace.body_awaited();
                Poll::Pending
            }
            Poll::Ready(frame) => {
                if self.incoming.is_end_stream() || !matches!(frame, Some(Ok(_))) {
                    self.ended = true;
                    self.pace.answering();
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.ended && !self.incoming.is_end_stream() {
            self.pace.left_unread();
        }
    }
}
