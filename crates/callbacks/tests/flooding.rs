//! Ten thousand connections, heads and bodies that come by drops, bodies of 100 MB: all of it is bounded, and a genuine
//! call-back beside it is acknowledged within a second. The receiver is a process of its own, so that its memory is its own.

use std::collections::VecDeque;
use std::env;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use asaanbill_callbacks::{CONNECTIONS_MAX, Inbox, Location, Receiver, bind};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use crate::hub::Hub;
use crate::ledger::Ledger;
use crate::world::{ACKNOWLEDGED, patient, processed, psid_of};

/// In how long a genuine call-back is acknowledged, whatever else goes on. One may be late on a machine that is busy with other tests.
const GENUINE_WITHIN: Duration = Duration::from_secs(1);

/// In how long each of them has to be: then the hub gives up.
const HUBS_PATIENCE: Duration = Duration::from_secs(5);

/// What no attack may exceed: the receiver's two seconds for a head, four for a body, and a slow machine's own.
const CLOSED_WITHIN: Duration = Duration::from_secs(12);

/// How many connections an attack makes.
const CONNECTIONS: usize = 10_000;

/// The memory that an attack may cost: 1,024 connections with hyper's buffers and a body each, and an allocator's slack.
const GROWTH_MAX_KIB: u64 = 64 * 1024;

/// What the receiver has open beside its connections: the inbox, the runtime's own, the pipes.
const OTHER_DESCRIPTORS: usize = 64;

/// How many of them it holds at once: more than the receiver does.
const HELD: usize = CONNECTIONS_MAX + 500;

/// How many connections a receiver takes that slow senders come to, and how many senders are slow at once.
const FEW: usize = 256;
const SLOW: usize = 400;

/// How often a slow one sends a byte.
const DROP_EVERY: Duration = Duration::from_millis(200);

/// Fewer file descriptors than connections are sent.
const FEW_DESCRIPTORS: usize = 512;

/// Tells the child that it is one, and how many connections it takes.
const FILE: &str = "ASAANBILL_TEST_FLOOD_FILE";
const MOST: &str = "ASAANBILL_TEST_FLOOD_CONNECTIONS";

/// One flood at a time: each wants the whole machine.
static ALONE: Mutex<()> = Mutex::const_new(());

const HALF_A_HEAD: &[u8] = b"POST /processed HTTP/1.1\r\nhost: hooks.example\r\n";

/// The receiver that is flooded: run by the tests below in a process of its own, and otherwise nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(file) = env::var(FILE) else { return };
    let inbox = Inbox::from(Location::File(file.into()));
    let mut limits = patient();
    limits.connections = env::var(MOST).unwrap().parse().unwrap();
    let builder = Receiver::builder(inbox, Hub::default().client(), Ledger::default()).limits(limits).sweep(None);
    let receiver = builder.build().await.unwrap();
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    println!("\nlistening {}", listener.local_addr().unwrap());
    receiver.serve(listener, std::future::pending()).await.unwrap();
}

struct Flooded {
    child: Child,
    address: SocketAddr,
    /// How many genuine ones were posted.
    posted: u64,
    most: usize,
    _folder: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Flooded {
    /// With so many connections, and so many file descriptors, at the most.
    async fn start(most: usize, descriptors: usize) -> Self {
        let alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", r#"ulimit -n "$1" && shift && exec "$@""#, "sh"]).arg(descriptors.to_string());
        command.arg(env::current_exe().unwrap());
        command.args(["flooding::child", "--exact", "--nocapture", "--test-threads=1"]);
        command
            .env(FILE, folder.path().join("inbox.db"))
            .env(MOST, most.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().expect("the receiver starts");
            if let Some(address) = line.strip_prefix("listening ") {
                break address.parse().unwrap();
            }
        };
        Self { child, address, posted: 0, most, _folder: folder, _alone: alone }
    }

    fn process(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id().expect("it runs"))
    }

    /// The most memory that it has had, where the system says.
    fn peak_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(self.process("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches(" kB").parse().unwrap())
    }

    /// What it has open, where the system says.
    fn descriptors(&self) -> Option<usize> {
        Some(std::fs::read_dir(self.process("fd")).ok()?.count())
    }

    /// Posts genuine call-backs, one after another and each on a connection of its own, for as long as the attack lasts; and
    /// looks at what the receiver has open, and at what it cost.
    async fn beside<T: Send + 'static>(&mut self, attack: impl Future<Output = T> + Send + 'static) -> T {
        self.genuine().await;
        let (before, begun) = (self.peak_kib(), self.posted);
        let attack = tokio::spawn(attack);
        let mut times = Vec::new();
        loop {
            // Looked at first, so that at least one is posted after it.
            let over = attack.is_finished();
            times.push(self.genuine().await);
            if let Some(open) = self.descriptors() {
                assert!(open <= self.most + OTHER_DESCRIPTORS, "{open} descriptors are open");
            }
            if over {
                break;
            }
        }
        let growth = before.zip(self.peak_kib()).map(|(before, after)| after - before);
        eprintln!("{} genuine ones beside it, {growth:?} KiB more", self.posted - begun);
        times.sort_unstable();
        let median = times[times.len() / 2];
        assert!(median < GENUINE_WITHIN, "genuine call-backs took {median:?}");
        assert!(growth.is_none_or(|growth| growth < GROWTH_MAX_KIB), "{growth:?} KiB more");
        attack.await.unwrap()
    }

    /// Posts one that has to be acknowledged before the hub gives up. Says how long it took.
    async fn genuine(&mut self) -> Duration {
        self.posted += 1;
        let body = processed(&psid_of(self.posted), "50", Some("55"));
        let begun = Instant::now();
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "POST /processed HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let took = begun.elapsed();
        assert!(answer.ends_with(ACKNOWLEDGED), "after {took:?}: {answer:?}");
        assert!(took < HUBS_PATIENCE, "a genuine call-back took {took:?}");
        took
    }
}

/// Waits until the receiver closes it, whatever it says before.
async fn closed(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let reading = timeout(CLOSED_WITHIN, stream.read_to_end(&mut said));
    // Closed with something unread it is reset.
    let _ = reading.await.expect("a connection is closed in time");
    String::from_utf8_lossy(&said).into_owned()
}

/// Sends a byte now and then until the receiver has enough. Says what it said.
async fn drip(address: SocketAddr, head: String, forever: &'static [u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let dripping = async {
        let mut drops = interval(DROP_EVERY);
        for drop in forever.iter().cycle() {
            drops.tick().await;
            if writer.write_all(&[*drop]).await.is_err() {
                break;
            }
        }
    };
    let mut said = Vec::new();
    let answer = async {
        let _ = reader.read_to_end(&mut said).await;
    };
    let over = async {
        tokio::select! {
            () = answer => {}
            () = dripping => {}
        }
    };
    timeout(CLOSED_WITHIN, over).await.expect("a slow sender is cut off in time");
    String::from_utf8_lossy(&said).into_owned()
}

async fn drips(address: SocketAddr, head: String, forever: &'static [u8], count: usize) -> Vec<String> {
    let all: JoinSet<_> = (0..count).map(|_| drip(address, head.clone(), forever)).collect();
    all.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_leave_room_for_a_genuine_one() {
    let mut flooded = Flooded::start(CONNECTIONS_MAX, CONNECTIONS_MAX * 2).await;
    let address = flooded.address;
    let (held, taken) = flooded
        .beside(async move {
            let mut held = VecDeque::new();
            for _ in 0..CONNECTIONS {
                let mut stream = TcpStream::connect(address).await.unwrap();
                // One that the receiver closed for a newer one can't be written to.
                let _ = stream.write_all(HALF_A_HEAD).await;
                held.push_back(stream);
                if held.len() > HELD {
                    held.pop_front();
                }
            }
            let (held_at_last, begun) = (held.len(), Instant::now());
            for stream in held {
                closed(stream).await;
            }
            (held_at_last, begun.elapsed())
        })
        .await;
    assert_eq!(held, HELD);
    assert!(taken < CLOSED_WITHIN, "half a head was waited for {taken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_and_bodies_that_come_by_drops_are_cut_off() {
    let mut flooded = Flooded::start(FEW, CONNECTIONS_MAX * 2).await;
    let address = flooded.address;
    flooded.beside(drips(address, "POST /processed HTTP/1.1\r\nx: ".into(), b"x", SLOW)).await;
    let answers = flooded.beside(drips(address, head("content-length: 10000"), b" ", SLOW)).await;
    // Those that weren't closed for newer ones are told.
    let told = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 503 ")).count();
    assert!(told > 0 && answers.iter().all(|answer| !answer.contains(ACKNOWLEDGED)), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_a_hundred_megabytes_are_not_kept() {
    const MEGABYTE: &[u8] = &[b' '; 1 << 20];
    let mut flooded = Flooded::start(CONNECTIONS_MAX, CONNECTIONS_MAX * 2).await;
    let address = flooded.address;
    let send = async move |framing: &str, before: &str, after: &str| {
        let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
        writer.write_all(head(framing).as_bytes()).await.unwrap();
        let sending = async {
            for _ in 0..100 {
                for part in [before.as_bytes(), MEGABYTE, after.as_bytes()] {
                    writer.write_all(part).await?;
                }
            }
            std::io::Result::Ok(())
        };
        let mut answer = String::new();
        // Reset once it is cut off: what was said before that is what counts.
        let (_, _) = tokio::join!(sending, reader.read_to_string(&mut answer));
        answer
    };
    let answers = flooded.beside(async move {
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(send("content-length: 104857600", "", "").await);
            answers.push(send("transfer-encoding: chunked", "100000\r\n", "\r\n").await);
        }
        answers
    });
    let answers = answers.await;
    assert!(answers.iter().all(|answer| answer.is_empty() || answer.starts_with("HTTP/1.1 413 ")), "{answers:?}");
}

/// A system's usual limit is lower than the connections' own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_file_descriptors_the_idle_make_room() {
    let mut flooded = Flooded::start(CONNECTIONS_MAX, FEW_DESCRIPTORS).await;
    let address = flooded.address;
    flooded
        .beside(async move {
            let mut held = Vec::new();
            for _ in 0..FEW_DESCRIPTORS * 4 {
                held.push(TcpStream::connect(address).await.unwrap());
            }
            for stream in held {
                closed(stream).await;
            }
        })
        .await;
}

fn head(framing: &str) -> String {
    format!("POST /processed HTTP/1.1\r\nhost: h\r\n{framing}\r\n\r\n")
}
