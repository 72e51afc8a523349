//! Cuts rows into chunks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use asaanbill_core::Bill;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::ImportOptions;
use super::chunk::{Chunk, Done, Row};
use crate::Client;
use crate::check::EdgeWhiteSpace;
use crate::error::ClientError;
use crate::journal::{ChunkKey, ChunkRecord};
use crate::trace::operation;

/// Reads rows, and makes of them chunks that are ready to be sent.
pub(super) struct Chunker {
    client: Client,
    bills: BoxStream<'static, Bill>,
    options: ImportOptions,
    /// A row that was read and belongs to the next chunk.
    carried: VecDeque<Row>,
    chunks: u64,
    rows: u64,
    /// Resolves when all chunks before are done.
    before: Option<oneshot::Receiver<()>>,
    /// Set by a chunk that failed: nothing more is sent.
    stop: Arc<AtomicBool>,
    over: bool,
}

impl Chunker {
    pub(super) fn new(client: Client, bills: BoxStream<'static, Bill>, options: ImportOptions) -> Self {
        Self {
            client,
            bills,
            options,
            carried: VecDeque::new(),
            chunks: 0,
            rows: 0,
            before: None,
            stop: Arc::default(),
            over: false,
        }
    }

    /// Chunks as futures, which have begun nothing yet.
    pub(super) fn into_stream(
        self,
    ) -> impl Stream<Item = BoxFuture<'static, Result<Done, ClientError>>> + Send + 'static {
        stream::unfold(self, |mut chunker| async move {
            if chunker.over || chunker.stop.load(Ordering::Acquire) {
                return None;
            }
            let future: BoxFuture<'static, _> = match chunker.next().await {
                Ok(Some(chunk)) => {
                    let span = operation!("import", first_row = chunk.first, rows = chunk.rows.len());
                    Box::pin(chunk.run(Arc::clone(&chunker.stop)).instrument(span))
                }
                Ok(None) => return None,
                Err(error) => {
                    chunker.over = true;
                    Box::pin(async { Err(error) })
                }
            };
            Some((future, chunker))
        })
    }

    async fn next(&mut self) -> Result<Option<Chunk>, ClientError> {
        let began = Instant::now();
        let key = self.options.name.as_ref().map(|name| ChunkKey::of_import(name, self.chunks));
        let stored = match &key {
            Some(key) => self.client.journal().chunk(key).await.map_err(crate::ops::not_noted)?,
            None => None,
        };
        let rows = self.cut(stored.as_ref()).await;
        if rows.is_empty() {
            return Ok(None);
        }
        let first = self.rows;
        self.rows += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        self.chunks += 1;
        let (done, after) = oneshot::channel();
        let before = self.before.replace(after);
        let psids = self.options.psids;
        Ok(Some(Chunk { client: self.client.clone(), key, stored, first, rows, before, done, psids, began }))
    }

    /// Reads rows up to the limits; of a chunk that was sent before, as many as it had.
    async fn cut(&mut self, stored: Option<&ChunkRecord>) -> Vec<Row> {
        let (rows_max, bytes_max) = match stored {
            Some(record) => (record.rows, usize::MAX),
            None => (self.options.chunk_rows, self.options.chunk_bytes),
        };
        let (mut rows, mut sent, mut bytes) = (Vec::new(), 0, 0_usize);
        while sent < rows_max {
            let row = match self.carried.pop_front() {
                Some(row) => row,
                None => match self.bills.next().await {
                    Some(bill) => self.judge(bill),
                    None => break,
                },
            };
            if let Row::Sent(bill) = &row {
                bytes = bytes.saturating_add(written_length(bill));
                if bytes > bytes_max && sent > 0 {
                    self.carried.push_front(row);
                    break;
                }
                sent += 1;
            } else if rows.len() - sent >= rows_max {
                // A file of nothing but bad rows is given out in chunks, too.
                self.carried.push_front(row);
                break;
            }
            rows.push(row);
        }
        rows
    }

    /// What the client itself refuses isn't sent.
    fn judge(&self, bill: Bill) -> Row {
        let refused = self.client.strictness().edges == EdgeWhiteSpace::Refused;
        if refused && bill.identifier.has_edge_whitespace() { Row::Edged } else { Row::Sent(bill) }
    }
}

/// How many bytes a row has as JSON.
fn written_length(bill: &Bill) -> usize {
    /// The names, quotes, colons, commas and braces, and ten characters of a day.
    const FRAME: usize =
        r#"{"title":"","identifier":"","amount":"","dueDate":"0000-00-00","amountAfterDueDate":""},"#.len();
    // In pieces whose count fits into a byte, which the processor adds up many at a time.
    const PIECE: usize = u8::MAX as usize;
    let quotes = |piece: &[u8]| usize::from(piece.iter().map(|b| u8::from(matches!(b, b'"' | b'\\'))).sum::<u8>());
    let escaped = |text: &str| text.len() + text.as_bytes().chunks(PIECE).map(quotes).sum::<usize>();
    let amounts = bill.amount.as_str().len() + bill.amount_after_due_date.as_str().len();
    FRAME + escaped(bill.title.as_str()) + escaped(bill.identifier.as_str()) + amounts
}

#[cfg(test)]
mod tests {
    use asaanbill_core::{Fields, NewPayment, PaymentKind};
    use asaanbill_wire::BulkRow;

    use super::written_length;

    #[test]
    fn a_rows_length_is_what_is_written() {
        for (title, amount) in [("Ali", "5"), ("Ali \"Tuck\" \\ Shop", "123456789012345.67"), ("طالب علم", "1.5")]
        {
            let fields = Fields {
                title: Some(title),
                identifier: Some("A-1"),
                amount: Some(amount),
                due_date: Some("2025-08-31"),
                amount_after_due_date: Some(amount),
                ..Fields::default()
            };
            let new = NewPayment::parse(PaymentKind::Psid, &fields).unwrap();
            let bill = new.bill().unwrap();
            let written = serde_json::to_string(&BulkRow::from(bill)).unwrap();
            assert_eq!(written_length(bill), written.len() + 1, "{written}");
        }
    }
}
