//! What only a browser can prove: no page from elsewhere drives the simulator's own pages, whatever name it goes by, and one of
//! their own origin does. A real Chromium runs the page; a plain client then looks at what became of a bill.
//!
//! Where there is no Chromium, `cargo xtask test` leaves this out and says so, and with `CI=true` it fails.

use std::env;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::sim::Running;

/// A browser that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most bytes of a browser's request.
const REQUEST_MAX: usize = 64 * 1024;

/// A name that isn't ours, and that resolves to this machine: what DNS rebinding comes to.
const OTHER_NAME: &str = "rebound.example";

/// Tries every way in that a page has, one after the other, and tells its site what it learnt of each: a status, `opaque` where the browser
/// sends and doesn't tell, `failed`. Resetting comes last: it would forget the bill.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body><script>
const target = "TARGET";
const pay = reference => JSON.stringify({psid: "PSID", amount: "50", reference});
const told = answer => answer.type === "opaque" ? "opaque" : answer.status;
const post = (path, more) => fetch(target + path, {method: "POST", ...more}).then(told);
const form = () => new Promise(done => {
    const frame = Object.assign(document.createElement("iframe"), {name: "frame"});
    document.body.appendChild(frame);
    frame.onload = () => done("sent");
    const form = document.body.appendChild(document.createElement("form"));
    Object.assign(form, {method: "POST", enctype: "text/plain", action: target + "/_sim/pay", target: "frame"});
    const field = form.appendChild(document.createElement("input"));
    const [name, value] = pay("form=").split("=");
    Object.assign(field, {name, value});
    form.submit();
});
const ways = {
    form,
    simple: () => post("/_sim/pay", {mode: "no-cors", body: pay("simple")}),
    json: () => post("/_sim/pay", {headers: {"content-type": "application/json"}, body: pay("json")}),
    read: () => fetch(target + "/_sim/settings").then(told),
    reset: () => post("/_sim/reset", {mode: "no-cors"}),
};
(async () => {
    const learnt = [];
    for (const [name, way] of Object.entries(ways)) {
        learnt.push(name + " " + await way().catch(() => "failed"));
    }
    fetch("/told", {method: "POST", body: learnt.join(", ")});
})();
</script>"#;

/// A simulator with one unpaid bill.
struct House {
    sim: Running,
    headers: String,
    psid: String,
    _folder: TempDir,
}

impl House {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let sim = Running::start(folder.path(), &["--store=memory"]);
        let headers = sim.log_in("demo", "demo", 23);
        let bill = r#"{"payment":{"title":"a","identifier":"FS-1","amount":"50","dueDate":"2099-01-31","amountAfterDueDate":"50"}}"#;
        let (status, answer) = sim.ask("POST", "/integration/add?generationTypes=PSID", &headers, bill);
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let psid = answer["data"]["psid"].as_str().unwrap().to_owned();
        Self { sim, headers, psid, _folder: folder }
    }

    /// The bill's status, as a plain client reads it; none if it was forgotten.
    fn bill(&self) -> Option<String> {
        let (_, answer) = self.sim.ask("GET", "/integration/payment/1", &self.headers, "");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["data"]["status"].as_str().map(str::to_owned)
    }

    /// What a browser's page, which comes from this name, learns of a simulator that it knows under that address. The site is on
    /// another port of this machine, and hands on to the simulator, word for word, what it is asked under `/_sim`: a name that was
    /// the site's when the page was loaded, and is the simulator's from then on.
    fn learnt(&self, name: &str, target: &str) -> String {
        let (tell, told) = mpsc::channel();
        let site = self.site(target, tell);
        let (_folder, mut browser) = browser(&[&format!("http://{name}:{}/", site.port())]);
        let learnt = told.recv_timeout(PATIENCE);
        browser.kill().unwrap();
        browser.wait().unwrap();
        learnt.expect("the page has come to its end in time")
    }

    fn site(&self, target: &str, tell: Sender<String>) -> SocketAddr {
        let page = PAGE.replace("TARGET", target).replace("PSID", &self.psid);
        let sim = self.sim.address().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (page, sim, tell) = (page.clone(), sim.clone(), tell.clone());
                // A browser opens connections that it doesn't use, and closes others early.
                thread::spawn(move || serve(stream, &page, &sim, &tell).ok());
            }
        });
        address
    }
}

/// One exchange.
fn serve(mut stream: TcpStream, page: &str, sim: &str, tell: &Sender<String>) -> io::Result<()> {
    let (head, body) = read_request(&mut stream)?;
    let path = head.split(' ').nth(1).unwrap_or_default();
    if path == "/told" {
        // Nobody listens any more if it took too long.
        let _ = tell.send(String::from_utf8_lossy(&body).into_owned());
    }
    if !path.starts_with("/_sim") {
        let length = page.len();
        return write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{page}"
        );
    }
    let mut onward = TcpStream::connect(sim)?;
    let lines = head.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    onward.write_all(lines.collect::<Vec<_>>().join("\r\n").as_bytes())?;
    onward.write_all(b"\r\nconnection: close\r\n\r\n")?;
    onward.write_all(&body)?;
    let mut answer = Vec::new();
    onward.read_to_end(&mut answer)?;
    stream.write_all(&answer)
}

fn read_request(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if bytes.len() - end - 4 >= length.unwrap_or(0) {
                return Ok((head, bytes.split_off(end + 4)));
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if bytes.len() > REQUEST_MAX => return Err(io::ErrorKind::FileTooLarge.into()),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

/// A browser that nobody has used, at work, in a folder of its own.
fn browser(arguments: &[&str]) -> (TempDir, Child) {
    let folder = TempDir::new().unwrap();
    let program = env::var_os("ASAANBILL_CHROMIUM_BIN").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let mut command = Command::new(program.unwrap_or_default().join("chromium"));
    // Without a sandbox, as root has none. It sees no page but ours.
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"]);
    command.args(["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    // No machine's proxy; and the name that isn't ours.
    command.args(["--no-proxy-server", &format!("--host-resolver-rules=MAP {OTHER_NAME} 127.0.0.1")]);
    command.arg(format!("--user-data-dir={}", folder.path().display())).env("HOME", folder.path()).args(arguments);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    (folder, child)
}

/// The page at this address as the browser shows it.
fn shown(address: &str) -> String {
    let (_folder, mut browser) = browser(&["--dump-dom", address]);
    let mut stdout = browser.stdout.take().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut page = String::new();
        // Nobody listens any more if it took too long.
        let _ = stdout.read_to_string(&mut page).map(|_| tell.send(page));
    });
    let page = told.recv_timeout(PATIENCE);
    // It has ended, or hangs.
    let _ = browser.kill();
    browser.wait().unwrap();
    page.expect("the browser has shown the page in time")
}

/// The browser sends some of it, as it always does, and tells the page nothing. The simulator did nothing.
#[test]
fn a_page_of_another_port_of_this_machine() {
    let house = House::new();
    let port = house.sim.address().rsplit(':').next().unwrap();
    for name in ["127.0.0.1", "localhost"] {
        let learnt = house.learnt("127.0.0.1", &format!("http://{name}:{port}"));
        assert_eq!(learnt, "form sent, simple opaque, json failed, read failed, reset opaque", "{name}");
        assert_eq!(house.bill().as_deref(), Some("APPROVED"), "{name}");
    }
}

/// To the browser it is one and the same origin, so it hides nothing: the simulator refuses, because of the name.
#[test]
fn a_page_whose_name_has_become_ours() {
    let house = House::new();
    assert_eq!(house.learnt(OTHER_NAME, ""), "form sent, simple 403, json 403, read 403, reset 403");
    assert_eq!(house.bill().as_deref(), Some("APPROVED"));
}

/// The same page by the same way, under a name of ours: paid by the form, so that other references are refused; then forgotten.
#[test]
fn a_page_of_its_own_origin() {
    let house = House::new();
    assert_eq!(house.learnt("127.0.0.1", ""), "form sent, simple 409, json 409, read 200, reset 200");
    assert_eq!(house.bill(), None);
}

/// A person types the address.
#[test]
fn an_address_that_a_person_typed() {
    let house = House::new();
    let port = house.sim.address().rsplit(':').next().unwrap();
    let page = shown(&format!("http://127.0.0.1:{port}/_sim/health"));
    assert!(page.contains(r#"{"status":"ok"}"#), "{page}");
    let page = shown(&format!("http://{OTHER_NAME}:{port}/_sim/health"));
    assert!(page.contains("the Host header must name localhost"), "{page}");
}
