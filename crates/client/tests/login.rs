//! When a client logs in, and what it does with what it gets.

use asaanbill_client::transport::{ErrorKind as Failure, TransportError};
use asaanbill_client::{BuildError, Client, ErrorKind, PageRequest};

use crate::hub::{LOGIN, bill, client, ok, refusal};

const EMPTY: &str = r#"{"responseCode":200,"data":{"content":[]}}"#;
const LOGIN_2: &str = r#"{"responseCode":200,"data":{"token":"bmV4dA==","channel":{"id":"23"}}}"#;

#[tokio::test]
async fn once_and_lazily() {
    let (hub, asked) = client([ok(LOGIN), ok(EMPTY), ok(EMPTY)]);
    assert!(asked.lines().is_empty(), "building asks nothing");
    let other = hub.clone();
    hub.payments(PageRequest::default()).await.unwrap();
    other.payments(PageRequest::default()).await.unwrap();
    let list = "GET /integration/payment?pageNo=0&pageSize=100";
    assert_eq!(asked.lines(), ["POST /integration/login", list, list]);
    assert_eq!((asked.header(0, "username"), asked.body(0)), ("demo".into(), r#"{"password":"s3cret"}"#.into()));
    let headers = ["x-auth-ph-key", "channel-id", "username", "content-type"].map(|name| asked.header(1, name));
    assert_eq!(headers, ["dG9rZW4=", "23", "demo", "application/json"]);
}

#[tokio::test]
async fn explicitly() {
    let (hub, asked) = client([ok(LOGIN), ok(EMPTY)]);
    assert_eq!(hub.log_in().await.unwrap().get(), 23);
    assert_eq!(hub.log_in().await.unwrap().get(), 23);
    hub.payments(PageRequest::default()).await.unwrap();
    assert_eq!(asked.lines().len(), 2);
}

#[tokio::test]
async fn many_at_once_share_one_login() {
    let (hub, asked) = client([ok(LOGIN)].into_iter().chain((0..10).map(|_| ok(EMPTY))));
    let asks: Vec<_> = (0..10)
        .map(|_| {
            let hub = hub.clone();
            tokio::spawn(async move { hub.payments(PageRequest::default()).await.map(drop) })
        })
        .collect();
    for ask in asks {
        ask.await.unwrap().unwrap();
    }
    assert_eq!(asked.lines().iter().filter(|line| line.ends_with("/login")).count(), 1);
}

/// A 401 in the hub's envelope means that it has done nothing, so even a payment is sent again, once.
#[tokio::test]
async fn a_forgotten_token_is_renewed_once() {
    let forgotten = || refusal(401, "No valid authentication token provided");
    let added = r#"{"responseCode":200,"data":{"psid":"100139100100154854584585"}}"#;
    let (hub, asked) = client([ok(LOGIN), forgotten(), ok(LOGIN_2), ok(added)]);
    hub.add(&bill()).await.unwrap();
    assert_eq!(
        (asked.header(1, "x-auth-ph-key"), asked.header(3, "x-auth-ph-key")),
        ("dG9rZW4=".into(), "bmV4dA==".into())
    );

    let (hub, asked) = client([ok(LOGIN), forgotten(), ok(LOGIN_2), forgotten()]);
    assert_eq!(hub.add(&bill()).await.unwrap_err().kind(), ErrorKind::Credentials);
    assert_eq!(asked.lines().len(), 4);
}

#[tokio::test]
async fn a_failed_login_adds_nothing() {
    let (hub, asked) = client([refusal(404, "User not found or incorrect password"), ok(LOGIN), ok(EMPTY)]);
    let error = hub.add(&bill()).await.unwrap_err();
    assert_eq!((error.kind(), error.intent().is_none()), (ErrorKind::Credentials, true));
    assert_eq!(
        error.to_string(),
        "the hub says: User not found or incorrect password; check the user's name and password (HTTP 404)"
    );
    assert_eq!(asked.lines(), ["POST /integration/login"]);
    hub.payments(PageRequest::default()).await.unwrap();

    // Nobody knows whether the login was done, but the payment wasn't even sent.
    let (hub, _) = client([Err(TransportError::unknown(Failure::Timeout))]);
    let error = hub.add(&bill()).await.unwrap_err();
    assert_eq!((error.kind(), error.intent().is_none()), (ErrorKind::NoAnswer, true));
}

#[tokio::test]
async fn hostile_logins() {
    let check = async |data: &str| {
        let (hub, _) = client([ok(&format!(r#"{{"responseCode":200,"data":{data}}}"#))]);
        assert_eq!(hub.add(&bill()).await.unwrap_err().kind(), ErrorKind::Unreadable, "{data}");
    };
    check(r#"{"token":"a\r\nx-evil: 1","channel":{"id":23}}"#).await;
    check(r#"{"token":"a b","channel":{"id":23}}"#).await;
    check(r#"{"token":"","channel":{"id":23}}"#).await;
    check(r#"{"token":"é","channel":{"id":23}}"#).await;
    check(r#"{"channel":{"id":23}}"#).await;
    check(r#"{"token":"a"}"#).await;
    check(r#"{"token":"a","channel":{"id":0}}"#).await;
    check(r#"{"token":"a","channel":{"id":"x"}}"#).await;
}

#[test]
fn what_cannot_be_built() {
    let build = |user: &str, url: &str| Client::builder().credentials(user, "s3cret").base_url(url).build().map(drop);
    assert!(matches!(Client::builder().build(), Err(BuildError::Credentials)));
    assert!(matches!(build("a\nb", "https://hub.example"), Err(BuildError::Credentials)));
    assert!(matches!(build("", "https://hub.example"), Err(BuildError::Credentials)));
    assert!(matches!(build("demo", "http://hub.example"), Err(BuildError::Base(_))));
    assert!(build("demo", "https://hub.example").is_ok());
    let shown = format!("{:?}", Client::builder().credentials("demo", "s3cret").build().unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}
