//! The hub beside a ledger that was written for this test from the guide's rules alone: whatever is asked in whatever order, they
//! answer alike and hold the same. Histories that differ are shrunk to the steps that matter.

mod ledger;

use asaanbill_core::{BulkRequestId, ChannelId};
use asaanbill_sim::{BulkProgress, Role, Sim, User};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use serde_json::Value;
use tokio::runtime::Runtime;

use self::ledger::{Answer, HOUR, Kind, Ledger, Policy, Step};
use crate::hub::{Hub, NOW};
use crate::story::{bill, row};

/// Today in the ledger: the last day on which a bill costs its first amount.
const DUE: &str = "2025-01-10";

impl ReferenceStateMachine for Ledger {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        let policy = prop_oneof![
            2 => Just(Policy::AtOnce),
            2 => Just(Policy::ByHand),
            1 => Just(Policy::After(2 * HOUR)),
            1 => (1_u32..4).prop_map(Policy::Polls),
        ];
        // Which numbers seeded drafts have only a batch's detail tells, which counts as a poll.
        let seeded = |policy| matches!(policy, Policy::AtOnce | Policy::ByHand | Policy::After(_));
        (policy, any::<bool>()).prop_map(move |(policy, seed)| Self::new(policy, seed && seeded(policy))).boxed()
    }

    fn transitions(ledger: &Self) -> BoxedStrategy<Step> {
        // One more than there are, for those that don't exist.
        let psid = 0..ledger.psids() + 1;
        let batch = 0..ledger.batches() + 1;
        let kind = prop_oneof![Just(Kind::Bill), Just(Kind::Printed), Just(Kind::Open), Just(Kind::Hour)];
        let add = (kind, proptest::option::weighted(0.8, 0_u8..3), 1_u64..3)
            .prop_map(|(kind, key, amount)| Step::Add { kind, key, amount });
        let rows = proptest::collection::vec((0_u8..3, 0_u64..3), 1..5);
        let pay = (psid, 0_u64..8, 0_u8..3).prop_map(|(psid, amount, reference)| Step::Pay { psid, amount, reference });
        let fail = (batch.clone(), 0_u32..4).prop_map(|(batch, place)| Step::Fail { batch, place });
        let times = prop_oneof![Just(1), Just(30 * 60), Just(HOUR - 1), Just(HOUR), Just(14 * HOUR), Just(-HOUR)];
        prop_oneof![
            4 => add,
            3 => rows.prop_map(Step::Bulk),
            6 => pay,
            2 => batch.clone().prop_map(Step::Hand),
            2 => batch.prop_map(Step::Poll),
            1 => fail,
            2 => times.prop_map(Step::Time),
        ]
        .boxed()
    }

    fn apply(mut ledger: Self, step: &Step) -> Self {
        ledger.take(step);
        ledger
    }
}

/// The hub, and which of its numbers are which of the ledger's.
struct Beside {
    hub: Hub,
    runtime: Runtime,
    ids: Vec<u64>,
    psids: Vec<String>,
}

struct HubBesideLedger;

impl StateMachineTest for HubBesideLedger {
    type SystemUnderTest = Beside;
    type Reference = Ledger;

    fn init_test(ledger: &Ledger) -> Beside {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let progress = match ledger.policy {
            Policy::AtOnce => BulkProgress::AtOnce,
            Policy::ByHand => BulkProgress::ByHand,
            Policy::After(seconds) => BulkProgress::After(SignedDuration::from_secs(seconds)),
            Policy::Polls(polls) => BulkProgress::Polls(polls),
        };
        let settings = Sim::builder().user(User::new("demo", "demo", channel(), Role::Full)).bulk_progress(progress);
        let settings = if ledger.seeded { settings.seed(7) } else { settings };
        let hub = runtime.block_on(Hub::with(settings));
        Beside { hub, runtime, ids: Vec::new(), psids: Vec::new() }
    }

    fn apply(mut beside: Beside, ledger: &Ledger, step: Step) -> Beside {
        let hub = beside.hub.clone();
        let said = beside.runtime.block_on(async {
            let said = ask(&hub, &beside.psids, &step).await;
            // All that is due is done.
            hub.sim.advance(SignedDuration::ZERO).await.unwrap();
            said
        });
        let numbers = beside.runtime.block_on(numbers(&hub, ledger, &beside.ids, &said));
        beside.ids.extend(numbers);
        beside.runtime.block_on(compare(&hub, ledger, &beside.ids, &mut beside.psids));
        assert_eq!(said.of(&beside.ids), ledger.answer, "the answer to {step:?}");
        beside
    }
}

fn channel() -> ChannelId {
    23_u64.try_into().unwrap()
}

/// What the hub said, by its own numbers.
enum Said {
    Record(u64),
    Batch(u64),
    Answer(Answer),
}

impl Said {
    /// The same by the ledger's numbers.
    fn of(&self, ids: &[u64]) -> Answer {
        match self {
            Self::Record(id) => Answer::Record(ids.iter().position(|own| own == id).expect("a record of the ledger's")),
            Self::Batch(id) => Answer::Batch(usize::try_from(*id).unwrap() - 1),
            Self::Answer(answer) => answer.clone(),
        }
    }
}

async fn ask(hub: &Hub, psids: &[String], step: &Step) -> Said {
    match step {
        Step::Add { kind, key, amount } => {
            let (name, body) = added(*kind, *key, *amount);
            let answer = hub.add(name, &body).await;
            answer.data()["id"].as_u64().map_or(Said::Answer(Answer::Refused), Said::Record)
        }
        Step::Bulk(rows) => {
            let rows = rows
                .iter()
                .map(|(key, amount)| row(&format!("K{key}"), &amount.to_string(), &(amount + 5).to_string(), DUE));
            let rows: Vec<String> = rows.collect();
            let answer = hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, rows.join(","))).await;
            answer.data()["bulkPaymentRequestId"].as_u64().map_or(Said::Answer(Answer::Refused), Said::Batch)
        }
        Step::Pay { psid, amount, reference } => {
            let psid = psids.get(*psid).map_or("100139999999999999999999", String::as_str);
            let (status, said) = hub.pay(psid, &amount.to_string(), &format!("R{reference}")).await;
            let said: Value = serde_json::from_str(&said).unwrap();
            let error = said["error"].as_str().unwrap_or_default();
            match status {
                200 => Said::Record(said["id"].as_u64().unwrap()),
                400 => Said::Answer(Answer::Refused),
                404 => Said::Answer(Answer::Unknown),
                _ if error.starts_with("the amount must be") => Said::Answer(Answer::WrongAmount),
                _ if error.starts_with("already paid") => Said::Answer(Answer::AlreadyPaid),
                _ if error.ends_with("expired") => Said::Answer(Answer::Expired),
                _ => panic!("{status} {said}"),
            }
        }
        Step::Hand(batch) => {
            let stage = hub.sim.advance_batch(channel(), number(*batch)).await.unwrap();
            Said::Answer(stage.map_or(Answer::Unknown, |_| Answer::Done))
        }
        Step::Fail { batch, place } => {
            let failed = hub.sim.fail_batch(channel(), number(*batch), Some(vec![*place]), "by a test").await.unwrap();
            Said::Answer(failed.map_or(Answer::Unknown, Answer::Failed))
        }
        Step::Poll(batch) => {
            let answer = hub.get(&format!("/bulk-payment-request/{}", batch + 1)).send().await;
            Said::Answer(if answer.is_success() { Answer::Done } else { Answer::Unknown })
        }
        Step::Time(seconds) => {
            hub.sim.advance(SignedDuration::from_secs(*seconds)).await.unwrap();
            Said::Answer(Answer::Done)
        }
    }
}

fn number(batch: usize) -> BulkRequestId {
    u64::try_from(batch + 1).unwrap().try_into().unwrap()
}

fn added(kind: Kind, key: Option<u8>, amount: u64) -> (&'static str, String) {
    let identifier = key.map(|key| format!("K{key}")).unwrap_or_default();
    match kind {
        Kind::Bill => ("PSID", bill(&identifier, &amount.to_string(), &(amount + 5).to_string(), DUE)),
        Kind::Printed => ("SQRC_WITH_AMOUNT", bill(&identifier, &amount.to_string(), &(amount + 5).to_string(), DUE)),
        Kind::Open => {
            ("SQRC_WITHOUT_AMOUNT", format!(r#"{{"payment":{{"title":"Shop","identifier":"{identifier}"}}}}"#))
        }
        Kind::Hour => (
            "DQRC",
            format!(
                r#"{{"payment":{{"identifier":"{identifier}","amount":"{amount}","longitude":"73","latitude":"33"}}}}"#
            ),
        ),
    }
}

/// The hub's numbers of the records that are new in the ledger.
async fn numbers(hub: &Hub, ledger: &Ledger, known: &[u64], said: &Said) -> Vec<u64> {
    let new = ledger.records.len() - known.len();
    match said {
        _ if new == 0 => Vec::new(),
        _ if !ledger.seeded => (1..).skip(known.len()).take(new).collect(),
        Said::Record(id) => vec![*id],
        Said::Batch(id) => {
            let detail = hub.get(&format!("/bulk-payment-request/{id}")).send().await;
            let rows = detail.data()["payments"]["content"].as_array().unwrap();
            rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
        }
        Said::Answer(answer) => panic!("{answer:?} makes no records"),
    }
}

/// Compares all that can be read.
async fn compare(hub: &Hub, ledger: &Ledger, ids: &[u64], psids: &mut Vec<String>) {
    let clock: Timestamp = NOW.parse().unwrap();
    assert_eq!(hub.sim.clock().now(), clock + SignedDuration::from_secs(ledger.now));
    let list = hub.get("/payment?pageSize=2147483647").send().await;
    for one in list.content() {
        let id = one["id"].as_u64().unwrap();
        let record = ids.iter().position(|own| *own == id).unwrap_or_else(|| panic!("no record {id} in the ledger"));
        let Some(psid) = ledger.records[record].psid else { panic!("{id} has a PSID too early") };
        let own = one["psid"].as_str().unwrap();
        // Which number a PSID has is the hub's business: whom it serves isn't.
        if psids.len() <= psid {
            psids.resize(psid + 1, String::new());
        }
        if psids[psid].is_empty() {
            assert!(!psids.iter().any(|other| other == own), "{own} serves somebody else");
            own.clone_into(&mut psids[psid]);
        }
        assert_eq!(psids[psid], own);
        assert_eq!(one["paidAt"] != "N/A", ledger.records[record].status == "PROCESSED");
    }
    let shown = |one: &Value| format!("{} {}", one["id"], one["status"].as_str().unwrap());
    let listed: Vec<String> = list.content().iter().map(shown).collect();
    let mut expected: Vec<_> = ledger.records.iter().zip(ids).filter(|(record, _)| record.psid.is_some()).collect();
    expected.sort_by_key(|(record, id)| std::cmp::Reverse((record.changed, **id)));
    let expected: Vec<String> = expected.iter().map(|(record, id)| format!("{id} {}", record.status)).collect();
    assert_eq!(listed, expected);
    assert_eq!(list.data()["totalElements"].as_u64(), Some(expected.len() as u64), "the kept total");
    for (record, id) in ledger.records.iter().zip(ids).filter(|(record, _)| record.psid.is_none()) {
        let one = hub.get(&format!("/payment/{id}")).send().await;
        assert_eq!((one.text_at("/status"), &one.data()["psid"]), (record.status, &Value::Null), "{id}");
    }
    let batches = hub.get("/bulk-payment-request?contentType=JSON&pageSize=1000").send().await.column("status");
    assert!(batches.iter().rev().eq(ledger.stages().iter()), "{batches:?} {:?}", ledger.stages());
}

#[test]
fn the_hub_is_as_the_ledger() {
    crate::stores::holds(80, &Ledger::sequential_strategy(1..20), |(ledger, steps, seen)| {
        HubBesideLedger::test_sequential(ProptestConfig::default(), ledger, steps, seen);
        Ok(())
    });
}
