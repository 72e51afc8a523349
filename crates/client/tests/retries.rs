//! What is sent again, how often, and what never is.

use std::time::Duration;

use asaanbill_client::raw::{Create, Read, Request};
use asaanbill_client::transport::{AttemptDeadline, DEFAULT_ATTEMPT_TIMEOUT, ErrorKind as Failure, TransportError};
use asaanbill_client::{ClientBuilder, ErrorKind, Limits, PageRequest, RetryPolicy};
use http::StatusCode;

use crate::hub::{Answer, LOGIN, answer, bill, client_with, ok, refusal, status};

const EMPTY: &str = r#"{"responseCode":200,"data":{"content":[],"isLast":true}}"#;
const ADDED: &str = r#"{"responseCode":200,"data":{"id":25,"psid":"100139100100154854584585","status":"APPROVED"}}"#;

fn quick(builder: ClientBuilder) -> ClientBuilder {
    let milliseconds = Duration::from_millis;
    builder.retry(RetryPolicy::default().backoff(milliseconds(1), milliseconds(2)).total(Duration::from_secs(60)))
}

fn lost() -> Answer {
    Err(TransportError::unknown(Failure::Closed))
}

fn refused() -> Answer {
    Err(TransportError::not_sent(Failure::Connect))
}

/// How often a listing and an added payment are sent, if the first answers are such and then all is well.
async fn check(failure: impl Fn() -> Answer, reads: usize, creates: usize) {
    let (hub, asked) = client_with([ok(LOGIN), failure(), failure(), ok(EMPTY)], quick);
    let read = hub.payments(PageRequest::default()).await;
    assert_eq!((asked.lines().len() - 1, read.is_ok()), (reads, reads == 3), "payments");
    let (hub, asked) = client_with([ok(LOGIN), failure(), failure(), ok(ADDED)], quick);
    let added = hub.add(&bill()).await;
    assert_eq!((asked.lines().len() - 1, added.is_ok()), (creates, creates == 3), "add");
}

#[tokio::test(start_paused = true)]
async fn reads_are_sent_again_and_creates_on_proof_only() {
    check(lost, 3, 1).await;
    check(refused, 3, 3).await;
    check(|| Err(TransportError::not_sent(Failure::Timeout)), 3, 3).await;
    check(|| Err(TransportError::not_sent(Failure::Refused)), 1, 1).await;
    check(|| Err(TransportError::not_sent(Failure::InvalidRequest)), 1, 1).await;
    check(|| Err(TransportError::answered(Failure::Closed, StatusCode::OK)), 3, 1).await;
    check(|| refusal(503, "later"), 3, 1).await;
    check(|| refusal(429, "slow down"), 3, 1).await;
    check(|| status(502, "<html>"), 3, 1).await;
    check(|| refusal(400, "no"), 1, 1).await;
    check(|| refusal(403, "no"), 1, 1).await;
    check(|| status(200, "<html>"), 1, 1).await;
}

#[tokio::test(start_paused = true)]
async fn attempts_end_and_so_does_the_time() {
    let (hub, asked) = client_with([ok(LOGIN), lost(), lost(), lost(), lost()], quick);
    assert_eq!(hub.payments(PageRequest::default()).await.unwrap_err().kind(), ErrorKind::NoAnswer);
    assert_eq!(asked.lines().len(), 5);

    let patient = |builder: ClientBuilder| {
        let (first, max) = (Duration::from_secs(4), Duration::from_secs(4));
        let policy = RetryPolicy::default().attempts(100).backoff(first, max).total(Duration::from_secs(9));
        builder.retry(policy).randomness(|| u64::MAX - 1)
    };
    let start = tokio::time::Instant::now();
    let (hub, _) = client_with([ok(LOGIN)].into_iter().chain((0..50).map(|_| lost())), patient);
    assert!(hub.payments(PageRequest::default()).await.is_err());
    assert!(start.elapsed() <= Duration::from_secs(9), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_hub_says_when_to_come_again() {
    let busy = |after: &'static str| answer(503, &[("retry-after", after)], r#"{"responseCode":503}"#);
    let start = tokio::time::Instant::now();
    let (hub, _) = client_with([ok(LOGIN), busy("7"), ok(EMPTY)], quick);
    hub.payments(PageRequest::default()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(7));

    let (hub, asked) = client_with([ok(LOGIN), busy("61")], quick);
    let error = hub.payments(PageRequest::default()).await.unwrap_err();
    assert_eq!((error.retry_after(), asked.lines().len()), (Some(Duration::from_secs(61)), 2));
}

/// What the transport keeps to by itself isn't said; what differs from it is, and the total caps it.
#[tokio::test(start_paused = true)]
async fn an_attempt_says_its_end_where_the_transport_would_not_keep_it() {
    let seconds = Duration::from_secs;
    for (attempt, total, said) in [
        (DEFAULT_ATTEMPT_TIMEOUT, DEFAULT_ATTEMPT_TIMEOUT, None),
        (DEFAULT_ATTEMPT_TIMEOUT, seconds(29), Some(seconds(29))),
        (seconds(5), seconds(60), Some(seconds(5))),
        (seconds(50), seconds(60), Some(seconds(50))),
        (Duration::MAX, seconds(60), Some(seconds(60))),
    ] {
        let set = |builder: ClientBuilder| builder.attempt_timeout(attempt).retry(RetryPolicy::never().total(total));
        let (hub, asked) = client_with([ok(LOGIN), ok(EMPTY)], set);
        hub.payments(PageRequest::default()).await.unwrap();
        let end = said.map(|said| AttemptDeadline(tokio::time::Instant::now() + said));
        assert_eq!(asked.deadline(1), end, "{attempt:?} of {total:?}");
    }
}

/// A hub that hangs: the attempt's time-out, and the total caps the last attempt.
#[tokio::test(start_paused = true)]
async fn the_total_caps_each_attempt() {
    let start = tokio::time::Instant::now();
    let hang = asaanbill_client::transport::from_fn(|_| std::future::pending());
    let policy = RetryPolicy::default().total(Duration::from_secs(10));
    let client = asaanbill_client::Client::builder().base_url("http://127.0.0.1:1").credentials("demo", "demo");
    let client = client.transport(hang).attempt_timeout(Duration::from_secs(8)).retry(policy).build().unwrap();
    assert_eq!(client.payments(PageRequest::default()).await.unwrap_err().kind(), ErrorKind::NoAnswer);
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_login_is_retried_too() {
    let (hub, asked) = client_with([lost(), refusal(503, "later"), ok(LOGIN), ok(ADDED)], quick);
    hub.add(&bill()).await.unwrap();
    assert_eq!(asked.lines().iter().filter(|line| line.ends_with("/login")).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn our_own_rate_is_kept() {
    let start = tokio::time::Instant::now();
    let answers = [ok(LOGIN)].into_iter().chain((0..20).map(|_| ok(EMPTY)));
    let (hub, _) = client_with(answers, |builder| builder.limits(Limits::default().per_second(10)));
    for _ in 0..20 {
        hub.payments(PageRequest::default()).await.unwrap();
    }
    let elapsed = start.elapsed().as_millis();
    assert!((1_990..2_100).contains(&elapsed), "20 requests and a login at 10 a second: {elapsed} ms");
}

#[tokio::test(start_paused = true)]
async fn raw_requests_keep_the_same_rules() {
    let payments = Request::<Read>::new("/payment", [("pageNo", "0")]).unwrap();
    let (hub, asked) = client_with([ok(LOGIN), lost(), ok(EMPTY)], quick);
    let answer = hub.read(&payments).await.unwrap();
    assert_eq!(answer.data.unwrap().get(), r#"{"content":[],"isLast":true}"#);
    assert_eq!(asked.lines()[2], "GET /integration/payment?pageNo=0");

    let add = || Request::<Create>::new("/add", [("generationTypes", "PSID")], "{}").unwrap();
    let (hub, asked) = client_with([ok(LOGIN), lost()], quick);
    let (again, error) = hub.create(add()).await.unwrap_err().into_parts();
    assert_eq!((again.is_none(), error.kind(), asked.lines().len()), (true, ErrorKind::OutcomeUnknown, 2));
    let (hub, asked) = client_with([ok(LOGIN), refused(), refused(), refused(), refused(), ok(ADDED)], quick);
    let (again, error) = hub.create(add()).await.unwrap_err().into_parts();
    assert_eq!((error.kind(), asked.lines().len()), (ErrorKind::NotSent, 5));
    assert_eq!(hub.create(again.unwrap()).await.unwrap().status, StatusCode::OK);
}

/// A token from elsewhere: no login as long as it holds, and none afterwards without a password.
#[tokio::test]
async fn a_ready_token() {
    let token = |builder: ClientBuilder| builder.token("demo", "dG9rZW4=", "23".parse().unwrap());
    let (hub, asked) =
        client_with([ok(EMPTY), refusal(401, "No valid authentication token provided"), ok(LOGIN), ok(EMPTY)], token);
    hub.payments(PageRequest::default()).await.unwrap();
    assert_eq!(asked.header(0, "x-auth-ph-key"), "dG9rZW4=");
    hub.payments(PageRequest::default()).await.unwrap();
    assert_eq!(asked.lines()[2], "POST /integration/login");

    let hub = asaanbill_client::Client::builder().token("demo", "a b", "23".parse().unwrap()).build();
    assert!(matches!(hub, Err(asaanbill_client::BuildError::Credentials)));
}
