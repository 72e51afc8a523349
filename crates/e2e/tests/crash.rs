//! A receiver that is killed at random moments, again and again, under load from the simulator: each acknowledged call-back
//! has exactly one effect in a handler that writes in the inbox's transaction, and a forged one none.

use std::env;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use asaanbill_callbacks::{Confirmed, HandlerError, Handling, Inbox, Limits, Receiver, SqliteHandler, rusqlite};
use asaanbill_client::Client;
use asaanbill_sim::{Settings, Sim};
use asaanbill_transport::HyperTransport;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until};

use crate::relay::Relay;

/// How often the receiver is killed.
const KILLS: u32 = 200;

/// How many payers there are.
const PAYERS: u32 = 4;

/// How long the last receiver may take for what is left.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells the child its inbox, and the hub's address.
const INBOX: &str = "ASAANBILL_TEST_CRASH_INBOX";
const HUB: &str = "ASAANBILL_TEST_CRASH_HUB";

/// What the simulator does on top: so many in a thousand.
const DISTURBED: [(&str, &str); 2] = [("callback_duplicate", "200"), ("callback_forgery", "200")];

struct Ledger;

impl SqliteHandler for Ledger {
    fn handle(&self, event: &Confirmed, tx: &rusqlite::Connection) -> Result<(), HandlerError> {
        tx.execute_batch("CREATE TABLE IF NOT EXISTS ledger (key TEXT NOT NULL)")?;
        tx.execute("INSERT INTO ledger VALUES (?1)", [event.effect_key()])?;
        Ok(())
    }
}

#[async_trait::async_trait]
impl asaanbill_callbacks::PostgresHandler for Ledger {
    async fn handle(
        &self,
        event: &Confirmed,
        tx: &asaanbill_callbacks::PostgresTransaction,
    ) -> Result<(), HandlerError> {
        tx.execute("INSERT INTO ledger VALUES ($1)", &[&event.effect_key()]).await?;
        Ok(())
    }
}

/// The receiver that is killed: run by the tests below in a process of its own, and otherwise nothing.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let (Ok(inbox), Ok(hub)) = (env::var(INBOX), env::var(HUB)) else { return };
    let inbox: Inbox = inbox.parse().unwrap();
    let client = Client::builder().base_url(format!("http://{hub}")).credentials("demo", "demo");
    let client = client.transport(HyperTransport::new().unwrap()).build().unwrap();
    let handling = match inbox {
        Inbox::Sqlite(_) => Handling::in_sqlite(Ledger),
        _ => Handling::in_postgres(Ledger),
    };
    let mut limits = Limits::default();
    limits.lookups_per_second = None;
    let receiver = Receiver::builder(inbox, client, handling).limits(limits).sweep(None).build().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("\nlistening {}", listener.local_addr().unwrap());
    receiver.serve(listener, std::future::pending()).await.unwrap();
}

struct Killed {
    child: Child,
    address: SocketAddr,
}

async fn start(inbox: &str, hub: SocketAddr) -> Killed {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["crash::child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(INBOX, inbox).env(HUB, hub.to_string()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap().expect("the receiver starts");
        if let Some(address) = line.strip_prefix("listening ") {
            return Killed { child, address: address.parse().unwrap() };
        }
    }
}

/// Adds bills and pays them, one after another; of every fourth it is only claimed that it is paid.
async fn pay(number: u32, sim: Sim, client: Client, relay: Relay) {
    for turn in 0_u64.. {
        relay.bill(&sim, &client, &format!("P-{number}-{turn}"), "50", turn % 4 != 0).await;
    }
}

/// Kills receivers on this inbox, and compares what was acknowledged with what `ledger` reads in the end.
async fn check(inbox: &str, ledger: impl AsyncFn() -> Vec<String>) {
    let relay = Relay::start().await;
    let mut settings = Settings::default();
    for (name, value) in DISTURBED {
        settings.set(name, value).unwrap();
    }
    let url = format!("http://{}", relay.address).parse().unwrap();
    let sim = Sim::builder().settings(settings).callback_url(url).build().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hub = listener.local_addr().unwrap();
    let serving = sim.clone();
    tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
    let client = Client::builder().base_url(format!("http://{hub}")).credentials("demo", "demo");
    let client = client.transport(sim.transport()).build().unwrap();
    let payers: Vec<_> =
        (0..PAYERS).map(|number| tokio::spawn(pay(number, sim.clone(), client.clone(), relay.clone()))).collect();
    let seed = getrandom::u64().unwrap();
    eprintln!("seed {seed}");
    let mut random = seed;
    for _ in 0..KILLS {
        let mut one = start(inbox, hub).await;
        relay.turn_to(vec![one.address]);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // At any moment of the next while: the deadline is the event.
        sleep_until(Instant::now() + Duration::from_millis(5 + (random >> 33) % 100)).await;
        one.child.kill().await.unwrap();
        relay.turn_to(Vec::new());
    }
    for payer in payers {
        payer.abort();
    }
    let last = start(inbox, hub).await;
    relay.turn_to(vec![last.address]);
    let begun = Instant::now();
    let (seen, handled) = loop {
        let handled = ledger().await;
        // What is acknowledged meanwhile has to be handled too.
        let seen = relay.seen();
        let missing = seen.missing_from(&handled);
        if missing == 0 {
            break (seen, handled);
        }
        assert!(begun.elapsed() < PATIENCE, "{missing} of {} acknowledged are not handled", seen.acknowledged.len());
        sleep_until(Instant::now() + Duration::from_millis(100)).await;
    };
    let (acknowledged, forged) = (seen.acknowledged.len(), seen.forged);
    eprintln!(
        "{acknowledged} acknowledged, {} handled, {forged} forged ones acknowledged, {KILLS} kills",
        handled.len()
    );
    assert!(acknowledged > usize::try_from(KILLS).unwrap(), "there was load: {acknowledged}");
    assert!(forged > 0, "and there were forgers");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inbox.db");
    let inbox = format!("sqlite:{}", file.display());
    check(&inbox, async || {
        let db = rusqlite::Connection::open(&file).unwrap();
        db.busy_timeout(PATIENCE).unwrap();
        let Ok(mut select) = db.prepare("SELECT key FROM ledger") else { return Vec::new() };
        select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    })
    .await;
}

#[cfg(feature = "postgres-tests")]
#[tokio::test(flavor = "multi_thread")]
async fn killed_on_postgres() {
    use asaanbill_storage::tokio_postgres::{NoTls, connect};
    let cluster = crate::cluster::Cluster::shared().await;
    // Through the socket, where no password is asked for: checking one takes an unoptimised build longer than a receiver lives.
    let url = cluster.through_socket(&cluster.database().await);
    let (db, connection) = connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    db.batch_execute("CREATE TABLE ledger (key TEXT NOT NULL)").await.unwrap();
    check(&url, async || {
        let rows = db.query("SELECT key FROM ledger", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    })
    .await;
}
