//! A bill over a network that may cut the connection after the hub has added it: added once, found again, its PSID printed.
#![allow(clippy::print_stdout, reason = "an example talks")]

use asaanbill_client::core::{Fields, NewPayment, PaymentKind};
use asaanbill_client::{Client, Resolution};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str| std::env::var(name);
    let client = Client::builder()
        .base_url(setting("ASAANBILL_URL")?)
        .credentials(setting("ASAANBILL_USERNAME")?, setting("ASAANBILL_PASSWORD")?)
        .build()?;
    let fields = Fields {
        title: Some("Muhammad Mahd Sheikh"),
        identifier: Some("FS-BSCS-095"),
        amount: Some("50"),
        due_date: Some("2027-03-28"),
        amount_after_due_date: Some("55"),
        ..Fields::default()
    };
    let bill = NewPayment::parse(PaymentKind::Psid, &fields)?;
    let payment = match client.add(&bill).await {
        Ok(payment) => payment,
        Err(error) => {
            println!("{error}");
            // Nothing is sent again: the hub's records say whether the bill exists.
            let Some(intent) = error.intent() else { return Err(error.into()) };
            match client.resolve(intent).await? {
                Resolution::Added(payment) => payment,
                other => return Err(format!("not billed: {other:?}").into()),
            }
        }
    };
    println!("PSID {}", payment.psid().ok_or("the hub gave no PSID")?);
    Ok(())
}
