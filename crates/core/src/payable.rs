//! What is owed, and until when.
//!
//! guide:pay-1 guide:pay-6

use jiff::{SignedDuration, Timestamp};

use crate::payment::Stage;
use crate::{Amount, Event, NewPayment, Refused};

/// How long a dynamic QR code can be paid. (Guide, Add Payment, DQRC: "valid for an hour")
pub const DYNAMIC_QR_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// What a payer owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// This sum, to the paisa.
    Exactly(Amount),
    /// Whatever the payer chooses: the code names no amount.
    PayersChoice,
}

/// Why nothing can be paid now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpayable {
    /// Its status forbids it; [`Refused::AlreadySo`] if it is paid.
    #[error(transparent)]
    Status(#[from] Refused),
    /// The dynamic code's hour is over. It stays approved: the guide has no status for it. (assumed)
    #[error("this dynamic QR code has expired")]
    Expired,
}

pub(crate) fn payable_at(
    new: &NewPayment,
    stage: &Stage,
    created_at: Timestamp,
    now: Timestamp,
) -> Result<Due, Unpayable> {
    stage.status().after(Event::Pay)?;
    match new {
        NewPayment::Psid(bill) | NewPayment::StaticQr(bill) => {
            let late = bill.due_date.is_past(now);
            Ok(Due::Exactly(if late { bill.amount_after_due_date } else { bill.amount }))
        }
        NewPayment::OpenQr(_) => Ok(Due::PayersChoice),
        NewPayment::DynamicQr(dynamic) => {
            let age = now.duration_since(created_at);
            if age < DYNAMIC_QR_LIFETIME { Ok(Due::Exactly(dynamic.amount.get())) } else { Err(Unpayable::Expired) }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Amount, Due, Fields, NewPayment, PayRefused, Payment, PaymentKind, Settlement, Stage};
    use jiff::Timestamp;
    use proptest::prelude::*;
    use std::string::{String, ToString};

    const CREATED: &str = "2024-03-01T10:22:33.5+05:00";

    fn approved(kind: PaymentKind) -> Payment {
        let fields = Fields {
            title: Some("Muhammad Mahd Sheikh"),
            identifier: Some("FS-BSCS-095"),
            amount: Some("50"),
            due_date: Some("2024-03-28"),
            amount_after_due_date: Some("55"),
            longitude: Some("72.996636"),
            latitude: Some("33.646342"),
            ..Fields::default()
        };
        let new = NewPayment::parse(kind, &fields).unwrap();
        let draft = Payment::draft("25".parse().unwrap(), new, CREATED.parse().unwrap());
        let psid = "100139100100154854584585".parse().unwrap();
        Payment { stage: Stage::Approved { psid }, ..draft }
    }

    /// What paying `amount` at an instant does: the new status, `another` record, or why not.
    fn outcome(payment: &Payment, amount: &str, at: &str) -> String {
        let (amount, at): (Amount, Timestamp) = (amount.parse().unwrap(), at.parse().unwrap());
        match payment.pay(amount, at) {
            Ok(Settlement::This(change)) => {
                assert_eq!((change.id, change.from, change.at), (payment.id, payment.status(), at));
                assert_eq!(change.to.paid_at(), Some(at));
                assert_eq!(change.to.psid(), payment.stage.psid());
                std::format!("{:?}", change.to.status())
            }
            Ok(Settlement::Another(Stage::Processed { psid, amount_paid, paid_at })) => {
                assert_eq!((Some(psid), amount_paid, paid_at), (payment.stage.psid(), amount, at));
                "another".into()
            }
            Ok(Settlement::Another(stage)) => std::format!("another, but {stage:?}"),
            Err(refused) => refused.to_string(),
        }
    }

    fn check(kind: PaymentKind, amount: &str, at: &str, expected: &str) {
        assert_eq!(outcome(&approved(kind), amount, at), expected, "{kind:?} {amount} at {at}");
    }

    #[test]
    fn a_bill_costs_its_amount_through_the_due_date_in_karachi() {
        for kind in [PaymentKind::Psid, PaymentKind::StaticQr] {
            check(kind, "50", "2024-03-28T23:59:59.999+05:00", "Processed");
            check(kind, "55", "2024-03-28T23:59:59.999+05:00", "the amount must be 50 rupees");
            check(kind, "55", "2024-03-29T00:00:00+05:00", "Processed");
            check(kind, "50", "2024-03-29T00:00:00+05:00", "the amount must be 55 rupees");
            check(kind, "50.00", "2024-03-02T00:00:00Z", "Processed");
            check(kind, "50.01", "2024-03-02T00:00:00Z", "the amount must be 50 rupees");
            check(kind, "55", "2034-03-29T00:00:00Z", "Processed");
        }
    }

    #[test]
    fn a_dynamic_code_lives_an_hour() {
        let dynamic = PaymentKind::DynamicQr;
        check(dynamic, "50", CREATED, "Processed");
        check(dynamic, "50", "2024-03-01T11:22:32.5+05:00", "Processed"); // 3599 s
        check(dynamic, "50", "2024-03-01T11:22:33.499999999+05:00", "Processed");
        check(dynamic, "50", "2024-03-01T11:22:33.5+05:00", "this dynamic QR code has expired"); // 3600 s
        check(dynamic, "49", CREATED, "the amount must be 50 rupees");
    }

    #[test]
    fn an_open_code_takes_any_amount_for_ever() {
        check(PaymentKind::OpenQr, "0.01", CREATED, "another");
        check(PaymentKind::OpenQr, "999999999999999", "2999-01-01T00:00:00Z", "another");
    }

    #[test]
    fn only_an_approved_payment_is_paid() {
        let approved = approved(PaymentKind::Psid);
        let owed = approved.payable_at(CREATED.parse().unwrap());
        assert_eq!(owed, Ok(Due::Exactly("50".parse().unwrap())));
        let check = |stage: Stage, expected: &str| {
            let payment = Payment { stage, ..approved.clone() };
            assert_eq!(outcome(&payment, "50", CREATED), expected);
            let owed = payment.payable_at(CREATED.parse().unwrap());
            assert_eq!(owed.unwrap_err().to_string(), expected, "nor is anything owed");
        };
        let psid = "100139100100154854584585".parse().unwrap();
        check(Stage::Draft, "Pay is not possible for a payment that is Draft");
        check(Stage::InProcess, "Pay is not possible for a payment that is InProcess");
        check(Stage::Discarded { psid }, "Pay is not possible for a payment that is Discarded");
        check(Stage::Errored { why: "".into() }, "Pay is not possible for a payment that is Errored");
        let amount_paid = "50".parse().unwrap();
        let paid = Stage::Processed { psid, amount_paid, paid_at: CREATED.parse().unwrap() };
        check(paid.clone(), "this has already happened");
        let again = Payment { stage: paid, ..approved.clone() }.pay(amount_paid, Timestamp::UNIX_EPOCH);
        assert_eq!(again, Err(PayRefused::Unpayable(crate::Unpayable::Status(crate::Refused::AlreadySo))));
    }

    proptest! {
        /// Invariant: the payable amount switches once, at Karachi midnight after the due date.
        #[test]
        fn the_amount_switches_once(seconds in proptest::collection::vec(0_i64..4_000_000, 1..40)) {
            let bill = approved(PaymentKind::Psid);
            let midnight: Timestamp = "2024-03-28T19:00:00Z".parse().unwrap();
            let start: Timestamp = CREATED.parse().unwrap();
            for second in seconds {
                let now = start + jiff::SignedDuration::from_secs(second);
                let (right, wrong) = if now < midnight { ("50", "55") } else { ("55", "50") };
                prop_assert!(bill.pay(right.parse().unwrap(), now).is_ok());
                prop_assert!(bill.pay(wrong.parse().unwrap(), now).is_err());
            }
        }

        /// Invariant: payable at 3599 s, not at 3600 s, whenever it was made.
        #[test]
        fn the_hour_is_the_same_at_any_time(made in -1_000_000_000_i64..9_000_000_000, age in 0_i64..7_200) {
            let made = Timestamp::from_second(made).unwrap();
            let code = Payment { created_at: made, ..approved(PaymentKind::DynamicQr) };
            let now = made + jiff::SignedDuration::from_secs(age);
            prop_assert_eq!(code.payable_at(now).is_ok(), age < 3_600);
        }
    }
}
