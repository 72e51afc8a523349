//! A stream that notes how far a request got.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// TCP, or TLS over it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What was noted.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    begun: AtomicBool,
    sent: AtomicBool,
    heard: AtomicBool,
}

impl Watch {
    /// Whether the whole request was given to the kernel. hyper gathers head and body, writes until nothing is left, and
    /// flushes only then.
    pub(super) fn sent(&self) -> bool {
        self.0.sent.load(Ordering::Acquire)
    }

    /// Whether the receiver spoke before it was spoken to: no HTTP server does.
    pub(super) fn spoke_first(&self) -> bool {
        self.0.heard.load(Ordering::Acquire) && !self.0.begun.load(Ordering::Acquire)
    }
}

pub(super) struct Watched {
    stream: Box<dyn Stream>,
    watch: Watch,
}

impl Watched {
    pub(super) fn new(stream: impl Stream + 'static, watch: Watch) -> Self {
        Self { stream: Box::new(stream), watch }
    }

    fn note_write(&self) {
        self.watch.0.begun.store(true, Ordering::Release);
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.watch.0.heard.store(true, Ordering::Release);
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.note_write();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.note_write();
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) && self.watch.0.begun.load(Ordering::Acquire) {
            self.watch.0.sent.store(true, Ordering::Release);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
