//! What happens to payments, as a table that a person of billing reads: each line an action over HTTP and what it does.
//!
//! | action | meaning |
//! |---|---|
//! | `add KEY AMOUNT [LATER [DUE]]` | a bill; without more it costs the same later and is due on 2025-01-31 |
//! | `print KEY AMOUNT` | the same, as a static QR code with amount |
//! | `open [KEY]` | a static QR code without amount |
//! | `sale AMOUNT [KEY]` | a dynamic QR code |
//! | `bulk KEY AMOUNT, …` | a batch, and waiting until it is done |
//! | `pay N AMOUNT REFERENCE` | the bank pays the PSID with the number N |
//! | `clock TIME` | the clock moves |
//!
//! Effects are the records that changed, lettered in the order in which they were accepted, or what the hub refused with.

use std::collections::BTreeMap;

use crate::hub::{Answer, Hub, plain, psid};

/// Each record's letter, status and PSID.
type Records = BTreeMap<u64, String>;

pub(crate) async fn check(script: &str) {
    let hub = Hub::start().await;
    let mut before = Records::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (action, expected) = line.split_once("->").expect("a line is `action -> effect`");
        let said = act(&hub, action.trim()).await;
        let after = records(&hub).await;
        let effect = said.err().unwrap_or_else(|| effect(&before, &after));
        assert_eq!(effect, expected.trim(), "in line: {line}");
        before = after;
    }
}

async fn act(hub: &Hub, action: &str) -> Result<(), String> {
    const DUE: &str = "2025-01-31";
    let words: Vec<&str> = action.split_whitespace().collect();
    match words[..] {
        ["add", key, amount] => added(&hub.add("PSID", &bill(key, amount, amount, DUE)).await),
        ["add", key, amount, later] => added(&hub.add("PSID", &bill(key, amount, later, DUE)).await),
        ["add", key, amount, later, due] => added(&hub.add("PSID", &bill(key, amount, later, due)).await),
        ["print", key, amount] => added(&hub.add("SQRC_WITH_AMOUNT", &bill(key, amount, amount, DUE)).await),
        ["open"] => added(&hub.add("SQRC_WITHOUT_AMOUNT", r#"{"payment":{"title":"Ali Tuck Shop"}}"#).await),
        ["open", key] => {
            let body = format!(r#"{{"payment":{{"title":"Ali Tuck Shop","identifier":"{key}"}}}}"#);
            added(&hub.add("SQRC_WITHOUT_AMOUNT", &body).await)
        }
        ["sale", amount] => added(&hub.add("DQRC", &sale(amount, "")).await),
        ["sale", amount, key] => added(&hub.add("DQRC", &sale(amount, key)).await),
        ["bulk", ..] => {
            let rows = action.strip_prefix("bulk").unwrap().split(',').map(|row| row.trim().split_once(' ').unwrap());
            let rows = rows.map(|(key, amount)| row(key, amount, amount, DUE)).collect::<Vec<_>>().join(",");
            let answer = hub.add_bulk(format!(r#"{{"payments":[{rows}]}}"#)).await;
            hub.settled().await;
            added(&answer)
        }
        ["pay", number, amount, reference] => match hub.pay(&psid(number.parse().unwrap()), amount, reference).await {
            (200, _) => Ok(()),
            (status, body) => Err(format!("{status} {body}")),
        },
        ["clock", time] => {
            hub.sim.clock().set(time.parse().unwrap());
            Ok(())
        }
        _ => panic!("no such action: {action}"),
    }
}

fn added(answer: &Answer) -> Result<(), String> {
    if answer.is_success() { Ok(()) } else { Err(answer.said()) }
}

/// A bill's request.
pub(crate) fn bill(key: &str, amount: &str, later: &str, due: &str) -> String {
    format!(r#"{{"payment":{}}}"#, row(key, amount, later, due))
}

/// A bill's fields, which are a batch's row too.
pub(crate) fn row(key: &str, amount: &str, later: &str, due: &str) -> String {
    format!(
        r#"{{"title":"Bareera Sheikh","identifier":"{key}","amount":"{amount}","dueDate":"{due}","amountAfterDueDate":"{later}"}}"#
    )
}

fn sale(amount: &str, key: &str) -> String {
    format!(
        r#"{{"payment":{{"identifier":"{key}","amount":"{amount}","longitude":"72.996636","latitude":"33.646342"}}}}"#
    )
}

/// Every record, by its number. Numbers have no gaps.
async fn records(hub: &Hub) -> Records {
    let mut records = Records::new();
    for id in 1.. {
        let answer = hub.get(&format!("/payment/{id}")).send().await;
        if !answer.is_success() {
            break;
        }
        let letter = char::from(b'A' + u8::try_from(id - 1).unwrap());
        let status = answer.text_at("/status");
        let psid = answer.data()["psid"].as_str().map(|psid| psid[6..].trim_start_matches('0'));
        let psid = psid.map(|number| format!(" psid {number}")).unwrap_or_default();
        records.insert(id, format!("{letter} {status}{psid}"));
    }
    records
}

fn effect(before: &Records, after: &Records) -> String {
    let changed: Vec<&str> =
        after.iter().filter(|(id, record)| before.get(id) != Some(record)).map(|(_, record)| record.as_str()).collect();
    if changed.is_empty() { "nothing changes".to_owned() } else { changed.join("; ") }
}

/// What a page says of its payments: identifier, amount, status.
pub(crate) fn shown(page: &Answer) -> Vec<String> {
    let line = |one: &serde_json::Value| ["identifier", "amount", "status"].map(|field| plain(&one[field])).join(" ");
    page.content().iter().map(line).collect()
}
