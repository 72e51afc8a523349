//! Adding one payment.

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use asaanbill_core::{Identifier, NewPayment, PaymentKind};
use asaanbill_wire::{AddRequest, AddedPayment, Endpoint, generation_type};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::body;
use super::create::{Begin, Creating};
use crate::check::Warning;
use crate::environment::Environment;
use crate::error::{ClientError, ErrorKind};
use crate::exchange::Data;
use crate::intent::Wanted;
use crate::journal::{ChunkKey, ChunkRecord, ChunkState, Closed, Digest, Known, digest};
use crate::raw::Request;
use crate::resolve::Resolution;
use crate::trace::operation;
use crate::{Client, Payment};

/// What one payment's JSON needs at most in the usual case, so that it is written without growing.
const BODY_CAPACITY: usize = 512;

/// How an identifier begins that the client makes where the caller gives none.
pub const GENERATED_PREFIX: &str = "ab-";

impl Client {
    /// Adds a payment. It is noted in the journal and sent **once**. **An unpaid payment on the same identifier is
    /// discarded.** (Guide, Add Payment, note 3) [`add_if_none_outstanding`](Self::add_if_none_outstanding) looks first.
    ///
    /// A QR code without an identifier gets one from the client, 128 random bits behind [`GENERATED_PREFIX`], so that it can
    /// be found again if the answer is lost. [`Payment::warnings`] says what was noticed.
    ///
    /// Cancellation: before the intent is noted nothing happens. Afterwards the payment may have been added, and the intent
    /// stays open in the journal ([`open_intents`](Self::open_intents)); its identifier takes no other payment until it is
    /// resolved; or it was added and noted as such, and nobody was told. So whoever may be dropped and will try again takes
    /// [`add_once`](Self::add_once), and a handler that won't takes [`add_detached`](Self::add_detached).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutcomeUnknown`] with the intent if nobody knows whether the hub has added it:
    /// [`resolve`](Self::resolve) finds out. [`ErrorKind::Unresolved`] if the identifier has such an intent already, and
    /// nothing was sent. After any other error the hub hasn't added it.
    pub async fn add(&self, new: &NewPayment) -> Result<Payment, ClientError> {
        let adding = async {
            // Boxed, so that what carries it about has little to carry.
            match Box::pin(self.add_noted(new.clone(), None)).await? {
                Adding::Now(payment) => Ok(payment),
                Adding::Before(_) => Err(ClientError::new(ErrorKind::Journal, "the journal takes it for another")),
            }
        };
        adding.instrument(operation!("add")).await
    }

    /// Adds a payment once for each `key` of yours, an invoice's number, say: however often it is called with the key, after
    /// whatever went wrong, and by whichever program that shares the journal. **As durable as the journal**: one in memory
    /// forgets its keys with the program, and the oldest above [`CHUNKS_MAX`](crate::CHUNKS_MAX).
    ///
    /// If the key's payment exists, it is read and returned as it stands. If its outcome is unknown, it is
    /// [resolved](Self::resolve), which may take minutes; only what is proven not to be there is sent again.
    ///
    /// Cancellation: safe, if you call it again with the same key.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add), but [`ErrorKind::OutcomeUnknown`] means: call again. [`ErrorKind::Refused`] also if the key
    /// was used for another payment, or if the payment is there several times.
    pub async fn add_once(&self, key: &str, new: &NewPayment) -> Result<Payment, ClientError> {
        self.add_keyed(key, new).instrument(operation!("add_once")).await
    }

    async fn add_keyed(&self, key: &str, new: &NewPayment) -> Result<Payment, ClientError> {
        let (chunk, digest) = (ChunkKey::of_add(key), digest_of(new)?);
        if let Some(record) = self.journal().chunk(&chunk).await.map_err(super::not_noted)? {
            same(&record, digest)?;
            if let ChunkState::Open(intent) = &record.state {
                match self.resolve(intent).await? {
                    Resolution::Added(payment) => return Ok(payment),
                    Resolution::NotFound => {}
                    _ => return Err(several()),
                }
            }
            if record.state == ChunkState::Closed(Closed::Duplicate) {
                return Err(several());
            }
        }
        match Box::pin(self.add_noted(new.clone(), Some((chunk, digest)))).await? {
            Adding::Now(payment) => Ok(payment),
            Adding::Before(record) => {
                same(&record, digest)?;
                self.known_payment(&record).await
            }
        }
    }

    /// The payment that a key had before.
    async fn known_payment(&self, record: &ChunkRecord) -> Result<Payment, ClientError> {
        match &record.state {
            ChunkState::Closed(Closed::Added(Known { payment: Some(id), .. })) => self.payment(*id).await,
            _ => Err(ClientError::new(
                ErrorKind::Unreadable,
                "the key's payment was added, but the hub didn't say its number; nothing was sent",
            )),
        }
    }

    /// As [`add`](Self::add), in a task of its own: the payment is added to its end, and noted, even if the returned future
    /// is dropped, as web servers do with a request's future when the caller goes away.
    ///
    /// # Errors
    ///
    /// As there, when awaited; and [`ErrorKind::OutcomeUnknown`], without an intent, if the runtime ended the task: the
    /// intent is in the journal.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn add_detached(&self, new: NewPayment) -> Detached<Payment> {
        let client = self.clone();
        Detached(tokio::spawn(async move { client.add(&new).await }))
    }

    async fn add_noted(&self, new: NewPayment, chunk: Option<(ChunkKey, Digest)>) -> Result<Adding, ClientError> {
        let mut warnings = self.strictness().check(&new, self.environment().now())?;
        let new = identified(new, self.environment());
        let endpoint = Endpoint::Add;
        let path = path(new.kind());
        let request = Request::create(endpoint, path, body(&AddRequest::from(&new), BODY_CAPACITY)?);
        // Pinned where they are made, here and further down: `await` alone would move each, and it is large. In blocks, so that
        // they take their turns in the same place.
        let begun = {
            let beginning = pin!(Creating::begin(self, Wanted::from(new), chunk));
            beginning.await?
        };
        let creating = match begun {
            Begin::Creating(creating) => creating,
            Begin::Done(record) => return Ok(Adding::Before(record)),
        };
        let before = creating.before.and_then(|known| known.payment);
        let (Data(added), noted) = {
            let sending = pin!(creating.send::<Data<AddedPayment>>(request));
            sending.await?
        };
        let payment = Payment::from(*added);
        let known = Known { psid: payment.psid(), payment: payment.id() };
        warnings.extend(before.map(Warning::MayHaveDiscarded));
        if !noted.close(Closed::Added(known)).await {
            warnings.push(Warning::NotJournalled);
        }
        Ok(Adding::Now(payment.with_warnings(warnings)))
    }
}

pub(crate) const PSID_PATH: &str = "/add?generationTypes=PSID";
pub(crate) const STATIC_QR_PATH: &str = "/add?generationTypes=SQRC_WITH_AMOUNT";
pub(crate) const OPEN_QR_PATH: &str = "/add?generationTypes=SQRC_WITHOUT_AMOUNT";
pub(crate) const DYNAMIC_QR_PATH: &str = "/add?generationTypes=DQRC";

/// Path and query, by kind: written out, as each bill needs one.
fn path(kind: PaymentKind) -> &'static str {
    match kind {
        PaymentKind::Psid => PSID_PATH,
        PaymentKind::StaticQr => STATIC_QR_PATH,
        PaymentKind::OpenQr => OPEN_QR_PATH,
        PaymentKind::DynamicQr => DYNAMIC_QR_PATH,
    }
}

/// A payment that was added now, or before under the same key.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, and is nearly always the large one")]
enum Adding {
    Now(Payment),
    Before(ChunkRecord),
}

/// What was asked for under a key, in brief, without the identifier that the client makes.
fn digest_of(new: &NewPayment) -> Result<Digest, ClientError> {
    let written = body(&AddRequest::from(new), BODY_CAPACITY)?;
    Ok(digest([generation_type(new.kind()).as_bytes(), &written]))
}

fn same(record: &ChunkRecord, digest: Digest) -> Result<(), ClientError> {
    if record.digest == digest {
        return Ok(());
    }
    let message = "the key was used for another payment; another payment needs another key (nothing was sent)";
    Err(ClientError::new(ErrorKind::Refused, message))
}

fn several() -> ClientError {
    let message = "the key's payment is in the hub several times; a person should look (nothing was sent)";
    ClientError::new(ErrorKind::Refused, message)
}

/// A payment that can be found again: with an identifier of the client's where it has none.
fn identified(mut new: NewPayment, environment: &Environment) -> NewPayment {
    let slot = match &mut new {
        NewPayment::OpenQr(open) => &mut open.identifier,
        NewPayment::DynamicQr(dynamic) => &mut dynamic.identifier,
        NewPayment::Psid(_) | NewPayment::StaticQr(_) => return new,
    };
    if slot.is_none() {
        let made = format!("{GENERATED_PREFIX}{:016x}{:016x}", environment.random(), environment.random());
        *slot = made.parse::<Identifier>().ok();
    }
    new
}

/// An operation in a task of its own, which goes on if this is dropped. A future.
pub struct Detached<T>(JoinHandle<Result<T, ClientError>>);

impl<T> Future for Detached<T> {
    type Output = Result<T, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|joined| {
            joined.unwrap_or_else(|error| {
                let ended = "the task was ended before its outcome was known; look among the open intents";
                Err(ClientError::new(ErrorKind::OutcomeUnknown, ended).caused(error))
            })
        })
    }
}

impl<T> fmt::Debug for Detached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detached").field("finished", &self.0.is_finished()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use asaanbill_core::PaymentKind;
    use asaanbill_wire::{Endpoint, GENERATION_TYPES, generation_type};

    #[test]
    fn paths_are_the_guides() {
        for &kind in PaymentKind::ALL {
            let expected =
                crate::ops::with_query(Endpoint::Add.template(), [(GENERATION_TYPES, generation_type(kind).into())]);
            assert_eq!(super::path(kind), expected);
        }
    }
}
