//! Two simulators on one PostgreSQL are one hub.

use std::collections::BTreeSet;
use std::sync::Arc;

use asaanbill_sim::{Role, Sim, SimBuilder, User};
use tokio::task::JoinSet;

use crate::audit::{Books, faults, rows};
use crate::hub::{Hub, PATIENCE};
use crate::linear;
use crate::receiver::RECEIVED;
use crate::stores::server;
use crate::traffic::{Caller, Chance};

/// How many ask each of the two at once, and how often.
const CALLERS: u32 = 4;
const STEPS: u32 = 60;

/// The same hub twice.
async fn two(url: &str, settings: SimBuilder) -> [Hub; 2] {
    let settings = settings.user(User::new("demo", "demo", 23_u64.try_into().unwrap(), Role::Full)).postgres(url);
    let (one, other) = tokio::join!(settings.clone().build(), settings.build());
    let one = Hub::of_user(one.unwrap(), "demo").await;
    [one, Hub::of_user(other.unwrap(), "demo").await]
}

async fn check(settings: SimBuilder, seed: u64) {
    let url = server::database().await;
    let hubs = two(&url, settings).await;
    let mut chance = Chance::of(seed);
    let mut asking = JoinSet::new();
    let callers: Vec<Caller> = hubs.iter().map(Caller::of).collect();
    // Everybody pays everybody's bills.
    for caller in &callers {
        let caller = Caller { acknowledged: Arc::clone(&callers[0].acknowledged), ..caller.clone() };
        for _ in 0..CALLERS {
            let (caller, chance) = (caller.clone(), chance.fork());
            asking.spawn(async move { caller.run(chance, STEPS).await });
        }
    }
    // A caller panics at any answer that isn't as it should be, or none.
    while let Some(asked) = tokio::time::timeout(PATIENCE, asking.join_next()).await.expect("in time") {
        asked.unwrap();
    }
    let done: u64 = callers.iter().map(|caller| caller.count.load(std::sync::atomic::Ordering::Relaxed)).sum();
    assert!(done > u64::from(CALLERS * STEPS), "most of it was done: {done}");
    for hub in &hubs {
        hub.settled().await;
    }
    let books = Books::Server(url);
    assert_eq!(faults(&books).await, [""; 0], "seed {seed}");
    let everything = [hubs[0].everything().await, hubs[1].everything().await];
    assert!(everything[0] == everything[1], "both tell the same");
    drop((hubs, callers));
    assert_eq!(deadlocks(&books).await, "0", "seed {seed}");
}

/// How many deadlocks PostgreSQL met with, once all its sessions have told.
async fn deadlocks(books: &Books) -> String {
    let others = "SELECT CAST(pid AS TEXT) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    let gone = async {
        while !rows(books, others).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the simulators' sessions end");
    rows(books, "SELECT CAST(deadlocks AS TEXT) FROM pg_stat_database WHERE datname = current_database()")
        .await
        .remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_at_once() {
    for seed in 0..3 {
        check(Sim::builder(), seed).await;
    }
}

/// With a seed each identifier counts its own records, drafts too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_at_once_with_a_seed() {
    for seed in 0..3 {
        check(Sim::builder().seed(7), seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paying_and_billing_again_is_linear_across_them() {
    let url = server::database().await;
    let hubs = two(&url, Sim::builder()).await;
    for seed in 0..20 {
        linear::check(&hubs, seed).await;
    }
    assert_eq!(faults(&Books::Server(url)).await, [""; 0]);
}

/// Two simulators send what is owed, and each call-back goes out once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_back_is_sent_by_one_of_them() {
    let url = server::database().await;
    let (callbacks, mut received) = tokio::sync::mpsc::unbounded_channel();
    let receive = move |body: String| {
        callbacks.send(body).unwrap();
        std::future::ready(([("content-type", "application/json")], RECEIVED))
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}/hooks", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(receive)).await });
    let hubs = two(&url, Sim::builder().callback_url(address.parse().unwrap())).await;
    let mut paid = BTreeSet::new();
    for n in 0..40 {
        let bill = crate::story::bill(&format!("P{n}"), "50", "50", "2099-12-31");
        let psid = hubs[n % 2].add("PSID", &bill).await.text_at("/psid").to_owned();
        assert_eq!(hubs[(n + 1) % 2].pay(&psid, "50", "R").await.0, 200);
        paid.insert(psid);
    }
    let mut told = BTreeSet::new();
    for _ in 0..40 {
        let body = tokio::time::timeout(PATIENCE, received.recv()).await.expect("in time").unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(told.insert(body["psid"].as_str().unwrap().to_owned()), "once each");
    }
    assert_eq!(told, paid);
    let books = Books::Server(url);
    let open = async {
        while !rows(&books, "SELECT payload FROM outbox").await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, open).await.expect("all is noted in time");
    assert_eq!(faults(&books).await, [""; 0]);
    assert!(received.try_recv().is_err(), "and no more");
}
