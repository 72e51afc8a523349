//! What the client is measured against: the same by hand, by whoever knows what they do.

use asaanbill_core::Bill;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};

use crate::stub::TOKEN;

#[derive(Serialize)]
struct Add<'a> {
    payment: Row<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    title: &'a str,
    identifier: &'a str,
    due_date: String,
    amount: &'a str,
    amount_after_due_date: &'a str,
}

#[derive(Serialize)]
struct Bulk<'a> {
    payments: Vec<Row<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<T> {
    response_code: u16,
    #[expect(dead_code, reason = "it is read, as the client reads it")]
    response_message: String,
    data: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is read, as the client reads it")]
struct Added {
    id: u64,
    amount: f64,
    amount_after_due_date: f64,
    identifier: String,
    title: String,
    due_date: String,
    psid: String,
    qr_string: String,
    status: String,
    created_at: String,
    updated_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkAdded {
    payments: Vec<Echo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is read, as a client would")]
struct Echo {
    title: String,
    identifier: String,
    amount: String,
    due_date: String,
    amount_after_due_date: String,
    status: String,
}

fn row(bill: &Bill) -> Row<'_> {
    Row {
        title: bill.title.as_str(),
        identifier: bill.identifier.as_str(),
        due_date: bill.due_date.to_string(),
        amount: bill.amount.as_str(),
        amount_after_due_date: bill.amount_after_due_date.as_str(),
    }
}

/// A client by hand.
pub(crate) enum Floor {
    Hyper(HyperClient<HttpConnector, Full<Bytes>>, String),
    Reqwest(reqwest::Client, String),
}

impl Floor {
    pub(crate) fn hyper(hub: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self::Hyper(HyperClient::builder(TokioExecutor::new()).build(connector), address(hub))
    }

    pub(crate) fn reqwest(hub: &str) -> Self {
        // As a program does that chooses its cryptography itself. A second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().http1_only().build().unwrap();
        Self::Reqwest(client, address(hub))
    }

    /// Adds a bill, and gives its PSID.
    pub(crate) async fn add(&self, bill: &Bill) -> String {
        let add = Add { payment: row(bill) };
        let answer: Envelope<Added> = match self {
            Self::Hyper(client, address) => {
                let body = Full::new(Bytes::from(serde_json::to_vec(&add).unwrap()));
                let request = Request::post(address)
                    .header("content-type", "application/json")
                    .header("x-auth-ph-key", TOKEN)
                    .header("channel-id", "23")
                    .header("username", "demo");
                let answer = client.request(request.body(body).unwrap()).await.unwrap();
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                serde_json::from_slice(&body).unwrap()
            }
            Self::Reqwest(client, address) => {
                let request = client.post(address).header("x-auth-ph-key", TOKEN).header("channel-id", "23");
                request.header("username", "demo").json(&add).send().await.unwrap().json().await.unwrap()
            }
        };
        assert_eq!(answer.response_code, 200);
        answer.data.psid
    }
}

fn address(hub: &str) -> String {
    format!("{hub}/integration/add?generationTypes=PSID")
}

/// Writes a batch and reads its answer; says how many rows the answer has.
pub(crate) fn write_and_read(bills: &[Bill], answer: &[u8]) -> usize {
    let written = serde_json::to_vec(&Bulk { payments: bills.iter().map(row).collect() }).unwrap();
    assert!(!written.is_empty());
    let answer: Envelope<BulkAdded> = serde_json::from_slice(answer).unwrap();
    assert_eq!(answer.response_code, 200);
    answer.data.payments.len()
}
