//! Exchanges on a cassette, to be played again in tests.

mod cassette;
mod player;
mod redaction;

use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use self::cassette::{Answer, Asked, Exchange, Failure};
pub use self::cassette::{Cassette, CassetteError};
pub use self::player::Player;
pub use self::redaction::Redaction;
use crate::error::TransportError;
use crate::transport::Transport;

/// The most exchanges that a cassette holds: a test that needs more is no test to read.
pub const EXCHANGES_MAX: usize = 10_000;

/// A transport that notes each exchange. **Secrets are removed before they are noted**, as [`Redaction`] says; payers' data
/// isn't, unless it says so: record against a test system.
///
/// ```
/// use asaanbill_transport::{Cassette, Player, Recorder, Transport, from_fn};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = from_fn(|_| async { Ok(Response::new(r#"{"token":"s3cret","amount":50.0}"#.into())) });
/// let login = || Request::post("https://hub.example/login").body(r#"{"password":"s3cret"}"#.into());
///
/// let recorder = Recorder::new(hub);
/// recorder.send(login()?).await?;
/// let json = recorder.cassette().to_json();
/// assert!(!json.contains("s3cret"));
///
/// let player = Player::new(Cassette::from_json(&json)?);
/// assert_eq!(player.send(login()?).await?.body(), r#"{"token":"***","amount":50.0}"#);
/// # Ok(())
/// # }
/// ```
pub struct Recorder<T> {
    inner: T,
    redaction: Redaction,
    noted: Mutex<Noted>,
}

/// What was noted, and the secrets that were met, so that they are removed wherever they come again.
#[derive(Default)]
struct Noted {
    exchanges: Vec<Exchange>,
    secrets: redaction::Secrets,
}

impl<T> Recorder<T> {
    /// Notes what goes through this transport, with the usual [`Redaction`].
    pub fn new(inner: T) -> Self {
        Self::with_redaction(inner, Redaction::default())
    }

    /// With another one.
    pub fn with_redaction(inner: T, redaction: Redaction) -> Self {
        Self { inner, redaction, noted: Mutex::default() }
    }

    /// What was noted so far, at most [`EXCHANGES_MAX`] exchanges, in the order in which they ended.
    pub fn cassette(&self) -> Cassette {
        Cassette::new(self.noted.lock().unwrap_or_else(PoisonError::into_inner).exchanges.clone())
    }
}

#[async_trait]
impl<T: Transport> Transport for Recorder<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let (head, body) = request.into_parts();
        let noted = Request::from_parts(head.clone(), body.clone());
        let outcome = self.inner.send(Request::from_parts(head, body)).await;
        let mut state = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if state.exchanges.len() < EXCHANGES_MAX {
            let Noted { exchanges, secrets } = &mut *state;
            // The answer first: a token that it holds is a secret in the request, too.
            let (answer, failure) = match &outcome {
                Ok(answer) => (Some(Answer::note(answer, &self.redaction, secrets)), None),
                Err(error) => (None, Some(Failure::note(error))),
            };
            let request = Asked::note(&noted, &self.redaction, secrets);
            exchanges.push(Exchange { request, answer, failure });
        }
        drop(state);
        outcome
    }
}

impl<T: fmt::Debug> fmt::Debug for Recorder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("inner", &self.inner).finish_non_exhaustive()
    }
}
