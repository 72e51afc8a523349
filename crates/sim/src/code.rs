//! The QR code of a payment.
//!
//! guide:qr-2 guide:qr-3 guide:qr-4 guide:qr-5 guide:qr-7 guide:qr-8

use std::sync::LazyLock;

use asaanbill_core::{Amount, NewPayment, Payment};
use asaanbill_qr::{
    Initiation, MAX_AMOUNT_LENGTH, MAX_BILL_NUMBER_LENGTH, MerchantCode, MerchantCodeBuilder, MerchantName, QrError,
    RAAST_PLACEHOLDER_GUID, RaastAccount, RaastDate,
};

/// The merchant category of the guide's sample: schools and colleges. (implied)
const CATEGORY: &str = "8220";

/// A bank and an account that don't exist, with right check digits. (assumed)
const BANK: &str = "SCBLPKKX";
const ACCOUNT: &str = "PK36SCBL0000001123456702";

/// Where the hub's merchants are. (assumed)
const CITY: &str = "Islamabad";

/// What field 59 says where a payment has no title. (assumed)
const UNTITLED: &str = "AsaanBill";

/// The language of a title that field 59 can't hold. (assumed: Urdu)
const LANGUAGE: &str = "UR";

/// The code's text. A payment without a PSID has none.
pub(crate) fn qr_string(payment: &Payment) -> String {
    payment.stage.psid().and_then(|psid| code(payment, psid.as_str()).ok()).map_or_else(String::new, String::from)
}

/// What all codes have in common, checked once: a page of the list has a hundred codes.
static COMMON: LazyLock<Result<MerchantCodeBuilder, QrError>> = LazyLock::new(|| {
    let account = RaastAccount::new(RAAST_PLACEHOLDER_GUID, BANK, ACCOUNT)?;
    Ok(MerchantCode::builder().initiation(Initiation::Static).raast(&account).category(CATEGORY).city(CITY))
});

fn code(payment: &Payment, psid: &str) -> Result<MerchantCode, QrError> {
    let name = MerchantName::fit(payment.new.title().map_or(UNTITLED, |title| title.as_str().trim()));
    let identifier = payment.shown_identifier();
    let mut code = COMMON.clone()?.fitted_name(&name, LANGUAGE).bill_number(bill_number(&identifier, psid));
    if let NewPayment::DynamicQr(_) = payment.new {
        code = code.initiation(Initiation::Dynamic);
    }
    if let Some(amount) = payment.new.amount().and_then(two_places) {
        code = code.amount(amount);
    }
    if let Some(bill) = payment.new.bill() {
        let date = bill.due_date.date();
        code = code.due_date(RaastDate::new(date.year(), date.month(), date.day())?);
        if let Some(later) = two_places(bill.amount_after_due_date) {
            code = code.amount_after_due_date(later);
        }
    }
    code.build()
}

/// The identifier, as in the guide's sample; the PSID for one that a code can't hold. (assumed)
fn bill_number<'t>(identifier: &'t str, psid: &'t str) -> &'t str {
    let fits = identifier.len() <= MAX_BILL_NUMBER_LENGTH && identifier.bytes().all(|b| (b' '..=b'~').contains(&b));
    if fits { identifier } else { psid }
}

/// An amount as a code has it; one that is too long for a code is left to the bank's inquiry. (assumed)
fn two_places(amount: Amount) -> Option<String> {
    let (rupees, paisa) = (amount.paisa() / 100, amount.paisa() % 100);
    let mut text = rupees.to_string();
    text.push_str(if paisa < 10 { ".0" } else { "." });
    text.push_str(&paisa.to_string());
    (text.len() <= MAX_AMOUNT_LENGTH).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::qr_string;
    use asaanbill_core::{Fields, NewPayment, Payment, PaymentKind, Stage};
    use asaanbill_qr::MerchantCode;
    use jiff::Timestamp;

    fn code(kind: PaymentKind, fields: &Fields<'_>) -> String {
        let new = NewPayment::parse(kind, fields).unwrap();
        let draft = Payment::draft("25".parse().unwrap(), new, Timestamp::UNIX_EPOCH);
        assert_eq!(qr_string(&draft), "", "no PSID, no code");
        let psid = "100139100100154854584585".parse().unwrap();
        qr_string(&Payment { stage: Stage::Approved { psid }, ..draft })
    }

    const BILL: Fields<'_> = Fields {
        title: Some("Muhammad Mahd Sheikh"),
        identifier: Some("FS-BSCS-095"),
        amount: Some("50"),
        due_date: Some("2025-08-31"),
        amount_after_due_date: Some("55"),
        description: None,
        longitude: Some("72.996636"),
        latitude: Some("33.646342"),
    };

    #[test]
    fn a_bills_code() {
        let expected = "00020101021128560012D156000000000108SCBLPKKX0224PK36SCBL0000001123456702520482205303586540550.\
                        005802PK5920Muhammad Mahd Sheikh6009Islamabad62360111FS-BSCS-095500831082025510555.00630443EE";
        assert_eq!(code(PaymentKind::Psid, &BILL), expected);
        assert_eq!(code(PaymentKind::StaticQr, &BILL), expected);
    }

    #[test]
    fn codes_without_amount_and_for_an_hour() {
        let open = MerchantCode::parse(&code(PaymentKind::OpenQr, &BILL)).unwrap();
        assert_eq!((open.amount(), open.raast().unwrap().due_date()), (None, None));
        let dynamic = code(PaymentKind::DynamicQr, &Fields { title: None, identifier: None, ..BILL });
        assert!(dynamic.starts_with("000201010212"), "{dynamic}");
        let dynamic = MerchantCode::parse(&dynamic).unwrap();
        assert_eq!((dynamic.amount(), dynamic.raast().unwrap().bill_number()), (Some("50.00"), Some("25")));
    }

    /// What the hub accepts has a complete, valid code, whatever its title and identifier.
    #[test]
    fn odd_titles_and_identifiers() {
        let long = "x".repeat(255);
        for text in ["  Bareera Sheikh", "بریرہ شیخ", long.as_str(), "\"", "é", "🧾 bill"] {
            let code = code(PaymentKind::Psid, &Fields { title: Some(text), identifier: Some(text), ..BILL });
            let read = MerchantCode::parse(&code).unwrap_or_else(|error| panic!("{text}: {code} {error}"));
            assert_eq!(read.amount(), Some("50.00"), "{text}");
        }
    }

    #[test]
    fn an_amount_that_a_code_cannot_hold_is_left_out() {
        let amounts = |amount: &'static str, later: &'static str| {
            let bill = Fields { amount: Some(amount), amount_after_due_date: Some(later), ..BILL };
            let code = MerchantCode::parse(&code(PaymentKind::Psid, &bill)).unwrap();
            let later = code.raast().unwrap().amount_after_due_date().map(str::to_owned);
            (code.amount().map(str::to_owned), later)
        };
        let largest = Some("9999999999.99".to_owned());
        assert_eq!(amounts("9999999999.99", "9999999999.99"), (largest.clone(), largest.clone()));
        assert_eq!(amounts("9999999999.99", "10000000000"), (largest, None));
        assert_eq!(amounts("999999999999999.99", "0.01"), (None, Some("0.01".into())));
    }
}
