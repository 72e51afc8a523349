//! `asaanbill listen` beside `asaanbill sim`: real processes, sockets, signals and programs.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::in_time;
use crate::sim::Running;

/// In how long a payment on the bank's side has to appear.
const APPEARS_WITHIN: Duration = Duration::from_secs(1);

/// What no wait in a test may exceed.
const PATIENCE: Duration = Duration::from_secs(30);

const SECRET: &str = "correct-horse-battery-staple";
const PASSWORD: &str = "demo";

/// A running receiver. It is killed if a test fails.
struct Listening {
    child: Child,
    /// What it says to a person, and the events on its standard output, as they come.
    said: mpsc::Receiver<String>,
    events: mpsc::Receiver<String>,
    address: String,
}

impl Listening {
    /// Confirms with this hub, in a folder with its inbox.
    fn start(folder: &Path, sim: &Running, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_asaanbill"));
        command.args(["listen", "--listen", "127.0.0.1:0", "--username", "demo", "--base-url"]);
        command.arg(format!("http://{}", sim.address())).args(args).current_dir(folder);
        command.env("ASAANBILL_PATH_SECRET", SECRET).env("ASAANBILL_PASSWORD", PASSWORD);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = lines(child.stderr.take().unwrap());
        let events = lines::<ChildStdout>(child.stdout.take().unwrap());
        let line = said.recv_timeout(PATIENCE).unwrap();
        let address = line.strip_prefix("asaanbill: listening on ").expect(&line).to_owned();
        // From now on the hub calls here.
        let url = format!(r#"{{"callback_url":"http://{address}/{SECRET}"}}"#);
        let (status, answer) = sim.ask("POST", "/_sim/channels/23", "", &url);
        assert_eq!(status, 200, "{answer}");
        Self { child, said, events, address }
    }

    fn event(&self) -> Value {
        serde_json::from_str(&self.events.recv_timeout(PATIENCE).unwrap()).unwrap()
    }

    /// Tells it to stop. Says its exit code and all that it said since it began.
    fn stop(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        let code = self.child.wait().unwrap().code();
        (code, self.said.iter().chain(self.events.iter()).collect())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come, until the pipe is closed.
fn lines<R: std::io::Read + Send + 'static>(pipe: R) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    told
}

/// Adds a bill and pays it on the bank's side.
fn pay(sim: &Running, identifier: &str) {
    let headers = sim.log_in("demo", PASSWORD, 23);
    let bill = format!(
        r#"{{"payment":{{"title":"Bareera Sheikh","identifier":"{identifier}","amount":"50","dueDate":"2099-01-31","amountAfterDueDate":"55"}}}}"#
    );
    let (status, answer) = sim.ask("POST", "/integration/add?generationTypes=PSID", &headers, &bill);
    assert_eq!(status, 200, "{answer}");
    let added: Value = serde_json::from_str(&answer).unwrap();
    let paying = format!(r#"{{"psid":{},"amount":"50","reference":"{identifier}"}}"#, added["data"]["psid"]);
    assert_eq!(sim.ask("POST", "/_sim/pay", "", &paying).0, 200);
}

/// Waits until there is a whole line in a file, and reads it.
fn written(file: &Path) -> String {
    let begun = Instant::now();
    loop {
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => assert!(begun.elapsed() < PATIENCE, "nothing is written into {}", file.display()),
        }
        thread::yield_now();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    std::io::Write::write_all(
        &mut stream,
        format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").as_bytes(),
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_payment_on_the_banks_side_is_printed_within_a_second() {
    let folder = TempDir::new().unwrap();
    let sim = Running::start(folder.path(), &["--store", "memory"]);
    let listening = Listening::start(folder.path(), &sim, &["--print", "--operator", "127.0.0.1:0"]);
    let operator = listening.said.recv_timeout(PATIENCE).unwrap();
    let operator = operator.strip_prefix("asaanbill: metrics and health on ").unwrap();
    let mut paid = 0;
    let mut pay_next = || {
        paid += 1;
        let identifier = format!("FS-{paid}");
        pay(&sim, &identifier);
        let begun = Instant::now();
        let event = listening.event();
        let took = begun.elapsed();
        let shown = &event["payment"];
        assert_eq!((&event["event"], &shown["identifier"]), (&"payment".into(), &identifier.into()));
        assert_eq!((&shown["amount"], &shown["status"]), (&"50".into(), &"PROCESSED".into()));
        assert_eq!(event["effect_key"], format!("payment/23/{}", shown["id"]));
        assert_eq!((&event["attempt"], &event["swept"]), (&1.into(), &false.into()));
        ((), took)
    };
    in_time(APPEARS_WITHIN, &mut pay_next);
    // And one more, however long it takes.
    pay_next();
    // An event is printed by its handler, so it counts as handled a moment later.
    let printed = Instant::now();
    loop {
        let metrics = get(operator, "/metrics");
        if metrics.contains(&format!("asaanbill_callbacks_handled_total {paid}\n")) {
            break;
        }
        assert!(printed.elapsed() < PATIENCE, "{metrics}");
    }
    assert!(get(operator, "/health").starts_with("HTTP/1.1 200 "), "nothing is stuck");
    // The operator's pages aren't where the hub posts to.
    assert!(get(&listening.address, "/metrics").starts_with("HTTP/1.1 404 "));

    let (code, rest) = listening.stop();
    assert_eq!((code, rest.as_str()), (Some(0), ""), "no complaint, and no secret");
}

#[test]
fn a_programs_exit_code_decides() {
    let folder = TempDir::new().unwrap();
    let sim = Running::start(folder.path(), &["--store", "memory"]);
    // Keeps what it was told, says something on both pipes, and succeeds once somebody allows it.
    let program = "cat >> told; echo to-out; echo to-err >&2; test -e allowed || { echo >> failed; exit 1; }";
    let listening = Listening::start(folder.path(), &sim, &["--exec", program, "--print"]);
    pay(&sim, "FS-1");
    written(&folder.path().join("failed"));
    fs::write(folder.path().join("allowed"), "").unwrap();
    // It is printed once it is handled.
    let printed = listening.event();
    let told = fs::read_to_string(folder.path().join("told")).unwrap();
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let attempts: Vec<_> = told.iter().map(|event| event["attempt"].as_u64().unwrap()).collect();
    assert!(attempts.len() >= 2 && attempts.iter().copied().eq(1..=attempts.len() as u64), "{attempts:?}");
    assert!(told.iter().all(|event| event["effect_key"] == printed["effect_key"]), "always with the same key");
    assert_eq!(told.last(), Some(&printed));

    let (code, rest) = listening.stop();
    assert_eq!(code, Some(0));
    assert_eq!(rest.matches("to-out").count() + rest.matches("to-err").count(), 2 * told.len(), "{rest}");
}

/// What was acknowledged by one that is killed is handled by the next, with the same key.
#[test]
fn another_one_goes_on_where_one_was_killed() {
    let folder = TempDir::new().unwrap();
    let sim = Running::start(folder.path(), &["--store", "memory"]);
    let first =
        Listening::start(folder.path(), &sim, &["--exec", "cat > told; while test ! -e over; do sleep 0.05; done"]);
    pay(&sim, "FS-1");
    let told = written(&folder.path().join("told"));
    drop(first);
    fs::write(folder.path().join("over"), "").unwrap();
    let second = Listening::start(folder.path(), &sim, &["--print"]);
    let event = second.event();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&event["effect_key"], &event["payment"]), (&told["effect_key"], &told["payment"]));
    assert_eq!(event["attempt"], 2);
    assert_eq!(second.stop().0, Some(0));
}

#[test]
fn what_is_missing_is_said() {
    let folder = TempDir::new().unwrap();
    let listen = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_asaanbill"));
        command.arg("listen").args(args).current_dir(folder.path()).output().unwrap()
    };
    let complete = ["--path-secret", SECRET, "--username", "demo", "--password", PASSWORD, "--listen", "127.0.0.1:0"];
    let output = listen(&complete);
    assert_eq!(output.status.code(), Some(2), "neither --exec nor --print");
    let output = listen(&[&complete[..], &["--print", "--store", "inbox.db"][..]].concat());
    assert_eq!(output.status.code(), Some(2), "no such store");
    let output = listen(&[&complete[2..], &["--print", "--path-secret", "short"][..]].concat());
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("path secret") && !said.contains("short") && !said.contains(PASSWORD), "{said}");
}
