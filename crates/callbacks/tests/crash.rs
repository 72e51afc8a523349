//! A receiver that is killed at random moments, again and again, under load: each acknowledged call-back has exactly one
//! effect in a handler that writes in the inbox's transaction, and a forged one none.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asaanbill_callbacks::{Confirmed, HandlerError, Handling, Inbox, Receiver, SqliteHandler, rusqlite};
use asaanbill_client::Client;
use asaanbill_transport::{HyperTransport, Transport as _};
use axum::Router;
use axum::body::{Body, Bytes};
use http::{Request, Response};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::hub::{Hub, PASSWORD, USERNAME};
use crate::world::{ACKNOWLEDGED, processed, psid_of, unpaced};

/// How often the receiver is killed.
const KILLS: u32 = 200;

/// How many senders there are.
const SENDERS: u64 = 4;

/// How long the last receiver may take for what is left.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells the child its inbox, and the hub's address.
const INBOX: &str = "ASAANBILL_TEST_CRASH_INBOX";
const HUB: &str = "ASAANBILL_TEST_CRASH_HUB";

struct Ledger;

impl SqliteHandler for Ledger {
    fn handle(&self, event: &Confirmed, tx: &rusqlite::Connection) -> Result<(), HandlerError> {
        tx.execute_batch("CREATE TABLE IF NOT EXISTS ledger (key TEXT NOT NULL)")?;
        tx.execute("INSERT INTO ledger VALUES (?1)", [event.effect_key()])?;
        Ok(())
    }
}

#[cfg(feature = "postgres-tests")]
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
    let client = Client::builder().base_url(format!("http://{hub}")).credentials(USERNAME, PASSWORD);
    let client = client.transport(HyperTransport::new().unwrap()).build().unwrap();
    let handling = match inbox {
        Inbox::Sqlite(_) => Handling::in_sqlite(Ledger),
        #[cfg(feature = "postgres-tests")]
        _ => Handling::in_postgres(Ledger),
        #[cfg(not(feature = "postgres-tests"))]
        _ => panic!("an inbox of another sort"),
    };
    let receiver = Receiver::builder(inbox, client, handling).limits(unpaced()).sweep(None).build().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("\nlistening {}", listener.local_addr().unwrap());
    receiver.serve(listener, std::future::pending()).await.unwrap();
}

/// The hub behind a socket.
async fn serve(hub: Hub) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(move |request: Request<Body>| {
        let hub = hub.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            hub.answer(&Request::from_parts(head, body)).await.unwrap().map(Body::from)
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// What has happened, told by those who sent.
#[derive(Default)]
struct Sent {
    acknowledged: BTreeSet<String>,
    /// Genuine ones of which nobody knows whether they were stored.
    unknown: BTreeSet<String>,
    posts: u64,
}

/// Posts genuine and forged call-backs, one after another, to whichever receiver there is.
async fn send(number: u64, hub: Hub, sent: Arc<Mutex<Sent>>, receiver: watch::Receiver<Option<SocketAddr>>) {
    let transport = HyperTransport::new().unwrap();
    let mut receiver = receiver;
    for turn in 0.. {
        let Ok(address) = receiver.wait_for(Option::is_some).await.map(|address| *address) else { return };
        let psid = psid_of(number * 1_000_000 + turn);
        let bill = hub.bill(&psid, "50", "55");
        let genuine = turn % 4 != 0;
        if genuine {
            hub.pay(bill);
        }
        let request = Request::post(format!("http://{}/processed", address.unwrap()));
        let request = request.body(Bytes::from(processed(&psid, "50", Some("55")))).unwrap();
        let answer: Result<Response<Bytes>, _> = transport.send(request).await;
        let acknowledged = answer.is_ok_and(|answer| answer.body().as_ref() == ACKNOWLEDGED.as_bytes());
        let mut sent = sent.lock().unwrap();
        sent.posts += 1;
        if genuine {
            let key = format!("payment/23/{bill}");
            if acknowledged {
                sent.acknowledged.insert(key)
            } else {
                sent.unknown.insert(key)
            };
        }
    }
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

/// Kills receivers on this inbox, and compares what was acknowledged with what `ledger` reads in the end.
async fn check(inbox: &str, ledger: impl AsyncFn() -> Vec<String>) {
    let hub = Hub::default();
    let address = serve(hub.clone()).await;
    let sent = Arc::new(Mutex::new(Sent::default()));
    let (receivers, receiver) = watch::channel(None);
    let senders: Vec<_> =
        (1..=SENDERS).map(|n| tokio::spawn(send(n, hub.clone(), Arc::clone(&sent), receiver.clone()))).collect();
    let seed = getrandom::u64().unwrap();
    eprintln!("seed {seed}");
    let mut random = seed;
    for _ in 0..KILLS {
        let mut one = start(inbox, address).await;
        receivers.send_replace(Some(one.address));
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // At any moment of the next while: the deadline is the event.
        sleep_until(Instant::now() + Duration::from_millis(5 + (random >> 33) % 100)).await;
        one.child.kill().await.unwrap();
        receivers.send_replace(None);
    }
    for sender in senders {
        sender.abort();
    }
    let _last = start(inbox, address).await;
    let (acknowledged, unknown, posts) = {
        let sent = sent.lock().unwrap();
        (sent.acknowledged.clone(), sent.unknown.clone(), sent.posts)
    };
    let begun = Instant::now();
    let handled = loop {
        let handled = ledger().await;
        if acknowledged.iter().all(|key| handled.contains(key)) {
            break handled;
        }
        let missing = acknowledged.iter().filter(|key| !handled.contains(key)).count();
        assert!(begun.elapsed() < PATIENCE, "{missing} of {} acknowledged are not handled", acknowledged.len());
        sleep_until(Instant::now() + Duration::from_millis(100)).await;
    };
    let mut counts: BTreeMap<&String, u32> = BTreeMap::new();
    for key in &handled {
        *counts.entry(key).or_default() += 1;
    }
    eprintln!("{posts} posted, {} acknowledged, {} handled, {KILLS} kills", acknowledged.len(), handled.len());
    assert!(acknowledged.len() > usize::try_from(KILLS).unwrap(), "there was load: {}", acknowledged.len());
    assert!(counts.values().all(|count| *count == 1), "handled more than once");
    let stray: Vec<_> = counts.keys().filter(|key| !acknowledged.contains(**key) && !unknown.contains(**key)).collect();
    // What was under way when the senders ended is neither.
    assert!(stray.len() <= usize::try_from(SENDERS).unwrap(), "never sent, and handled: {stray:?}");
    assert!(stray.iter().all(|key| hub.is_paid(key)), "forged, and handled: {stray:?}");
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
