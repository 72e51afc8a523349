//! The leniencies, and what can't be set.

use asaanbill_sim::{Role, Sim, SimBuilder, User};

use crate::hub::{BILL, Hub};

const GOOD: &str = "200 Request processed successfully";
const INVALID: &str = "400 Invalid request body";

#[tokio::test]
async fn literals_for_strings() {
    let strict = Hub::start().await;
    let lenient = Hub::with(Sim::builder().accept_literals(true)).await;
    let check = async |body: &str, expected: &str| {
        assert_eq!(strict.add("PSID", body).await.said(), INVALID, "{body}");
        assert_eq!(lenient.add("PSID", body).await.said(), expected, "{body}");
    };
    check(&BILL.replace("\"50\"", "50"), GOOD).await;
    check(&BILL.replace("\"50\"", "1400.50"), GOOD).await;
    check(&BILL.replace("\"FS-BSCS-095\"", "95"), GOOD).await;
    check(&BILL.replace("\"FS-BSCS-095\"", "true"), GOOD).await;
    check(&BILL.replace("\"50\"", "1e3"), "400 Invalid amount").await;
    check(&BILL.replace("\"50\"", "-5"), "400 Invalid amount").await;
    check(&BILL.replace("\"50\"", "[50]"), INVALID).await;
    check(&BILL.replace("\"50\"", r#"{"rupees":50}"#), INVALID).await;
    let kept = lenient.get("/payment?pageSize=1&pageNo=2").send().await;
    assert_eq!(kept.column("amount"), ["1400.50"], "the number's own digits");

    let row = r#"{"title":"a","identifier":7,"amount":5.50,"dueDate":"2025-01-31","amountAfterDueDate":"6"}"#;
    let bulk = format!(r#"{{"payments":[{row}]}}"#);
    assert_eq!(strict.add_bulk(bulk.clone()).await.said(), INVALID);
    let echoed = lenient.add_bulk(bulk).await;
    assert!(echoed.text.contains(row.trim_end_matches('}')), "echoed as it came: {}", echoed.text);
}

#[tokio::test]
async fn a_missing_kind() {
    let lenient = Hub::with(Sim::builder().missing_kind_is_psid(true)).await;
    let check = async |path: &str, expected: &str| {
        assert_eq!(lenient.post(path, BILL).send().await.said(), expected, "{path}");
    };
    check("/add", GOOD).await;
    check("/add?", GOOD).await;
    check("/add?more=1", GOOD).await;
    check("/add?generationTypes=", "400 Invalid generationTypes").await;
    check("/add?generationTypes=psid", "400 Invalid generationTypes").await;
    check("/add?generationTypes=PSID&generationTypes=PSID", "400 Invalid generationTypes").await;
    // It is PSID indeed: a bill's five fields.
    let open = lenient.post("/add", r#"{"payment":{"title":"Ali Tuck Shop"}}"#).send().await;
    assert!(open.said().starts_with("400 identifier cannot be empty or null, amount"), "{}", open.said());
}

#[tokio::test]
async fn an_empty_search() {
    let lenient = Hub::with(Sim::builder().empty_search_is_not_found(true)).await;
    lenient.add("PSID", BILL).await;
    let check = async |path: &str, expected: &str| {
        assert_eq!(lenient.get(path).send().await.said(), expected, "{path}");
    };
    check("/search/100139000000000000000001", GOOD).await;
    check("/search/100139000000000000000001?pageNo=5", GOOD).await;
    check("/search/100139000000000000000002", "404 Payment with the provided PSID not found").await;
    check("/search/x", "404 Payment with the provided PSID not found").await;
    check("/search/x?pageNo=x", "400 Invalid pageNo").await;
}

/// Users of one's own replace the default ones.
#[tokio::test]
async fn users() {
    let user = |name: &str, password: &str, role| User::new(name, password, 23_u64.try_into().unwrap(), role);
    let settings = Sim::builder().user(user("demo", "demo", Role::Viewer)).user(user("clerk", "c1erk", Role::Full));
    let hub = Hub::with(settings).await;
    assert_eq!(hub.add("PSID", BILL).await.said(), "403 Insufficient permissions");
    assert_eq!(hub.log_in("clerk", "c1erk").await.add("PSID", BILL).await.said(), GOOD);
    let absent = hub.login("viewer", r#"{"password":"viewer"}"#).send().await;
    assert_eq!(absent.said(), "404 User not found or incorrect password");
}

#[tokio::test]
async fn a_call_back_address_elsewhere_is_refused() {
    let check = async |url: &'static str| {
        let refused = Sim::builder().callback_url(url.parse().unwrap()).build().await.unwrap_err();
        assert!(refused.is_setting(), "{url}");
        refused.to_string()
    };
    let expected = "the call-back address: allowed: http on 127.0.0.0/8, ::1 or localhost, no user, no query";
    for url in ["http://example.com/", "https://127.0.0.1/", "http://10.0.0.1:80/hooks", "http://a:b@127.0.0.1/"] {
        assert_eq!(check(url).await, expected);
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_opened() {
    let nowhere = asaanbill_storage::Location::File("/nowhere/at/all/hub.db".into());
    let refused = SimBuilder::default().store(nowhere).build().await.unwrap_err();
    assert_eq!((refused.is_setting(), refused.to_string().as_str()), (false, "the store can't be opened"));
}
