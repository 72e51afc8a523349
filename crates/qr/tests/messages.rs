//! What each error says: which field, at which byte, what was expected. Never a value. A changed message changes this.

use asaanbill_qr::{ErrorKind, MerchantCode, QrError, RaastAccount, RaastDate};

/// The code with its checksum.
fn checked(text: &str) -> String {
    let error = MerchantCode::parse(&format!("{text}6304FFFF")).unwrap_err();
    format!("{text}6304{:04X}", error.computed_crc().unwrap())
}

#[test]
fn a_code_that_can_t_be_read() {
    let head = "000201010211";
    let whole = "000201010211286000166BYOKM9K7R0TMXB30108JSBLPKKA0224PK45JSBL99999031352211845204549953035865802PK5922KIAS Speciality Coffee6009Islamabad621307099463407006304F2F3";
    let codes = [
        (ErrorKind::NotMerchantCode, "5903Ali".to_owned()),
        (ErrorKind::TooLong, format!("{head}{}", "5".repeat(600))),
        (ErrorKind::BadId, format!("{head}x1")),
        (ErrorKind::BadLength, format!("{head}52zz")),
        (ErrorKind::BadLength, format!("{head}5200")),
        (ErrorKind::BadLength, "0002010102116303ABC".to_owned()),
        (ErrorKind::Cut, format!("{head}52")),
        (ErrorKind::Cut, format!("{head}5299x")),
        (ErrorKind::Cut, format!("{head}6205010512")),
        (ErrorKind::Duplicate, checked(&format!("{head}010211"))),
        (ErrorKind::MissingCrc, format!("{head}5204822053035865802PK5901A6001B")),
        (ErrorKind::WrongCrc, whole.replace("F2F3", "F2F4")),
        (ErrorKind::TrailingText, format!("{whole}\n")),
    ];
    let messages = codes.map(|(kind, text)| {
        let error: QrError = MerchantCode::parse(&text).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        error.to_string()
    });
    insta::assert_snapshot!(messages.join("\n"), @"
    not a merchant-presented payment code: the text doesn't begin with 000201
    a code has at most 512 characters, the text goes on at byte 512
    two digits of a field's id are expected at byte 12
    field 52: bad length at byte 14: it isn't two digits
    field 52: bad length at byte 14: it is zero, and a value has at least one character
    field 63: bad length at byte 14: it is 3, and a checksum has 4 characters
    cut short: the text ends inside the field that begins at byte 12
    cut short: the text ends inside field 52, which begins at byte 12: 99 characters are announced, 1 are left
    cut short: the text ends inside the field that begins at byte 21
    field 01 comes a second time at byte 12
    no checksum: the text ends at byte 43 without field 63
    wrong checksum at byte 157: it is F2F4, the text gives F2F3; ask for the code again
    text follows the checksum at byte 161
    ");
}

#[cfg(feature = "render")]
#[test]
fn a_picture_that_can_t_be_drawn() {
    let error = asaanbill_qr::Symbol::new(&"x".repeat(10_000)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Undrawable);
    insta::assert_snapshot!(error, @"no QR symbol holds a text of 10000 bytes");
}

#[test]
fn values_that_make_no_code() {
    let messages = [
        {
            let error = MerchantCode::builder().build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            error.to_string()
        },
        MerchantCode::builder()
            .category("x")
            .name("")
            .city("c".repeat(16))
            .amount("1.234")
            .build()
            .unwrap_err()
            .to_string(),
        RaastAccount::new("", "x", "PK00").unwrap_err().to_string(),
        RaastDate::new(2025, 2, 30).unwrap_err().to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    the values don't make a code: the code: a merchant account (02 to 51) is needed; field 52 (category): missing; field 53 (currency): missing; field 58 (country): missing; field 59 (name): missing; field 60 (city): missing
    the values don't make a code: the code: a merchant account (02 to 51) is needed; field 52 (category): four digits expected; field 53 (currency): missing; field 58 (country): missing; field 59 (name): empty; field 60 (city): 16 characters, at most 15 are allowed
    the values don't make a code: field 28/00 (globally unique identifier): 1 to 32 letters and digits expected; field 28/01 (scheme's own): four letters, two letters of the country, two or five letters and digits, in capitals, expected; field 28/02 (scheme's own): PK, two digits, four letters and 16 letters and digits, in capitals, expected
    the values don't make a code: field 62/50 (scheme's own): a date as DDMMYYYY expected
    ");
}
