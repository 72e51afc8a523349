//! What the hub stores, over SQLite: typed rows in and out, one function a statement. It decides nothing.
//!
//! guide:add-19 guide:reuse-2

mod access;
mod bulk;
mod outbox;
mod payments;
mod row;

use asaanbill_core::{ChannelId, Identifier, IdentifierState, PaymentId, Psid};
use asaanbill_storage::rusqlite::{Connection, OptionalExtension as _, params};
use asaanbill_storage::{Migration, StorageError};
use jiff::Timestamp;

pub(crate) use access::{Access, NewUser};
pub(crate) use bulk::{BulkRecord, BulkStage};
pub(crate) use outbox::Owed;

/// The store's tables, step by step.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "hub", sql: include_str!("schema.sql") }];

/// The first six digits of each PSID: AsaanBill's number in 1BILL's routing, as in the guide's samples. (implied)
const PSID_PREFIX: &str = "100139";

/// How many digits follow the prefix.
const PSID_SEQUENCE_DIGITS: usize = 18;

/// The hub's tables inside one transaction, or for reading.
#[derive(Clone, Copy)]
pub(crate) struct Tx<'c>(pub(crate) &'c Connection);

impl Tx<'_> {
    /// What is known of an identifier.
    pub(crate) fn identifier(
        self,
        channel: ChannelId,
        identifier: &Identifier,
    ) -> Result<IdentifierState, StorageError> {
        let mut select = self
            .0
            .prepare_cached("SELECT psid, newest, unpaid FROM identifiers WHERE channel = ?1 AND identifier = ?2")?;
        let state = select.query_row(params![i64::from(channel), identifier.as_str()], |row| {
            let psid = row::parsed::<Psid>(row, 0)?;
            let newest = row::id::<PaymentId>(row, 1)?;
            Ok(IdentifierState::InUse { psid, newest, unpaid: row.get(2)? })
        });
        Ok(state.optional()?.unwrap_or_default())
    }

    /// Writes what is known of an identifier.
    pub(crate) fn put_identifier(
        self,
        channel: ChannelId,
        identifier: &Identifier,
        state: IdentifierState,
    ) -> Result<(), StorageError> {
        let IdentifierState::InUse { psid, newest, unpaid } = state else { return Ok(()) };
        let mut upsert = self.0.prepare_cached(
            "INSERT INTO identifiers (channel, identifier, psid, newest, unpaid) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET newest = excluded.newest, unpaid = excluded.unpaid",
        )?;
        let newest = i64::from(newest);
        upsert.execute(params![i64::from(channel), identifier.as_str(), psid.as_str(), newest, unpaid])?;
        Ok(())
    }

    /// A PSID that no payment has.
    pub(crate) fn allocate_psid(self) -> Result<Psid, StorageError> {
        let mut next = self.0.prepare_cached("UPDATE psids SET next = next + 1 RETURNING next - 1")?;
        let number: u64 = next.query_row([], |row| row.get(0))?;
        let text = format!("{PSID_PREFIX}{number:0PSID_SEQUENCE_DIGITS$}");
        Ok(text.parse().map_err(row::corrupt)?)
    }
}

/// What the rules refuse of a record that the store holds: the store contradicts itself, and the transaction is to be undone.
pub(crate) fn contradiction(error: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    row::corrupt(error).into()
}

fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}
