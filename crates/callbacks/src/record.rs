//! The hub's records, as far as a receiver needs them.

use std::fmt;

use asaanbill_core::{Amount, PaymentId, PaymentStatus, Psid};
use asaanbill_wire::{Day, ListedPayment, Private, Stamp, StatusText};
#[cfg(feature = "client")]
use asaanbill_wire::{Money, Scalar};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A payment as the hub's records show it. What can't be read is `None`, and never an error. `Debug` hides the payer.
///
/// It is kept in the inbox with its event, so that a handler gets what was confirmed, whatever the hub does meanwhile.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PaymentRecord(ListedPayment);

impl PaymentRecord {
    /// The record's number.
    pub fn id(&self) -> Option<PaymentId> {
        self.0.id.as_ref()?.whole()?.try_into().ok()
    }

    /// The bill number, once there is one.
    pub fn psid(&self) -> Option<Psid> {
        self.0.psid.as_ref()?.as_str().parse().ok()
    }

    /// What the banking app shows. It may name a person: keep it out of logs.
    pub fn title(&self) -> Option<&str> {
        self.0.title.as_ref().map(Private::as_str)
    }

    /// The payer's key. It may name a person: keep it out of logs.
    pub fn identifier(&self) -> Option<&str> {
        self.0.identifier.as_ref().map(Private::as_str)
    }

    /// What is owed through the due date; of a payment on an open QR code, what was paid.
    pub fn amount(&self) -> Option<Amount> {
        self.0.amount.as_ref()?.amount()
    }

    /// What is owed after the due date.
    pub fn amount_after_due_date(&self) -> Option<Amount> {
        self.0.amount_after_due_date.as_ref()?.amount()
    }

    /// The due date, if there is such a day.
    pub fn due_date(&self) -> Option<Date> {
        self.0.due_date.as_ref()?.date()
    }

    /// The due date as the hub wrote it.
    pub fn due_date_text(&self) -> Option<&str> {
        self.0.due_date.as_ref().map(Day::as_str)
    }

    /// Where it stands, if the guide has the word.
    pub fn status(&self) -> Option<PaymentStatus> {
        self.0.status.as_ref()?.status()
    }

    /// Where it stands, as the hub wrote it.
    pub fn status_text(&self) -> Option<&str> {
        self.0.status.as_ref().map(StatusText::as_str)
    }

    /// When the hub accepted it, to the minute.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.0.created_at.as_ref()?.timestamp()
    }

    /// When it was paid, to the minute.
    pub fn paid_at(&self) -> Option<Timestamp> {
        self.0.paid_at.as_ref()?.timestamp()
    }

    /// When it was paid, as the hub wrote it, which may be `N/A`.
    pub fn paid_at_text(&self) -> Option<&str> {
        self.0.paid_at.as_ref().map(Stamp::as_str)
    }

    /// Whether it is paid.
    pub fn is_paid(&self) -> bool {
        self.status() == Some(PaymentStatus::Processed)
    }

    /// Whether it can't be paid any more, and wasn't. Of a status that the guide doesn't have nobody knows.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status(), Some(PaymentStatus::Discarded | PaymentStatus::Errored))
    }
}

/// For your own [`HubRecords`](crate::HubRecords): a record as the hub's answers have it.
impl From<ListedPayment> for PaymentRecord {
    fn from(listed: ListedPayment) -> Self {
        Self(listed)
    }
}

#[cfg(feature = "client")]
impl From<&asaanbill_client::Payment> for PaymentRecord {
    fn from(payment: &asaanbill_client::Payment) -> Self {
        use asaanbill_client::Status;
        let status = payment.status().map(|status| match status {
            Status::Known(status) => status.into(),
            Status::Unknown(word) => StatusText::text(word),
            _ => StatusText::text(""),
        });
        Self(ListedPayment {
            id: payment.id().map(|id| Scalar::number(id.get())),
            title: payment.title().map(Private::text),
            identifier: payment.identifier().map(Private::text),
            amount: payment.amount_text().map(Money::text),
            due_date: payment.due_date_text().map(Day::text),
            amount_after_due_date: payment.amount_after_due_date().map(Money::from),
            psid: payment.psid().map(|psid| Scalar::text(psid.as_str())),
            qr_string: payment.qr_string().map(Private::text),
            status,
            created_at: payment.created_at_text().map(Stamp::text),
            paid_at: payment.paid_at_text().map(Stamp::text),
            ..ListedPayment::default()
        })
    }
}

/// The record as the client's operations show payments.
#[cfg(feature = "client")]
impl From<&PaymentRecord> for asaanbill_client::Payment {
    fn from(record: &PaymentRecord) -> Self {
        record.0.clone().into()
    }
}

impl fmt::Debug for PaymentRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaymentRecord")
            .field("id", &self.0.id)
            .field("psid", &self.0.psid)
            .field("status", &self.0.status)
            .field("amount", &self.0.amount)
            .finish_non_exhaustive()
    }
}

/// A batch as the hub's records show it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BulkRecord {
    /// Its payments, in the hub's order.
    pub payments: Vec<PaymentRecord>,
    /// How many of its payments can't be read.
    pub unread: usize,
}

impl BulkRecord {
    /// A batch of these payments, and of so many that can't be read.
    pub fn new(payments: Vec<PaymentRecord>, unread: usize) -> Self {
        Self { payments, unread }
    }

    /// Whether each of its payments has its PSID or never will, and one at least has it. Of one that can't be read nobody
    /// knows.
    pub(crate) fn is_done(&self) -> bool {
        let has_psid = |payment: &PaymentRecord| payment.psid().is_some();
        self.unread == 0
            && self.payments.iter().all(|payment| has_psid(payment) || payment.is_over())
            && self.payments.iter().any(has_psid)
    }
}

/// A page of payments.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RecordPage {
    /// The payments, in the hub's order.
    pub records: Vec<PaymentRecord>,
    /// How many of this page's can't be read at all.
    pub unread: usize,
    /// Whether nothing follows.
    pub is_last: bool,
}

impl RecordPage {
    /// A page of these payments, and of so many that can't be read; the last one or not.
    pub fn new(records: Vec<PaymentRecord>, unread: usize, is_last: bool) -> Self {
        Self { records, unread, is_last }
    }
}
