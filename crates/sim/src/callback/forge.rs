//! Bodies that the hub never meant: forged and damaged ones.

use asaanbill_core::Amount;
use asaanbill_wire::{BULK_APPROVED_PATH, BulkApproved, Money, PROCESSED_PATH, Processed, Scalar};
use serde::de::IgnoredAny;

use super::draw::draw;
use super::plan::Event;

/// The digits of a PSID. (Guide, PSID)
const PSID_DIGITS: usize = 24;

/// The digits at a PSID's beginning that say who routes it, and that a forger would copy.
const ROUTING_DIGITS: usize = 6;

/// The body of an event that didn't happen: by chance a payment with a made-up PSID, or the true payment with another amount;
/// a batch with a made-up number. `None` where the true body can't be read, as after an edit by hand.
///
/// A made-up PSID is one of 10^18 with the true one's routing prefix: that it belongs to another payment is possible and
/// practically excluded.
pub(super) fn forge(seed: u64, event: &Event<'_>) -> Option<String> {
    let chance = |purpose: &str| draw(seed, event.id, purpose);
    match event.path {
        PROCESSED_PATH => {
            let mut body: Processed = serde_json::from_str(event.body).ok()?;
            let other = body.amount.as_ref().and_then(Money::amount).and_then(|amount| other(amount, chance("amount")));
            match other {
                Some(amount) if chance("forgery") % 2 == 0 => body.amount = Some(Money::from(amount)),
                _ => {
                    let psid = body.psid.take();
                    let routing =
                        psid.as_ref().and_then(|psid| psid.as_str().get(..ROUTING_DIGITS)).unwrap_or_default();
                    body.psid = Some(Scalar::text(made_up(routing, chance("psid"))));
                }
            }
            serde_json::to_string(&body).ok()
        }
        BULK_APPROVED_PATH => {
            let body: BulkApproved = serde_json::from_str(event.body).ok()?;
            let known = body.bulk_payment_request_id?.whole()?;
            // Beyond any number that a batch is ever given, and still exact in a double, as many receivers read it.
            let number = (1 << 52) | (chance("batch") >> 12);
            let forged = BulkApproved { bulk_payment_request_id: Some(Scalar::number(number)) };
            (number != known).then(|| serde_json::to_string(&forged).ok()).flatten()
        }
        _ => None,
    }
}

/// 24 digits that begin as the true ones do.
fn made_up(routing: &str, chance: u64) -> String {
    let rest = PSID_DIGITS - routing.len();
    let digits = format!("{chance:020}");
    // The last digits of a number vary most.
    let digits: String = digits.chars().rev().chain("0000".chars()).take(rest).collect();
    format!("{routing}{digits}")
}

/// An amount that differs, by up to a hundred rupees.
fn other(amount: Amount, chance: u64) -> Option<Amount> {
    let paisa = amount.paisa().checked_add(1 + chance % 10_000)?;
    format!("{}.{:02}", paisa / 100, paisa % 100).parse().ok()
}

/// A body that is no JSON any more: cut short, begun wrongly, or with a byte that is no text. Which of them is left to chance.
pub(super) fn corrupt(seed: u64, event: &Event<'_>) -> Vec<u8> {
    let chance = draw(seed, event.id, "corruption");
    let mut body = event.body.as_bytes().to_vec();
    // A whole object ends with its last byte, so what is shorter is none. What was edited may be anything, and what is no JSON
    // may hold some at its beginning: then a wrong beginning is the only damage that is sure.
    let is_json = serde_json::from_str::<IgnoredAny>(event.body).is_ok();
    let kinds = if is_json && event.body.trim_start().starts_with('{') { 3 } else { 1 };
    match chance % kinds {
        0 => body.insert(0, b'}'),
        1 => {
            let end = event.body.trim_end().len();
            body.truncate(usize::try_from(chance >> 8).unwrap_or(usize::MAX) % end);
        }
        // Behind the bracket, so that it isn't white space around the object.
        _ => body.insert(event.body.find('{').map_or(0, |bracket| bracket + 1), 0xff),
    }
    body
}

#[cfg(test)]
mod tests {
    use asaanbill_wire::Processed;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::{Event, corrupt, forge, made_up};

    const PAID: &str = r#"{"title":"Ali","identifier":"A-1","dueDate":"2025-01-31","amount":"50","amountAfterDueDate":"55","psid":"100139100100154854584585"}"#;

    fn paid(id: u64) -> Event<'static> {
        Event { id, path: "/processed", body: PAID }
    }

    fn fields(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    /// A forgery looks like the hub's own words, and differs in exactly one of them.
    #[test]
    fn a_forged_payment_differs_in_one_field() {
        let mut seen = [0, 0];
        for id in 0..100 {
            let forged = forge(7, &paid(id)).unwrap();
            let (forged, truth) = (fields(&forged), fields(PAID));
            let differing: Vec<_> =
                truth.as_object().unwrap().keys().filter(|key| forged[key.as_str()] != truth[key.as_str()]).collect();
            assert_eq!(forged.as_object().unwrap().len(), truth.as_object().unwrap().len());
            match differing.as_slice() {
                [field] if *field == "psid" => {
                    let psid: asaanbill_core::Psid = forged["psid"].as_str().unwrap().parse().unwrap();
                    assert!(psid.as_str().starts_with("100139"));
                    seen[0] += 1;
                }
                [field] if *field == "amount" => {
                    assert!(forged["amount"].as_str().unwrap().parse::<asaanbill_core::Amount>().is_ok());
                    seen[1] += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(seen.iter().all(|count| *count > 25), "{seen:?}");
    }

    #[test]
    fn a_forged_payment_keeps_the_order_of_the_fields() {
        let forged = forge(7, &paid(1)).unwrap();
        let order: Vec<_> = ["title", "identifier", "dueDate", "\"amount\"", "amountAfter", "psid"]
            .iter()
            .map(|field| forged.find(field).unwrap())
            .collect();
        assert!(order.is_sorted(), "{forged}");
    }

    #[test]
    fn a_forged_batch_has_another_number() {
        for id in 0..100 {
            let batch = Event { id, path: "/bulk-payment-request-approved", body: r#"{"bulkPaymentRequestId": 29}"# };
            let number = fields(&forge(7, &batch).unwrap())["bulkPaymentRequestId"].as_u64().unwrap();
            assert!(number > 29 && number < 1 << 53);
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_forged() {
        for (path, body) in [
            ("/processed", "edited"),
            ("/processed", "[]"),
            ("/bulk-payment-request-approved", "{}"),
            ("/bulk-payment-request-approved", r#"{"bulkPaymentRequestId":"x"}"#),
            ("/elsewhere", PAID),
        ] {
            assert_eq!(forge(7, &Event { id: 1, path, body }), None, "{path} {body}");
        }
        // Without an amount there is still the PSID.
        for id in 0..10 {
            let forged = forge(7, &Event { id, path: "/processed", body: "{}" }).unwrap();
            let forged: Processed = serde_json::from_str(&forged).unwrap();
            assert!(forged.psid.unwrap().as_str().parse::<asaanbill_core::Psid>().is_ok());
        }
    }

    #[test]
    fn psids_are_made_up_whole() {
        for chance in [0, 1, u64::MAX] {
            assert_eq!(made_up("", chance).len(), 24);
            assert_eq!(made_up("100139", chance).len(), 24);
        }
    }

    proptest! {
        #[test]
        fn a_corrupt_body_is_no_json(seed: u64, id: u64) {
            let corrupt = corrupt(seed, &paid(id));
            prop_assert!(serde_json::from_slice::<Value>(&corrupt).is_err(), "{}", String::from_utf8_lossy(&corrupt));
        }

        #[test]
        fn neither_is_an_edited_one(
            seed: u64,
            id: u64,
            body in "( ?\\{.{0,9}\\} ?| ?\\{\"a\":[0-9]\\}? ?|\\{\\}.{0,3}\\}?|\\PC{0,9}|[0-9]{1,3}|\"a\")",
        ) {
            let corrupt = corrupt(seed, &Event { id, path: "/processed", body: &body });
            prop_assert!(serde_json::from_slice::<Value>(&corrupt).is_err(), "{}", String::from_utf8_lossy(&corrupt));
        }
    }
}
