//! The identifier rule as a table: each line an action and what it does.
//!
//! `add KEY AMOUNT` and `open KEY` add a bill and an open QR code, `sale AMOUNT` a dynamic code without a key,
//! `bulk KEY AMOUNT, …` a batch of drafts, `assign` gives the drafts their PSIDs, `pay psid N AMOUNT` pays. Payments are
//! lettered in the order in which they were accepted.

use asaanbill_core::{Fields, PaymentId, PaymentKind, PaymentStatus};

use crate::ledger::{Ledger, bill, psid};

fn check_reuse(script: &str) {
    let mut ledger = Ledger::default();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (action, expected) = line.split_once("->").expect("a line is `action -> effect`");
        let before = ledger.clone();
        let said = act(&mut ledger, action.trim());
        let effect = said.err().unwrap_or_else(|| effect(&before, &ledger));
        assert_eq!(effect, expected.trim(), "in line: {line}");
    }
}

fn act(ledger: &mut Ledger, action: &str) -> Result<(), String> {
    let words: Vec<&str> = action.split_whitespace().collect();
    match words[..] {
        ["add", key, amount] => ledger.add(PaymentKind::Psid, &bill(key, amount)).map(drop),
        ["open", key] => ledger.add(PaymentKind::OpenQr, &bill(key, "1")).map(drop),
        ["sale", amount] => {
            let place = Fields { longitude: Some("72.996636"), latitude: Some("33.646342"), ..Fields::default() };
            ledger.add(PaymentKind::DynamicQr, &Fields { amount: Some(amount), ..place }).map(drop)
        }
        ["bulk", ..] => {
            let rows = action.strip_prefix("bulk").unwrap().split(',');
            let rows: Vec<_> = rows.map(|row| row.trim().split_once(' ').unwrap()).map(|(k, a)| bill(k, a)).collect();
            ledger.add_bulk(&rows);
            Ok(())
        }
        ["assign"] => {
            let drafts = ledger.payments.values().filter(|p| p.status() == PaymentStatus::Draft).map(|p| p.id);
            let drafts: Vec<PaymentId> = drafts.collect();
            ledger.assign(&drafts);
            Ok(())
        }
        ["pay", "psid", number, amount] => ledger.pay(psid(number.parse().unwrap()), amount.parse().unwrap()).map(drop),
        _ => panic!("no such action: {action}"),
    }
}

/// Every record that the action changed, in the order of their letters.
fn effect(before: &Ledger, after: &Ledger) -> String {
    let changed = after.payments.values().filter(|p| before.payments.get(&p.id) != Some(p));
    let said = changed.map(|payment| {
        let letter = char::from(b'A' + u8::try_from(payment.id.get() - 1).unwrap());
        let status = format!("{letter} {:?}", payment.status()).replace("InProcess", "In process");
        match payment.stage.psid() {
            Some(psid) => format!("{status} psid {}", psid.as_str()[6..].trim_start_matches('0')),
            None => status,
        }
    });
    said.collect::<Vec<_>>().join("; ")
}

#[test]
fn a_new_payment_takes_over_the_psid_and_discards_the_unpaid_one() {
    check_reuse(
        "
        add FS-095 50   -> A Approved psid 1
        add FS-095 70   -> A Discarded psid 1; B Approved psid 1
        pay psid 1 70   -> B Processed psid 1
        add FS-095 90   -> C Approved psid 1
        add FS-095 95   -> C Discarded psid 1; D Approved psid 1
        pay psid 1 90   -> the amount must be 95 rupees
        pay psid 1 95   -> D Processed psid 1
        pay psid 1 95   -> nothing to pay
        ",
    );
}

#[test]
fn different_identifiers_never_share() {
    check_reuse(
        "
        add FS-095 50   -> A Approved psid 1
        add FS-096 50   -> B Approved psid 2
        add fs-095 50   -> C Approved psid 3
        add FS-096 60   -> B Discarded psid 2; D Approved psid 2
        ",
    );
}

#[test]
fn a_refused_payment_changes_nothing() {
    check_reuse(
        "
        add FS-095 50   -> A Approved psid 1
        add FS-095 0    -> amount is out of range (1 character: digits); allowed: 1 to 15 digits, then at most a point \
         and 1 or 2 digits, and more than zero; amount after due date is out of range (1 character: digits); allowed: \
         1 to 15 digits, then at most a point and 1 or 2 digits, and more than zero
        add FS-096 50   -> B Approved psid 2
        ",
    );
}

#[test]
fn the_rule_is_the_same_for_every_kind() {
    check_reuse(
        "
        open SHOP       -> A Approved psid 1
        pay psid 1 20   -> B Processed psid 1
        pay psid 1 20   -> C Processed psid 1
        add SHOP 50     -> A Discarded psid 1; D Approved psid 1
        open SHOP       -> D Discarded psid 1; E Approved psid 1
        ",
    );
}

#[test]
fn payments_without_an_identifier_never_share() {
    check_reuse(
        "
        sale 100        -> A Approved psid 1
        sale 100        -> B Approved psid 2
        add 1 50        -> C Approved psid 3
        add 2 50        -> D Approved psid 4
        ",
    );
}

#[test]
fn a_batch_gets_its_psids_later() {
    check_reuse(
        "
        add FS-095 50            -> A Approved psid 1
        bulk FS-095 70, FS-1 10  -> B Draft; C Draft
        pay psid 1 50            -> A Processed psid 1
        assign                   -> B Approved psid 1; C Approved psid 2
        ",
    );
}

#[test]
fn of_repeats_in_a_batch_the_last_one_wins() {
    check_reuse(
        "
        add X 5                  -> A Approved psid 1
        bulk X 1, Y 2, X 3, Y 4  -> B Draft; C Draft; D Draft; E Draft
        assign                   -> A Discarded psid 1; B Discarded psid 1; C Discarded psid 2; D Approved psid 1; \
         E Approved psid 2
        ",
    );
}

#[test]
fn a_draft_that_a_later_payment_overtakes_never_gets_a_psid() {
    check_reuse(
        "
        bulk X 1, Y 2   -> A Draft; B Draft
        add X 5         -> C Approved psid 1
        assign          -> A Errored; B Approved psid 2
        bulk X 7        -> D Draft
        add X 8         -> C Discarded psid 1; E Approved psid 1
        pay psid 1 8    -> E Processed psid 1
        assign          -> D Errored
        ",
    );
}
