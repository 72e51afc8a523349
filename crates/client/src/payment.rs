//! A payment as the hub shows it.

use std::fmt;

use asaanbill_core::{Amount, PaymentId, PaymentStatus, Psid};
use asaanbill_wire::{AddedPayment, BulkPayment, Day, ListedPayment, Money, Private, Scalar, Stamp, StatusText};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::check::Warning;

/// A payment as the hub shows it. Which fields are there depends on the operation that showed it; what can't be read is
/// `None` here, and never an error, and amounts, days and times are there as text too. `Debug` hides the payer.
#[derive(Clone, Default)]
pub struct Payment {
    id: Option<Scalar>,
    psid: Option<Scalar>,
    title: Option<Private>,
    identifier: Option<Private>,
    amount: Option<Money>,
    amount_after_due_date: Option<Money>,
    due_date: Option<Day>,
    qr_string: Option<Private>,
    status: Option<StatusText>,
    created_at: Option<Stamp>,
    updated_at: Option<Stamp>,
    paid_at: Option<Stamp>,
    warnings: Box<[Warning]>,
}

/// Where a payment stands. A word that the guide doesn't have is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// One of the guide's.
    Known(PaymentStatus),
    /// Another one, as it came.
    Unknown(Box<str>),
}

impl Payment {
    pub(crate) fn with_warnings(self, warnings: Vec<Warning>) -> Self {
        Self { warnings: warnings.into(), ..self }
    }

    /// What the client noticed when it added this payment. Empty for one that was read.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The record's number.
    pub fn id(&self) -> Option<PaymentId> {
        self.id.as_ref()?.whole()?.try_into().ok()
    }

    /// The bill number, once there is one.
    pub fn psid(&self) -> Option<Psid> {
        self.psid.as_ref()?.as_str().parse().ok()
    }

    /// What the banking app shows. It may name a person: keep it out of logs.
    pub fn title(&self) -> Option<&str> {
        self.title.as_ref().map(Private::as_str)
    }

    /// The payer's key. It may name a person: keep it out of logs.
    pub fn identifier(&self) -> Option<&str> {
        self.identifier.as_ref().map(Private::as_str)
    }

    /// What is owed through the due date, if it is an amount: positive, at most two decimal places.
    pub fn amount(&self) -> Option<Amount> {
        self.amount.as_ref()?.amount()
    }

    /// What is owed through the due date, whatever decimal the hub shows.
    pub fn amount_decimal(&self) -> Option<Decimal> {
        self.amount.as_ref()?.decimal()
    }

    /// What is owed through the due date, as the hub wrote it.
    pub fn amount_text(&self) -> Option<&str> {
        self.amount.as_ref().map(Money::as_str)
    }

    /// What is owed after the due date.
    pub fn amount_after_due_date(&self) -> Option<Amount> {
        self.amount_after_due_date.as_ref()?.amount()
    }

    /// The due date, if there is such a day.
    pub fn due_date(&self) -> Option<Date> {
        self.due_date.as_ref()?.date()
    }

    /// The due date as the hub wrote it.
    pub fn due_date_text(&self) -> Option<&str> {
        self.due_date.as_ref().map(Day::as_str)
    }

    /// The text of the QR code. It may name a person: keep it out of logs.
    pub fn qr_string(&self) -> Option<&str> {
        self.qr_string.as_ref().map(Private::as_str).filter(|text| !text.is_empty())
    }

    /// Where it stands.
    pub fn status(&self) -> Option<Status> {
        let text = self.status.as_ref()?;
        Some(text.status().map_or_else(|| Status::Unknown(text.as_str().into()), Status::Known))
    }

    /// When the hub accepted it, to the minute.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.created_at.as_ref()?.timestamp()
    }

    /// When the hub accepted it, as the hub wrote it: one of the guide's samples has a 31st of June.
    pub fn created_at_text(&self) -> Option<&str> {
        self.created_at.as_ref().map(Stamp::as_str)
    }

    /// When it last changed, to the minute.
    pub fn updated_at(&self) -> Option<Timestamp> {
        self.updated_at.as_ref()?.timestamp()
    }

    /// When it was paid, to the minute.
    pub fn paid_at(&self) -> Option<Timestamp> {
        self.paid_at.as_ref()?.timestamp()
    }

    /// When it was paid, as the hub wrote it, which may be `N/A`.
    pub fn paid_at_text(&self) -> Option<&str> {
        self.paid_at.as_ref().map(Stamp::as_str)
    }
}

impl From<AddedPayment> for Payment {
    fn from(added: AddedPayment) -> Self {
        let AddedPayment {
            id,
            amount,
            amount_after_due_date,
            identifier,
            title,
            due_date,
            period: _,
            identifier_description: _,
            billed_to_name: _,
            billed_to_address: _,
            billed_to_contact: _,
            psid,
            qr_string,
            status,
            created_at,
            updated_at,
            payment_details: _,
        } = added;
        Self {
            id,
            psid,
            title,
            identifier,
            amount,
            amount_after_due_date,
            due_date,
            qr_string,
            status,
            created_at,
            updated_at,
            paid_at: None,
            warnings: Box::default(),
        }
    }
}

impl From<ListedPayment> for Payment {
    fn from(listed: ListedPayment) -> Self {
        let ListedPayment {
            id,
            title,
            identifier,
            amount,
            due_date,
            amount_after_due_date,
            billed_to_name: _,
            billed_to_address: _,
            billed_to_contact: _,
            psid,
            qr_string,
            status,
            created_at,
            paid_at,
            payment_details: _,
        } = listed;
        Self {
            id,
            psid,
            title,
            identifier,
            amount,
            amount_after_due_date,
            due_date,
            qr_string,
            status,
            created_at,
            updated_at: None,
            paid_at,
            warnings: Box::default(),
        }
    }
}

impl From<BulkPayment> for Payment {
    fn from(payment: BulkPayment) -> Self {
        let BulkPayment {
            id,
            amount,
            amount_after_due_date,
            identifier,
            due_date,
            period: _,
            identifier_description: _,
            psid,
            status,
            created_at,
            updated_at,
        } = payment;
        Self {
            id,
            psid,
            identifier,
            amount,
            amount_after_due_date,
            due_date,
            status,
            created_at,
            updated_at,
            ..Self::default()
        }
    }
}

impl fmt::Debug for Payment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payment")
            .field("id", &self.id)
            .field("psid", &self.psid)
            .field("status", &self.status)
            .field("amount", &self.amount)
            .finish_non_exhaustive()
    }
}
