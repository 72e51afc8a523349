//! The bank's side of the hub, for tests and demonstrations.
//!
//! guide:pay-5 guide:pay-10

use asaanbill_core::{Amount, Due, Payment, PaymentStatus, Psid};
use asaanbill_qr::MerchantCode;

use crate::code::qr_string;
use crate::engine::Engine;
use crate::hub::{Act, Cause, Outcome};
use crate::store::{InquiryOf, PsidOf};

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

/// What a banking app shows of a bill. (assumed: 1BILL's three)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BillStatus {
    /// It can be paid.
    Unpaid,
    /// It is paid.
    Paid,
    /// It can't be paid: expired, or not in a status to be.
    Blocked,
}

impl Inquiry {
    /// What a banking app shows.
    pub fn status(&self) -> BillStatus {
        match &self.due {
            Ok(_) => BillStatus::Unpaid,
            Err(_) if self.payment.status() == PaymentStatus::Processed => BillStatus::Paid,
            Err(_) => BillStatus::Blocked,
        }
    }
}

/// Why a payer's money is not taken. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BankError {
    /// No payment has the PSID.
    #[error("no payment has this PSID")]
    UnknownPsid,
    /// The text is no payment code.
    #[error("this is no payment QR code that can be read")]
    UnreadableCode,
    /// No payment has the code's bill number, or bills of several channels have it and none has this very code.
    #[error("no payment has this QR code")]
    UnknownCode,
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
    #[error("this payment can't be paid: it never got a PSID, or a newer one has taken it over")]
    Blocked,
    /// The reference is blank or too long, or has control characters, of which a database may not hold all.
    #[error("a bank reference has 1 to {BANK_REFERENCE_MAX_CHARS} characters, none of them a control character")]
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
        let record = self.engine.look(InquiryOf { psid }).await?;
        Ok(self.inquiry(record.ok_or(BankError::UnknownPsid)?.payment))
    }

    /// What the PSID behind a code owes now: that of the payment whose code it is, or whose bill number (62/01) the code has,
    /// be it its identifier, its record's number or its PSID. An older bill's code so leads to the bill that has its PSID now.
    ///
    /// # Errors
    ///
    /// [`BankError::UnreadableCode`], [`BankError::UnknownCode`], or [`BankError::Store`].
    pub async fn inquire_qr(&self, code: &str) -> Result<Inquiry, BankError> {
        let read = MerchantCode::parse(code).map_err(|_| BankError::UnreadableCode)?;
        let number = read.raast().and_then(|raast| raast.bill_number().map(str::to_owned));
        let number = number.ok_or(BankError::UnreadableCode)?;
        // A code has the identifier, or the PSID of one that it can't hold, or the number of a record without one.
        let psids = match number.parse::<Psid>() {
            Ok(psid) => vec![psid],
            Err(_) => {
                let identifier = number.parse().map_err(|_| BankError::UnknownCode)?;
                self.engine.look(PsidOf { identifier }).await?
            }
        };
        let mut candidates = Vec::with_capacity(psids.len());
        for psid in psids {
            candidates.extend(self.engine.look(InquiryOf { psid }).await?.map(|record| record.payment));
        }
        let found = match candidates.as_slice() {
            [one] => Some(one),
            // Channels may use the same identifier: then the whole code decides.
            several => several.iter().find(|payment| qr_string(payment) == code),
        };
        Ok(self.inquiry(found.cloned().ok_or(BankError::UnknownCode)?))
    }

    /// As [`inquire`](Self::inquire), with the reference under which the payment was paid, if it was.
    pub(crate) async fn inquire_with_reference(&self, psid: Psid) -> Result<(Inquiry, Option<String>), BankError> {
        let record = self.engine.look(InquiryOf { psid }).await?.ok_or(BankError::UnknownPsid)?;
        Ok((self.inquiry(record.payment), record.reference))
    }

    fn inquiry(&self, payment: Payment) -> Inquiry {
        Inquiry { due: payment.payable_at(self.engine.clock().now()), payment }
    }

    /// Pays `amount` to a PSID. The same `reference` again is a replay, not a second debit.
    ///
    /// Cancellation: the payment may have been made.
    ///
    /// # Errors
    ///
    /// [`BankError`] with the reason.
    pub async fn pay(&self, psid: Psid, amount: Amount, reference: &str) -> Result<Paid, BankError> {
        self.pay_because(psid, amount, reference, Cause::default()).await
    }

    /// As [`pay`](Self::pay), for a request.
    pub(crate) async fn pay_because(
        &self,
        psid: Psid,
        amount: Amount,
        reference: &str,
        cause: Cause,
    ) -> Result<Paid, BankError> {
        let is_odd = reference.trim().is_empty() || reference.chars().any(char::is_control);
        if is_odd || reference.chars().count() > BANK_REFERENCE_MAX_CHARS {
            return Err(BankError::Reference);
        }
        let reference = reference.to_owned();
        match self.engine.ask(Act::Pay { psid, amount, reference }, cause).await? {
            Outcome::Paid(paid) => *paid,
            _ => Err(BankError::Store),
        }
    }
}
