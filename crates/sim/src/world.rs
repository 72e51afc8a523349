//! A simulator's whole content: its history, snapshots under a name, export and import, reset; users and channels.

use asaanbill_core::{BulkRequestId, ChannelId, PaymentId};
use asaanbill_storage::StorageError;
use jiff::Timestamp;

use crate::Sim;
use crate::builder::{Role, User};
use crate::clock::{Course, system_time};
use crate::engine::Bell;
use crate::hub;
use crate::store::{
    Access, Callbacks, Channels, Content, DeleteSaved, DeleteUser, Events, Export, FindSaved, HistoryOf, Import,
    Moment, NewUser, Numbered, PutCallbackUrl, PutUser, ROWS_MAX, Resend, RevokeTokens, Saved, Users,
};

/// The most characters of a snapshot's name.
pub const SNAPSHOT_NAME_MAX_CHARS: usize = 64;

/// How often a call-back may be sent again by one request.
pub const RESENDS_MAX: u32 = 1_000;

/// The most bytes of another body with which a call-back is sent again: in base64 it has room in a delivery of the outbox.
pub const RESEND_BODY_MAX: usize = 512 * 1024;

/// Something that happened to a payment, or to all payments of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaymentEvent {
    /// Grows by one from event to event of a simulator; what is missing at the beginning was dropped for room.
    pub number: i64,
    /// The simulator's time.
    pub at: Timestamp,
    /// Whose payment it is.
    pub channel: ChannelId,
    /// The payment; none where it happened to a batch as a whole.
    pub payment: Option<PaymentId>,
    /// The batch, where it happened to all its payments at once.
    pub bulk_request: Option<BulkRequestId>,
    /// The number of the request that caused it, in the journal of the program that served it. None for what the simulator's own pages,
    /// a Rust program or the clock caused: such requests aren't in the journal.
    pub request: Option<u64>,
    /// What happened and why: `added`, `paid: 50 rupees by a bank`, `discarded: payment 7 took over its PSID`.
    pub what: String,
}

impl From<Numbered> for PaymentEvent {
    fn from(Numbered { number, event }: Numbered) -> Self {
        let crate::store::Event { at, channel, payment, bulk_request, request, what } = event;
        Self { number, at, channel, payment, bulk_request, request, what }
    }
}

/// A call-back that is or was owed, with what was attempted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownCallback {
    pub(crate) id: i64,
    pub(crate) channel: ChannelId,
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) created_at: Timestamp,
    /// The newest hundred of them, oldest first.
    pub(crate) attempts: Vec<ShownAttempt>,
    pub(crate) attempts_total: u64,
}

/// One attempt of a call-back: what was sent, when, and why it wasn't acknowledged, if it wasn't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownAttempt {
    pub(crate) kind: String,
    pub(crate) at: Timestamp,
    /// In a word and in a sentence.
    pub(crate) failure: Option<(String, String)>,
}

/// Why something wasn't done with a simulator's content. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// The store failed.
    #[error("the store failed, and nothing has changed; the cause says what to do")]
    Store(#[from] StorageError),
    /// There is no such thing.
    #[error("there is no {0} of this name or number")]
    Unknown(&'static str),
    /// The simulator holds too much for a snapshot.
    #[error("a snapshot holds at most {ROWS_MAX} rows, and this simulator has more; copy the store itself instead")]
    TooLarge,
    /// The document is no snapshot that this program reads.
    #[error("{0}")]
    Unreadable(String),
    /// The name doesn't fit.
    #[error("a snapshot's name has 1 to {SNAPSHOT_NAME_MAX_CHARS} characters of a-z, A-Z, 0-9, '.', '_' and '-'")]
    Name,
    /// The password can't be digested.
    #[error("the password can't be digested")]
    Password,
    /// The number of times doesn't fit.
    #[error("a call-back is sent again 1 to {RESENDS_MAX} times")]
    Times,
    /// The body is too long.
    #[error("a call-back is sent again with a body of at most {RESEND_BODY_MAX} bytes")]
    Body,
}

impl Sim {
    /// What happened to a payment, its batch's events among it, oldest first.
    ///
    /// # Errors
    ///
    /// [`WorldError::Store`].
    pub async fn history(&self, payment: PaymentId) -> Result<Vec<PaymentEvent>, WorldError> {
        Ok(self.engine().look(HistoryOf { payment }).await?.into_iter().map(PaymentEvent::from).collect())
    }

    /// What happened after an event of a number (0 at first), oldest first: at most so many.
    ///
    /// On PostgreSQL an event is numbered before it is committed, so where sets are committed at the same time one may come to be seen
    /// after another with a greater number.
    ///
    /// # Errors
    ///
    /// [`WorldError::Store`].
    pub async fn events(&self, after: i64, limit: u32) -> Result<Vec<PaymentEvent>, WorldError> {
        Ok(self.engine().look(Events { after, limit }).await?.into_iter().map(PaymentEvent::from).collect())
    }

    /// Forgets all payments, batches, call-backs and events, and numbers from the beginning again. Armed faults are disarmed. Users,
    /// tokens, addresses of call-backs, snapshots, the clock and the journal of requests stay.
    ///
    /// Cancellation: it may have been done.
    ///
    /// # Errors
    ///
    /// [`WorldError::Store`].
    pub async fn reset(&self) -> Result<(), WorldError> {
        self.faults().clear();
        Ok(self.engine().change(Import(Content::empty(self.clock().now()))).await?)
    }

    /// Keeps all that is there under a name, in the store; what had the name is replaced.
    ///
    /// # Errors
    ///
    /// [`WorldError::Name`], [`WorldError::TooLarge`], or [`WorldError::Store`].
    pub async fn save_snapshot(&self, name: &str) -> Result<(), WorldError> {
        let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.chars().count() > SNAPSHOT_NAME_MAX_CHARS || !name.chars().all(of_a_name) {
            return Err(WorldError::Name);
        }
        let saved = self.engine().change(self.document(Some(name.to_owned()))).await?;
        saved.map(drop).ok_or(WorldError::TooLarge)
    }

    /// Puts back what was saved under a name, all of it or nothing. Call-backs that wait to be sent are dropped. If the clock stood still
    /// when it was saved, it stands there again.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`], [`WorldError::Unreadable`], or [`WorldError::Store`].
    pub async fn restore_snapshot(&self, name: &str) -> Result<(), WorldError> {
        let found = self.engine().look(FindSaved { name: name.to_owned() }).await?;
        self.import(&found.ok_or(WorldError::Unknown("snapshot"))?).await
    }

    /// Removes what was saved under a name.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`], or [`WorldError::Store`].
    pub async fn delete_snapshot(&self, name: &str) -> Result<(), WorldError> {
        let deleted = self.engine().change(DeleteSaved { name: name.to_owned() }).await?;
        if deleted { Ok(()) } else { Err(WorldError::Unknown("snapshot")) }
    }

    /// The names under which something is saved, with the simulator's time when it was.
    ///
    /// # Errors
    ///
    /// [`WorldError::Store`].
    pub async fn snapshots(&self) -> Result<Vec<(String, Timestamp)>, WorldError> {
        Ok(self.engine().look(Saved).await?)
    }

    /// All that is there, as a JSON document for [`import`](Self::import). It holds payers' data, and no password and no token.
    ///
    /// # Errors
    ///
    /// [`WorldError::TooLarge`], or [`WorldError::Store`].
    pub async fn export(&self) -> Result<String, WorldError> {
        let content = self.engine().look(self.document(None)).await?.ok_or(WorldError::TooLarge)?;
        serde_json::to_string(&content).map_err(|error| WorldError::Unreadable(error.to_string()))
    }

    /// Replaces all that is there by a document that this simulator, or another one, exported: all of it or nothing.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unreadable`] with the reason, also if it is from a newer version; or [`WorldError::Store`].
    pub async fn import(&self, document: &str) -> Result<(), WorldError> {
        let content = Content::read(document).map_err(WorldError::Unreadable)?;
        let clock = content.frozen.then_some(content.at);
        self.engine().change(Import(content)).await?;
        if let Some(at) = clock {
            self.clock().set(at);
            self.keep_clock().await?;
        }
        self.engine().ring(Bell::Batches);
        Ok(())
    }

    fn document(&self, name: Option<String>) -> Export {
        let frozen = matches!(self.clock().course(), Course::Frozen(_));
        Export { at: self.clock().now(), frozen, name }
    }

    /// Adds a user, or changes the one of that name. Takes some milliseconds for the password's digest.
    ///
    /// # Errors
    ///
    /// [`WorldError::Password`], or [`WorldError::Store`].
    pub async fn put_user(&self, user: User) -> Result<(), WorldError> {
        let digested = tokio::task::spawn_blocking(move || Some((hub::hash_password(user.password()).ok()?, user)));
        let (password_digest, user) = digested.await.ok().flatten().ok_or(WorldError::Password)?;
        self.engine().change(PutUser(NewUser { access: user.access(), password_digest })).await?;
        self.tokens().forget();
        Ok(())
    }

    /// Removes a user, whose tokens end.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`], or [`WorldError::Store`].
    pub async fn remove_user(&self, name: &str) -> Result<(), WorldError> {
        let removed = self.engine().change(DeleteUser { name: name.to_owned() }).await?;
        self.tokens().forget();
        if removed { Ok(()) } else { Err(WorldError::Unknown("user")) }
    }

    /// Ends all tokens of a user, and returns how many there were. The user may log in again.
    ///
    /// # Errors
    ///
    /// [`WorldError::Store`].
    pub async fn revoke_tokens(&self, user: &str) -> Result<u64, WorldError> {
        let revoked = self.engine().change(RevokeTokens { user: user.to_owned() }).await?;
        self.tokens().forget();
        Ok(revoked)
    }

    /// Sends a call-back again, with another body if one is given, so many times.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`], [`WorldError::Times`], [`WorldError::Body`], or [`WorldError::Store`].
    pub async fn resend_callback(&self, id: i64, body: Option<String>, times: u32) -> Result<(), WorldError> {
        if !(1..=RESENDS_MAX).contains(&times) {
            return Err(WorldError::Times);
        }
        if body.as_ref().is_some_and(|body| body.len() > RESEND_BODY_MAX) {
            return Err(WorldError::Body);
        }
        let moment = Moment { now: self.clock().now(), real: system_time() };
        if !self.engine().change(Resend { callback: id, body, times, moment }).await? {
            return Err(WorldError::Unknown("call-back"));
        }
        self.engine().ring(Bell::Callbacks);
        Ok(())
    }

    /// Where a channel's call-backs go from now on; nowhere without an address.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] channel, [`WorldError::Unreadable`] if the address isn't allowed, or [`WorldError::Store`].
    pub async fn set_callback_url(&self, channel: ChannelId, url: Option<&http::Uri>) -> Result<(), WorldError> {
        let url = url.map(|url| self.settings().callback_address(url)).transpose();
        let url = url.map_err(|error| WorldError::Unreadable(error.to_string()))?;
        match self.engine().change(PutCallbackUrl { channel: Some(channel), url }).await? {
            0 => Err(WorldError::Unknown("channel")),
            _ => Ok(()),
        }
    }

    pub(crate) async fn callbacks(&self, after: Option<i64>, limit: u32) -> Result<Vec<ShownCallback>, WorldError> {
        let found = self.engine().look(Callbacks { after, limit }).await?;
        let shown = found.into_iter().map(|row| ShownCallback {
            id: row.id,
            channel: row.channel,
            path: row.path,
            body: row.body,
            created_at: row.created_at,
            attempts: row
                .attempts
                .into_iter()
                .map(|attempt| {
                    let failure = attempt.failure.map(|failure| (failure.clone(), crate::outbox::sentence(&failure)));
                    ShownAttempt { kind: attempt.kind, at: attempt.at, failure }
                })
                .collect(),
            attempts_total: row.attempts_total,
        });
        Ok(shown.collect())
    }

    pub(crate) async fn users(&self) -> Result<Vec<Access>, WorldError> {
        Ok(self.engine().look(Users).await?)
    }

    /// Channels: number, name, and whether call-backs have an address.
    pub(crate) async fn channels(&self) -> Result<Vec<(ChannelId, String, bool)>, WorldError> {
        let channels = self.engine().look(Channels).await?;
        let shown = channels.into_iter().map(|channel| (channel.id, channel.name, channel.callback_url.is_some()));
        Ok(shown.collect())
    }
}

impl Role {
    /// Whether it may add, and whether it may read.
    pub(crate) fn permissions(self) -> (bool, bool) {
        match self {
            Self::Full => (true, true),
            Self::Viewer => (false, true),
            Self::Adder => (true, false),
        }
    }
}
