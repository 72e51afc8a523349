//! A mixed load on a hub, drawn from a seed: bills, codes, batches and payments, on a few payers whom everyone bills and on new
//! ones. It notes what was acknowledged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use asaanbill_transport::Transport;
use http::Request;
use serde_json::Value;

use crate::hub::TOKEN;
use crate::story::{bill, row};

/// The payers whom everyone bills.
const BUSY: u64 = 8;

/// What everything costs, so that a payment fails for nothing but its time.
const PRICE: &str = "50";
const DUE: &str = "2099-12-31";

/// Chance that a seed repeats: splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Somebody's own, who does something beside others.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.draw())
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.below(of.len().max(1) as u64)).unwrap())
    }
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    /// Number, PSID and identifier of each bill. The identifier of one that was sent without is its number.
    pub(crate) bills: Vec<(u64, String, String)>,
    /// Number and length of each batch.
    pub(crate) batches: Vec<(u64, usize)>,
    /// PSID, reference and record of each payment.
    pub(crate) paid: Vec<(String, String, u64)>,
}

impl Acknowledged {
    pub(crate) fn count(&self) -> usize {
        self.bills.len() + self.batches.len() + self.paid.len()
    }

    pub(crate) fn append(&mut self, mut more: Self) {
        self.bills.append(&mut more.bills);
        self.batches.append(&mut more.batches);
        self.paid.append(&mut more.paid);
    }
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) origin: String,
    pub(crate) token: String,
    /// What all callers have had acknowledged.
    pub(crate) acknowledged: Arc<Mutex<Acknowledged>>,
    /// The same as a number, to be looked at often.
    pub(crate) count: Arc<AtomicU64>,
}

impl Caller {
    #[cfg(feature = "postgres-tests")]
    pub(crate) fn of(hub: &crate::hub::Hub) -> Self {
        Self {
            transport: Arc::new(hub.sim.transport()),
            origin: "http://hub.test".to_owned(),
            token: hub.token.clone(),
            acknowledged: Arc::default(),
            count: Arc::default(),
        }
    }

    /// What the hub says; none if it says nothing.
    pub(crate) async fn ask(&self, path: &str, body: String) -> Option<(u16, Value)> {
        let request = Request::post(format!("{}{path}", self.origin))
            .header("content-type", "application/json")
            .header(TOKEN, &self.token)
            .header("username", "demo")
            .header("channel-id", "23")
            .body(body.into())
            .unwrap();
        let answer = self.transport.send(request).await.ok()?;
        let json = serde_json::from_slice(answer.body()).unwrap_or_else(|error| panic!("{path}: {error}"));
        Some((answer.status().as_u16(), json))
    }

    fn note(&self, note: impl FnOnce(&mut Acknowledged)) {
        note(&mut self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks for so many things, or until the hub says nothing any more.
    ///
    /// # Panics
    ///
    /// If it is refused what nothing speaks against.
    pub(crate) async fn run(&self, mut chance: Chance, steps: u32) {
        for _ in 0..steps {
            let done = match chance.below(100) {
                0..45 => self.add("PSID", bill(&payer(&mut chance), PRICE, PRICE, DUE)).await,
                45..52 => self.add("SQRC_WITHOUT_AMOUNT", shop(&mut chance)).await,
                52..56 => self.add("DQRC", sale()).await,
                56..68 => self.bulk(&mut chance).await,
                _ => self.pay(&mut chance).await,
            };
            if done.is_none() {
                return;
            }
        }
    }

    async fn add(&self, kind: &str, body: String) -> Option<()> {
        let (status, answer) = self.ask(&format!("/integration/add?generationTypes={kind}"), body).await?;
        assert_eq!(status, 200, "{answer}");
        let text = |field: &str| answer["data"][field].as_str().unwrap().to_owned();
        let one = (answer["data"]["id"].as_u64().unwrap(), text("psid"), text("identifier"));
        self.note(|acknowledged| acknowledged.bills.push(one));
        Some(())
    }

    async fn bulk(&self, chance: &mut Chance) -> Option<()> {
        let rows: Vec<String> = (0..=chance.below(12)).map(|_| row(&payer(chance), PRICE, PRICE, DUE)).collect();
        let body = format!(r#"{{"payments":[{}]}}"#, rows.join(","));
        let (status, answer) = self.ask("/integration/add-bulk?contentType=JSON", body).await?;
        assert_eq!(status, 200, "{answer}");
        let id = answer["data"]["bulkPaymentRequestId"].as_u64().unwrap();
        self.note(|acknowledged| acknowledged.batches.push((id, rows.len())));
        Some(())
    }

    async fn pay(&self, chance: &mut Chance) -> Option<()> {
        let psid = {
            let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
            // The latest are the likeliest to be unpaid.
            let latest = acknowledged.bills.len().saturating_sub(40);
            chance.pick(&acknowledged.bills[latest..]).map(|(_, psid, _)| psid.clone())
        };
        let Some(psid) = psid else { return Some(()) };
        // Sometimes the bank asks again.
        let reference = format!("R{}", chance.below(5_000));
        let body = format!(r#"{{"psid":"{psid}","amount":"{PRICE}","reference":"{reference}"}}"#);
        let (status, answer) = self.ask("/_sim/pay", body).await?;
        match status {
            200 => {
                let id = answer["id"].as_u64().unwrap();
                self.note(|acknowledged| acknowledged.paid.push((psid, reference, id)));
            }
            _ => assert!(status == 409 && answer.to_string().contains("already paid"), "{status} {answer}"),
        }
        Some(())
    }
}

/// One of those whom everyone bills, or somebody new.
fn payer(chance: &mut Chance) -> String {
    match chance.below(2) {
        0 => format!("BUSY-{}", chance.below(BUSY)),
        _ => format!("NEW-{:016x}", chance.draw()),
    }
}

/// A template, for one of few tills or without an identifier.
fn shop(chance: &mut Chance) -> String {
    let identifier = match chance.below(4) {
        0 => String::new(),
        till => format!("TILL-{till}"),
    };
    format!(r#"{{"payment":{{"title":"Ali Tuck Shop","identifier":"{identifier}"}}}}"#)
}

fn sale() -> String {
    format!(r#"{{"payment":{{"amount":"{PRICE}","longitude":"73","latitude":"33"}}}}"#)
}
