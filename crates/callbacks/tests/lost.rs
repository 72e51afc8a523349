//! A PostgreSQL that goes away: connections cut before, within and after a commit, a server that is killed, and one without room.
//! What was acknowledged is handled once, and what wasn't at most once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use asaanbill_callbacks::{
    Confirmed, HandlerError, Handling, Inbox, PostgresHandler, PostgresTransaction, Receiver, StuckKind,
};
use asaanbill_storage::tokio_postgres::{NoTls, connect};
use asaanbill_transport::{ServiceTransport, Transport as _};

use crate::cluster::Cluster;
use crate::hub::Hub;
use crate::proxy::{Cut, Proxy};
use crate::world::{ACKNOWLEDGED, patient, post, processed, psid_of};

/// How long what has to happen is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// In how long a call-back that can't be stored is refused: the receiver's four seconds, and a slow machine's own.
const REFUSED_WITHIN: Duration = Duration::from_secs(10);

struct Ledger;

#[async_trait::async_trait]
impl PostgresHandler for Ledger {
    async fn handle(&self, event: &Confirmed, tx: &PostgresTransaction) -> Result<(), HandlerError> {
        tx.execute("INSERT INTO ledger VALUES ($1)", &[&event.effect_key()]).await?;
        Ok(())
    }
}

/// A receiver, and those who sent to it.
struct World {
    hub: Hub,
    receiver: Receiver,
    /// The database, past whatever is between it and the receiver.
    url: String,
    posted: u64,
    acknowledged: BTreeSet<String>,
    refused: BTreeSet<String>,
}

impl World {
    async fn build(url: String, through: String) -> Self {
        ask(&url, "CREATE TABLE ledger (key TEXT NOT NULL)").await;
        let hub = Hub::default();
        let builder = Receiver::builder(Inbox::postgres(through), hub.client(), Handling::in_postgres(Ledger));
        let receiver = builder.limits(patient()).sweep(None).build().await.unwrap();
        Self { hub, receiver, url, posted: 0, acknowledged: BTreeSet::new(), refused: BTreeSet::new() }
    }

    /// Posts a genuine call-back. Says whether it was acknowledged, which has to be known in time.
    async fn announce(&mut self) -> bool {
        self.posted += 1;
        let bill = self.hub.bill(&psid_of(self.posted), "50", "55");
        self.hub.pay(bill);
        let request = post("/processed", &processed(&psid_of(self.posted), "50", Some("55")));
        let begun = Instant::now();
        let answer = ServiceTransport::new(self.receiver.router()).send(request).await.unwrap();
        assert!(begun.elapsed() < REFUSED_WITHIN, "{:?}", begun.elapsed());
        let acknowledged = answer.body().as_ref() == ACKNOWLEDGED.as_bytes();
        assert_eq!(answer.status(), if acknowledged { 200 } else { 503 });
        let told = if acknowledged { &mut self.acknowledged } else { &mut self.refused };
        told.insert(format!("payment/23/{bill}"));
        acknowledged
    }

    async fn announce_until_acknowledged(&mut self) {
        let begun = Instant::now();
        while !self.announce().await {
            assert!(begun.elapsed() < PATIENCE, "the receiver doesn't find its database again");
        }
    }

    /// All that was acknowledged is handled once, and nothing twice.
    async fn check(&self) {
        let begun = Instant::now();
        loop {
            let handled = ask(&self.url, "SELECT key FROM ledger").await;
            let keys: BTreeSet<_> = handled.iter().cloned().collect();
            assert_eq!(keys.len(), handled.len(), "handled twice");
            assert!(keys.iter().all(|key| self.acknowledged.contains(key) || self.refused.contains(key)));
            if self.acknowledged.is_subset(&keys) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "not handled: {:?}", self.acknowledged.difference(&keys));
        }
    }
}

/// Runs a statement, and returns its first column.
async fn ask(url: &str, sql: &str) -> Vec<String> {
    let (db, connection) = connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    db.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// A server says `disk_full` where it can't extend a table. Here a trigger says it, since a disk of a test's own needs root.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_room_for_another_call_back() {
    const NO_ROOM: &str = "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$";
    let cluster = Cluster::shared().await;
    let url = cluster.through_socket(&cluster.database().await);
    let mut world = World::build(url.clone(), url.clone()).await;
    assert!(world.announce().await);
    ask(&url, NO_ROOM).await;
    ask(&url, "CREATE TRIGGER no_room BEFORE INSERT ON receipts FOR EACH ROW EXECUTE FUNCTION no_room()").await;
    assert!(!world.announce().await, "it can't be stored");
    let metrics = world.receiver.metrics().await.unwrap();
    assert!(metrics.contains("asaanbill_callbacks_refused_total{reason=\"full\"} 1\n"), "{metrics}");
    let stuck = world.receiver.health().await.stuck;
    assert_eq!(stuck.first().map(|stuck| stuck.what), Some(StuckKind::Store), "{stuck:?}");

    ask(&url, "DROP TRIGGER no_room ON receipts").await;
    assert!(world.announce().await, "there is room again");
    world.check().await;
    assert_eq!(world.receiver.receipts().await.unwrap().len(), 2, "what was refused isn't there");
    assert!(world.receiver.health().await.is_well());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_anywhere() {
    let cluster = Cluster::shared().await;
    let url = cluster.database().await;
    let proxy = Proxy::start(cluster.port()).await;
    let mut world = World::build(cluster.through_socket(&url), proxy.url(&url, cluster.port())).await;
    for cut in [Cut::AtOnce, Cut::BeforeCommit, Cut::AfterCommit] {
        world.announce_until_acknowledged().await;
        world.announce_until_acknowledged().await;
        proxy.cut(cut);
        // Also what is under way is cut, wherever it is.
        for _ in 0..3 {
            world.announce().await;
        }
        proxy.cut(Cut::Nowhere);
        world.announce_until_acknowledged().await;
    }
    assert!(!world.refused.is_empty(), "the cuts were felt");
    world.check().await;
    eprintln!("{} acknowledged, {} refused", world.acknowledged.len(), world.refused.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed() {
    let mut cluster = Cluster::start().await;
    let url = cluster.database().await;
    let url = cluster.through_socket(&url);
    let mut world = World::build(url.clone(), url).await;
    for _ in 0..3 {
        world.announce_until_acknowledged().await;
        cluster.kill();
        // Its processes end one after another, and one of them may still commit.
        let begun = Instant::now();
        while world.announce().await {
            assert!(begun.elapsed() < PATIENCE, "nothing can be stored");
        }
        // Nor can anything be read, once the last of them has ended.
        let begun = Instant::now();
        while world.receiver.health().await.stuck.first().map(|stuck| stuck.what) != Some(StuckKind::Store) {
            assert!(begun.elapsed() < PATIENCE, "the store isn't said to be stuck");
        }
        cluster.restart().await;
        world.announce_until_acknowledged().await;
    }
    world.check().await;
    assert!(world.receiver.health().await.is_well());
}
