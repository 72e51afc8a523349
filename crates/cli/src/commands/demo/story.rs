//! The story, with the inputs of the integration guide's own samples.

use asaanbill_callbacks::Confirmed;
use asaanbill_client::{BulkRow, Client, PageRequest, Payment, RowOutcome, Status};
use asaanbill_core::{Amount, Fields, NewPayment, PaymentKind, PaymentStatus, Psid};
use asaanbill_qr::{Background, MerchantCode, Symbol};
use asaanbill_transport::{HyperTransport, Transport as _};
use asaanbill_wire::{generation_type, status_text};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::failure::{During as _, Failure, There as _, holds};
use super::world::World;
use crate::output::{Output, Step};

/// The guide's first payer, and what the first bill asks.
const STUDENT: &str = "FS-BSCS-095";
const FIRST_BILL: Fields<'_> = Fields {
    title: Some("Muhammad Mahd Sheikh"),
    identifier: Some(STUDENT),
    amount: Some("50"),
    due_date: Some("2024-03-28"),
    amount_after_due_date: Some("55"),
    description: None,
    longitude: None,
    latitude: None,
};
const SECOND_BILL: Fields<'_> =
    Fields { amount: Some("1400"), due_date: Some("2025-08-31"), amount_after_due_date: Some("14550"), ..FIRST_BILL };

/// Tells it from login to history.
pub(super) async fn tell(world: &mut World, output: &mut Output) -> Result<(), Failure> {
    log_in(&world.client, output).await?;
    let psid = add_twice(&world.client, output).await?;
    add_codes(&world.client, output).await?;
    add_batch(&world.client, output).await?;
    batch_approved(world, psid, output).await?;
    pay(world, psid, output).await?;
    paid(world, psid, output).await?;
    history(&world.client, psid, output).await?;
    let done = Step::new("done", "Every step held").fact("ok", true);
    output.show(done).during("writing")
}

async fn log_in(client: &Client, output: &mut Output) -> Result<(), Failure> {
    let channel = client.log_in().await.during("logging in")?;
    let step = Step::new("login", "The integrator logs in")
        .line(format!("channel {channel}; the token never expires and is never shown"))
        .fact("channel", channel.get());
    output.show(step).during("writing")
}

async fn add_twice(client: &Client, output: &mut Output) -> Result<Psid, Failure> {
    let first = add(client, PaymentKind::Psid, &FIRST_BILL).await?;
    let psid = first.psid().there("the first bill's PSID")?;
    let step = show_payment(Step::new("add", format!("A bill of {} rupees for {STUDENT}", amount(&first))), &first);
    output.show(step).during("writing")?;

    let second = add(client, PaymentKind::Psid, &SECOND_BILL).await?;
    holds(second.psid() == Some(psid), "a second bill on the same identifier has the same PSID")?;
    let id = first.id().there("the first bill's number")?;
    let discarded = client.payment(id).await.during("reading the first bill")?;
    holds(stands(&discarded, PaymentStatus::Discarded), "the unpaid first bill is discarded")?;
    let title = format!("Another bill, of {} rupees, for {STUDENT}", amount(&second));
    let step = show_payment(Step::new("add-again", title), &second)
        .line(format!("the same PSID; payment {id} was not paid, and is now {}", status(&discarded)))
        .fact("discarded", id.get());
    output.show(step).during("writing")?;
    Ok(psid)
}

async fn add_codes(client: &Client, output: &mut Output) -> Result<(), Failure> {
    let static_qr = Fields { title: Some("Muhammad Aarayz Sheikh"), identifier: Some("FS-BSME-095"), ..SECOND_BILL };
    let open = Fields {
        title: Some("Ali Tuck Shop"),
        identifier: Some("ali-tuck-shop-1"),
        description: Some("Ali's Tuck Shop static QR"),
        ..Fields::default()
    };
    let ticket = Fields {
        title: Some("Sheikh Amaan Asghar"),
        identifier: Some(" Movie-Ticket-37406-7000003-8"),
        amount: Some("1500"),
        description: Some("Star Wars movie ticket"),
        longitude: Some("72.996636"),
        latitude: Some("33.646342"),
        ..Fields::default()
    };
    let kinds = [(PaymentKind::StaticQr, static_qr), (PaymentKind::OpenQr, open), (PaymentKind::DynamicQr, ticket)];
    for (kind, fields) in kinds {
        let payment = add(client, kind, &fields).await?;
        let text = payment.qr_string().there("the QR code's text")?;
        let code = MerchantCode::parse(text).during("reading the QR code")?;
        let title = match kind {
            PaymentKind::OpenQr => "A QR code at a till: the payer chooses the amount, for ever",
            PaymentKind::DynamicQr => "A QR code for one sale, good for an hour",
            PaymentKind::Psid | PaymentKind::StaticQr => "A bill with a printed QR code",
        };
        let kind_word = generation_type(kind);
        let mut step = show_payment(Step::new("add-qr", title), &payment)
            .line(format!("{kind_word}, checksum {:04X}", code.crc()))
            .fact("kind", kind_word)
            .fact("qr", text);
        if kind == PaymentKind::DynamicQr {
            step = step.line(Symbol::new(text).during("drawing the QR code")?.to_terminal(Background::Dark));
        }
        output.show(step).during("writing")?;
    }
    Ok(())
}

async fn add_batch(client: &Client, output: &mut Output) -> Result<(), Failure> {
    let row = |title: &'static str, identifier: &'static str, [amount, due_date, later]: [&'static str; 3]| BulkRow {
        title: title.into(),
        identifier: identifier.into(),
        amount: amount.into(),
        due_date: due_date.into(),
        amount_after_due_date: later.into(),
    };
    let rows = vec![
        row("Muhammad Mahd Sheikh", STUDENT, ["1400", "2025-08-31", "14550"]),
        row(" Muhammad Aarayz Sheikh", " FS-BSME-055", ["1300", "2025-08-31", "1350"]),
        row(" Bareera Sheikh", STUDENT, ["1000", "2024-08-31", ""]),
    ];
    let accepted = client.add_bulk_rows(rows).await.during("adding a batch")?;
    let id = accepted.id.there("the batch's number")?;
    let refused = "amountAfterDueDate cannot be empty or null";
    let expected = [RowOutcome::Accepted, RowOutcome::Accepted, RowOutcome::Refused(refused.into())];
    holds(accepted.rows == expected, "two rows are accepted and one is refused")?;
    let mut step = Step::new("add-bulk", format!("A batch of three bills, one of them bad: number {id}"));
    let mut rows = Vec::new();
    for (row, number) in accepted.rows.iter().zip(1..) {
        let said = match row {
            RowOutcome::Accepted => "accepted",
            RowOutcome::Refused(why) => why,
            _ => "unknown",
        };
        step = step.line(format!("row {number}: {said}"));
        rows.push(json!({ "row": number, "status": said }));
    }
    output.show(step.fact("id", id.get()).fact("rows", rows)).during("writing")
}

async fn batch_approved(world: &mut World, psid: Psid, output: &mut Output) -> Result<(), Failure> {
    let Confirmed::Bulk(batch) = world.next_event().await? else {
        return Err(Failure::new("the first call-back is not the batch's"));
    };
    let payments: &Vec<_> = &batch.record().payments.iter().map(Payment::from).collect();
    holds(payments.len() == 2, "the batch has two payments")?;
    holds(payments.iter().all(|p| stands(p, PaymentStatus::Approved)), "both are approved")?;
    holds(payments[0].psid() == Some(psid), "the first has taken over the PSID")?;
    let mut step = Step::new("bulk-approved", "The hub calls back: the batch has its PSIDs")
        .line("stored, acknowledged, and confirmed with the hub's own records:")
        .fact("id", batch.id().get());
    let mut psids = Vec::new();
    for payment in payments {
        step = step.line(format!("payment {} PSID {} {}", number(payment), psid_of(payment), status(payment)));
        psids.push(Value::from(psid_of(payment)));
    }
    output.show(step.fact("psids", psids)).during("writing")
}

async fn pay(world: &World, psid: Psid, output: &mut Output) -> Result<(), Failure> {
    let bank = HyperTransport::new().during("the bank's transport")?;
    let amount: Amount = "1400".parse().during("the amount")?;
    let reference = "000123";
    let body = json!({ "psid": psid.as_str(), "amount": amount.as_str(), "reference": reference });
    let paid = send_payment(&bank, world, &body).await?;
    let repeated = send_payment(&bank, world, &body).await?;
    holds(paid == repeated, "the same bank reference again is the same record")?;
    holds(paid["status"] == status_text(PaymentStatus::Processed), "the bank's payment is taken")?;
    let id = paid["id"].clone();
    let step = Step::new("pay", format!("The payer enters the PSID in a banking app and pays {amount} rupees"))
        .line(format!("payment {id} {}, bank reference {reference}", status_text(PaymentStatus::Processed)))
        .line("the bank sends it once more: the same record, no second debit")
        .fact("psid", psid.as_str())
        .fact("amount", amount.as_str())
        .fact("id", id);
    output.show(step).during("writing")
}

async fn send_payment(bank: &HyperTransport, world: &World, body: &Value) -> Result<Value, Failure> {
    let request = Request::post(format!("http://{}/_sim/pay", world.hub))
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))
        .during("the bank's request")?;
    let answer = bank.send(request).await.during("paying")?;
    holds(answer.status().is_success(), "the hub takes the bank's payment")?;
    serde_json::from_slice(answer.body()).during("the bank's answer")
}

async fn paid(world: &mut World, psid: Psid, output: &mut Output) -> Result<(), Failure> {
    let Confirmed::Payment(event) = world.next_event().await? else {
        return Err(Failure::new("the second call-back is not the payment's"));
    };
    let record = &Payment::from(event.record());
    holds(record.psid() == Some(psid), "the call-back is for the PSID that was paid")?;
    holds(stands(record, PaymentStatus::Processed), "the hub's record is paid")?;
    let at = record.paid_at().there("the time of the payment")?;
    let step = Step::new("paid", "The hub calls back: the bill is paid")
        .line("stored, acknowledged, and confirmed with the hub's own records:")
        .line(format!("payment {} {} rupees {} at {at}", event.id(), amount(record), status(record)))
        .line(format!("effect key {}: whoever sends this call-back again, it is handled once", event.effect_key()))
        .fact("id", event.id().get())
        .fact("effect_key", event.effect_key())
        .fact("paid_at", at.to_string());
    output.show(step).during("writing")
}

async fn history(client: &Client, psid: Psid, output: &mut Output) -> Result<(), Failure> {
    let found = client.search(psid, PageRequest::default()).await.during("searching")?;
    let statuses: Vec<_> = found.items.iter().map(Payment::status).collect();
    let expected = [PaymentStatus::Processed, PaymentStatus::Discarded, PaymentStatus::Discarded];
    holds(statuses == expected.map(|s| Some(Status::Known(s))), "the history is one paid and two discarded")?;
    let mut step =
        Step::new("history", format!("The history of PSID {psid}, newest first")).fact("psid", psid.as_str());
    let mut records = Vec::new();
    for payment in &found.items {
        step = step.line(format!("payment {} {:>5} rupees {}", number(payment), amount(payment), status(payment)));
        records.push(json!({ "id": number(payment), "amount": amount(payment), "status": status(payment) }));
    }
    output.show(step.fact("records", records)).during("writing")
}

async fn add(client: &Client, kind: PaymentKind, fields: &Fields<'_>) -> Result<Payment, Failure> {
    let new = NewPayment::parse(kind, fields).during("a sample of the guide")?;
    let added = client.add(&new).await.during("adding a payment")?;
    holds(stands(&added, PaymentStatus::Approved), "an added payment is approved at once")?;
    Ok(added)
}

fn show_payment(step: Step, payment: &Payment) -> Step {
    let (id, psid, status) = (number(payment), psid_of(payment), status(payment));
    step.line(format!("payment {id} PSID {psid} {status}")).fact("id", id).fact("psid", psid).fact("status", status)
}

fn stands(payment: &Payment, status: PaymentStatus) -> bool {
    payment.status() == Some(Status::Known(status))
}

/// A dash where the hub's number can't be read: who relies on it asks for it.
fn number(payment: &Payment) -> Value {
    payment.id().map_or_else(|| Value::from("-"), |id| Value::from(id.get()))
}

fn psid_of(payment: &Payment) -> String {
    payment.psid().map_or_else(|| "-".into(), |psid| psid.to_string())
}

fn amount(payment: &Payment) -> String {
    payment.amount().map_or_else(|| "any".into(), |amount| amount.to_string())
}

fn status(payment: &Payment) -> String {
    match payment.status() {
        Some(Status::Known(status)) => status_text(status).into(),
        Some(Status::Unknown(word)) => word.into(),
        _ => "-".into(),
    }
}
