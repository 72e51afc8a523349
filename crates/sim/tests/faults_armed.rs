//! How faults are asked for: over the simulator's own pages, by header and by magic value.

use asaanbill_sim::{Fault, FaultKind, FiredBy, Sim};
use asaanbill_wire::Endpoint;
use http::Method;
use serde_json::{Value, json};

use crate::faults::both;
use crate::hub::{BILL, Hub};
use crate::story::bill;

/// Status and JSON of one of the simulator's own pages.
pub(crate) async fn page(hub: &Hub, method: Method, path: &str, body: &str) -> (u16, Value) {
    let answer = hub.ask(method, path, body.to_owned()).raw().await;
    assert!(!answer.headers().contains_key("x-sim-request-id"), "own pages have no number");
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

async fn arm(hub: &Hub, body: &str) -> (u16, Value) {
    page(hub, Method::POST, "/_sim/faults", body).await
}

#[tokio::test]
async fn a_rule_is_armed_shown_fired_and_gone() {
    let hub = Hub::start().await;
    let (status, armed) = arm(&hub, r#"{"fault":"status","code":503,"endpoint":"add","nth":2,"times":2}"#).await;
    let expected = json!({"id":1,"fault":"status","code":503,"endpoint":"add","nth":2,"times":2});
    assert_eq!((status, armed), (201, expected));
    let show = async || page(&hub, Method::GET, "/_sim/faults", "").await.1;
    let shown = show().await;
    assert_eq!(shown["armed"][0]["to_pass"], 1);
    assert_eq!(shown["armed"][0]["remaining"], 2);
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(hub.add("PSID", BILL).await.said());
    }
    assert_eq!(said, ["200 Request processed successfully", "503 Service Unavailable", "503 Service Unavailable"]);
    let shown = show().await;
    assert_eq!(shown["armed"], json!([]));
    assert_eq!(shown["fired_total"], 2);
    assert_eq!(
        shown["fired"][0],
        json!({"fault":"status;code=503","by":"rule","rule":1,"request":3,"endpoint":"add","at":"2025-01-10T05:22:30Z"})
    );
    let (status, cleared) = page(&hub, Method::DELETE, "/_sim/faults", "").await;
    assert_eq!((status, cleared), (200, json!({"disarmed":0})));
    assert_eq!(show().await["fired"], json!([]));
}

#[tokio::test]
async fn one_is_disarmed_or_all() {
    let hub = Hub::start().await;
    for id in 1..=3 {
        assert_eq!(arm(&hub, r#"{"fault":"reset-before","per_mille":1000,"seed":4}"#).await.1["id"], id);
    }
    assert_eq!(page(&hub, Method::DELETE, "/_sim/faults/2", "").await, (200, json!({"disarmed":1})));
    for unknown in ["2", "9", "x"] {
        let (status, _) = page(&hub, Method::DELETE, &format!("/_sim/faults/{unknown}"), "").await;
        assert_eq!(status, 404, "{unknown}");
    }
    let ids: Vec<u64> = hub.sim.faults().armed().iter().map(|armed| armed.id().get()).collect();
    assert_eq!(ids, [1, 3]);
    assert_eq!(page(&hub, Method::DELETE, "/_sim/faults", "").await, (200, json!({"disarmed":2})));
    assert!(hub.add("PSID", BILL).await.is_success());
}

#[tokio::test]
async fn all_that_is_wrong_with_a_rule_is_told_at_once() {
    let hub = Hub::start().await;
    let check = async |body: &str, expected: &str| {
        let (status, answer) = arm(&hub, body).await;
        let error = answer["error"].as_str().unwrap();
        assert!(status == 400 && error.contains(expected), "{body}: {status} {error}");
    };
    check("", r#"expected {"fault":"…""#).await;
    check("[]", r#"expected {"fault":"…""#).await;
    check("{}", "fault: unknown fault; allowed: status, unauthorized").await;
    check(r#"{"fault":7}"#, "fault: unknown fault").await;
    check(
        r#"{"fault":"status","code":99,"ms":1,"endpoint":"adds","nth":0,"times":-1,"per_mille":1001,"seed":"x"}"#,
        "fault: code: allowed: a whole number from 400 to 599; fault: unknown parameter; status has: code; \
         endpoint: allowed: login, add, add-bulk, bulk-requests, bulk-request, payments, payment, search; all where it is \
         left out; nth: allowed: a whole number from 1; times: allowed: a whole number from 1; \
         per_mille: allowed: a whole number from 1 to 1000; seed: allowed: a whole number from 0",
    )
    .await;
    check(r#"{"fault":"latency","ms":1,"seed":1}"#, "seed: allowed beside per_mille only").await;
    assert!(hub.sim.faults().armed().is_empty());
}

/// What the catalogue says to write does what it says: each entry's magic value and header fire that fault.
#[tokio::test]
async fn every_entry_of_the_catalogue_works() {
    for (how, hub) in both(Sim::builder()).await {
        let catalogue = page(&hub, Method::GET, "/_sim/faults", "").await.1["catalogue"].take();
        let entries = catalogue.as_array().unwrap();
        assert_eq!(entries.len(), 12);
        for entry in entries {
            // These two wait by default for as long as a person would notice.
            let name = entry["fault"].as_str().unwrap();
            let shorten = |text: &str| text.replace("ms=1000", "ms=1").replace("every_ms=100", "every_ms=1");
            let magic = shorten(entry["magic"].as_str().unwrap());
            let header = shorten(entry["header"].as_str().unwrap().strip_prefix("x-sim-fault: ").unwrap());
            hub.sim.faults().clear();
            let _ = hub.post("/add?generationTypes=PSID", bill(&magic, "5", "5", "2025-01-31")).outcome().await;
            let _ = hub.get("/payment").with("x-sim-fault", &header).outcome().await;
            let fired = hub.sim.faults().fired();
            let fired: Vec<_> = fired.iter().map(|fired| (fired.kind.name(), fired.by, fired.endpoint)).collect();
            let expected = [(name, FiredBy::MagicValue, Endpoint::Add), (name, FiredBy::Header, Endpoint::Payments)];
            assert_eq!(fired, expected, "{how}: {magic} {header}");
        }
    }
}

/// The page for users names every fault, with its parameters and defaults.
#[tokio::test]
async fn the_documentation_is_complete() {
    let page_for_users = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults.md")).unwrap();
    let hub = Hub::start().await;
    let shown = page(&hub, Method::GET, "/_sim/faults", "").await.1;
    for entry in shown["catalogue"].as_array().unwrap() {
        let fault = entry["header"].as_str().unwrap().strip_prefix("x-sim-fault: ").unwrap();
        assert!(page_for_users.contains(&format!("\n| `{fault}` |")), "{fault}");
    }
}

#[tokio::test]
async fn magic_in_titles_batches_and_nowhere_else() {
    let hub = Hub::start().await;
    let open = r#"{"payment":{"title":"fault:status;code=418:shop"}}"#;
    assert_eq!(hub.add("SQRC_WITHOUT_AMOUNT", open).await.said(), "418 I'm a teapot");
    let row = |identifier: &str| {
        format!(
            r#"{{"title":"t","identifier":"{identifier}","amount":"5","dueDate":"2025-01-31","amountAfterDueDate":"5"}}"#
        )
    };
    let batch = format!(r#"{{"payments":[{},{}]}}"#, row("A"), row("fault:unauthorized:B"));
    assert_eq!(hub.add_bulk(batch).await.said(), "401 No valid authentication token provided");
    // An ordinary title that begins with the word.
    let pump = r#"{"payment":{"title":"fault: the pump","identifier":"P"}}"#;
    assert!(hub.add("SQRC_WITHOUT_AMOUNT", pump).await.is_success());
    let misspelt = hub.add("PSID", &bill("fault:resets:1", "5", "5", "2025-01-31")).await.said();
    assert!(misspelt.starts_with("400 Invalid magic value fault:…: unknown fault; allowed: status, "), "{misspelt}");
    let misspelt = hub.get("/payment").with("x-sim-fault", "latency;ms=0").send().await.said();
    assert_eq!(misspelt, "400 Invalid x-sim-fault: ms: allowed: a whole number from 1 to 600000");
    assert_eq!(hub.sim.faults().fired().len(), 2);
}

/// A strict hub takes values for what they are, and rules still work.
#[tokio::test]
async fn strict_means_rules_only() {
    let hub = Hub::with(Sim::builder().strict_faults(true)).await;
    assert!(hub.add("PSID", &bill("fault:reset-before:1", "5", "5", "2025-01-31")).await.is_success());
    assert!(hub.add("PSID", &bill("fault:nonsense:1", "5", "5", "2025-01-31")).await.is_success());
    assert!(hub.get("/payment").with("x-sim-fault", "reset-before").send().await.is_success());
    assert_eq!(page(&hub, Method::GET, "/_sim/faults", "").await.1["strict"], true);
    assert!(hub.sim.faults().fired().is_empty());
    hub.sim.faults().arm(Fault::new(FaultKind::Unauthorized)).unwrap();
    assert!(!hub.get("/payment").send().await.is_success());
}

/// The simulator's own pages and unknown paths have no faults, and no rule counts them.
#[tokio::test]
async fn only_the_eight_operations() {
    let hub = Hub::start().await;
    hub.sim.faults().arm(Fault::new(FaultKind::Status { code: 500 })).unwrap();
    let health = hub.ask(Method::GET, "/_sim/health", "").with("x-sim-fault", "reset-before").raw().await;
    assert_eq!(health.status(), 200);
    assert_eq!(hub.get("/elsewhere").with("x-sim-fault", "reset-before").send().await.said()[..3], *"404");
    assert_eq!(hub.ask(Method::GET, "/_simulator", "").raw().await.status(), 404);
    assert_eq!(hub.sim.faults().fired().len(), 0);
    assert_eq!(hub.get("/payment").send().await.said(), "500 Internal Server Error");
}
