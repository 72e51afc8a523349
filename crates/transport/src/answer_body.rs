//! Reads an answer's body whole, and no further than allowed.

use std::error::Error;
#[cfg(any(feature = "hyper", feature = "service"))]
use std::pin::pin;

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use http::StatusCode;
#[cfg(any(feature = "hyper", feature = "service"))]
use http_body::Body;
#[cfg(any(feature = "hyper", feature = "service"))]
use http_body_util::BodyExt as _;

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
#[cfg(any(feature = "hyper", feature = "service"))]
pub(crate) async fn read_whole<B: Body>(body: B, limit: usize) -> Result<Bytes, Unreadable<B::Error>> {
    let mut gathered = Gathered::new(Some(body.size_hint().lower()), limit)?;
    let mut body = pin!(body);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(Unreadable::Broken)?.into_data() {
            gathered.push(data)?;
        }
    }
    Ok(gathered.whole())
}

/// A body that comes in pieces, up to a limit.
#[derive(Debug)]
pub(crate) struct Gathered {
    limit: usize,
    /// An answer that comes in one piece, as most do, is taken as it is.
    first: Bytes,
    all: BytesMut,
}

impl Gathered {
    /// Nothing yet, of a body that announces this length, or none.
    pub(crate) fn new<E>(announced: Option<u64>, limit: usize) -> Result<Self, Unreadable<E>> {
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(Unreadable::TooLarge { limit });
        }
        Ok(Self { limit, first: Bytes::new(), all: BytesMut::new() })
    }

    /// One more piece.
    pub(crate) fn push<E>(&mut self, mut data: impl Buf) -> Result<(), Unreadable<E>> {
        let Self { limit, first, all } = self;
        if data.remaining() > *limit - all.len().max(first.len()) {
            return Err(Unreadable::TooLarge { limit: *limit });
        }
        if first.is_empty() && all.is_empty() {
            *first = data.copy_to_bytes(data.remaining());
            return Ok(());
        }
        if all.is_empty() {
            all.reserve(first.len() + data.remaining());
            all.extend_from_slice(first);
        }
        all.put(data);
        Ok(())
    }

    /// All pieces.
    pub(crate) fn whole(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn check(announced: Option<u64>, pieces: &[&[u8]], limit: usize, expected: Option<&[u8]>) {
        let gather = || {
            let mut gathered = Gathered::new(announced, limit)?;
            pieces.iter().try_for_each(|piece| gathered.push(*piece))?;
            Ok::<_, Unreadable<Infallible>>(gathered.whole())
        };
        assert_eq!(gather().ok().as_deref(), expected, "{announced:?}: {pieces:?} within {limit}");
    }

    #[test]
    fn a_body_is_read_up_to_its_limit() {
        check(None, &[], 0, Some(b""));
        check(None, &[b""], 0, Some(b""));
        check(None, &[b"a"], 0, None);
        check(None, &[b"ab", b"", b"c"], 3, Some(b"abc"));
        check(None, &[b"ab", b"", b"cd"], 3, None);
        check(None, &[b"abcd"], 3, None);
        check(None, &[b"ab", b"c", b"d"], 3, None);
    }

    #[test]
    fn an_announced_length_is_believed_before_reading() {
        check(Some(3), &[b"abc"], 3, Some(b"abc"));
        check(Some(4), &[], 3, None);
    }
}
