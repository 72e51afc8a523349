//! A QR code at a till: one amount, good for an hour, and a watch until it is paid.
//!
//! `ASAANBILL_URL=… ASAANBILL_USERNAME=… ASAANBILL_PASSWORD=… cargo run --example qr_at_a_till -- 1500`

#![allow(clippy::print_stdout, reason = "an example talks")]

use std::time::Duration;

use asaanbill_client::core::{Fields, NewPayment, PaymentKind, PaymentStatus};
use asaanbill_client::{Client, STAGING, Status, WatchPolicy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str| std::env::var(name);
    let client = Client::builder()
        .base_url(setting("ASAANBILL_URL").unwrap_or_else(|_| STAGING.into()))
        .credentials(setting("ASAANBILL_USERNAME")?, setting("ASAANBILL_PASSWORD")?)
        .build()?;
    let amount = std::env::args().nth(1).unwrap_or_else(|| "1500".into());
    let sale = Fields {
        amount: Some(&amount),
        description: Some("Star Wars movie ticket"),
        latitude: Some("33.646342"),
        longitude: Some("72.996636"),
        ..Fields::default()
    };
    // Without an identifier: the client makes one, so that the sale can be found again if the answer is lost.
    let payment = client.add(&NewPayment::parse(PaymentKind::DynamicQr, &sale)?).await?;
    println!("{}", payment.qr_string().ok_or("the hub gave no QR code")?);

    // Somebody stands there and waits, so it asks more often than it would for a bill.
    let policy = WatchPolicy::new(Duration::from_secs(1), Duration::from_secs(10));
    let mut watch = client.watch(payment.psid().ok_or("the hub gave no PSID")?, policy);
    while let Some(change) = watch.next().await {
        match change?.status() {
            Some(Status::Known(PaymentStatus::Processed)) => println!("paid"),
            Some(status) => println!("{status:?}"),
            None => {}
        }
    }
    Ok(())
}
