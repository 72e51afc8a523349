//! What the client costs above what it stands on. Prints a table in Markdown, and fails where a bound is missed.
//!
//! `cargo xtask bench client [-- --quick] [--only hyper|reqwest|in-process|import]`. Floors are measured in the same run, interleaved
//! with the client; medians of the rounds. CPU is that of the one thread that the client runs on, and so needs Linux; elsewhere it is
//! the time on the wall. `--profile hyper|floor|reqwest|floor-reqwest|none|in-process COUNT IN_FLIGHT` only adds so many bills, so many at once,
//! for a profiler to look at.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a bench is a program for maintainers: it talks, it fails by panicking, and its ratios aren't money"
)]

#[path = "client/floor.rs"]
mod floor;
#[path = "client/stub.rs"]
mod stub;

use std::time::{Duration, Instant};

use asaanbill_client::transport::{HyperTransport, ReqwestTransport, Transport, from_fn};
use asaanbill_client::{Client, ImportEvent, ImportOptions};
use asaanbill_core::{Bill, Fields, NewPayment, PaymentKind};
use asaanbill_sim::Sim;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{Request, Response};

use self::floor::Floor;

/// The rounds that only warm up.
const WARM_UPS: usize = 2;

/// The rows of one chunk.
const CHUNK: usize = 5_000;

/// One line of the table.
struct Line {
    what: String,
    measured: String,
    bound: String,
    holds: bool,
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Size {
    rounds: usize,
    /// In a round.
    adds: usize,
    rows: usize,
    imports: usize,
    /// A smoke run says nothing about bounds.
    binding: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("--import-only") {
        let rows = arguments.last().unwrap().parse().unwrap();
        import(rows);
        println!("{}", peak_memory_kib());
        return;
    }
    if has("--profile") {
        let [what, count, in_flight] = &arguments[arguments.len() - 3..] else { unreachable!() };
        profile(what, count.parse().unwrap(), in_flight.parse().unwrap());
        return;
    }
    let only = arguments.iter().position(|argument| argument == "--only").map(|at| arguments[at + 1].as_str());
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    let size = match has("--quick") {
        true => Size { rounds: 4, adds: 200, rows: 20_000, imports: 1, binding: false },
        false => Size { rounds: 150, adds: 500, rows: 1_000_000, imports: 3, binding: true },
    };
    let mut lines = Vec::new();
    for in_flight in [1, 64] {
        if wanted("hyper") {
            lines.push(against_hyper(size, in_flight));
        }
        if wanted("reqwest") {
            lines.push(against_reqwest(size, in_flight));
        }
    }
    if wanted("in-process") {
        lines.push(in_process(size));
    }
    if wanted("import") {
        lines.extend(imports(size));
    }
    println!("| what | measured | bound | |\n|---|---|---|---|");
    for Line { what, measured, bound, holds } in &lines {
        println!("| {what} | {measured} | {bound} | {} |", if *holds { "holds" } else { "**missed**" });
    }
    if size.binding && lines.iter().any(|line| !line.holds) {
        std::process::exit(1);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The CPU time of this thread.
fn cpu() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    // A thread that runs on is charged a tick at a time, which would be half of a round. One that gives way is charged then.
    std::thread::yield_now();
    let used = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let used = used.and_then(|text| text.split(' ').next()?.parse().ok()).map(Duration::from_nanos);
    used.unwrap_or_else(|| START.get_or_init(Instant::now).elapsed())
}

fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Some 250 bytes as JSON.
fn bill(number: usize) -> Bill {
    let title = format!(
        "Muhammad Mahd Sheikh, Faculty of Sciences, Department of Computing, Semester Fees {:04}",
        number % 10_000
    );
    let fields = Fields {
        title: Some(&title),
        identifier: Some(&format!("FS-BSCS-{number:012}")),
        amount: Some("14000.50"),
        due_date: Some("2099-03-28"),
        amount_after_due_date: Some("14550.75"),
        ..Fields::default()
    };
    NewPayment::parse(PaymentKind::Psid, &fields).unwrap().bill().unwrap().clone()
}

fn client(base: &str, transport: impl Transport + 'static) -> Client {
    Client::builder()
        .base_url(base)
        .token("demo", stub::TOKEN, "23".parse().unwrap())
        .transport(transport)
        .build()
        .unwrap()
}

/// The CPU of so many adds.
async fn adds(client: &Client, bills: &[NewPayment], in_flight: usize) -> f64 {
    let before = cpu();
    let mut adds = stream::iter(bills).map(|bill| client.add(bill)).buffer_unordered(in_flight);
    while let Some(added) = adds.next().await {
        assert!(added.unwrap().psid().is_some());
    }
    (cpu() - before).as_secs_f64() / bills.len() as f64
}

/// The same by hand.
async fn by_hand(floor: &Floor, bills: &[NewPayment], in_flight: usize) -> f64 {
    let before = cpu();
    let mut adds = stream::iter(bills).map(|bill| floor.add(bill.bill().unwrap())).buffer_unordered(in_flight);
    while let Some(psid) = adds.next().await {
        assert_eq!(psid.len(), 24);
    }
    (cpu() - before).as_secs_f64() / bills.len() as f64
}

/// Adds and nothing else, over a transport, or over none: then the hub is a function. Or the floor alone.
fn profile(what: &str, count: usize, in_flight: usize) {
    let bills: Vec<_> = (0..count).map(|number| NewPayment::Psid(bill(number))).collect();
    if what == "in-process" {
        let cpu = runtime().block_on(async {
            let (_sim, client) = with_simulator().await;
            adds(&client, &bills, in_flight).await
        });
        println!("{:.2} µs an add", cpu * 1e6);
        return;
    }
    let hub = stub::serve();
    if let "floor" | "floor-reqwest" = what {
        let floor = if what == "floor" { Floor::hyper(&hub) } else { Floor::reqwest(&hub) };
        let cpu = runtime().block_on(by_hand(&floor, &bills, in_flight));
        println!("{:.2} µs an add", cpu * 1e6);
        return;
    }
    let client = match what {
        "hyper" => client(&hub, HyperTransport::new().unwrap()),
        "reqwest" => client(&hub, ReqwestTransport::new().unwrap()),
        _ => client(&hub, from_fn(|_| async { Ok(Response::new(Bytes::from_static(stub::ADDED.as_bytes()))) })),
    };
    let cpu = runtime().block_on(adds(&client, &bills, in_flight));
    println!("{:.2} µs an add", cpu * 1e6);
}

/// The client over a transport against a floor: CPU per add, interleaved. Rounds are short, and what is told is the median of the rounds'
/// ratios: the two of a round have met the same machine, whoever else uses it.
fn against(what: &str, size: Size, in_flight: usize, make: impl Fn(&str) -> (Client, Floor)) -> Line {
    let hub = stub::serve();
    let bills: Vec<_> = (0..size.adds).map(|number| NewPayment::Psid(bill(number))).collect();
    let (ours, floors, ratios) = runtime().block_on(async {
        let (client, floor) = make(&hub);
        let (mut ours, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..size.rounds + WARM_UPS {
            // Each goes first as often as second.
            let (one, other) = if round % 2 == 0 {
                let one = adds(&client, &bills, in_flight).await;
                (one, by_hand(&floor, &bills, in_flight).await)
            } else {
                let other = by_hand(&floor, &bills, in_flight).await;
                (adds(&client, &bills, in_flight).await, other)
            };
            if round >= WARM_UPS {
                ours.push(one);
                floors.push(other);
                ratios.push(one / other);
            }
        }
        (median(ours), median(floors), median(ratios))
    });
    Line {
        what: format!("CPU per add over {what}, {in_flight} in flight"),
        measured: format!("{ratios:.2} × ({:.1} µs against {:.1} µs)", ours * 1e6, floors * 1e6),
        bound: "≤ 1.15 ×".into(),
        holds: ratios <= 1.15,
    }
}

fn against_hyper(size: Size, in_flight: usize) -> Line {
    against("hyper against hyper-util's client", size, in_flight, |hub| {
        (client(hub, HyperTransport::new().unwrap()), Floor::hyper(hub))
    })
}

fn against_reqwest(size: Size, in_flight: usize) -> Line {
    against("reqwest against its own `.json()`", size, in_flight, |hub| {
        (client(hub, ReqwestTransport::new().unwrap()), Floor::reqwest(hub))
    })
}

/// A client of a simulator in this process, SQLite in memory, logged in.
async fn with_simulator() -> (Sim, Client) {
    let sim = Sim::builder().build().await.unwrap();
    let client = Client::builder().base_url("http://localhost").credentials("demo", "demo").transport(sim.transport());
    let client = client.build().unwrap();
    client.log_in().await.unwrap();
    (sim, client)
}

/// One add after another, through client and simulator.
fn in_process(size: Size) -> Line {
    let micros = runtime().block_on(async {
        let (_sim, client) = with_simulator().await;
        let mut times = Vec::new();
        for number in 0..size.rounds * size.adds / 5 {
            let new = NewPayment::Psid(bill(number));
            let before = Instant::now();
            client.add(&new).await.unwrap();
            times.push(before.elapsed().as_secs_f64() * 1e6);
        }
        median(times)
    });
    Line {
        what: "an add in process, client and simulator".into(),
        measured: format!("{micros:.1} µs"),
        bound: "≤ 60 µs".into(),
        holds: micros <= 60.0,
    }
}

/// Imports so many rows against a stub that answers at once.
fn import(rows: usize) -> Duration {
    let answer = Bytes::from(stub::bulk_answer(CHUNK));
    let hub = from_fn(move |_: Request<Bytes>| {
        let answer = answer.clone();
        async move { Ok(Response::new(answer)) }
    });
    runtime().block_on(async {
        let client = client("http://localhost", hub);
        let before = cpu();
        let mut import = client.import(stream::iter((0..rows).map(bill)), ImportOptions::new().chunk_rows(CHUNK));
        let mut count = 0;
        while let Some(event) = import.next().await {
            count += usize::from(matches!(event.unwrap(), ImportEvent::Row(_)));
        }
        assert_eq!(count, rows);
        cpu() - before
    })
}

/// `serde_json` alone writes and reads the same bodies. The rows have to be made here too.
fn import_floor(rows: usize) -> Duration {
    let answer = stub::bulk_answer(CHUNK);
    let before = cpu();
    for first in (0..rows).step_by(CHUNK) {
        let bills: Vec<Bill> = (first..rows.min(first + CHUNK)).map(bill).collect();
        assert_eq!(floor::write_and_read(&bills, &answer), CHUNK);
    }
    cpu() - before
}

fn imports(size: Size) -> [Line; 2] {
    let (mut ours, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..size.imports {
        let before = cpu();
        assert_eq!((0..size.rows).map(bill).filter(|bill| !bill.identifier.has_edge_whitespace()).count(), size.rows);
        // Making the rows is the bench's work, and neither's.
        let making = cpu() - before;
        let one = (import(size.rows) - making).as_secs_f64();
        let other = (import_floor(size.rows) - making).as_secs_f64();
        ours.push(one);
        floors.push(other);
        ratios.push(other / one);
    }
    let (ours, floors, ratio) = (median(ours), median(floors), median(ratios));
    let rate = |seconds: f64| size.rows as f64 / seconds / 1e6;
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let memory = child.args(["--import-only", &size.rows.to_string()]).output().unwrap();
    let mebibytes = String::from_utf8(memory.stdout).unwrap().trim().parse::<f64>().unwrap() / 1024.0;
    [
        Line {
            what: format!("import of {} rows against serde_json alone", size.rows),
            measured: format!(
                "{:.0} % ({:.2} against {:.2} million rows a second)",
                ratio * 100.0,
                rate(ours),
                rate(floors)
            ),
            bound: "≥ 70 %".into(),
            holds: ratio >= 0.7,
        },
        Line {
            what: "peak memory of that import".into(),
            measured: format!("{mebibytes:.1} MiB"),
            bound: "≤ 64 MiB".into(),
            holds: mebibytes <= 64.0,
        },
    ]
}
