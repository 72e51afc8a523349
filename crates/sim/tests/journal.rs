//! The journal of requests, and the assertions that wait for them.

use std::time::Duration;

use asaanbill_sim::{Fault, FaultKind, JournalLimits, RequestMatcher, RequestOutcome, RequestRecord, Sim};
use asaanbill_wire::Endpoint;
use http::Method;
use serde_json::{Value, json};

use crate::faults::both;
use crate::faults_armed::page;
use crate::hub::{BILL, Hub, PATIENCE};
use crate::story::bill;

async fn shown(hub: &Hub, query: &str) -> Value {
    let (status, page) = page(hub, Method::GET, &format!("/_sim/journal{query}"), "").await;
    assert_eq!(status, 200, "{page}");
    page
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_and_what_went() {
    for (how, hub) in both(Sim::builder()).await {
        let answer = hub.post("/add?generationTypes=PSID", BILL).raw().await;
        assert_eq!(answer.headers()["x-sim-request-id"], "2", "{how}");
        let add = hub.sim.journal().requests().pop().unwrap();
        assert_eq!(
            (add.id().get(), add.method(), add.address()),
            (2, &Method::POST, "/integration/add?generationTypes=PSID")
        );
        assert_eq!((add.user(), add.channel(), add.endpoint()), (Some("demo"), Some("23"), Some(Endpoint::Add)));
        assert_eq!(
            (add.outcome(), add.at().to_string()),
            (RequestOutcome::Answered(http::StatusCode::OK), "2025-01-10T05:22:30Z".into())
        );
        assert_eq!((text(add.body().bytes()), add.body().length()), (BILL, Some(BILL.len() as u64)));
        assert_eq!(add.answer_body().bytes(), &answer.body()[..], "{how}");
        assert!(!add.body().is_truncated() && !add.answer_body().is_truncated() && !add.is_head_truncated());
        assert!(add.headers().any(|header| header == ("content-type", "application/json")));
        assert!(add.headers().any(|header| header == ("x-auth-ph-key", "[removed]")));
        assert!(add.answer_headers().any(|header| header == ("x-sim-request-id", "2")));

        // An unknown path is there as well, and the simulator's own pages aren't.
        hub.post("/elsewhere", "{}").send().await;
        let page = shown(&hub, "").await;
        let ids: Vec<_> = page["requests"].as_array().unwrap().iter().map(|request| &request["id"]).collect();
        assert_eq!(ids, [1, 2, 3], "{how}");
        assert_eq!(page["requests"][2]["endpoint"], Value::Null);
        assert_eq!(page["requests"][2]["body"], json!({"text":"","length":null,"truncated":false}));
        assert_eq!(page["requests"][1]["body"]["text"], BILL);
        assert_eq!(page["requests"][1]["user"], "demo");
        assert_eq!(page["requests"][1]["outcome"], "answered");
        for query in ["limit=0", "status=x", "endpoint=adds", "after=x", "before=1"] {
            let (status, _) = crate::faults_armed::page(&hub, Method::GET, &format!("/_sim/journal?{query}"), "").await;
            assert_eq!(status, 400, "{query}");
        }
    }
}

/// Neither a password nor a token nor a mistake with one shows anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_it() {
    for (how, hub) in both(Sim::builder()).await {
        for body in [
            r#"{"password":"hunter2-SECRET"}"#,
            r#"{"pasword":"hunter2-SECRET"}"#,
            "password=hunter2-SECRET",
            r#"{"password":"hunter2-SECRET"#,
            r#"{"pass\u0077ord":["hunter2-SECRET"]}"#,
        ] {
            hub.login("demo", body).raw().await;
        }
        hub.get("/payment?token=hunter2-SECRET&x-auth-ph-key=hunter2-SECRET").raw().await;
        hub.get("/payment")
            .with("authorization", "Bearer hunter2-SECRET")
            .with("cookie", "a=hunter2-SECRET")
            .raw()
            .await;
        hub.post("/add", r#"{"token":"hunter2-SECRET","payment":{"password":"hunter2-SECRET"}}"#).raw().await;
        // Also where a fault spoils the answer that has the token in it.
        for kind in [FaultKind::TruncatedJson, FaultKind::MalformedJson, FaultKind::WrongType, FaultKind::CutAnswer] {
            hub.sim.faults().arm(Fault::new(kind).on(Endpoint::Login)).unwrap();
            let _ = hub.login("demo", r#"{"password":"demo"}"#).outcome().await;
        }
        let all = shown(&hub, "").await.to_string();
        assert!(!all.contains("SECRET"), "{how}: {all}");
        assert!(!all.contains(hub.token.get(..12).unwrap()), "{how}");
        assert!(all.contains(r#"{\"password\":\"[removed]\"}"#), "the shape is there: {all}");
        let logins =
            hub.sim.journal().requests().into_iter().filter(|request| request.status().is_some_and(|s| s == 200));
        for login in logins.filter(|request| request.endpoint() == Some(Endpoint::Login)) {
            let body = text(login.answer_body().bytes());
            assert!(!body.contains("token") || body.contains("[removed]"), "{how}: {body}");
        }
        let debug = format!("{:?} {:?}", hub.sim.journal(), hub.sim.journal().requests());
        assert!(!debug.contains("Sheikh") && !debug.contains("SECRET"), "{debug}");
    }
}

#[tokio::test]
async fn entries_are_paged_and_filtered() {
    let hub = Hub::start().await;
    for _ in 0..4 {
        hub.add("PSID", BILL).await;
        hub.get("/payment/99").send().await;
    }
    hub.sim.faults().arm(Fault::new(FaultKind::ResetAfterCommit)).unwrap();
    let _ = hub.post("/add?generationTypes=PSID", BILL).outcome().await;
    let check = async |query: &str, expected: &[u64], next: u64, more: bool| {
        let page = shown(&hub, query).await;
        let ids: Vec<u64> = page["requests"].as_array().unwrap().iter().map(|it| it["id"].as_u64().unwrap()).collect();
        assert_eq!((ids.as_slice(), &page["next"], &page["more"]), (expected, &json!(next), &json!(more)), "{query}");
    };
    check("?limit=3", &[1, 2, 3], 3, true).await;
    check("?limit=3&after=3", &[4, 5, 6], 6, true).await;
    check("?after=9", &[10], 10, false).await;
    check("?after=10", &[], 10, false).await;
    check("?after=99", &[], 99, false).await;
    check("?after=18446744073709551615", &[], u64::MAX, false).await;
    check("?endpoint=add", &[2, 4, 6, 8, 10], 10, false).await;
    check("?endpoint=payment&limit=2", &[3, 5], 5, true).await;
    check("?endpoint=payment&limit=4", &[3, 5, 7, 9], 10, false).await;
    check("?status=404", &[3, 5, 7, 9], 10, false).await;
    check("?status=none", &[10], 10, false).await;
    check("?endpoint=add&status=404", &[], 10, false).await;
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_what_is_missing_shows() {
    let hub = Hub::with(Sim::builder().journal(JournalLimits::default().entries(3).body(20))).await;
    for _ in 0..5 {
        hub.add("PSID", BILL).await;
    }
    let page = shown(&hub, "?after=1").await;
    let ids: Vec<_> = page["requests"].as_array().unwrap().iter().map(|request| &request["id"]).collect();
    assert_eq!((ids, &page["dropped"], &page["missed"]), (vec![&json!(4), &json!(5), &json!(6)], &json!(3), &json!(2)));
    assert_eq!(page["requests"][0]["body"], json!({"text": BILL[..20], "length": BILL.len(), "truncated": true}));

    let small = Hub::with(Sim::builder().journal(JournalLimits::default().bytes(4096))).await;
    let long = "x".repeat(200);
    for _ in 0..20 {
        small.add("PSID", &bill(&long, "5", "5", "2025-01-31")).await;
    }
    let kept = small.sim.journal().requests().len() as u64;
    assert!((1..5).contains(&kept), "{kept}");
    assert_eq!(small.sim.journal().dropped(), 21 - kept);

    let off = Hub::with(Sim::builder().journal(JournalLimits::off())).await;
    assert_eq!(off.get("/payment").raw().await.headers()["x-sim-request-id"], "2");
    assert!(off.sim.journal().requests().is_empty());
}

/// What a test waits for in vain.
const SHORT: Duration = Duration::from_millis(20);

fn ids(requests: &[RequestRecord]) -> Vec<u64> {
    requests.iter().map(|request| request.id().get()).collect()
}

/// What has come counts, and what comes is waited for.
#[tokio::test]
async fn expectations_that_are_met() {
    let hub = Hub::start().await;
    hub.add("PSID", BILL).await;
    let add = || RequestMatcher::to(Endpoint::Add);
    let expect = |matcher| hub.sim.expect(matcher);
    assert_eq!(ids(&expect(add().status(200)).within(Duration::ZERO).await.unwrap()), [2]);
    assert_eq!(ids(&expect(add().body_contains("FS-BSCS-095").user("demo")).within(PATIENCE).await.unwrap()), [2]);
    let (met, _) = tokio::join!(expect(add()).times(2).within(PATIENCE), hub.add("PSID", BILL));
    assert_eq!(ids(&met.unwrap()), [2, 3]);
    let started = tokio::time::Instant::now();
    assert!(expect(add().after(hub.sim.journal().requests()[2].id())).never().within(SHORT).await.unwrap().is_empty());
    assert!(started.elapsed() >= SHORT, "never takes all of it");
    assert_eq!(ids(&expect(RequestMatcher::any().no_fault()).at_least(3).within(PATIENCE).await.unwrap()), [1, 2, 3]);
}

#[tokio::test]
async fn expectations_that_are_not_met_show_the_nearest_miss() {
    let hub = Hub::start().await;
    hub.sim.faults().arm(Fault::new(FaultKind::Status { code: 503 }).on(Endpoint::Add)).unwrap();
    hub.add("PSID", BILL).await;
    hub.get("/payment/9").send().await;
    let matcher = RequestMatcher::to(Endpoint::Add).status(200).body_contains("FS-BSCS-096");
    let unmet = hub.sim.expect(matcher).within(SHORT).await.unwrap_err();
    assert_eq!(
        unmet.to_string(),
        "expected within 20ms: at least 1 of [add, status 200, a body with FS-BSCS-096]; there were 0\n  \
         nearest miss: #2 POST /integration/add?generationTypes=PSID -> 503 (fault status;code=503)\n    \
         expected status 200, was status 503\n    expected a body with FS-BSCS-096, was another body of 134 bytes\n  \
         next: #1 POST /integration/login -> 200\n    expected add, was login\n    \
         expected a body with FS-BSCS-096, was another body of 19 bytes\n  \
         next: #3 GET /integration/payment/9 -> 404\n    expected add, was payment\n    \
         expected status 200, was status 404\n    expected a body with FS-BSCS-096, was a body that nobody read\n  \
         requests in the journal: 3"
    );
    assert_eq!(format!("{unmet:?}"), unmet.to_string());
    let never = hub.sim.expect(RequestMatcher::to(Endpoint::Payment)).never().within(SHORT).await.unwrap_err();
    assert!(never.to_string().contains("none of [payment]; there were 1\n  found: #3 GET"), "{never}");
    let too_many = hub.sim.expect(RequestMatcher::any()).times(2).within(SHORT).await.unwrap_err();
    assert!(too_many.to_string().contains("2 of [any request]; there were 3\n  found: #1"), "{too_many}");
    let too_few = hub.sim.expect(RequestMatcher::to(Endpoint::Add)).times(2).within(SHORT).await.unwrap_err();
    assert!(too_few.to_string().contains("2 of [add]; there were 1\n  nearest miss: #3"), "{too_few}");
}
