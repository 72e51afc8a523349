//! How fast call-backs are accepted, confirmed and handled, beside a floor in the same run: a bare axum handler with a bare
//! group-commit insert of the same bytes. Prints a table, and fails where a bound is missed.
//!
//! `--quick` makes a smoke run of it, in which no bound is judged. With `ASAANBILL_POSTGRES_URL` the whole way is measured on
//! that database too, which has to be empty.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for maintainers")]
#![allow(
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::disallowed_methods,
    reason = "measurements are no amounts, and need a clock"
)]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use asaanbill_callbacks::{
    BulkRecord, Confirmed, Handler, HandlerError, Handling, HubError, HubRecords, Inbox, Limits, Location, PageRequest,
    Receiver, RecordPage, SqliteHandler, rusqlite,
};
use asaanbill_core::{BulkRequestId, ChannelId, Psid};
use asaanbill_storage::queue::{Claim, Clocks, NewJob, Queue, Token};
use asaanbill_storage::{Migration, Sqlite, StorageError, queue_schema_sqlite};
use asaanbill_transport::{HyperTransport, Transport as _};
use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use http::{Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Rounds of each measurement; floor and ours take turns, and medians count.
const ROUNDS: usize = 5;

struct Sizes {
    /// How long one round of accepting takes.
    round: Duration,
    whole_way: u64,
    backlog: u64,
    claims: usize,
}

const FULL: Sizes = Sizes { round: Duration::from_secs(2), whole_way: 40_000, backlog: 100_000, claims: 1_000_000 };
const QUICK: Sizes = Sizes { round: Duration::from_millis(200), whole_way: 1_000, backlog: 2_000, claims: 10_000 };

fn main() -> ExitCode {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let missed = runtime.block_on(run(if quick { QUICK } else { FULL }));
    for bound in &missed {
        println!("missed: {bound}");
    }
    if quick || missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(sizes: Sizes) -> Vec<String> {
    let mut table = Table::default();
    println!("| what | floor | ours | bound |\n|---|---|---|---|");
    accept(&sizes, &mut table).await;
    whole_way(&sizes, &mut table).await;
    claims(&sizes, &mut table).await;
    table.missed
}

#[derive(Default)]
struct Table {
    missed: Vec<String>,
}

impl Table {
    fn row(&mut self, what: &str, floor: &str, ours: &str, bound: &str, holds: bool) {
        println!("| {what} | {floor} | {ours} | {bound} |");
        if !holds {
            self.missed.push(format!("{what}: {ours}, bound {bound}, floor {floor}"));
        }
    }
}

/// What one round of posting showed.
struct Round {
    per_second: f64,
    p99: Duration,
}

async fn accept(sizes: &Sizes, table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let bare = bare(folder.path().join("bare.db")).await;
    let (_open, closed) = watch::channel(false);
    let hub = Hub { open: closed };
    let receiver = receiver(Location::File(folder.path().join("inbox.db")).into(), hub, Ignore).await;
    let ours = serve(&receiver).await;
    for connections in [1, 16, 64] {
        let (mut floors, mut rounds) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            floors.push(post_for(bare, connections, sizes.round).await);
            rounds.push(post_for(ours, connections, sizes.round).await);
        }
        let (floor, one) = (median(&floors, |r| r.per_second), median(&rounds, |r| r.per_second));
        let share = one / floor * 100.0;
        let what = format!("accept, SQLite, {connections} connections");
        table.row(&what, &format!("{floor:.0}/s"), &format!("{one:.0}/s ({share:.0} %)"), ">= 70 %", share >= 70.0);
        if connections == 64 {
            let (floor, one) = (median(&floors, |r| r.p99.as_secs_f64()), median(&rounds, |r| r.p99.as_secs_f64()));
            let holds = one <= floor * 2.0 && one < 0.05;
            let shown = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
            table.row("accept, p99 at 64", &shown(floor), &shown(one), "<= 2 x, < 50 ms", holds);
        }
    }
}

async fn whole_way(sizes: &Sizes, table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let inbox = Inbox::from(Location::File(folder.path().join("inbox.db")));
    let (rate, drained) = one_way(sizes, inbox, |count| Handling::in_sqlite(Ledger(count))).await;
    table.row("whole way, SQLite", "-", &format!("{rate:.0}/s"), ">= 4000/s", rate >= 4_000.0);
    table.row("drained after an outage, SQLite", "-", &format!("{drained:.0}/s"), ">= 4000/s", drained >= 4_000.0);
    if let Ok(url) = std::env::var("ASAANBILL_POSTGRES_URL") {
        let (rate, drained) = one_way(sizes, Inbox::postgres(url), |count| Handling::in_postgres(Ledger(count))).await;
        table.row("whole way, PostgreSQL", "-", &format!("{rate:.0}/s"), ">= 2000/s", rate >= 2_000.0);
        let shown = format!("{drained:.0}/s");
        table.row("drained after an outage, PostgreSQL", "-", &shown, ">= 2000/s", drained >= 2_000.0);
    }
}

/// Events a second from posting to handling, and from the end of an outage to the end of its backlog.
async fn one_way(sizes: &Sizes, inbox: Inbox, handling: impl FnOnce(Arc<AtomicU64>) -> Handling) -> (f64, f64) {
    let count = Arc::new(AtomicU64::new(0));
    let (open, state) = watch::channel(true);
    let receiver = receiver(inbox, Hub { open: state }, handling(Arc::clone(&count))).await;
    let address = serve(&receiver).await;
    let begun = Instant::now();
    post(address, 64, sizes.whole_way, 0).await;
    handled(&count, sizes.whole_way).await;
    let rate = per_second(sizes.whole_way, begun.elapsed());
    open.send_replace(false);
    post(address, 64, sizes.backlog, sizes.whole_way).await;
    let begun = Instant::now();
    open.send_replace(true);
    handled(&count, sizes.whole_way + sizes.backlog).await;
    (rate, per_second(sizes.backlog, begun.elapsed()))
}

async fn handled(count: &AtomicU64, all: u64) {
    let begun = Instant::now();
    while count.load(Ordering::Relaxed) < all {
        assert!(begun.elapsed() < Duration::from_secs(300), "{} of {all} are handled", count.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What a claim costs from a long backlog and from a short one.
async fn claims(sizes: &Sizes, table: &mut Table) {
    const JOBS: Queue = Queue::new("jobs");
    const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "jobs", sql: queue_schema_sqlite!("jobs") }];
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let mut stores = Vec::new();
    for (name, jobs) in [("short.db", 1_000), ("long.db", sizes.claims)] {
        let store = Sqlite::open(&Location::File(folder.path().join(name)), MIGRATIONS).unwrap();
        let mut left = jobs;
        while left > 0 {
            let some = left.min(10_000);
            left -= some;
            let jobs = vec![NewJob { lane: None, payload: "12345".into(), due: now }; some];
            store.write(move |tx| JOBS.sqlite(tx).enqueue(&jobs, now)).await.unwrap();
        }
        stores.push(store);
    }
    let mut times: [Vec<Duration>; 2] = Default::default();
    for _ in 0..201 {
        for (store, times) in stores.iter().zip(&mut times) {
            let lease = SignedDuration::from_secs(15);
            let claim = Claim::new(100, Token::random().unwrap(), Clocks { due: now, now }, lease);
            let took = store.write(move |tx| {
                let begun = Instant::now();
                let jobs = JOBS.sqlite(tx).claim(&claim)?;
                let took = begun.elapsed();
                let again: Vec<_> = jobs.iter().map(|job| (job.lease, now)).collect();
                assert!(JOBS.sqlite(tx).retry(&again)?.is_none());
                Ok::<_, StorageError>(took)
            });
            times.push(took.await.unwrap());
        }
    }
    let [short, long] = times.map(|times| median(&times, Duration::as_secs_f64) * 1e6);
    let share = long / short;
    let what = format!("claim 100 of {}", sizes.claims);
    table.row(&what, &format!("{short:.0} us of 1000"), &format!("{long:.0} us"), "<= 1.5 x", share <= 1.5);
}

/// The floor: the same bytes, into one table.
async fn bare(file: std::path::PathBuf) -> std::net::SocketAddr {
    const MIGRATIONS: &[Migration] =
        &[Migration { version: 1, name: "bodies", sql: "CREATE TABLE bodies (id INTEGER PRIMARY KEY, body TEXT)" }];
    let store = Sqlite::open(&Location::File(file), MIGRATIONS).unwrap();
    let app = Router::new().fallback(move |body: Bytes| {
        let store = store.clone();
        async move {
            let body = String::from_utf8(body.into()).unwrap();
            let insert = store.write(move |tx| {
                tx.prepare_cached("INSERT INTO bodies (body) VALUES (?1)")?.execute([body])?;
                Ok::<_, StorageError>(())
            });
            insert.await.map(|()| r#"{"responseCode":200}"#).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn receiver(inbox: Inbox, hub: Hub, handling: impl Into<Handling>) -> Receiver {
    let mut limits = Limits::default();
    limits.lookups_per_second = None;
    Receiver::builder(inbox, hub, handling).limits(limits).sweep(None).build().await.unwrap()
}

async fn serve(receiver: &Receiver) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let receiver = receiver.clone();
    tokio::spawn(async move { receiver.serve(listener, std::future::pending()).await });
    address
}

/// A genuine call-back about the bill of this number.
fn request(address: std::net::SocketAddr, number: u64) -> Request<Bytes> {
    let body = format!(
        r#"{{"title":"Bareera Sheikh","identifier":"FS-{number}","dueDate":"2025-08-31","amount":"50","amountAfterDueDate":"55","psid":"100139{number:018}"}}"#
    );
    Request::post(format!("http://{address}/processed")).body(body.into()).unwrap()
}

async fn post_for(address: std::net::SocketAddr, connections: usize, time: Duration) -> Round {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let begun = Instant::now();
    let posting = (0..connections).map(|_| {
        tokio::spawn(async move {
            let transport = HyperTransport::new().unwrap();
            let mut took = Vec::new();
            while begun.elapsed() < time {
                let sent = Instant::now();
                let answer = transport.send(request(address, NEXT.fetch_add(1, Ordering::Relaxed))).await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                took.push(sent.elapsed());
            }
            took
        })
    });
    let mut took = Vec::new();
    for one in posting.collect::<Vec<_>>() {
        took.extend(one.await.unwrap());
    }
    let elapsed = begun.elapsed();
    took.sort();
    Round { per_second: took.len() as f64 / elapsed.as_secs_f64(), p99: took[took.len() * 99 / 100] }
}

async fn post(address: std::net::SocketAddr, connections: u64, count: u64, offset: u64) {
    let posting = (0..connections).map(|connection| {
        tokio::spawn(async move {
            let transport = HyperTransport::new().unwrap();
            for number in (connection..count).step_by(usize::try_from(connections).unwrap()) {
                let answer = transport.send(request(address, 1 + offset + number)).await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
            }
        })
    });
    for one in posting.collect::<Vec<_>>() {
        one.await.unwrap();
    }
}

/// A hub in which every bill is paid, while it is open.
struct Hub {
    open: watch::Receiver<bool>,
}

#[async_trait]
impl HubRecords for Hub {
    async fn channel(&self) -> Result<ChannelId, HubError> {
        Ok(ChannelId::try_from(23_u64)?)
    }

    async fn payments_of(&self, psid: Psid, _: PageRequest) -> Result<RecordPage, HubError> {
        self.open.clone().wait_for(|open| *open).await?;
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

struct Ignore;

#[async_trait]
impl Handler for Ignore {
    async fn handle(&self, _: Confirmed) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Books each payment, and counts.
struct Ledger(Arc<AtomicU64>);

impl SqliteHandler for Ledger {
    fn handle(&self, event: &Confirmed, tx: &rusqlite::Connection) -> Result<(), HandlerError> {
        if self.0.load(Ordering::Relaxed) == 0 {
            tx.execute_batch("CREATE TABLE IF NOT EXISTS ledger (key TEXT NOT NULL)")?;
        }
        tx.prepare_cached("INSERT INTO ledger VALUES (?1)")?.execute([event.effect_key()])?;
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl asaanbill_callbacks::PostgresHandler for Ledger {
    async fn handle(
        &self,
        event: &Confirmed,
        tx: &asaanbill_callbacks::PostgresTransaction,
    ) -> Result<(), HandlerError> {
        if self.0.load(Ordering::Relaxed) == 0 {
            tx.execute("CREATE TABLE IF NOT EXISTS ledger (key TEXT NOT NULL)", &[]).await?;
        }
        tx.execute("INSERT INTO ledger VALUES ($1)", &[&event.effect_key()]).await?;
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn median<T>(all: &[T], of: impl Fn(&T) -> f64) -> f64 {
    let mut all: Vec<f64> = all.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
