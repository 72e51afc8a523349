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

/// An identifier that is new to one of them, and not to the other, takes over its PSID, and no number is lost for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identifier_is_new_once() {
    let hubs = two(&server::database().await, Sim::builder()).await;
    let mut added = Vec::new();
    for (place, name) in ["A", "B", "A", "C", "C", "D", "A"].into_iter().enumerate() {
        let bill = crate::story::bill(name, "50", "50", "2099-12-31");
        let answer = hubs[place % 2].add("PSID", &bill).await;
        added.push((answer.data()["id"].as_u64().unwrap(), answer.text_at("/psid").to_owned()));
    }
    let expected = (1..).zip([1, 2, 1, 3, 3, 4, 1].map(crate::hub::psid));
    assert_eq!(added, expected.collect::<Vec<_>>());
}

/// How each statement began that has changed identifiers.
const WATCH: &str = "
    CREATE TABLE watched (number BIGINT GENERATED ALWAYS AS IDENTITY, beginning TEXT);
    CREATE FUNCTION watch() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO watched (beginning) VALUES (LEFT(CURRENT_QUERY(), 12));
        RETURN NULL;
    END $$;
    CREATE TRIGGER watch AFTER INSERT OR UPDATE ON identifiers FOR EACH ROW EXECUTE FUNCTION watch()";

/// A set of new identifiers is one statement. After one that was not new, that is presumed of some sets no more.
#[tokio::test]
async fn new_identifiers_are_added_in_one_statement() {
    let url = server::database().await;
    let hub = Hub::of_user(Sim::builder().postgres(url.as_str()).build().await.unwrap(), "demo").await;
    server::client(&url).await.batch_execute(WATCH).await.unwrap();
    let add = |name: String| {
        let hub = &hub;
        async move {
            let bill = crate::story::bill(&name, "50", "50", "2099-12-31");
            assert!(hub.add("PSID", &bill).await.is_success(), "{name}");
        }
    };
    let newcomers = async || {
        let all = rows(&Books::Server(url.clone()), "SELECT beginning FROM watched ORDER BY number").await;
        all.iter().map(|beginning| beginning == "WITH new AS ").collect::<Vec<_>>()
    };
    add("A".to_owned()).await;
    // Says nothing of identifiers.
    assert_eq!(hub.pay(&crate::hub::psid(1), "50", "R").await.0, 200);
    add("B".to_owned()).await;
    add("A".to_owned()).await;
    for n in 0..17 {
        add(format!("C{n}")).await;
    }
    let mut expected = vec![true, false, true];
    expected.extend([false; 17]);
    expected.push(true);
    assert_eq!(newcomers().await, expected);
}

/// While one set waits for a row that somebody holds, others go on beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_takes_long_holds_nobody_up_who_wants_something_else() {
    let url = server::database().await;
    let hub = Arc::new(Hub::of_user(Sim::builder().postgres(url.as_str()).build().await.unwrap(), "demo").await);
    let add = |name: &str| {
        let (hub, bill) = (Arc::clone(&hub), crate::story::bill(name, "50", "50", "2099-12-31"));
        async move { assert!(hub.add("PSID", &bill).await.is_success()) }
    };
    add("HELD").await;
    let holder = server::client(&url).await;
    holder.batch_execute("BEGIN; SELECT FROM identifiers WHERE identifier = 'HELD' FOR UPDATE").await.unwrap();
    let again = tokio::spawn(add("HELD"));
    let books = Books::Server(url);
    let waits = async {
        let waiting = "SELECT CAST(pid AS TEXT) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while rows(&books, waiting).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.expect("its set waits");
    for name in ["A", "B", "C"] {
        tokio::time::timeout(PATIENCE, add(name)).await.expect("beside it");
    }
    assert!(!again.is_finished());
    holder.batch_execute("ROLLBACK").await.unwrap();
    tokio::time::timeout(PATIENCE, again).await.expect("once the row is free").unwrap();
    assert_eq!(faults(&books).await, [""; 0]);
}

/// What waits while a set is under way is the next set, with one row of events for all that it adds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_of_one_set_share_a_row_of_events() {
    const ADDED: usize = 40;
    let url = server::database().await;
    let hub = Arc::new(Hub::of_user(Sim::builder().postgres(url.as_str()).build().await.unwrap(), "demo").await);
    let mut adding = JoinSet::new();
    for n in 0..ADDED {
        let (hub, bill) = (Arc::clone(&hub), crate::story::bill(&format!("K{n}"), "50", "50", "2099-12-31"));
        adding.spawn(async move { assert!(hub.add("PSID", &bill).await.is_success()) });
    }
    adding.join_all().await;
    let several = "SELECT several FROM events WHERE through IS NOT NULL";
    let told: Vec<_> = rows(&Books::Server(url), several).await.iter().map(|row| row.split(';').count()).collect();
    assert_eq!(told.iter().sum::<usize>(), ADDED);
    assert!(told.len() < ADDED, "{told:?}");
}

/// The oldest events are dropped, also when the runtime that the simulator was made on has ended.
#[test]
fn the_oldest_events_are_dropped() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let first = runtime();
    let (url, hub) = first.block_on(async {
        let url = server::database().await;
        let hub = Hub::of_user(Sim::builder().postgres(url.as_str()).build().await.unwrap(), "demo").await;
        let many = "INSERT INTO events (at, channel, what) SELECT 0, 23, 'added' FROM generate_series(1, 102000)";
        server::client(&url).await.batch_execute(many).await.unwrap();
        (url, hub)
    });
    drop(first);
    runtime().block_on(async {
        let books = Books::Server(url);
        // So many that it is time to look, one after another: a set is one commit, and each may be the one.
        for n in 0..20 {
            let rows: Vec<_> =
                (0..60).map(|m| crate::story::row(&format!("K{n}-{m}"), "5", "5", "2099-12-31")).collect();
            assert!(hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, rows.join(","))).await.is_success());
        }
        let dropped = async {
            while rows(&books, "SELECT CAST(MIN(id) AS TEXT) FROM events").await == ["1"] {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, dropped).await.expect("in time");
        assert_eq!(rows(&books, "SELECT CAST(MAX(id) - MIN(id) < 101000 AS TEXT) FROM events").await, ["true"]);
    });
}
