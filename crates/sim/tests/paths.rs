//! Where the hub is: both spellings of the base, and nothing else.

use http::Method;

use crate::hub::{BILL, Hub};

/// The bases that a client may be given or make.
const BASES: [&str; 4] =
    ["/integration", "/integration/integration", "/payment-hub/integration", "/payment-hub/integration/integration"];

async fn check(hub: &Hub, method: &Method, path: &str, body: &'static str, expected: &str) {
    let answer = hub.ask(method.clone(), path, body).signed().send().await;
    assert_eq!(answer.said(), expected, "{method} {path}");
}

#[tokio::test]
async fn every_operation_is_under_every_base() {
    let hub = Hub::start().await;
    const GOOD: &str = "200 Request processed successfully";
    const ROW: &str =
        r#"{"payments":[{"title":"a","identifier":"b","amount":"1","dueDate":"2025-01-31","amountAfterDueDate":"1"}]}"#;
    for base in BASES {
        let post = async |path: &str, body| check(&hub, &Method::POST, &format!("{base}{path}"), body, GOOD).await;
        post("/login", r#"{"password":"demo"}"#).await;
        post("/add?generationTypes=PSID", BILL).await;
        post("/add-bulk?contentType=JSON", ROW).await;
        let get = async |path: &str| check(&hub, &Method::GET, &format!("{base}{path}"), "", GOOD).await;
        get("/bulk-payment-request?contentType=JSON").await;
        get("/bulk-payment-request?contentType=CSV").await;
        get("/bulk-payment-request/1").await;
        get("/payment").await;
        get("/payment/1").await;
        get("/search/100139000000000000000001").await;
    }
}

/// Before anything else is looked at: without a token too.
#[tokio::test]
async fn unknown_paths() {
    let hub = Hub::start().await;
    for path in [
        "/",
        "/add",
        "/login",
        "/payment-hub/add",
        "/payment-hubs/integration/add",
        "/integration",
        "/integration/",
        "/integration/integration",
        "/integration/integration/integration/add",
        "//integration/add",
        "/integration//add",
        "/integration/add/",
        "/integration/Add",
        "/integration/addbulk",
        "/integration/bulkpayment-request/1",
        "/integration/bulk-paymentrequest/1",
        "/integration/search",
        "/integration/search/",
        "/integration/payment/",
        "/integration/payment/1/2",
        "/_sim",
        "/_sim/elsewhere",
    ] {
        for method in [Method::GET, Method::POST] {
            let expected = "404 The requested resource does not exist";
            check(&hub, &method, path, "{}", expected).await;
            assert_eq!(hub.ask(method, path, "{}").send().await.said(), expected, "{path} without a token");
        }
    }
}

#[tokio::test]
async fn wrong_methods() {
    let hub = Hub::start().await;
    let read_only = ["/bulk-payment-request", "/bulk-payment-request/1", "/payment", "/payment/1", "/search/1"];
    let write_only = ["/login", "/add", "/add-bulk"];
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        for path in read_only {
            check(&hub, &method, &format!("/integration{path}"), "", "405 Method not allowed").await;
        }
    }
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        for path in write_only {
            check(&hub, &method, &format!("/integration{path}"), "", "405 Method not allowed").await;
        }
    }
}

#[tokio::test]
async fn the_simulators_own_pages() {
    let hub = Hub::start().await;
    let health = hub.ask(Method::GET, "/_sim/health", "").raw().await;
    assert_eq!((health.status().as_u16(), &health.body()[..]), (200, &br#"{"status":"ok"}"#[..]));
    for (body, expected) in [
        ("", r#"400 {"error":"expected {\"psid\":\"…\",\"amount\":\"…\",\"reference\":\"…\"}"}"#),
        (
            r#"{"psid":"1","amount":"0","reference":"R"}"#,
            r#"400 {"error":"PSID is malformed (1 character: digits); allowed: exactly 24 digits; amount is out of range (1 character: digits); allowed: 1 to 15 digits, then at most a point and 1 or 2 digits, and more than zero"}"#,
        ),
        (
            r#"{"psid":"100139000000000000000001","amount":"50","reference":"R"}"#,
            r#"404 {"error":"no payment has this PSID"}"#,
        ),
        (
            r#"{"psid":"100139000000000000000001","amount":"50","reference":" "}"#,
            r#"400 {"error":"a bank reference has 1 to 64 characters, none of them a control character"}"#,
        ),
    ] {
        let answer = hub.ask(Method::POST, "/_sim/pay", body).raw().await;
        let said = format!("{} {}", answer.status().as_u16(), std::str::from_utf8(answer.body()).unwrap());
        assert_eq!(said, expected);
    }
}
