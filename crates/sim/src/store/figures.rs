//! Figures for whoever watches the program.

use asaanbill_storage::StorageError;

use super::Script;
use super::tally;
use super::tx::{Columns as _, Tx};

/// How much there is.
pub(crate) struct Figures {
    /// Payments that have a PSID, by channel.
    pub(crate) payments: Vec<(String, u64)>,
    /// Batches with a step due, now or later.
    pub(crate) open_batches: u64,
    /// Deliveries of call-backs, by state.
    pub(crate) deliveries: Vec<(String, u64)>,
}

/// None of it is counted row by row but what is under way.
pub(crate) struct FiguresOf;

impl Script for FiguresOf {
    type Answer = Figures;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Figures, StorageError> {
        let open = "SELECT COUNT(*) FROM bulk_requests WHERE due_at IS NOT NULL";
        let open_batches = tx.query_one(open, &[], |row| row.count(0)).await?.unwrap_or_default();
        let deliveries = "SELECT state, COUNT(*) FROM outbox GROUP BY state ORDER BY state";
        let deliveries = tx.query(deliveries, &[], |row| Ok((row.text(0)?.to_owned(), row.count(1)?))).await?;
        Ok(Figures { payments: tally::totals(tx).await?, open_batches, deliveries })
    }
}
