//! One schedule: a hub, payers who pay at once, faults in between, and a caller who wants each bill once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asaanbill_client::{
    Client, ClientError, Intent, PageRequest, Payment, Resolution, ResolvePolicy, RetryPolicy, SqliteJournal, Status,
    Wanted,
};
use asaanbill_core::{Amount, NewPayment, PaymentStatus};
use asaanbill_e2e::bill;
use asaanbill_sim::{Sim, SimTransport};
use asaanbill_transport::{Fault, Faulty, Transport};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use jiff::Timestamp;

use super::plants::{Plant, TakenTwice};
use crate::random::{Random, cancelled_after};

/// What each schedule bills, of so many identifiers: so they are billed anew.
pub(super) const INTENTS: usize = 6;
const IDENTIFIERS: usize = 3;

/// How often a caller adds again what is not there, and asks again what can't be asked.
const TRIES: usize = 60;

/// Longer than anything is held on its way here: what is late is let go within a resolution.
const QUIESCENCE: Duration = Duration::from_millis(300);

/// Where a hub without a socket is.
pub(super) const BASE: &str = "http://localhost";

pub(super) type Faults = Arc<Faulty<SimTransport>>;

/// Payers who pay whatever can be paid, at once.
#[derive(Clone)]
pub(super) struct Payers {
    sim: Sim,
    /// A client that meets no faults.
    records: Client,
    references: Arc<AtomicU64>,
}

impl std::fmt::Debug for Payers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Payers")
    }
}

impl Payers {
    pub(super) async fn pay(&self) {
        for payment in self.all().await {
            if payment.status() == Some(Status::Known(PaymentStatus::Approved)) {
                let reference = self.references.fetch_add(1, Ordering::Relaxed).to_string();
                let (psid, amount) = (payment.psid().unwrap(), payment.amount().unwrap());
                // Somebody may have billed anew meanwhile: then this amount isn't owed any more.
                let _ = self.sim.bank().pay(psid, amount, &reference).await;
            }
        }
    }

    async fn all(&self) -> Vec<Payment> {
        self.records.payments(PageRequest::new(0, 10_000).unwrap()).await.unwrap().items
    }
}

/// A bill that somebody wants once: each has an amount of its own.
#[derive(Clone, Debug)]
struct Wish {
    identifier: String,
    amount: Amount,
    new: NewPayment,
    /// Whoever may be dropped and tries again has a key. Without it, it tries until it is told.
    keyed: bool,
}

/// What became of a schedule.
pub(super) struct Report {
    /// What must not be.
    pub(super) broken: Vec<String>,
    /// How often each thing went wrong on purpose.
    pub(super) kinds: BTreeMap<&'static str, usize>,
    /// How many bills are known to exist.
    pub(super) resolved: usize,
    pub(super) log: Vec<String>,
}

/// One schedule under way.
struct Schedule {
    random: Random,
    payers: Payers,
    folder: PathBuf,
    /// Which journal it has, counted from 0.
    journals: usize,
    seed: u64,
    token: String,
    faults: Faults,
    plant: Plant,
    now: Timestamp,
    client: Client,
    /// The amounts of the bills that are known to exist.
    exist: BTreeSet<Amount>,
    kinds: Kinds,
    log: Vec<String>,
}

type Kinds = Arc<Mutex<BTreeMap<&'static str, usize>>>;

fn count(kinds: &Kinds, kind: &'static str) {
    *kinds.lock().unwrap().entry(kind).or_insert(0) += 1;
}

/// A random fault for three requests to create in five, and for one that reads in three; or for certain.
fn any_fault(random: &mut Random, creates: bool, certain: bool) -> (Fault, &'static str) {
    if !certain && !random.chance(if creates { 60 } else { 33 }) {
        return (Fault::None, "none");
    }
    let status =
        [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT, StatusCode::INTERNAL_SERVER_ERROR][random.below(3)];
    match random.below(17) {
        0 => (Fault::Refuse, "refuse"),
        1..=3 => (Fault::LoseRequest, "lose request"),
        4 | 5 => (Fault::LoseAnswer, "lose answer"),
        6 => (Fault::CutAnswer, "cut answer"),
        7..=9 => (Fault::Late(usize::MAX), "late"),
        // Others overtake it.
        10..=12 => (Fault::Late(1 + random.below(2)), "reordered"),
        13 => (Fault::Twice, "twice"),
        14 => (Fault::Hang, "hang"),
        15 => (Fault::ProxyAnswerAfter(status), "proxy after"),
        _ if random.chance(50) => (Fault::ProxyAnswer(status), "proxy"),
        _ => (Fault::Truncate(random.below(500)), "truncate"),
    }
}

pub(super) async fn token(sim: &Sim) -> String {
    let login = Request::post(format!("{BASE}/integration/login")).header("username", "demo");
    let login = login.header("content-type", "application/json").body(r#"{"password":"demo"}"#.into()).unwrap();
    let answer = sim.transport().send(login).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    answer["data"]["token"].as_str().unwrap().to_owned()
}

/// A client that waits for no longer than a test may.
pub(super) fn builder(token: &str, window: Duration) -> asaanbill_client::ClientBuilder {
    let milliseconds = Duration::from_millis;
    Client::builder()
        .base_url(BASE)
        .token("demo", token, "23".parse().unwrap())
        .attempt_timeout(window / 5)
        .retry(RetryPolicy::default().backoff(milliseconds(1), milliseconds(5)).total(window))
        .resolve_policy(ResolvePolicy::default().quiescence(window).looks(milliseconds(50), milliseconds(100)))
}

/// The hub's clock runs, and the client's stands: both begin here.
#[expect(clippy::disallowed_methods, reason = "the hub under test has the system's clock")]
pub(super) fn system_time() -> Timestamp {
    Timestamp::now()
}

impl Schedule {
    async fn start(seed: u64, plant: Plant, folder: &Path) -> Self {
        let sim = Sim::builder().build().await.unwrap();
        let token = token(&sim).await;
        let kinds = Kinds::default();
        let (log, mut of_faults) = (Arc::clone(&kinds), Random::new(seed ^ 0xfau64));
        let faults = Arc::new(Faulty::by(sim.transport(), move |request: &Request<Bytes>| {
            let (creates, first) = (request.method() == Method::POST, log.lock().unwrap().is_empty());
            let (fault, name) = any_fault(&mut of_faults, creates, first);
            count(&log, name);
            fault
        }));
        let records = builder(&token, QUIESCENCE).transport(sim.transport()).build().unwrap();
        let payers = Payers { sim, records, references: Arc::new(AtomicU64::new(1)) };
        let client = payers.records.clone();
        let mut schedule = Self {
            random: Random::new(seed),
            payers,
            folder: folder.to_owned(),
            journals: 0,
            seed,
            token,
            faults,
            plant,
            now: system_time(),
            client,
            exist: BTreeSet::new(),
            kinds,
            log: Vec::new(),
        };
        schedule.client = schedule.program();
        schedule
    }

    /// A program that has just been started: of the one before it only the journal remains.
    fn program(&self) -> Client {
        let journal = self.folder.join(format!("{:?}-{}-{}.db", self.plant, self.seed, self.journals));
        let journal = SqliteJournal::open(journal).unwrap();
        let (now, step) = (self.now, self.plant.clock_step());
        let asked = AtomicI64::new(0);
        let clock = move || {
            let times = i32::try_from(asked.fetch_add(1, Ordering::Relaxed)).unwrap();
            now + step.checked_mul(times).unwrap()
        };
        let client = builder(&self.token, QUIESCENCE).clock(clock);
        let client = client.transport(self.plant.transport(&self.faults, &self.payers));
        match self.plant {
            Plant::TakenTwice => client.journal(TakenTwice(journal)).build().unwrap(),
            _ => client.journal(journal).build().unwrap(),
        }
    }

    fn kill(&mut self) {
        count(&self.kinds, "killed");
        self.log.push("killed".into());
        self.journals += usize::from(self.plant == Plant::ForgottenJournal);
        self.client = self.program();
    }

    /// Bills once, whatever it takes, or with `may_leave` as far as it goes: then others are billed before it is known what became of it.
    async fn bill(&mut self, wish: &Wish, may_leave: bool) {
        let (keyed, key) = (wish.keyed, wish.amount.to_string());
        for attempt in 0..TRIES {
            if self.exist.contains(&wish.amount) {
                return;
            }
            let outcome = match self.random.below(10) {
                // A handler that goes away, at any point, and comes again.
                _ if keyed && attempt < TRIES / 4 => {
                    let polls = 1 + self.random.below(12);
                    cancelled_after(polls, self.client.add_once(&key, &wish.new)).await
                }
                _ if keyed => self.client.add_once(&key, &wish.new).await.into(),
                3 => self.client.add_detached(wish.new.clone()).await.into(),
                _ => self.client.add(&wish.new).await.into(),
            };
            if outcome.is_none() {
                count(&self.kinds, "cancelled");
            }
            if self.random.chance(60) {
                self.payers.pay().await;
            }
            if self.random.chance(self.plant.killed_in_a_hundred()) {
                self.kill();
            }
            self.log.push(format!(
                "add {} {}: {:?}",
                wish.identifier,
                wish.amount,
                outcome.as_ref().map(|o| o.as_ref().map(|p| p.id()).map_err(ClientError::kind))
            ));
            match outcome {
                Some(Ok(_)) => _ = self.exist.insert(wish.amount),
                Some(Err(error)) if error.intent().is_none() => {}
                _ if may_leave && self.random.chance(40) => {
                    count(&self.kinds, "left");
                    return;
                }
                _ => self.resolve_all().await,
            }
        }
    }

    async fn open_intents(&self) -> Vec<Intent> {
        self.client.open_intents(None).await.unwrap()
    }

    async fn resolve_all(&mut self) {
        for intent in self.open_intents().await {
            self.resolve(&intent).await;
        }
    }

    async fn resolve(&mut self, intent: &Intent) {
        let release_first = self.random.chance(25);
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
            if self.random.chance(80) {
                self.payers.pay().await;
            }
            let Wanted::Add(new) = intent.wanted() else { panic!("only bills are added") };
            self.log.push(format!("resolve {:?}: {:?}", new.amount(), resolved.as_ref().map_err(|error| error.kind())));
            match resolved {
                Ok(Resolution::NotFound) => return,
                Ok(_) => {
                    self.exist.insert(new.amount().unwrap());
                    return;
                }
                Err(_) => {}
            }
        }
    }

    /// What must not be, and is.
    async fn broken(&self, wishes: &[Wish]) -> Vec<String> {
        let mut broken = Vec::new();
        let open = self.open_intents().await;
        let all = self.payers.all().await;
        for Wish { identifier, amount, .. } in wishes {
            let of = |status: Option<PaymentStatus>| {
                let it = |payment: &&Payment| {
                    payment.identifier() == Some(identifier)
                        && payment.amount() == Some(*amount)
                        && status.is_none_or(|status| payment.status() == Some(Status::Known(status)))
                };
                all.iter().filter(it).count()
            };
            let (paid, unpaid) = (of(Some(PaymentStatus::Processed)), of(Some(PaymentStatus::Approved)));
            if paid + unpaid > 1 {
                broken.push(format!("{identifier} {amount}: paid {paid} times, {unpaid} unpaid"));
            }
            if self.exist.contains(amount) && of(None) == 0 {
                broken.push(format!("{identifier} {amount} is said to exist, and doesn't"));
            }
            // What isn't known to exist is open, and says so.
            let is_open = open.iter().any(|intent| match intent.wanted() {
                Wanted::Add(new) => new.amount() == Some(*amount),
                _ => false,
            });
            if !self.exist.contains(amount) && !is_open {
                broken.push(format!("{identifier} {amount} is neither known to exist nor open"));
            }
        }
        broken
    }
}

/// Runs the schedule of a seed to its end.
pub(super) async fn run(seed: u64, plant: Plant, folder: &Path) -> Report {
    let mut schedule = Schedule::start(seed, plant, folder).await;
    let wish = |number: usize, random: &mut Random| {
        let (identifier, amount) = (format!("S-{}", random.below(IDENTIFIERS)), (10 + number).to_string());
        let (new, keyed) = (bill(&identifier, &amount).unwrap(), random.chance(40));
        Wish { new, amount: amount.parse().unwrap(), identifier, keyed }
    };
    let wishes: Vec<Wish> = (0..INTENTS).map(|number| wish(number, &mut schedule.random)).collect();
    for may_leave in [true, false] {
        for wish in &wishes {
            schedule.bill(wish, may_leave).await;
        }
        // Whoever left something open finds out first.
        schedule.resolve_all().await;
    }
    schedule.faults.release().await;
    schedule.payers.pay().await;
    let broken = schedule.broken(&wishes).await;
    let kinds = schedule.kinds.lock().unwrap().clone();
    Report { broken, kinds, resolved: schedule.exist.len(), log: schedule.log }
}
