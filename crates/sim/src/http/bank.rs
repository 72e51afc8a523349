//! The bank's side over HTTP: the biller's interface of 1BILL, which banks' switches call, and an inquiry for people.
//!
//! guide:pay-11

use axum::Extension;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::admin::refused;
use super::json;
use crate::Sim;
use crate::bank::{BankError, BillStatus, Inquiry, Paid};
use crate::hub::Cause;
use crate::journal::RequestId;
use crate::onebill::{InquiryAnswer, PaymentAnswer, ResponseCode, read_inquiry, read_payment};
use asaanbill_core::{Due, Psid};

/// Where a switch asks what is owed. (assumed: as billers publish it)
pub(super) const INQUIRY_PATH: &str = "/api/1.0/Payments/BillInquiry";

/// Where a switch says what is paid. (assumed: as billers publish it)
pub(super) const PAYMENT_PATH: &str = "/api/1.0/Payments/BillPayment";

/// Whether this is a page of the 1BILL interface.
pub(super) fn is_for_switches(path: &str) -> bool {
    [INQUIRY_PATH, PAYMENT_PATH].contains(&path)
}

/// A body, or why it can't be had.
type MaybeBody = Result<Bytes, BytesRejection>;

/// A switch asks what a consumer owes.
pub(super) async fn bill_inquiry(State(sim): State<Sim>, headers: HeaderMap, body: MaybeBody) -> Response {
    let (status, answer) = match admit(&sim, &headers, body) {
        Ok(body) => (StatusCode::OK, inquire_bill(&sim, &body).await.unwrap_or_else(InquiryAnswer::refused)),
        Err(status) => (status, InquiryAnswer::refused(ResponseCode::Invalid)),
    };
    json(status, &answer)
}

async fn inquire_bill(sim: &Sim, body: &[u8]) -> Result<InquiryAnswer, ResponseCode> {
    let psid = read_inquiry(body)?;
    let (inquiry, reference) = sim.bank().inquire_with_reference(psid).await?;
    Ok(InquiryAnswer::new(&inquiry, reference.as_deref()))
}

/// A switch says that a consumer has paid.
pub(super) async fn bill_payment(
    State(sim): State<Sim>,
    Extension(request): Extension<RequestId>,
    headers: HeaderMap,
    body: MaybeBody,
) -> Response {
    let cause = Cause(Some(request.get()));
    let (status, answer) = match admit(&sim, &headers, body) {
        Ok(body) => (StatusCode::OK, pay_bill(&sim, &body, cause).await.unwrap_or_else(PaymentAnswer::refused)),
        Err(status) => (status, PaymentAnswer::refused(ResponseCode::Invalid)),
    };
    json(status, &answer)
}

async fn pay_bill(sim: &Sim, body: &[u8], cause: Cause) -> Result<PaymentAnswer, ResponseCode> {
    let payment = read_payment(body)?;
    Ok(match sim.bank().pay_because(payment.psid, payment.amount, &payment.reference, cause).await? {
        Paid::Now(record) => PaymentAnswer::paid(&record, ResponseCode::Success),
        Paid::Before(record) => PaymentAnswer::paid(&record, ResponseCode::Duplicate),
    })
}

/// The bank's credentials, then its message. Every answer that has a code of its own comes with HTTP's 200; what a switch
/// could never get right by asking again differently has HTTP's own status besides. (assumed)
fn admit(sim: &Sim, headers: &HeaderMap, body: MaybeBody) -> Result<Bytes, StatusCode> {
    let settings = &sim.settings().settings;
    let right = is_header(headers, "username", &settings.bank_username)
        & is_header(headers, "password", settings.bank_password.expose_secret());
    if !right {
        return Err(StatusCode::UNAUTHORIZED);
    }
    body.map_err(|rejection| rejection.status())
}

/// Whether a header comes once, with this value. Takes as long for every wrong value.
fn is_header(headers: &HeaderMap, name: &str, expected: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    let given = match (values.next(), values.next()) {
        (Some(value), None) => Sha256::digest(value.as_bytes()),
        _ => return false,
    };
    given.ct_eq(&Sha256::digest(expected.as_bytes())).into()
}

/// One of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InquireRequest {
    psid: Option<String>,
    qr: Option<String>,
}

/// What is owed, in the guide's spelling of values.
#[derive(Serialize)]
struct Owed<'p> {
    psid: Option<&'p str>,
    status: &'static str,
    title: Option<&'p str>,
    due_date: Option<String>,
    amount: Option<String>,
    amount_after_due_date: Option<String>,
    /// What has to be paid now; null if nothing can be, or any amount may be.
    payable: Option<String>,
    any_amount: bool,
    /// Why nothing can be paid.
    reason: Option<String>,
}

/// What a PSID or a code owes: 200, or 404 with the reason.
pub(super) async fn inquire(State(sim): State<Sim>, body: MaybeBody) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return refused(rejection.status(), &"the body can't be read"),
    };
    let found = match serde_json::from_slice(&body) {
        Ok(InquireRequest { psid: Some(psid), qr: None }) => match psid.parse() {
            Ok(psid) => sim.bank().inquire(psid).await,
            Err(error) => return refused(StatusCode::BAD_REQUEST, &error),
        },
        Ok(InquireRequest { psid: None, qr: Some(code) }) => sim.bank().inquire_qr(&code).await,
        _ => return refused(StatusCode::BAD_REQUEST, &r#"expected {"psid":"…"} or {"qr":"…"}"#),
    };
    match found {
        Ok(inquiry) => shown(&inquiry),
        Err(error @ BankError::UnreadableCode) => refused(StatusCode::BAD_REQUEST, &error),
        Err(error @ (BankError::UnknownPsid | BankError::UnknownCode)) => refused(StatusCode::NOT_FOUND, &error),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

fn shown(inquiry: &Inquiry) -> Response {
    let payment = &inquiry.payment;
    let psid = payment.stage.psid();
    let bill = payment.new.bill();
    let later = bill.map(|bill| bill.amount_after_due_date).or(payment.new.amount());
    let owed = Owed {
        psid: psid.as_ref().map(Psid::as_str),
        status: match inquiry.status() {
            BillStatus::Unpaid => "unpaid",
            BillStatus::Paid => "paid",
            BillStatus::Blocked => "blocked",
        },
        title: payment.new.title().map(|title| title.as_str()),
        due_date: bill.map(|bill| bill.due_date.to_string()),
        amount: payment.new.amount().map(|amount| amount.to_string()),
        amount_after_due_date: later.map(|amount| amount.to_string()),
        payable: match inquiry.due {
            Ok(Due::Exactly(amount)) => Some(amount.to_string()),
            Ok(Due::PayersChoice) | Err(_) => None,
        },
        any_amount: inquiry.due == Ok(Due::PayersChoice),
        reason: inquiry.due.err().map(|unpayable| unpayable.to_string()),
    };
    json(StatusCode::OK, &owed)
}
