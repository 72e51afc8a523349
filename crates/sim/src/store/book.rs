//! What a set of commands knows and changes: loaded once, written into by the rules, saved as a whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use asaanbill_core::{
    BulkRequestId, Change, ChannelId, Identifier, IdentifierState, NewPayment, Payment, PaymentId, PaymentStatus, Psid,
    Stage,
};
use asaanbill_storage::StorageError;
use jiff::Timestamp;

use super::bulk::{BulkRecord, BulkStage};
use super::events::Event;
use super::numbering::Numbering;
use super::tx::senseless;

/// An identifier of a channel. The payments of a channel that have none share the key without one.
pub(crate) type Key = (ChannelId, Option<Identifier>);

/// What a set of commands needs to know. Keys are sorted: so are the locks.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    pub(crate) identifiers: BTreeSet<Key>,
    /// PSIDs that are to be paid, with the banks' references.
    pub(crate) psids: BTreeMap<Psid, BTreeSet<String>>,
    /// Batches, and which of their payments.
    pub(crate) batches: BTreeMap<(ChannelId, BulkRequestId), Rows>,
    /// Channels that add a batch.
    pub(crate) channels: BTreeSet<ChannelId>,
    /// How many records are added for sure.
    pub(crate) records: usize,
    /// How many of them have no identifier and get a PSID of their own at once.
    pub(crate) nameless: usize,
}

impl Wants {
    /// How many payments are added, if nothing else is wanted and each has an identifier of its own.
    #[cfg(feature = "postgres")]
    pub(super) fn added_alone(&self) -> Option<usize> {
        let Self { identifiers, psids, batches, channels, records, nameless } = self;
        let alone = psids.is_empty() && batches.is_empty() && channels.is_empty();
        (alone && *nameless == 0 && identifiers.len() == *records).then_some(*records)
    }
}

/// Which payments of a batch are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rows {
    /// None: the batch itself is looked at.
    None,
    /// Those of a batch whose payments get their PSIDs next. Drafts are scheduled together, without being looked at.
    Scheduled,
    /// All of a batch that isn't done.
    All,
}

/// A payment and what the store keeps beside it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) channel: ChannelId,
    pub(crate) payment: Payment,
    /// The batch that it came in, and its place there from 0.
    pub(crate) bulk: Option<(BulkRequestId, u32)>,
    /// Under which of a bank's references it was paid.
    pub(crate) reference: Option<String>,
}

impl Record {
    /// When it last changed, if it is among the channel's listed payments.
    pub(crate) fn listed_at(&self) -> Option<Timestamp> {
        self.payment.stage.psid().map(|_| self.payment.updated_at)
    }
}

/// What is stored of a record that is changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) status: PaymentStatus,
    pub(super) listed_at: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) record: Record,
    /// None for a new one.
    pub(super) stored: Option<Stored>,
    pub(super) changed: bool,
}

/// An identifier's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(super) state: IdentifierState,
    /// How many records it has had.
    pub(super) made: u64,
    /// Whether it was there already.
    pub(super) stored: bool,
    pub(super) changed: bool,
}

/// What a PSID pays.
#[derive(Debug, Default)]
pub(super) struct Paying {
    /// The approved record, else the newest one.
    pub(super) current: Option<PaymentId>,
    pub(super) references: HashMap<String, PaymentId>,
}

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) record: BulkRecord,
    pub(super) rows: Vec<BatchRow>,
    pub(super) changed: bool,
    /// When all its drafts were scheduled, if they were just now.
    pub(super) scheduled: Option<Timestamp>,
}

/// A row of a batch: its payment, and that payment's identifier.
#[derive(Clone, Debug)]
pub(crate) struct BatchRow {
    pub(crate) id: PaymentId,
    pub(crate) identifier: Option<Identifier>,
}

/// A payment of a batch that is to be taken further. Nothing else of it is loaded: there are thousands, and no command comes after
/// the batch's in its set.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) channel: ChannelId,
    pub(super) stage: Stage,
    /// The status that is stored.
    pub(super) stored: PaymentStatus,
    /// When it was changed, if it was.
    pub(super) changed_at: Option<Timestamp>,
}

/// A call-back that a channel is owed.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    pub(crate) channel: ChannelId,
    pub(crate) path: &'static str,
    pub(crate) body: String,
}

/// A set's working copy of the store.
#[derive(Debug)]
pub(crate) struct Book {
    pub(super) numbering: Numbering,
    pub(super) identifiers: HashMap<Key, Entry>,
    pub(super) records: BTreeMap<PaymentId, Kept>,
    /// The payments of the batches that are to be taken further.
    pub(super) open: BTreeMap<PaymentId, Open>,
    pub(super) paying: HashMap<Psid, Paying>,
    pub(super) batches: BTreeMap<(ChannelId, BulkRequestId), Batch>,
    /// How many batches a channel has added.
    pub(super) last_batches: BTreeMap<ChannelId, u64>,
    pub(super) owed: Vec<Owed>,
    pub(super) events: Vec<Event>,
}

impl Book {
    pub(super) fn new() -> Self {
        Self {
            numbering: Numbering::Taken { payments: [].into(), psids: [].into() },
            identifiers: HashMap::new(),
            records: BTreeMap::new(),
            open: BTreeMap::new(),
            paying: HashMap::new(),
            batches: BTreeMap::new(),
            last_batches: BTreeMap::new(),
            owed: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Takes a payment up as a draft, and returns its number.
    pub(crate) fn insert(
        &mut self,
        channel: ChannelId,
        new: NewPayment,
        bulk: Option<(BulkRequestId, u32)>,
        now: Timestamp,
    ) -> Result<PaymentId, StorageError> {
        let identifier = new.identifier().cloned();
        let nth = match &self.numbering {
            Numbering::Taken { .. } => 0,
            // Only where it counts: otherwise each batch would write all its identifiers twice.
            Numbering::Seeded(_) => {
                let entry = self.identifiers.entry((channel, identifier.clone())).or_default();
                entry.made += 1;
                entry.changed = true;
                entry.made
            }
        };
        let id = self.numbering.payment(channel, identifier.as_ref(), nth)?;
        let record = Record { channel, payment: Payment::draft(id, new, now), bulk, reference: None };
        if self.records.insert(id, Kept { record, stored: None, changed: true }).is_some() {
            return Err(senseless("two records drew one number"));
        }
        Ok(id)
    }

    /// The records that are to be saved, in the order of their numbers.
    pub(super) fn changed_records(&self) -> impl Iterator<Item = &Kept> {
        self.records.values().filter(|kept| kept.changed)
    }

    /// Those that aren't stored yet.
    pub(super) fn new_records(&self) -> impl Iterator<Item = &Record> {
        self.changed_records().filter(|kept| kept.stored.is_none()).map(|kept| &kept.record)
    }

    pub(crate) fn record(&self, id: PaymentId) -> Result<&Record, StorageError> {
        Ok(&self.records.get(&id).ok_or_else(|| senseless("a record was not loaded"))?.record)
    }

    pub(crate) fn payment(&self, id: PaymentId) -> Result<&Payment, StorageError> {
        Ok(&self.record(id)?.payment)
    }

    /// Where a payment stands, a batch's among them.
    pub(crate) fn stage(&self, id: PaymentId) -> Result<&Stage, StorageError> {
        match self.open.get(&id) {
            Some(open) => Ok(&open.stage),
            None => Ok(&self.payment(id)?.stage),
        }
    }

    /// Makes a change that a rule decided.
    pub(crate) fn apply(&mut self, change: Change) -> Result<(), StorageError> {
        let Change { id, from, to, at } = change;
        if self.stage(id)?.status() != from {
            return Err(senseless("a record has left the status that a change starts from"));
        }
        if let Some(open) = self.open.get_mut(&id) {
            (open.stage, open.changed_at) = (to, Some(at));
        } else if let Some(kept) = self.records.get_mut(&id) {
            let payment = &mut kept.record.payment;
            (payment.stage, payment.updated_at, kept.changed) = (to, at, true);
        }
        Ok(())
    }

    /// Notes under which of a bank's references a record was paid.
    pub(crate) fn put_reference(&mut self, psid: Psid, reference: &str, id: PaymentId) {
        if let Some(kept) = self.records.get_mut(&id) {
            kept.record.reference = Some(reference.to_owned());
            kept.changed = true;
        }
        if let Some(paying) = self.paying.get_mut(&psid) {
            paying.references.insert(reference.to_owned(), id);
        }
    }

    /// The record that a PSID pays.
    pub(crate) fn current(&self, psid: Psid) -> Option<PaymentId> {
        self.paying.get(&psid)?.current
    }

    /// The record that a bank paid under this reference.
    pub(crate) fn paid_under(&self, psid: Psid, reference: &str) -> Option<PaymentId> {
        self.paying.get(&psid)?.references.get(reference).copied()
    }

    pub(crate) fn identifier(&self, channel: ChannelId, identifier: &Identifier) -> IdentifierState {
        self.identifiers.get(&(channel, Some(identifier.clone()))).map_or(IdentifierState::Unused, |entry| entry.state)
    }

    /// Remembers whom a PSID serves.
    pub(crate) fn put_identifier(&mut self, channel: ChannelId, identifier: &Identifier, state: IdentifierState) {
        let entry = self.identifiers.entry((channel, Some(identifier.clone()))).or_default();
        entry.state = state;
        entry.changed = true;
        if let IdentifierState::InUse { psid, newest, unpaid: true } = state
            && let Some(paying) = self.paying.get_mut(&psid)
        {
            paying.current = Some(newest);
        }
    }

    pub(crate) fn allocate_psid(
        &mut self,
        channel: ChannelId,
        identifier: Option<&Identifier>,
        id: PaymentId,
    ) -> Result<Psid, StorageError> {
        self.numbering.psid(channel, identifier, id)
    }

    /// Begins a batch.
    pub(crate) fn insert_batch(
        &mut self,
        channel: ChannelId,
        vouchers: u64,
        due_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<BulkRequestId, StorageError> {
        let last = self.last_batches.get_mut(&channel).ok_or_else(|| senseless("a channel was not loaded"))?;
        *last += 1;
        let id = BulkRequestId::try_from(*last).map_err(super::tx::contradiction)?;
        let stage = BulkStage::Draft;
        let record = BulkRecord { id, channel, vouchers, stage, due_at, polls: 0, created_at: now, updated_at: now };
        self.batches.insert((channel, id), Batch { record, rows: Vec::new(), changed: true, scheduled: None });
        Ok(id)
    }

    /// A batch and its rows, in their order.
    pub(crate) fn batch(&self, channel: ChannelId, id: BulkRequestId) -> Option<(&BulkRecord, &[BatchRow])> {
        let batch = self.batches.get(&(channel, id))?;
        Some((&batch.record, &batch.rows))
    }

    pub(crate) fn put_batch(&mut self, record: BulkRecord) {
        if let Some(batch) = self.batches.get_mut(&(record.channel, record.id)) {
            batch.record = record;
            batch.changed = true;
        }
    }

    /// Schedules all drafts of a batch.
    pub(crate) fn schedule(&mut self, channel: ChannelId, id: BulkRequestId, now: Timestamp) {
        if let Some(batch) = self.batches.get_mut(&(channel, id)) {
            batch.scheduled = Some(now);
        }
    }

    /// Owes a channel a call-back.
    pub(crate) fn owe(
        &mut self,
        channel: ChannelId,
        path: &'static str,
        body: &impl serde::Serialize,
    ) -> Result<(), StorageError> {
        let body = serde_json::to_string(body).map_err(super::tx::contradiction)?;
        self.owed.push(Owed { channel, path, body });
        Ok(())
    }

    /// Notes what happened.
    pub(crate) fn note(&mut self, event: Event) {
        self.events.push(event);
    }
}
