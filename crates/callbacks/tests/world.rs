//! A receiver between a hub and a ledger, on a clock that stands still until it is moved.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use asaanbill_callbacks::{ACCEPT_TIMEOUT_MAX, Limits, Location, Receipt, ReceiptState, Receiver, Sweep};
use asaanbill_storage::rusqlite::Connection;
use asaanbill_transport::{ServiceTransport, Transport as _};
use axum::body::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::hub::Hub;
use crate::ledger::Ledger;

/// How long a test waits for what has to happen, in real time. It never waits for what must not happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// When the tests begin: about when the guide's samples were made.
const START: i64 = 1_753_900_000;

/// What the receiver's clock says at first.
pub(crate) fn beginning() -> Timestamp {
    Timestamp::from_second(START).unwrap()
}

/// The most that the receiver's worker rests.
pub(crate) const REST: Duration = Duration::from_secs(30);

/// The most that it waits after a failure.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// What acknowledges a call-back. (Guide, Call-back APIs)
pub(crate) const ACKNOWLEDGED: &str = r#"{"responseCode":200,"responseMessage":"Request processed successfully"}"#;

/// The PSID that a test calls by a letter.
pub(crate) fn psid(letter: char) -> String {
    psid_of(u32::from(letter).into())
}

/// The PSID that a test calls by a number.
pub(crate) fn psid_of(number: u64) -> String {
    format!("1001391001001{number:011}")
}

/// A paid call-back, as the guide shows it.
pub(crate) fn processed(psid: &str, amount: &str, after: Option<&str>) -> String {
    let after = after.map_or("null".into(), |after| format!(r#""{after}""#));
    format!(
        r#"{{"title":"Bareera Sheikh","identifier":"FS-BSCS-095","dueDate":"2025-08-31","amount":"{amount}",
            "amountAfterDueDate":{after},"psid":"{psid}"}}"#
    )
}

pub(crate) fn bulk_approved(id: u64) -> String {
    format!(r#"{{"bulkPaymentRequestId": {id}}}"#)
}

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) ledger: Ledger,
    pub(crate) receiver: Receiver,
    /// What was posted to see whether all before it is done.
    markers: Vec<Marker>,
    /// The inbox's, if it is on disk.
    folder: Option<TempDir>,
    clock: Clock,
}

struct Marker {
    receipt: i64,
    key: String,
}

/// Tokio's clock and the receiver's, which stand still together.
struct Clock {
    started: Instant,
    /// While a blocking task runs, tokio's paused clock doesn't jump to the next timer by itself.
    _hold: mpsc::Sender<()>,
}

impl Clock {
    fn hold() -> Self {
        let (hold, released) = mpsc::channel();
        tokio::task::spawn_blocking(move || released.recv());
        Self { started: Instant::now(), _hold: hold }
    }
}

impl World {
    /// With the inbox in memory. Time must be paused.
    pub(crate) async fn in_memory() -> Self {
        Self::build(Hub::default(), Ledger::default(), None, Clock::hold(), None).await
    }

    /// With the inbox in memory, and a schedule of its own. Time must be paused.
    pub(crate) async fn with_schedule(waits: &[Duration]) -> Self {
        let world = Self::in_memory().await;
        let started = world.clock.started;
        let receiver = Receiver::builder(Location::Memory, world.hub.client(), world.ledger.clone());
        let receiver = receiver.clock(move || beginning() + started.elapsed()).limits(unpaced()).sweep(None);
        let receiver = receiver.confirm_schedule(waits.iter().copied()).build().await.unwrap();
        Self { receiver, ..world }
    }

    /// With the inbox in a file, and a sweep of this hub. Time must be paused.
    pub(crate) async fn sweeping(hub: Hub, sweep: Sweep) -> Self {
        let folder = Some(TempDir::new().unwrap());
        let world = Self::build(hub, Ledger::default(), folder, Clock::hold(), Some(sweep)).await;
        // From now on payments are the receiver's to know.
        let begun = async |world: &Self| {
            let rows = world.file().query_row("SELECT count(*) FROM sweeps", [], |row| row.get::<_, u64>(0));
            rows.unwrap() == 1
        };
        world.until("the sweeper has looked at its clock", begun).await;
        world
    }

    /// With the inbox in a file. Time must be paused.
    pub(crate) async fn on_disk() -> Self {
        Self::build(Hub::default(), Ledger::default(), Some(TempDir::new().unwrap()), Clock::hold(), None).await
    }

    async fn build(hub: Hub, ledger: Ledger, folder: Option<TempDir>, clock: Clock, sweep: Option<Sweep>) -> Self {
        let location = folder.as_ref().map_or(Location::Memory, |folder| Location::File(inbox(folder)));
        let started = clock.started;
        let now = move || beginning() + started.elapsed();
        let receiver =
            Receiver::builder(location, hub.client(), ledger.clone()).clock(now).limits(unpaced()).sweep(sweep);
        let receiver = receiver.build().await.unwrap();
        Self { hub, ledger, receiver, markers: Vec::new(), folder, clock }
    }

    /// What the receiver's clock says.
    pub(crate) fn now(&self) -> Timestamp {
        beginning() + self.clock.started.elapsed()
    }

    /// Ends the receiver, looks at its file, and opens another receiver on it.
    pub(crate) async fn restart(self, look: impl FnOnce(&Connection)) -> Self {
        let Self { hub, ledger, receiver, markers, folder, clock } = self;
        drop(receiver);
        look(&Connection::open(inbox(folder.as_ref().expect("an inbox on disk"))).unwrap());
        Self { markers, ..Self::build(hub, ledger, folder, clock, None).await }
    }

    /// The inbox's file, beside the receiver.
    pub(crate) fn file(&self) -> Connection {
        Connection::open(inbox(self.folder.as_ref().expect("an inbox on disk"))).unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        ServiceTransport::new(self.receiver.router()).send(request).await.unwrap()
    }

    /// Posts a call-back that has to be acknowledged.
    pub(crate) async fn post(&self, path: &str, body: &str) {
        let answer = self.send(post(path, body)).await;
        assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (200, ACKNOWLEDGED.as_bytes()));
    }

    pub(crate) async fn post_processed(&self, psid: &str, amount: &str, after: Option<&str>) {
        self.post("/processed", &processed(psid, amount, after)).await;
    }

    /// Waits until all that is due is done. Needs a hub that answers.
    pub(crate) async fn settle(&mut self) {
        self.mark().await;
        // What began before the marker may take longer.
        let (leased, ready) = (r#"{state="leased"}"#, r#"handlings{state="ready"}"#);
        let behind = std::cell::Cell::new(0);
        self.until("nothing is under way", async |world| {
            let metrics = world.receiver.metrics().await.unwrap();
            behind.set(count(&metrics, ready));
            ["confirms", "handlings"].map(|queue| count(&metrics, &format!("{queue}{leased}"))) == [0, 0]
        })
        .await;
        if behind.get() > 0 {
            // Behind what was confirmed after the first one.
            self.mark().await;
        }
    }

    /// What the receiver counted.
    pub(crate) async fn metric(&self, of: &str) -> u64 {
        count(&self.receiver.metrics().await.unwrap(), of)
    }

    /// Posts a call-back of its own, and waits until it is handled: what was confirmed before it is handed over before it.
    async fn mark(&mut self) {
        let psid = format!("9{:023}", self.markers.len());
        let key = format!("payment/23/{}", self.hub.scan(&psid, "1"));
        self.ledger.exempt(&key);
        self.post_processed(&psid, "1", None).await;
        let receipt = self.receiver.receipts().await.unwrap().last().unwrap().id;
        self.until("the marker is handled", async |world| world.ledger.handled().contains(&key)).await;
        self.markers.push(Marker { receipt, key });
    }

    /// Moves the clock, and waits until all that is due is done.
    pub(crate) async fn pass(&mut self, time: Duration) {
        tokio::time::advance(time).await;
        self.settle().await;
    }

    /// Waits for what has to happen.
    pub(crate) async fn until(&self, what: &str, happened: impl AsyncFn(&Self) -> bool) {
        let begun = std::time::Instant::now();
        while !happened(self).await {
            if begun.elapsed() > PATIENCE {
                panic!("in vain: {what}\n{}", self.receiver.metrics().await.unwrap_or_default());
            }
            // Lets the workers work.
            tokio::task::yield_now().await;
        }
    }

    /// What became of the call-backs.
    pub(crate) async fn states(&self) -> Vec<ReceiptState> {
        self.receipts().await.iter().map(|receipt| receipt.state).collect()
    }

    pub(crate) async fn receipts(&self) -> Vec<Receipt> {
        let receipts = self.receiver.receipts().await.unwrap();
        receipts.into_iter().filter(|receipt| self.markers.iter().all(|marker| marker.receipt != receipt.id)).collect()
    }

    /// The keys of what was handled, in order.
    pub(crate) fn handled(&self) -> Vec<String> {
        self.without_markers(self.ledger.handled())
    }

    /// The keys of what was handed over, handled or not, in order.
    pub(crate) fn handed_over(&self) -> Vec<String> {
        self.without_markers(self.ledger.asked())
    }

    fn without_markers(&self, keys: Vec<String>) -> Vec<String> {
        keys.into_iter().filter(|key| self.markers.iter().all(|marker| &marker.key != key)).collect()
    }
}

/// As many questions to the hub as there are: the clock stands still.
fn unpaced() -> Limits {
    let mut limits = Limits::default();
    limits.lookups_per_second = None;
    limits
}

/// The same, and as long to store a call-back as may be, for tests in real time: a slow machine needs it.
pub(crate) fn patient() -> Limits {
    let mut limits = unpaced();
    limits.accept_timeout = ACCEPT_TIMEOUT_MAX;
    limits
}

fn count(metrics: &str, of: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("asaanbill_callbacks_{of} ")));
    line.unwrap().parse().unwrap()
}

fn inbox(folder: &TempDir) -> PathBuf {
    folder.path().join("inbox.db")
}

pub(crate) fn post(path: &str, body: &str) -> Request<Bytes> {
    request("POST", path, body)
}

pub(crate) fn request(method: &str, path: &str, body: &str) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(format!("http://127.0.0.1{path}"));
    request.header("content-type", "application/json").body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}
