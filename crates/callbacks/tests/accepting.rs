//! What is acknowledged, and what is refused.

use asaanbill_callbacks::{CALLBACK_BODY_MAX, ReceiptState};
use asaanbill_transport::{ServiceTransport, Transport as _};
use axum::Router;

use crate::world::{ACKNOWLEDGED, World, bulk_approved, post, processed, psid, request};

/// What the answer is, as `status body`; and whether a call-back was stored.
async fn check(method: &str, path: &str, body: impl AsRef<[u8]>, expected: u16) {
    let world = World::in_memory().await;
    let mut request = request(method, path, "");
    *request.body_mut() = body.as_ref().to_vec().into();
    let answer = world.send(request).await;
    let case = format!("{method} {path} {:?}", String::from_utf8_lossy(body.as_ref()));
    assert_eq!(answer.status(), expected, "{case}");
    assert_eq!(answer.headers()["content-type"], "application/json", "{case}");
    let stored = world.receiver.receipts().await.unwrap().len();
    let answer = std::str::from_utf8(answer.body()).unwrap();
    if expected == 200 {
        assert_eq!((answer, stored), (ACKNOWLEDGED, 1), "{case}");
    } else {
        // In the envelope: never the integer 200, which would acknowledge.
        let envelope = format!(r#"{{"responseCode":{expected},"responseMessage":""#);
        assert!(answer.starts_with(&envelope) && answer.ends_with(r#","data":null}"#), "{case}: {answer}");
        assert_eq!(stored, 0, "{case}");
    }
}

async fn check_processed(body: impl AsRef<[u8]>, expected: u16) {
    check("POST", "/processed", body, expected).await;
}

async fn check_bulk(body: &str, expected: u16) {
    check("POST", "/bulk-payment-request-approved", body, expected).await;
}

#[tokio::test(start_paused = true)]
async fn the_guides_samples_are_acknowledged() {
    let sample = r#"{
      "title": "Sheikh Amaan Asghar",
      "identifier": "amaanx5a",
      "dueDate": "2025-06-13",
      "amount": "5000",
      "amountAfterDueDate": "5500",
      "psid": "100139100100144754584584"
    }"#;
    check_processed(sample, 200).await;
    check_bulk("{\n  \"bulkPaymentRequestId\": 29\n}", 200).await;
}

#[tokio::test(start_paused = true)]
async fn paths_and_methods() {
    let paid = processed(&psid('A'), "50", None);
    check("POST", "/processed?from=hub", &paid, 200).await;
    for path in ["/", "/processed/", "/Processed", "//processed", "/processed/x", "/bulk", "/hooks/processed"] {
        check("POST", path, &paid, 404).await;
        check("GET", path, "", 404).await;
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        check(method, "/processed", &paid, 405).await;
        check(method, "/bulk-payment-request-approved", "", 405).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_method_is_told_which_one_is_allowed() {
    let world = World::in_memory().await;
    assert_eq!(world.send(request("GET", "/processed", "")).await.headers()["allow"], "POST");
}

#[tokio::test(start_paused = true)]
async fn odd_but_readable_bodies_are_acknowledged() {
    for body in [
        r#"{"psid":"100139100100144754584584"}"#,
        r#"{"psid":100139100100144754584584}"#,
        r#"{"psid":"a"}"#,
        r#"{"psid":""}"#,
        r#"{"psid":false}"#,
        r#"{"psid":["100139100100144754584584"]}"#,
        r#"{"psid":"1","amount":50.0,"amountAfterDueDate":1.0E7,"dueDate":null,"title":{},"identifier":7}"#,
        r#"{"psid":"1","amount":"fifty","dueDate":"31-Jun-2025"}"#,
        r#"{"psid":"1","event":"PAID","more":[{"nested":[1,2,3]}]}"#,
        "\t{\"psid\":\"1\"}\r\n",
        r#"{"psid":"1","title":"\ud800"}"#,
        r#"{"psid":"1","title":"بریرہ شیخ"}"#,
    ] {
        check_processed(body, 200).await;
    }
    for body in [r#"{"bulkPaymentRequestId":"29"}"#, r#"{"bulkPaymentRequestId":29.0,"status":"X"}"#] {
        check_bulk(body, 200).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_names_nothing_is_refused() {
    for body in [
        "",
        " ",
        "null",
        "200",
        "\"100139100100144754584584\"",
        "{}",
        "[]",
        r#"{"psid":null}"#,
        r#"{"PSID":"1"}"#,
        r#"{"identifier":"FS-BSCS-095","amount":"50"}"#,
        r#"[{"psid":"1"}]"#,
        r#"["t","i","2025-06-13","50","55","1"]"#,
        r#"{"psid":"1""#,
        r#"{"psid":"1"} {"psid":"2"}"#,
        r#"{"psid":"1","psid":"2"}"#,
        r"{psid:1}",
        "psid=1",
        "<psid>1</psid>",
        r#"{"bulkPaymentRequestId":29}"#,
    ] {
        check_processed(body, 400).await;
    }
    for body in ["", "29", "[29]", "{}", r#"{"bulkPaymentRequestId":null}"#, r#"{"psid":"1"}"#] {
        check_bulk(body, 400).await;
    }
    check_processed(b"{\"psid\":\"1\",\"title\":\"\xff\"}", 400).await;
    check_processed(b"\x1f\x8b\x08", 400).await;
    check_processed("[".repeat(10_000), 400).await;
    check_processed(format!(r#"{{"psid":{}1"#, "[".repeat(10_000)), 400).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_has_a_limit() {
    let of = |length: usize| format!(r#"{{"psid":"{}"}}"#, "1".repeat(length - 11));
    assert_eq!(of(20).len(), 20);
    check_processed(of(CALLBACK_BODY_MAX), 200).await;
    check_processed(of(CALLBACK_BODY_MAX + 1), 413).await;
    check_processed("x".repeat(CALLBACK_BODY_MAX + 1), 413).await;
    check_processed(of(1_000_000), 413).await;
    // Only what would be read is measured.
    check("POST", "/other", of(1_000_000), 404).await;
}

/// Nobody learns from the answer which PSIDs there are.
#[tokio::test(start_paused = true)]
async fn known_and_unknown_are_answered_alike() {
    let world = World::in_memory().await;
    let (paid, unpaid) = (world.hub.bill(&psid('A'), "50", "55"), world.hub.bill(&psid('B'), "50", "55"));
    world.hub.pay(paid);
    world.hub.batch(29, &[(&psid('B'), "APPROVED")]);
    assert_ne!(paid, unpaid);
    let mut answers = Vec::new();
    for body in ['A', 'B', 'C'].map(|letter| processed(&psid(letter), "50", Some("55"))) {
        answers.push(world.send(post("/processed", &body)).await);
    }
    for body in [29, 30].map(bulk_approved) {
        answers.push(world.send(post("/bulk-payment-request-approved", &body)).await);
    }
    for answer in &answers {
        assert_eq!((answer.status(), answer.headers()), (answers[0].status(), answers[0].headers()));
        assert_eq!((answer.body(), answer.body().as_ref()), (answers[0].body(), ACKNOWLEDGED.as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn it_can_be_part_of_another_server() {
    let mut world = World::in_memory().await;
    let server = Router::new().nest("/hooks/asaanbill", world.receiver.router());
    let body = processed(&psid('A'), "50", None);
    let answer = ServiceTransport::new(server).send(post("/hooks/asaanbill/processed", &body)).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (200, ACKNOWLEDGED.as_bytes()));
    world.settle().await;
    assert_eq!(world.states().await, [ReceiptState::Received]);
}

/// A store that fails, and is well again.
#[tokio::test(start_paused = true)]
async fn what_is_not_stored_is_not_acknowledged() {
    let mut world = World::on_disk().await;
    let bill = world.hub.bill(&psid('A'), "50", "55");
    world.hub.pay(bill);
    let full = "CREATE TRIGGER full BEFORE INSERT ON receipts BEGIN SELECT RAISE(FAIL, 'no room'); END";
    world.file().execute_batch(full).unwrap();

    let answer = world.send(post("/processed", &processed(&psid('A'), "50", Some("55")))).await;
    assert_eq!(answer.status(), 503);
    let envelope = r#"{"responseCode":503,"responseMessage":"Not stored; send it again","data":null}"#;
    assert_eq!(answer.body(), envelope);
    assert_eq!(world.states().await, []);

    world.file().execute_batch("DROP TRIGGER full").unwrap();
    world.post_processed(&psid('A'), "50", Some("55")).await;
    world.settle().await;
    assert_eq!(world.states().await, [ReceiptState::Confirmed]);
}
