//! Adding one payment.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use asaanbill_core::{Identifier, NewPayment};
use asaanbill_wire::{AddRequest, AddedPayment, Endpoint, GENERATION_TYPES, generation_type};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::create::Creating;
use super::{body, with_query};
use crate::check::Warning;
use crate::environment::Environment;
use crate::error::{ClientError, ErrorKind};
use crate::exchange::Data;
use crate::intent::Wanted;
use crate::journal::{Closed, Known};
use crate::raw::Request;
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
    /// resolved. A handler that may be dropped takes [`add_detached`](Self::add_detached).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutcomeUnknown`] with the intent if nobody knows whether the hub has added it:
    /// [`resolve`](Self::resolve) finds out. [`ErrorKind::Unresolved`] if the identifier has such an intent already, and
    /// nothing was sent. After any other error the hub hasn't added it.
    pub async fn add(&self, new: &NewPayment) -> Result<Payment, ClientError> {
        self.add_owned(new.clone()).instrument(operation!("add")).await
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

    async fn add_owned(&self, new: NewPayment) -> Result<Payment, ClientError> {
        let mut warnings = self.strictness().check(&new, self.environment().now())?;
        let new = identified(new, self.environment());
        let endpoint = Endpoint::Add;
        let path = with_query(endpoint.template(), [(GENERATION_TYPES, generation_type(new.kind()).into())]);
        let request = Request::create(endpoint, path, body(&AddRequest::from(&new), BODY_CAPACITY)?);
        let creating = Creating::begin(self, Wanted::Add(new), None).await?;
        let before = creating.before.and_then(|known| known.payment);
        let (Data(added), noted) = creating.send::<Data<AddedPayment>>(request).await?;
        let payment = Payment::from(added);
        let known = Known { psid: payment.psid(), payment: payment.id() };
        warnings.extend(before.map(Warning::MayHaveDiscarded));
        if !noted.close(Closed::Added(known)).await {
            warnings.push(Warning::NotJournalled);
        }
        Ok(payment.with_warnings(warnings))
    }
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
