//! A cassette instead of a hub: what a user's own test looks like.

use asaanbill_client::transport::{Cassette, Player};
use asaanbill_client::{Client, PageRequest};

use crate::hub::bill;

/// As `Recorder` wrote it, in front of a hub: JSON to read, without secrets.
const CASSETTE: &str = r#"{
  "version": 1,
  "exchanges": [
    {
      "request": { "method": "POST", "path": "/integration/login", "body": { "json": {"password":"***"} } },
      "answer": { "status": 200, "body": { "json": {"responseCode":200,"data":{"token":"***","channel":{"id":23}}} } }
    },
    {
      "request": {
        "method": "POST", "path": "/integration/add?generationTypes=PSID",
        "body": { "json": {"payment":{"title":"Muhammad Mahd Sheikh","identifier":"FS-BSCS-095","dueDate":"2024-03-28","amount":"50","amountAfterDueDate":"55"}} }
      },
      "failure": { "kind": "closed", "delivery": "unknown" }
    },
    {
      "request": { "method": "GET", "path": "/integration/payment?pageNo=0&pageSize=100", "body": {} },
      "answer": { "status": 200, "body": { "json": {"responseCode":200,"data":{"content":[{"id":25,"amount":50.0}],"isLast":true}} } }
    }
  ]
}"#;

#[tokio::test]
async fn a_cassette_is_a_hub() {
    let player = std::sync::Arc::new(Player::new(Cassette::from_json(CASSETTE).unwrap()));
    let client = Client::builder().base_url("https://hub.example").credentials("demo", "any").transport(player.clone());
    let client = client.build().unwrap();
    assert!(client.add(&bill()).await.unwrap_err().is_outcome_unknown());
    let page = client.payments(PageRequest::default()).await.unwrap();
    assert_eq!(page.items[0].amount(), Some("50".parse().unwrap()));
    assert_eq!(player.remaining(), 0);
}
