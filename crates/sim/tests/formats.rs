//! How each endpoint writes the same things: its answers to the letter, but for the QR codes.

use crate::hub::{Answer, BILL, Hub, joined};

fn check(answer: &Answer, data: &str) {
    let expected =
        format!(r#"{{"responseCode":200,"responseMessage":"Request processed successfully","data":{}}}"#, joined(data));
    assert_eq!(answer.without_codes(), expected);
}

#[tokio::test]
async fn an_added_bill() {
    let hub = Hub::start().await;
    for (id, kind) in ["PSID", "SQRC_WITH_AMOUNT"].iter().enumerate() {
        let expected = r#"{
            "id":NUMBER,"amount":50.0,"amountAfterDueDate":55.0,"identifier":"FS-BSCS-095",
            "title":"Muhammad Mahd Sheikh","dueDate":"31-01-2025","period":null,"identifierDescription":null,
            "billedToName":null,"billedToAddress":null,"billedToContact":null,
            "psid":"100139000000000000000001","qrString":"…","status":"APPROVED",
            "createdAt":"10:22 AM 10-Jan-2025","updatedAt":"10:22 AM 10-Jan-2025","paymentDetails":[]}"#;
        check(&hub.add(kind, BILL).await, &expected.replace("NUMBER", &(id + 1).to_string()));
    }
}

#[tokio::test]
async fn an_added_code_without_amount() {
    let hub = Hub::start().await;
    let body = r#"{"payment":{"title":"Ali Tuck Shop","identifier":"ali-tuck-shop-1","description":"Ali's Tuck Shop static QR"}}"#;
    check(
        &hub.add("SQRC_WITHOUT_AMOUNT", body).await,
        r#"{
            "id":1,"amount":null,"amountAfterDueDate":null,"identifier":"ali-tuck-shop-1",
            "title":"Ali Tuck Shop","dueDate":null,"period":null,"identifierDescription":null,
            "billedToName":null,"billedToAddress":null,"billedToContact":null,
            "psid":"100139000000000000000001","qrString":"…","status":"APPROVED",
            "createdAt":"10:22 AM 10-Jan-2025","updatedAt":"10:22 AM 10-Jan-2025","paymentDetails":[]}"#,
    );
}

#[tokio::test]
async fn an_added_code_for_an_hour() {
    let hub = Hub::start().await;
    let body = r#"{"payment":{"amount":"1500","longitude":"72.996636","latitude":"33.646342"}}"#;
    check(
        &hub.add("DQRC", body).await,
        r#"{
            "id":1,"amount":1500.0,"amountAfterDueDate":null,"identifier":"1",
            "title":null,"dueDate":null,"period":null,"identifierDescription":null,
            "billedToName":null,"billedToAddress":null,"billedToContact":null,
            "psid":"100139000000000000000001","qrString":"…","status":"APPROVED",
            "createdAt":"10:22 AM 10-Jan-2025","updatedAt":"10:22 AM 10-Jan-2025","paymentDetails":[]}"#,
    );
}

/// As it was submitted in strings, with a fraction digit in numbers, never through a binary float.
#[tokio::test]
async fn amounts() {
    let hub = Hub::start().await;
    for (submitted, number) in [
        ("50", "50.0"),
        ("50.00", "50.0"),
        ("1400.5", "1400.5"),
        ("1400.50", "1400.5"),
        ("1234.56", "1234.56"),
        ("0.10", "0.1"),
        ("0.01", "0.01"),
        ("007", "7.0"),
        ("10000000", "10000000.0"),
        ("999999999999999.99", "999999999999999.99"),
        ("123456789012345.67", "123456789012345.67"),
    ] {
        let body = BILL.replace("\"50\"", &format!("\"{submitted}\"")).replace("\"55\"", &format!("\"{submitted}\""));
        let added = hub.add("PSID", &body).await;
        assert!(added.text.contains(&format!(r#""amount":{number},"amountAfterDueDate":{number},"#)), "{}", added.text);
        let listed = hub.get("/payment").send().await;
        assert_eq!(listed.content()[0]["amount"], submitted);
        assert_eq!(listed.content()[0]["amountAfterDueDate"], submitted);
    }
}

/// In Karachi, on a clock of twelve hours, by the minute.
#[tokio::test]
async fn stamps() {
    let hub = Hub::start().await;
    for (at, shown) in [
        ("2025-01-09T18:59:59Z", "11:59 PM 09-Jan-2025"),
        ("2025-01-09T19:00:00Z", "12:00 AM 10-Jan-2025"),
        ("2025-07-31T07:30:59.999Z", "12:30 PM 31-Jul-2025"),
        ("2025-12-31T19:05:00Z", "12:05 AM 01-Jan-2026"),
    ] {
        hub.sim.clock().set(at.parse().unwrap());
        let added = hub.add("PSID", BILL).await;
        assert_eq!((added.text_at("/createdAt"), added.text_at("/updatedAt")), (shown, shown));
        let listed = hub.get(&format!("/payment/{}", added.data()["id"])).send().await;
        assert_eq!(listed.text_at("/createdAt"), shown.replacen(' ', "", 1), "elsewhere without the space");
    }
}

#[tokio::test]
async fn a_listed_payment() {
    let hub = Hub::start().await;
    hub.add("PSID", BILL).await;
    let unpaid = r#"{"id":1,"title":"Muhammad Mahd Sheikh","identifier":"FS-BSCS-095","amount":"50",
        "dueDate":"2025-01-31","amountAfterDueDate":"55",
        "billedToName":null,"billedToAddress":null,"billedToContact":null,
        "psid":"100139000000000000000001","qrString":"…","status":"APPROVED",
        "createdAt":"10:22AM 10-Jan-2025","paidAt":"N/A","paymentDetails":[]}"#;
    let paid = unpaid.replace("APPROVED", "PROCESSED").replace("N/A", "11:00PM 10-Jan-2025");
    for expected in [unpaid, &paid] {
        check(&hub.get("/payment/1").send().await, expected);
        let page = format!(
            r#"{{"pageNo":0,"pageSize":100,"totalElements":1,"totalPages":1,"isFirst":true,"isLast":true,"content":[{expected}]}}"#
        );
        check(&hub.get("/payment").send().await, &page);
        check(&hub.get("/search/100139000000000000000001").send().await, &page);

        hub.sim.clock().set("2025-01-10T23:00:00+05:00".parse().unwrap());
        hub.pay("100139000000000000000001", "50", "R").await;
    }
}

/// What a payer gave for a code without amount stands in its own record.
#[tokio::test]
async fn a_payment_on_a_code_without_amount() {
    let hub = Hub::start().await;
    hub.add("SQRC_WITHOUT_AMOUNT", r#"{"payment":{"title":"Ali Tuck Shop","identifier":"ali-tuck-shop-1"}}"#).await;
    hub.pay("100139000000000000000001", "120.50", "R").await;
    let record = |id: u64, amount: &str, status: &str, paid: &str| {
        format!(
            r#"{{"id":{id},"title":"Ali Tuck Shop","identifier":"ali-tuck-shop-1","amount":{amount},
            "dueDate":null,"amountAfterDueDate":null,
            "billedToName":null,"billedToAddress":null,"billedToContact":null,
            "psid":"100139000000000000000001","qrString":"…","status":"{status}",
            "createdAt":"10:22AM 10-Jan-2025","paidAt":"{paid}","paymentDetails":[]}}"#
        )
    };
    check(&hub.get("/payment/1").send().await, &record(1, "null", "APPROVED", "N/A"));
    check(&hub.get("/payment/2").send().await, &record(2, "\"120.50\"", "PROCESSED", "10:22AM 10-Jan-2025"));
}

#[tokio::test]
async fn a_batch() {
    let hub = Hub::start().await;
    let rows = r#"{"title":" Bareera Sheikh","identifier":" FS-1","amount":"1400.50","dueDate":"2025-08-31","amountAfterDueDate":"1450"}"#;
    let added = hub.add_bulk(format!(r#"{{"payments":[{rows}]}}"#)).await;
    check(
        &added,
        &format!(r#"{{"bulkPaymentRequestId":1,"payments":[{},"status":"PROCESSED"}}]}}"#, rows.trim_end_matches('}')),
    );
    hub.settled().await;
    check(
        &hub.get("/bulk-payment-request/1").send().await,
        r#"{"bulkPaymentRequestId":1,"uploadedAt":"10-01-2025","updatedAt":"10:22AM 10-Jan-2025","status":"PROCESSED",
        "payments":{"pageNo":0,"pageSize":2147483647,"totalNoOfElements":1,"totalPages":1,"isFirst":null,"isLast":true,
        "content":[{"id":1,"amount":1400.5,"amountAfterDueDate":1450.0,"identifier":" FS-1","dueDate":"31-08-2025",
        "period":null,"identifierDescription":null,"psid":"100139000000000000000001","status":"APPROVED",
        "createdAt":"10:22AM 10-Jan-2025","updatedAt":"10:22AM 10-Jan-2025"}]}}"#,
    );
    check(
        &hub.get("/bulk-payment-request?contentType=JSON").send().await,
        r#"{"pageNo":0,"pageSize":100,"totalElements":1,"totalPages":1,"isFirst":true,"isLast":true,
        "content":[{"id":1,"createdAt":"10:22AM 10-Jan-2025","updatedAt":"10:22AM 10-Jan-2025","fileName":null,
        "contentType":"JSON","vouchersCount":1,"status":"PROCESSED","message":null}]}"#,
    );
}

#[tokio::test]
async fn a_login() {
    let hub = Hub::start().await;
    let answer = hub.login("demo", r#"{"password":"demo"}"#).send().await;
    let token = answer.text_at("/token").to_owned();
    check(
        &answer,
        &format!(
            r#"{{"token":"{token}","user":{{"firstName":"demo","lastName":""}},"channel":{{"id":23,"name":"Evamp & Saanga"}}}}"#
        ),
    );
}

#[tokio::test]
async fn an_error() {
    let hub = Hub::start().await;
    let answer = hub.get("/payment/7").send().await;
    assert_eq!(
        answer.text,
        r#"{"responseCode":404,"responseMessage":"Payment with the provided PSID not found","data":null}"#
    );
}
