//! Columns into values.

use asaanbill_storage::StorageError;
use asaanbill_storage::tokio_postgres::Row;
use asaanbill_storage::tokio_postgres::types::FromSql;
use jiff::Timestamp;

use crate::receipt::{Receipt, ReceiptState};

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, StorageError> {
    Ok(row.try_get(column)?)
}

/// Reads what `RECEIPT` names.
pub(super) fn receipt(row: &Row) -> Result<Receipt, StorageError> {
    Ok(Receipt {
        id: get(row, 0)?,
        path: get(row, 1)?,
        source: get(row, 2)?,
        received_at: at(row, 3)?,
        state: state(row, 4)?,
        resolved_at: get::<Option<i64>>(row, 5)?.map(|_| at(row, 5)).transpose()?,
        attempts: count(row, 6)?,
        failures: count(row, 7)?,
    })
}

pub(super) fn state(row: &Row, column: usize) -> Result<ReceiptState, StorageError> {
    ReceiptState::from_word(get(row, column)?).ok_or_else(|| StorageError::unreadable("a receipt's state"))
}

pub(super) fn at(row: &Row, column: usize) -> Result<Timestamp, StorageError> {
    Timestamp::from_microsecond(get(row, column)?).map_err(|_| StorageError::unreadable("a receipt's time"))
}

pub(super) fn count(row: &Row, column: usize) -> Result<u32, StorageError> {
    Ok(u32::try_from(get::<i32>(row, column)?).unwrap_or_default())
}

pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
