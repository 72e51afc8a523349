//! Whoever pays and bills the same payer at once sees what some order of doing it one after another would have shown: each
//! identifier's history is searched for such an order, as Wing and Gong do.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use asaanbill_sim::Sim;
use tokio::task::JoinSet;

use crate::hub::Hub;
use crate::story::bill;
use crate::traffic::Chance;

/// Payers of a history, who bills and pays each, and how often each does.
const PAYERS: u64 = 3;
const ACTORS: u64 = 4;
const STEPS: u64 = 4;

/// What was asked, and what was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    /// A bill of this amount got this number.
    Bill { amount: u64, id: u64 },
    /// So much under this reference.
    Pay { amount: u64, reference: u64, said: Said },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// This record is paid, by this call or by an earlier one.
    Paid(u64),
    AlreadyPaid,
    /// Another amount is due.
    Due(u64),
}

/// A call with the times between which it was done, by a clock that counts calls and answers.
#[derive(Clone, Debug)]
struct Done {
    call: Call,
    asked: u64,
    answered: u64,
}

/// What one identifier's books hold, if things are done one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Ledger {
    newest: Option<(u64, u64)>,
    is_paid: bool,
    references: BTreeMap<u64, u64>,
}

impl Ledger {
    /// The ledger after a call, if the call's answer is the right one.
    fn after(&self, call: &Call) -> Option<Self> {
        let mut next = self.clone();
        match call {
            Call::Bill { amount, id } => {
                // Numbers grow within an identifier.
                if self.newest.is_some_and(|(earlier, _)| earlier >= *id) {
                    return None;
                }
                next.newest = Some((*id, *amount));
                next.is_paid = false;
            }
            Call::Pay { amount, reference, said } => {
                let (newest, due) = self.newest?;
                let right = match self.references.get(reference) {
                    Some(before) => Said::Paid(*before),
                    None if self.is_paid => Said::AlreadyPaid,
                    None if due != *amount => Said::Due(due),
                    None => {
                        next.is_paid = true;
                        next.references.insert(*reference, newest);
                        Said::Paid(newest)
                    }
                };
                if right != *said {
                    return None;
                }
            }
        }
        Some(next)
    }
}

/// Whether some order explains a history: in it nothing comes before what was answered before it was asked.
fn explained(history: &[Done]) -> bool {
    assert!(history.len() < 64, "a history fits a set of bits");
    let mut seen = HashSet::new();
    let mut open = vec![(0_u64, Ledger::default())];
    while let Some((done, ledger)) = open.pop() {
        if done.count_ones() as usize == history.len() {
            return true;
        }
        let left = || history.iter().enumerate().filter(|(n, _)| done & (1 << n) == 0);
        let first_answer = left().map(|(_, one)| one.answered).min().unwrap_or(u64::MAX);
        for (n, one) in left().filter(|(_, one)| one.asked < first_answer) {
            if let Some(next) = ledger.after(&one.call) {
                let state = (done | 1 << n, next);
                if seen.insert(state.clone()) {
                    open.push(state);
                }
            }
        }
    }
    false
}

/// Bills and pays by chance from all sides at once, and looks for an order.
pub(crate) async fn check(hubs: &[Hub], seed: u64) {
    let mut chance = Chance::of(seed);
    let clock = Arc::new(AtomicU64::new(0));
    let round = chance.draw();
    let mut histories: Vec<Vec<Done>> = Vec::new();
    let mut acting = JoinSet::new();
    for payer in 0..PAYERS {
        let identifier = format!("{round:016x}-{payer}");
        // Somebody has to have a PSID to pay.
        let asked = clock.fetch_add(1, Ordering::SeqCst);
        let first = hubs[0].add("PSID", &bill(&identifier, "1", "1", "2099-12-31")).await;
        let psid = first.text_at("/psid").to_owned();
        let call = Call::Bill { amount: 1, id: first.data()["id"].as_u64().unwrap() };
        histories.push(vec![Done { call, asked, answered: clock.fetch_add(1, Ordering::SeqCst) }]);
        for _ in 0..ACTORS {
            let hub = chance.pick(hubs).unwrap().clone();
            let (clock, chance) = (Arc::clone(&clock), chance.fork());
            let (identifier, psid) = (identifier.clone(), psid.clone());
            acting.spawn(async move { (payer, act(&hub, &identifier, &psid, &clock, chance).await) });
        }
    }
    while let Some(done) = acting.join_next().await {
        let (payer, done) = done.unwrap();
        histories[usize::try_from(payer).unwrap()].extend(done);
    }
    for mut history in histories {
        history.sort_by_key(|done| done.asked);
        assert!(explained(&history), "seed {seed}: no order explains {history:#?}");
    }
}

async fn act(hub: &Hub, identifier: &str, psid: &str, clock: &AtomicU64, mut chance: Chance) -> Vec<Done> {
    let mut done = Vec::new();
    for _ in 0..STEPS {
        let amount = 1 + chance.below(2);
        let reference = chance.below(6);
        let is_bill = chance.below(2) == 0;
        let asked = clock.fetch_add(1, Ordering::SeqCst);
        let call = if is_bill {
            let amounts = amount.to_string();
            let answer = hub.add("PSID", &bill(identifier, &amounts, &amounts, "2099-12-31")).await;
            assert_eq!(answer.text_at("/psid"), psid, "the payer's PSID for ever");
            Call::Bill { amount, id: answer.data()["id"].as_u64().unwrap() }
        } else {
            let (status, said) = hub.pay(psid, &amount.to_string(), &format!("R{reference}")).await;
            Call::Pay { amount, reference, said: read(status, &said) }
        };
        done.push(Done { call, asked, answered: clock.fetch_add(1, Ordering::SeqCst) });
    }
    done
}

fn read(status: u16, said: &str) -> Said {
    let json: serde_json::Value = serde_json::from_str(said).unwrap();
    match (status, json["error"].as_str()) {
        (200, _) => Said::Paid(json["id"].as_u64().unwrap()),
        (409, Some("already paid under another reference")) => Said::AlreadyPaid,
        (409, Some(error)) => {
            let due = error.strip_prefix("the amount must be ").and_then(|rest| rest.strip_suffix(" rupees"));
            Said::Due(due.unwrap_or_else(|| panic!("{said}")).parse().unwrap())
        }
        _ => panic!("{status} {said}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_order_explains_what_everybody_saw() {
    let hub = Hub::with(Sim::builder()).await;
    for seed in 0..25 {
        check(std::slice::from_ref(&hub), seed).await;
    }
}

/// The search finds orders, and finds that there is none.
#[test]
fn the_search_can_fail() {
    let done = |call, asked, answered| Done { call, asked, answered };
    let pay = |amount, reference, said| Call::Pay { amount, reference, said };
    let first = done(Call::Bill { amount: 5, id: 1 }, 0, 1);
    let check = |rest: &[Done], expected: bool| {
        let history: Vec<Done> = std::iter::once(first.clone()).chain(rest.iter().cloned()).collect();
        assert_eq!(explained(&history), expected, "{history:?}");
    };
    let again = |asked, answered| done(Call::Bill { amount: 7, id: 2 }, asked, answered);
    check(&[done(pay(5, 1, Said::Paid(1)), 2, 4), again(3, 5)], true);
    check(&[done(pay(7, 1, Said::Paid(2)), 2, 4), again(3, 5)], true);
    // It was asked before the bill that it paid.
    check(&[done(pay(7, 1, Said::Paid(2)), 2, 3), again(4, 5)], false);
    // The bill was there before the payment of the one before it began.
    check(&[again(2, 3), done(pay(5, 1, Said::Paid(1)), 4, 5)], false);
    // Two debits of one bill.
    check(&[done(pay(5, 1, Said::Paid(1)), 2, 4), done(pay(5, 2, Said::Paid(1)), 3, 5)], false);
    check(&[done(pay(5, 1, Said::Paid(1)), 2, 4), done(pay(5, 2, Said::AlreadyPaid), 3, 5)], true);
    check(&[done(pay(5, 1, Said::Paid(1)), 2, 4), done(pay(5, 1, Said::Paid(1)), 3, 5)], true);
    check(&[done(pay(6, 1, Said::Due(5)), 2, 3)], true);
}
