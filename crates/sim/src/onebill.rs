//! 1BILL's messages between a bank's switch and a biller: fixed-width texts in JSON, read and written.
//!
//! The guide leaves this side out. What stands here follows 1LINK's messages as billers publish them, where they agree;
//! all of it is assumed. It is pure: which bill, and what paying does, is `crate::bank`'s business.
//!
//! guide:pay-11 guide:pay-12

use asaanbill_core::{Amount, KARACHI, NewPayment, Payment, PaymentStatus, Psid, Stage, karachi_date};
use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};

use crate::bank::{BankError, BillStatus, Inquiry};

/// How wide `consumer_Detail` is: padded right.
const CONSUMER_DETAIL_WIDTH: usize = 30;

/// How many digits an inquiry's amounts have after their sign, the last two of them paisa.
const AMOUNT_DIGITS: usize = 13;

/// How many digits a paid amount has, the last two of them paisa.
const AMOUNT_PAID_DIGITS: usize = 12;

/// How many digits the bank's number of a transaction has.
const AUTH_ID_DIGITS: usize = 6;

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum ResponseCode {
    #[serde(rename = "00")]
    Success,
    #[serde(rename = "01")]
    UnknownConsumer,
    /// Blocked or expired.
    #[serde(rename = "02")]
    Blocked,
    /// The same consumer, transaction number, date and time as before: nothing was debited again.
    #[serde(rename = "03")]
    Duplicate,
    /// Wrong credentials, a message that can't be read, or an amount that isn't owed.
    #[serde(rename = "04")]
    Invalid,
    #[serde(rename = "05")]
    Failed,
    /// Paid, by another transaction.
    #[serde(rename = "06")]
    AlreadyPaid,
}

impl From<BankError> for ResponseCode {
    fn from(error: BankError) -> Self {
        match error {
            BankError::UnknownPsid | BankError::UnknownCode => Self::UnknownConsumer,
            BankError::Expired | BankError::Blocked => Self::Blocked,
            BankError::WrongAmount { .. } | BankError::Reference | BankError::UnreadableCode => Self::Invalid,
            BankError::AlreadyPaid => Self::AlreadyPaid,
            BankError::Store => Self::Failed,
        }
    }
}

/// Asks what a consumer owes. `bank_mnemonic` and `reserved` mean nothing here, and are let pass.
#[derive(Deserialize)]
struct InquiryFields {
    consumer_number: String,
}

/// Says that a consumer has paid.
#[derive(Deserialize)]
struct PaymentFields {
    consumer_number: String,
    tran_auth_id: String,
    transaction_amount: String,
    tran_date: String,
    tran_time: String,
}

/// A payment, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BillPayment {
    pub(crate) psid: Psid,
    pub(crate) amount: Amount,
    /// What makes it the same transaction when it comes again: number, date and time.
    pub(crate) reference: String,
}

/// Reads an inquiry.
///
/// # Errors
///
/// [`ResponseCode::Invalid`] for what is no inquiry, [`ResponseCode::UnknownConsumer`] for a number that is no PSID.
pub(crate) fn read_inquiry(body: &[u8]) -> Result<Psid, ResponseCode> {
    let fields: InquiryFields = serde_json::from_slice(body).map_err(|_| ResponseCode::Invalid)?;
    consumer(&fields.consumer_number)
}

/// Reads a payment.
///
/// # Errors
///
/// As for [`read_inquiry`].
pub(crate) fn read_payment(body: &[u8]) -> Result<BillPayment, ResponseCode> {
    let fields: PaymentFields = serde_json::from_slice(body).map_err(|_| ResponseCode::Invalid)?;
    let PaymentFields { consumer_number, tran_auth_id, transaction_amount, tran_date, tran_time } = fields;
    let invalid = ResponseCode::Invalid;
    if consumer_number.trim().is_empty() || digits(&tran_auth_id, AUTH_ID_DIGITS).is_none() {
        return Err(invalid);
    }
    let amount = digits(&transaction_amount, AMOUNT_PAID_DIGITS).ok_or(invalid)?;
    let (rupees, paisa) = amount.split_at(AMOUNT_PAID_DIGITS - 2);
    let amount = format!("{}.{paisa}", trim_zeros(rupees)).parse().map_err(|_| invalid)?;
    is_date(&tran_date).ok_or(invalid)?;
    is_time(&tran_time).ok_or(invalid)?;
    let psid = consumer(&consumer_number)?;
    Ok(BillPayment { psid, amount, reference: format!("{tran_auth_id}-{tran_date}-{tran_time}") })
}

/// A consumer's number is the PSID. What has another form is nobody's.
fn consumer(number: &str) -> Result<Psid, ResponseCode> {
    if number.trim().is_empty() {
        return Err(ResponseCode::Invalid);
    }
    number.trim_end_matches(' ').parse().map_err(|_| ResponseCode::UnknownConsumer)
}

/// Text of so many ASCII digits.
fn digits(text: &str, count: usize) -> Option<&str> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

/// Without leading zeros, but for the last digit.
fn trim_zeros(digits: &str) -> &str {
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() { "0" } else { trimmed }
}

/// `yyyyMMdd`, a day that exists.
fn is_date(text: &str) -> Option<Date> {
    let text = digits(text, 8)?;
    Date::new(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?).ok()
}

/// `HHmmss`, a time that exists.
fn is_time(text: &str) -> Option<Time> {
    let text = digits(text, 6)?;
    Time::new(text[..2].parse().ok()?, text[2..4].parse().ok()?, text[4..].parse().ok()?, 0).ok()
}

/// The answer to an inquiry. Each field has its width, and blanks where there is nothing to say.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct InquiryAnswer {
    #[serde(rename = "response_Code")]
    code: ResponseCode,
    #[serde(rename = "consumer_Detail")]
    detail: String,
    bill_status: &'static str,
    due_date: String,
    #[serde(rename = "amount_within_dueDate")]
    amount: String,
    #[serde(rename = "amount_after_dueDate")]
    amount_after_due_date: String,
    billing_month: String,
    date_paid: String,
    amount_paid: String,
    #[serde(rename = "tran_auth_Id")]
    auth_id: String,
    reserved: &'static str,
}

/// The answer to a payment.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PaymentAnswer {
    #[serde(rename = "response_Code")]
    code: ResponseCode,
    /// The record's number, if it was paid.
    #[serde(rename = "Identification_parameter")]
    identification: String,
    reserved: &'static str,
}

impl PaymentAnswer {
    pub(crate) fn paid(payment: &Payment, code: ResponseCode) -> Self {
        Self { code, identification: payment.id.to_string(), reserved: "" }
    }

    pub(crate) fn refused(code: ResponseCode) -> Self {
        Self { code, identification: String::new(), reserved: "" }
    }
}

fn blanks(count: usize) -> String {
    " ".repeat(count)
}

impl InquiryAnswer {
    /// Nothing but a code.
    pub(crate) fn refused(code: ResponseCode) -> Self {
        Self {
            code,
            detail: blanks(CONSUMER_DETAIL_WIDTH),
            bill_status: " ",
            due_date: blanks(8),
            amount: blanks(AMOUNT_DIGITS + 1),
            amount_after_due_date: blanks(AMOUNT_DIGITS + 1),
            billing_month: blanks(4),
            date_paid: blanks(8),
            amount_paid: blanks(AMOUNT_PAID_DIGITS),
            auth_id: blanks(AUTH_ID_DIGITS),
            reserved: "",
        }
    }

    /// What a bill owes, or that it is paid, and by which transaction. An amount that is too wide for its field makes it
    /// [`ResponseCode::Failed`]: a shortened one would be wrong.
    pub(crate) fn new(inquiry: &Inquiry, reference: Option<&str>) -> Self {
        let status = inquiry.status();
        Self::of_bill(&inquiry.payment, status, reference).unwrap_or_else(|| Self::refused(ResponseCode::Failed))
    }

    fn of_bill(payment: &Payment, status: BillStatus, reference: Option<&str>) -> Option<Self> {
        let due_date = match &payment.new {
            NewPayment::Psid(bill) | NewPayment::StaticQr(bill) => Some(bill.due_date.date()),
            // A dynamic code is for the hour, and so for the day.
            NewPayment::DynamicQr(_) => Some(karachi_date(payment.created_at)),
            NewPayment::OpenQr(_) => None,
        };
        let month = due_date.unwrap_or_else(|| karachi_date(payment.created_at));
        let later = payment.new.bill().map(|bill| bill.amount_after_due_date).or(payment.new.amount());
        let (code, bill_status) = match status {
            BillStatus::Unpaid => (ResponseCode::Success, "U"),
            BillStatus::Paid => (ResponseCode::Success, "P"),
            BillStatus::Blocked => (ResponseCode::Blocked, "B"),
        };
        let mut answer = Self {
            detail: detail(payment.new.title().map_or("", |title| title.as_str())),
            bill_status,
            due_date: due_date.map_or_else(|| blanks(8), compact),
            amount: signed(payment.new.amount())?,
            amount_after_due_date: signed(later)?,
            billing_month: format!("{:02}{:02}", month.year() % 100, month.month()),
            ..Self::refused(code)
        };
        if let Stage::Processed { amount_paid, paid_at, .. } = &payment.stage {
            answer.date_paid = compact(KARACHI.to_datetime(*paid_at).date());
            answer.amount_paid = padded(*amount_paid, AMOUNT_PAID_DIGITS)?;
            answer.auth_id = reference.and_then(auth_id).map_or_else(|| blanks(AUTH_ID_DIGITS), str::to_owned);
        }
        debug_assert_eq!(payment.status() == PaymentStatus::Processed, status == BillStatus::Paid);
        Some(answer)
    }
}

/// A title, cut or padded. What no switch can show becomes a question mark.
fn detail(title: &str) -> String {
    let shown = title.trim().chars().map(|c| if c.is_control() { '?' } else { c });
    let cut: String = shown.take(CONSUMER_DETAIL_WIDTH).collect();
    format!("{cut:CONSUMER_DETAIL_WIDTH$}")
}

fn compact(date: Date) -> String {
    format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
}

/// A sign and the amount; blanks where the payer chooses.
fn signed(amount: Option<Amount>) -> Option<String> {
    match amount {
        Some(amount) => Some(format!("+{}", padded(amount, AMOUNT_DIGITS)?)),
        None => Some(blanks(AMOUNT_DIGITS + 1)),
    }
}

fn padded(amount: Amount, digits: usize) -> Option<String> {
    let text = format!("{:0digits$}", amount.paisa());
    (text.len() == digits).then_some(text)
}

/// The transaction's number in a reference of ours. A payment by another way has one of another form, and no such number.
fn auth_id(reference: &str) -> Option<&str> {
    let (number, rest) = reference.split_once('-')?;
    let (date, time) = rest.split_once('-')?;
    is_date(date)?;
    is_time(time)?;
    digits(number, AUTH_ID_DIGITS)
}

#[cfg(test)]
mod tests;
