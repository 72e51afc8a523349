//! Whether a record of the hub is what an intent wanted.
//!
//! A record that is taken for another's leads to a second bill, so doubt counts for the record: a field that can't be read
//! agrees with anything. The title isn't compared: a hub may tidy it up, and a batch doesn't show it.

use std::collections::HashMap;

use asaanbill_core::{Amount, NewPayment, PaymentStatus};
use asaanbill_wire::BulkRow;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::intent::{Intent, Rows, text};
use crate::ops::{BulkRequest, RowOutcome};
use crate::{Payment, Status};

/// Whether a record is the payment that an intent wanted.
pub(super) fn is_it(payment: &Payment, intent: &Intent, new: &NewPayment, cutoff: Timestamp) -> bool {
    let same_payer = new.identifier().is_some_and(|identifier| payment.identifier() == Some(identifier.as_str()));
    let another = payment.id().is_some() && payment.id() == intent.previous;
    let too_old = payment.created_at().is_some_and(|at| at < cutoff);
    if !same_payer || another || too_old {
        return false;
    }
    match new {
        NewPayment::Psid(bill) | NewPayment::StaticQr(bill) => {
            agrees(payment.amount(), Some(bill.amount))
                && agrees(payment.amount_after_due_date(), Some(bill.amount_after_due_date))
                && agrees(payment.due_date(), Some(bill.due_date.date()))
        }
        // The record is the template; what was paid by it has records of its own.
        NewPayment::OpenQr(_) => payment.status() != Some(Status::Known(PaymentStatus::Processed)),
        NewPayment::DynamicQr(dynamic) => agrees(payment.amount(), Some(dynamic.amount.get())),
    }
}

/// What became of each row, if a batch is the one that was wanted: each of its payments is one of the rows.
pub(super) fn match_rows(rows: &Rows, batch: &BulkRequest) -> Option<Vec<RowOutcome>> {
    let wanted: Vec<Wanted> = rows.iter().map(|row| Wanted::of(&row)).collect();
    let mut by_identifier: HashMap<&str, Vec<usize>> = HashMap::new();
    for (position, row) in wanted.iter().enumerate().rev() {
        by_identifier.entry(row.identifier.as_deref().unwrap_or_default()).or_default().push(position);
    }
    let mut outcomes = vec![RowOutcome::Missing; rows.len()];
    for payment in &batch.payments {
        // One whose identifier can't be read says nothing about any row.
        let Some(identifier) = payment.identifier() else { continue };
        let positions = by_identifier.get_mut(identifier)?;
        // In order: an identifier's rows come as they were sent.
        let at = positions.iter().rposition(|position| wanted[*position].is(payment))?;
        outcomes[positions.remove(at)] = RowOutcome::Accepted;
    }
    let unreadable = batch.unread > 0 || batch.payments.iter().any(|payment| payment.identifier().is_none());
    if unreadable {
        for outcome in outcomes.iter_mut().filter(|outcome| **outcome == RowOutcome::Missing) {
            *outcome = RowOutcome::Unknown;
        }
    }
    let any = outcomes.contains(&RowOutcome::Accepted);
    (any || (unreadable && batch.payments.len() + batch.unread == rows.len())).then_some(outcomes)
}

/// A row's values.
struct Wanted {
    identifier: Option<Box<str>>,
    amount: Option<Amount>,
    late: Option<Amount>,
    due: Option<Date>,
}

impl Wanted {
    fn of(row: &BulkRow<'_>) -> Self {
        Self {
            identifier: text(&row.identifier).map(Into::into),
            amount: text(&row.amount).and_then(|text| text.parse().ok()),
            late: text(&row.amount_after_due_date).and_then(|text| text.parse().ok()),
            due: text(&row.due_date)
                .and_then(|text| text.parse::<asaanbill_core::DueDate>().ok())
                .map(|due| due.date()),
        }
    }

    fn is(&self, payment: &Payment) -> bool {
        agrees(payment.amount(), self.amount)
            && agrees(payment.amount_after_due_date(), self.late)
            && agrees(payment.due_date(), self.due)
    }
}

fn agrees<T: PartialEq>(shown: Option<T>, wanted: Option<T>) -> bool {
    match (shown, wanted) {
        (Some(shown), Some(wanted)) => shown == wanted,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use asaanbill_core::{Fields, NewPayment, PaymentKind};
    use asaanbill_wire::{BulkPayment, BulkRow, ListedPayment};

    use super::{is_it, match_rows};
    use crate::intent::{Intent, IntentId, Rows, Wanted};
    use crate::ops::{BulkRequest, RowOutcome};

    fn new(kind: PaymentKind) -> NewPayment {
        let fields = Fields {
            title: Some("Ali"),
            identifier: Some("A-1"),
            amount: Some("50"),
            due_date: Some("2025-08-31"),
            amount_after_due_date: Some("55"),
            longitude: Some("72.9"),
            latitude: Some("33.6"),
            description: None,
        };
        NewPayment::parse(kind, &fields).unwrap()
    }

    fn check(kind: PaymentKind, record: &str, expected: bool) {
        let new = new(kind);
        let previous = Some("7".parse().unwrap());
        let sent_at = "2025-07-31T04:00:30Z".parse().unwrap();
        let intent = Intent { id: IntentId(1), sent_at, wanted: Wanted::from(new.clone()), previous };
        let cutoff = "2025-07-31T03:44:30Z".parse().unwrap();
        let payment: ListedPayment = serde_json::from_str(record).unwrap();
        assert_eq!(is_it(&payment.into(), &intent, &new, cutoff), expected, "{kind:?} {record}");
    }

    #[test]
    fn a_record_is_it_unless_it_says_otherwise() {
        use PaymentKind::{DynamicQr, OpenQr, Psid, StaticQr};
        let bill = r#"{"id":8,"identifier":"A-1","amount":"50.0","amountAfterDueDate":"55","dueDate":"2025-08-31","createdAt":"09:00AM 31-Jul-2025"}"#;
        check(Psid, bill, true);
        check(StaticQr, bill, true);
        for (from, to, expected) in [
            ("\"id\":8", "\"id\":7", false),
            ("\"id\":8", "\"id\":null", true),
            ("A-1", "A-2", false),
            ("A-1", " A-1", false),
            ("50.0", "51", false),
            ("50.0", "fifty", true),
            ("\"55\"", "\"56\"", false),
            ("2025-08-31", "2025-08-30", false),
            ("2025-08-31", "2025-06-31", true),
            ("09:00AM", "08:45AM", true),
            ("09:00AM", "08:44AM", false),
            ("09:00AM", "soon", true),
        ] {
            check(Psid, &bill.replace(from, to), expected);
        }
        check(OpenQr, r#"{"identifier":"A-1","status":"APPROVED"}"#, true);
        check(OpenQr, r#"{"identifier":"A-1","status":"PROCESSED","amount":"20"}"#, false);
        check(DynamicQr, r#"{"identifier":"A-1","amount":"50"}"#, true);
        check(DynamicQr, r#"{"identifier":"A-1","amount":"60"}"#, false);
    }

    /// Rows and payments as `identifier amount`; the outcome of each row by a letter.
    fn check_batch(rows: &[&str], payments: &[&str], unread: usize, expected: Option<&str>) {
        let split = |text: &&str| text.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let row = |text: &&str| {
            let (identifier, amount) = split(text);
            BulkRow { identifier: identifier.into(), amount: amount.into(), ..BulkRow::default() }
        };
        let payment = |text: &&str| {
            let (identifier, amount) = split(text);
            let json = format!(r#"{{"identifier":{identifier},"amount":"{amount}"}}"#);
            let read: BulkPayment = serde_json::from_str(
                &json
                    .replace(":?", ":null")
                    .replace(":A", ":\"A")
                    .replace(",\"am", "\",\"am")
                    .replace("null\",", "null,"),
            )
            .unwrap();
            read.into()
        };
        let rows = Rows::Text(rows.iter().map(row).collect());
        let batch =
            BulkRequest { id: None, status: "".into(), payments: payments.iter().map(payment).collect(), unread };
        let found = match_rows(&rows, &batch).map(|outcomes| {
            let letter = |outcome: &RowOutcome| match outcome {
                RowOutcome::Accepted => 'a',
                RowOutcome::Missing => 'm',
                _ => 'u',
            };
            outcomes.iter().map(letter).collect::<String>()
        });
        assert_eq!(found.as_deref(), expected, "{rows:?} {payments:?}");
    }

    #[test]
    fn a_batch_is_it_if_each_payment_is_a_row() {
        check_batch(&["A1 5", "A2 6"], &["A1 5", "A2 6"], 0, Some("aa"));
        check_batch(&["A1 5", "A2 6"], &["A2 6", "A1 5"], 0, Some("aa"));
        check_batch(&["A1 5", "A2 6", "A3 x"], &["A1 5", "A2 6"], 0, Some("aam"));
        check_batch(&["A1 5", "A2 6"], &["A1 5", "A2 7"], 0, None);
        check_batch(&["A1 5", "A2 6"], &["A1 5", "A9 6"], 0, None);
        check_batch(&["A1 5", "A1 6"], &["A1 6"], 0, Some("ma"));
        check_batch(&["A1 5", "A1 5"], &["A1 5", "A1 5"], 0, Some("aa"));
        check_batch(&["A1 5"], &["A1 5", "A1 5"], 0, None);
        check_batch(&["A1 5"], &[], 0, None);
        check_batch(&["A1 5", "A2 6"], &["A1 5"], 1, Some("au"));
        check_batch(&["A1 5", "A2 6"], &[], 2, Some("uu"));
        check_batch(&["A1 5", "A2 6"], &["A1 5", "? 6"], 0, Some("au"));
    }
}
