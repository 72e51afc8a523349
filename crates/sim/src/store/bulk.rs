//! Batches.
//!
//! guide:bulk-13 guide:read-11

use asaanbill_core::{BulkRequestId, ChannelId};
use asaanbill_storage::StorageError;
use asaanbill_storage::rusqlite::{Error, OptionalExtension as _, Row, params};
use asaanbill_wire::{PageRequest, StatusText};
use jiff::Timestamp;

use super::{Tx, micros, row};

/// How far a batch is. (Guide, the samples' batch status; its values assumed but for PROCESSED)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BulkStage {
    /// Accepted.
    Draft,
    /// Its payments are scheduled.
    InProcess,
    /// All its payments are done.
    Processed,
}

impl BulkStage {
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
    pub(crate) status: StatusText,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

const COLUMNS: &str = "id, channel, vouchers, status, created_at, updated_at";

fn record(row: &Row<'_>) -> Result<BulkRecord, Error> {
    Ok(BulkRecord {
        id: row::id(row, 0)?,
        channel: row::id(row, 1)?,
        vouchers: row.get(2)?,
        status: StatusText::text(row.get_ref(3)?.as_str()?),
        created_at: row::time(row, 4)?,
        updated_at: row::time(row, 5)?,
    })
}

impl Tx<'_> {
    pub(crate) fn insert_bulk_request(
        self,
        channel: ChannelId,
        vouchers: usize,
        now: Timestamp,
    ) -> Result<BulkRequestId, StorageError> {
        let mut insert = self.0.prepare_cached(
            "INSERT INTO bulk_requests (channel, vouchers, status, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)",
        )?;
        let vouchers = i64::try_from(vouchers).unwrap_or(i64::MAX);
        let id = insert.insert(params![i64::from(channel), vouchers, BulkStage::Draft.as_str(), micros(now)])?;
        Ok(BulkRequestId::try_from(id).map_err(row::corrupt)?)
    }

    pub(crate) fn put_bulk_stage(
        self,
        id: BulkRequestId,
        stage: BulkStage,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let mut update =
            self.0.prepare_cached("UPDATE bulk_requests SET status = ?1, updated_at = ?2 WHERE id = ?3")?;
        update.execute(params![stage.as_str(), micros(now), i64::from(id)])?;
        Ok(())
    }

    /// The oldest batch that isn't done.
    pub(crate) fn open_bulk_request(self) -> Result<Option<BulkRecord>, StorageError> {
        let mut select = self.0.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM bulk_requests WHERE status <> 'PROCESSED' ORDER BY id LIMIT 1"
        ))?;
        Ok(select.query_row([], record).optional()?)
    }

    pub(crate) fn bulk_request(
        self,
        channel: ChannelId,
        id: BulkRequestId,
    ) -> Result<Option<BulkRecord>, StorageError> {
        let mut select =
            self.0.prepare_cached(&format!("SELECT {COLUMNS} FROM bulk_requests WHERE channel = ?1 AND id = ?2"))?;
        Ok(select.query_row([i64::from(channel), i64::from(id)], record).optional()?)
    }

    /// A page of a channel's batches, newest first, and how many there are.
    pub(crate) fn bulk_requests(
        self,
        channel: ChannelId,
        page: PageRequest,
    ) -> Result<(u64, Vec<BulkRecord>), StorageError> {
        let channel = i64::from(channel);
        let mut count = self.0.prepare_cached("SELECT count(*) FROM bulk_requests WHERE channel = ?1")?;
        let total = count.query_row([channel], |row| row.get(0))?;
        let mut select = self.0.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM bulk_requests WHERE channel = ?1 ORDER BY id DESC LIMIT ?2 OFFSET ?3"
        ))?;
        let offset = i64::try_from(page.offset()).unwrap_or(i64::MAX);
        let rows = select.query_map(params![channel, page.size(), offset], record)?;
        Ok((total, rows.collect::<Result<_, _>>()?))
    }
}
