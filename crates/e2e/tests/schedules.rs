//! For any schedule of faults: at most one unpaid bill for each intent, none paid twice, and each resolved or honestly
//! unknown. A naive retry, planted below the client, breaks that in most schedules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asaanbill_client::{
    Client, ClientError, Intent, PageRequest, Resolution, ResolvePolicy, RetryPolicy, SqliteJournal, Status,
};
use asaanbill_core::{Amount, NewPayment, PaymentStatus};
use asaanbill_e2e::bill;
use asaanbill_sim::{Sim, SimTransport};
use asaanbill_transport::{Fault, Faulty, Transport, TransportError};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{Request, Response, StatusCode};
use jiff::Timestamp;

use crate::random::{Random, cancelled_after};

/// How many schedules are tried with the client as it is, and with the naive retry below it.
const SEEDS: u64 = 32;
const NAIVE_SEEDS: u64 = 16;

/// How many of them run at once.
const AT_ONCE: usize = 8;

/// What each schedule bills.
const INTENTS: usize = 6;

/// How often a caller adds again what is not there, and asks again what can't be asked.
const TRIES: usize = 60;

/// Longer than anything is held on its way here: what is late is let go within a resolution.
const QUIESCENCE: Duration = Duration::from_millis(300);

/// Payers who pay whatever can be paid, at once.
#[derive(Clone)]
struct Payers {
    sim: Sim,
    /// A client that meets no faults.
    records: Client,
    references: Arc<AtomicU64>,
}

impl Payers {
    async fn pay(&self) {
        let page = self.records.payments(PageRequest::new(0, 1_000).unwrap()).await.unwrap();
        for payment in page.items {
            if payment.status() == Some(Status::Known(PaymentStatus::Approved)) {
                let reference = self.references.fetch_add(1, Ordering::Relaxed).to_string();
                let (psid, amount) = (payment.psid().unwrap(), payment.amount().unwrap());
                // Somebody may have billed anew meanwhile: then this amount isn't owed any more.
                let _ = self.sim.bank().pay(psid, amount, &reference).await;
            }
        }
    }
}

/// The planted bug: whatever isn't an answer is sent again. Payers are quicker.
#[derive(Debug)]
struct NaiveRetry {
    inner: Faults,
    payers: Mutex<Option<Payers>>,
}

impl std::fmt::Debug for Payers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Payers")
    }
}

#[async_trait]
impl Transport for NaiveRetry {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let mut outcome = self.inner.send(request.clone()).await;
        for _ in 0..3 {
            if outcome.as_ref().is_ok_and(|answer| !answer.status().is_server_error()) {
                break;
            }
            let payers = self.payers.lock().unwrap().clone();
            if let Some(payers) = payers {
                self.inner.release().await;
                payers.pay().await;
            }
            outcome = self.inner.send(request.clone()).await;
        }
        outcome
    }
}

type Faults = Arc<Faulty<SimTransport>>;

/// One schedule under way.
struct Schedule {
    random: Random,
    payers: Payers,
    journal: PathBuf,
    token: String,
    base: &'static str,
    faults: Faults,
    naive: bool,
    now: Timestamp,
    client: Client,
    log: Vec<String>,
}

/// What became of a schedule.
struct Report {
    broken: Vec<String>,
    fired: usize,
    kinds: BTreeMap<&'static str, usize>,
    resolved: usize,
}

/// A random fault for two requests in five, or for certain.
fn any_fault(random: &mut Random, certain: bool) -> (Fault, &'static str) {
    if !certain && !random.chance(40) {
        return (Fault::None, "none");
    }
    let status =
        [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT, StatusCode::INTERNAL_SERVER_ERROR][random.below(3)];
    match random.below(11) {
        0 => (Fault::Refuse, "refuse"),
        1 => (Fault::LoseRequest, "lose request"),
        2 | 3 => (Fault::LoseAnswer, "lose answer"),
        4 => (Fault::CutAnswer, "cut answer"),
        5 | 6 => (Fault::Late(usize::MAX), "late"),
        7 => (Fault::Twice, "twice"),
        8 => (Fault::Hang, "hang"),
        9 => (Fault::ProxyAnswerAfter(status), "proxy after"),
        _ if random.chance(50) => (Fault::ProxyAnswer(status), "proxy"),
        _ => (Fault::Truncate(random.below(500)), "truncate"),
    }
}

async fn token(sim: &Sim) -> String {
    let login = Request::post("http://localhost/integration/login").header("username", "demo");
    let login = login.header("content-type", "application/json").body(r#"{"password":"demo"}"#.into()).unwrap();
    let answer = sim.transport().send(login).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    answer["data"]["token"].as_str().unwrap().to_owned()
}

fn client(
    base: &str,
    token: &str,
    journal: &Path,
    window: Duration,
    now: Timestamp,
    transport: impl Transport + 'static,
) -> Client {
    let milliseconds = Duration::from_millis;
    Client::builder()
        .base_url(base)
        .token("demo", token, "23".parse().unwrap())
        .transport(transport)
        .journal(SqliteJournal::open(journal).unwrap())
        .attempt_timeout(window / 5)
        .retry(RetryPolicy::default().backoff(milliseconds(1), milliseconds(5)).total(window))
        .resolve_policy(ResolvePolicy::default().quiescence(window).looks(milliseconds(50), milliseconds(100)))
        // It stands, so that each resolution has the whole window.
        .clock(move || now)
        .build()
        .unwrap()
}

/// The hub's clock runs, and the client's stands: both begin here.
#[expect(clippy::disallowed_methods, reason = "the hub under test has the system's clock")]
fn system_time() -> Timestamp {
    Timestamp::now()
}

impl Schedule {
    async fn start(seed: u64, naive: bool, folder: &Path) -> (Self, Arc<Mutex<BTreeMap<&'static str, usize>>>) {
        let sim = Sim::builder().build().await.unwrap();
        let token = token(&sim).await;
        let kinds = Arc::new(Mutex::new(BTreeMap::new()));
        let (log, mut of_faults) = (Arc::clone(&kinds), Random::new(seed ^ 0xfau64));
        let faults = Arc::new(Faulty::by(sim.transport(), move |_: &Request<Bytes>| {
            let (fault, name) = any_fault(&mut of_faults, log.lock().unwrap().is_empty());
            *log.lock().unwrap().entry(name).or_insert(0) += 1;
            fault
        }));
        let base = "http://localhost";
        let records = Client::builder().base_url(base).token("demo", token.as_str(), "23".parse().unwrap());
        let records = records.transport(sim.transport()).build().unwrap();
        let payers = Payers { sim, records, references: Arc::new(AtomicU64::new(1)) };
        let journal = folder.join(format!("{naive}-{seed}.db"));
        let (now, first) = (system_time(), transport(&faults, &payers, naive));
        let client = client(base, &token, &journal, QUIESCENCE, now, first);
        let schedule = Self {
            random: Random::new(seed),
            payers,
            journal,
            token,
            base,
            faults,
            naive,
            now,
            client,
            log: Vec::new(),
        };
        (schedule, kinds)
    }

    /// The program is killed and started again: only the journal remains.
    fn kill(&mut self) {
        self.log.push("killed".into());
        let transport = transport(&self.faults, &self.payers, self.naive);
        self.client = client(self.base, &self.token, &self.journal, QUIESCENCE, self.now, transport);
    }

    /// Bills once, whatever it takes: says whether the bill is known to exist.
    async fn bill(&mut self, key: &str, new: &NewPayment) -> bool {
        // Whoever may be dropped and tries again has a key. Without it, it tries until it is told.
        let keyed = self.random.chance(40);
        for attempt in 0..TRIES {
            let how = self.random.below(10);
            let outcome = match how {
                // A handler that goes away, at any point, and comes again.
                _ if keyed && attempt < TRIES / 4 => {
                    let polls = 1 + self.random.below(12);
                    cancelled_after(polls, self.client.add_once(key, new)).await
                }
                3 => self.client.add_detached(new.clone()).await.into(),
                _ if keyed => self.client.add_once(key, new).await.into(),
                _ => self.client.add(new).await.into(),
            };
            if self.random.chance(60) {
                self.payers.pay().await;
            }
            if self.random.chance(20) {
                self.kill();
            }
            self.log.push(format!(
                "add: {:?}",
                outcome.as_ref().map(|o| o.as_ref().map(|p| p.id()).map_err(ClientError::kind))
            ));
            match outcome {
                Some(Ok(_)) => return true,
                Some(Err(error)) if error.intent().is_none() => continue,
                _ => {}
            }
            for intent in self.open_intents().await {
                if self.resolve(&intent).await == Some(true) {
                    return true;
                }
            }
        }
        false
    }

    async fn open_intents(&self) -> Vec<Intent> {
        self.client.open_intents(None).await.unwrap()
    }

    /// Whether it exists; none if that can't be found out.
    async fn resolve(&mut self, intent: &Intent) -> Option<bool> {
        let release_first = self.random.chance(50);
        for _ in 0..TRIES {
            if release_first {
                self.faults.release().await;
            }
            // What is late arrives between two looks, within the window.
            let looked = self.client.resolve_now(intent).await;
            self.faults.release().await;
            let resolved = match looked {
                Ok(Some(resolution)) => Ok(resolution),
                _ => self.client.resolve(intent).await,
            };
            if self.random.chance(60) {
                self.payers.pay().await;
            }
            self.log.push(format!("resolve: {:?}", resolved.as_ref().map_err(|error| error.kind())));
            match resolved {
                Ok(Resolution::NotFound) => return Some(false),
                Ok(_) => return Some(true),
                Err(_) => {}
            }
        }
        None
    }
}

fn transport(faults: &Faults, payers: &Payers, naive: bool) -> Arc<dyn Transport> {
    match naive {
        true => Arc::new(NaiveRetry { inner: Arc::clone(faults), payers: Mutex::new(Some(payers.clone())) }),
        false => Arc::clone(faults) as Arc<dyn Transport>,
    }
}

async fn run(seed: u64, naive: bool, folder: &Path) -> Report {
    let (mut schedule, kinds) = Schedule::start(seed, naive, folder).await;
    // Few identifiers, so that they are billed anew; each intent has an amount of its own.
    let intents: Vec<(String, String)> =
        (0..INTENTS).map(|number| (format!("S-{}", schedule.random.below(3)), format!("{}", 10 + number))).collect();
    let (mut broken, mut resolved) = (Vec::new(), 0);
    for (identifier, amount) in &intents {
        let known = schedule.bill(amount, &bill(identifier, amount).unwrap()).await;
        resolved += usize::from(known);
        // What isn't known to exist is open, and says so.
        if !known && schedule.open_intents().await.is_empty() {
            broken.push(format!("{identifier} {amount} is neither resolved nor open"));
        }
    }
    schedule.faults.release().await;
    schedule.payers.pay().await;
    let page = schedule.payers.records.payments(PageRequest::new(0, 10_000).unwrap()).await.unwrap();
    for (identifier, amount) in &intents {
        let amount: Amount = amount.parse().unwrap();
        let of = |status| {
            let it = |p: &&asaanbill_client::Payment| {
                p.identifier() == Some(identifier)
                    && p.amount() == Some(amount)
                    && p.status() == Some(Status::Known(status))
            };
            page.items.iter().filter(it).count()
        };
        let (paid, unpaid) = (of(PaymentStatus::Processed), of(PaymentStatus::Approved));
        if paid > 1 || unpaid > 1 || paid + unpaid > 1 {
            broken.push(format!("{identifier} {amount}: paid {paid} times, {unpaid} unpaid"));
        }
    }
    if !broken.is_empty() && !naive {
        broken.append(&mut schedule.log);
    }
    let kinds = kinds.lock().unwrap().clone();
    Report { broken, fired: schedule.faults.fired(), kinds, resolved }
}

async fn run_all(seeds: u64, naive: bool) -> Vec<(u64, Report)> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    stream::iter(0..seeds)
        .map(|seed| async move { (seed, run(seed, naive, folder).await) })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_schedule_of_faults_bills_twice() {
    let (mut kinds, mut resolved) = (BTreeMap::new(), 0);
    for (seed, report) in run_all(SEEDS, false).await {
        assert!(report.broken.is_empty(), "seed {seed}: {:#?}", report.broken);
        assert!(report.fired > 0, "seed {seed}: no fault has fired");
        resolved += report.resolved;
        for (kind, count) in report.kinds {
            *kinds.entry(kind).or_insert(0) += count;
        }
    }
    for kind in [
        "refuse",
        "lose request",
        "lose answer",
        "cut answer",
        "late",
        "twice",
        "hang",
        "proxy",
        "proxy after",
        "truncate",
    ] {
        assert!(kinds.get(kind).is_some_and(|count| *count > 0), "{kind} has not fired: {kinds:?}");
    }
    let all = INTENTS * usize::try_from(SEEDS).unwrap();
    assert!(resolved * 10 >= all * 9, "only {resolved} of {all} ended resolved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_naive_retry_bills_twice_in_most_schedules() {
    let reports = run_all(NAIVE_SEEDS, true).await;
    let caught = reports.iter().filter(|(_, report)| !report.broken.is_empty()).count();
    assert!(caught * 2 > reports.len(), "the planted bug is caught in {caught} of {} schedules only", reports.len());
}

/// An answer that ends at any byte, as if that were all.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_cut_at_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let sim = Sim::builder().build().await.unwrap();
    let token = token(&sim).await;
    let cut = Arc::new(AtomicU64::new(0));
    let at = Arc::clone(&cut);
    let faults = Faulty::by(sim.transport(), move |request: &Request<Bytes>| match request.uri().path() {
        "/integration/add" => Fault::Truncate(usize::try_from(at.load(Ordering::Relaxed)).unwrap()),
        _ => Fault::None,
    });
    let client = client(
        "http://localhost",
        &token,
        &folder.path().join("cut.db"),
        Duration::from_secs(5),
        system_time(),
        faults,
    );
    let mut whole = None;
    for bytes in 0..1_000 {
        cut.store(bytes, Ordering::Relaxed);
        let new = bill(&format!("C-{bytes}"), "50").unwrap();
        let psid = match client.add(&new).await {
            Ok(payment) => {
                whole = whole.or(Some(bytes));
                payment.psid()
            }
            Err(error) => {
                assert!(error.is_outcome_unknown() && whole.is_none(), "{bytes}: {error:?}");
                match client.resolve(error.intent().unwrap()).await.unwrap() {
                    Resolution::Added(payment) => payment.psid(),
                    other => panic!("{bytes}: {other:?}"),
                }
            }
        };
        assert_eq!(client.search(psid.unwrap(), PageRequest::default()).await.unwrap().total, Some(1));
        if whole.is_some_and(|whole| bytes > whole + 3) {
            break;
        }
    }
    assert!(whole.is_some_and(|bytes| bytes > 300), "{whole:?}");
}
