//! One bill, and what to do when the connection is cut. The journal survives the program: run it again, and it goes on.
//!
//! `ASAANBILL_URL=… ASAANBILL_USERNAME=… ASAANBILL_PASSWORD=… cargo run --example one_bill --features journal-sqlite`

#![allow(clippy::print_stdout, reason = "an example talks")]

use asaanbill_client::core::{Fields, NewPayment, PaymentKind};
use asaanbill_client::{Client, STAGING, SqliteJournal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str| std::env::var(name);
    let client = Client::builder()
        .base_url(setting("ASAANBILL_URL").unwrap_or_else(|_| STAGING.into()))
        .credentials(setting("ASAANBILL_USERNAME")?, setting("ASAANBILL_PASSWORD")?)
        .journal(SqliteJournal::open("asaanbill-journal.db")?)
        .build()?;

    let fields = Fields {
        title: Some("Muhammad Mahd Sheikh"),
        identifier: Some("FS-BSCS-095"),
        amount: Some("1400"),
        due_date: Some("2027-03-28"),
        amount_after_due_date: Some("1450"),
        ..Fields::default()
    };
    // All that is wrong with it, at once, before anything is sent.
    let bill = NewPayment::parse(PaymentKind::Psid, &fields)?;

    // However often this runs, and wherever it was killed: the invoice is billed once.
    let payment = client.add_once("invoice-2027-03-FS-BSCS-095", &bill).await?;
    for warning in payment.warnings() {
        println!("note: {warning:?}");
    }
    println!("PSID {}", payment.psid().ok_or("the hub gave no PSID")?);
    Ok(())
}
