//! A simulator in a process of its own is killed at random moments under load, again and again: what it acknowledged is there,
//! and nothing is half done.

use std::collections::HashSet;
use std::env;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asaanbill_sim::Sim;
use asaanbill_storage::Location;
use asaanbill_transport::HyperTransport;
use axum::Router;
use http::header;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::audit::{Books, faults, rows};
use crate::hub::PATIENCE;
use crate::receiver::RECEIVED;
use crate::traffic::{Acknowledged, Caller, Chance};

/// How often it is killed.
const KILLS: u32 = 200;

/// After how many kills all of its books are looked at.
const AUDITED_EVERY: u32 = 5;

/// How many ask it for something at once.
const CALLERS: u32 = 6;

/// How much is acknowledged before a kill, at the most, and how long that is waited with then: the moment is any within a set's life.
const ACKNOWLEDGED_MAX: u64 = 16;
const PAUSE_MAX_MICROS: u64 = 12_000;

/// Tells the process that serves what it serves: a file or a URL, and where its call-backs go.
const STORE: &str = "ASAANBILL_SIM_CRASH_STORE";
const CALLBACKS: &str = "ASAANBILL_SIM_CRASH_CALLBACKS";

/// Repeats a run; without it a seed is drawn, and told.
const SEED: &str = "ASAANBILL_SIM_CRASH_SEED";

/// What the process says when it serves, before its port.
const READY: &str = "serving on port ";

/// No test by itself: what the killed process runs. It serves until it is killed, or its input ends with whoever started it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve() {
    let (Ok(store), Ok(callbacks)) = (env::var(STORE), env::var(CALLBACKS)) else { return };
    let settings = Sim::builder().callback_url(callbacks.parse().unwrap());
    let settings = match store.strip_prefix("postgres://") {
        #[cfg(feature = "postgres-tests")]
        Some(_) => settings.postgres(store),
        _ => settings.store(Location::File(store.into())),
    };
    let sim = settings.build().await.unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        stop.send(())
    });
    println!("{READY}{}", listener.local_addr().unwrap().port());
    sim.serve(listener, async { drop(stopped.await) }).await.unwrap();
}

/// The process that serves.
struct Running {
    child: Child,
    origin: String,
}

impl Running {
    async fn start(store: &str, callbacks: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "crash::serve", "--nocapture", "--test-threads", "1"]);
        command.env(STORE, store).env(CALLBACKS, callbacks).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let port = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            while output.read_line(&mut line).unwrap() > 0 {
                if let Some((_, port)) = line.split_once(READY) {
                    return port.trim().parse::<u16>().unwrap();
                }
                line.clear();
            }
            panic!("the simulator ended instead of serving");
        });
        let port = tokio::time::timeout(PATIENCE, port).await.expect("it serves in time").unwrap();
        Self { child, origin: format!("http://127.0.0.1:{port}") }
    }

    /// `kill -9`.
    fn kill(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Acknowledges every call-back, and counts them.
pub(crate) async fn receiver() -> (String, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let receive = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(([(header::CONTENT_TYPE, "application/json")], RECEIVED))
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(receive)).await });
    (url, count)
}

async fn killed_again_and_again(store: &str, books: Books) {
    let seed = env::var(SEED).map_or_else(|_| RandomState::new().hash_one(store), |seed| seed.parse().unwrap());
    eprintln!("{SEED}={seed}");
    let mut chance = Chance::of(seed);
    let (callbacks, received) = receiver().await;
    let (mut all, mut latest, mut token) = (Acknowledged::default(), Acknowledged::default(), None);
    for kill in 0..KILLS {
        let mut running = Running::start(store, &callbacks).await;
        let about = format!("after {kill} kills with {SEED}={seed}");
        // What is half done stays so: it needn't be looked for each time.
        if kill % AUDITED_EVERY == 0 {
            assert_eq!(faults(&books).await, [""; 0], "{about}");
        }
        assert_eq!(lost(&books, &latest).await, [""; 0], "{about}");
        all.append(latest);
        let mut caller = caller(&running.origin);
        caller.token = match token {
            Some(token) => token,
            None => log_in(&caller).await,
        };
        load_and_kill(&mut running, &caller, &mut chance).await;
        token = Some(caller.token.clone());
        latest = std::mem::take(&mut *caller.acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
    }
    all.append(latest);
    let about = format!("at the end, with {SEED}={seed}");
    assert!(all.count() > usize::try_from(KILLS).unwrap(), "{about}: there was a load: {}", all.count());
    let running = Running::start(store, &callbacks).await;
    all_done(&books).await;
    drop(running);
    assert_eq!(faults(&books).await, [""; 0], "{about}");
    assert_eq!(lost(&books, &all).await, [""; 0], "{about}");
    let unacknowledged = rows(&books, "SELECT failure FROM attempts WHERE failure IS NOT NULL").await;
    assert_eq!(unacknowledged, [""; 0], "{about}");
    let owed = rows(&books, "SELECT path FROM callbacks").await.len() as u64;
    let received = received.load(Ordering::Relaxed);
    assert!(received >= owed && owed > u64::from(KILLS), "{about}: {received} call-backs of {owed} came");
    eprintln!("{} acknowledged writes, {owed} call-backs owed, {received} received", all.count());
}

fn caller(origin: &str) -> Caller {
    Caller {
        transport: Arc::new(HyperTransport::new().unwrap()),
        origin: origin.to_owned(),
        token: String::new(),
        acknowledged: Arc::new(Mutex::default()),
        count: Arc::default(),
    }
}

async fn log_in(caller: &Caller) -> String {
    let (_, answer) = caller.ask("/integration/login", r#"{"password":"demo"}"#.to_owned()).await.unwrap();
    answer["data"]["token"].as_str().unwrap().to_owned()
}

/// Everybody asks until nothing is answered any more, because it was killed.
async fn load_and_kill(running: &mut Running, caller: &Caller, chance: &mut Chance) {
    let mut asking = JoinSet::new();
    for _ in 0..CALLERS {
        let (caller, chance) = (caller.clone(), chance.fork());
        asking.spawn(async move { caller.run(chance, u32::MAX).await });
    }
    let (enough, pause) = (chance.below(ACKNOWLEDGED_MAX), chance.below(PAUSE_MAX_MICROS));
    let mut looks = tokio::time::interval(Duration::from_millis(1));
    while caller.count.load(Ordering::Relaxed) < enough {
        // A caller that panicked has something to say.
        if let Some(ended) = asking.try_join_next() {
            ended.unwrap();
        }
        looks.tick().await;
    }
    // The moment is the point: callers go on until it has come, unless one of them fails.
    let _ = tokio::time::timeout(Duration::from_micros(pause), std::future::pending::<()>()).await;
    running.kill();
    while let Some(ended) = asking.join_next().await {
        ended.unwrap();
    }
}

/// What was acknowledged and isn't there.
async fn lost(books: &Books, acknowledged: &Acknowledged) -> Vec<String> {
    let first = acknowledged.bills.iter().map(|(id, ..)| *id).min().unwrap_or_default();
    let bills = format!(
        "SELECT CAST(id AS TEXT) || ' ' || psid || ' ' || COALESCE(identifier, CAST(id AS TEXT)) FROM payments
         WHERE psid IS NOT NULL AND id >= {first}"
    );
    let bills = rows(books, &bills).await;
    let paid =
        "SELECT psid || ' ' || bank_reference || ' ' || CAST(id AS TEXT) FROM payments WHERE status = 'PROCESSED'";
    let paid = rows(books, paid).await;
    let batches = "SELECT CAST(id AS TEXT) || ' ' || CAST(vouchers AS TEXT) FROM bulk_requests";
    let batches = rows(books, batches).await;
    let Acknowledged { bills: billed, batches: accepted, paid: taken } = acknowledged;
    let missing = |there: Vec<String>, expected: Vec<String>| {
        let there: HashSet<String> = there.into_iter().collect();
        expected.into_iter().filter(move |line| !there.contains(line))
    };
    let billed = billed.iter().map(|(id, psid, identifier)| format!("{id} {psid} {identifier}")).collect();
    let taken = taken.iter().map(|(psid, reference, id)| format!("{psid} {reference} {id}")).collect();
    let accepted = accepted.iter().map(|(id, rows)| format!("{id} {rows}")).collect();
    missing(bills, billed).chain(missing(paid, taken)).chain(missing(batches, accepted)).collect()
}

/// Waits until nothing is left to do: leases of killed simulators run out, too.
async fn all_done(books: &Books) {
    let open =
        "SELECT payload FROM outbox UNION ALL SELECT CAST(id AS TEXT) FROM bulk_requests WHERE status <> 'PROCESSED'";
    let done = async {
        let mut looks = tokio::time::interval(Duration::from_millis(100));
        while !rows(books, open).await.is_empty() {
            looks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.expect("everything is done in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_disk() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("hub.db");
    killed_again_and_again(file.to_str().unwrap(), Books::File(file.clone())).await;
}

/// How often each caller of two simulators asks.
#[cfg(feature = "postgres-tests")]
const STEPS: u32 = 60;

/// Two simulators in processes of their own are one hub: everybody bills the same payers and pays what was billed anywhere, and each
/// call-back goes out once. When one is killed, the other does what it left.
#[cfg(feature = "postgres-tests")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_postgresql() {
    let url = crate::stores::server::database().await;
    let books = Books::Server(url.clone());
    let (callbacks, received) = receiver().await;
    let (one, mut other) = tokio::join!(Running::start(&url, &callbacks), Running::start(&url, &callbacks));
    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    let mut callers = Vec::new();
    for running in [&one, &other] {
        let mut caller = Caller { acknowledged: Arc::clone(&acknowledged), ..caller(&running.origin) };
        caller.token = log_in(&caller).await;
        callers.push(caller);
    }
    let mut chance = Chance::of(RandomState::new().hash_one(&url));
    let mut asking = JoinSet::new();
    for caller in callers.iter().flat_map(|caller| std::iter::repeat_n(caller, CALLERS.try_into().unwrap())) {
        let (caller, chance) = (caller.clone(), chance.fork());
        asking.spawn(async move { caller.run(chance, STEPS).await });
    }
    while let Some(asked) = tokio::time::timeout(PATIENCE, asking.join_next()).await.expect("in time") {
        asked.unwrap();
    }
    for caller in &callers {
        assert!(caller.count.load(Ordering::Relaxed) > u64::from(CALLERS * STEPS) / 2, "both were asked");
    }
    all_done(&books).await;
    assert_eq!(faults(&books).await, [""; 0]);
    let owed = || async { rows(&books, "SELECT path FROM callbacks").await.len() as u64 };
    let told = owed().await;
    assert!(told > 0 && received.load(Ordering::Relaxed) == told, "each of {told} call-backs came once");

    load_and_kill(&mut other, &callers[1], &mut chance).await;
    let caller = callers.swap_remove(0);
    caller.run(chance.fork(), STEPS).await;
    all_done(&books).await;
    assert_eq!(faults(&books).await, [""; 0]);
    let all = std::mem::take(&mut *acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
    assert_eq!(lost(&books, &all).await, [""; 0]);
    assert!(received.load(Ordering::Relaxed) >= owed().await, "what the dead one owed came too");
    drop(one);
}

#[cfg(feature = "postgres-tests")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let url = crate::stores::server::database().await;
    killed_again_and_again(&url.clone(), Books::Server(url)).await;
}
