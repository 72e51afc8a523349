//! What a client notices about a new payment before it is sent.

use asaanbill_core::{Amount, Bill, DueDate, Identifier, NewPayment, PaymentId};
use jiff::Timestamp;

use crate::error::{ClientError, ErrorKind};
use crate::intent::{Rows, Wanted, text};

/// How many times the amount the amount after the due date may be before it looks like a slip of the finger: one of the
/// guide's samples asks 14550 after 1400, where 1450 is meant.
pub const SURCHARGE_FACTOR: u64 = 10;

/// Something that is allowed and probably not meant. A value, never a print: show it to whoever made the bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Warning {
    /// The due date is past: from the start only the amount after the due date is payable.
    PastDue,
    /// After the due date less is owed than before.
    CheaperWhenLate,
    /// After the due date [`SURCHARGE_FACTOR`] times the amount is owed, or more.
    SteepSurcharge,
    /// The identifier had this payment, not known to be paid: the hub has discarded it if it wasn't. Known only of what was
    /// added through the same journal.
    MayHaveDiscarded(PaymentId),
    /// The identifier has white space at an edge, so the hub takes it for another payer than the one without.
    EdgeWhiteSpace,
    /// The bill exists, but the journal failed to note it: its intent stays open, and so the identifier takes no other bill
    /// until it is resolved.
    NotJournalled,
}

/// What is done with an identifier that has white space at an edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EdgeWhiteSpace {
    /// It is refused before it is sent.
    #[default]
    Refused,
    /// It is sent as it is, with a warning.
    Sent,
}

/// What is done with a bill whose due date is past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PastDue {
    /// It is refused before it is sent.
    Refused,
    /// It is sent, with a warning.
    #[default]
    Sent,
}

/// Both.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Strictness {
    pub(crate) edges: EdgeWhiteSpace,
    pub(crate) past_due: PastDue,
}

impl Strictness {
    /// Nothing is refused: an import has refused rows one by one before it makes chunks of them.
    pub(crate) const NONE: Self = Self { edges: EdgeWhiteSpace::Sent, past_due: PastDue::Sent };

    /// The warnings about a payment, or all reasons to refuse it.
    pub(crate) fn check(self, new: &NewPayment, now: Timestamp) -> Result<Vec<Warning>, ClientError> {
        let mut findings = Findings::default();
        self.look_at(
            new.identifier().is_some_and(Identifier::has_edge_whitespace),
            due(new.bill()).as_ref(),
            now,
            &mut findings,
        );
        if findings.refusals.is_empty() {
            return Ok(findings.warnings);
        }
        Err(refused(&findings.refusals.join("; ")))
    }

    /// The warnings about rows, by position, or all reasons to refuse them, of the first rows that have one.
    pub(crate) fn check_rows(self, rows: &Rows, now: Timestamp) -> Result<Vec<(usize, Warning)>, ClientError> {
        let (mut warnings, mut refusals, mut refused_rows) = (Vec::new(), Vec::new(), 0);
        let mut note = |position: usize, findings: Findings| {
            warnings.extend(findings.warnings.into_iter().map(|warning| (position, warning)));
            if !findings.refusals.is_empty() {
                refused_rows += 1;
                if refusals.len() < REFUSALS_SHOWN {
                    refusals.push(format!("row {position}: {}", findings.refusals.join("; ")));
                }
            }
        };
        match rows {
            Rows::Bills(bills) => {
                for (position, bill) in bills.iter().enumerate() {
                    let mut findings = Findings::default();
                    self.look_at(bill.identifier.has_edge_whitespace(), due(Some(bill)).as_ref(), now, &mut findings);
                    note(position, findings);
                }
            }
            Rows::Text(rows) => {
                for (position, row) in rows.iter().enumerate() {
                    let mut findings = Findings::default();
                    let edged =
                        text(&row.identifier).is_some_and(|text| text.trim() != text && !text.trim().is_empty());
                    let amounts = [&row.amount, &row.amount_after_due_date].map(|field| text(field)?.parse().ok());
                    let date = text(&row.due_date).and_then(|text| text.parse().ok());
                    let due = match (amounts, date) {
                        ([Some(amount), Some(late)], Some(date)) => Some(Due { date, amount, late }),
                        _ => None,
                    };
                    self.look_at(edged, due.as_ref(), now, &mut findings);
                    note(position, findings);
                }
            }
        }
        if refused_rows == 0 {
            return Ok(warnings);
        }
        let more = match refused_rows - refusals.len() {
            0 => String::new(),
            more => format!("; and {more} more rows"),
        };
        Err(refused(&format!("{}{more}", refusals.join("; "))))
    }

    fn look_at(self, edged: bool, due: Option<&Due>, now: Timestamp, findings: &mut Findings) {
        if edged {
            match self.edges {
                EdgeWhiteSpace::Sent => findings.warnings.push(Warning::EdgeWhiteSpace),
                EdgeWhiteSpace::Refused => findings.refusals.push(
                    "the identifier has white space at an edge, which makes another payer of it; \
                     allowed: none, unless ClientBuilder::edge_white_space says so",
                ),
            }
        }
        let Some(Due { date, amount, late }) = due else { return };
        if date.is_past(now) {
            match self.past_due {
                PastDue::Sent => findings.warnings.push(Warning::PastDue),
                PastDue::Refused => findings.refusals.push("the due date is past; allowed: today in Karachi or later"),
            }
        }
        if late < amount {
            findings.warnings.push(Warning::CheaperWhenLate);
        }
        if late.paisa() >= amount.paisa().saturating_mul(SURCHARGE_FACTOR) {
            findings.warnings.push(Warning::SteepSurcharge);
        }
    }
}

/// The most rows of which a message says why they are refused.
const REFUSALS_SHOWN: usize = 10;

/// What was found of one payment.
#[derive(Default)]
struct Findings {
    warnings: Vec<Warning>,
    refusals: Vec<&'static str>,
}

/// What a bill asks, and when.
struct Due {
    date: DueDate,
    amount: Amount,
    late: Amount,
}

fn due(bill: Option<&Bill>) -> Option<Due> {
    bill.map(|bill| Due { date: bill.due_date, amount: bill.amount, late: bill.amount_after_due_date })
}

fn refused(why: &str) -> ClientError {
    ClientError::new(ErrorKind::Refused, format!("{why} (nothing was sent)"))
}

impl Wanted {
    /// How many payments it asks for.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Add(_) => 1,
            Self::AddBulk(rows) => rows.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use asaanbill_core::{Fields, NewPayment, PaymentKind};
    use asaanbill_wire::BulkRow;

    use super::{EdgeWhiteSpace, PastDue, Strictness, Warning};
    use crate::intent::Rows;

    const NOW: &str = "2025-08-31T18:59:59Z";

    fn fields<'a>(identifier: &'a str, amount: &'a str, due: &'a str, late: &'a str) -> Fields<'a> {
        Fields {
            title: Some("Ali"),
            identifier: Some(identifier),
            amount: Some(amount),
            due_date: Some(due),
            amount_after_due_date: Some(late),
            ..Fields::default()
        }
    }

    /// The same of one bill, of a batch of it, and of a batch of it as text.
    fn check(strictness: Strictness, fields: Fields<'_>, expected: Result<&[Warning], &str>) {
        let new = NewPayment::parse(PaymentKind::Psid, &fields).unwrap();
        let now = NOW.parse().unwrap();
        let bill = new.bill().unwrap().clone();
        let text = Rows::Text([BulkRow::from(&bill).into_owned()].into());
        let of_rows = |rows| {
            let found = strictness.check_rows(rows, now).map_err(|error| error.to_string().replace("row 0: ", ""));
            found.map(|found| found.into_iter().map(|(_, warning)| warning).collect::<Vec<_>>())
        };
        let one = strictness.check(&new, now).map_err(|error| error.to_string());
        for found in [one, of_rows(&Rows::Bills([bill].into())), of_rows(&text)] {
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{fields:?}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                _ => panic!("{found:?} {expected:?}"),
            }
        }
    }

    #[test]
    fn what_is_allowed_and_probably_not_meant() {
        let usual = Strictness::default();
        check(usual, fields("A", "1400", "2025-08-31", "1450"), Ok(&[]));
        check(usual, fields("A", "1400", "2025-08-31", "1400"), Ok(&[]));
        check(usual, fields("A", "1400", "2025-08-30", "1400"), Ok(&[Warning::PastDue]));
        check(usual, fields("A", "1400", "2025-08-31", "1399.99"), Ok(&[Warning::CheaperWhenLate]));
        check(usual, fields("A", "1400", "2025-08-31", "14550"), Ok(&[Warning::SteepSurcharge]));
        check(usual, fields("A", "0.01", "2025-08-31", "0.09"), Ok(&[]));
        check(usual, fields("A", "999999999999999", "2025-08-31", "999999999999999"), Ok(&[]));
    }

    #[test]
    fn what_is_refused_or_not_as_one_likes() {
        let usual = Strictness::default();
        let lenient = Strictness { edges: EdgeWhiteSpace::Sent, past_due: PastDue::Sent };
        let strict = Strictness { edges: EdgeWhiteSpace::Refused, past_due: PastDue::Refused };
        let edged = fields(" A", "5", "2025-08-31", "5");
        check(usual, edged, Err("white space at an edge"));
        check(lenient, edged, Ok(&[Warning::EdgeWhiteSpace]));
        check(strict, fields("A", "5", "2025-08-30", "5"), Err("the due date is past; allowed: today"));
        let both = fields("A ", "5", "2025-08-30", "5");
        check(strict, both, Err("white space at an edge"));
        check(strict, both, Err("the due date is past"));
    }

    #[test]
    fn a_long_list_of_refusals_is_cut() {
        let new = NewPayment::parse(PaymentKind::Psid, &fields(" A", "5", "2025-08-31", "5")).unwrap();
        let rows = Rows::Bills(vec![new.bill().unwrap().clone(); 25].into());
        let message = Strictness::default().check_rows(&rows, NOW.parse().unwrap()).unwrap_err().to_string();
        assert!(message.contains("row 9: ") && !message.contains("row 10: "), "{message}");
        assert!(message.ends_with("and 15 more rows (nothing was sent)"), "{message}");
    }
}
