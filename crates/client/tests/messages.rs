//! What each error says: what happened, whether anything was done, and what to do. Never a secret, a payer or the hub's own words.
//! A changed message changes this.

use asaanbill_client::core::{BulkRequestId, Fields, Identifier, NewPayment, PaymentKind};
use asaanbill_client::raw::{Create, Read, Request, Unsent};
use asaanbill_client::transport::{ErrorKind as Failure, TransportError, from_fn};
use asaanbill_client::{
    Begun, BuildError, ChunkKey, ChunkRecord, Client, ClientBuilder, ClientError, Closed, Draft, ErrorKind, Intent,
    IntentId, Journal, JournalError, Known, MemoryJournal, PageRequest, RetryPolicy, Wanted,
};
use async_trait::async_trait;

use crate::hub::{Answer, LOGIN, bill, client, client_with, ok, refusal, status};

const LISTED: &str = r#"{"responseCode":200,"data":{"content":[{"id":25,"psid":"100139100100154854584585","status":"APPROVED","identifier":"FS-BSCS-095"}],"isLast":true}}"#;

/// The message, once its kind is the expected one.
fn told(error: &ClientError, kind: ErrorKind) -> String {
    assert_eq!(error.kind(), kind, "{error:?}");
    error.to_string()
}

async fn added(answer: Answer, kind: ErrorKind) -> String {
    let (hub, _) = client([ok(LOGIN), answer]);
    told(&hub.add(&bill()).await.unwrap_err(), kind)
}

async fn read(answer: Answer, kind: ErrorKind) -> String {
    let (hub, _) = client([ok(LOGIN), answer]);
    told(&hub.payments(PageRequest::default()).await.unwrap_err(), kind)
}

async fn logged_in(answer: Answer, kind: ErrorKind) -> String {
    let (hub, _) = client([answer]);
    told(&hub.payments(PageRequest::default()).await.unwrap_err(), kind)
}

#[tokio::test]
async fn a_bill_that_may_not_be_there() {
    let messages = [
        added(Err(TransportError::not_sent(Failure::Connect)), ErrorKind::NotSent).await,
        added(Err(TransportError::unknown(Failure::Timeout)), ErrorKind::OutcomeUnknown).await,
        added(refusal(500, "Internal server error"), ErrorKind::OutcomeUnknown).await,
        added(refusal(408, "Request body too slow"), ErrorKind::OutcomeUnknown).await,
        added(status(502, "<html>"), ErrorKind::OutcomeUnknown).await,
        added(refusal(400, "Invalid amount"), ErrorKind::Refused).await,
        added(refusal(400, "Ali is in arrears"), ErrorKind::Refused).await,
        added(refusal(403, "Insufficient permissions"), ErrorKind::Forbidden).await,
        added(status(404, "<html>"), ErrorKind::Unreadable).await,
        added(status(413, "<html>"), ErrorKind::Unreadable).await,
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    the request was not sent; it may be sent again
    nobody knows whether the hub has done it; look before sending it again
    the hub refused, in words that `hub_message` has; nobody knows whether it was done all the same; look before sending it again (HTTP 500)
    the hub refused, in words that `hub_message` has; nobody knows whether it was done all the same; look before sending it again (HTTP 408)
    the answer can't be read, and nobody knows whether the hub has done it; look before sending it again (HTTP 502)
    the hub says: Invalid amount; nothing was done; mend what was asked for (HTTP 400)
    the hub refused, in words that `hub_message` has; nothing was done; mend what was asked for (HTTP 400)
    the hub says: Insufficient permissions; the user's role or channel doesn't allow it; the hub's people can change that (HTTP 403)
    there is no hub at this address; if the host is right, the other PathStyle may be (HTTP 404)
    something before the hub refused the request, and nothing was done; look at the proxies between (HTTP 413)
    ");
}

#[tokio::test]
async fn a_question_without_an_answer() {
    let messages = [
        read(Err(TransportError::unknown(Failure::Timeout)), ErrorKind::NoAnswer).await,
        read(refusal(503, "later"), ErrorKind::NoAnswer).await,
        read(refusal(404, "Payment not found"), ErrorKind::NotFound).await,
        read(status(502, "<html>"), ErrorKind::Unreadable).await,
        logged_in(refusal(404, "User not found or incorrect password"), ErrorKind::Credentials).await,
        logged_in(ok(&LOGIN.replace("23", "\"x\"")), ErrorKind::Unreadable).await,
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    the hub did not answer; it may be asked again
    the hub refused, in words that `hub_message` has; it may be asked again (HTTP 503)
    the hub refused, in words that `hub_message` has; nothing of this number is in the user's channel (HTTP 404)
    the answer can't be read; ask again, and if it stays so, look at what stands between (HTTP 502)
    the hub says: User not found or incorrect password; check the user's name and password (HTTP 404)
    the login's channel has no number; is this the hub?
    ");
}

/// The token isn't taken, and there is no password to get another.
#[tokio::test]
async fn a_token_that_is_over() {
    let transport = from_fn(|_| async { refusal(401, "No valid authentication token provided") });
    let builder = Client::builder().base_url("http://127.0.0.1:1").transport(transport).retry(RetryPolicy::never());
    let hub = builder.token("demo", "dG9rZW4=", 23_u64.try_into().unwrap()).build().unwrap();
    let error = hub.payments(PageRequest::default()).await.unwrap_err();
    insta::assert_snapshot!(told(&error, ErrorKind::Credentials), @"the hub says: No valid authentication token provided; the token is not taken; log in anew (HTTP 401)");
}

/// What this client refuses, before anything is sent.
#[tokio::test]
async fn what_is_not_sent() {
    let (hub, _) = client([ok(LOGIN), Err(TransportError::unknown(Failure::Closed)), ok(LISTED)]);
    let lost = hub.add(&bill()).await.unwrap_err();
    let unresolved = hub.add(&bill()).await.unwrap_err();
    assert_eq!(unresolved.intent(), lost.intent());

    let (other, _) = client([ok(LOGIN), ok(LISTED)]);
    let outstanding = other.add_if_none_outstanding(&bill()).await.unwrap_err();

    let (third, _) = client_with([ok(LOGIN)], |builder| builder.journal(Broken).retry(RetryPolicy::never()));
    let no_journal = third.add(&bill()).await.unwrap_err();

    let messages = [
        told(&unresolved, ErrorKind::Unresolved),
        told(&outstanding, ErrorKind::Outstanding),
        told(&no_journal, ErrorKind::Journal),
        told(&hub.add_bulk(&[]).await.unwrap_err(), ErrorKind::Refused),
        told(&Request::<Read>::new("x?y", []).unwrap_err(), ErrorKind::Refused),
        told(&Request::<Create>::new("..", [], "").unwrap_err(), ErrorKind::Refused),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r"
    the identifier has an intent whose outcome isn't known; resolve it first (nothing was sent)
    the identifier has an unpaid bill, which this one would have destroyed; nothing was sent
    the journal failed, so nothing was sent
    a batch has 1 to 5000 bills, this one has 0; nothing was sent
    a path begins with a slash and holds visible ASCII characters, no `?`, `#`, `\`, `.` or `..` segment
    a path begins with a slash and holds visible ASCII characters, no `?`, `#`, `\`, `.` or `..` segment
    ");
}

/// A request of the caller's own: `Unsent` says what its error says.
#[tokio::test]
async fn a_raw_request() {
    let (hub, _) = client([ok(LOGIN), Err(TransportError::not_sent(Failure::Connect))]);
    let unsent: Unsent = hub.create(Request::<Create>::new("/add", [], "{}").unwrap()).await.unwrap_err();
    assert_eq!(unsent.to_string(), told(unsent.error(), ErrorKind::NotSent));
}

#[test]
fn a_client_that_can_t_be_built() {
    let built = |set: fn(ClientBuilder) -> ClientBuilder| {
        let error = set(Client::builder().credentials("demo", "s3cret")).build().unwrap_err();
        match &error {
            BuildError::Base(_) | BuildError::Credentials | BuildError::Quiescence { .. } => error.to_string(),
            other => panic!("{other}"),
        }
    };
    let messages = [
        built(|builder| builder.base_url("http://hub.example")),
        built(|builder| builder.base_url("https://me:s3cret@hub.example")),
        built(|builder| builder.base_url("https://hub.example/?a=b")),
        built(|builder| builder.base_url("/integration")),
        built(|builder| builder.credentials("", "s3cret")),
        built(|builder| builder.retry(RetryPolicy::default().total(std::time::Duration::from_secs(100_000)))),
        BuildError::Transport("no system certificates".into()).to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    the hub's base address is not allowed: only https is allowed, and http on this machine (expected: https://HOST/PATH)
    the hub's base address is not allowed: it holds a user name (expected: https://HOST/PATH)
    the hub's base address is not allowed: it has a query or a fragment (expected: https://HOST/PATH)
    the hub's base address is not allowed: it has no host (expected: https://HOST/PATH)
    a client needs credentials: a user name of visible ASCII characters, and a password or a token of them
    the quiescence of 180s must be at least the retry policy's total of 100000s: a request may be on its way for so long
    the client's transport can't be built; the cause says why, and `ClientBuilder::transport` takes another
    ");
}

#[tokio::test]
async fn a_journal() {
    let fields = Fields { title: Some("Ali Tuck Shop"), ..Fields::default() };
    let nameless = NewPayment::parse(PaymentKind::OpenQr, &fields).unwrap();
    let draft = Draft::new(Wanted::from(nameless), "2025-08-31T04:00:00Z".parse().unwrap());
    let messages = [
        MemoryJournal::new().begin(draft).await.unwrap_err().to_string(),
        JournalError::new("what its author says").caused("the cause").to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    the journal: an intent needs an identifier, by which its outcome is found; give the payment one
    the journal: what its author says
    ");
}

#[cfg(feature = "journal-sqlite")]
#[test]
fn a_journal_in_a_file() {
    let error = asaanbill_client::SqliteJournal::open("/nowhere/at/all/journal.db").unwrap_err();
    insta::assert_snapshot!(error, @"the journal: its file can't be opened; the cause says why");
}

/// Notes nothing.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl Journal for Broken {
    async fn begin(&self, _: Draft) -> Result<Begun, JournalError> {
        Err(JournalError::new("no room"))
    }

    async fn close(&self, _: IntentId, _: Closed) -> Result<(), JournalError> {
        Ok(())
    }

    async fn open(&self, _: Option<IntentId>, _: usize) -> Result<Vec<Intent>, JournalError> {
        Ok(Vec::new())
    }

    async fn known(&self, _: &Identifier) -> Result<Option<Known>, JournalError> {
        Ok(None)
    }

    async fn has_batch(&self, _: BulkRequestId) -> Result<bool, JournalError> {
        Ok(false)
    }

    async fn chunk(&self, _: &ChunkKey) -> Result<Option<ChunkRecord>, JournalError> {
        Ok(None)
    }
}
