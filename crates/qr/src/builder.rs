//! Building a code.

use std::fmt;

use crate::error::QrError;
use crate::field::{Additional, PAKISTANI_RUPEE};
use crate::merchant::{Initiation, MerchantCode, Tip, taken_apart};
use crate::name::MerchantName;
use crate::raast::{self, RaastAccount, RaastDate};
use crate::rules::{self, Node, Value};
use crate::tlv::Id;

/// Gathers a code's fields, in any order, and builds the code with its fields in the order of their ids and the checksum
/// last. A field that is given again replaces the one given before.
///
/// Nothing is checked until [`build`](Self::build), which reports all problems at once. A clone costs two allocations, so what many
/// codes have in common is given once. `Debug` shows which fields are given, without their values.
#[derive(Clone)]
pub struct MerchantCodeBuilder {
    /// What is given, in the order in which it is written.
    given: Vec<Given>,
    /// The values, one behind the other as they came. One that was replaced stays.
    values: String,
}

/// A part of a code, and where its value stands among the values.
#[derive(Clone, Copy)]
struct Given {
    id: Id,
    part: Part,
    start: usize,
    end: usize,
}

/// A field is a text, or a template with fields behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Text,
    Template,
    Field(Id),
}

/// What most codes are given: so many parts, in so many bytes.
const TYPICAL_PARTS: usize = 16;
const TYPICAL_VALUES: usize = 192;

/// How many fields most templates hold.
const TYPICAL_FIELDS: usize = 4;

impl MerchantCodeBuilder {
    pub(crate) fn new() -> MerchantCodeBuilder {
        let (given, values) = (Vec::with_capacity(TYPICAL_PARTS), String::with_capacity(TYPICAL_VALUES));
        MerchantCodeBuilder { given, values }.object(Id::PAYLOAD_FORMAT, "01")
    }

    fn put(&mut self, id: Id, part: Part, value: &str) {
        let start = self.values.len();
        self.values.push_str(value);
        let given = Given { id, part, start, end: self.values.len() };
        match self.given.binary_search_by_key(&(id, part), |known| (known.id, known.part)) {
            Ok(at) => self.given[at] = given,
            Err(at) => self.given.insert(at, given),
        }
    }

    fn remove(&mut self, id: Id) {
        self.given.retain(|given| given.id != id);
    }

    fn parts(&self) -> impl Iterator<Item = (Id, Part, &str)> {
        self.given.iter().map(|given| (given.id, given.part, &self.values[given.start..given.end]))
    }

    /// How often the code is meant to be paid (01). Optional in EMVCo's rules.
    pub fn initiation(self, initiation: Initiation) -> Self {
        self.object(
            Id::INITIATION,
            match initiation {
                Initiation::Static => "11",
                Initiation::Dynamic => "12",
            },
        )
    }

    /// The payee's Raast account (28), and with it the currency (53, the Pakistani rupee) and the country (58, `PK`).
    pub fn raast(self, account: &RaastAccount) -> Self {
        self.template(Id::RAAST_ACCOUNT, &account.fields())
            .object(Id::CURRENCY, PAKISTANI_RUPEE)
            .object(Id::COUNTRY, "PK")
    }

    /// The merchant's category (52): four digits of ISO 18245.
    pub fn category(self, category: impl AsRef<str>) -> Self {
        self.object(Id::CATEGORY, category)
    }

    /// The currency (53): three digits of ISO 4217.
    pub fn currency(self, currency: impl AsRef<str>) -> Self {
        self.object(Id::CURRENCY, currency)
    }

    /// The amount (54): digits with at most one point, above zero, at most 13 characters, and at most two decimal places
    /// if the currency is the rupee. It is written as given. Without one the payer chooses.
    pub fn amount(self, amount: impl AsRef<str>) -> Self {
        self.object(Id::AMOUNT, amount)
    }

    /// The tip or fee (55 to 57).
    pub fn tip(mut self, tip: Tip<'_>) -> Self {
        self.remove(Id::TIP_FIXED);
        self.remove(Id::TIP_PERCENTAGE);
        match tip {
            Tip::Prompt => self.object(Id::TIP, "01"),
            Tip::Fixed(fee) => self.object(Id::TIP, "02").object(Id::TIP_FIXED, fee),
            Tip::Percentage(fee) => self.object(Id::TIP, "03").object(Id::TIP_PERCENTAGE, fee),
        }
    }

    /// The country (58): two capital letters of ISO 3166-1.
    pub fn country(self, country: impl AsRef<str>) -> Self {
        self.object(Id::COUNTRY, country)
    }

    /// The merchant's name (59): 1 to 25 printable ASCII characters. [`MerchantName::fit`] makes one of any title.
    pub fn name(self, name: impl AsRef<str>) -> Self {
        self.object(Id::NAME, name)
    }

    /// The merchant's name in both its forms: the plain one in 59, and in 64 the original if it has other characters than
    /// ASCII. `language` (two letters, `UR` for Urdu) is used only with the latter.
    pub fn fitted_name(self, name: &MerchantName, language: &str) -> Self {
        let builder = self.name(name.plain());
        match name.original() {
            Some(original) => builder.language(language, original, None),
            None => builder,
        }
    }

    /// The merchant's city (60): 1 to 15 printable ASCII characters.
    pub fn city(self, city: impl AsRef<str>) -> Self {
        self.object(Id::CITY, city)
    }

    /// The postal code (61): 1 to 10 printable ASCII characters.
    pub fn postal_code(self, postal_code: impl AsRef<str>) -> Self {
        self.object(Id::POSTAL_CODE, postal_code)
    }

    /// A field of the additional data (62), by name or by id. All of them together, with four more characters each, have
    /// at most 99 characters.
    pub fn additional(mut self, field: impl Into<Id>, value: impl AsRef<str>) -> Self {
        let id = Id::ADDITIONAL_DATA;
        if !self.given.iter().any(|given| given.id == id && given.part == Part::Template) {
            self = self.template(id, &[]);
        }
        self.put(id, Part::Field(field.into()), value.as_ref());
        self
    }

    /// The bill's number (62/01): 1 to 25 printable ASCII characters. In a bill's code it is the payer's identifier.
    pub fn bill_number(self, number: impl AsRef<str>) -> Self {
        self.additional(Additional::BillNumber, number)
    }

    /// The bill's due date (62/50), as Raast writes it.
    pub fn due_date(self, date: RaastDate) -> Self {
        self.additional(raast::DUE_DATE, date.digits())
    }

    /// The amount that is due after the due date (62/51), of the same form as [`amount`](Self::amount).
    pub fn amount_after_due_date(self, amount: impl AsRef<str>) -> Self {
        self.additional(raast::LATER_AMOUNT, amount)
    }

    /// The merchant's name, and perhaps city, in another language (64): any characters, at most 25 and 15. `code` is the
    /// language's two letters.
    pub fn language(self, code: &str, name: &str, city: Option<&str>) -> Self {
        let mut fields = vec![(Id::known(0), code), (Id::known(1), name)];
        fields.extend(city.map(|city| (Id::known(2), city)));
        self.template(Id::LANGUAGE, &fields)
    }

    /// Any field, by its id: a card scheme's account (02 to 25), or a template that is already written.
    pub fn object(mut self, id: Id, value: impl AsRef<str>) -> Self {
        self.remove(id);
        self.put(id, Part::Text, value.as_ref());
        self
    }

    /// Any template, by its id and its fields: another scheme's account (26 to 51), or an unreserved one (80 to 99).
    pub fn template(mut self, id: Id, fields: &[(Id, &str)]) -> Self {
        self.remove(id);
        self.put(id, Part::Template, "");
        for (sub, value) in fields {
            self.put(id, Part::Field(*sub), value);
        }
        self
    }

    /// Builds the code.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), with every departure from EMVCo's rules in
    /// [`QrError::problems`]: missing, too long, of the wrong form, at odds with another field.
    pub fn build(&self) -> Result<MerchantCode, QrError> {
        let mut nodes: Vec<Node<'_>> = Vec::with_capacity(self.given.len());
        for (id, part, value) in self.parts() {
            match (part, nodes.last_mut()) {
                (Part::Text, _) => nodes.push(Node { id, value: taken_apart(id, value) }),
                (Part::Field(sub), Some(Node { value: Value::Template(fields), .. })) => fields.push((sub, value)),
                // No field comes before its template.
                (Part::Template | Part::Field(_), _) => {
                    nodes.push(Node { id, value: Value::Template(Vec::with_capacity(TYPICAL_FIELDS)) });
                }
            }
        }
        let problems = rules::problems(&nodes);
        if problems.is_empty() { Ok(MerchantCode::from_checked(&nodes)) } else { Err(QrError::invalid(problems)) }
    }
}

/// The same fields with the same values, in whatever order they were given.
impl PartialEq for MerchantCodeBuilder {
    fn eq(&self, other: &Self) -> bool {
        self.parts().eq(other.parts())
    }
}

impl Eq for MerchantCodeBuilder {}

impl fmt::Debug for MerchantCodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MerchantCodeBuilder ")?;
        let fields = self.given.iter().filter(|given| !matches!(given.part, Part::Field(_)));
        f.debug_set().entries(fields.map(|given| given.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> MerchantCodeBuilder {
        MerchantCode::builder()
            .object(Id::known(2), "4111111111111111")
            .category("5999")
            .currency("586")
            .country("PK")
            .name("A")
            .city("B")
    }

    #[test]
    fn fields_come_out_in_the_order_of_their_ids_with_the_checksum_last() {
        let code = plain()
            .template(Id::known(91), &[(Id::known(7), "x"), (Id::known(0), "A0")])
            .language("UR", "علی", Some("لاہور"))
            .bill_number("17")
            .additional(Additional::Purpose, "fees")
            .initiation(Initiation::Dynamic)
            .tip(Tip::Fixed("10.00"))
            .amount("1.50")
            .build()
            .unwrap();
        insta::assert_snapshot!(code, @"0002010102120216411111111111111152045999530358654041.50550202560510.005802PK5901A6001B62140102170804fees64220002UR0103علی0205لاہور91110002A00701x6304583A");
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let error = MerchantCode::builder().amount("1,50").name("x".repeat(26)).city("لاہور").build().unwrap_err();
        let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r#"
        the code: a merchant account (02 to 51) is needed
        field 52 (category): missing
        field 53 (currency): missing
        field 54 (amount): digits with at most one point expected
        field 58 (country): missing
        field 59 (name): 26 characters, at most 25 are allowed
        field 60 (city): printable ASCII characters expected
        "#);
        assert_eq!(error.offset(), None);
    }

    #[test]
    fn what_is_given_again_replaces_what_was_given() {
        let code = plain().name("C").tip(Tip::Percentage("5")).tip(Tip::Prompt).build().unwrap();
        assert_eq!((code.name(), code.tip(), code.get(Id::TIP_PERCENTAGE)), (Some("C"), Some(Tip::Prompt), None));
        let code = plain().object(Id::ADDITIONAL_DATA, "0701x").bill_number("17").build().unwrap();
        assert_eq!(code.get(Id::ADDITIONAL_DATA), Some("010217"));
    }

    #[test]
    fn builders_are_equal_if_their_codes_would_be() {
        let again = plain().name("C").city("D").name("A").city("B");
        assert!(again == plain() && again.clone() == again);
        assert!(plain().name("C") != plain() && plain().bill_number("17") != plain());
        let (text, template) = (plain().object(Id::known(91), ""), plain().template(Id::known(91), &[]));
        assert!(text != template);
    }

    #[test]
    fn a_template_may_be_given_as_text_if_it_is_one() {
        assert_eq!(plain().object(Id::known(91), "0002A0").build().unwrap().get(Id::known(91)), Some("0002A0"));
        let error = plain().object(Id::known(91), "A0").build().unwrap_err();
        assert_eq!(error.problems().len(), 1);
    }

    #[test]
    fn a_code_that_would_be_too_long_is_refused() {
        let long = "x".repeat(80);
        let ids: Vec<_> = (80..86).map(Id::known).collect();
        let builder = ids.iter().fold(plain(), |b, id| b.template(*id, &[(Id::known(0), "A0"), (Id::known(1), &long)]));
        insta::assert_snapshot!(builder.build().unwrap_err(), @"the values don't make a code: the code: 629 characters, at most 512 are allowed");
    }

    #[test]
    fn debug_tells_no_values() {
        assert_eq!(format!("{:?}", MerchantCode::builder().name("Ali")), "MerchantCodeBuilder {00, 59}");
    }
}
