//! What an operator sees and does over HTTP.

use asaanbill_transport::{ServiceTransport, Transport as _};
use axum::body::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::hub::{IDENTIFIER, TITLE};
use crate::ledger::Deed;
use crate::world::{World, psid, request};

/// The status, and the body as JSON.
async fn ask(world: &World, request: Request<Bytes>) -> (u16, Value) {
    let answer = ServiceTransport::new(world.receiver.operator_router()).send(request).await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
}

async fn get(world: &World, path: &str) -> (u16, Value) {
    ask(world, request("GET", path, "")).await
}

async fn post(world: &World, path: &str, body: &str) -> (u16, Value) {
    ask(world, request("POST", path, body)).await
}

/// A handled receipt, a mismatch, a forged one that is looked into again, and one whose handler fails; in this order.
async fn world() -> World {
    let mut world = World::in_memory().await;
    for letter in ['A', 'B'] {
        let bill = world.hub.bill(&psid(letter), "50", "55");
        world.hub.pay(bill);
    }
    world.post_processed(&psid('A'), "50", Some("55")).await;
    world.settle().await;
    world.post_processed(&psid('A'), "6", Some("55")).await;
    world.post_processed(&psid('X'), "50", Some("55")).await;
    world.ledger.plan([Deed::Fail]);
    world.post_processed(&psid('B'), "50", Some("55")).await;
    world.settle().await;
    world
}

#[tokio::test(start_paused = true)]
async fn receipts_are_listed_and_told() {
    let world = world().await;
    let ids = async |query: &str| {
        let (status, body) = get(&world, &format!("/receipts{query}")).await;
        assert_eq!(status, 200, "{body}");
        body["receipts"].as_array().unwrap().iter().map(|receipt| receipt["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let all = ids("").await;
    assert!(all.is_sorted_by(|one, next| one > next), "the latest first: {all:?}");
    let [mismatch] = ids("?state=mismatch").await[..] else { panic!("one") };
    let [waiting] = ids("?state=received").await[..] else { panic!("one") };
    assert_eq!(ids("?state=confirmed&limit=1").await.len(), 1);
    assert_eq!(
        ids(&format!("?before={mismatch}")).await,
        all.iter().copied().filter(|id| *id < mismatch).collect::<Vec<_>>()
    );
    for wrong in ["?state=paid", "?before=x", "?limit=0", "?limit=1001", "?x=1", "?state"] {
        assert_eq!(get(&world, &format!("/receipts{wrong}")).await.0, 400, "{wrong}");
    }

    let (status, told) = get(&world, "/receipts/1").await;
    assert_eq!((status, &told["state"], &told["path"]), (200, &json!("confirmed"), &json!("/processed")));
    assert_eq!(told["effect"]["key"], "payment/23/1");
    assert!(told["effect"]["handled_at"].is_string() && told["resolved_at"].is_string(), "{told}");
    let (_, told) = get(&world, &format!("/receipts/{waiting}")).await;
    assert_eq!(told["steps"][0]["what"], "the hub knows nothing of the kind");
    assert_eq!((&told["effect"], &told["attempts"]), (&Value::Null, &json!(1)));
    for payer in [TITLE, IDENTIFIER, &psid('X')] {
        assert!(!told.to_string().contains(payer), "{told}");
    }
    for unknown in ["/receipts/999", "/receipts/x", "/receipts/99999999999999999999"] {
        assert_eq!(get(&world, unknown).await, (404, json!({ "error": "there is no such receipt" })), "{unknown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_begins_again_and_gives_up() {
    let world = world().await;
    let (_, listed) = get(&world, "/receipts?state=mismatch").await;
    let mismatch = listed["receipts"][0]["id"].as_i64().unwrap();
    let (_, listed) = get(&world, "/receipts?state=received").await;
    let waiting = listed["receipts"][0]["id"].as_i64().unwrap();

    let (status, health) = get(&world, "/health").await;
    assert_eq!((status, &health["stuck"][0]["what"]), (503, &json!("mismatch")));
    assert_eq!(
        post(&world, &format!("/receipts/{mismatch}/redrive"), "").await,
        (200, json!({ "begun": "confirming" }))
    );
    let told = async |world: &World| get(world, &format!("/receipts/{mismatch}")).await.1["state"] == "mismatch";
    world.until("it is a mismatch again", told).await;
    assert_eq!(post(&world, "/receipts/1/redrive", "").await, (200, json!({ "begun": "nothing" })));

    let give_up = format!("/receipts/{waiting}/give-up");
    for wrong in ["", "{}", r#"{"reason":" "}"#] {
        assert_eq!(post(&world, &give_up, wrong).await.0, 400, "{wrong}");
    }
    let reason = r#"{"reason":"a forgery"}"#;
    assert_eq!(post(&world, &give_up, reason).await, (200, json!({ "given_up": true })));
    assert_eq!(post(&world, &give_up, reason).await, (200, json!({ "given_up": false })));
    assert_eq!(get(&world, &format!("/receipts/{waiting}")).await.1["state"], "given-up");

    // A page in the operator's browser can do neither.
    for path in [give_up, "/receipts/1/redrive".into()] {
        let mut of_a_page = request("POST", &path, reason);
        of_a_page.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        assert_eq!(ask(&world, of_a_page).await.0, 415, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_are_prometheus_text() {
    let world = world().await;
    let answer = ServiceTransport::new(world.receiver.operator_router()).send(request("GET", "/metrics", "")).await;
    let answer = answer.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = std::str::from_utf8(answer.body()).unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("asaanbill_callbacks_") && value.parse::<u64>().is_ok(), "{line}");
    }
    assert!(text.contains("asaanbill_callbacks_receipts{state=\"mismatch\"} 1\n"), "{text}");
    // The hub's address has none of it.
    assert_eq!(world.send(request("GET", "/metrics", "")).await.status(), 404);
}
