//! What each store does with leases: whoever lost one changes nothing, has no effect, and learns it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use asaanbill_core::{ChannelId, PaymentId};
use asaanbill_storage::queue::{Claim, Clocks, Token};
use asaanbill_storage::{Location, rusqlite};
use jiff::{SignedDuration, Timestamp};

use super::{Decision, End, NewReceipt, Open, Settled, SqliteStore, Store, Unhandled, What};
use crate::event::{Confirmed, Effect};
use crate::handler::{HandlerError, Handling, SqliteHandler};
use crate::receipt::ReceiptState;

const START: Timestamp = Timestamp::constant(1_753_900_000, 0);

/// For how long a claim is somebody's own.
const LEASE: SignedDuration = SignedDuration::from_secs(15);

/// The hub's record, and the call-back that it confirms.
const RECORD: &str = r#"{"id":"7","amount":"50","status":"PROCESSED"}"#;
const BODY: &str = r#"{"psid":"100139100100144754584584","amount":"50"}"#;

/// Counts how often it is run.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicU64>);

impl SqliteHandler for Counting {
    fn handle(&self, _: &Confirmed, _: &rusqlite::Connection) -> Result<(), HandlerError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(feature = "postgres-tests")]
#[async_trait::async_trait]
impl crate::handler::PostgresHandler for Counting {
    async fn handle(&self, _: &Confirmed, _: &asaanbill_storage::PostgresTransaction) -> Result<(), HandlerError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn at(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

/// All that is to be had at that second.
fn claim(seconds: i64) -> Claim {
    let now = at(seconds);
    Claim::new(10, Token::random().unwrap(), Clocks { due: now, now }, LEASE)
}

async fn receive(store: &dyn Store) -> i64 {
    let new = NewReceipt { path: "/processed", body: BODY.into(), source: None, received_at: START };
    store.receive(new).await.unwrap()
}

/// The only receipt that is to be looked into.
async fn open(store: &dyn Store, seconds: i64) -> Open {
    let mut opens = store.claim_receipts(claim(seconds)).await.unwrap();
    assert_eq!(opens.len(), 1);
    opens.remove(0)
}

async fn settle(store: &dyn Store, open: &Open, what: What) -> Settled {
    let decision = Decision { lease: open.lease, receipt: open.id, what };
    store.settle(Arc::new(vec![decision]), at(40), at(60)).await.unwrap()[0]
}

/// The only effect that is to be handled, and its event.
async fn unhandled(store: &dyn Store, seconds: i64) -> Unhandled {
    let mut all = store.claim_effects(claim(seconds)).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

async fn check(store: &dyn Store, handling: &Handling, handled: &AtomicU64) {
    let effect = Effect::Payment(ChannelId::try_from(23_u64).unwrap(), PaymentId::try_from(7_u64).unwrap());
    let effects = || What::Effects(vec![(effect, RECORD.to_owned())]);

    // The first is slow: its receipt is somebody else's by the time that it has an answer.
    let receipt = receive(store).await;
    let slow = open(store, 0).await;
    let quick = open(store, 20).await;
    assert_eq!((slow.id, quick.id), (receipt, receipt));
    for what in [effects(), What::Close(ReceiptState::Rejected)] {
        assert_eq!(settle(store, &slow, what).await, Settled::Lost);
    }
    assert_eq!(store.unknown(vec![effect]).await.unwrap(), [effect], "whoever lost it makes no effect");
    assert_eq!(settle(store, &quick, effects()).await, Settled::Done);
    assert_eq!(settle(store, &quick, effects()).await, Settled::Lost, "it is settled");
    assert!(store.unknown(vec![effect]).await.unwrap().is_empty());

    // The same event again has no effect of its own.
    receive(store).await;
    let repeated = open(store, 40).await;
    assert_eq!(settle(store, &repeated, effects()).await, Settled::Taken);
    assert_eq!(settle(store, &repeated, What::Close(ReceiptState::Duplicate)).await, Settled::Done);

    // And a slow handler's event is somebody else's, too.
    let slow = unhandled(store, 40).await;
    let quick = unhandled(store, 60).await;
    let handle = async |one: &Unhandled| {
        let events = vec![(one.lease, one.effect, one.event.clone().unwrap())];
        store.handle(handling, events, at(60)).await.remove(0).is_ok()
    };
    let noted = async || store.history(receipt).await.unwrap().unwrap().effect.unwrap().handled_at;
    assert!(!handle(&slow).await);
    store.finish(Arc::new(vec![(slow.lease, slow.effect, End::Handled)]), at(60)).await.unwrap();
    assert_eq!((handled.load(Ordering::Relaxed), noted().await), (0, None), "whoever lost it has no effect");
    assert!(handle(&quick).await);
    assert_eq!((handled.load(Ordering::Relaxed), noted().await), (1, Some(at(60))));
    assert!(!handle(&quick).await && !handle(&slow).await);
    assert_eq!(handled.load(Ordering::Relaxed), 1, "it is handled");
}

#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    for location in [Location::Memory, Location::File(folder.path().join("inbox.db"))] {
        let counting = Counting::default();
        let store = SqliteStore::open(&location).unwrap();
        check(&store, &Handling::in_sqlite(counting.clone()), &counting.0).await;
    }
}

#[cfg(feature = "postgres-tests")]
#[allow(dead_code, reason = "storage's own; not all of it is used here")]
#[path = "../../../storage/tests/cluster.rs"]
mod cluster;

#[cfg(feature = "postgres-tests")]
#[tokio::test]
async fn on_postgres() {
    let cluster = cluster::Cluster::shared().await;
    let url = super::PostgresUrl(cluster.through_socket(&cluster.database().await));
    let counting = Counting::default();
    let store = super::PostgresStore::open(&url).await.unwrap();
    check(&store, &Handling::in_postgres(counting.clone()), &counting.0).await;
}
