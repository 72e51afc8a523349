//! The order of checks: token, other headers, role, query, body; and what each says.

use asaanbill_sim::{REQUEST_BODY_MAX, Role, Sim, User};

use crate::hub::{Ask, BILL, Hub, TOKEN};

async fn check(ask: Ask<'_>, expected: &str) {
    assert_eq!(ask.send().await.said(), expected);
}

const NO_TOKEN: &str = "401 No valid authentication token provided";
const FORBIDDEN: &str = "403 Insufficient permissions";
const GOOD: &str = "200 Request processed successfully";

/// The request is wrong in every way, and is mended one way after another.
#[tokio::test]
async fn the_first_thing_that_is_wrong_is_told() {
    let hub = Hub::start().await;
    let viewer = hub.log_in("viewer", "viewer").await;
    for (path, good_query, bad_query, good_body) in [
        ("/add", "generationTypes=PSID", "400 Invalid generationTypes", BILL),
        (
            "/add-bulk",
            "contentType=JSON",
            "400 Invalid contentType",
            r#"{"payments":[{"title":"a","identifier":"b","amount":"1","dueDate":"2025-01-31","amountAfterDueDate":"1"}]}"#,
        ),
    ] {
        let ask = |query: &str| viewer.post(&format!("{path}?{query}"), "no JSON");
        let ask_wrong = || ask("x=y").with("content-type", "text/plain").without("username").without("channel-id");
        check(ask_wrong().without(TOKEN), NO_TOKEN).await;
        check(ask_wrong().with(TOKEN, "unknown"), NO_TOKEN).await;
        check(ask_wrong(), "400 Missing header: username").await;
        check(ask_wrong().with("username", "demo"), NO_TOKEN).await;
        check(ask_wrong().with("username", "viewer"), "400 Missing header: channel-id").await;
        check(ask("x=y").with("channel-id", "x"), "400 Invalid channel-id").await;
        check(ask("x=y").with("channel-id", "24"), FORBIDDEN).await;
        check(ask("x=y"), FORBIDDEN).await;
        let ask = |query: &str, body: &'static str| hub.post(&format!("{path}?{query}"), body);
        check(ask("x=y", "no JSON").with("channel-id", "24"), FORBIDDEN).await;
        check(ask("x=y", "no JSON").with("content-type", "text/plain"), bad_query).await;
        check(ask(good_query, "no JSON").with("content-type", "text/plain"), "400 Invalid request body").await;
        check(ask(good_query, "no JSON"), "400 Invalid request body").await;
        check(ask(good_query, good_body), GOOD).await;
    }
}

#[tokio::test]
async fn every_operation_but_login_needs_the_three_headers() {
    let hub = Hub::start().await;
    let viewer = hub.log_in("viewer", "viewer").await;
    let operations = [
        ("POST", "/add?generationTypes=PSID"),
        ("POST", "/add-bulk?contentType=JSON"),
        ("GET", "/bulk-payment-request?contentType=JSON"),
        ("GET", "/bulk-payment-request/1"),
        ("GET", "/payment"),
        ("GET", "/payment/1"),
        ("GET", "/search/100139000000000000000001"),
    ];
    for (method, path) in operations {
        let ask = || if method == "POST" { hub.post(path, BILL) } else { hub.get(path) };
        check(ask().without(TOKEN), NO_TOKEN).await;
        check(ask().with(TOKEN, ""), NO_TOKEN).await;
        check(ask().with(TOKEN, &hub.token.to_lowercase()), NO_TOKEN).await;
        check(ask().with(TOKEN, &viewer.token), NO_TOKEN).await;
        check(ask().with("username", "Demo"), NO_TOKEN).await;
        check(ask().with("username", "viewer"), NO_TOKEN).await;
        check(ask().without("username"), "400 Missing header: username").await;
        check(ask().with("username", ""), "400 Missing header: username").await;
        check(ask().without("channel-id"), "400 Missing header: channel-id").await;
        check(ask().with("channel-id", ""), "400 Missing header: channel-id").await;
        for no_integer in ["x", "23.0", "2 3", "0x17", "+23", "99999999999999999999"] {
            check(ask().with("channel-id", no_integer), "400 Invalid channel-id").await;
        }
        check(ask().with("channel-id", "24"), FORBIDDEN).await;
    }
}

#[tokio::test]
async fn a_viewer_reads_and_does_not_add() {
    let hub = Hub::start().await;
    hub.add("PSID", BILL).await;
    let bulk =
        r#"{"payments":[{"title":"a","identifier":"b","amount":"1","dueDate":"2025-01-31","amountAfterDueDate":"1"}]}"#;
    hub.add_bulk(bulk).await;
    hub.settled().await;
    let before = hub.everything().await;
    let viewer = hub.log_in("viewer", "viewer").await;
    for path in [
        "/bulk-payment-request?contentType=JSON",
        "/bulk-payment-request/1",
        "/payment",
        "/payment/1",
        "/search/100139000000000000000001",
    ] {
        check(viewer.get(path), GOOD).await;
    }
    check(viewer.post("/add?generationTypes=PSID", BILL), FORBIDDEN).await;
    check(viewer.post("/add-bulk?contentType=JSON", bulk), FORBIDDEN).await;
    assert_eq!(hub.everything().await, before);
}

/// To add is one permission, and to read is another: neither holds the other.
#[tokio::test]
async fn an_adder_adds_and_does_not_read() {
    let user = |name: &str, role| User::new(name, name, 23_u64.try_into().unwrap(), role);
    let users = Sim::builder().user(user("demo", Role::Full)).user(user("till", Role::Adder));
    let hub = Hub::with(users).await;
    let till = hub.log_in("till", "till").await;
    let bulk =
        r#"{"payments":[{"title":"a","identifier":"b","amount":"1","dueDate":"2025-01-31","amountAfterDueDate":"1"}]}"#;
    check(till.post("/add?generationTypes=PSID", BILL), GOOD).await;
    check(till.post("/add-bulk?contentType=JSON", bulk), GOOD).await;
    hub.settled().await;
    for path in [
        "/bulk-payment-request?contentType=JSON",
        "/bulk-payment-request/1",
        "/payment",
        "/payment/1",
        "/search/100139000000000000000001",
    ] {
        check(till.get(path), FORBIDDEN).await;
        check(hub.get(path), GOOD).await;
    }
    // Whether a record is there is nothing to be learnt either.
    check(till.get("/payment/999"), FORBIDDEN).await;
    check(till.post("/add?generationTypes=PSID", BILL).with("channel-id", "24"), FORBIDDEN).await;
}

/// Another channel's records aren't there, whatever is asked for, and its PSIDs are its own.
#[tokio::test]
async fn channels_do_not_see_each_other() {
    let user = |name: &str, channel: u64| User::new(name, name, channel.try_into().unwrap(), Role::Full);
    let hub = Hub::with(Sim::builder().user(user("demo", 23)).user(user("other", 24))).await;
    hub.add("PSID", BILL).await;
    hub.add_bulk(
        r#"{"payments":[{"title":"a","identifier":"b","amount":"1","dueDate":"2025-01-31","amountAfterDueDate":"1"}]}"#,
    )
    .await;
    hub.settled().await;
    let before = hub.everything().await;
    let other = hub.log_in("other", "other").await;
    let ask = |path: &str| other.get(path).with("channel-id", "24");
    check(other.get("/payment"), FORBIDDEN).await;
    check(ask("/payment/1"), "404 Payment with the provided PSID not found").await;
    check(ask("/bulk-payment-request/1"), "404 Record against provided bulkPaymentRequestId NOT found").await;
    for list in ["/payment", "/search/100139000000000000000001", "/bulk-payment-request?contentType=JSON"] {
        assert_eq!(ask(list).send().await.data()["totalElements"], 0, "{list}");
    }
    let added = other.post("/add?generationTypes=PSID", BILL).with("channel-id", "24").send().await;
    assert_eq!(
        added.text_at("/psid"),
        "100139000000000000000003",
        "the same identifier, another channel, another PSID"
    );
    assert_eq!(hub.everything().await, before);
}

#[tokio::test]
async fn login() {
    const WRONG: &str = "404 User not found or incorrect password";
    const BODY: &str = "400 Invalid request body";
    let hub = Hub::start().await;
    let password = r#"{"password":"demo"}"#;
    check(hub.login("demo", password), GOOD).await;
    check(hub.login("demo", r#" {"password":"demo","more":[1]} "#), GOOD).await;
    check(hub.login("demo", r#"{"password":"Demo"}"#), WRONG).await;
    check(hub.login("demo", r#"{"password":""}"#), WRONG).await;
    check(hub.login("demo", r#"{"password":"viewer"}"#), WRONG).await;
    check(hub.login("nobody", password), WRONG).await;
    check(hub.login("Demo", password), WRONG).await;
    check(hub.login("demo", password).without("username"), "400 Missing header: username").await;
    check(hub.login("", password), "400 Missing header: username").await;
    check(hub.login("demo", "no JSON").without("username"), "400 Missing header: username").await;
    check(hub.login("demo", password).with("content-type", "text/plain"), BODY).await;
    check(hub.login("demo", password).without("content-type"), BODY).await;
    for body in
        ["", "demo", "{}", r#"{"password":null}"#, r#"{"password":1}"#, r#"["demo"]"#, r#"{"password":"demo"}}"#]
    {
        check(hub.login("demo", body), BODY).await;
    }
}

/// A login is no logout: both tokens are good for ever.
#[tokio::test]
async fn each_login_has_its_own_token() {
    let hub = Hub::start().await;
    let again = hub.log_in("demo", "demo").await;
    assert_ne!(hub.token, again.token);
    assert_eq!(hub.token.len(), 344, "as long as the guide's");
    check(hub.get("/payment"), GOOD).await;
    check(again.get("/payment"), GOOD).await;
}

#[tokio::test]
async fn the_largest_body() {
    let hub = Hub::start().await;
    let padded = |length: usize| BILL.to_owned() + &" ".repeat(length - BILL.len());
    check(hub.post("/add?generationTypes=PSID", padded(REQUEST_BODY_MAX)), GOOD).await;
    let before = hub.everything().await;
    let large = || hub.post("/add?generationTypes=PSID", padded(REQUEST_BODY_MAX + 1));
    check(large(), "413 Request body too large").await;
    check(large().without(TOKEN), NO_TOKEN).await;
    check(hub.login("demo", &padded(REQUEST_BODY_MAX + 1)), "413 Request body too large").await;
    assert_eq!(hub.everything().await, before);
}
