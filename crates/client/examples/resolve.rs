//! What became of the bills whose answers were lost: run it after a crash, or every morning.
//!
//! `ASAANBILL_URL=… ASAANBILL_USERNAME=… ASAANBILL_PASSWORD=… cargo run --example resolve --features journal-sqlite`

#![allow(clippy::print_stdout, reason = "an example talks")]

use asaanbill_client::{Client, Resolution, STAGING, SqliteJournal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str| std::env::var(name);
    let client = Client::builder()
        .base_url(setting("ASAANBILL_URL").unwrap_or_else(|_| STAGING.into()))
        .credentials(setting("ASAANBILL_USERNAME")?, setting("ASAANBILL_PASSWORD")?)
        .journal(SqliteJournal::open("asaanbill-journal.db")?)
        .build()?;
    for intent in client.open_intents(None).await? {
        let id = intent.id();
        match client.resolve(&intent).await? {
            Resolution::Added(payment) => {
                let (psid, status) = (payment.psid(), payment.status());
                println!("{id}: it exists, PSID {psid:?}, {status:?}");
            }
            Resolution::AddedBulk(batch) => println!("{id}: the batch exists, number {:?}", batch.id),
            Resolution::NotFound => println!("{id}: it doesn't exist; add it again if it is still wanted"),
            several => println!("{id}: it exists several times; somebody should look: {several:?}"),
        }
    }
    Ok(())
}
