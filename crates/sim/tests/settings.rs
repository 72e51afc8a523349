//! The leniencies, and what can't be set.

use asaanbill_sim::{Role, Settings, Sim, SimBuilder, User, check_callback_url};

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

/// What a simulator that can't be started says of a setting.
async fn refused(settings: SimBuilder) -> String {
    let refused = settings.build().await.unwrap_err();
    assert!(refused.is_setting(), "{refused}");
    refused.to_string()
}

#[tokio::test]
async fn a_call_back_address_elsewhere_is_refused() {
    let check = async |targets: &str, url: &'static str, expected: &str| {
        let mut settings = Settings::default();
        settings.set("callback_targets", targets).unwrap();
        let url = url.parse().unwrap();
        let checked = check_callback_url(&url, &settings).unwrap_err();
        assert_eq!(refused(Sim::builder().settings(settings).callback_url(url)).await, expected);
        assert_eq!(checked.to_string(), expected, "and before");
    };
    let elsewhere =
        "the call-back address: allowed: this machine (127.0.0.0/8, ::1, localhost), and what callback_targets names";
    for url in ["http://example.com/", "http://10.0.0.1:80/hooks", "https://[2001:db8::1]/"] {
        check("loopback", url, elsewhere).await;
    }
    check("10.0.0.0/8", "http://11.0.0.1/", elsewhere).await;
    let wrong =
        |what: &str| format!("the call-back address can't be used: {what} (allowed: http or https, host, port, path)");
    let user = "it holds a user or a password";
    check("loopback", "http://a:b@127.0.0.1/", &wrong(user)).await;
    check("0.0.0.0/0", "http://a:b@127.0.0.1/", &wrong(user)).await;
    check("loopback", "http://127.0.0.1/?a=b", &wrong("it has a query")).await;
    check("loopback", "ftp://a@127.0.0.1/", &wrong(&format!("its scheme is neither http nor https; {user}"))).await;
}

/// The file is read at the start, and what is wrong with it is said then.
#[tokio::test]
async fn a_file_of_authorities_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    let check = async |expected: &str| {
        let mut settings = Settings::default();
        settings.set("callback_authority", file.to_str().unwrap()).unwrap();
        let said = refused(Sim::builder().settings(settings)).await;
        assert!(said.starts_with(&format!("callback_authority: {expected}")), "{said}");
    };
    check("the file can't be read: ").await;
    std::fs::write(&file, "no certificate").unwrap();
    check("the file holds no certificate in PEM form").await;
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    check("certificate 1 of the file can't be read as an authority's").await;
}

#[tokio::test]
async fn a_store_that_cannot_be_opened() {
    let nowhere = asaanbill_storage::Location::File("/nowhere/at/all/hub.db".into());
    let refused = SimBuilder::default().store(nowhere).build().await.unwrap_err();
    assert_eq!(
        (refused.is_setting(), refused.to_string().as_str()),
        (false, "the store can't be opened; the cause says what to do")
    );
}
