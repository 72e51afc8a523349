//! A full disk: nothing is acknowledged that isn't stored, nothing that was is lost, and it is said what is wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use asaanbill_callbacks::{
    Confirmed, HandlerError, Handling, Location, Receiver, SqliteHandler, StuckKind, rusqlite::Connection,
};
use asaanbill_transport::{ServiceTransport, Transport as _};

use crate::hub::Hub;
use crate::world::{ACKNOWLEDGED, patient, post, processed, psid_of};

/// How long what has to happen is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Books each payment. With the first one the disk is nearly full: there is much that somebody could remove, and no page more.
#[derive(Default)]
struct Squeeze(AtomicBool);

impl SqliteHandler for Squeeze {
    fn handle(&self, event: &Confirmed, tx: &Connection) -> Result<(), HandlerError> {
        tx.execute_batch("CREATE TABLE IF NOT EXISTS ledger (key TEXT NOT NULL)")?;
        tx.execute("INSERT INTO ledger VALUES (?1)", [event.effect_key()])?;
        if !self.0.swap(true, Ordering::Relaxed) {
            tx.execute_batch("CREATE TABLE rubbish AS SELECT randomblob(1000000) AS bytes")?;
            let pages: u32 = tx.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            // For this connection, which is the only one that the receiver writes through.
            tx.pragma_update(None, "max_page_count", pages)?;
        }
        Ok(())
    }
}

fn booked(db: &Connection) -> Vec<String> {
    let Ok(mut select) = db.prepare("SELECT key FROM ledger ORDER BY key") else { return Vec::new() };
    select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !happened().await {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inbox.db");
    let hub = Hub::default();
    let builder =
        Receiver::builder(Location::File(file.clone()), hub.client(), Handling::in_sqlite(Squeeze::default()));
    let receiver = builder.limits(patient()).sweep(None).build().await.unwrap();
    let mut number = 0;
    let mut announce = async || {
        number += 1;
        let bill = hub.bill(&psid_of(number), "50", "55");
        hub.pay(bill);
        let request = post("/processed", &processed(&psid_of(number), "50", Some("55")));
        let answer = ServiceTransport::new(receiver.router()).send(request).await.unwrap();
        let acknowledged = answer.body().as_ref() == ACKNOWLEDGED.as_bytes();
        (format!("payment/23/{bill}"), acknowledged, answer)
    };
    let db = Connection::open(&file).unwrap();
    db.busy_timeout(PATIENCE).unwrap();

    let (first, ..) = announce().await;
    let mut acknowledged = vec![first];
    until("the disk is nearly full", async || booked(&db).len() == 1).await;
    let refused = loop {
        let (key, stored, answer) = announce().await;
        if !stored {
            break answer;
        }
        acknowledged.push(key);
        assert!(acknowledged.len() < 1_000, "the disk is never full");
    };
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.body(), r#"{"responseCode":503,"responseMessage":"Not stored; send it again","data":null}"#);
    let metrics = receiver.metrics().await.unwrap();
    assert!(metrics.contains("asaanbill_callbacks_refused_total{reason=\"full\"} 1\n"), "{metrics}");
    let stuck = receiver.health().await.stuck;
    assert_eq!(stuck.first().map(|stuck| stuck.what), Some(StuckKind::Store), "{stuck:?}");

    // Somebody makes room: it goes on by itself.
    db.execute_batch("DROP TABLE rubbish").unwrap();
    let (last, stored, answer) = announce().await;
    assert!(stored, "{answer:?}");
    acknowledged.push(last);
    until("all that was acknowledged is handled", async || booked(&db).len() >= acknowledged.len()).await;
    acknowledged.sort();
    assert_eq!(booked(&db), acknowledged, "each once, and nothing else");
    assert!(receiver.health().await.is_well());
}
