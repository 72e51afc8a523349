//! Invariant: what the hub side writes, the client side reads.

use asaanbill_core::{BulkRequestId, Fields, NewPayment, Payment, PaymentId, PaymentKind, Psid, Stage};
use asaanbill_wire::{
    AddRequest, AddedPayment, BulkAnswer, BulkDetail, BulkEcho, BulkPayment, BulkRow, BulkStatus, Day, Envelope, Item,
    ListedPayment, Literals, Money, Page, PageRequest, Processed, RowStatus, Scalar, Stamp, StatusText,
};
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn amount() -> impl Strategy<Value = String> {
    "[0-9]{0,3}[1-9][0-9]{0,4}(\\.[0-9]{1,2})?"
}

/// Any text that isn't blank and has no control characters: quotes, backslashes and other scripts included.
fn text() -> impl Strategy<Value = String> {
    "[^\\p{C}]{0,12}[\\p{L}\"\\\\/][^\\p{C}]{0,12}"
}

fn new_payment() -> impl Strategy<Value = NewPayment> {
    let kind = proptest::sample::select(PaymentKind::ALL);
    let texts = (text(), text(), proptest::option::of(text()));
    let day = (1_i16..=9999, 1_i8..=12, 1_i8..=28).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    (kind, texts, (amount(), amount()), day, ("-?[1-8]?[0-9]\\.[0-9]{1,6}", "-?[0-9]{1,2}")).prop_map(
        |(kind, (title, identifier, description), (amount, after), day, (longitude, latitude))| {
            let fields = Fields {
                title: Some(&title),
                identifier: Some(&identifier),
                amount: Some(&amount),
                due_date: Some(&day),
                amount_after_due_date: Some(&after),
                description: description.as_deref(),
                longitude: Some(&longitude),
                latitude: Some(latitude.as_str())
                    .filter(|l| l.parse::<i8>().is_ok_and(|l| l.abs() <= 90))
                    .or(Some("0")),
            };
            let dynamic = Fields { amount: Some(&amount[amount.len().saturating_sub(5)..]), ..fields };
            NewPayment::parse(kind, &fields).or_else(|_| NewPayment::parse(kind, &dynamic)).unwrap_or_else(|_| {
                NewPayment::parse(kind, &Fields { amount: Some("1500"), ..fields }).expect("all fields are valid")
            })
        },
    )
}

fn payment() -> impl Strategy<Value = Payment> {
    let seconds = -60_000_000_000_i64..250_000_000_000;
    let psid = "[0-9]{24}".prop_map(|digits| digits.parse::<Psid>().expect("24 digits"));
    (new_payment(), psid, amount(), 1_u64..=9_223_372_036_854_775_807, seconds.clone(), seconds, 0_usize..6).prop_map(
        |(new, psid, paid, id, created, updated, stage)| {
            let (created_at, updated_at) = (at(created), at(updated));
            let amount_paid = paid.parse().expect("a valid amount");
            let stage = match stage {
                0 => Stage::Draft,
                1 => Stage::InProcess,
                2 => Stage::Approved { psid },
                3 => Stage::Processed { psid, amount_paid, paid_at: updated_at },
                4 => Stage::Discarded { psid },
                _ => Stage::Errored { why: "no number left".into() },
            };
            Payment { id: PaymentId::try_from(id).expect("in range"), new, stage, created_at, updated_at }
        },
    )
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

/// Through the envelope and back.
fn sent<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(&Envelope::success(value)).unwrap();
    Envelope::read(&text).unwrap().data().unwrap()
}

/// Time stamps have minutes.
fn minute(at: Timestamp) -> Option<Timestamp> {
    at.round(TimestampRound::new().smallest(Unit::Minute).mode(RoundMode::Floor)).ok()
}

fn same_money(read: &Option<Money>, expected: Option<asaanbill_core::Amount>) -> Result<(), TestCaseError> {
    prop_assert_eq!(read.as_ref().and_then(Money::amount), expected);
    Ok(())
}

proptest! {
    #[test]
    fn a_new_payment(new in new_payment()) {
        let text = serde_json::to_string(&AddRequest::from(&new)).unwrap();
        let request: AddRequest<'_> = serde_json::from_str(&text).unwrap();
        let read = NewPayment::parse(new.kind(), &request.payment.fields(Literals::Refused).unwrap());
        prop_assert_eq!(read, Ok(new));
    }

    #[test]
    fn an_added_payment(payment in payment()) {
        let read = sent(&AddedPayment::new(&payment, "a code"));
        prop_assert_eq!(read.id.and_then(|id| id.whole()), Some(payment.id.get()));
        same_money(&read.amount, payment.new.amount())?;
        same_money(&read.amount_after_due_date, payment.new.bill().map(|bill| bill.amount_after_due_date))?;
        prop_assert_eq!(read.due_date.and_then(|d| d.date()), payment.new.bill().map(|bill| bill.due_date.date()));
        prop_assert_eq!(read.status.and_then(|s| s.status()), Some(payment.status()));
        prop_assert_eq!(read.psid.and_then(|p| p.as_str().parse().ok()), payment.stage.psid());
        prop_assert_eq!(read.created_at.and_then(|s| s.timestamp()), minute(payment.created_at));
        prop_assert_eq!(read.updated_at.and_then(|s| s.timestamp()), minute(payment.updated_at));
        let (title, identifier) = (read.title, read.identifier.unwrap());
        prop_assert_eq!(title.as_ref().map(|t| t.as_str()), payment.new.title().map(|t| t.as_str()));
        prop_assert_eq!(identifier.as_str(), payment.shown_identifier());
    }

    #[test]
    fn a_page_of_payments(payments in proptest::collection::vec(payment(), 0..5), total in 0_u64..1_000_000) {
        let listed = payments.iter().map(|payment| ListedPayment::new(payment, "a code")).collect();
        let page = sent(&Page::new(PageRequest::default(), total, listed));
        prop_assert_eq!(page.total_elements.and_then(|t| t.whole()), Some(total));
        prop_assert_eq!(page.content.len(), payments.len());
        for (item, payment) in page.content.into_iter().zip(&payments) {
            let read = item.into_read().unwrap();
            let paid = match payment.stage { Stage::Processed { amount_paid, .. } => Some(amount_paid), _ => None };
            same_money(&read.amount, payment.new.amount().or(paid))?;
            prop_assert_eq!(read.due_date.and_then(|d| d.date()), payment.new.bill().map(|bill| bill.due_date.date()));
            prop_assert_eq!(read.status.and_then(|s| s.status()), Some(payment.status()));
            let paid_at = read.paid_at.unwrap();
            prop_assert_eq!(paid_at.is_not_applicable(), payment.stage.paid_at().is_none());
            prop_assert_eq!(paid_at.timestamp(), payment.stage.paid_at().and_then(minute));
        }
    }

    /// A batch's detail and its answer row by row, with statuses of any text.
    #[test]
    fn a_batch(payments in proptest::collection::vec(payment(), 0..4), why in text(), id in 1_u64..1_000_000) {
        let id = BulkRequestId::try_from(id).expect("in range");
        let detail = BulkDetail::new(id, at(0), at(60), StatusText::text("PROCESSED"), payments.iter().map(BulkPayment::from).collect());
        let read = sent(&detail);
        prop_assert_eq!(read.bulk_payment_request_id.and_then(|n| n.whole()), Some(id.get()));
        prop_assert_eq!(read.payments.total(), Some(payments.len() as u64));
        prop_assert!(read.payments.content.iter().all(|item| item.read().is_some()));

        let row = BulkRow { title: why.as_str().into(), ..BulkRow::default() };
        let echoes = vec![
            BulkEcho { row: &row, status: RowStatus::accepted() },
            BulkEcho { row: &row, status: RowStatus::text(why.as_str()) },
        ];
        let answer = BulkAnswer { bulk_payment_request_id: Some(Scalar::number(id.get())), payments: echoes };
        let text = serde_json::to_string(&Envelope::success(&answer)).unwrap();
        let read: BulkAnswer<Item<BulkStatus>> = Envelope::read(&text).unwrap().data().unwrap();
        prop_assert_eq!(read.id(), Some(id));
        let said = |row: &Item<BulkStatus>| row.read().and_then(|r| r.status.as_ref()).and_then(|s| s.refusal().map(str::to_owned));
        prop_assert_eq!(read.payments.iter().map(said).collect::<Vec<_>>(), vec![None, Some(why)]);
    }

    #[test]
    fn a_batch_and_a_callback(payment in payment()) {
        let read = sent(&BulkPayment::from(&payment));
        same_money(&read.amount, payment.new.amount())?;
        prop_assert_eq!(read.due_date.as_ref().and_then(Day::date), payment.new.bill().map(|bill| bill.due_date.date()));
        prop_assert_eq!(read.status.as_ref().and_then(StatusText::status), Some(payment.status()));
        prop_assert_eq!(read.created_at.as_ref().and_then(Stamp::timestamp), minute(payment.created_at));
        let processed = Processed::from(&payment);
        let text = serde_json::to_string(&processed).unwrap();
        prop_assert_eq!(serde_json::from_str::<Processed>(&text).unwrap(), processed);
    }
}
