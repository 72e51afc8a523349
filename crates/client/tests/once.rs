//! A key bills once.

use std::time::Duration;

use asaanbill_client::transport::{ErrorKind as Failure, TransportError};
use asaanbill_client::{ClientBuilder, ErrorKind, Payment, Resolution, ResolvePolicy, RetryPolicy};

use crate::hub::{Answer, LOGIN, bill, client_with, ok, refusal};

const ADDED: &str = r#"{"responseCode":200,"data":{"id":25,"psid":"100139100100154854584585","status":"APPROVED"}}"#;
const PAID: &str = r#"{"responseCode":200,"data":{"id":25,"psid":"100139100100154854584585","status":"PROCESSED"}}"#;
const NONE: &str = r#"{"responseCode":200,"data":{"content":[],"isLast":true}}"#;

fn quick(builder: ClientBuilder) -> ClientBuilder {
    let second = Duration::from_secs(1);
    let looks = ResolvePolicy::default().quiescence(second).looks(second, second);
    builder.retry(RetryPolicy::never().total(second)).resolve_policy(looks)
}

fn lost() -> Answer {
    Err(TransportError::unknown(Failure::Closed))
}

fn listed(fields: &str) -> Answer {
    let payment = format!(r#"{{"id":25,"psid":"100139100100154854584585","status":"APPROVED",{fields}}}"#);
    ok(&format!(r#"{{"responseCode":200,"data":{{"content":[{payment}],"isLast":true}}}}"#))
}

fn id(payment: Result<Payment, asaanbill_client::ClientError>) -> u64 {
    payment.unwrap().id().unwrap().get()
}

#[tokio::test(start_paused = true)]
async fn the_second_time_it_is_read() {
    let (hub, asked) = client_with([ok(LOGIN), ok(ADDED), ok(PAID)], quick);
    assert_eq!(id(hub.add_once("invoice-7", &bill()).await), 25);
    assert_eq!(id(hub.add_once("invoice-7", &bill()).await), 25);
    assert_eq!(asked.lines()[2], "GET /integration/payment/25");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_resolved_by_calling_again() {
    let ours = || listed(r#""identifier":"FS-BSCS-095","amount":"50""#);
    let (hub, asked) = client_with([ok(LOGIN), lost(), ours(), ours()], quick);
    assert!(hub.add_once("invoice-7", &bill()).await.unwrap_err().is_outcome_unknown());
    assert_eq!(id(hub.add_once("invoice-7", &bill()).await), 25);
    assert_eq!(asked.lines().iter().filter(|line| line.starts_with("POST /integration/add?")).count(), 1);

    // It isn't there, at the first look nor at the last: it is sent again.
    let (hub, asked) = client_with([ok(LOGIN), lost(), ok(NONE), ok(NONE), ok(ADDED)], quick);
    assert!(hub.add_once("invoice-7", &bill()).await.is_err());
    assert_eq!(id(hub.add_once("invoice-7", &bill()).await), 25);
    assert_eq!(asked.lines().iter().filter(|line| line.starts_with("POST /integration/add?")).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn another_payment_needs_another_key() {
    let (hub, asked) = client_with([ok(LOGIN), ok(ADDED)], quick);
    hub.add_once("invoice-7", &bill()).await.unwrap();
    let asaanbill_client::core::NewPayment::Psid(mut other) = bill() else { panic!("a bill") };
    other.amount = "51".parse().unwrap();
    let error = hub.add_once("invoice-7", &asaanbill_client::core::NewPayment::Psid(other)).await.unwrap_err();
    assert_eq!((error.kind(), asked.lines().len()), (ErrorKind::Refused, 2));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_leaves_the_key_free() {
    let (hub, _) = client_with([ok(LOGIN), refusal(400, "Invalid amount"), ok(ADDED)], quick);
    assert_eq!(hub.add_once("invoice-7", &bill()).await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(id(hub.add_once("invoice-7", &bill()).await), 25);
}

/// Looks go on to the end of the window, and no longer; what is another's isn't taken.
#[tokio::test(start_paused = true)]
async fn a_resolution_waits_out_the_window() {
    let others = || listed(r#""identifier":"FS-BSCS-095","amount":"51""#);
    // The paused clock, so that a slow machine's own seconds don't count.
    let (began, sent_at) = (tokio::time::Instant::now(), "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap());
    let half = |builder| {
        quick(builder).clock(move || sent_at + began.elapsed()).resolve_policy(
            ResolvePolicy::default()
                .quiescence(Duration::from_secs(10))
                .looks(Duration::from_secs(2), Duration::from_secs(4)),
        )
    };
    let answers = [ok(LOGIN), lost()].into_iter().chain((0..5).map(|_| others()));
    let (hub, asked) = client_with(answers, half);
    let lost = hub.add(&bill()).await.unwrap_err();
    let start = tokio::time::Instant::now();
    assert!(hub.resolve_now(lost.intent().unwrap()).await.unwrap().is_none());
    assert!(hub.add(&bill()).await.unwrap_err().is_unresolved());
    let resolution = hub.resolve(lost.intent().unwrap()).await.unwrap();
    assert!(matches!(resolution, Resolution::NotFound));
    // One look before, and then after 0, 2, 6 and 10 seconds.
    assert_eq!((asked.lines().len(), start.elapsed().as_secs()), (7, 10));
    assert!(hub.open_intents(None).await.unwrap().is_empty());
}
