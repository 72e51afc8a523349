//! What EMVCo defines: each field's name, form and length, in one table.

use std::ops::RangeInclusive;

use crate::tlv::{FieldPath, Id};

/// The most characters a code may have. EMVCo MPM: a longer one makes a symbol that phones read badly.
pub const MAX_CODE_LENGTH: usize = 512;
/// The most characters one value may have, a template's included: its length is written with two digits.
pub const MAX_VALUE_LENGTH: usize = 99;
/// The most characters of a merchant's name (59, and 64/01).
pub const MAX_NAME_LENGTH: usize = 25;
/// The most characters of a merchant's city (60, and 64/02).
pub const MAX_CITY_LENGTH: usize = 15;
/// The most characters of a postal code (61).
pub const MAX_POSTAL_CODE_LENGTH: usize = 10;
/// The most characters of an amount (54, 56, and Raast's 62/51), its point included.
pub const MAX_AMOUNT_LENGTH: usize = 13;
/// The most characters of a bill number and its kin (62/01 to 62/08).
pub const MAX_BILL_NUMBER_LENGTH: usize = 25;

/// The fields inside field 62 that EMVCo defines. Others are given by [`Id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Additional {
    /// 62/01, bill or invoice number.
    BillNumber,
    /// 62/02, mobile number.
    MobileNumber,
    /// 62/03, store label.
    StoreLabel,
    /// 62/04, loyalty number.
    LoyaltyNumber,
    /// 62/05, reference label.
    ReferenceLabel,
    /// 62/06, customer label.
    CustomerLabel,
    /// 62/07, terminal label.
    TerminalLabel,
    /// 62/08, purpose of the transaction.
    Purpose,
    /// 62/09, which of the consumer's data the merchant asks for: of `A` (address), `M` (mobile), `E` (e-mail).
    ConsumerDataRequest,
    /// 62/10, merchant's tax number.
    TaxId,
    /// 62/11, merchant's channel.
    Channel,
}

impl From<Additional> for Id {
    fn from(field: Additional) -> Id {
        Id::known(match field {
            Additional::BillNumber => 1,
            Additional::MobileNumber => 2,
            Additional::StoreLabel => 3,
            Additional::LoyaltyNumber => 4,
            Additional::ReferenceLabel => 5,
            Additional::CustomerLabel => 6,
            Additional::TerminalLabel => 7,
            Additional::Purpose => 8,
            Additional::ConsumerDataRequest => 9,
            Additional::TaxId => 10,
            Additional::Channel => 11,
        })
    }
}

/// The Pakistani rupee, ISO 4217.
pub(crate) const PAKISTANI_RUPEE: &str = "586";

/// What a value looks like. The names are EMVCo's: N for `Digits`, ans for `Plain`, S for `Unicode`.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    OneOf(&'static [&'static str], &'static str),
    Digits(usize, &'static str),
    Plain,
    Unicode,
    Amount,
    Percentage,
    Country,
    Language,
    Template(&'static [Field]),
    Reserved,
    Checksum,
}

/// A row of the table: the ids of which it holds, and what it asks of their values.
pub(crate) struct Field {
    pub(crate) ids: RangeInclusive<u8>,
    pub(crate) name: &'static str,
    pub(crate) content: Content,
    pub(crate) limit: usize,
    pub(crate) mandatory: bool,
}

const fn must(id: u8, name: &'static str, content: Content, limit: usize) -> Field {
    Field { ids: id..=id, name, content, limit, mandatory: true }
}

const fn may(id: u8, name: &'static str, content: Content, limit: usize) -> Field {
    many(id..=id, name, content, limit)
}

const fn many(ids: RangeInclusive<u8>, name: &'static str, content: Content, limit: usize) -> Field {
    Field { ids, name, content, limit, mandatory: false }
}

/// The tables of EMVCo MPM, in the order of the ids. Each id is in exactly one row.
pub(crate) const CODE: &[Field] = &[
    must(0, "payload format", Content::OneOf(&["01"], "01"), 2),
    may(1, "point of initiation", Content::OneOf(&["11", "12"], "11 or 12"), 2),
    many(2..=25, "card scheme account", Content::Plain, MAX_VALUE_LENGTH),
    many(26..=51, "merchant account", Content::Template(SCHEME), MAX_VALUE_LENGTH),
    must(52, "category", Content::Digits(4, "four digits"), 4),
    must(53, "currency", Content::Digits(3, "three digits"), 3),
    may(54, "amount", Content::Amount, MAX_AMOUNT_LENGTH),
    may(55, "tip", Content::OneOf(&["01", "02", "03"], "01, 02 or 03"), 2),
    may(56, "fixed fee", Content::Amount, MAX_AMOUNT_LENGTH),
    may(57, "fee in per cent", Content::Percentage, 5),
    must(58, "country", Content::Country, 2),
    must(59, "name", Content::Plain, MAX_NAME_LENGTH),
    must(60, "city", Content::Plain, MAX_CITY_LENGTH),
    may(61, "postal code", Content::Plain, MAX_POSTAL_CODE_LENGTH),
    may(62, "additional data", Content::Template(ADDITIONAL), MAX_VALUE_LENGTH),
    may(63, "checksum", Content::Checksum, 4),
    may(64, "other language", Content::Template(LANGUAGE), MAX_VALUE_LENGTH),
    many(65..=79, "reserved", Content::Reserved, MAX_VALUE_LENGTH),
    many(80..=99, "unreserved", Content::Template(SCHEME), MAX_VALUE_LENGTH),
];

/// 26 to 51 and 80 to 99: who defines the template, then whatever that one defines.
pub(crate) const SCHEME: &[Field] = &[
    must(0, "globally unique identifier", Content::Plain, 32),
    many(1..=99, "scheme's own", Content::Unicode, MAX_VALUE_LENGTH),
];

pub(crate) const ADDITIONAL: &[Field] = &[
    may(1, "bill number", Content::Plain, MAX_BILL_NUMBER_LENGTH),
    may(2, "mobile number", Content::Plain, 25),
    may(3, "store label", Content::Plain, 25),
    may(4, "loyalty number", Content::Plain, 25),
    may(5, "reference label", Content::Plain, 25),
    may(6, "customer label", Content::Plain, 25),
    may(7, "terminal label", Content::Plain, 25),
    may(8, "purpose", Content::Plain, 25),
    may(9, "consumer data request", Content::Plain, 3),
    may(10, "tax number", Content::Plain, 20),
    may(11, "channel", Content::Plain, 3),
    many(12..=49, "reserved", Content::Reserved, MAX_VALUE_LENGTH),
    many(50..=99, "scheme's own", Content::Unicode, MAX_VALUE_LENGTH),
];

pub(crate) const LANGUAGE: &[Field] = &[
    must(0, "language", Content::Language, 2),
    must(1, "name", Content::Unicode, MAX_NAME_LENGTH),
    may(2, "city", Content::Unicode, MAX_CITY_LENGTH),
    many(3..=99, "reserved", Content::Reserved, MAX_VALUE_LENGTH),
];

/// What a field is called in messages and descriptions.
pub(crate) fn name(path: FieldPath) -> Option<&'static str> {
    let field = find(CODE, path.id())?;
    match (path.sub(), field.content) {
        (None, _) => Some(field.name),
        (Some(sub), Content::Template(fields)) => find(fields, sub).map(|field| field.name),
        (Some(_), _) => None,
    }
}

/// The row for an id. Only 62/00 has none. Rows are in the order of the ids.
pub(crate) fn find(fields: &'static [Field], id: Id) -> Option<&'static Field> {
    let at = fields.partition_point(|field| *field.ids.end() < id.number());
    fields.get(at).filter(|field| field.ids.contains(&id.number()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_one_row() {
        for fields in [CODE, SCHEME, ADDITIONAL, LANGUAGE] {
            for number in 0..=99 {
                let rows = fields.iter().filter(|field| field.ids.contains(&number)).count();
                let absent = std::ptr::eq(fields, ADDITIONAL) && number == 0;
                assert_eq!(rows, usize::from(!absent), "{number}");
                let found = find(fields, Id::known(number)).map(|field| field.ids.contains(&number));
                assert_eq!(found, (!absent).then_some(true), "{number} is found");
            }
        }
    }
}
