//! What the hub's records say of a call-back. No I/O: pages of records in, a verdict out.
//!
//! guide:call-13

use asaanbill_core::{Amount, BulkRequestId, ChannelId, KARACHI, PaymentId, Psid};
use asaanbill_wire::{BULK_APPROVED_PATH, BulkApproved, Money, Processed, Scalar};

use crate::event::Effect;
use crate::receipt::{ReceiptState, SWEPT_PATH};
use crate::record::{PaymentRecord, RecordPage};

/// What a call-back is about, and so what the hub is asked: those about the same are asked for once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum About {
    /// A PSID's payments.
    Psid(Psid),
    /// A batch.
    Bulk(BulkRequestId),
}

/// What a call-back claims.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    /// A payment is paid.
    Paid(Box<Processed>),
    /// A batch is done.
    Done,
    /// The sweep saw that this record is paid.
    Swept(PaymentId),
}

/// What the sweep notes in the inbox, in the place of a call-back's body.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct SweptBody {
    pub(crate) psid: String,
    pub(crate) id: u64,
}

/// Reads a receipt. None if it names nothing that the hub could be asked about.
pub(crate) fn read(path: &str, body: &str) -> Option<(About, Claim)> {
    match path {
        BULK_APPROVED_PATH => {
            let claimed: BulkApproved = serde_json::from_str(body).ok()?;
            let id = claimed.bulk_payment_request_id?.whole()?;
            Some((About::Bulk(id.try_into().ok()?), Claim::Done))
        }
        SWEPT_PATH => {
            let SweptBody { psid, id } = serde_json::from_str(body).ok()?;
            Some((About::Psid(psid.parse().ok()?), Claim::Swept(id.try_into().ok()?)))
        }
        _ => {
            let claimed: Processed = serde_json::from_str(body).ok()?;
            let psid = claimed.psid.as_ref().map(Scalar::as_str)?.parse().ok()?;
            Some((About::Psid(psid), Claim::Paid(Box::new(claimed))))
        }
    }
}

/// What the records say, if none of them is free to confirm the call-back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They don't show it yet, or not to the end: ask again later, and in the end give up with this state.
    NotYet { at_last: ReceiptState },
    /// The hub knows nothing of the kind.
    Unknown,
    /// It ends here.
    Closed(ReceiptState),
}

/// What was seen among a PSID's records for one call-back.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Any record.
    any: bool,
    /// A paid one.
    paid: bool,
    /// A paid one that matches.
    matching: bool,
    /// One that may yet turn out to be what is claimed: not paid so far, or not readable.
    undecided: bool,
}

impl Seen {
    /// Looks at some more records. Says which of them are paid and match, oldest first.
    pub(crate) fn look_at<'p>(&mut self, page: &'p RecordPage, claim: &Claim) -> Vec<(PaymentId, &'p PaymentRecord)> {
        let mut confirming = Vec::new();
        for record in &page.records {
            self.any = true;
            let paid = record.is_paid();
            self.paid |= paid;
            match (matches(record, claim), paid, record.id()) {
                (true, true, Some(id)) => confirming.push((id, record)),
                // Paid, but without a number there is no key; or not paid yet, as a call-back may be faster than the records.
                (true, true, None) => self.undecided = true,
                (true, false, _) => self.undecided |= !record.is_over(),
                (false, _, _) => {}
            }
        }
        confirming.sort_unstable_by_key(|(id, _)| *id);
        self.matching |= !confirming.is_empty();
        self.undecided |= page.unread > 0;
        confirming
    }

    /// Not all records could be read: what wasn't may hold what is claimed.
    pub(crate) fn cut_short(&mut self) {
        self.undecided = true;
    }

    /// What all of it says, if no record was free to confirm the call-back.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            // The next payment on the PSID looks like the one before it, and so do their call-backs.
            Self { undecided: true, matching: true, .. } => Verdict::NotYet { at_last: ReceiptState::Duplicate },
            Self { undecided: true, .. } => Verdict::NotYet { at_last: ReceiptState::Unconfirmed },
            Self { matching: true, .. } => Verdict::Closed(ReceiptState::Duplicate),
            Self { paid: true, .. } => Verdict::Closed(ReceiptState::Mismatch),
            Self { any: true, .. } => Verdict::Closed(ReceiptState::Rejected),
            _ => Verdict::Unknown,
        }
    }
}

/// The effect of a payment, with its record as it is kept for the handler.
pub(crate) fn effect_of(channel: ChannelId, id: PaymentId, record: &PaymentRecord) -> (Effect, String) {
    (Effect::Payment(channel, id), serde_json::to_string(record).unwrap_or_default())
}

/// Whether a record can be what is claimed. One without amounts (an open QR code's template) matches any.
fn matches(record: &PaymentRecord, claim: &Claim) -> bool {
    match claim {
        Claim::Done => false,
        Claim::Swept(id) => record.id() == Some(*id),
        Claim::Paid(claimed) => {
            let claimed_amount = claimed.amount.as_ref().and_then(Money::amount);
            let amount_fits = match record.amount() {
                None => true,
                Some(amount) => claimed_amount == Some(amount) || is_late_amount(record, claimed_amount),
            };
            let after_fits = match record.amount_after_due_date() {
                None => true,
                after => claimed.amount_after_due_date.as_ref().and_then(Money::amount) == after,
            };
            amount_fits && after_fits
        }
    }
}

/// Whether a claimed amount is what was owed on the day of payment: after the due date it is the later amount. The guide
/// doesn't say which of the two a call-back has as its `amount`.
fn is_late_amount(record: &PaymentRecord, claimed: Option<Amount>) -> bool {
    let paid_late = match (record.paid_at(), record.due_date()) {
        (Some(paid), Some(due)) => KARACHI.to_datetime(paid).date() > due,
        // Of a day that can't be read nobody knows.
        _ => true,
    };
    claimed.is_some() && paid_late && claimed == record.amount_after_due_date()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BILL: &str =
        r#"{"id":"7","amount":"50","amountAfterDueDate":"55","dueDate":"2025-08-31","status":"PROCESSED","#;

    /// A record paid then, and a call-back of these amounts.
    fn check(paid_at: &str, amount: &str, after: &str, expected: bool) {
        let record = serde_json::from_str(&format!(r#"{BILL}"paidAt":"{paid_at}"}}"#)).unwrap();
        let claimed = serde_json::from_str(&format!(r#"{{"amount":{amount},"amountAfterDueDate":{after}}}"#)).unwrap();
        assert_eq!(matches(&record, &Claim::Paid(claimed)), expected, "{paid_at} {amount} {after}");
    }

    #[test]
    fn either_amount_is_right_depending_on_the_day_paid() {
        let (in_time, late) = ("11:59PM 31-Aug-2025", "12:00AM 01-Sep-2025");
        check(in_time, r#""50""#, r#""55""#, true);
        check(in_time, "50.0", "55.00", true);
        check(in_time, r#""55""#, r#""55""#, false);
        check(late, r#""55""#, r#""55""#, true);
        check(late, r#""50""#, r#""55""#, true);
        check("N/A", r#""55""#, r#""55""#, true);
        for (amount, after) in [("51", "55"), ("50", "56"), ("50", "null"), ("null", "55"), ("55", "50"), ("0", "0")] {
            check(late, amount, after, false);
        }
    }

    #[test]
    fn what_names_nothing_is_not_read() {
        let check = |path: &str, body: &str, expected: bool| assert_eq!(read(path, body).is_some(), expected, "{body}");
        let psid = "100139100100144754584584";
        check("/processed", &format!(r#"{{"psid":"{psid}"}}"#), true);
        check("/processed", &format!(r#"{{"psid":{psid}}}"#), true);
        check("/processed", r#"{"psid":"1"}"#, false);
        check("/processed", "{}", false);
        check("/processed", "psid", false);
        check("/bulk-payment-request-approved", r#"{"bulkPaymentRequestId":29}"#, true);
        check("/bulk-payment-request-approved", r#"{"bulkPaymentRequestId":"x"}"#, false);
        check("(sweep)", &format!(r#"{{"psid":"{psid}","id":7}}"#), true);
        check("(sweep)", &format!(r#"{{"psid":"{psid}","id":0}}"#), false);
    }
}
