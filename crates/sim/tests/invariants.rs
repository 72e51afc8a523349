//! What holds after any sequence of bills, batches, payments and hours.

use std::collections::{BTreeMap, BTreeSet};

use asaanbill_core::PSID_DIGITS;
use asaanbill_sim::{Role, Sim, User};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::Value;

use crate::hub::{Hub, NOW, clock_at, plain, psid};
use crate::stores;
use crate::story::{bill, row};

/// Few keys make repeats frequent; the amount 0 makes a request invalid.
#[derive(Clone, Debug)]
enum Action {
    Add { kind: &'static str, key: u8, amount: u8 },
    Sale { key: Option<u8>, amount: u8 },
    Bulk(Vec<(u8, u8)>),
    Pay { psid: u64, amount: u8, reference: u8 },
    Wait { hours: i64 },
}

fn action() -> impl Strategy<Value = Action> {
    let kind = prop_oneof![Just("PSID"), Just("SQRC_WITH_AMOUNT"), Just("SQRC_WITHOUT_AMOUNT")];
    prop_oneof![
        4 => (kind, 0_u8..3, 0_u8..3).prop_map(|(kind, key, amount)| Action::Add { kind, key, amount }),
        1 => (proptest::option::of(0_u8..3), 0_u8..3).prop_map(|(key, amount)| Action::Sale { key, amount }),
        3 => proptest::collection::vec((0_u8..3, 0_u8..3), 0..5).prop_map(Action::Bulk),
        4 => (1_u64..5, 1_u8..4, 0_u8..3).prop_map(|(psid, amount, reference)| Action::Pay { psid, amount, reference }),
        1 => (0_i64..3).prop_map(|hours| Action::Wait { hours }),
    ]
}

/// Every record as it is shown, by its number, drafts and errors included.
type Records = BTreeMap<u64, Value>;

struct World {
    hub: Hub,
    records: Records,
    /// What the hub took: a PSID and a bank's reference.
    debits: BTreeSet<(u64, u8)>,
}

impl World {
    async fn start() -> Self {
        // One user, whose password is cheap to have but not to check: one check a world.
        let user = User::new("demo", "demo", 23_u64.try_into().unwrap(), Role::Full);
        let settings = stores::chosen(Sim::builder().user(user)).await;
        let sim = settings.clock(clock_at(NOW)).build().await.unwrap();
        Self { hub: Hub::of_user(sim, "demo").await, records: Records::new(), debits: BTreeSet::new() }
    }

    /// Carries an action out. One that may be refused finds the batches done, so that nothing else changes the hub.
    async fn act(&mut self, action: &Action) -> Result<(), TestCaseError> {
        let hub = self.hub.clone();
        let may_be_refused = match action {
            Action::Add { amount, .. } | Action::Sale { amount, .. } => *amount == 0,
            Action::Bulk(rows) => rows.iter().all(|(_, amount)| *amount == 0),
            Action::Pay { .. } => true,
            Action::Wait { .. } => false,
        };
        if may_be_refused {
            hub.settled().await;
        }
        let before = if may_be_refused { hub.everything().await } else { String::new() };
        let accepted = match action {
            Action::Add { kind, key, amount } => {
                let (amount, title) = (amount.to_string(), if *amount == 0 { "" } else { "Bareera Sheikh" });
                // A code without amount has no amount that could be wrong, so its title is.
                let body = bill(&format!("K{key}"), &amount, "2", "2025-01-10").replace("Bareera Sheikh", title);
                hub.add(kind, &body).await.is_success()
            }
            Action::Sale { key, amount } => {
                let identifier = key.map(|key| format!("K{key}")).unwrap_or_default();
                let body = format!(
                    r#"{{"payment":{{"identifier":"{identifier}","amount":"{amount}","longitude":"73","latitude":"33"}}}}"#
                );
                hub.add("DQRC", &body).await.is_success()
            }
            Action::Bulk(rows) => self.bulk(rows).await?,
            Action::Pay { psid: number, amount, reference } => {
                let paid = hub.pay(&psid(*number), &amount.to_string(), &format!("R{reference}")).await.0 == 200;
                if paid {
                    self.debits.insert((*number, *reference));
                }
                paid
            }
            Action::Wait { hours } => {
                hub.sim.clock().advance(SignedDuration::from_hours(*hours));
                true
            }
        };
        if let Action::Add { amount, .. } | Action::Sale { amount, .. } = action {
            prop_assert_eq!(accepted, *amount != 0);
        }
        if !accepted {
            prop_assert_eq!(hub.everything().await, before, "a refused request changes nothing");
        }
        Ok(())
    }

    /// A batch's answer has the request's length and order, and says of each row what that row deserves.
    async fn bulk(&self, rows: &[(u8, u8)]) -> Result<bool, TestCaseError> {
        let texts: Vec<String> =
            rows.iter().map(|(key, amount)| row(&format!("K{key}"), &amount.to_string(), "2", "2025-01-10")).collect();
        let answer = self.hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, texts.join(","))).await;
        let good = rows.iter().filter(|(_, amount)| *amount != 0).count();
        prop_assert_eq!(answer.is_success(), good > 0);
        if rows.is_empty() {
            return Ok(false);
        }
        let said = answer.data()["payments"].as_array().unwrap().iter();
        let said: Vec<_> = said.map(|row| ["identifier", "amount", "status"].map(|field| plain(&row[field]))).collect();
        let deserved = |(key, amount): &(u8, u8)| {
            let status = if *amount == 0 { "Invalid amount" } else { "PROCESSED" };
            [format!("K{key}"), amount.to_string(), status.to_owned()]
        };
        let expected: Vec<_> = rows.iter().map(deserved).collect();
        prop_assert_eq!(said, expected);
        Ok(good > 0)
    }

    /// Reads every record again: final ones are as they were, and none is lost.
    async fn read(&mut self) -> Result<(), TestCaseError> {
        let mut records = Records::new();
        // On a server, a bill that races with a batch's rows leaves a gap: not all numbers are records.
        let stored: Value = serde_json::from_str(&self.hub.sim.export().await.unwrap()).unwrap();
        for row in stored["tables"]["payments"].as_array().unwrap() {
            let id = row[0].as_u64().unwrap();
            records.insert(id, self.hub.get(&format!("/payment/{id}")).send().await.data().clone());
        }
        for (id, earlier) in &self.records {
            let now = records.get(id);
            prop_assert!(now.is_some(), "record {} is lost", id);
            if ["PROCESSED", "DISCARD", "ERRORED"].contains(&text(earlier, "status")) {
                prop_assert_eq!(now, Some(earlier), "a final record changed");
            }
        }
        self.records = records;
        Ok(())
    }

    async fn holds(&self) -> Result<(), TestCaseError> {
        let mut psid_of: BTreeMap<&str, &str> = BTreeMap::new();
        let mut owner_of: BTreeMap<&str, &str> = BTreeMap::new();
        let mut approved: BTreeSet<&str> = BTreeSet::new();
        for (id, record) in &self.records {
            let (status, identifier) = (text(record, "status"), text(record, "identifier"));
            let psid = record["psid"].as_str();
            prop_assert_eq!(
                psid.is_some(),
                ["APPROVED", "PROCESSED", "DISCARD"].contains(&status),
                "{} {}",
                id,
                status
            );
            prop_assert_eq!(text(record, "paidAt") != "N/A", status == "PROCESSED");
            prop_assert!(status != "APPROVED" || approved.insert(identifier), "two unpaid bills of {}", identifier);
            let Some(psid) = psid else { continue };
            prop_assert!(psid.len() == PSID_DIGITS && psid.bytes().all(|byte| byte.is_ascii_digit()));
            prop_assert_eq!(*psid_of.entry(identifier).or_insert(psid), psid, "one PSID for {}", identifier);
            prop_assert_eq!(*owner_of.entry(psid).or_insert(identifier), identifier, "one identifier for {}", psid);
            if status == "DISCARD" {
                let newer = self.records.range(id + 1..).any(|(_, newer)| newer["psid"] == psid);
                prop_assert!(newer, "record {} made way for nobody", id);
            }
        }
        let paid = self.records.values().filter(|record| text(record, "status") == "PROCESSED").count();
        prop_assert_eq!(paid, self.debits.len(), "one paid record for each debit");
        self.lists_agree(owner_of.keys().copied()).await
    }

    /// A search has exactly its PSID's records, and the list all that have a PSID, on one page or on many.
    async fn lists_agree(&self, psids: impl Iterator<Item = &str>) -> Result<(), TestCaseError> {
        for psid in psids {
            let found = self.hub.get(&format!("/search/{psid}")).send().await;
            let expected: Vec<&Value> = self.records.values().rev().filter(|record| record["psid"] == psid).collect();
            prop_assert_eq!(found.content().iter().collect::<Vec<_>>(), expected);
        }
        let whole = self.hub.get("/payment").send().await;
        let mut pages = Vec::new();
        for number in 0..whole.content().len().div_ceil(3) {
            let page = self.hub.get(&format!("/payment?pageSize=3&pageNo={number}")).send().await;
            pages.extend(page.content().to_vec());
        }
        prop_assert_eq!(&pages, whole.content());
        let listed: BTreeMap<u64, &Value> = pages.iter().map(|one| (one["id"].as_u64().unwrap(), one)).collect();
        let expected: BTreeMap<u64, &Value> = self
            .records
            .iter()
            .filter(|(_, record)| !record["psid"].is_null())
            .map(|(id, record)| (*id, record))
            .collect();
        prop_assert_eq!(listed, expected);
        Ok(())
    }
}

fn text<'v>(record: &'v Value, field: &str) -> &'v str {
    record[field].as_str().unwrap_or_default()
}

#[test]
fn any_day_keeps_the_invariants() {
    stores::holds(48, &proptest::collection::vec(action(), 1..16), |actions| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::start().await;
            for action in &actions {
                world.act(action).await?;
                world.hub.settled().await;
                world.read().await?;
                world.holds().await?;
            }
            Ok(())
        })
    });
}

/// Nobody waits for the batches: bills and payments come while they are under way.
#[test]
fn a_hurried_day_keeps_the_invariants() {
    stores::holds(48, &proptest::collection::vec(action(), 8..24), |actions| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::start().await;
            for action in &actions {
                world.act(action).await?;
            }
            world.hub.settled().await;
            world.read().await?;
            world.holds().await
        })
    });
}
