//! Many bills from a file, with progress. Kill it and run it again: nobody is billed twice.
//!
//! Lines of `identifier;title;amount;due date;amount after due date`:
//! `ASAANBILL_URL=… ASAANBILL_USERNAME=… ASAANBILL_PASSWORD=… cargo run --example import --features journal-sqlite -- fees.txt`

#![allow(clippy::print_stdout, reason = "an example talks")]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use asaanbill_client::core::{Bill, Fields, NewPayment, PaymentKind};
use asaanbill_client::{Client, ImportEvent, ImportOptions, RowOutcome, STAGING, SqliteJournal};
use futures_util::stream;

fn bill(line: &str) -> Result<Bill, Box<dyn std::error::Error>> {
    let mut parts = line.split(';');
    let fields = Fields {
        identifier: parts.next(),
        title: parts.next(),
        amount: parts.next(),
        due_date: parts.next(),
        amount_after_due_date: parts.next(),
        ..Fields::default()
    };
    let new = NewPayment::parse(PaymentKind::Psid, &fields)?;
    Ok(new.bill().ok_or("not a bill")?.clone())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str| std::env::var(name);
    let path = std::env::args().nth(1).ok_or("which file?")?;
    // Once through, so that a bad line stops it before anything is sent.
    for (number, line) in BufReader::new(File::open(&path)?).lines().enumerate() {
        bill(&line?).map_err(|error| format!("line {}: {error}", number + 1))?;
    }
    let bills = BufReader::new(File::open(&path)?).lines().map_while(Result::ok).filter_map(|line| bill(&line).ok());

    let client = Client::builder()
        .base_url(setting("ASAANBILL_URL").unwrap_or_else(|_| STAGING.into()))
        .credentials(setting("ASAANBILL_USERNAME")?, setting("ASAANBILL_PASSWORD")?)
        .journal(SqliteJournal::open("asaanbill-journal.db")?)
        .build()?;
    let options = ImportOptions::named(&path).wait_for_psids(Duration::from_secs(600));
    let mut import = client.import(stream::iter(bills), options);
    while let Some(event) = import.next().await {
        match event? {
            ImportEvent::Row(row) => match (row.outcome, row.psid) {
                (RowOutcome::Accepted, Some(psid)) => println!("row {}: PSID {psid}", row.position),
                (outcome, _) => println!("row {}: {outcome:?}", row.position),
            },
            ImportEvent::Progress(progress) => {
                println!("{} rows, {} accepted, {} a second", progress.read, progress.accepted, progress.per_second());
            }
            _ => {}
        }
    }
    Ok(())
}
