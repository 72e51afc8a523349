//! Bodies that arrive badly.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A body broke off, as it was asked to.
#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body broke off")
    }
}

impl std::error::Error for Broken {}

/// A body that breaks off after its first bytes. It announces the length that it should have.
pub(crate) struct Cut {
    first: Option<Bytes>,
    rested: bool,
    announced: Option<u64>,
}

impl Cut {
    /// Half of a body, and then nothing.
    pub(crate) fn half_of(whole: &Bytes) -> Self {
        Self { first: Some(whole.slice(..whole.len() / 2)), rested: false, announced: Some(whole.len() as u64) }
    }

    /// Not a byte.
    pub(crate) fn at_once() -> Self {
        Self { first: None, rested: true, announced: None }
    }
}

impl Body for Cut {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        // A server drops what it has not yet written when a body fails, so it gets a turn to write it.
        if !std::mem::replace(&mut self.rested, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Broken)))
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A body that comes in pieces: the first at once, each other one after a while.
pub(crate) struct Drip {
    rest: Bytes,
    piece: usize,
    every: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Drip {
    pub(crate) fn new(whole: Bytes, piece: u32, every: Duration) -> Self {
        Self { rest: whole, piece: usize::try_from(piece).unwrap_or(usize::MAX).max(1), every, pause: None }
    }
}

impl Body for Drip {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
        }
        let length = self.piece.min(self.rest.len());
        let piece = self.rest.split_to(length);
        self.pause = Some(Box::pin(sleep(self.every)));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::BodyExt as _;
    use tokio::time::Instant;

    use super::{Cut, Drip};

    #[tokio::test(start_paused = true)]
    async fn pieces_come_one_by_one() {
        let check = async |text: &'static str, piece, expected: &[&str], millis| {
            let started = Instant::now();
            let mut drip = Drip::new(Bytes::from_static(text.as_bytes()), piece, Duration::from_millis(10));
            let mut pieces = Vec::new();
            while let Some(frame) = drip.frame().await {
                pieces.push(frame.unwrap().into_data().unwrap());
            }
            assert_eq!(pieces, expected, "{text} by {piece}");
            assert_eq!(started.elapsed(), Duration::from_millis(millis), "{text} by {piece}");
        };
        check("abcde", 2, &["ab", "cd", "e"], 20).await;
        check("abcd", 2, &["ab", "cd"], 10).await;
        check("ab", 9, &["ab"], 0).await;
        check("", 1, &[], 0).await;
    }

    #[tokio::test]
    async fn half_a_body() {
        let mut cut = Cut::half_of(&Bytes::from_static(b"abcd"));
        assert_eq!(cut.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        assert!(cut.frame().await.unwrap().is_err());
        assert!(Cut::at_once().frame().await.unwrap().is_err());
    }
}
