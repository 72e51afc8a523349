//! With a seed the same calls for the same payer or user give the same numbers, PSIDs and tokens, whatever goes on beside them.

use std::collections::BTreeMap;

use asaanbill_sim::Sim;
use tokio::task::JoinSet;

use crate::hub::Hub;
use crate::story::{bill, row};
use crate::traffic::Chance;

/// What is asked for one payer, in order.
#[derive(Clone, Copy, Debug)]
enum Call {
    Bill,
    Template,
    Batch,
    Pay,
    Nameless,
    LogIn,
}

use Call::{Batch, Bill, LogIn, Nameless, Pay, Template};

/// Each payer's calls. Those without an identifier are one payer of the channel, and a user's logins are another.
const CALLS: [(&str, &[Call]); 6] = [
    ("A", &[Bill, Pay, Bill, Bill, Pay]),
    ("B", &[Batch, Bill, Batch]),
    ("C", &[Template, Pay, Pay, Bill]),
    ("D", &[Bill, Batch, Pay]),
    ("", &[Nameless, Nameless, Nameless]),
    ("demo", &[LogIn, LogIn]),
];

/// What came of a call: a record's number and PSID, a token, or a batch's rows.
async fn done(hub: &Hub, payer: &str, call: Call, reference: usize) -> String {
    match call {
        Bill => {
            let answer = hub.add("PSID", &bill(payer, "50", "50", "2099-12-31")).await;
            format!("{} {}", answer.data()["id"], answer.data()["psid"])
        }
        Template => {
            let body = format!(r#"{{"payment":{{"title":"Shop","identifier":"{payer}"}}}}"#);
            let answer = hub.add("SQRC_WITHOUT_AMOUNT", &body).await;
            format!("{} {}", answer.data()["id"], answer.data()["psid"])
        }
        Nameless => {
            let body = r#"{"payment":{"amount":"50","longitude":"73","latitude":"33"}}"#;
            let answer = hub.add("DQRC", body).await;
            format!("{} {}", answer.data()["id"], answer.data()["psid"])
        }
        // Batches are numbered by channel, their rows by payer.
        Batch => {
            let one = row(payer, "50", "50", "2099-12-31");
            let answer = hub.add_bulk(format!(r#"{{"payments":[{one},{one}]}}"#)).await;
            let id = answer.data()["bulkPaymentRequestId"].as_u64().unwrap();
            hub.settled().await;
            let detail = hub.get(&format!("/bulk-payment-request/{id}")).send().await;
            let rows = detail.data()["payments"]["content"].as_array().unwrap();
            rows.iter().map(|row| format!("{} {};", row["id"], row["psid"])).collect()
        }
        Pay => {
            let search = hub.get("/payment?pageSize=1000").send().await;
            let own = search.content().iter().find(|one| one["identifier"] == payer).expect("a bill to pay");
            let (status, said) = hub.pay(own["psid"].as_str().unwrap(), "50", &format!("R{reference}")).await;
            assert_eq!(status, 200, "{said}");
            let said: serde_json::Value = serde_json::from_str(&said).unwrap();
            format!("{} {}", said["id"], said["psid"])
        }
        LogIn => hub.log_in("demo", "demo").await.token,
    }
}

type Results = BTreeMap<&'static str, Vec<String>>;

async fn start(seed: u64) -> Hub {
    Hub::with(Sim::builder().seed(seed)).await
}

/// One call after another, whose payer's turn it is by chance.
async fn in_some_order(hub: &Hub, mut chance: Chance) -> Results {
    let mut results = Results::new();
    let mut turns: Vec<usize> =
        CALLS.iter().enumerate().flat_map(|(payer, (_, calls))| vec![payer; calls.len()]).collect();
    while !turns.is_empty() {
        let turn = usize::try_from(chance.below(turns.len() as u64)).unwrap();
        let (payer, calls) = CALLS[turns.swap_remove(turn)];
        let result = results.entry(payer).or_default();
        let call = calls[result.len()];
        result.push(done(hub, payer, call, result.len()).await);
    }
    results
}

/// Everybody at once.
async fn at_once(hub: &Hub) -> Results {
    let mut payers = JoinSet::new();
    for (payer, calls) in CALLS {
        let hub = hub.clone();
        payers.spawn(async move {
            let mut result = Vec::new();
            for call in calls {
                result.push(done(&hub, payer, *call, result.len()).await);
            }
            (payer, result)
        });
    }
    payers.join_all().await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_whatever_the_order() {
    let first = in_some_order(&start(7).await, Chance::of(0)).await;
    for order in 1..4 {
        assert_eq!(in_some_order(&start(7).await, Chance::of(order)).await, first, "order {order}");
    }
    for _ in 0..3 {
        assert_eq!(at_once(&start(7).await).await, first);
    }
    let other = in_some_order(&start(8).await, Chance::of(0)).await;
    for (payer, results) in &first {
        assert!(results.iter().zip(&other[payer]).all(|(one, another)| one != another), "{payer}: another seed");
    }
}
