//! What holds for every code and for every text.

use asaanbill_qr::{DataObjects, ErrorKind, Id, Initiation, MerchantCode, MerchantName, Scanned, Template};
use proptest::char;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::vectors::READABLE;

/// The checksum a second time, bit by bit, as its definition has it.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc: u16, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    })
}

fn object(id: u8, value: &str) -> String {
    format!("{id:02}{:02}{value}", value.chars().count())
}

fn sealed(body: &str) -> String {
    let text = format!("{body}6304");
    format!("{text}{:04X}", checksum(text.as_bytes()))
}

/// Values of ASCII, Urdu, Chinese and a character beyond the basic plane.
fn value(max: usize) -> impl Strategy<Value = String> {
    let character = prop_oneof![
        6 => char::range(' ', '~'),
        1 => char::range('ا', 'ے'),
        1 => char::range('一', '鿿'),
        1 => Just('\u{1F4B0}'),
    ];
    vec(character, 1..=max).prop_map(|characters| characters.into_iter().collect())
}

fn template() -> impl Strategy<Value = String> {
    btree_map(0u8..=99, value(12), 1..=5)
        .prop_map(|fields| fields.iter().map(|(id, value)| object(*id, value)).collect::<String>())
}

/// Any text that the reader has to accept: any fields, in any order, right or not by EMVCo's other rules.
fn readable() -> impl Strategy<Value = String> {
    let plain = (prop_oneof![1u8..=25, 52u8..=61, 65u8..=99], value(20));
    let nested = (prop_oneof![26u8..=51, Just(62), Just(64), 80u8..=99], template());
    vec(prop_oneof![2 => plain, 1 => nested], 0..=5).prop_shuffle().prop_map(|fields| {
        let mut seen = vec![0, 63];
        let mut body = object(0, "01");
        for (id, value) in fields {
            if !seen.contains(&id) {
                seen.push(id);
                body += &object(id, &value);
            }
        }
        sealed(&body)
    })
}

/// Codes that really are one of the published or a generated one.
fn any_code() -> impl Strategy<Value = String> {
    prop_oneof![select(READABLE.to_vec()).prop_map(str::to_owned), readable()]
}

proptest! {
    #[test]
    fn what_is_read_is_rebuilt_byte_for_byte(text in any_code()) {
        let code = MerchantCode::parse(&text).unwrap();
        prop_assert_eq!(code.encode(), &text[..]);
        prop_assert_eq!(format!("{:04X}", code.crc()), &text[text.len() - 4..]);
    }

    #[test]
    fn what_is_built_is_read_back(
        is_static in any::<bool>(),
        category in "[0-9]{4}",
        amount in proptest::option::of("[1-9][0-9]{0,9}(\\.[0-9]{1,2})?"),
        name in "[ -~]{1,25}",
        city in "[ -~]{1,15}",
        bill in proptest::option::of("[ -~]{1,25}"),
        urdu in proptest::option::of(value(25)),
        account in (26u8..=51, "[0-9A-F]{1,32}", value(30)),
        unreserved in proptest::option::of((80u8..=99, value(30))),
    ) {
        let id = |number| Id::new(number).unwrap();
        let mut builder = MerchantCode::builder()
            .initiation(if is_static { Initiation::Static } else { Initiation::Dynamic })
            .template(id(account.0), &[(id(0), &account.1), (id(77), &account.2)])
            .category(&category).currency("586").country("PK").name(&name).city(&city);
        if let Some(amount) = &amount {
            builder = builder.amount(amount);
        }
        if let Some(bill) = &bill {
            builder = builder.bill_number(bill);
        }
        if let Some(urdu) = &urdu {
            builder = builder.language("UR", urdu, None);
        }
        if let Some((number, value)) = &unreserved {
            builder = builder.template(id(*number), &[(id(0), "A0"), (id(1), value)]);
        }
        let code = builder.build().unwrap();
        let read = MerchantCode::parse(&code.encode()).unwrap();
        prop_assert_eq!(&read, &code);
        prop_assert!(read.departures().is_empty());
        prop_assert_eq!(read.amount(), amount.as_deref());
        prop_assert_eq!(read.name(), Some(&name[..]));
        prop_assert_eq!(read.additional(asaanbill_qr::Additional::BillNumber), bill.as_deref());
        prop_assert_eq!(read.language().and_then(|language| language.name()), urdu.as_deref());
        let ids: Vec<u8> = read.fields().map(|(id, _)| id.number()).collect();
        prop_assert!(ids.is_sorted(), "{:?}", ids);
    }

    /// A checksum of 16 bits catches every change that stays within two neighbouring bytes, and so every such slip.
    #[test]
    fn every_change_of_one_byte_or_two_neighbours_is_noticed(
        text in any_code(), at in any::<Index>(), one in 1u8..=127, two in 0u8..=127,
    ) {
        let mut bytes = text.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= one;
        if let Some(next) = bytes.get_mut(at + 1) {
            *next ^= two;
        }
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(MerchantCode::parse(&changed).is_err(), "{}", changed);
        }
    }

    #[test]
    fn every_cut_is_noticed_and_told_as_one(text in any_code(), at in any::<Index>()) {
        let ends: Vec<usize> = text.char_indices().map(|(end, _)| end).collect();
        let cut = &text[..ends[at.index(ends.len())]];
        let kind = MerchantCode::parse(cut).unwrap_err().kind();
        let expected = match cut {
            "" => ErrorKind::NotMerchantCode,
            _ if DataObjects::new(cut).all(|object| object.is_ok()) => ErrorKind::MissingCrc,
            _ => ErrorKind::Cut,
        };
        prop_assert_eq!(kind, expected);
    }

    #[test]
    fn no_text_makes_the_reader_panic_and_none_is_lost(
        text in prop_oneof![any::<String>(), "[0-9]{0,600}", "000201[0-9]{0,80}", "000201[0-9٠-٩ -~]{0,80}"],
    ) {
        let scanned = Scanned::read(&text[..]);
        prop_assert_eq!(scanned.to_string(), &text[..]);
        let _shown = (scanned.describe(), format!("{scanned:?}"), Template::read(&text));
        if let Some(reason) = scanned.reason() {
            let offset = reason.offset().unwrap();
            prop_assert!(text.is_char_boundary(offset), "{}: {:?}", offset, text);
        }
    }

    #[test]
    fn a_code_in_which_anything_was_put_makes_no_reader_panic(
        text in any_code(), at in any::<Index>(), length in 0usize..6, put in "[0-9]{0,4}|\\PC{0,3}",
    ) {
        let ends: Vec<usize> = text.char_indices().map(|(end, _)| end).chain([text.len()]).collect();
        let from = at.index(ends.len());
        let until = (from + length).min(ends.len() - 1);
        // The checksum is made right again, so that the fields themselves are looked at.
        let body = format!("{}{put}{}", &text[..ends[from]], &text[ends[until]..]);
        for changed in [sealed(body.get(..body.len().saturating_sub(8)).unwrap_or(&body)), body] {
            match Scanned::read(&changed[..]) {
                Scanned::Read(code) => {
                    prop_assert_eq!(code.encode(), &changed[..]);
                    let _looked_at = (code.departures(), code.describe(), code.raast().map(|raast| raast.iban_checks_out()));
                }
                Scanned::Unreadable { text, .. } => prop_assert_eq!(text, changed),
            }
        }
    }

    #[test]
    fn any_title_can_be_fitted(title in "\\PC{1,40}") {
        let name = MerchantName::fit(&title);
        let id = |number| Id::new(number).unwrap();
        let code = MerchantCode::builder()
            .object(id(2), "4").category("8220").currency("586").country("PK").city("B")
            .fitted_name(&name, "UR").build().unwrap();
        let kept = code.language().and_then(|language| language.name()).or(code.name()).unwrap();
        prop_assert!(title.starts_with(kept));
        prop_assert_eq!(name.is_whole(), kept == title);
    }
}
