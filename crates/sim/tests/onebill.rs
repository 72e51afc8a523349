//! The biller's interface of 1BILL, as a bank's switch calls it, and the inquiry for people.

use asaanbill_sim::{BankError, Settings, Sim};
use http::Method;
use serde_json::Value;

use crate::hub::{BILL, Hub, psid};

const INQUIRY: &str = "/api/1.0/Payments/BillInquiry";
const PAYMENT: &str = "/api/1.0/Payments/BillPayment";

/// What the switch is told: HTTP's status and the whole message.
async fn ask(hub: &Hub, path: &str, body: &str) -> (u16, Value) {
    let request = hub.ask(Method::POST, path, body.to_owned()).with("username", "1bill").with("password", "1bill");
    let answer = request.raw().await;
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

async fn pay(hub: &Hub, number: u64, amount: &str, auth_id: &str) -> String {
    let body = format!(
        r#"{{"consumer_number":"{}","tran_auth_id":"{auth_id}","transaction_amount":"{amount}","tran_date":"20250110",
            "tran_time":"102230","bank_mnemonic":"HBL","reserved":""}}"#,
        psid(number)
    );
    let (status, answer) = ask(hub, PAYMENT, &body).await;
    assert_eq!((status, &answer["reserved"]), (200, &Value::from("")));
    format!("{} {}", answer["response_Code"].as_str().unwrap(), answer["Identification_parameter"].as_str().unwrap())
}

/// Code, status and what is paid.
async fn inquire(hub: &Hub, number: u64) -> String {
    let body = format!(r#"{{"consumer_number":"{}","bank_mnemonic":"HBL","reserved":""}}"#, psid(number));
    let (status, answer) = ask(hub, INQUIRY, &body).await;
    assert_eq!(status, 200);
    let fields = ["response_Code", "bill_status", "amount_within_dueDate", "date_paid", "amount_paid", "tran_auth_Id"];
    fields.map(|field| answer[field].as_str().unwrap()).join("|")
}

/// The payment's history names the switch's request, and the journal has it, body and all, but for the password.
#[tokio::test]
async fn a_switchs_request_is_in_the_journal() {
    let hub = Hub::start().await;
    hub.add("PSID", BILL).await;
    assert_eq!(pay(&hub, 1, "000000005000", "123456").await, "00 1");
    let request = hub.sim.journal().requests().pop().unwrap();
    let history = hub.sim.history("1".parse().unwrap()).await.unwrap();
    assert_eq!(history.last().and_then(|paid| paid.request), Some(request.id().get()));
    let body = String::from_utf8(request.body().bytes().to_vec()).unwrap();
    assert!(body.contains("000000005000"), "{body}");
    let password: Vec<_> = request.headers().filter(|(name, _)| *name == "password").map(|(_, value)| value).collect();
    assert_eq!(password, ["[removed]"]);
}

#[tokio::test]
async fn a_bill_is_paid_once() {
    let hub = Hub::start().await;
    hub.add("PSID", BILL).await;
    let unpaid = "00|U|+0000000005000|        |            |      ";
    assert_eq!(inquire(&hub, 1).await, unpaid);
    assert_eq!(pay(&hub, 1, "000000005500", "123456").await, "04 ", "another amount");
    assert_eq!(inquire(&hub, 1).await, unpaid);
    assert_eq!(pay(&hub, 1, "000000005000", "123456").await, "00 1");
    let paid = "00|P|+0000000005000|20250110|000000005000|123456";
    assert_eq!(inquire(&hub, 1).await, paid);
    assert_eq!(pay(&hub, 1, "000000005000", "123456").await, "03 1", "the same transaction");
    assert_eq!(pay(&hub, 1, "000000005000", "123457").await, "06 ", "another one");
    assert_eq!(inquire(&hub, 1).await, paid);
    assert_eq!(pay(&hub, 2, "000000005000", "123456").await, "01 ");
    assert_eq!(inquire(&hub, 2).await, "01| |              |        |            |      ");
    // What is paid by another way has no transaction number.
    hub.add("PSID", &BILL.replace("FS-BSCS-095", "FS-2")).await;
    hub.pay(&psid(2), "50", "by hand").await;
    assert_eq!(inquire(&hub, 2).await, "00|P|+0000000005000|20250110|000000005000|      ");
}

#[tokio::test]
async fn a_code_whose_hour_is_over() {
    let hub = Hub::start().await;
    hub.add("DQRC", r#"{"payment":{"amount":"1500","longitude":"72.996636","latitude":"33.646342"}}"#).await;
    hub.sim.clock().set("2025-01-10T11:22:30+05:00".parse().unwrap());
    assert_eq!(inquire(&hub, 1).await, "02|B|+0000000150000|        |            |      ");
    assert_eq!(pay(&hub, 1, "000000150000", "123456").await, "02 ");
}

#[tokio::test]
async fn messages_that_cannot_be_read() {
    let hub = Hub::start().await;
    for path in [INQUIRY, PAYMENT] {
        for body in ["", "{}", r#"{"consumer_number":5}"#] {
            let (status, answer) = ask(&hub, path, body).await;
            assert_eq!((status, &answer["response_Code"]), (200, &Value::from("04")), "{path} {body}");
        }
        let (status, answer) = ask(&hub, path, &" ".repeat(asaanbill_sim::REQUEST_BODY_MAX + 1)).await;
        assert_eq!((status, &answer["response_Code"]), (413, &Value::from("04")), "{path}");
        let get = hub.ask(Method::GET, path, "").raw().await;
        assert_eq!((get.status().as_u16(), get.headers()["allow"].to_str().unwrap()), (405, "POST"));
    }
}

#[tokio::test]
async fn the_banks_credentials() {
    let mut settings = Settings::default();
    settings.set("bank_username", "HBL").unwrap();
    settings.set("bank_password", "hidden-password").unwrap();
    let hub = Hub::with(Sim::builder().settings(settings)).await;
    hub.add("PSID", BILL).await;
    let body = format!(r#"{{"consumer_number":"{}"}}"#, psid(1));
    let check = async |credentials: &[(&str, &str)], expected: u16, code: &str| {
        let mut request = hub.ask(Method::POST, INQUIRY, body.clone());
        for (name, value) in credentials {
            request = request.with(name, value);
        }
        let answer = request.raw().await;
        let said: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(
            (answer.status().as_u16(), said["response_Code"].as_str()),
            (expected, Some(code)),
            "{credentials:?}"
        );
        assert_eq!(said["bill_status"] == "U", expected == 200);
    };
    check(&[("username", "HBL"), ("password", "hidden-password")], 200, "00").await;
    check(&[("username", "HBL"), ("password", "hidden-passwore")], 401, "04").await;
    check(&[("username", "hbl"), ("password", "hidden-password")], 401, "04").await;
    check(&[("username", "HBL"), ("password", "")], 401, "04").await;
    check(&[("username", "HBL")], 401, "04").await;
    check(&[("password", "hidden-password")], 401, "04").await;
    check(&[("username", "1bill"), ("password", "1bill")], 401, "04").await;
    check(&[], 401, "04").await;
    let shown = hub.ask(Method::GET, "/_sim/settings", "").raw().await;
    let shown = String::from_utf8(shown.into_body().into()).unwrap();
    assert!(shown.contains(r#""name":"bank_username","value":"HBL","default":"1bill""#), "{shown}");
    assert!(!shown.contains("hidden-password"), "{shown}");
}

/// What `/_sim/inquire` answers: the status, and the body as it came.
async fn look(hub: &Hub, body: &str) -> (u16, String) {
    let answer = hub.ask(Method::POST, "/_sim/inquire", body.to_owned()).raw().await;
    (answer.status().as_u16(), String::from_utf8(answer.into_body().into()).unwrap())
}

#[tokio::test]
async fn inquiries_of_people() {
    let hub = Hub::start().await;
    let check = async |body: &str, status: u16, expected: &str| {
        assert_eq!(look(&hub, body).await, (status, expected.to_owned()), "{body}");
    };
    hub.add("PSID", BILL).await;
    let first = format!(r#"{{"psid":"{}"}}"#, psid(1));
    let unpaid = format!(
        r#"{{"psid":"{}","status":"unpaid","title":"Muhammad Mahd Sheikh","due_date":"2025-01-31","amount":"50","amount_after_due_date":"55","payable":"50","any_amount":false,"reason":null}}"#,
        psid(1)
    );
    check(&first, 200, &unpaid).await;
    hub.sim.clock().set("2025-02-01T00:00:00+05:00".parse().unwrap());
    check(&first, 200, &unpaid.replace(r#""payable":"50""#, r#""payable":"55""#)).await;
    hub.pay(&psid(1), "55", "R").await;
    let paid = unpaid.replace("unpaid", "paid").replace(r#""payable":"50""#, r#""payable":null"#);
    check(&first, 200, &paid.replace(r#""reason":null"#, r#""reason":"this has already happened""#)).await;
    hub.add("SQRC_WITHOUT_AMOUNT", r#"{"payment":{"title":"Ali Tuck Shop"}}"#).await;
    let open =
        r#""due_date":null,"amount":null,"amount_after_due_date":null,"payable":null,"any_amount":true,"reason":null}"#;
    assert!(look(&hub, &first.replace(&psid(1), &psid(2))).await.1.ends_with(open));
    check(&first.replace(&psid(1), &psid(9)), 404, r#"{"error":"no payment has this PSID"}"#).await;
    let expected = r#"{"error":"expected {\"psid\":\"…\"} or {\"qr\":\"…\"}"}"#;
    for wrong in ["", "{}", r#"{"psid":"1","qr":"1"}"#, r#"{"psid":1}"#, r#"{"PSID":"1"}"#, "[]"] {
        check(wrong, 400, expected).await;
    }
    assert_eq!(look(&hub, r#"{"psid":"1"}"#).await.0, 400);
}

#[tokio::test]
async fn codes_lead_to_bills() {
    let hub = Hub::start().await;
    let added = [
        hub.add("PSID", BILL).await,
        hub.add("SQRC_WITHOUT_AMOUNT", r#"{"payment":{"title":"Ali Tuck Shop"}}"#).await,
        hub.add("DQRC", r#"{"payment":{"amount":"1500","longitude":"72.996636","latitude":"33.646342"}}"#).await,
        // A code can't hold this identifier: it has the PSID.
        hub.add("PSID", &BILL.replace("FS-BSCS-095", "طالب علم")).await,
        // The identifier is another record's number.
        hub.add("PSID", &BILL.replace("FS-BSCS-095", "2").replace("50", "70")).await,
    ];
    let bank = hub.sim.bank();
    for (answer, number) in added.iter().zip(1..) {
        let code = answer.text_at("/qrString");
        let found = bank.inquire_qr(code).await.unwrap();
        assert_eq!(found.payment.id.get(), number, "{code}");
        let (status, shown) = look(&hub, &format!(r#"{{"qr":"{code}"}}"#)).await;
        assert!(status == 200 && shown.starts_with(&format!(r#"{{"psid":"{}""#, psid(number))), "{shown}");
    }
    // An older code leads to the newer bill.
    let old = added[0].text_at("/qrString").to_owned();
    hub.add("PSID", &BILL.replace("50", "90")).await;
    assert_eq!(bank.inquire_qr(&old).await.unwrap().payment.id.get(), 6);

    // Nor does a record's number mislead that is an identifier elsewhere: the payer's own bill is meant.
    let one = hub.add("PSID", &BILL.replace("FS-BSCS-095", "1")).await.text_at("/qrString").to_owned();
    hub.add("PSID", &BILL.replace("FS-BSCS-095", "1").replace("50", "90")).await;
    assert_eq!(bank.inquire_qr(&one).await.unwrap().payment.id.get(), 8);

    assert_eq!(bank.inquire_qr(&old[1..]).await, Err(BankError::UnreadableCode));
    assert_eq!(bank.inquire_qr("").await, Err(BankError::UnreadableCode));
    assert_eq!(look(&hub, r#"{"qr":"x"}"#).await.0, 400);
    let elsewhere = Hub::start().await;
    assert_eq!(elsewhere.sim.bank().inquire_qr(&old).await, Err(BankError::UnknownCode));
    assert_eq!(look(&elsewhere, &format!(r#"{{"qr":"{old}"}}"#)).await.0, 404);
}
