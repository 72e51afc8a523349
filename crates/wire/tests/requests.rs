//! Every request that is sent, and how a hub reads it.

use asaanbill_core::{Fields, NewPayment, PaymentKind};
use asaanbill_wire::{
    AddRequest, BulkBody, BulkRequest, BulkRow, Literals, LoginRequest, NotText, generation_type, read_generation_type,
};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::fixtures::fixture;

fn read(kind: PaymentKind, body: &str) -> NewPayment {
    let request: AddRequest<'_> = serde_json::from_str(body).unwrap();
    NewPayment::parse(kind, &request.payment.fields(Literals::Refused).unwrap()).unwrap()
}

/// What is sent for a payment, and that a hub reads the same payment.
fn sent(payment: &NewPayment) -> String {
    let body = serde_json::to_string_pretty(&AddRequest::from(payment)).unwrap();
    assert_eq!(&read(payment.kind(), &body), payment);
    format!("{}\n{body}", generation_type(payment.kind()))
}

#[test]
fn every_kind_is_sent_as_the_guide_shows_it() {
    let fields = Fields {
        title: Some("Muhammad Mahd Sheikh"),
        identifier: Some("FS-BSCS-095"),
        amount: Some("050.0"),
        due_date: Some("2024-03-28"),
        amount_after_due_date: Some("55"),
        description: Some("Star Wars \"movie\" ticket"),
        longitude: Some("72.996636"),
        latitude: Some("-33.640"),
    };
    for &kind in PaymentKind::ALL {
        let payment = NewPayment::parse(kind, &fields).unwrap();
        insta::assert_snapshot!(generation_type(kind), sent(&payment));
        assert_eq!(read_generation_type(generation_type(kind)), Some(kind));
    }
    for word in ["", "psid", "PSID ", "PSID,DQRC", "BILL"] {
        assert_eq!(read_generation_type(word), None, "{word:?}");
    }
}

/// The guide's samples are sent and read alike, byte for byte but for white space.
#[test]
fn the_guides_requests() {
    let check = |name: &str, kind: PaymentKind| {
        let sample = fixture(&format!("guide/{name}.request.json"));
        let payment = read(kind, &sample);
        let written = serde_json::to_string(&AddRequest::from(&payment)).unwrap();
        let pretty = serde_json::to_string_pretty(&serde_json::from_str::<AddRequest<'_>>(&sample).unwrap()).unwrap();
        assert_eq!(pretty, sample.trim_end(), "{name}: order and form of fields");
        assert_eq!(
            written,
            pretty.lines().map(str::trim).collect::<String>().replace("\": \"", "\":\"").replace("\": {", "\":{")
        );
    };
    check("add-psid", PaymentKind::Psid);
    check("add-psid", PaymentKind::StaticQr);
    check("add-open-qr", PaymentKind::OpenQr);
    check("add-dynamic-qr", PaymentKind::DynamicQr);
}

#[test]
fn the_guides_batch() {
    let sample = fixture("guide/add-bulk.request.json");
    let request: BulkRequest<'_> = serde_json::from_str(&sample).unwrap();
    let rows = request.payments.iter().map(|row| {
        let fields = row.fields(Literals::Refused).unwrap();
        NewPayment::parse(PaymentKind::Psid, &fields).map_err(|invalid| asaanbill_wire::refusal(&invalid.errors()[0]))
    });
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows[2], Err("amountAfterDueDate cannot be empty or null".into()));
    let first = rows[0].as_ref().unwrap().bill().unwrap();
    assert_eq!(BulkRow::from(first), request.payments[0], "a bill is sent as the sample's row");
    let value: Value = serde_json::from_str(&sample).unwrap();
    assert_eq!(serde_json::to_value(&request).unwrap(), value);
    // A batch that is written row by row is the same.
    let row_by_row = serde_json::to_string(&BulkBody(request.payments.iter().cloned())).unwrap();
    assert_eq!(row_by_row, serde_json::to_string(&request).unwrap());
    insta::assert_snapshot!(
        serde_json::to_string_pretty(&BulkRequest { payments: vec![BulkRow::from(first)] }).unwrap()
    );
}

#[test]
fn login() {
    let sample = fixture("guide/login.request.json");
    let request: LoginRequest = serde_json::from_str(&sample).unwrap();
    assert_eq!(request.password.expose_secret(), "<your password>");
    assert_eq!(serde_json::to_string_pretty(&request).unwrap(), sample.trim_end());
    assert!(!format!("{request:?}").contains("your password"));
}

#[test]
fn what_a_strict_hub_refuses() {
    let read = |body: &str| {
        let request: AddRequest<'_> = serde_json::from_str(body).map_err(|_| "not the object")?;
        let strict = request.payment.fields(Literals::Refused).map(|fields| fields.amount.map(str::to_owned));
        strict.map_err(|NotText| "not strings")
    };
    assert_eq!(read(r#"{"payment":{"amount":"50"}}"#), Ok(Some("50".into())));
    assert_eq!(read(r#"{"payment":{"amount":null,"more":"x"}}"#), Ok(None));
    assert_eq!(read(r#"{"payment":{}}"#), Ok(None));
    assert_eq!(read(r#"{"payment":{"amount":50}}"#), Err("not strings"));
    assert_eq!(read(r#"{"payment":{"amount":"50","amount":"60"}}"#), Err("not the object"));
    assert!(serde_json::from_str::<LoginRequest>(r#"["s3cret"]"#).is_err());
    for body in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"payment":null}"#,
        r#"{"payment":"x"}"#,
        r#"{"payment":[]}"#,
        r#"[{"amount":"50"}]"#,
        r#"[{"payment":{"amount":"50"}}]"#,
        r#"{"payment":{}"#,
    ] {
        assert_eq!(read(body), Err("not the object"), "{body}");
    }
    let lenient: AddRequest<'_> = serde_json::from_str(r#"{"payment":{"amount":50.10}}"#).unwrap();
    assert_eq!(lenient.payment.fields(Literals::Accepted).unwrap().amount, Some("50.10"));
}

#[test]
fn a_batch_is_an_object_of_objects() {
    let rows = |body: &str| serde_json::from_str::<BulkRequest<'_>>(body).map(|batch| batch.payments.len()).ok();
    assert_eq!(rows(r#"{"payments":[{"title":"x"},{}]}"#), Some(2));
    assert_eq!(rows(r#"{"payments":[]}"#), Some(0));
    for body in
        [r#"{"payments":[[]]}"#, r#"{"payments":[["a"]]}"#, "[[]]", r#"{"payments":{}}"#, r#"{"payments":null}"#, "{}"]
    {
        assert_eq!(rows(body), None, "{body}");
    }
}
