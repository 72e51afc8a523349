//! Published codes, and the simulator's own form.

use asaanbill_qr::{
    Additional, ErrorKind, Id, Initiation, MerchantCode, RAAST_PLACEHOLDER_GUID, RaastAccount, RaastDate, Tip,
};

/// EMVCo's own sample, with two languages and fields out of order.
pub(crate) const EMVCO: &str = "00020101021229300012D156000000000510A93FO3230Q31280012D15600000001030812345678520441115802CN5914BEST TRANSPORT6007BEIJING64200002ZH0104最佳运输0202北京540523.7253031565502016233030412340603***0708A60086670902ME91320016A0112233449988770708123456786304A13A";
/// An older form of it, whose checksum doesn't fit.
pub(crate) const EMVCO_OLD: &str = "00020101021229300012D156000000000510A93FO3230Q31270012D1560000000103071234567520441115303156540523.725502015802CN5914BEST TRANSPORT6007BEIJING6233030412340603***0708A60086670902ME64200002ZH0104最佳运输0202北京91320016A0112233449988770708123456786304D90E";
pub(crate) const WARMBYTES: &str = "0002010102122876003230075b395ce149df8557f09797e7bb920108JSBLPKKA0224PK20JSBL99999033431184365204581853035865402215802PK5909Warmbytes6009Islamabad62870110180132372302129233431184360309Warmbytes0605RP1WB070994610000008045818101018013237236304BDEB";
pub(crate) const KIAS: &str = "000201010211286000166BYOKM9K7R0TMXB30108JSBLPKKA0224PK45JSBL99999031352211845204549953035865802PK5922KIAS Speciality Coffee6009Islamabad621307099463407006304F2F3";
pub(crate) const SWISS_WATCHES: &str = "00020101021128760032d9131dda6e894d78b44a756e37874ba00108JSBLPKKA0224PK38JSBL99999032412001155204581853035865802PK5913Swiss Watches6010Rawalpindi621307099461503186304C1A6";
/// The simulator's form: static, with amount and due date.
pub(crate) const SIMULATOR: &str = "00020101021128560012D156000000000108SCBLPKKX0224PK36SCBL0000001123456702520482205303586540550.005802PK5920Muhammad Mahd Sheikh6009Islamabad62360111FS-BSCS-095500831082025510555.00630443EE";

pub(crate) const READABLE: [&str; 5] = [EMVCO, WARMBYTES, KIAS, SWISS_WATCHES, SIMULATOR];

fn id(number: u8) -> Id {
    Id::new(number).unwrap()
}

#[test]
fn published_codes_are_rebuilt_byte_for_byte() {
    for text in READABLE {
        let code = MerchantCode::parse(text).unwrap();
        assert_eq!(code.encode(), text);
        assert_eq!(code.to_string(), text);
        assert_eq!(format!("{:04X}", code.crc()), text[text.len() - 4..]);
        assert_eq!(code.departures(), [], "{text}");
        assert_eq!(text.parse(), Ok(code));
    }
}

#[test]
fn the_older_sample_is_refused_for_its_checksum() {
    let error = MerchantCode::parse(EMVCO_OLD).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongCrc);
    assert_eq!((error.found_crc(), error.computed_crc()), (Some("D90E"), Some(0x2529)));
    assert_eq!(error.offset(), Some(EMVCO_OLD.len() - 4));
    insta::assert_snapshot!(error, @"wrong checksum at byte 255: it is D90E, the text gives 2529; ask for the code again");
}

#[test]
fn the_simulators_form_is_built_byte_for_byte() {
    let account = RaastAccount::new(RAAST_PLACEHOLDER_GUID, "SCBLPKKX", "PK36SCBL0000001123456702").unwrap();
    assert!(account.iban_checks_out());
    let code = MerchantCode::builder()
        .amount_after_due_date("55.00")
        .due_date(RaastDate::new(2025, 8, 31).unwrap())
        .bill_number("FS-BSCS-095")
        .amount("50.00")
        .city("Islamabad")
        .name("Muhammad Mahd Sheikh")
        .category("8220")
        .raast(&account)
        .initiation(Initiation::Static)
        .build()
        .unwrap();
    assert_eq!(code.encode(), SIMULATOR);
    assert_eq!(MerchantCode::parse(SIMULATOR), Ok(code));
}

#[test]
fn emvcos_sample_is_read_with_both_languages() {
    let code = MerchantCode::parse(EMVCO).unwrap();
    assert_eq!(code.initiation(), Some(Initiation::Dynamic));
    assert_eq!(code.accounts().map(|(id, _)| id.number()).collect::<Vec<_>>(), [29, 31]);
    assert_eq!(code.template(id(29)).unwrap().get(id(5)), Some("A93FO3230Q"));
    assert_eq!((code.category(), code.currency(), code.country()), (Some("4111"), Some("156"), Some("CN")));
    assert_eq!((code.amount(), code.tip()), (Some("23.72"), Some(Tip::Prompt)));
    assert_eq!((code.name(), code.city(), code.postal_code()), (Some("BEST TRANSPORT"), Some("BEIJING"), None));
    let language = code.language().unwrap();
    assert_eq!((language.code(), language.name(), language.city()), (Some("ZH"), Some("最佳运输"), Some("北京")));
    assert_eq!(code.additional(Additional::CustomerLabel), Some("***"));
    assert_eq!(code.additional(Additional::BillNumber), None);
    assert_eq!(code.template(id(91)).unwrap().get(id(7)), Some("12345678"));
    assert!(code.raast().is_none());
}

#[test]
fn real_banks_codes_are_read_whatever_they_put_into_additional_data() {
    let code = MerchantCode::parse(WARMBYTES).unwrap();
    let raast = code.raast().unwrap();
    assert_eq!(raast.guid(), Some("30075b395ce149df8557f09797e7bb92"));
    assert_eq!((raast.bic(), raast.iban()), (Some("JSBLPKKA"), "PK20JSBL9999903343118436"));
    assert!(raast.iban_checks_out() && raast.account().is_some());
    assert_eq!((code.amount(), code.initiation()), (Some("21"), Some(Initiation::Dynamic)));
    let additional: Vec<_> =
        code.template(Id::ADDITIONAL_DATA).unwrap().iter().map(|o| (o.id().number(), o.value())).collect();
    assert_eq!(
        additional,
        [
            (1, "1801323723"),
            (2, "923343118436"),
            (3, "Warmbytes"),
            (6, "RP1WB"),
            (7, "946100000"),
            (8, "5818"),
            (10, "1801323723"),
        ]
    );
    assert_eq!(code.additional(Additional::TaxId), Some("1801323723"));

    let code = MerchantCode::parse(KIAS).unwrap();
    let raast = code.raast().unwrap();
    assert_eq!((raast.guid(), raast.due_date()), (Some("6BYOKM9K7R0TMXB3"), None));
    assert!(raast.iban_checks_out());
    assert_eq!((code.amount(), code.additional(Additional::TerminalLabel)), (None, Some("946340700")));

    let code = MerchantCode::parse(SWISS_WATCHES).unwrap();
    assert!(code.raast().unwrap().iban_checks_out());
    assert_eq!(code.city(), Some("Rawalpindi"));
}

#[test]
fn the_simulators_form_is_read() {
    let code = MerchantCode::parse(SIMULATOR).unwrap();
    let raast = code.raast().unwrap();
    assert_eq!(raast.bill_number(), Some("FS-BSCS-095"));
    assert_eq!(raast.due_date().unwrap().parse(), RaastDate::new(2025, 8, 31));
    assert_eq!(raast.amount_after_due_date(), Some("55.00"));
    insta::assert_snapshot!(code.describe(), @r#"
    00 payload format                 01
    01 point of initiation            11 (static)
    28 Raast account
       00 globally unique identifier  D15600000000
       01 BIC                         SCBLPKKX
       02 IBAN                        PK36SCBL0000001123456702
    52 category                       8220
    53 currency                       586 (Pakistani rupee)
    54 amount                         50.00
    58 country                        PK
    59 name                           Muhammad Mahd Sheikh
    60 city                           Islamabad
    62 additional data
       01 bill number                 FS-BSCS-095
       50 due date                    31082025
       51 amount after due date       55.00
    63 checksum                       43EE
    "#);
}

#[test]
fn raasts_own_fields_are_held_to_their_form_when_built() {
    let account = RaastAccount::new("A", "SCBLPKKX", "PK36SCBL0000001123456702").unwrap();
    let plain = MerchantCode::builder().raast(&account).category("8220").name("A").city("B");
    let error = plain
        .clone()
        .amount("1.005")
        .additional(id(50), "31062025")
        .amount_after_due_date("-5")
        .bill_number("x".repeat(26))
        .build()
        .unwrap_err();
    let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(problems.join("\n"), @r#"
    field 54 (amount): at most two decimal places expected
    field 62/01 (bill number): 26 characters, at most 25 are allowed
    field 62/50 (scheme's own): a date as DDMMYYYY expected
    field 62/51 (scheme's own): digits with at most one point expected
    "#);
    let error = plain.amount_after_due_date("55.001").build().unwrap_err();
    insta::assert_snapshot!(error, @"the values don't make a code: field 62/51 (scheme's own): at most two decimal places expected");
}

#[test]
fn nothing_of_a_payer_is_in_debug_or_errors() {
    let code = MerchantCode::parse(SIMULATOR).unwrap();
    let mut shown = format!("{code:?} {:?} {:?}", code.raast().unwrap(), code.template(Id::ADDITIONAL_DATA));
    for end in 0..SIMULATOR.len() {
        let error = MerchantCode::parse(&SIMULATOR[..end]).unwrap_err();
        shown += &format!("{error} {error:?}");
    }
    for secret in ["Muhammad", "Sheikh", "BSCS", "1123456702", "50.00", "55.00", "31082025"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn every_change_of_one_character_is_noticed() {
    for text in [EMVCO, SIMULATOR] {
        for (at, old) in text.char_indices() {
            for new in ('\0'..='\x7f').filter(|new| *new != old && old.is_ascii()) {
                let changed = format!("{}{new}{}", &text[..at], &text[at + 1..]);
                assert!(MerchantCode::parse(&changed).is_err(), "{changed}");
            }
        }
    }
}

#[test]
fn every_cut_is_noticed() {
    for text in READABLE {
        for (end, _) in text.char_indices() {
            assert!(MerchantCode::parse(&text[..end]).is_err(), "{}", &text[..end]);
        }
    }
}
