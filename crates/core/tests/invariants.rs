//! The invariants of the domain, for any sequence of actions.

use std::collections::BTreeMap;
use std::convert::Infallible;

use asaanbill_core::{
    BULK_ROWS_MAX, BatchError, Fields, Identifier, PSID_DIGITS, Payment, PaymentId, PaymentKind, PaymentStatus, Psid,
    TooManyRows, decide_batch,
};
use proptest::prelude::*;

use crate::ledger::{Ledger, bill, psid};

#[derive(Clone, Debug)]
enum Action {
    Add {
        kind: PaymentKind,
        key: u8,
        amount: u8,
    },
    Sale,
    Bulk(Vec<(u8, u8)>),
    /// Assigns a share of the drafts, in batches' order or not: workers may run in any order.
    Assign {
        newest_first: bool,
        share: usize,
    },
    Pay {
        psid: u64,
        amount: u8,
    },
}

/// Amount 0 makes a request invalid; few keys make repeats frequent.
fn action() -> impl Strategy<Value = Action> {
    let key_and_amount = || (0_u8..4, 0_u8..4);
    let kind = prop_oneof![Just(PaymentKind::Psid), Just(PaymentKind::StaticQr), Just(PaymentKind::OpenQr)];
    prop_oneof![
        3 => (kind, key_and_amount()).prop_map(|(kind, (key, amount))| Action::Add { kind, key, amount }),
        1 => Just(Action::Sale),
        2 => proptest::collection::vec(key_and_amount(), 0..6).prop_map(Action::Bulk),
        2 => (any::<bool>(), 1_usize..4).prop_map(|(newest_first, share)| Action::Assign { newest_first, share }),
        3 => (1_u64..6, 1_u8..4).prop_map(|(psid, amount)| Action::Pay { psid, amount }),
    ]
}

/// Carries the action out; a refused one must leave everything as it was.
fn act(ledger: &mut Ledger, action: &Action) -> Result<(), TestCaseError> {
    let mut tried = ledger.clone();
    let refused = match action {
        Action::Add { kind, key, amount } => {
            let (key, amount) = (format!("K{key}"), amount.to_string());
            // An open code has no amount, so a blank title makes it invalid instead.
            let title = (amount != "0").then_some("Ali Tuck Shop");
            tried.add(*kind, &Fields { title, ..bill(&key, &amount) }).is_err()
        }
        Action::Sale => {
            let place = Fields { longitude: Some("73"), latitude: Some("33"), ..Fields::default() };
            tried.add(PaymentKind::DynamicQr, &Fields { amount: Some("2"), ..place }).is_err()
        }
        Action::Bulk(rows) => {
            let texts: Vec<_> = rows.iter().map(|(key, amount)| (format!("K{key}"), amount.to_string())).collect();
            let fields: Vec<_> = texts.iter().map(|(key, amount)| bill(key, amount)).collect();
            let answers = tried.add_bulk(&fields);
            prop_assert_eq!(answers.len(), rows.len());
            for (answer, (key, amount)) in answers.iter().zip(rows) {
                prop_assert_eq!(answer.is_err(), *amount == 0);
                if let Ok(id) = answer {
                    let payment = &tried.payments[id];
                    prop_assert_eq!(payment.shown_identifier(), format!("K{key}"));
                    prop_assert_eq!(payment.status(), PaymentStatus::Draft);
                }
            }
            false
        }
        Action::Assign { newest_first, share } => {
            let drafts = tried.payments.values().filter(|p| p.status() == PaymentStatus::Draft).map(|p| p.id);
            let mut drafts: Vec<PaymentId> = drafts.collect();
            if *newest_first {
                drafts.reverse();
            }
            drafts.truncate(drafts.len().div_ceil(*share));
            tried.assign(&drafts);
            false
        }
        Action::Pay { psid: number, amount } => tried.pay(psid(*number), amount.to_string().parse().unwrap()).is_err(),
    };
    if !refused {
        final_records_stay(ledger, &tried)?;
        *ledger = tried;
    } else if !matches!(action, Action::Pay { .. }) {
        prop_assert_eq!(&tried, &*ledger, "a refused request changes no state");
    } else {
        prop_assert_eq!(&tried.payments, &ledger.payments, "a refused payment changes no record");
    }
    Ok(())
}

/// PROCESSED, DISCARD and ERRORED never change, and no record is ever lost.
fn final_records_stay(before: &Ledger, after: &Ledger) -> Result<(), TestCaseError> {
    for (id, payment) in &before.payments {
        let now = &after.payments[id];
        if payment.status().is_final() {
            prop_assert_eq!(payment, now);
        }
    }
    Ok(())
}

fn holds(ledger: &Ledger) -> Result<(), TestCaseError> {
    let mut psid_of: BTreeMap<Identifier, Psid> = BTreeMap::new();
    let mut owner_of: BTreeMap<Psid, Owner> = BTreeMap::new();
    let mut approved: BTreeMap<Identifier, PaymentId> = BTreeMap::new();
    for payment in ledger.payments.values() {
        prop_assert_eq!(payment.stage.psid().is_some(), payment.status().has_psid());
        prop_assert_eq!(payment.stage.paid_at().is_some(), payment.status() == PaymentStatus::Processed);
        if let Some(psid) = payment.stage.psid() {
            prop_assert_eq!(psid.as_str().len(), PSID_DIGITS);
            if let Some(identifier) = payment.new.identifier() {
                let known = *psid_of.entry(identifier.clone()).or_insert(psid);
                prop_assert_eq!(known, psid, "equal identifiers have equal PSIDs");
            }
            let owner = Owner::of(payment);
            let known = owner_of.entry(psid).or_insert_with(|| owner.clone());
            prop_assert_eq!(&*known, &owner, "different ones never share");
        }
        match (payment.status(), payment.new.identifier()) {
            (PaymentStatus::Approved, Some(identifier)) => {
                let other = approved.insert(identifier.clone(), payment.id);
                prop_assert_eq!(other, None, "at most one approved payment per identifier");
            }
            (PaymentStatus::Discarded, identifier) => {
                let newer = ledger.payments.values().any(|other| {
                    other.id > payment.id
                        && other.new.identifier() == identifier
                        && other.stage.psid() == payment.stage.psid()
                });
                prop_assert!(newer, "a discarded payment has a newer one with the same identifier and PSID");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whom a PSID belongs to: an identifier, or a record without one.
#[derive(Clone, Debug, PartialEq)]
enum Owner {
    Identifier(Identifier),
    Record(PaymentId),
}

impl Owner {
    fn of(payment: &Payment) -> Self {
        match payment.new.identifier() {
            Some(identifier) => Self::Identifier(identifier.clone()),
            None => Self::Record(payment.id),
        }
    }
}

proptest! {
    #[test]
    fn after_any_sequence_of_actions(actions in proptest::collection::vec(action(), 1..40)) {
        let mut ledger = Ledger::default();
        for action in &actions {
            act(&mut ledger, action)?;
            holds(&ledger)?;
        }
    }

    /// A batch of one after another is the same as one batch.
    #[test]
    fn a_batch_is_its_rows_in_order(keys in proptest::collection::vec(0_u8..5, 0..30), cut in 0_usize..30) {
        let rows: Vec<(PaymentId, Option<Identifier>)> = keys
            .iter()
            .zip(1_u64..)
            .map(|(key, id)| (PaymentId::try_from(id).unwrap(), (*key > 0).then(|| format!("K{key}").parse().unwrap())))
            .collect();
        let allocate = |id: PaymentId, _: Option<&Identifier>| Ok::<_, Infallible>(psid(id.get()));
        let mut whole_states = BTreeMap::new();
        let whole = decide_batch(&rows, &mut whole_states, allocate).unwrap();
        let (first, second) = rows.split_at(cut.min(rows.len()));
        let mut states = BTreeMap::new();
        let mut parts = decide_batch(first, &mut states, allocate).unwrap();
        parts.extend(decide_batch(second, &mut states, allocate).unwrap());
        prop_assert_eq!(&parts, &whole);
        prop_assert_eq!(states, whole_states);
        prop_assert_eq!(whole.iter().map(|row| row.id).collect::<Vec<_>>(), rows.iter().map(|r| r.0).collect::<Vec<_>>());
    }
}

#[test]
fn a_batch_has_at_most_5000_rows() {
    let rows = |count: u64| (1..=count).map(|id| (PaymentId::try_from(id).unwrap(), None)).collect::<Vec<_>>();
    let mut allocated = 0;
    let mut decide = |rows: &[_], fail: bool| {
        decide_batch(rows, &mut BTreeMap::new(), |id, _| {
            allocated += 1;
            if id.get() == 4_000 && fail { Err("no number left") } else { Ok(psid(id.get())) }
        })
        .map(|assigned| assigned.len())
    };
    assert_eq!(decide(&rows(5_001), false), Err(BatchError::TooManyRows(TooManyRows { rows: 5_001 })));
    assert_eq!(decide(&rows(5_000), false), Ok(5_000));
    assert_eq!(decide(&rows(5_000), true), Err(BatchError::Allocate("no number left")));
    assert_eq!(allocated, BULK_ROWS_MAX + 4_000);
}
