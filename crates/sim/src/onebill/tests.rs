use asaanbill_core::{Fields, NewPayment, Payment, PaymentKind, Stage};
use jiff::Timestamp;
use proptest::prelude::*;

use super::{InquiryAnswer, PaymentAnswer, ResponseCode, auth_id, read_inquiry, read_payment};
use crate::bank::Inquiry;

const PSID: &str = "100139100100154854584585";

const BILL: Fields<'_> = Fields {
    title: Some("Muhammad Mahd Sheikh"),
    identifier: Some("FS-BSCS-095"),
    amount: Some("50"),
    due_date: Some("2025-08-31"),
    amount_after_due_date: Some("55.50"),
    description: None,
    longitude: Some("72.996636"),
    latitude: Some("33.646342"),
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn approved(kind: PaymentKind, fields: &Fields<'_>) -> Payment {
    let new = NewPayment::parse(kind, fields).unwrap();
    // The last minute of June in Karachi.
    let draft = Payment::draft("25".parse().unwrap(), new, at("2025-06-30T23:59:30+05:00"));
    Payment { stage: Stage::Approved { psid: PSID.parse().unwrap() }, ..draft }
}

fn answer(payment: Payment, now: &str, reference: Option<&str>) -> InquiryAnswer {
    InquiryAnswer::new(&Inquiry { due: payment.payable_at(at(now)), payment }, reference)
}

/// Values in the order of the message, each between bars.
fn check(answer: &InquiryAnswer, expected: &str) {
    let json = serde_json::to_value(answer).unwrap();
    let names = [
        "response_Code",
        "consumer_Detail",
        "bill_status",
        "due_date",
        "amount_within_dueDate",
        "amount_after_dueDate",
        "billing_month",
        "date_paid",
        "amount_paid",
        "tran_auth_Id",
        "reserved",
    ];
    let shown: Vec<_> = names.iter().map(|name| json[name].as_str().unwrap()).collect();
    assert_eq!(shown.join("|"), expected);
    assert_eq!(json.as_object().unwrap().len(), names.len());
    let widths: Vec<_> = shown.iter().map(|value| value.chars().count()).collect();
    assert_eq!(widths, [2, 30, 1, 8, 14, 14, 4, 8, 12, 6, 0]);
}

const NOW: &str = "2025-07-01T00:00:00+05:00";

#[test]
fn an_unpaid_bill() {
    check(
        &answer(approved(PaymentKind::Psid, &BILL), NOW, None),
        "00|Muhammad Mahd Sheikh          |U|20250831|+0000000005000|+0000000005550|2508|        |            |      |",
    );
}

#[test]
fn codes() {
    check(
        &answer(approved(PaymentKind::DynamicQr, &Fields { title: None, ..BILL }), NOW, None),
        "00|                              |U|20250630|+0000000005000|+0000000005000|2506|        |            |      |",
    );
    check(
        &answer(approved(PaymentKind::DynamicQr, &BILL), "2025-07-01T00:59:30+05:00", None),
        "02|Muhammad Mahd Sheikh          |B|20250630|+0000000005000|+0000000005000|2506|        |            |      |",
    );
    check(
        &answer(approved(PaymentKind::OpenQr, &BILL), NOW, None),
        "00|Muhammad Mahd Sheikh          |U|        |              |              |2506|        |            |      |",
    );
}

#[test]
fn a_paid_bill_says_by_which_transaction() {
    let paid = |amount: &str| {
        let (psid, amount_paid) = (PSID.parse().unwrap(), amount.parse().unwrap());
        let stage = Stage::Processed { psid, amount_paid, paid_at: at("2025-09-01T00:00:00+05:00") };
        Payment { stage, ..approved(PaymentKind::Psid, &BILL) }
    };
    let expected = |id: &str| {
        format!(
            "00|Muhammad Mahd Sheikh          |P|20250831|+0000000005000|+0000000005550|2508|20250901|000000005550|{id}|"
        )
    };
    check(&answer(paid("55.5"), NOW, Some("123456-20250901-000000")), &expected("123456"));
    check(&answer(paid("55.5"), NOW, Some("by hand")), &expected("      "));
    check(&answer(paid("55.5"), NOW, None), &expected("      "));
    assert_eq!(answer(paid("10000000000"), NOW, None).code, ResponseCode::Failed, "13 digits");
}

/// A field that is too narrow says nothing rather than something wrong.
#[test]
fn wide_values() {
    let title = "ہ".repeat(31);
    let wide = Fields { title: Some(&title), amount: Some("99999999999.99"), ..BILL };
    check(
        &answer(approved(PaymentKind::Psid, &wide), NOW, None),
        &format!("00|{}|U|20250831|+9999999999999|+0000000005550|2508|        |            |      |", "ہ".repeat(30)),
    );
    for (amount, later) in [("100000000000", "1"), ("1", "100000000000")] {
        let wide = Fields { amount: Some(amount), amount_after_due_date: Some(later), ..BILL };
        let blank = InquiryAnswer::refused(ResponseCode::Failed);
        assert_eq!(answer(approved(PaymentKind::Psid, &wide), NOW, None), blank);
        check(
            &blank,
            &format!(
                "05|{}| |{}|{}|{}|    |{}|{}|      |",
                " ".repeat(30),
                " ".repeat(8),
                " ".repeat(14),
                " ".repeat(14),
                " ".repeat(8),
                " ".repeat(12)
            ),
        );
    }
}

#[test]
fn inquiries() {
    let check = |body: &str, expected: Result<(), ResponseCode>| {
        assert_eq!(read_inquiry(body.as_bytes()).map(|psid| assert_eq!(psid.as_str(), PSID)), expected, "{body}");
    };
    check(&format!(r#"{{"consumer_number":"{PSID}","bank_mnemonic":"HBL","reserved":""}}"#), Ok(()));
    check(&format!(r#"{{"consumer_number":"{PSID}"}}"#), Ok(()));
    check(&format!(r#"{{"consumer_number":"{PSID}   "}}"#), Ok(()));
    for unknown in ["1", &PSID[1..], "100139100100154854584585x", "صارف"] {
        check(&format!(r#"{{"consumer_number":"{unknown}"}}"#), Err(ResponseCode::UnknownConsumer));
    }
    for invalid in
        ["", "{}", "[]", "null", r#"{"consumer_number":1}"#, r#"{"consumer_number":" "}"#, r#"{"consumerNumber":"1"}"#]
    {
        check(invalid, Err(ResponseCode::Invalid));
    }
}

const FIELDS: [(&str, &str); 5] = [
    ("consumer_number", PSID),
    ("tran_auth_id", "012345"),
    ("transaction_amount", "000000005550"),
    ("tran_date", "20250831"),
    ("tran_time", "235959"),
];

#[test]
fn payments() {
    let check = |name: &str, value: &str, expected: Result<(&str, &str), ResponseCode>| {
        let fields =
            FIELDS.map(|(field, usual)| format!(r#""{field}":"{}""#, if field == name { value } else { usual }));
        let read = read_payment(format!("{{{}}}", fields.join(",")).as_bytes());
        let read = read.as_ref().map(|payment| (payment.amount.as_str(), payment.reference.as_str()));
        assert_eq!(read.map_err(|code| *code), expected, "{name} {value}");
    };
    check("", "", Ok(("55.50", "012345-20250831-235959")));
    check("transaction_amount", "000000000001", Ok(("0.01", "012345-20250831-235959")));
    check("transaction_amount", "999999999999", Ok(("9999999999.99", "012345-20250831-235959")));
    check("tran_auth_id", "999999", Ok(("55.50", "999999-20250831-235959")));
    check("tran_date", "20240229", Ok(("55.50", "012345-20240229-235959")));
    check("tran_time", "000000", Ok(("55.50", "012345-20250831-000000")));
    check("consumer_number", "1", Err(ResponseCode::UnknownConsumer));
    for (name, value) in [
        ("consumer_number", ""),
        ("tran_auth_id", ""),
        ("tran_auth_id", "12345"),
        ("tran_auth_id", "1234567"),
        ("tran_auth_id", "12345a"),
        ("transaction_amount", "000000000000"),
        ("transaction_amount", "0000000005550"),
        ("transaction_amount", "00000005550"),
        ("transaction_amount", "+00000005550"),
        ("transaction_amount", "0000000055.5"),
        ("tran_date", "20250230"),
        ("tran_date", "2025-8-1"),
        ("tran_date", ""),
        ("tran_time", "240000"),
        ("tran_time", "235960"),
        ("tran_time", "2359"),
    ] {
        check(name, value, Err(ResponseCode::Invalid));
    }
    for (missing, _) in FIELDS {
        let rest =
            FIELDS.iter().filter(|(name, _)| *name != missing).map(|(name, value)| format!(r#""{name}":"{value}""#));
        let body = format!("{{{}}}", rest.collect::<Vec<_>>().join(","));
        assert_eq!(read_payment(body.as_bytes()), Err(ResponseCode::Invalid), "without {missing}");
    }
}

#[test]
fn a_payments_answer() {
    let payment = approved(PaymentKind::Psid, &BILL);
    let written = |answer: &PaymentAnswer| serde_json::to_string(answer).unwrap();
    let paid = written(&PaymentAnswer::paid(&payment, ResponseCode::Duplicate));
    assert_eq!(paid, r#"{"response_Code":"03","Identification_parameter":"25","reserved":""}"#);
    let refused = written(&PaymentAnswer::refused(ResponseCode::AlreadyPaid));
    assert_eq!(refused, r#"{"response_Code":"06","Identification_parameter":"","reserved":""}"#);
}

proptest! {
    /// What was paid is found in the reference again, and in no other text.
    #[test]
    fn a_reference_holds_its_number(number in "[0-9]{6}", hour in 0_u8..24, day in 1_u8..29) {
        let reference = format!("{number}-202502{day:02}-{hour:02}0000");
        prop_assert_eq!(auth_id(&reference), Some(number.as_str()));
        let longer = format!("{reference}-");
        prop_assert_eq!(auth_id(&longer), None);
        prop_assert_eq!(auth_id(&reference[1..]), None);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>(), text in any::<String>()) {
        let _ = (read_inquiry(&bytes), read_payment(&bytes));
        let _ = auth_id(&text);
        let field = serde_json::to_string(&text).unwrap();
        let _ = read_payment(format!(r#"{{"consumer_number":{field},"tran_auth_id":{field},"transaction_amount":{field},"tran_date":{field},"tran_time":{field}}}"#).as_bytes());
    }
}
