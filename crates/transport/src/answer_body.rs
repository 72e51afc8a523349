//! Reads an answer's body whole, and no further than allowed.

use std::error::Error;
use std::pin::pin;

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use http::StatusCode;
use http_body::Body;
use http_body_util::BodyExt;

use crate::error::{ErrorKind, TransportError};

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum Unreadable<E> {
    TooLarge { limit: usize },
    Broken(E),
}

impl<E: Into<Box<dyn Error + Send + Sync>>> Unreadable<E> {
    /// As the failure of an exchange whose answer had this status. `kind_of` names what broke a body.
    pub(crate) fn after(self, status: StatusCode, kind_of: impl FnOnce(&E) -> ErrorKind) -> TransportError {
        match self {
            Self::TooLarge { limit } => TransportError::answered(ErrorKind::TooLarge, status)
                .with_detail(format!("its body has more than {limit} bytes")),
            Self::Broken(error) => TransportError::answered(kind_of(&error), status).with_source(error),
        }
    }
}

/// The whole body, or the reason why not. A body that announces its length is refused before any of it is read, and
/// one that doesn't as soon as it passes the limit; trailers are read and dropped.
pub(crate) async fn read_whole<B: Body>(body: B, limit: usize) -> Result<Bytes, Unreadable<B::Error>> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(Unreadable::TooLarge { limit });
    }
    let mut body = pin!(body);
    // An answer that comes in one piece, as most do, is taken as it is.
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame.map_err(Unreadable::Broken)?.into_data() else { continue };
        if data.remaining() > limit - whole.len().max(first.len()) {
            return Err(Unreadable::TooLarge { limit });
        }
        if first.is_empty() && whole.is_empty() {
            first = data.copy_to_bytes(data.remaining());
            continue;
        }
        if whole.is_empty() {
            whole.reserve(first.len() + data.remaining());
            whole.extend_from_slice(&first);
        }
        whole.put(data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body::{Frame, SizeHint};
    use http_body_util::Full;

    use super::*;

    /// A body of these chunks that doesn't announce its length.
    struct Chunks(VecDeque<&'static [u8]>);

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(Bytes::from_static(chunk)))))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::default()
        }
    }

    async fn check(chunks: &[&'static [u8]], limit: usize, expected: Option<&[u8]>) {
        let read = read_whole(Chunks(chunks.iter().copied().collect()), limit).await;
        assert_eq!(read.ok().as_deref(), expected, "{chunks:?} within {limit}");
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        check(&[], 0, Some(b"")).await;
        check(&[b""], 0, Some(b"")).await;
        check(&[b"a"], 0, None).await;
        check(&[b"ab", b"", b"c"], 3, Some(b"abc")).await;
        check(&[b"ab", b"", b"cd"], 3, None).await;
        check(&[b"abcd"], 3, None).await;
        check(&[b"ab", b"c", b"d"], 3, None).await;
    }

    #[tokio::test]
    async fn an_announced_length_is_believed_before_reading() {
        assert!(read_whole(Full::new(Bytes::from_static(b"abc")), 3).await.is_ok());
        let refused = read_whole(Full::new(Bytes::from_static(b"abcd")), 3).await;
        assert!(matches!(refused, Err(Unreadable::TooLarge { limit: 3 })));
    }
}
