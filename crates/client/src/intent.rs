//! What was to be created.

use std::fmt;
use std::sync::Arc;

use asaanbill_core::{Bill, Identifier, NewPayment, PaymentId};
use asaanbill_wire::{BulkRow, Literals};
use jiff::Timestamp;

/// What a request is to create, noted in the journal before it is sent: enough to look for it in the hub's records.
/// `Debug` hides the payers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    pub(crate) id: IntentId,
    pub(crate) sent_at: Timestamp,
    pub(crate) wanted: Wanted,
    pub(crate) previous: Option<PaymentId>,
}

/// The journal's number of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(pub(crate) u64);

/// What is wanted. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// One payment. It always has an identifier: the client makes one where the caller gave none.
    Add(Arc<NewPayment>),
    /// A batch.
    AddBulk(Rows),
}

/// The rows of a batch. Cheap to clone. Equal if they are written alike.
#[derive(Clone)]
#[non_exhaustive]
pub enum Rows {
    /// Valid ones.
    Bills(Arc<[Bill]>),
    /// Text that nobody has checked: the hub judges it.
    Text(Arc<[BulkRow<'static>]>),
}

impl Intent {
    /// An intent as a journal gives it back. For whoever writes a [`Journal`](crate::Journal).
    pub fn new(id: IntentId, sent_at: Timestamp, wanted: Wanted, previous: Option<PaymentId>) -> Self {
        Self { id, sent_at, wanted, previous }
    }

    /// The journal's number of it.
    pub fn id(&self) -> IntentId {
        self.id
    }

    /// When it was noted, just before it was sent, by this machine's clock.
    pub fn sent_at(&self) -> Timestamp {
        self.sent_at
    }

    /// What is wanted.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// The identifier's payment that the journal knew before, which therefore isn't this one.
    pub fn previous(&self) -> Option<PaymentId> {
        self.previous
    }
}

impl IntentId {
    /// A journal numbers its intents as it likes, each number once.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<NewPayment> for Wanted {
    fn from(new: NewPayment) -> Self {
        Self::Add(Arc::new(new))
    }
}

impl Wanted {
    /// The identifiers that it takes, in order, with repeats. Texts that are no identifiers take none.
    pub fn identifiers(&self) -> Vec<Identifier> {
        match self {
            Self::Add(new) => new.identifier().cloned().into_iter().collect(),
            Self::AddBulk(Rows::Bills(bills)) => bills.iter().map(|bill| bill.identifier.clone()).collect(),
            Self::AddBulk(Rows::Text(rows)) => {
                rows.iter().filter_map(|row| text(&row.identifier)?.parse().ok()).collect()
            }
        }
    }
}

impl Rows {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Bills(bills) => bills.len(),
            Self::Text(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them, as it is written.
    pub fn get(&self, position: usize) -> Option<BulkRow<'_>> {
        match self {
            Self::Bills(bills) => bills.get(position).map(BulkRow::from),
            Self::Text(rows) => rows.get(position).cloned(),
        }
    }

    /// All of them, in order, as they are written.
    pub fn iter(&self) -> impl Iterator<Item = BulkRow<'_>> + Clone {
        (0..self.len()).filter_map(|position| self.get(position))
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Rows {}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} rows>", self.len())
    }
}

/// A row's text, if it is one.
pub(crate) fn text<'a>(field: &'a asaanbill_wire::RequestText<'_>) -> Option<&'a str> {
    field.read(Literals::Accepted).ok().flatten()
}
