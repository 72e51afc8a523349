//! Every fault, over a socket and in process: what the client meets, and what the hub has done by then.

use std::time::Duration;

use asaanbill_sim::{Fault, FaultKind, RequestMatcher, RequestOutcome, Sim, SimBuilder};
use asaanbill_wire::{AddedPayment, Endpoint, Envelope};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::hub::{BILL, Hub, PATIENCE};
use crate::sockets::Served;

/// The same hub, in process and over a socket.
pub(crate) async fn both(settings: SimBuilder) -> [(&'static str, Hub); 2] {
    let served = Served::start(settings.clone()).await;
    [("in process", Hub::with(settings).await), ("over a socket", served.hub)]
}

const ADD: &str = "/add?generationTypes=PSID";

/// Arms the fault for the next add, adds, and tells what came: status and body, or the failure's kind and delivery.
async fn add_under(hub: &Hub, kind: FaultKind) -> String {
    hub.sim.faults().arm(Fault::new(kind).on(Endpoint::Add)).unwrap();
    let outcome = match hub.post(ADD, BILL).outcome().await {
        Ok(answer) => {
            let retry =
                answer.headers().get("retry-after").map(|value| format!(" retry-after {}", value.to_str().unwrap()));
            let body = String::from_utf8(answer.body().to_vec()).unwrap();
            format!("{}{} {body}", answer.status().as_u16(), retry.unwrap_or_default())
        }
        Err(error) => {
            format!("{:?} {:?} {:?}", error.kind(), error.delivery(), error.status().map(|status| status.as_u16()))
        }
    };
    let fired = hub.sim.faults().fired();
    assert_eq!(fired.iter().map(|fired| (fired.kind, fired.endpoint)).collect::<Vec<_>>(), [(kind, Endpoint::Add)]);
    assert!(hub.sim.faults().armed().is_empty());
    outcome
}

async fn bills(hub: &Hub) -> usize {
    hub.get("/payment").send().await.content().len()
}

/// What is answered, and how many bills there are then.
async fn check(kind: FaultKind, expected: &str, expected_bills: usize) {
    for (how, hub) in both(Sim::builder()).await {
        assert_eq!(add_under(&hub, kind).await, expected, "{kind} {how}");
        assert_eq!(bills(&hub).await, expected_bills, "{kind} {how}");
        let again = hub.add("PSID", BILL).await;
        assert!(again.is_success(), "{kind} {how}: once only");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_in_place_of_work() {
    let envelope =
        |code: u16, message| format!(r#"{{"responseCode":{code},"responseMessage":"{message}","data":null}}"#);
    let answer = |code, message| format!("{code} {}", envelope(code, message));
    check(FaultKind::Status { code: 503 }, &answer(503, "Service Unavailable"), 0).await;
    check(FaultKind::Status { code: 599 }, &answer(599, "Simulated fault"), 0).await;
    check(FaultKind::Unauthorized, &answer(401, "No valid authentication token provided"), 0).await;
    let limited = FaultKind::TooManyRequests { retry_after: Duration::from_secs(7) };
    check(limited, &format!("429 retry-after 7 {}", envelope(429, "Too Many Requests")), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_close() {
    check(FaultKind::ResetBefore, "Closed Unknown None", 0).await;
    check(FaultKind::ResetAfterCommit, "Closed Unknown None", 1).await;
    for (how, hub) in both(Sim::builder()).await {
        let cut = add_under(&hub, FaultKind::CutAnswer).await;
        assert!(cut.ends_with("Answered Some(200)"), "{how}: {cut}");
        assert_eq!(bills(&hub).await, 1);
    }
}

/// What a socket shows: nothing at all, and the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_leaves_not_a_byte() {
    for (kind, begins) in [
        (FaultKind::ResetBefore, None),
        (FaultKind::ResetAfterCommit, None),
        (FaultKind::CutAnswer, Some("HTTP/1.1 200 OK\r\n")),
    ] {
        let served = Served::start(Sim::builder()).await;
        served.hub.sim.faults().arm(Fault::new(kind).on(Endpoint::Add)).unwrap();
        let mut socket = TcpStream::connect(("127.0.0.1", served.port)).await.unwrap();
        let head = format!(
            "POST /integration{ADD} HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\nx-auth-ph-key: {}\r\n\
             username: demo\r\nchannel-id: 23\r\ncontent-length: {}\r\n\r\n{BILL}",
            served.hub.token,
            BILL.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        // Either end of a connection will do: closed or reset.
        let _ = socket.read_to_end(&mut read).await;
        let read = String::from_utf8(read).unwrap();
        match begins {
            None => assert_eq!(read, "", "{kind}"),
            Some(begins) => {
                assert!(read.starts_with(begins) && !read.ends_with('}'), "{kind}: {read}");
                let length: usize =
                    read.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
                let body = read.split("\r\n\r\n").nth(1).unwrap();
                assert_eq!(body.len(), length / 2, "{read}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_cannot_be_believed() {
    let whole = Hub::start().await.add("PSID", BILL).await.text;
    for (how, hub) in both(Sim::builder()).await {
        let cut = add_under(&hub, FaultKind::TruncatedJson).await;
        assert_eq!(cut, format!("200 {}", &whole[..whole.len() / 2]), "{how}");
    }
    for (how, hub) in both(Sim::builder()).await {
        let malformed = add_under(&hub, FaultKind::MalformedJson).await;
        assert_eq!(malformed, format!("200 {},}}", whole.strip_suffix('}').unwrap()), "{how}");
        assert!(serde_json::from_str::<serde_json::Value>(&malformed[4..]).is_err());
    }
    for (how, hub) in both(Sim::builder()).await {
        let text = add_under(&hub, FaultKind::WrongType).await;
        for part in
            [r#""responseCode":"200""#, r#""id":"1""#, r#""amount":"50.0""#, r#""psid":100139000000000000000001"#]
        {
            assert!(text.contains(part), "{how}: {part} in {text}");
        }
        // A tolerant reader reads it all the same.
        let read: AddedPayment = Envelope::read(&text[4..]).unwrap().data().unwrap();
        assert_eq!(read.amount.and_then(|amount| amount.amount()), Some("50".parse().unwrap()));
    }
    for (how, hub) in both(Sim::builder()).await {
        let text = add_under(&hub, FaultKind::ImpossibleDate).await;
        for part in [r#""dueDate":"31-06-2025""#, r#""createdAt":"10:22 AM 31-Jun-2025""#] {
            assert!(text.contains(part), "{how}: {part} in {text}");
        }
    }
}

/// A client that waits gets the whole answer, and no sooner than the fault says.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_take_their_time() {
    let whole = Hub::start().await.add("PSID", BILL).await.text;
    let late = FaultKind::Latency(Duration::from_millis(30));
    let every = Duration::from_millis(5);
    let pieces = u32::try_from((whole.len() - 1) / 100).unwrap();
    for (kind, least) in
        [(late, Duration::from_millis(30)), (FaultKind::SlowDrip { bytes: 100, every }, every * pieces)]
    {
        for (how, hub) in both(Sim::builder()).await {
            let started = tokio::time::Instant::now();
            assert_eq!(add_under(&hub, kind).await, format!("200 {whole}"), "{kind} {how}");
            assert!(started.elapsed() >= least, "{kind} {how}");
            let noted = hub.sim.journal().requests().pop().unwrap();
            assert!(noted.duration() >= late_only(kind), "{kind} {how}");
            assert_eq!(noted.answer_body().bytes(), whole.as_bytes());
        }
    }
}

/// A latency is part of the time that the journal shows; a drip comes after it.
fn late_only(kind: FaultKind) -> Duration {
    if let FaultKind::Latency(by) = kind { by } else { Duration::ZERO }
}

/// A client that waits less than the latency: its request is noted, and nothing was done.
#[tokio::test]
async fn a_client_that_gives_up() {
    let hub = Hub::start().await;
    let slow = FaultKind::Latency(Duration::from_secs(600));
    hub.sim.faults().arm(Fault::new(slow).on(Endpoint::Add)).unwrap();
    let impatient = tokio::time::timeout(Duration::from_millis(20), hub.post(ADD, BILL).outcome());
    assert!(impatient.await.is_err());
    let add = RequestMatcher::to(Endpoint::Add).no_answer().fault(slow);
    let noted = hub.sim.expect(add).within(PATIENCE).await.unwrap();
    assert_eq!(noted[0].outcome(), RequestOutcome::Abandoned);
    assert_eq!(bills(&hub).await, 0);
}

/// A share of requests fails, always the same ones, and each bill is there or not as its fault says.
#[tokio::test]
async fn a_seeded_share() {
    let run = async |seed| {
        let hub = Hub::start().await;
        hub.sim.faults().arm(Fault::new(FaultKind::ResetBefore).on(Endpoint::Add).share(300, seed)).unwrap();
        let mut pattern = String::new();
        for _ in 0..40 {
            pattern.push(if hub.post(ADD, BILL).outcome().await.is_ok() { '.' } else { 'x' });
        }
        assert_eq!(bills(&hub).await, pattern.matches('.').count());
        assert_eq!(hub.sim.faults().fired().len(), pattern.matches('x').count());
        pattern
    };
    let pattern = run(1).await;
    assert!(pattern.contains('x') && pattern.contains('.'), "{pattern}");
    assert_eq!(run(1).await, pattern);
    assert_ne!(run(2).await, pattern);
}
