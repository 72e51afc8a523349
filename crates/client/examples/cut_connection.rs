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
        Err(error) if error.is_outcome_unknown() => {
            println!("{error}");
            // Nothing is sent again: the hub's records say whether the bill exists.
            let intent = error.intent().ok_or("no intent")?;
            match client.resolve(intent).await? {
                Resolution::Added(payment) => payment,
                other => return Err(format!("not billed: {other:?}").into()),
            }
        }
        // Among the other errors is `Unresolved`, whose intent is an earlier request's: this bill isn't sent.
        result => result?,
    };
    println!("PSID {}", payment.psid().ok_or("the hub gave no PSID")?);
    Ok(())
}
