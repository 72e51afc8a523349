//! What is wanted, and what became of it, as text. The guide's JSON serves: it is what would be sent.

use asaanbill_core::{BulkRequestId, NewPayment};
use asaanbill_wire::{AddRequest, BulkRequest, BulkRow, Literals, generation_type, read_generation_type};

use super::Failed;
use crate::intent::{Rows, Wanted};
use crate::journal::{Closed, Known};
use crate::ops::RowOutcome;

const BULK: &str = "BULK";
const UNREADABLE: Failed = Failed::Broken("an intent that can't be read");

pub(super) fn write(wanted: &Wanted) -> Result<(&'static str, String), Failed> {
    let (kind, body) = match wanted {
        Wanted::Add(new) => (generation_type(new.kind()), serde_json::to_string(&AddRequest::from(&**new))),
        Wanted::AddBulk(rows) => (BULK, serde_json::to_string(&BulkRequest { payments: rows.iter().collect() })),
    };
    Ok((kind, body.map_err(|_| Failed::Broken("an intent that can't be written"))?))
}

pub(super) fn read(kind: &str, body: &str) -> Result<Wanted, Failed> {
    if kind == BULK {
        let request: BulkRequest<'_> = serde_json::from_str(body).map_err(|_| UNREADABLE)?;
        let rows = request.payments.into_iter().map(BulkRow::into_owned).collect();
        return Ok(Wanted::AddBulk(Rows::Text(rows)));
    }
    let kind = read_generation_type(kind).ok_or(UNREADABLE)?;
    let request: AddRequest<'_> = serde_json::from_str(body).map_err(|_| UNREADABLE)?;
    let fields = request.payment.fields(Literals::Refused).map_err(|_| UNREADABLE)?;
    Ok(Wanted::from(NewPayment::parse(kind, &fields).map_err(|_| UNREADABLE)?))
}

/// The state's word, the batch, and the rows that weren't accepted.
pub(super) fn write_closed(how: &Closed) -> Result<(&'static str, Option<i64>, Option<String>), Failed> {
    let written = |exceptions: Vec<(usize, &RowOutcome)>| {
        let list: Vec<_> =
            exceptions.into_iter().map(|(position, outcome)| (position, word(outcome), words(outcome))).collect();
        serde_json::to_string(&list).map_err(|_| Failed::Broken("outcomes that can't be written"))
    };
    Ok(match how {
        Closed::NotSent => ("not_sent", None, None),
        Closed::Refused(rows) => ("refused", None, Some(written(rows.iter().enumerate().collect())?)),
        Closed::Added(_) => ("added", None, None),
        Closed::AddedBulk { batch, exceptions } => {
            let exceptions = exceptions.iter().map(|(position, outcome)| (*position, outcome)).collect();
            ("added_bulk", batch.map(i64::from), Some(written(exceptions)?))
        }
        Closed::NotFound => ("not_found", None, None),
        Closed::Duplicate => ("duplicate", None, None),
    })
}

pub(super) fn read_closed(
    state: &str,
    batch: Option<i64>,
    exceptions: Option<&str>,
    known: Known,
) -> Result<Closed, Failed> {
    let list = || -> Result<Vec<(usize, RowOutcome)>, Failed> {
        let list: Vec<(usize, String, Box<str>)> =
            serde_json::from_str(exceptions.unwrap_or("[]")).map_err(|_| UNREADABLE)?;
        Ok(list.into_iter().map(|(position, word, words)| (position, outcome(&word, words))).collect())
    };
    Ok(match state {
        "not_sent" => Closed::NotSent,
        "refused" => Closed::Refused(list()?.into_iter().map(|(_, outcome)| outcome).collect()),
        "added" => Closed::Added(known),
        "added_bulk" => {
            let batch = batch.and_then(|batch| BulkRequestId::try_from(batch).ok());
            Closed::AddedBulk { batch, exceptions: list()? }
        }
        "not_found" => Closed::NotFound,
        "duplicate" => Closed::Duplicate,
        _ => return Err(Failed::Broken("a state that this version doesn't know")),
    })
}

fn word(outcome: &RowOutcome) -> &'static str {
    match outcome {
        RowOutcome::Accepted => "accepted",
        RowOutcome::Refused(_) => "refused",
        RowOutcome::Missing => "missing",
        RowOutcome::Unknown | RowOutcome::Unsent => "unknown",
    }
}

fn words(outcome: &RowOutcome) -> &str {
    match outcome {
        RowOutcome::Refused(words) => words,
        _ => "",
    }
}

fn outcome(word: &str, words: Box<str>) -> RowOutcome {
    match word {
        "accepted" => RowOutcome::Accepted,
        "refused" => RowOutcome::Refused(words),
        "missing" => RowOutcome::Missing,
        _ => RowOutcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use asaanbill_core::{Fields, NewPayment, PaymentKind};

    use super::{Closed, Known, RowOutcome, Rows, Wanted, read, read_closed, write, write_closed};

    const NOTHING: Known = Known { psid: None, payment: None };

    #[test]
    fn what_is_written_is_read() {
        let fields = Fields {
            title: Some("Ali \"Tuck\""),
            identifier: Some(" A-1"),
            amount: Some("50.5"),
            due_date: Some("2025-08-31"),
            amount_after_due_date: Some("50.50"),
            longitude: Some("72.996636"),
            latitude: Some("33.646342"),
            description: Some("چائے"),
        };
        for &kind in PaymentKind::ALL {
            let wanted = Wanted::from(NewPayment::parse(kind, &fields).unwrap());
            let (kind, body) = write(&wanted).ok().unwrap();
            assert_eq!(read(kind, &body).ok(), Some(wanted));
        }
        let NewPayment::Psid(bill) = NewPayment::parse(PaymentKind::Psid, &fields).unwrap() else { panic!() };
        let rows = Rows::Bills([bill].into());
        let (kind, body) = write(&Wanted::AddBulk(rows.clone())).ok().unwrap();
        let Some(Wanted::AddBulk(read)) = read(kind, &body).ok() else { panic!() };
        assert!(read.iter().eq(rows.iter()));

        let exceptions =
            vec![(3, RowOutcome::Refused("Invalid amount".into())), (4, RowOutcome::Missing), (9, RowOutcome::Unknown)];
        for closed in [
            Closed::NotSent,
            Closed::NotFound,
            Closed::Duplicate,
            Closed::Refused(vec![RowOutcome::Accepted, RowOutcome::Refused("x".into())]),
            Closed::AddedBulk { batch: Some("11".parse().unwrap()), exceptions },
        ] {
            let (state, batch, exceptions) = write_closed(&closed).ok().unwrap();
            assert_eq!(read_closed(state, batch, exceptions.as_deref(), NOTHING).ok(), Some(closed));
        }
    }

    #[test]
    fn a_damaged_file_is_no_panic() {
        for (kind, body) in [("BULK", ""), ("PSID", "{}"), ("PSID", r#"{"payment":{"title":5}}"#), ("COINS", "{}")] {
            assert!(read(kind, body).is_err());
        }
        assert!(read_closed("paid", None, None, NOTHING).is_err());
        assert!(read_closed("refused", None, Some("x"), NOTHING).is_err());
    }
}
