//! Batches.
//!
//! guide:bulk-13 guide:read-11

use asaanbill_core::{BulkRequestId, ChannelId, Event, Payment, PaymentStatus, Unpayable};
use asaanbill_storage::StorageError;
use asaanbill_wire::{PageRequest, status_text};
use jiff::Timestamp;

use super::Script;
use super::book::Book;
use super::payments::{OF_BATCH, record as payment_record};
use super::tx::{Columns as _, Each, Given, Row, Tx, Type, contradiction, id, senseless};

/// How far a batch is. (Guide, the samples' batch status; its values assumed but for PROCESSED)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BulkStage {
    /// Accepted.
    Draft,
    /// Its payments are scheduled.
    InProcess,
    /// All its payments are done.
    Processed,
}

impl BulkStage {
    const ALL: [Self; 3] = [Self::Draft, Self::InProcess, Self::Processed];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::InProcess => "IN_PROCESS",
            Self::Processed => "PROCESSED",
        }
    }
}

/// One batch.
#[derive(Clone, Debug)]
pub(crate) struct BulkRecord {
    pub(crate) id: BulkRequestId,
    pub(crate) channel: ChannelId,
    pub(crate) vouchers: u64,
    pub(crate) stage: BulkStage,
    /// When its next step is due. None while it waits for polls or a hand, or is done.
    pub(crate) due_at: Option<Timestamp>,
    /// How often its detail was asked for while it was open.
    pub(crate) polls: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

pub(super) const COLUMNS: &str = "id, channel, vouchers, status, due_at, polls, created_at, updated_at";

pub(super) fn record(row: &Row<'_>) -> Result<BulkRecord, StorageError> {
    let status = row.text(3)?;
    let stage = BulkStage::ALL.into_iter().find(|stage| stage.as_str() == status);
    Ok(BulkRecord {
        id: id(row, 0)?,
        channel: id(row, 1)?,
        vouchers: row.count(2)?,
        stage: stage.ok_or_else(|| senseless("an unknown stage of a batch"))?,
        due_at: row.time_or_null(4)?,
        polls: row.count(5)?,
        created_at: row.time(6)?,
        updated_at: row.time(7)?,
    })
}

const PUT: Each = Each {
    one: "INSERT INTO bulk_requests (channel, id, vouchers, status, due_at, polls, created_at, updated_at)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
          ON CONFLICT (channel, id) DO UPDATE SET status = excluded.status, due_at = excluded.due_at,
              polls = excluded.polls, updated_at = excluded.updated_at",
    all: "INSERT INTO bulk_requests (channel, id, vouchers, status, due_at, polls, created_at, updated_at)
          SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[], $5::BIGINT[], $6::BIGINT[],
              $7::BIGINT[], $8::BIGINT[])
          ON CONFLICT (channel, id) DO UPDATE SET status = excluded.status, due_at = excluded.due_at,
              polls = excluded.polls, updated_at = excluded.updated_at",
    given: Given::Columns(&[Type::Int, Type::Int, Type::Int, Type::Text, Type::Int, Type::Int, Type::Int, Type::Int]),
};

const PUT_LAST: Each = Each {
    one: "UPDATE channels SET batches = $1 WHERE id = $2",
    all: "UPDATE channels c SET batches = u.batches
          FROM UNNEST($1::BIGINT[], $2::BIGINT[]) AS u (batches, id) WHERE c.id = u.id",
    given: Given::Columns(&[Type::Int, Type::Int]),
};

pub(super) async fn save<T: Tx>(tx: &T, book: &Book) -> Result<(), StorageError> {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let changed = book.batches.values().filter(|batch| batch.changed);
    let rows: Vec<_> = changed
        .map(|batch| {
            let BulkRecord { id, channel, vouchers, stage, due_at, polls, created_at, updated_at } = &batch.record;
            vec![
                i64::from(*channel).into(),
                i64::from(*id).into(),
                whole(*vouchers).into(),
                stage.as_str().into(),
                (*due_at).into(),
                whole(*polls).into(),
                (*created_at).into(),
                (*updated_at).into(),
            ]
        })
        .collect();
    tx.execute_each(&PUT, &rows).await?;
    for batch in book.batches.values() {
        if let Some(now) = batch.scheduled {
            schedule(tx, &batch.record, now).await?;
        }
    }
    let last = book.last_batches.iter().map(|(channel, last)| vec![whole(*last).into(), i64::from(*channel).into()]);
    let last: Vec<_> = last.collect();
    tx.execute_each(&PUT_LAST, &last).await?;
    Ok(())
}

/// Schedules all drafts of a batch with one statement: the rule is the same for each of them.
async fn schedule<T: Tx>(tx: &T, batch: &BulkRecord, now: Timestamp) -> Result<(), StorageError> {
    let draft = PaymentStatus::Draft;
    let scheduled = draft.after(Event::Schedule).map_err(|refused| contradiction(Unpayable::Status(refused)))?;
    let update = "UPDATE payments SET status = $1, updated_at = $2
                  WHERE channel = $3 AND bulk_request = $4 AND status = $5";
    let (channel, id) = (i64::from(batch.channel), i64::from(batch.id));
    let (to, from) = (status_text(scheduled).into(), status_text(draft).into());
    tx.execute(update, &[to, now.into(), channel.into(), id.into(), from]).await?;
    Ok(())
}

/// A page of a channel's batches, newest first, and how many there are.
pub(crate) struct BulkList {
    pub(crate) channel: ChannelId,
    pub(crate) page: PageRequest,
}

impl Script for BulkList {
    type Answer = (u64, Vec<BulkRecord>);

    async fn run<T: Tx>(&self, tx: &T) -> Result<Self::Answer, StorageError> {
        let channel = i64::from(self.channel);
        let batches = "SELECT batches FROM channels WHERE id = $1";
        let total = tx.query_one(batches, &[channel.into()], |row| row.count(0)).await?.unwrap_or_default();
        // Batches are numbered from 1 without gaps: a page is found by number.
        let Some(newest) = total.checked_sub(self.page.offset()).filter(|newest| *newest > 0) else {
            return Ok((total, Vec::new()));
        };
        let select =
            format!("SELECT {COLUMNS} FROM bulk_requests WHERE channel = $1 AND id <= $2 ORDER BY id DESC LIMIT $3");
        let newest = i64::try_from(newest).unwrap_or(i64::MAX);
        let found = tx.query(&select, &[channel.into(), newest.into(), self.page.size().into()], record).await?;
        Ok((total, found))
    }
}

/// A batch with all its payments.
pub(crate) struct BulkDetail {
    pub(crate) channel: ChannelId,
    pub(crate) id: BulkRequestId,
}

impl Script for BulkDetail {
    type Answer = Option<(BulkRecord, Vec<Payment>)>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Self::Answer, StorageError> {
        let args = [i64::from(self.channel).into(), i64::from(self.id).into()];
        let select = format!("SELECT {COLUMNS} FROM bulk_requests WHERE channel = $1 AND id = $2");
        let Some(found) = tx.query_one(&select, &args, record).await? else { return Ok(None) };
        let payments = tx.query(OF_BATCH, &args, |row| Ok(payment_record(row)?.payment)).await?;
        Ok(Some((found, payments)))
    }
}

/// The batch whose step is due first, and when, but for some.
pub(crate) struct DueBatch {
    pub(crate) except: Vec<(ChannelId, BulkRequestId)>,
}

impl Script for DueBatch {
    type Answer = Option<(ChannelId, BulkRequestId, Timestamp)>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Self::Answer, StorageError> {
        let select = "SELECT channel, id, due_at FROM bulk_requests WHERE due_at IS NOT NULL AND status <> 'PROCESSED'
                      ORDER BY due_at, channel, id LIMIT $1";
        let enough = i64::try_from(self.except.len() + 1).unwrap_or(i64::MAX);
        let due = tx.query(select, &[enough.into()], |row| Ok((id(row, 0)?, id(row, 1)?, row.time(2)?))).await?;
        Ok(due.into_iter().find(|(channel, id, _)| !self.except.contains(&(*channel, *id))))
    }
}
