//! The client's examples, each run as a program of its own against a hub on a loopback port.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use asaanbill_client::PageRequest;
use asaanbill_core::{KARACHI, karachi_date};
use asaanbill_e2e::{World, bill};
use asaanbill_sim::{Clock, Sim};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use crate::cutter::Cutter;

/// The program of an example, in a folder of its own, with the address and credentials where it looks for them.
fn example(program: &str, hub: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command.env("ASAANBILL_URL", hub).env("ASAANBILL_USERNAME", "demo").env("ASAANBILL_PASSWORD", "demo");
    command
}

async fn ran(mut command: Command) -> Output {
    spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What it printed, if it passed.
async fn printed(command: Command) -> String {
    let output = ran(command).await;
    let (told, wrong) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{wrong}");
    told
}

/// The hub's only payment: its PSID.
async fn only_psid(world: &World) -> String {
    let client = world.client(world.in_process()).unwrap();
    let page = client.payments(PageRequest::default()).await.unwrap();
    assert_eq!(page.total, Some(1), "billed once");
    page.items[0].psid().unwrap().to_string()
}

/// A program of at most forty lines, written from the documentation alone, adds a bill, survives a connection that is cut
/// after the hub has added it, resolves it and prints the PSID.
#[tokio::test(flavor = "multi_thread")]
async fn forty_lines_survive_a_cut_connection() {
    const LINES_MAX: usize = 40;
    let source = include_str!("../../client/examples/cut_connection.rs");
    assert!(source.lines().count() <= LINES_MAX);

    let (world, folder) = (World::start().await.unwrap(), TempDir::new().unwrap());
    let cutter = Cutter::before(world.hub_url()).await;
    let told = printed(example(env!("CARGO_BIN_EXE_example-cut-connection"), &cutter.url(), folder.path())).await;
    assert!(cutter.has_cut());
    assert!(told.starts_with("nobody knows whether the hub has done it"), "{told}");
    assert!(told.ends_with(&format!("PSID {}\n", only_psid(&world).await)), "{told}");
}

/// The answer is lost with the first run; the journal knows; what became of it is found out; a further run bills nobody.
#[tokio::test(flavor = "multi_thread")]
async fn one_bill_is_resolved_and_billed_once() {
    let (world, folder) = (World::start().await.unwrap(), TempDir::new().unwrap());
    let cutter = Cutter::before(world.hub_url()).await;
    let one_bill = |hub: &str| example(env!("CARGO_BIN_EXE_example-one-bill"), hub, folder.path());
    let resolve = || example(env!("CARGO_BIN_EXE_example-resolve"), &world.hub_url(), folder.path());

    let cut = ran(one_bill(&cutter.url())).await;
    assert!(cutter.has_cut() && !cut.status.success(), "{cut:?}");
    let psid = only_psid(&world).await;
    let told = printed(resolve()).await;
    assert!(told.contains("it exists") && told.contains(&psid), "{told}");
    assert_eq!(printed(resolve()).await, "", "nothing is open any more");
    for _ in 0..2 {
        assert_eq!(printed(one_bill(&world.hub_url())).await, format!("PSID {psid}\n"));
    }
    assert_eq!(only_psid(&world).await, psid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_imported_once() {
    let (world, folder) = (World::start().await.unwrap(), TempDir::new().unwrap());
    let rows = "FS-1;Ali;50;2099-12-31;55\nFS-2;Bareera;60;2099-12-31;65\nFS-3;Mahd;70;2099-12-31;75\n";
    std::fs::write(folder.path().join("fees.txt"), rows).unwrap();
    let import = || {
        let mut import = example(env!("CARGO_BIN_EXE_example-import"), &world.hub_url(), folder.path());
        import.arg("fees.txt");
        import
    };
    let psids = |told: &str| told.lines().filter(|line| line.contains("PSID")).map(str::to_owned).collect::<Vec<_>>();
    let first = printed(import()).await;
    assert!(psids(&first).len() == 3 && first.contains("3 rows, 3 accepted"), "{first}");
    let again = printed(import()).await;
    assert_eq!(psids(&again), psids(&first));
    let client = world.client(world.in_process()).unwrap();
    assert_eq!(client.payments(PageRequest::default()).await.unwrap().total, Some(3));

    std::fs::write(folder.path().join("fees.txt"), format!("{rows}FS-4;Ali;nothing;2099-12-31;5\n")).unwrap();
    let refused = ran(import()).await;
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("line 4"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_till_shows_a_code_and_sees_it_paid() {
    let (world, folder) = (World::start().await.unwrap(), TempDir::new().unwrap());
    let mut till = example(env!("CARGO_BIN_EXE_example-qr-at-a-till"), &world.hub_url(), folder.path());
    till.arg("1250.50").stdout(Stdio::piped());
    let mut till = till.spawn().unwrap();
    let mut lines = BufReader::new(till.stdout.take().unwrap()).lines().map(Result::unwrap);
    let (code, lines) = spawn_blocking(move || (lines.next().unwrap(), lines)).await.unwrap();
    let bill = world.sim.bank().inquire_qr(&code).await.unwrap();
    let psid = bill.payment.stage.psid().unwrap();
    world.sim.bank().pay(psid, "1250.50".parse().unwrap(), "T").await.unwrap();
    let told: Vec<String> = spawn_blocking(move || lines.collect()).await.unwrap();
    assert_eq!(told.last().map(String::as_str), Some("paid"), "{told:?}");
    assert!(spawn_blocking(move || till.wait().unwrap()).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_yesterday_is_listed() {
    let folder = TempDir::new().unwrap();
    let clock = Clock::frozen(now() - SignedDuration::from_hours(48));
    let sim = Sim::builder().clock(clock.clone()).build().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hub = format!("http://{}", listener.local_addr().unwrap());
    let serving = sim.clone();
    let server = tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
    let client = asaanbill_client::Client::builder().base_url(&hub).credentials("demo", "demo");
    let client = client.transport(sim.transport()).build().unwrap();
    // One paid at noon of each of three days.
    let today = karachi_date(now());
    let mut paid = Vec::new();
    for days_ago in [2, 1, 0] {
        let noon = KARACHI.to_timestamp(today.at(12, 0, 0, 0)).unwrap();
        clock.set(noon - SignedDuration::from_hours(24 * days_ago));
        let added = client.add(&bill(&format!("Y-{days_ago}"), "50").unwrap()).await.unwrap();
        let psid = added.psid().unwrap();
        sim.bank().pay(psid, "50".parse().unwrap(), &days_ago.to_string()).await.unwrap();
        paid.push(psid.to_string());
    }
    let told = printed(example(env!("CARGO_BIN_EXE_example-paid-yesterday"), &hub, folder.path())).await;
    // The day may have ended meanwhile.
    let expected = if karachi_date(now()) == today { &paid[1..2] } else { &paid[1..] };
    assert!(told.lines().count() == 1 && expected.iter().any(|psid| told.contains(psid)), "{told}");
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_exported_as_json() {
    let (world, folder) = (World::start().await.unwrap(), TempDir::new().unwrap());
    let told = printed(example(env!("CARGO_BIN_EXE_example-trace"), &world.hub_url(), folder.path())).await;
    let names: Vec<String> = told
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"].as_str().unwrap().to_owned()
        })
        .collect();
    // In the order in which they end.
    assert_eq!(names, ["POST /integration/login", "GET /integration/payment", "asaanbill.payments"]);
}

#[expect(clippy::disallowed_methods, reason = "the programs under test have the system's clock")]
fn now() -> Timestamp {
    Timestamp::now()
}
