//! The receiver, with a hub in its process in which every bill is paid, and a handler that books in the inbox's transaction.

use std::io::BufRead as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use asaanbill_callbacks::{
    BulkRecord, Confirmed, HandlerError, Handling, HubError, HubRecords, Inbox, Limits, PageRequest, PostgresHandler,
    PostgresTransaction, Receiver, RecordPage, SqliteHandler, rusqlite,
};
use asaanbill_core::{BulkRequestId, ChannelId, Psid};
use asaanbill_storage::tokio_postgres::{NoTls, connect};
use async_trait::async_trait;
use tokio::net::TcpListener;

/// How long it is waited at most until as many events are handled as were asked for.
const PATIENCE: Duration = Duration::from_secs(120);

const LEDGER: &str = "CREATE TABLE ledger (key TEXT NOT NULL)";

/// Serves on a listener, and does what standard input says, until that ends.
pub(super) async fn serve(store: &str, listener: TcpListener) -> crate::Outcome {
    let (away, handled) = (Arc::new(AtomicBool::new(false)), Arc::new(Handled::default()));
    let (inbox, ledger) = (store.parse::<Inbox>()?, Ledger(Arc::clone(&handled)));
    let handling = match &inbox {
        Inbox::Sqlite(_) => Handling::in_sqlite(ledger),
        _ => {
            let (db, connection) = connect(store, NoTls).await?;
            tokio::spawn(connection);
            db.batch_execute(LEDGER).await?;
            Handling::in_postgres(ledger)
        }
    };
    let mut limits = Limits::default();
    limits.lookups_per_second = None;
    let hub = Hub(Arc::clone(&away));
    let receiver = Receiver::builder(inbox, hub, handling).limits(limits).sweep(None).build().await?;
    let obeying = tokio::task::spawn_blocking(move || obey(&away, &handled));
    tokio::select! {
        served = receiver.serve(listener, std::future::pending()) => Ok(served?),
        _ = obeying => Ok(()),
    }
}

/// Answers each word with how many events are handled: `handled N` when there are so many, or when that takes too long.
fn obey(away: &AtomicBool, handled: &Handled) {
    for word in std::io::stdin().lock().lines().map_while(Result::ok) {
        match word.as_str() {
            "away" => away.store(true, Ordering::Relaxed),
            "back" => away.store(false, Ordering::Relaxed),
            _ => {}
        }
        let wanted = word.strip_prefix("handled ").and_then(|wanted| wanted.parse().ok());
        crate::say(&handled.wait_for(wanted.unwrap_or_default()).to_string());
    }
}

/// How many events are handled.
#[derive(Default)]
struct Handled {
    count: Mutex<u64>,
    more: Condvar,
}

impl Handled {
    /// Counts one. Says how many there were before.
    fn add(&self) -> u64 {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        self.more.notify_one();
        *count - 1
    }

    fn wait_for(&self, wanted: u64) -> u64 {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.more.wait_timeout_while(count, PATIENCE, |count| *count < wanted);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A hub in which every bill is paid, unless nobody can ask it.
struct Hub(Arc<AtomicBool>);

#[async_trait]
impl HubRecords for Hub {
    async fn channel(&self) -> Result<ChannelId, HubError> {
        Ok(ChannelId::try_from(23_u64)?)
    }

    async fn payments_of(&self, psid: Psid, _: PageRequest) -> Result<RecordPage, HubError> {
        if self.0.load(Ordering::Relaxed) {
            return Err("the hub is away".into());
        }
        let id: u64 = psid.as_str()[6..].parse()?;
        let record = format!(
            r#"{{"id":{id},"title":"Bareera Sheikh","identifier":"FS-{id}","amount":"50","dueDate":"2025-08-31","amountAfterDueDate":"55","psid":"{}","qrString":"000201","status":"PROCESSED","createdAt":"08:49AM 31-Jul-2025","paidAt":"08:50AM 31-Jul-2025","paymentDetails":[]}}"#,
            psid.as_str()
        );
        Ok(RecordPage::new(vec![serde_json::from_str(&record)?], 0, true))
    }

    async fn latest_payments(&self, _: PageRequest) -> Result<RecordPage, HubError> {
        Ok(RecordPage::new(Vec::new(), 0, true))
    }

    async fn bulk(&self, _: BulkRequestId) -> Result<Option<BulkRecord>, HubError> {
        Ok(None)
    }
}

/// Books each payment, and counts.
struct Ledger(Arc<Handled>);

impl SqliteHandler for Ledger {
    fn handle(&self, event: &Confirmed, tx: &rusqlite::Connection) -> Result<(), HandlerError> {
        if self.0.add() == 0 {
            tx.execute_batch(LEDGER)?;
        }
        tx.prepare_cached("INSERT INTO ledger VALUES (?1)")?.execute([event.effect_key()])?;
        Ok(())
    }
}

#[async_trait]
impl PostgresHandler for Ledger {
    async fn handle(&self, event: &Confirmed, tx: &PostgresTransaction) -> Result<(), HandlerError> {
        tx.execute("INSERT INTO ledger VALUES ($1)", &[&event.effect_key()]).await?;
        self.0.add();
        Ok(())
    }
}
