//! What nobody may read: passwords and tokens in the store, and they and payers' data in `Debug`, errors and logs.

use std::fmt::Write as _;
use std::sync::{Mutex, OnceLock};

use asaanbill_sim::{Role, Sim, SimBuilder, User};
use sha2::{Digest as _, Sha256};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Metadata, Subscriber};

use crate::disk::Disk;
use crate::hub::{Hub, psid};
use crate::receivers::attempts;

const PASSWORD: &str = "hidden-password";

fn settings() -> SimBuilder {
    Sim::builder().user(User::new("demo", PASSWORD, 23_u64.try_into().unwrap(), Role::Full))
}

/// Runs a story as the user with that password.
fn run<T>(disk: &Disk, settings: SimBuilder, story: impl AsyncFnOnce(Hub) -> T) -> T {
    disk.run_as(PASSWORD, settings, story)
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[test]
fn the_store_holds_no_secret() {
    let disk = Disk::new();
    let (token, files) = run(&disk, settings(), async |hub| {
        hub.get("/payment").send().await;
        hub.login("demo", r#"{"password":"hidden-mistake"}"#).send().await;
        (hub.token, disk.copy())
    });
    let check = |bytes: &[u8]| {
        assert!(contains(bytes, &Sha256::digest(token.as_bytes())), "the token's digest: these are the store's bytes");
        assert!(contains(bytes, b"$argon2id$"), "and the password's");
        assert!(!contains(bytes, token.as_bytes()));
        assert!(!contains(bytes, &token.as_bytes()[..32]), "nor a part of it");
        assert!(!contains(bytes, b"hidden"));
    };
    check(&files.bytes());
    // Whoever closes the store as the last one moves the log into the file.
    assert_eq!(files.look("SELECT name FROM users"), ["demo"]);
    check(&files.bytes());
}

/// A bill of which no word may be seen again.
const HIDDEN_BILL: &str = r#"{"payment":{"title":"hidden title","identifier":"hidden identifier","amount":"50","dueDate":"2025-01-31","amountAfterDueDate":"55"}}"#;

fn check(shown: &str, token: &str) {
    assert!(!shown.to_lowercase().contains("hidden"), "{shown}");
    assert!(!shown.contains(token) && !shown.contains(&token[..32]), "{shown}");
}

#[tokio::test]
async fn debug_shows_no_secret_and_no_payer() {
    let url = "http://127.0.0.1:1/hidden-path".parse().unwrap();
    let builder = settings().callback_url(url).clock(crate::hub::clock_at(crate::hub::NOW));
    let user = User::new("demo", PASSWORD, 23_u64.try_into().unwrap(), Role::Full);
    let mut shown = format!("{builder:?} {user:?}");
    assert!(shown.contains("callbacks: true") && shown.contains("frozen at 2025-01-10"), "{shown}");

    let hub = Hub::of_user(builder.build().await.unwrap(), PASSWORD).await;
    hub.add("PSID", HIDDEN_BILL).await;
    let bank = hub.sim.bank();
    let psid = psid(1).parse().unwrap();
    write!(shown, "{:?} {:?} {bank:?} {:?}", hub.sim, hub.sim.transport(), hub.sim.clock()).unwrap();
    write!(shown, "{:?}", bank.inquire(psid).await).unwrap();
    for amount in ["49", "50", "50"] {
        write!(shown, "{:?}", bank.pay(psid, amount.parse().unwrap(), "hidden-reference").await).unwrap();
    }
    write!(shown, "{:?}", bank.pay(psid, "50".parse().unwrap(), "hidden-other").await).unwrap();
    write!(shown, "{:?}", attempts(&hub, 1).await).unwrap();
    check(&shown, &hub.token);
    assert!(shown.contains("AlreadyPaid") && shown.contains("nobody listens"), "it was all shown: {shown}");
}

/// The whole of a day, with a receiver that isn't there and a store that breaks.
#[test]
fn logs_and_refusals_show_no_secret_and_no_payer() {
    Log::start();
    let disk = Disk::new();
    let settings = settings().callback_url("http://127.0.0.1:1/hidden-path".parse().unwrap());
    run(&disk, settings, async |hub| {
        hub.add("PSID", HIDDEN_BILL).await;
        hub.pay(&psid(1), "50", "hidden-reference").await;
        attempts(&hub, 1).await;
        let mut said = Vec::new();
        for (good, bad) in [("50", "hidden"), ("2025-01-31", "hidden"), ("hidden title", "hidden\\n"), ("}}", "hidden")]
        {
            said.push(hub.add("PSID", &HIDDEN_BILL.replace(good, bad)).await.text);
        }
        said.push(hub.login("hidden", r#"{"password":"hidden"}"#).send().await.text);
        said.push(hub.get("/payment/hidden").send().await.text);
        said.push(hub.get("/hidden").send().await.text);

        disk.change("ALTER TABLE payments RENAME TO lost");
        let broken = "500 Internal server error";
        let add = hub.add("PSID", HIDDEN_BILL).await;
        let bulk = hub.add_bulk(HIDDEN_BILL.replace(r#"{"payment":{"#, r#"{"payments":[{"#).replace("}}", "}]}")).await;
        let list = hub.get("/payment").send().await;
        assert_eq!([add.said(), bulk.said(), list.said()], [broken; 3]);
        let pay = hub.pay(&psid(1), "50", "hidden-reference").await;
        assert_eq!(pay, (500, r#"{"error":"the hub's store failed"}"#.to_owned()));
        said.extend([add.text, bulk.text, list.text, pay.1]);

        let log = Log::lines();
        for kind in ["path=\"/processed\"", "the store failed"] {
            assert!(log.iter().any(|line| line.contains(kind)), "{kind} was logged");
        }
        for shown in said.iter().chain(&log) {
            check(shown, &hub.token);
        }
    });
}

/// Everything that any test of this program logs, on any thread.
struct Log;

static LINES: OnceLock<Mutex<Vec<String>>> = OnceLock::new();

impl Log {
    fn start() {
        LINES.set(Mutex::default()).unwrap();
        tracing::subscriber::set_global_default(Self).unwrap();
    }

    fn lines() -> Vec<String> {
        LINES.get().unwrap().lock().unwrap().clone()
    }

    fn note(record: impl FnOnce(&mut Line)) {
        let mut line = Line(String::new());
        record(&mut line);
        LINES.get().unwrap().lock().unwrap().push(line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        Self::note(|line| attributes.record(line));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        Self::note(|line| values.record(line));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        Self::note(|line| event.record(line));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
