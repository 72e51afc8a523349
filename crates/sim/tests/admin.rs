//! The simulator's own pages: clock, history, snapshots, users, channels, batches, call-backs, figures.

use std::collections::BTreeSet;
use std::sync::Arc;

use asaanbill_sim::{BulkProgress, Sim};
use http::Method;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::hub::{BILL, Hub, plain, psid};
use crate::receiver::Receiver;
use crate::story::{bill, row};

/// What one of the pages answers.
async fn page(hub: &Hub, method: Method, path: &str, body: &str) -> (u16, Value) {
    let answer = hub.ask(method, path, body.to_owned()).raw().await;
    let json = serde_json::from_slice(answer.body()).unwrap_or_else(|error| panic!("{path}: {error}"));
    (answer.status().as_u16(), json)
}

async fn get(hub: &Hub, path: &str) -> Value {
    let (status, json) = page(hub, Method::GET, path, "").await;
    assert_eq!(status, 200, "{path}: {json}");
    json
}

async fn post(hub: &Hub, path: &str, body: &str) -> Value {
    let (status, json) = page(hub, Method::POST, path, body).await;
    assert_eq!(status, 200, "{path}: {json}");
    json
}

/// A refusal's status and words.
async fn refused(hub: &Hub, method: Method, path: &str, body: &str, expected: &str) {
    let (status, json) = page(hub, method, path, body).await;
    let said = format!("{status} {}", json["error"].as_str().unwrap_or_else(|| panic!("{path}: {json}")));
    assert!(said.starts_with(expected), "{path} {body}: {said}");
}

fn texts(of: &Value, member: &str) -> Vec<String> {
    of.as_array().unwrap().iter().map(|one| crate::hub::plain(&one[member])).collect()
}

fn batch(identifiers: &[&str]) -> String {
    let rows: Vec<String> = identifiers.iter().map(|identifier| row(identifier, "5", "5", "2025-01-31")).collect();
    format!(r#"{{"payments":[{}]}}"#, rows.join(","))
}

#[tokio::test]
async fn the_clock_stands_goes_and_is_moved() {
    let hub = Hub::start().await;
    let now = get(&hub, "/_sim/clock").await;
    assert_eq!((&now["now"], &now["mode"]), (&"2025-01-10T05:22:30Z".into(), &"frozen".into()));
    let moved = post(&hub, "/_sim/clock", r#"{"advance_seconds":3600}"#).await;
    assert_eq!((&moved["now"], &moved["mode"]), (&"2025-01-10T06:22:30Z".into(), &"frozen".into()));
    assert_eq!(moved["effects"], Value::Array(vec![]));
    let set = post(&hub, "/_sim/clock", r#"{"set":"2025-02-01T00:00:00+05:00"}"#).await;
    assert_eq!(set["now"], "2025-01-31T19:00:00Z");
    assert_eq!(post(&hub, "/_sim/clock", r#"{"mode":"real"}"#).await["mode"], "real");
    let scaled = post(&hub, "/_sim/clock", r#"{"mode":"scaled","speed":60}"#).await;
    assert_eq!((&scaled["mode"], &scaled["speed"]), (&"scaled".into(), &60.into()));
    assert_eq!(post(&hub, "/_sim/clock", r#"{"mode":"frozen"}"#).await["mode"], "frozen");
    let still = get(&hub, "/_sim/clock").await;
    for wrong in [
        "",
        "[]",
        "{}",
        r#"{"set":"yesterday"}"#,
        r#"{"advance_seconds":-1}"#,
        r#"{"advance_seconds":1.5}"#,
        r#"{"advance_seconds":1,"mode":"real"}"#,
        r#"{"mode":"scaled"}"#,
        r#"{"mode":"scaled","speed":0}"#,
        r#"{"mode":"real","speed":2}"#,
        r#"{"mode":"fast"}"#,
        r#"{"advance":1}"#,
    ] {
        let (status, answer) = page(&hub, Method::POST, "/_sim/clock", wrong).await;
        assert!(status == 400 && answer["error"].as_str().unwrap().contains("advance_seconds"), "{wrong}: {answer}");
    }
    assert_eq!(get(&hub, "/_sim/clock").await, still, "nothing of it moved the clock");
}

/// An advance goes from one time at which something is due to the next, and tells what was done.
#[tokio::test]
async fn an_advance_does_what_is_due_and_lists_it() {
    let progress = BulkProgress::After(jiff::SignedDuration::from_secs(100));
    let mut receiver = Receiver::start().await;
    let hub = Hub::with(Sim::builder().bulk_progress(progress).callback_url(receiver.url())).await;
    hub.add_bulk(batch(&["A", "B"])).await;
    assert_eq!(get(&hub, "/_sim/clock").await["next_due"], "2025-01-10T05:23:20Z");
    let short = post(&hub, "/_sim/clock", r#"{"advance_seconds":49}"#).await;
    assert_eq!(short["effects"], Value::Array(vec![]), "a second too early");
    let next = post(&hub, "/_sim/clock", r#"{"advance_to":"next_due"}"#).await;
    assert_eq!(next["now"], "2025-01-10T05:23:20Z");
    assert_eq!(texts(&next["effects"], "what"), ["batch 1 of channel 23: IN_PROCESS"]);
    let (told, answered) =
        tokio::join!(receiver.acknowledged(), post(&hub, "/_sim/clock", r#"{"advance_seconds":3600}"#));
    assert!(told.ends_with(r#"/bulk-payment-request-approved {"bulkPaymentRequestId":1}"#), "{told}");
    assert_eq!(
        texts(&answered["effects"], "what"),
        ["batch 1 of channel 23: PROCESSED", "call-back 1 /bulk-payment-request-approved (genuine): acknowledged"]
    );
    assert_eq!(texts(&answered["effects"], "at"), ["2025-01-10T05:24:10Z", "2025-01-10T05:24:10Z"]);
    assert_eq!(answered["now"], "2025-01-10T06:23:20Z");
    assert_eq!(post(&hub, "/_sim/clock", r#"{"advance_to":"next_due"}"#).await["now"], "2025-01-10T06:23:20Z");
}

#[tokio::test]
async fn batches_go_on_by_polls() {
    let hub = Hub::with(Sim::builder().bulk_progress(BulkProgress::Polls(3))).await;
    hub.add_bulk(batch(&["A"])).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let detail = hub.get("/bulk-payment-request/1").send().await;
        seen.push(
            detail.data().pointer("/bulkPaymentRequest/status").or(detail.data().get("status")).unwrap().to_string(),
        );
    }
    let expected = ["DRAFT", "IN_PROCESS", "IN_PROCESS", "PROCESSED", "PROCESSED"].map(|status| format!("{status:?}"));
    assert_eq!(seen, expected, "the answer to a poll shows how it was before");
}

#[tokio::test]
async fn batches_go_on_by_hand_and_fail_on_demand() {
    let hub = Hub::with(Sim::builder().bulk_progress(BulkProgress::ByHand)).await;
    hub.add_bulk(batch(&["A", "B", "C"])).await;
    let failed = post(&hub, "/_sim/bulk/1/fail", r#"{"rows":[1],"why":"no such branch"}"#).await;
    assert_eq!(failed["errored"], 1);
    assert_eq!(post(&hub, "/_sim/bulk/1/fail", r#"{"rows":[1]}"#).await["errored"], 0, "it has failed already");
    assert_eq!(post(&hub, "/_sim/bulk/1/advance", "").await["status"], "IN_PROCESS");
    assert_eq!(post(&hub, "/_sim/bulk/1/advance", r#"{"channel":23}"#).await["status"], "PROCESSED");
    assert_eq!(post(&hub, "/_sim/bulk/1/advance", "").await["status"], "PROCESSED", "and stays there");
    assert_eq!(post(&hub, "/_sim/bulk/1/fail", "").await["errored"], 0, "what is done can't fail any more");
    let listed = hub.get("/payment").send().await;
    assert_eq!(listed.column("identifier"), ["C", "A"]);
    let errored = hub.get("/payment/2").send().await;
    assert_eq!(errored.text_at("/status"), "ERRORED");
    for path in ["/_sim/bulk/2/advance", "/_sim/bulk/x/advance", "/_sim/bulk/2/fail"] {
        refused(&hub, Method::POST, path, "", "404 there is no batch").await;
    }
    refused(&hub, Method::POST, "/_sim/bulk/1/advance", r#"{"channel":24}"#, "404").await;
    refused(&hub, Method::POST, "/_sim/bulk/1/advance", r#"{"row":1}"#, "400").await;
}

#[tokio::test]
async fn a_payments_history_says_what_happened_and_for_which_request() {
    let hub = Hub::start().await;
    hub.add("PSID", BILL).await;
    hub.add("PSID", BILL).await;
    hub.pay(&psid(1), "50", "R").await;
    let first = get(&hub, "/_sim/payments/1/history").await;
    assert_eq!(texts(&first["events"], "what"), ["added", "discarded: payment 2 took over its PSID"]);
    let second = get(&hub, "/_sim/payments/2/history").await;
    assert_eq!(texts(&second["events"], "what"), ["added", "paid: 50 rupees by a bank"]);
    // The requests by number: the login was the first.
    assert_eq!(texts(&first["events"], "request"), ["2", "3"]);
    let all = get(&hub, "/_sim/events?after=1&limit=2").await;
    assert_eq!(texts(&all["events"], "number"), ["2", "3"]);
    refused(&hub, Method::GET, "/_sim/payments/9/history", "", "404").await;
    refused(
        &hub,
        Method::GET,
        "/_sim/events?limit=0&from=1",
        "",
        "400 limit: allowed: a whole number from 1 to 1000; unknown",
    )
    .await;
}

/// What is added together may share a commit, and on PostgreSQL a row of events.
#[tokio::test]
async fn payments_that_are_added_together_have_a_history_each() {
    const ADDED: usize = 12;
    let hub = Arc::new(Hub::start().await);
    let mut adding = JoinSet::new();
    for nth in 0..ADDED {
        let hub = Arc::clone(&hub);
        adding.spawn(async move { hub.add("PSID", &bill(&format!("K{nth}"), "50", "50", "2025-01-31")).await });
    }
    let ids: Vec<String> = adding.join_all().await.iter().map(|added| plain(&added.data()["id"])).collect();
    hub.pay(&psid(1), "50", "R").await;

    let read = async || {
        let mut requests = BTreeSet::new();
        for id in &ids {
            let history = get(&hub, &format!("/_sim/payments/{id}/history")).await;
            let events = &history["events"];
            let paid = events.as_array().unwrap().len() > 1;
            let expected = if paid { vec!["added", "paid: 50 rupees by a bank"] } else { vec!["added"] };
            assert_eq!(texts(events, "what"), expected);
            assert!(texts(events, "payment").iter().all(|payment| payment == id), "{history}");
            assert!(texts(events, "channel").iter().all(|channel| channel == "23"), "{history}");
            requests.insert(plain(&events[0]["request"]));
        }
        assert_eq!(requests.len(), ADDED, "a request for each: {requests:?}");
        let (mut numbers, mut payments) = (Vec::new(), Vec::new());
        // Pages end within what was added together.
        loop {
            let after = numbers.last().copied().unwrap_or(0);
            let page = get(&hub, &format!("/_sim/events?after={after}&limit=5")).await;
            let found = texts(&page["events"], "number").into_iter().map(|number| number.parse::<i64>().unwrap());
            numbers.extend(found);
            payments.extend(texts(&page["events"], "payment"));
            if page["events"].as_array().unwrap().is_empty() {
                break;
            }
        }
        assert_eq!(numbers, (1..=13).collect::<Vec<_>>());
        payments
    };
    let before = read().await;
    assert_eq!(before.iter().collect::<BTreeSet<_>>(), ids.iter().collect());
    let exported = get(&hub, "/_sim/export").await.to_string();
    post(&hub, "/_sim/reset", "").await;
    assert_eq!(texts(&get(&hub, "/_sim/events").await["events"], "number"), Vec::<String>::new());
    post(&hub, "/_sim/import", &exported).await;
    assert_eq!(read().await, before);
    hub.add("PSID", BILL).await;
    assert_eq!(texts(&get(&hub, "/_sim/events?after=12").await["events"], "number"), ["13", "14"]);
}

#[tokio::test]
async fn snapshots_bring_everything_back() {
    let hub = Hub::start().await;
    hub.add("PSID", BILL).await;
    hub.add_bulk(batch(&["A", "B"])).await;
    hub.settled().await;
    hub.pay(&psid(1), "50", "R").await;
    let before = hub.everything().await;
    post(&hub, "/_sim/snapshots", r#"{"name":"paid.1"}"#).await;
    let exported = get(&hub, "/_sim/export").await.to_string();
    assert_eq!(texts(&get(&hub, "/_sim/snapshots").await["snapshots"], "name"), ["paid.1"]);
    post(&hub, "/_sim/reset", "").await;
    assert_eq!(hub.get("/payment").send().await.content().len(), 0);
    assert_eq!(
        hub.add("PSID", &bill("NEW", "1", "1", "2025-01-31")).await.text_at("/psid"),
        psid(1),
        "from the beginning"
    );
    post(&hub, "/_sim/clock", r#"{"advance_seconds":60}"#).await;
    post(&hub, "/_sim/snapshots/paid.1/restore", "").await;
    assert_eq!(hub.everything().await, before);
    assert_eq!(get(&hub, "/_sim/clock").await["now"], "2025-01-10T05:22:30Z", "where the clock stood");
    assert_eq!(hub.pay(&psid(1), "50", "R").await.0, 200, "the bank's reference is known again");
    assert_eq!(hub.pay(&psid(1), "50", "R2").await.0, 409);
    assert_eq!(hub.add("PSID", &bill("NEW", "1", "1", "2025-01-31")).await.text_at("/psid"), psid(4), "numbers go on");

    let other = Hub::start().await;
    post(&other, "/_sim/import", &exported).await;
    assert_eq!(other.everything().await, before, "in another simulator too");
    assert_eq!(page(&hub, Method::DELETE, "/_sim/snapshots/paid.1", "").await.0, 200);
    refused(&hub, Method::POST, "/_sim/snapshots/paid.1/restore", "", "404 there is no snapshot").await;
    refused(&hub, Method::DELETE, "/_sim/snapshots/paid.1", "", "404").await;
    refused(&hub, Method::POST, "/_sim/snapshots", r#"{"name":"a b"}"#, "400 a snapshot's name").await;
    let unchanged = other.everything().await;
    let newer = exported.replace(r#""version":1"#, r#""version":99"#);
    refused(&other, Method::POST, "/_sim/import", &newer, "400 this snapshot has version 99").await;
    refused(&other, Method::POST, "/_sim/import", "{}", "400 this is no snapshot").await;
    assert_eq!(other.everything().await, unchanged);
}

#[tokio::test]
async fn users_come_and_go() {
    let hub = Hub::start().await;
    let users = get(&hub, "/_sim/users").await;
    assert_eq!(texts(&users["users"], "name"), ["demo", "viewer"]);
    post(&hub, "/_sim/users", r#"{"name":"till","password":"secret","channel":24,"role":"full"}"#).await;
    let till = hub.log_in("till", "secret").await;
    let added = till.ask(Method::POST, "/integration/add?generationTypes=PSID", BILL.to_owned()).signed();
    assert!(added.with("channel-id", "24").send().await.is_success());
    assert_eq!(hub.get("/payment").send().await.content().len(), 0, "channels are separate");
    assert_eq!(texts(&get(&hub, "/_sim/channels").await["channels"], "id"), ["23", "24"]);

    assert_eq!(post(&hub, "/_sim/users/demo/revoke", "").await["revoked"], 1);
    assert_eq!(hub.get("/payment").send().await.said(), "401 No valid authentication token provided");
    let hub = hub.log_in("demo", "demo").await;
    assert!(hub.get("/payment").send().await.is_success());
    assert_eq!(page(&hub, Method::DELETE, "/_sim/users/demo", "").await.0, 200);
    assert_eq!(hub.get("/payment").send().await.said(), "401 No valid authentication token provided");
    refused(&hub, Method::DELETE, "/_sim/users/demo", "", "404 there is no user").await;
    let wrong = r#"{"name":"a b","password":"x","channel":0,"role":"viewer"}"#;
    refused(
        &hub,
        Method::POST,
        "/_sim/users",
        wrong,
        "400 name: allowed: 1 to 128 ASCII characters without spaces; channel",
    )
    .await;
    let (status, answer) = page(&hub, Method::POST, "/_sim/users", r#"{"name":"a","password":"hidden"}"#).await;
    assert!(status == 400 && !answer.to_string().contains("hidden"), "{answer}");
}

#[tokio::test]
async fn call_backs_are_listed_and_sent_again() {
    let mut receiver = Receiver::start().await;
    let hub = Hub::start().await;
    post(&hub, "/_sim/channels/23", &format!(r#"{{"callback_url":"{}"}}"#, receiver.url())).await;
    hub.add("PSID", BILL).await;
    hub.pay(&psid(1), "50", "R").await;
    let first = receiver.acknowledged().await;
    crate::receivers::attempts(&hub, 1).await;
    let listed = get(&hub, "/_sim/callbacks").await;
    assert_eq!(texts(&listed["callbacks"], "path"), ["/processed"]);
    assert_eq!(texts(&listed["callbacks"][0]["attempts"], "kind"), ["genuine"]);
    assert_eq!(listed["callbacks"][0]["attempts"][0]["acknowledged"], true);

    post(&hub, "/_sim/callbacks/1/resend", r#"{"times":2}"#).await;
    assert_eq!(receiver.acknowledged().await, first);
    assert_eq!(receiver.acknowledged().await, first);
    post(&hub, "/_sim/callbacks/1/resend", r#"{"body":"{\"edited\":true}"}"#).await;
    assert!(receiver.acknowledged().await.ends_with(r#"/processed {"edited":true}"#));
    refused(&hub, Method::POST, "/_sim/callbacks/9/resend", "", "404 there is no call-back").await;
    refused(&hub, Method::POST, "/_sim/callbacks/1/resend", r#"{"times":0}"#, "400 a call-back is sent again").await;
    let longest = "x".repeat(asaanbill_sim::RESEND_BODY_MAX);
    let long = format!(r#"{{"body":"{longest}x"}}"#);
    refused(&hub, Method::POST, "/_sim/callbacks/1/resend", &long, "400 a call-back is sent again with a body of")
        .await;
    post(&hub, "/_sim/callbacks/1/resend", &format!(r#"{{"body":"{longest}"}}"#)).await;
    assert!(receiver.acknowledged().await.ends_with(&longest));

    post(&hub, "/_sim/callbacks/1/resend", r#"{"times":120}"#).await;
    for _ in 0..120 {
        assert_eq!(receiver.acknowledged().await, first);
    }
    crate::receivers::attempts(&hub, 125).await;
    let listed = &get(&hub, "/_sim/callbacks").await["callbacks"][0];
    assert_eq!(listed["attempts_total"], 125);
    assert_eq!(texts(&listed["attempts"], "kind"), ["resent"; 100], "the newest");
    post(&hub, "/_sim/reset", "").await;
    hub.add("PSID", BILL).await;
    hub.pay(&psid(1), "50", "R").await;
    receiver.acknowledged().await;
    let listed = get(&hub, "/_sim/callbacks").await;
    assert_eq!(texts(&listed["callbacks"], "id"), ["1"], "numbered from the beginning");
    refused(
        &hub,
        Method::POST,
        "/_sim/channels/23",
        r#"{"callback_url":"http://10.0.0.1/"}"#,
        "400 the call-back address",
    )
    .await;
    refused(&hub, Method::POST, "/_sim/channels/99", r#"{"callback_url":null}"#, "404 there is no channel").await;
    post(&hub, "/_sim/channels/23", r#"{"callback_url":null}"#).await;
    assert_eq!(get(&hub, "/_sim/channels").await["channels"][0]["callbacks"], false);
}

#[tokio::test]
async fn figures_for_whoever_watches() {
    let hub = Hub::start().await;
    hub.add("PSID", BILL).await;
    assert_eq!(get(&hub, "/_sim/ready").await["status"], "ready");
    let metrics = hub.ask(Method::GET, "/_sim/metrics", "").raw().await;
    let text = String::from_utf8(metrics.body().to_vec()).unwrap();
    for line in [
        "asaanbill_sim_requests_total 2",
        "asaanbill_sim_payments{channel=\"23\"} 1",
        "asaanbill_sim_open_batches 0",
        "# TYPE asaanbill_sim_payments gauge",
        "asaanbill_sim_clock_seconds 1736486550",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}: {text}");
    }
}

/// Whoever guesses is stopped before the password is looked at, and the right one with them.
#[tokio::test]
async fn logins_are_limited() {
    let hub = Hub::start().await;
    for _ in 0..asaanbill_sim::LOGIN_FAILURES_MAX {
        assert!(hub.login("demo", r#"{"password":"guess"}"#).send().await.said().starts_with("404"));
    }
    let refused = hub.login("demo", r#"{"password":"demo"}"#).raw().await;
    assert_eq!(refused.status(), 429);
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&seconds), "{seconds}");
    assert!(hub.login("viewer", r#"{"password":"viewer"}"#).send().await.is_success());
}

/// Those who wait for their turn are refused once others have failed too often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_at_once_are_limited_too() {
    /// As many as are looked at at once, but for the last one that is allowed.
    const BESIDE: usize = 3;
    let hub = Hub::start().await;
    let guess = || async { hub.login("demo", r#"{"password":"guess"}"#).raw().await.status().as_u16() };
    let mut statuses = futures_util::future::join_all((0..60).map(|_| guess())).await;
    statuses.sort_unstable();
    let looked_at = statuses.iter().filter(|status| **status == 404).count();
    let allowed = usize::try_from(asaanbill_sim::LOGIN_FAILURES_MAX).unwrap();
    assert!((allowed..=allowed + BESIDE).contains(&looked_at), "{statuses:?}");
    assert!(statuses[looked_at..].iter().all(|status| *status == 429), "{statuses:?}");
}
