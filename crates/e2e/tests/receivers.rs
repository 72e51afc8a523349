//! Two receivers on one PostgreSQL, with a hub that sends twice, in another order, and with forgers beside it: each payment
//! has one effect, whoever of the two had the call-back, and also if one of them is gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use asaanbill_callbacks::{
    ACCEPT_TIMEOUT_MAX, Confirmed, HandlerError, Handling, Inbox, Limits, PostgresHandler, PostgresTransaction,
    Receiver,
};
use asaanbill_client::Client;
use asaanbill_sim::{Settings, Sim};
use asaanbill_storage::tokio_postgres::{self, NoTls, connect};
use async_trait::async_trait;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::cluster::Cluster;
use crate::relay::Relay;

/// How many payments there are.
const PAYMENTS: u32 = 120;

/// How long what has to happen is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the simulator does: so many in a thousand, with the highest number of copies.
const DISTURBED: [(&str, &str); 5] = [
    ("callback_duplicate", "500"),
    ("callback_copies", "5"),
    ("callback_disorder", "200"),
    ("callback_hold_seconds", "1"),
    ("callback_forgery", "300"),
];

/// Books each payment, with who did it, as soon as it may.
struct Ledger {
    by: &'static str,
    gate: Arc<Gate>,
}

/// Where handlers wait in the middle of their transactions.
struct Gate {
    passes: Semaphore,
    /// How many have come to it.
    came: watch::Sender<u32>,
}

impl Gate {
    fn new(passes: usize) -> Arc<Self> {
        Arc::new(Self { passes: Semaphore::new(passes), came: watch::Sender::new(0) })
    }
}

#[async_trait]
impl PostgresHandler for Ledger {
    async fn handle(&self, event: &Confirmed, tx: &PostgresTransaction) -> Result<(), HandlerError> {
        tx.execute("INSERT INTO ledger VALUES ($1, $2)", &[&event.effect_key(), &self.by]).await?;
        self.gate.came.send_modify(|came| *came += 1);
        self.gate.passes.acquire().await?.forget();
        Ok(())
    }
}

struct World {
    sim: Sim,
    relay: Relay,
    client: Client,
    url: String,
    db: tokio_postgres::Client,
}

/// One of several receivers. It is gone, as if killed, when it is dropped.
struct One {
    receiver: Receiver,
    address: SocketAddr,
    serving: JoinHandle<std::io::Result<()>>,
}

impl World {
    async fn start() -> Self {
        let cluster = Cluster::shared().await;
        let url = cluster.through_socket(&cluster.database().await);
        let (db, connection) = connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        db.batch_execute("CREATE TABLE ledger (key TEXT NOT NULL, by TEXT NOT NULL)").await.unwrap();
        let relay = Relay::start().await;
        let mut settings = Settings::default();
        for (name, value) in DISTURBED {
            settings.set(name, value).unwrap();
        }
        let callbacks = format!("http://{}", relay.address).parse().unwrap();
        let sim = Sim::builder().seed(7).settings(settings).callback_url(callbacks).build().await.unwrap();
        let client = Client::builder().base_url("http://127.0.0.1:1").credentials("demo", "demo");
        let client = client.transport(sim.transport()).build().unwrap();
        Self { sim, relay, client, url, db }
    }

    /// A receiver whose clock is so many seconds ahead.
    async fn receiver(&self, name: &'static str, ahead: &Arc<AtomicI64>) -> One {
        self.gated(name, ahead, Gate::new(Semaphore::MAX_PERMITS)).await
    }

    /// One whose handlers wait at a gate.
    async fn gated(&self, by: &'static str, ahead: &Arc<AtomicI64>, gate: Arc<Gate>) -> One {
        let mut limits = Limits::default();
        limits.lookups_per_second = None;
        // A slow machine needs it.
        limits.accept_timeout = ACCEPT_TIMEOUT_MAX;
        let ahead = Arc::clone(ahead);
        let clock = move || system_time() + SignedDuration::from_secs(ahead.load(Ordering::Relaxed));
        let inbox = Inbox::postgres(self.url.clone());
        let builder = Receiver::builder(inbox, self.client.clone(), Handling::in_postgres(Ledger { by, gate }));
        let receiver = builder.clock(clock).limits(limits).sweep(None).build().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = receiver.clone();
        let serving = tokio::spawn(async move { served.serve(listener, std::future::pending()).await });
        One { receiver, address, serving }
    }

    /// Adds and pays so many bills, a few at a time; of every fifth it is only claimed that it is paid.
    async fn pay(&self, prefix: &str) {
        let one = |payer: u32| async move {
            for turn in 0..PAYMENTS / 4 {
                let identifier = format!("{prefix}-{payer}-{turn}");
                self.relay.bill(&self.sim, &self.client, &identifier, "50", turn % 5 != 0).await;
            }
        };
        join_all((0..4).map(one)).await;
    }

    /// Waits until all that was acknowledged is handled, and so many were. Says who did how much.
    async fn handled(&self, acknowledged: usize) -> Vec<(String, i64)> {
        let begun = Instant::now();
        loop {
            let rows = self.db.query("SELECT key FROM ledger", &[]).await.unwrap();
            let handled: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            let seen = self.relay.seen();
            let missing = seen.missing_from(&handled);
            if missing == 0 && seen.acknowledged.len() >= acknowledged {
                break;
            }
            let count = seen.acknowledged.len();
            assert!(begun.elapsed() < PATIENCE, "{missing} of {count} are not handled, of {acknowledged}");
        }
        let rows = self.db.query("SELECT by, count(*) FROM ledger GROUP BY by ORDER BY by", &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

impl One {
    async fn metric(&self, name: &str) -> u64 {
        let metrics = self.receiver.metrics().await.unwrap();
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("asaanbill_callbacks_{name} ")));
        line.unwrap().parse().unwrap()
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[allow(clippy::disallowed_methods, reason = "receivers share a database, and the real time")]
fn system_time() -> Timestamp {
    Timestamp::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_receivers_have_one_effect_for_each_payment() {
    let world = World::start().await;
    let now = Arc::new(AtomicI64::new(0));
    let (a, b) = (world.receiver("a", &now).await, world.receiver("b", &now).await);
    world.relay.turn_to(vec![a.address, b.address]);
    world.pay("FS").await;
    // Nothing was refused.
    let paid = usize::try_from(PAYMENTS - PAYMENTS / 5).unwrap();
    let by = world.handled(paid).await;
    let [accepted_by_a, accepted_by_b] = [a.metric("accepted_total").await, b.metric("accepted_total").await];
    let seen = world.relay.seen();
    eprintln!("{by:?}, accepted {accepted_by_a} and {accepted_by_b}, forged {}", seen.forged);
    let handled: i64 = by.iter().map(|(_, count)| count).sum();
    assert_eq!(by.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"], "both took part");
    assert_eq!((usize::try_from(handled).unwrap(), seen.acknowledged.len()), (paid, paid));
    assert!(seen.forged > 0, "and there were forgers");
    assert!(accepted_by_a + accepted_by_b > u64::try_from(handled).unwrap() + seen.forged, "and there were duplicates");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_receiver_does_what_another_one_left() {
    let world = World::start().await;
    let (of_a, of_b) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let (a, b) = (world.receiver("a", &of_a).await, world.receiver("b", &of_b).await);
    world.relay.turn_to(vec![a.address]);
    // In the middle of its work it is gone, and what it had claimed with it.
    let paying = world.pay("FS");
    let gone = async {
        let half = i64::from(PAYMENTS) / 4;
        loop {
            let count: i64 = world.db.query_one("SELECT count(*) FROM ledger", &[]).await.unwrap().get(0);
            if count >= half {
                break;
            }
        }
        drop(a);
        world.relay.turn_to(vec![b.address]);
        // Its leases run out at once, as the other one's clock goes.
        of_b.store(60, Ordering::Relaxed);
    };
    tokio::join!(paying, gone);
    let by = world.handled(1).await;
    eprintln!("{by:?}");
    assert_eq!(by.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

/// A handler that takes longer than its lease: another receiver finds the lease run out, and doesn't handle it beside the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_past_its_lease_is_not_run_beside_itself() {
    let world = World::start().await;
    let (of_a, of_b) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let gate = Gate::new(0);
    let (a, b) = (world.gated("a", &of_a, Arc::clone(&gate)).await, world.receiver("b", &of_b).await);
    world.relay.turn_to(vec![a.address]);
    world.relay.bill(&world.sim, &world.client, "FS-slow", "50", true).await;
    gate.came.subscribe().wait_for(|came| *came > 0).await.unwrap();
    // From here on each of a's leases has run out for b, however often a asks for more time.
    of_b.store(60, Ordering::Relaxed);
    world.relay.turn_to(vec![b.address]);
    world.relay.bill(&world.sim, &world.client, "FS-quick", "50", true).await;
    let begun = Instant::now();
    while b.metric("handled_total").await == 0 {
        assert!(begun.elapsed() < PATIENCE, "b doesn't handle what it was sent");
    }
    let by = world.db.query("SELECT by FROM ledger", &[]).await.unwrap();
    assert_eq!(by.iter().map(|row| row.get(0)).collect::<Vec<&str>>(), ["b"], "a's isn't committed, nor another one's");

    gate.passes.add_permits(PAYMENTS as usize);
    let by = world.handled(2).await;
    let by: Vec<_> = by.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(by, [("a", 1), ("b", 1)], "each once, by whoever began");
    assert_eq!(*gate.came.borrow(), 1, "and it didn't begin again");
}
