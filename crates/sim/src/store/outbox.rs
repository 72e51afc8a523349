//! Call-backs that are owed.
//!
//! guide:call-6 guide:call-8

use asaanbill_core::ChannelId;
use asaanbill_storage::StorageError;
use asaanbill_storage::rusqlite::{OptionalExtension as _, params};
use jiff::Timestamp;

use super::{Tx, micros};

/// A call-back that is owed.
#[derive(Clone)]
pub(crate) struct Owed {
    pub(crate) id: i64,
    pub(crate) url: String,
    pub(crate) path: String,
    pub(crate) body: String,
}

impl Tx<'_> {
    /// Notes that a channel is owed a call-back, if it wants any.
    pub(crate) fn owe(
        self,
        channel: ChannelId,
        path: &str,
        body: &impl serde::Serialize,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let body = serde_json::to_string(body).map_err(super::row::corrupt)?;
        let mut insert = self.0.prepare_cached(
            "INSERT INTO outbox (channel, path, body, created_at)
             SELECT id, ?2, ?3, ?4 FROM channels WHERE id = ?1 AND callback_url IS NOT NULL",
        )?;
        insert.execute(params![i64::from(channel), path, body, micros(now)])?;
        Ok(())
    }

    /// The oldest call-back that wasn't attempted.
    pub(crate) fn owed(self) -> Result<Option<Owed>, StorageError> {
        let mut select = self.0.prepare_cached(
            "SELECT outbox.id, callback_url, path, body FROM outbox JOIN channels ON channels.id = channel
             WHERE attempted_at IS NULL AND callback_url IS NOT NULL ORDER BY outbox.id LIMIT 1",
        )?;
        let found = select
            .query_row([], |row| Ok(Owed { id: row.get(0)?, url: row.get(1)?, path: row.get(2)?, body: row.get(3)? }));
        Ok(found.optional()?)
    }

    /// Notes an attempt and its outcome.
    pub(crate) fn attempted(self, id: i64, outcome: &str, now: Timestamp) -> Result<(), StorageError> {
        let mut update = self.0.prepare_cached("UPDATE outbox SET attempted_at = ?1, outcome = ?2 WHERE id = ?3")?;
        update.execute(params![micros(now), outcome, id])?;
        Ok(())
    }

    /// The outcomes of all attempts, oldest first.
    pub(crate) fn outcomes(self) -> Result<Vec<(String, String)>, StorageError> {
        let mut select =
            self.0.prepare_cached("SELECT path, outcome FROM outbox WHERE outcome IS NOT NULL ORDER BY id")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
