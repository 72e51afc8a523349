//! What every operation that creates has in common: noted before it is sent, closed when its outcome is known.

use std::pin::pin;

use crate::Client;
use crate::error::{ClientError, ErrorKind};
use crate::exchange::FromAnswer;
use crate::intent::Intent;
use crate::journal::{Begun, ChunkKey, ChunkRecord, Closed, Digest, Draft, JournalError, Known};
use crate::raw::{Create, Request};
use crate::session::Ready;

/// Whether an intent may be sent.
pub(crate) enum Begin<'c> {
    /// It may be sent.
    Creating(Creating<'c>),
    /// What has its key was added already.
    Done(ChunkRecord),
}

/// An intent that is noted, and may be sent once.
pub(crate) struct Creating<'c> {
    client: &'c Client,
    ready: Ready,
    pub(crate) intent: Intent,
    /// The identifier's payment before, if the journal knows it.
    pub(crate) before: Option<Known>,
}

impl<'c> Creating<'c> {
    /// Logs in, waits for a place, and notes the intent. Nothing is sent yet: an error means that nothing will be.
    pub(crate) async fn begin(
        client: &'c Client,
        wanted: crate::intent::Wanted,
        chunk: Option<(ChunkKey, Digest)>,
    ) -> Result<Begin<'c>, ClientError> {
        let ready = client.sessions().ready(client.retry()).await?;
        let draft = Draft { chunk, ..Draft::new(wanted, client.environment().now()) };
        match client.journal().begin(draft).await.map_err(not_noted)? {
            Begun::Noted(intent, before) => Ok(Begin::Creating(Self { client, ready, intent, before })),
            Begun::Done(record) => Ok(Begin::Done(record)),
            Begun::Open(open) => Err(ClientError::new(
                ErrorKind::Unresolved,
                "the identifier has an intent whose outcome isn't known; resolve it first (nothing was sent)",
            )
            .intended(open)),
        }
    }

    /// Sends it. After an error that leaves the outcome unknown the intent stays open; after any other the hub has done
    /// nothing, and it is closed.
    ///
    /// A block in a function: an `async fn` has what it is given in memory twice.
    pub(crate) fn send<T: FromAnswer>(
        self,
        request: Request<Create>,
    ) -> impl Future<Output = Result<(T, Noted<'c>), ClientError>> {
        let Self { client, ready, intent, before: _ } = self;
        async move {
            let answered = {
                let creating = pin!(client.sessions().create(ready, request));
                creating.await
            };
            let error = match answered {
                Ok(answer) => return Ok((answer, Noted { client, intent })),
                Err(unsent) => unsent.error,
            };
            if error.is_outcome_unknown() {
                tracing::warn!(intent = intent.id.get(), "the outcome is unknown; the intent stays open");
                return Err(error.intended(intent));
            }
            let how = match error.kind() {
                ErrorKind::NotSent => Closed::NotSent,
                _ => Closed::Refused(crate::ops::outcomes_of(&error, intent.wanted.count())),
            };
            Noted { client, intent }.close(how).await;
            Err(error)
        }
    }
}

/// An intent whose outcome is known.
pub(crate) struct Noted<'c> {
    client: &'c Client,
    pub(crate) intent: Intent,
}

impl Noted<'_> {
    /// Notes the outcome. Says whether that was possible: if not, the intent stays open, and is resolved some day.
    pub(crate) async fn close(self, how: Closed) -> bool {
        let closed = self.client.journal().close(self.intent.id, how).await;
        if let Err(error) = &closed {
            tracing::error!(intent = self.intent.id.get(), %error, "the outcome could not be noted; the intent stays open");
        }
        closed.is_ok()
    }
}

pub(crate) fn not_noted(error: JournalError) -> ClientError {
    ClientError::new(ErrorKind::Journal, "the journal failed, so nothing was sent").caused(error)
}
