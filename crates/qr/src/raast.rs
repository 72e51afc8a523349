//! Raast P2M: the account in field 28, and what Raast puts into field 62.
//!
//! guide:qr-1

use std::fmt;
use std::str::FromStr;

use crate::error::QrError;
use crate::field::Additional;
use crate::merchant::MerchantCode;
use crate::problem::{Problem, Reason};
use crate::tlv::{self, FieldPath, Id, Template};

/// The identifier (28/00) in AsaanBill's own samples. It is no participant's; a real one has up to 32 characters.
pub const RAAST_PLACEHOLDER_GUID: &str = "D15600000000";

/// A payee's Raast account: the scheme's identifier, the bank and the account number.
///
/// Invariant: the identifier is 1 to 32 ASCII letters and digits; the BIC has the form of ISO 9362; the IBAN is a Pakistani
/// one in form (`PK`, two digits, four letters, 16 letters or digits, all in upper case). Its check digits are another
/// matter: see [`iban_checks_out`](Self::iban_checks_out). `Debug` leaves the account number out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RaastAccount {
    guid: String,
    bic: String,
    iban: String,
}

/// 28/00, who defines the rest.
pub(crate) const GUID: Id = Id::known(0);
/// 28/01, the payee's bank.
pub(crate) const BIC: Id = Id::known(1);
/// 28/02, the payee's account.
pub(crate) const IBAN: Id = Id::known(2);
/// 62/50, the due date.
pub(crate) const DUE_DATE: Id = Id::known(50);
/// 62/51, the amount after the due date.
pub(crate) const LATER_AMOUNT: Id = Id::known(51);
/// 62/50 as a path.
pub(crate) const DUE_DATE_PATH: FieldPath = FieldPath::nested(Id::ADDITIONAL_DATA, DUE_DATE);
/// 62/51 as a path.
pub(crate) const LATER_AMOUNT_PATH: FieldPath = FieldPath::nested(Id::ADDITIONAL_DATA, LATER_AMOUNT);

/// EMVCo MPM, 26 to 51: the identifier is at most a UUID without hyphens. Real ones in Pakistan have 16 or 32 characters.
const MAX_GUID_LENGTH: usize = 32;

impl RaastAccount {
    /// An account, from the text of its three parts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) with a problem for each part that doesn't have its form.
    pub fn new(guid: &str, bic: &str, iban: &str) -> Result<RaastAccount, QrError> {
        let parts = [
            (GUID, is_guid(guid), "1 to 32 letters and digits"),
            (
                BIC,
                is_bic(bic),
                "four letters, two letters of the country, two or five letters and digits, in capitals,",
            ),
            (IBAN, is_iban(iban), "PK, two digits, four letters and 16 letters and digits, in capitals,"),
        ];
        let problems: Vec<Problem> = parts
            .into_iter()
            .filter(|(_, good, _)| !good)
            .map(|(id, _, wanted)| Problem::new(FieldPath::nested(Id::RAAST_ACCOUNT, id), Reason::Format(wanted)))
            .collect();
        if !problems.is_empty() {
            return Err(QrError::invalid(problems));
        }
        Ok(RaastAccount { guid: guid.to_owned(), bic: bic.to_owned(), iban: iban.to_owned() })
    }

    /// The scheme's identifier (28/00).
    pub fn guid(&self) -> &str {
        &self.guid
    }

    /// The bank (28/01): 8 or 11 characters.
    pub fn bic(&self) -> &str {
        &self.bic
    }

    /// The account number (28/02): 24 characters.
    pub fn iban(&self) -> &str {
        &self.iban
    }

    /// Whether the account number's check digits are right (ISO 13616, remainder 1 of 97). A form that is right with check
    /// digits that are not is most likely a mistyped account.
    pub fn iban_checks_out(&self) -> bool {
        check_digits_hold(&self.iban)
    }

    pub(crate) fn fields(&self) -> [(Id, &str); 3] {
        [(GUID, &self.guid), (BIC, &self.bic), (IBAN, &self.iban)]
    }
}

impl fmt::Debug for RaastAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaastAccount").field("guid", &self.guid).field("bic", &self.bic).finish_non_exhaustive()
    }
}

/// The Raast fields of a code that was read, as they stand there. Real codes vary, so nothing is refused.
///
/// A code is taken for a Raast one if field 28 has an account number (28/02). The identifier (28/00) is no help: each
/// participant writes its own. `Debug` leaves out whatever may tell who is paid and by whom.
#[derive(Clone)]
pub struct Raast<'a> {
    account: Template<'a>,
    iban: &'a str,
    additional: Option<Template<'a>>,
}

impl<'a> Raast<'a> {
    pub(crate) fn of(code: &'a MerchantCode) -> Option<Raast<'a>> {
        let account = code.template(Id::RAAST_ACCOUNT)?;
        let iban = account.get(IBAN)?;
        Some(Raast { iban, account, additional: code.template(Id::ADDITIONAL_DATA) })
    }

    /// The scheme's identifier (28/00).
    pub fn guid(&self) -> Option<&'a str> {
        self.account.get(GUID)
    }

    /// The bank (28/01).
    pub fn bic(&self) -> Option<&'a str> {
        self.account.get(BIC)
    }

    /// The account number (28/02).
    pub fn iban(&self) -> &'a str {
        self.iban
    }

    /// Whether the account number has a Pakistani IBAN's form and right check digits.
    pub fn iban_checks_out(&self) -> bool {
        is_iban(self.iban) && check_digits_hold(self.iban)
    }

    /// The account, if each of its parts has its form.
    pub fn account(&self) -> Option<RaastAccount> {
        RaastAccount::new(self.guid()?, self.bic()?, self.iban).ok()
    }

    /// The bill's number (62/01). In AsaanBill's codes it is the payer's identifier.
    pub fn bill_number(&self) -> Option<&'a str> {
        self.additional(Additional::BillNumber.into())
    }

    /// The due date (62/50) as it is written. Parse it as a [`RaastDate`] to know that it is a date.
    pub fn due_date(&self) -> Option<&'a str> {
        self.additional(DUE_DATE)
    }

    /// The amount after the due date (62/51) as it is written.
    pub fn amount_after_due_date(&self) -> Option<&'a str> {
        self.additional(LATER_AMOUNT)
    }

    fn additional(&self, id: Id) -> Option<&'a str> {
        self.additional.as_ref()?.get(id)
    }
}

impl fmt::Debug for Raast<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raast").field("guid", &self.guid()).field("bic", &self.bic()).finish_non_exhaustive()
    }
}

/// How many digits a date has.
const DATE_LENGTH: usize = 8;

/// A calendar day, written `DDMMYYYY`. Invariant: the day exists, in a year of 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RaastDate {
    year: i16,
    month: i8,
    day: i8,
}

impl RaastDate {
    /// The day of that year, month (1 to 12) and day (from 1). The types are those of `jiff::civil::Date`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if there is no such day.
    pub fn new(year: i16, month: i8, day: i8) -> Result<RaastDate, QrError> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => 0,
        };
        if (1..=9999).contains(&year) && (1..=days).contains(&day) {
            Ok(RaastDate { year, month, day })
        } else {
            Err(no_such_day())
        }
    }

    /// The date as it is written. Formatting by way of a pattern costs twice as much.
    pub(crate) fn digits(self) -> String {
        let year = usize::from(self.year.unsigned_abs());
        let parts = [self.day.unsigned_abs().into(), self.month.unsigned_abs().into(), year / 100, year % 100];
        let mut digits = String::with_capacity(DATE_LENGTH);
        parts.into_iter().for_each(|part| tlv::push_two_digits(&mut digits, part));
        digits
    }

    /// The year, 1 to 9999.
    pub fn year(self) -> i16 {
        self.year
    }

    /// The month, 1 to 12.
    pub fn month(self) -> i8 {
        self.month
    }

    /// The day of the month, 1 to 31.
    pub fn day(self) -> i8 {
        self.day
    }
}

impl fmt::Display for RaastDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digits())
    }
}

impl FromStr for RaastDate {
    type Err = QrError;

    fn from_str(text: &str) -> Result<RaastDate, QrError> {
        if text.len() != DATE_LENGTH || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(no_such_day());
        }
        let day = text[0..2].parse().map_err(|_| no_such_day())?;
        let month = text[2..4].parse().map_err(|_| no_such_day())?;
        let year = text[4..8].parse().map_err(|_| no_such_day())?;
        RaastDate::new(year, month, day)
    }
}

fn no_such_day() -> QrError {
    QrError::invalid(vec![Problem::new(DUE_DATE_PATH, Reason::Format("a date as DDMMYYYY"))])
}

fn is_guid(text: &str) -> bool {
    (1..=MAX_GUID_LENGTH).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn is_bic(text: &str) -> bool {
    matches!(text.len(), 8 | 11)
        && text.bytes().enumerate().all(|(index, b)| b.is_ascii_uppercase() || (index >= 6 && b.is_ascii_digit()))
}

fn is_iban(text: &str) -> bool {
    let form = |(index, b): (usize, u8)| match index {
        0 => b == b'P',
        1 => b == b'K',
        2 | 3 => b.is_ascii_digit(),
        4..=7 => b.is_ascii_uppercase(),
        _ => b.is_ascii_uppercase() || b.is_ascii_digit(),
    };
    text.len() == 24 && text.bytes().enumerate().all(form)
}

/// ISO 13616: the first four characters moved to the end, letters as 10 to 35, the number leaves 1 when divided by 97.
/// The text has an IBAN's form.
fn check_digits_hold(iban: &str) -> bool {
    let (head, tail) = iban.split_at(4);
    let mut remainder = 0;
    for character in tail.chars().chain(head.chars()) {
        let Some(value) = character.to_digit(36) else {
            return false;
        };
        remainder = if value < 10 { remainder * 10 + value } else { remainder * 100 + value } % 97;
    }
    remainder == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC_IBAN: &str = "PK36SCBL0000001123456702";

    fn check_account(guid: &str, bic: &str, iban: &str, wrong: &[&str]) {
        let fields = match RaastAccount::new(guid, bic, iban) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems().iter().map(|problem| problem.field().unwrap().to_string()).collect(),
        };
        assert_eq!(fields, wrong, "{guid} {bic} {iban}");
    }

    #[test]
    fn an_account_has_three_parts_of_known_form() {
        check_account(RAAST_PLACEHOLDER_GUID, "SCBLPKKX", PUBLIC_IBAN, &[]);
        check_account("30075b395ce149df8557f09797e7bb92", "JSBLPKKA", "PK20JSBL9999903343118436", &[]);
        check_account("6BYOKM9K7R0TMXB3", "JSBLPKKAXXX", "PK45JSBL9999903135221184", &[]);
        check_account("", "", "", &["28/00", "28/01", "28/02"]);
        check_account(&"A".repeat(33), "SCBLPKKX1", "PK36SCBL000000112345670", &["28/00", "28/01", "28/02"]);
        check_account("d131-dda6", "scblpkkx", "pk36scbl0000001123456702", &["28/00", "28/01", "28/02"]);
        check_account("A", "SCB1PKKX", "GB36SCBL0000001123456702", &["28/01", "28/02"]);
        check_account("A", "SCBLPKKX", "XK36SCBL0000001123456702", &["28/02"]);
        check_account("A", "SCBLPKKX", "PX36SCBL0000001123456702", &["28/02"]);
        check_account("A", "SCBLPKKX", "PK36SC1L0000001123456702", &["28/02"]);
        check_account("A", "SCBLPKKX", "PKX6SCBL0000001123456702", &["28/02"]);
    }

    #[test]
    fn an_account_tells_its_parts() {
        let account = RaastAccount::new("A", "SCBLPKKX", PUBLIC_IBAN).unwrap();
        assert_eq!((account.guid(), account.bic(), account.iban()), ("A", "SCBLPKKX", PUBLIC_IBAN));
    }

    /// A code is read whatever its account is; only a Pakistani one with right check digits checks out.
    #[test]
    fn what_was_read_checks_out_or_not() {
        let plain = MerchantCode::builder().category("8220").currency("586").country("PK").name("A").city("B");
        for (iban, good) in
            [(PUBLIC_IBAN, true), ("PK37SCBL0000001123456702", false), ("GB82WEST12345698765432", false), ("PK", false)]
        {
            let account = [(GUID, "A"), (BIC, "SCBLPKKX"), (IBAN, iban)];
            let code = plain.clone().template(Id::RAAST_ACCOUNT, &account).build().unwrap();
            assert_eq!(code.raast().unwrap().iban_checks_out(), good, "{iban}");
        }
        assert!(check_digits_hold("GB82WEST12345698765432"));
    }

    #[test]
    fn debug_tells_the_bank_and_not_the_account() {
        let account = RaastAccount::new("A", "SCBLPKKX", PUBLIC_IBAN).unwrap();
        let code = MerchantCode::builder().raast(&account).category("8220").name("A").city("B").build().unwrap();
        let shown = format!("{:?}", code.raast().unwrap());
        assert_eq!(shown, r#"Raast { guid: Some("A"), bic: Some("SCBLPKKX"), .. }"#);
    }

    #[test]
    fn check_digits_are_told_and_not_asked_for() {
        let account = |iban| RaastAccount::new("A", "SCBLPKKX", iban).unwrap();
        assert!(account(PUBLIC_IBAN).iban_checks_out());
        assert!(!account("PK37SCBL0000001123456702").iban_checks_out());
        assert!(!account("PK36SCBL0000001123456720").iban_checks_out());
    }

    #[test]
    fn a_date_exists() {
        for (text, good) in [
            ("31082025", true),
            ("29022024", true),
            ("29022000", true),
            ("01010001", true),
            ("31129999", true),
            ("29022025", false),
            ("29021900", false),
            ("31062025", false),
            ("31112025", false),
            ("00012025", false),
            ("01002025", false),
            ("01132025", false),
            ("01010000", false),
            ("2025-08-31", false),
            ("3108202", false),
            ("+1082025", false),
            ("٣١082025", false),
            ("", false),
        ] {
            let date = text.parse::<RaastDate>();
            assert_eq!(date.is_ok(), good, "{text}");
            if let Ok(date) = date {
                assert_eq!(date.to_string(), text);
                assert_eq!(RaastDate::new(date.year(), date.month(), date.day()), Ok(date));
            }
        }
    }

    #[test]
    fn debug_hides_the_account_number() {
        let account = RaastAccount::new("A", "SCBLPKKX", PUBLIC_IBAN).unwrap();
        assert_eq!(format!("{account:?}"), r#"RaastAccount { guid: "A", bic: "SCBLPKKX", .. }"#);
    }
}
