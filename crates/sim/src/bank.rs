//! The bank's side of the hub, for tests and demonstrations.
//!
//! guide:pay-5

use asaanbill_core::{Amount, Due, Payment, Psid};

use crate::engine::{Bell, Engine};
use crate::hub;

/// The most characters of a bank's reference. (assumed)
pub const BANK_REFERENCE_MAX_CHARS: usize = 64;

/// What a bank does with the hub when a payer opens its app.
#[derive(Clone, Debug)]
pub struct Bank {
    engine: Engine,
}

/// What became of a payer's money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paid {
    /// The record is paid by it.
    Now(Payment),
    /// The same reference paid this record before: nothing was debited again.
    Before(Payment),
}

impl Paid {
    /// The paid record.
    pub fn payment(&self) -> &Payment {
        match self {
            Self::Now(payment) | Self::Before(payment) => payment,
        }
    }
}

/// What a PSID owes now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// The record that the PSID pays, or the newest one.
    pub payment: Payment,
    /// What is owed, if anything can be paid.
    pub due: Result<Due, asaanbill_core::Unpayable>,
}

/// Why a payer's money is not taken. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BankError {
    /// No payment has the PSID.
    #[error("no payment has this PSID")]
    UnknownPsid,
    /// Paid, under another reference.
    #[error("already paid under another reference")]
    AlreadyPaid,
    /// The amount isn't what is owed now.
    #[error("the amount must be {due} rupees")]
    WrongAmount {
        /// What is owed.
        due: Amount,
    },
    /// The dynamic QR code's hour is over.
    #[error("this dynamic QR code has expired")]
    Expired,
    /// The payment can't be paid in its status.
    #[error("this payment can't be paid")]
    Blocked,
    /// The reference is blank or too long.
    #[error("a bank reference has 1 to {BANK_REFERENCE_MAX_CHARS} characters")]
    Reference,
    /// The hub's store failed.
    #[error("the hub's store failed")]
    Store,
}

impl Bank {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// What a PSID owes now.
    ///
    /// # Errors
    ///
    /// [`BankError::UnknownPsid`], or [`BankError::Store`].
    pub async fn inquire(&self, psid: Psid) -> Result<Inquiry, BankError> {
        let now = self.engine.clock().now();
        let payment = self.engine.read(move |tx| hub::find(tx, psid)).await?;
        Ok(Inquiry { due: payment.payable_at(now), payment })
    }

    /// Pays `amount` to a PSID. The same `reference` again is a replay, not a second debit.
    ///
    /// Cancellation: the payment may have been made.
    ///
    /// # Errors
    ///
    /// [`BankError`] with the reason.
    pub async fn pay(&self, psid: Psid, amount: Amount, reference: &str) -> Result<Paid, BankError> {
        if reference.trim().is_empty() || reference.chars().count() > BANK_REFERENCE_MAX_CHARS {
            return Err(BankError::Reference);
        }
        let reference = reference.to_owned();
        self.engine.write_and_ring(Bell::Callbacks, move |tx, now| hub::pay(tx, psid, amount, &reference, now)).await
    }
}
