//! `asaanbill sim` as a person or a script runs it: real processes, sockets, signals and files.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
#[cfg(unix)]
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

#[cfg(unix)]
use crate::in_time;
use crate::{asaanbill, text};

/// In how long it has to end once it is told to.
#[cfg(unix)]
const STOP_MAX: Duration = Duration::from_secs(1);

/// What acknowledges a call-back. (Guide, Call-back APIs)
pub(crate) const RECEIVED: &str = r#"{"responseCode":200,"responseMessage":"Request processed successfully"}"#;

/// What no read in a test may exceed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running simulator. It is killed if a test fails.
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    line: String,
    ready_file: PathBuf,
    address: String,
}

impl Running {
    /// On a free port, in a folder of its own, with these arguments.
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Self {
        Self::start_with(folder, args, &[])
    }

    /// With something said to the program's surroundings.
    pub(crate) fn start_with(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let ready_file = folder.join("ready.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_asaanbill"));
        command.args(["sim", "--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready_file).args(args);
        command.env("XDG_DATA_HOME", folder.join("data")).env_remove("ASAANBILL_ADMIN_TOKEN");
        command.envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("asaanbill sim is ready at "), "{line}{}", said(&mut child));
        let ready: Value = serde_json::from_slice(&fs::read(&ready_file).unwrap()).unwrap();
        assert_eq!(ready["pid"], child.id());
        assert_eq!(ready.as_object().unwrap().len(), 2);
        let address = ready["address"].as_str().unwrap().to_owned();
        assert!(line.contains(&address), "{line}");
        Self { child, stdout, line, ready_file, address }
    }

    /// One exchange: the status and the body.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = self.connect();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n{body}",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without a word of warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The headers of a user who logs in.
    pub(crate) fn log_in(&self, user: &str, password: &str, channel: u64) -> String {
        let login = format!(r#"{{"password":"{password}"}}"#);
        let (status, answer) = self.ask("POST", "/integration/login", &format!("username: {user}\r\n"), &login);
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let token = answer["data"]["token"].as_str().unwrap();
        format!("x-auth-ph-key: {token}\r\nusername: {user}\r\nchannel-id: {channel}\r\n")
    }

    fn add(&self, headers: &str) -> (u16, String) {
        self.ask("POST", "/integration/add?generationTypes=PSID", headers, BILL)
    }

    /// Tells it to stop, and says how it ended: the exit code, and how long it took.
    #[cfg(unix)]
    fn stop(mut self, signal: &str) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        self.signal(signal);
        let status = self.child.wait().unwrap();
        let took = begun.elapsed();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), said(&mut self.child).as_str()), ("", ""), "one line, and no complaint");
        assert!(!self.ready_file.exists());
        (status.code(), took)
    }

    #[cfg(unix)]
    fn signal(&self, signal: &str) {
        assert!(self.signalling(signal).wait().unwrap().success());
    }

    /// The program that sends a signal, once it has begun.
    #[cfg(unix)]
    fn signalling(&self, signal: &str) -> Child {
        Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).spawn().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(child: &mut Child) -> String {
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said
}

const BILL: &str =
    r#"{"payment":{"title":"a","identifier":"FS-1","amount":"50","dueDate":"2099-01-31","amountAfterDueDate":"55"}}"#;

#[test]
#[cfg(unix)]
fn the_default_users_and_store_outlive_a_restart() {
    let folder = TempDir::new().unwrap();
    let first = Running::start(folder.path(), &[]);
    let demo = first.log_in("demo", "demo", 23);
    assert_eq!(first.add(&demo).0, 200);
    let viewer = first.log_in("viewer", "viewer", 23);
    assert_eq!(first.add(&viewer).0, 403);
    let (status, found) = first.ask("GET", "/integration/payment/1", &viewer, "");
    assert_eq!(status, 200);
    let mut running = Some(first);
    in_time(STOP_MAX, || {
        let sim = running.take().unwrap_or_else(|| Running::start(folder.path(), &[]));
        let (code, took) = sim.stop("TERM");
        assert_eq!(code, Some(0));
        ((), took)
    });

    let data = folder.path().join("data/asaanbill");
    let mode = std::os::unix::fs::PermissionsExt::mode(&data.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    let again = Running::start(folder.path(), &["--store", &format!("sqlite:{}", data.join("sim.db").display())]);
    assert_eq!(again.ask("GET", "/integration/payment/1", &viewer, ""), (200, found), "and the token is good");
    // Even a kill loses nothing that was answered.
    assert_eq!(again.add(&demo).0, 200);
    again.signal("KILL");
    drop(again);
    let third = Running::start(folder.path(), &[]);
    assert_eq!(third.ask("GET", "/integration/payment/2", &demo, "").0, 200);
    assert_eq!(third.stop("INT").0, Some(0));
}

#[test]
#[cfg(unix)]
fn a_stop_finishes_what_is_in_flight() {
    let folder = TempDir::new().unwrap();
    let sim = Running::start(folder.path(), &["--store", "memory"]);
    let headers = sim.log_in("demo", "demo", 23);
    let mut idle = sim.connect();
    let mut busy = sim.connect();
    let length = BILL.len();
    write!(
        busy,
        "POST /integration/add?generationTypes=PSID HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         {headers}expect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
    )
    .unwrap();
    // The hub asks for the body, so the request is under way.
    let mut asked = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    busy.read_exact(&mut asked).unwrap();
    let mut signalling = sim.signalling("TERM");
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "what is idle is closed");
    // The stop has begun, and waits for what is in flight, though not for long.
    busy.write_all(BILL.as_bytes()).unwrap();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).unwrap();
    assert!(signalling.wait().unwrap().success());
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("APPROVED"), "{answer}");
    assert_eq!(sim.stop("TERM").0, Some(0), "a second signal changes nothing");
}

/// Somebody who never finishes a request holds up nobody.
#[test]
#[cfg(unix)]
fn a_stop_does_not_wait_for_ever() {
    let folder = TempDir::new().unwrap();
    in_time(STOP_MAX, || {
        let sim = Running::start(folder.path(), &["--store", "memory"]);
        let mut slow = sim.connect();
        slow.write_all(b"POST /integration/login HTTP/1.1\r\nhost: localhost\r\nusername: demo\r\n").unwrap();
        let (code, took) = sim.stop("TERM");
        assert_eq!(code, Some(0));
        ((), took)
    });
}

#[test]
fn users_settings_and_the_line_to_copy() {
    let folder = TempDir::new().unwrap();
    let args = [
        "--store=memory",
        "--user=ali:se:cret:7:full",
        "--user=sara:other:8:viewer",
        "--accept-literals",
        "--missing-kind-is-psid=false",
        "--bank-username=HBL",
    ];
    let sim = Running::start(folder.path(), &args);
    assert!(sim.line.contains("(store: memory); log in: curl -sS -H 'username: ali'"), "{}", sim.line);
    assert!(sim.line.contains(r#"-d '{"password":"PASSWORD"}'"#) && !sim.line.contains("cret"), "{}", sim.line);
    let ali = sim.log_in("ali", "se:cret", 7);
    let literal = BILL.replace("\"50\"", "50");
    assert_eq!(sim.ask("POST", "/integration/add?generationTypes=PSID", &ali, &literal).0, 200);
    assert_eq!(sim.ask("POST", "/integration/add", &ali, BILL).0, 400);
    let sara = sim.log_in("sara", "other", 8);
    assert_eq!(sim.ask("GET", "/integration/payment/1", &sara, "").0, 404, "another channel");
    assert_eq!(sim.ask("POST", "/integration/login", "username: demo\r\n", r#"{"password":"demo"}"#).0, 404);
    let (status, settings) = sim.ask("GET", "/_sim/settings", "", "");
    assert_eq!(status, 200);
    assert!(settings.contains(r#""name":"accept_literals","value":"true""#), "{settings}");
    assert!(settings.contains(r#""name":"bank_username","value":"HBL""#), "{settings}");
}

/// The same calls have the same answers.
#[test]
fn a_seed() {
    let folder = TempDir::new().unwrap();
    let answers = |args: &[&str]| {
        let sim = Running::start(folder.path(), args);
        let headers = sim.log_in("demo", "demo", 23);
        let (status, answer) = sim.add(&headers);
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        (headers, answer["data"]["psid"].as_str().unwrap().to_owned())
    };
    let seeded = answers(&["--store=memory", "--seed=7"]);
    assert_eq!(answers(&["--store=memory", "--seed=7"]), seeded);
    let other = answers(&["--store=memory", "--seed=8"]);
    assert!(other.0 != seeded.0 && other.1 != seeded.1, "{other:?}");
    assert!(answers(&["--store=memory"]).1.ends_with("0001"), "in sequence");
}

/// A call-back goes where it is told to, and a stop that comes meanwhile waits for what the receiver says.
#[test]
#[cfg(unix)]
fn a_stop_finishes_a_call_back() {
    let folder = TempDir::new().unwrap();
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("--callback-url=http://{}/hooks", receiver.local_addr().unwrap());
    let mut sim = Running::start(folder.path(), &[&url]);
    let headers = sim.log_in("demo", "demo", 23);
    let (_, added) = sim.add(&headers);
    let added: Value = serde_json::from_str(&added).unwrap();
    let pay = format!(r#"{{"psid":{},"amount":"50","reference":"R"}}"#, added["data"]["psid"]);
    let (status, answer) = sim.ask("POST", "/_sim/pay", "", &pay);
    assert_eq!(status, 200, "{answer}");
    let (mut call, _) = receiver.accept().unwrap();
    call.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = String::new();
    while !said.contains(r#""psid""#) {
        let mut some = [0; 1024];
        let read = call.read(&mut some).unwrap();
        assert!(read > 0, "{said}");
        said.push_str(text(&some[..read]));
    }
    assert!(said.starts_with("POST /hooks/processed HTTP/1.1\r\n"), "{said}");
    let mut idle = sim.connect();
    sim.signal("TERM");
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "the stop has begun");
    let length = RECEIVED.len();
    write!(call, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{RECEIVED}")
        .unwrap();
    assert_eq!(sim.child.wait().unwrap().code(), Some(0));

    let again = Running::start(folder.path(), &[&url]);
    let (_, callbacks) = again.ask("GET", "/_sim/callbacks", "", "");
    let callbacks: Value = serde_json::from_str(&callbacks).unwrap();
    assert_eq!(callbacks["callbacks"][0]["attempts_total"], 1, "{callbacks}");
    assert_eq!(callbacks["callbacks"][0]["attempts"][0]["acknowledged"], true, "{callbacks}");
}

/// The simulator's own pages may be asked for by a name that they were given, and by no other.
#[test]
fn a_name_of_its_own() {
    let folder = TempDir::new().unwrap();
    let sim = Running::start(folder.path(), &["--store=memory", "--host-name=sim.test"]);
    let asked = |host: &str| {
        let mut stream = sim.connect();
        write!(stream, "GET /_sim/health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer[9..12].to_owned()
    };
    assert_eq!([asked("sim.test"), asked("another.test")], ["200", "403"]);
}

/// Two programs on one database are one hub, which outlives them.
#[cfg(feature = "postgres-tests")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database() {
    let url = crate::cluster::Cluster::shared().await.database().await;
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = format!("--store={url}");
    let sim = Running::start(folder.path(), &[&store]);
    assert!(!sim.line.contains(crate::cluster::PASSWORD), "{}", sim.line);
    let headers = sim.log_in("demo", "demo", 23);
    assert_eq!(sim.add(&headers).0, 200);
    let beside = Running::start(other.path(), &[&store]);
    assert_eq!(beside.ask("GET", "/integration/payment/1", &headers, "").0, 200);
    assert_eq!(beside.add(&headers).0, 200);
    assert_eq!(sim.ask("GET", "/integration/payment/2", &headers, "").0, 200);
    drop((sim, beside));
    let again = Running::start(folder.path(), &[&store]);
    assert_eq!(again.ask("GET", "/integration/payment/2", &headers, "").0, 200);
}

/// What a person copies logs in.
#[test]
#[cfg(unix)]
fn the_command_of_the_line() {
    let folder = TempDir::new().unwrap();
    let sim = Running::start(folder.path(), &["--store=memory"]);
    let command = sim.line.trim_end().split_once("log in: ").unwrap().1;
    // Where there is no curl, the line is only read.
    if Command::new("curl").arg("--version").output().is_ok() {
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        assert!(text(&output.stdout).starts_with(r#"{"responseCode":200,"#), "{output:?}");
    }
}

#[test]
fn an_admin_token_beyond_loopback() {
    let folder = TempDir::new().unwrap();
    let args = ["--store=memory", "--admin-token=hidden-token", "--listen=0.0.0.0:0"];
    let ready_file = folder.path().join("ready.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_asaanbill"));
    command.arg("sim").args(args).arg("--ready-file").arg(&ready_file).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_slice(&fs::read(&ready_file).unwrap()).unwrap();
    let port = ready["address"].as_str().unwrap().strip_prefix("0.0.0.0:").unwrap().to_owned();
    assert!(line.contains(&format!("http://127.0.0.1:{port}/")), "{line}");
    let address = format!("127.0.0.1:{port}");
    let sim = Running { child, stdout, line, ready_file, address };
    assert_eq!(sim.ask("GET", "/_sim/settings", "", "").0, 401);
    assert_eq!(sim.ask("GET", "/_sim/settings", "authorization: Bearer hidden-token\r\n", "").0, 200);
    assert_eq!(sim.ask("GET", "/_sim/health", "", "").0, 200);
}

#[test]
fn over_tls() {
    let folder = TempDir::new().unwrap();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::write(&certificate, own.cert.pem()).unwrap();
    fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let args = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap(), "--store", "memory"];
    let sim = Running::start(folder.path(), &args);
    assert!(sim.line.contains(" https://127.0.0.1:") && sim.line.contains("--cacert '"), "{}", sim.line);
    // Plain HTTP isn't spoken there.
    let mut plain = sim.connect();
    plain.write_all(b"GET /_sim/health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut said = Vec::new();
    plain.read_to_end(&mut said).unwrap();
    assert!(!said.starts_with(b"HTTP"));
}

fn run(args: &[&str]) -> Output {
    let mut all = vec!["sim"];
    all.extend(args);
    asaanbill(&all)
}

/// Everything that is wrong is said at once, and no secret is said.
#[test]
fn a_command_line_that_does_not_fit() {
    let output = run(&[
        "--listen=nowhere",
        "--store=mysql://hidden",
        "--seed=-1",
        "--callback-url=http://hidden.example/",
        "--user=ali:hidden:7:admin",
        "--user=ali:hidden:7:full",
        "--user=ali:hidden:7:full",
        "--admin-token=hid den",
        "--host-name=sim:80",
        "--tls-cert=/nowhere",
        "--threads=0",
        "--accept-literals=hidden",
        "--bank-password= ",
    ]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
    let expected = "\
asaanbill: --listen: expected IP:PORT, such as 127.0.0.1:8088, [::1]:0 or 0.0.0.0:8088
asaanbill: --store: expected memory, sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE
asaanbill: --threads: expected a number from 1 to 1024
asaanbill: --accept-literals: expected true or false
asaanbill: --bank-password: expected 1 to 128 characters of ASCII, not all blank
asaanbill: --seed: expected a number from 0 to 18446744073709551615
asaanbill: --callback-url: the call-back address: allowed: this machine (127.0.0.0/8, ::1, localhost), and what callback_targets names
asaanbill: --host-name: expected a name without a port, such as sim.example
asaanbill: --admin-token: expected 8 to 512 ASCII characters without spaces
asaanbill: --user: number 1: a role is full, viewer or adder
asaanbill: --user: number 3: the name was given before
asaanbill: --tls-key: needed beside --tls-cert
For more information, try '--help'.
";
    assert_eq!(text(&output.stderr), expected);
    let check = |args: &[&str], expected: &str| {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("hidden"));
    };
    check(&["--tls-cert=/nowhere", "--tls-key=/nowhere"], "--tls-cert: the certificate can't be read");
    check(&["--accept-literal"], "accept-literals");
}

#[test]
fn a_simulator_that_cannot_start() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let check = |args: &[&str], expected: &str| {
        let begun = Instant::now();
        let output = run(args);
        assert!(begun.elapsed() < PATIENCE);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""), "{args:?}");
        assert!(text(&output.stderr).starts_with(&format!("asaanbill: {expected}")), "{}", text(&output.stderr));
    };
    let address = taken.local_addr().unwrap().to_string();
    check(
        &["--store=memory", "--listen", &address],
        &format!("{address} can't be listened on; free it or give another: "),
    );
    let store = format!("sqlite:{}", folder.path().display());
    check(&["--listen=127.0.0.1:0", "--store", &store], "the simulator can't start on sqlite:");
    let gone = folder.path().join("gone/ready.json");
    check(&["--listen=127.0.0.1:0", "--store=memory", "--ready-file", gone.to_str().unwrap()], "the ready file ");
}

/// Every setting, with where it comes from.
#[test]
fn help() {
    let help = text(&run(&["--help"]).stdout).to_owned();
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for setting in asaanbill_sim::SETTINGS {
        let flag = format!("--{}", setting.name().replace('_', "-"));
        assert!(words.contains(&flag), "{flag} in {help}");
        let told = format!("{} [default: {}] [{}]", setting.help(), setting.default(), setting.provenance());
        assert!(words.contains(&told), "{told} in {help}");
    }
    assert!(words.contains("Exit codes: 0 if it was told to stop"), "{help}");
}
