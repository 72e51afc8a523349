//! How far an import is.

use std::time::Duration;

use tokio::time::Instant;

use super::{Done, ImportEvent, ImportedRow};
use crate::error::ClientError;
use crate::ops::RowOutcome;

/// How far an import is. Counts rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Given out so far: the sum of `accepted`, `refused`, `unknown` and `unsent`.
    pub read: u64,
    /// Of all these, sent by this run.
    pub sent: u64,
    /// Accepted by the hub.
    pub accepted: u64,
    /// Refused, by the hub or by the client before sending.
    pub refused: u64,
    /// Nobody knows.
    pub unknown: u64,
    /// Not sent.
    pub unsent: u64,
    /// Of all these, not sent by this run: the journal knew them.
    pub resumed: u64,
    /// Since the import's first event was asked for.
    pub elapsed: Duration,
}

impl Progress {
    /// Rows a second, on the average so far.
    pub fn per_second(&self) -> u64 {
        let milliseconds = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        (self.read - self.resumed).saturating_mul(1_000) / milliseconds
    }
}

/// Counts.
pub(super) struct Tally {
    progress: Progress,
    started: Option<Instant>,
}

impl Tally {
    pub(super) fn begin() -> Self {
        Self { progress: Progress::default(), started: None }
    }

    /// A chunk's rows, and how far it is after them.
    pub(super) fn events(
        &mut self,
        done: Done,
    ) -> impl Iterator<Item = Result<ImportEvent, ClientError>> + Send + use<> {
        let progress = &mut self.progress;
        let began = *self.started.get_or_insert(done.began);
        let count = u64::try_from(done.rows.len()).unwrap_or(u64::MAX);
        progress.read += count;
        progress.sent += u64::try_from(done.sent).unwrap_or(u64::MAX);
        progress.resumed += if done.resumed { count } else { 0 };
        for (outcome, _) in &done.rows {
            match outcome {
                RowOutcome::Accepted => progress.accepted += 1,
                RowOutcome::Refused(_) | RowOutcome::Missing => progress.refused += 1,
                RowOutcome::Unknown => progress.unknown += 1,
                RowOutcome::Unsent => progress.unsent += 1,
            }
        }
        progress.elapsed = began.elapsed();
        let (first, batch, progress) = (done.first, done.batch, *progress);
        let rows = (first..).zip(done.rows).map(move |(position, (outcome, psid))| {
            let batch = batch.filter(|_| outcome == RowOutcome::Accepted);
            Ok(ImportEvent::Row(ImportedRow { position, outcome, batch, psid }))
        });
        rows.chain(std::iter::once(Ok(ImportEvent::Progress(progress))))
    }
}
