//! What may be tried again, and what nobody knows.

use asaanbill_client::transport::{ErrorKind as Failure, TransportError};
use asaanbill_client::{ErrorKind, PageRequest, Rows, Wanted};
use http::StatusCode;

use crate::hub::{Answer, LOGIN, bill, client, ok, refusal, status};

const PROXY: &str = "<html><title>502 Bad Gateway</title></html>";
const ADDED: &str = r#"{"responseCode":200,"data":{"id":25,"psid":"100139100100154854584585","status":"APPROVED"}}"#;

/// What an added payment and a listing become with the same answer.
async fn check(answer: impl Fn() -> Answer, create: ErrorKind, read: ErrorKind) {
    let (hub, asked) = client([ok(LOGIN), answer()]);
    let error = hub.add(&bill()).await.unwrap_err();
    assert_eq!(error.kind(), create, "add: {error:?}");
    assert_eq!(asked.lines().len(), 2, "sent once: {:?}", asked.lines());
    match error.intent() {
        Some(intent) => {
            assert_eq!((intent.wanted(), error.is_outcome_unknown()), (&Wanted::from(bill()), true));
            assert_eq!(hub.open_intents(None).await.unwrap(), std::slice::from_ref(intent));
        }
        None => assert!(!error.is_outcome_unknown()),
    }
    let shown = format!("{error} {error:?}");
    for secret in ["s3cret", "dG9rZW4", "Mahd", "FS-BSCS", "502 Bad"] {
        assert!(!shown.contains(secret), "{shown}");
    }

    let (hub, asked) = client([ok(LOGIN), answer()]);
    let error = hub.payments(PageRequest::default()).await.unwrap_err();
    assert_eq!(error.kind(), read, "payments: {error:?}");
    assert_eq!((error.intent().is_none(), asked.lines().len()), (true, 2));
}

#[tokio::test]
async fn a_lost_answer() {
    use ErrorKind::{NoAnswer, NotSent, OutcomeUnknown};
    check(|| Err(TransportError::not_sent(Failure::Connect)), NotSent, NotSent).await;
    check(|| Err(TransportError::not_sent(Failure::Timeout)), NotSent, NotSent).await;
    check(|| Err(TransportError::unknown(Failure::Timeout)), OutcomeUnknown, NoAnswer).await;
    check(|| Err(TransportError::unknown(Failure::Closed)), OutcomeUnknown, NoAnswer).await;
    let cut = || Err(TransportError::answered(Failure::Closed, StatusCode::OK));
    check(cut, OutcomeUnknown, NoAnswer).await;
}

#[tokio::test]
async fn the_hubs_refusals() {
    use ErrorKind::{Forbidden, NoAnswer, NotFound, OutcomeUnknown, Refused};
    check(|| refusal(400, "Invalid amount"), Refused, Refused).await;
    check(|| refusal(403, "Insufficient permissions"), Forbidden, Forbidden).await;
    check(|| refusal(404, "not found"), NotFound, NotFound).await;
    check(|| refusal(413, "too large"), Refused, Refused).await;
    check(|| refusal(429, "slow down"), Refused, Refused).await;
    check(|| refusal(408, "too slow"), OutcomeUnknown, Refused).await;
    check(|| refusal(500, "Internal server error"), OutcomeUnknown, NoAnswer).await;
    check(|| refusal(503, "later"), OutcomeUnknown, NoAnswer).await;
    // Under HTTP 200, the envelope's code counts.
    let hidden = |code: u16| move || status(200, &format!(r#"{{"responseCode":{code},"responseMessage":"no"}}"#));
    check(hidden(400), Refused, Refused).await;
    check(hidden(500), OutcomeUnknown, NoAnswer).await;
    check(hidden(9999), OutcomeUnknown, NoAnswer).await;
}

/// A hub that repeats what it was told, and worse.
#[tokio::test]
async fn the_hubs_words_stay_out_of_messages() {
    let words = format!("duplicate payment of Muhammad Mahd Sheikh, FS-BSCS-095, dG9rZW4=\\n{}", "x".repeat(5_000));
    for code in [400, 403, 500] {
        let (hub, _) = client([ok(LOGIN), refusal(code, &words)]);
        let error = hub.add(&bill()).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        for secret in ["Mahd", "FS-BSCS", "dG9rZW4", "xxx", "\n"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        let kept = error.hub_message().unwrap();
        assert!(kept.starts_with("duplicate payment of Muhammad Mahd Sheikh"));
        assert_eq!(kept.chars().count(), asaanbill_client::HUB_MESSAGE_MAX_CHARS);
    }
}

#[tokio::test]
async fn answers_that_are_not_the_hubs() {
    use ErrorKind::{OutcomeUnknown, Unreadable};
    for code in [200, 201, 301, 302, 400, 401, 403, 408, 429, 500, 502, 504] {
        check(|| status(code, PROXY), OutcomeUnknown, Unreadable).await;
        check(|| status(code, ""), OutcomeUnknown, Unreadable).await;
    }
    for code in [404, 405, 413, 415] {
        check(|| status(code, PROXY), Unreadable, Unreadable).await;
    }
    check(|| status(200, r#"{"responseCode":200,"data":null}"#), OutcomeUnknown, Unreadable).await;
    check(|| status(200, r#"{"responseCode":200,"data":[]}"#), OutcomeUnknown, Unreadable).await;
    check(|| status(200, &ADDED[..40]), OutcomeUnknown, Unreadable).await;
    check(|| status(502, ADDED), OutcomeUnknown, ErrorKind::NoAnswer).await;
}

#[tokio::test]
async fn a_404_without_envelope_names_the_other_path_style() {
    let (hub, _) = client([ok(LOGIN), status(404, PROXY)]);
    let message = hub.add(&bill()).await.unwrap_err().to_string();
    assert_eq!(message, "there is no hub at this address; if the host is right, the other PathStyle may be (HTTP 404)");
}

#[tokio::test]
async fn success_is_a_payment() {
    let (hub, asked) = client([ok(LOGIN), ok(ADDED)]);
    let payment = hub.add(&bill()).await.unwrap();
    assert_eq!(payment.psid().map(|psid| psid.to_string()).as_deref(), Some("100139100100154854584585"));
    assert_eq!(asked.lines()[1], "POST /integration/add?generationTypes=PSID");
    let expected = r#"{"payment":{"title":"Muhammad Mahd Sheikh","identifier":"FS-BSCS-095","dueDate":"2024-03-28","amount":"50","amountAfterDueDate":"55"}}"#;
    assert_eq!(asked.body(1), expected);
}

#[tokio::test]
async fn a_lost_batch_knows_its_rows() {
    let asaanbill_client::core::NewPayment::Psid(bill) = bill() else { panic!("a bill") };
    let (hub, _) = client([ok(LOGIN), Err(TransportError::unknown(Failure::Closed))]);
    let error = hub.add_bulk(&[bill.clone(), bill.clone()]).await.unwrap_err();
    let rows = Rows::Bills([bill.clone(), bill].into());
    assert_eq!(error.intent().unwrap().wanted(), &Wanted::AddBulk(rows));
    assert!(!format!("{error:?}").contains("Mahd"));
}
