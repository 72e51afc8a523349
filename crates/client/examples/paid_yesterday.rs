//! What was paid yesterday, in Karachi's days.
//!
//! `ASAANBILL_URL=… ASAANBILL_USERNAME=… ASAANBILL_PASSWORD=… cargo run --example paid_yesterday`

#![allow(clippy::print_stdout, reason = "an example talks")]

use asaanbill_client::core::karachi_date;
use asaanbill_client::{Client, STAGING};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str| std::env::var(name);
    let client = Client::builder()
        .base_url(setting("ASAANBILL_URL").unwrap_or_else(|_| STAGING.into()))
        .credentials(setting("ASAANBILL_USERNAME")?, setting("ASAANBILL_PASSWORD")?)
        .build()?;
    let yesterday = karachi_date(now()).yesterday()?;
    // A sweep misses none that was in the list when it began, however the list shifts meanwhile.
    let mut sweep = client.sweep();
    while let Some(payment) = sweep.next().await {
        let payment = payment?;
        if payment.paid_at().is_some_and(|at| karachi_date(at) == yesterday) {
            println!("{:?} {:?} {:?}", payment.psid(), payment.amount(), payment.paid_at());
        }
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "a program is an outermost layer")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
