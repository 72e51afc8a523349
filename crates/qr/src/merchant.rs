//! A merchant-presented code, as read or as built.

use std::fmt;
use std::str::FromStr;

use crate::builder::MerchantCodeBuilder;
use crate::crc;
use crate::describe;
use crate::error::{LengthFault, QrError};
use crate::field::MAX_CODE_LENGTH;
use crate::problem::Problem;
use crate::raast::Raast;
use crate::rules::{self, Node, Value};
use crate::tlv::{self, DataObject, DataObjects, FieldPath, Id, Template};

/// A merchant-presented payment code: data objects in their order, and a checksum that is always right.
///
/// Invariant: its text begins with `000201`, has at most [`MAX_CODE_LENGTH`] characters, holds no field twice, and fields
/// 26 to 51, 62 and 64 hold data objects. Whether EMVCo's other rules are followed is told by
/// [`departures`](Self::departures); a built code has none.
///
/// `Display` gives the code's text. `Debug` leaves out whatever may tell who is paid and by whom.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MerchantCode {
    /// The whole text, checksum included.
    text: String,
    /// All fields but the checksum, in their order.
    fields: Vec<Place>,
}

/// Where a field's value stands in its code's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    id: Id,
    start: usize,
    end: usize,
}

/// How often a code is meant to be paid. EMVCo MPM, 01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Initiation {
    /// 11: the same code is shown for more than one payment.
    Static,
    /// 12: a new code is shown for each payment.
    Dynamic,
}

/// What is asked for on top of the amount. EMVCo MPM, 55 to 57.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tip<'a> {
    /// 01: the payer is asked for a tip.
    Prompt,
    /// 02: a fixed fee, an amount as text.
    Fixed(&'a str),
    /// 03: a fee in per cent of the amount, as text: `2.50`.
    Percentage(&'a str),
}

/// The merchant's name and city in another language. EMVCo MPM, 64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Language<'a> {
    code: Option<&'a str>,
    name: Option<&'a str>,
    city: Option<&'a str>,
}

/// What every code of this version begins with: field 00, two characters, `01`.
const BEGINNING: &str = "000201";

/// The characters of a checksum.
const CRC_LENGTH: usize = 4;

/// What precedes them: field 63's id and length.
const CRC_HEADER: &str = "6304";

/// What most codes need, in bytes, so that they are written without growing.
const TYPICAL_LENGTH: usize = 256;

impl MerchantCode {
    /// A builder with nothing but the payload format in it.
    pub fn builder() -> MerchantCodeBuilder {
        MerchantCodeBuilder::new()
    }

    /// Reads a code's text. The whole text has to be the code: nothing is trimmed, and nothing is mended.
    ///
    /// Checks go from the outside in: the beginning, the length, each field in turn, the checksum, then fields that come
    /// twice and the templates. The first that fails is reported. The checksum's digits are upper case, as EMVCo writes
    /// them.
    ///
    /// # Errors
    ///
    /// Each kind of [`ErrorKind`](crate::ErrorKind) but `Invalid` and `Undrawable`, always with an offset.
    pub fn parse(text: &str) -> Result<MerchantCode, QrError> {
        if !text.starts_with(BEGINNING) {
            let cut = !text.is_empty() && BEGINNING.starts_with(text);
            return Err(if cut { QrError::cut_in_header(0) } else { QrError::not_merchant_code() });
        }
        if let Some((at, _)) = text.char_indices().nth(MAX_CODE_LENGTH) {
            return Err(QrError::too_long(at));
        }
        let mut objects = Vec::new();
        for object in DataObjects::new(text) {
            let object = object?;
            if object.id() == Id::CRC {
                check_crc(text, &object)?;
                tlv::refuse_duplicates(&objects, None)?;
                for template in objects.iter().filter(|object| object.id().is_defined_template()) {
                    Template::read_within(template.id(), template.value(), template.value_offset())?;
                }
                let place = |object: &DataObject<'_>| Place {
                    id: object.id(),
                    start: object.value_offset(),
                    end: object.value_offset() + object.value().len(),
                };
                return Ok(MerchantCode { text: text.to_owned(), fields: objects.iter().map(place).collect() });
            }
            objects.push(object);
        }
        Err(QrError::missing_crc(text.len()))
    }

    /// For the builder, whose rules are stricter than the invariant: writes the fields, and the checksum behind them.
    pub(crate) fn from_checked(nodes: &[Node<'_>]) -> MerchantCode {
        let mut text = String::with_capacity(TYPICAL_LENGTH);
        let mut places = Vec::with_capacity(nodes.len());
        for Node { id, value } in nodes {
            tlv::write_header(&mut text, *id, rules::value_length(value));
            let start = text.len();
            match value {
                Value::Text(value) => text.push_str(value),
                Value::Template(fields) => fields.iter().for_each(|(sub, value)| tlv::write(&mut text, *sub, value)),
            }
            places.push(Place { id: *id, start, end: text.len() });
        }
        text.push_str(CRC_HEADER);
        let checksum = crc::spelled(crc::checksum(&text));
        text.push_str(&checksum);
        MerchantCode { text, fields: places }
    }

    /// The code's text. For a code that was read, it is the text that was read, byte for byte.
    pub fn encode(&self) -> String {
        self.text.clone()
    }

    /// The code's text, without a copy of it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The checksum that the text carries in field 63.
    pub fn crc(&self) -> u16 {
        crc::checksum(&self.text[..self.text.len() - CRC_LENGTH])
    }

    /// All fields but the checksum, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (Id, &str)> {
        self.fields.iter().map(|place| (place.id, &self.text[place.start..place.end]))
    }

    /// The value of one field as it stands in the text, a template's included. The checksum is not among the fields.
    pub fn get(&self, id: Id) -> Option<&str> {
        self.fields().find(|(known, _)| *known == id).map(|(_, value)| value)
    }

    /// The data objects inside a field that EMVCo defines as a template: 26 to 51, 62, 64, 80 to 99. `None` for other
    /// fields, for one that is absent, and for one of 80 to 99 that holds something else.
    pub fn template(&self, id: Id) -> Option<Template<'_>> {
        let value = self.get(id).filter(|_| id.is_template())?;
        Template::read(value).ok()
    }

    /// How often the code is meant to be paid. `None` where field 01 is absent or has a value of another kind.
    pub fn initiation(&self) -> Option<Initiation> {
        match self.get(Id::INITIATION)? {
            "11" => Some(Initiation::Static),
            "12" => Some(Initiation::Dynamic),
            _ => None,
        }
    }

    /// The merchant's accounts, 02 to 51, in their order. [`template`](Self::template) opens those from 26 on.
    pub fn accounts(&self) -> impl Iterator<Item = (Id, &str)> {
        self.fields().filter(|(id, _)| (2..=51).contains(&id.number()))
    }

    /// The merchant's category (52): four digits.
    pub fn category(&self) -> Option<&str> {
        self.get(Id::CATEGORY)
    }

    /// The currency (53): three digits, 586 for the Pakistani rupee.
    pub fn currency(&self) -> Option<&str> {
        self.get(Id::CURRENCY)
    }

    /// The amount (54) as it is written. `None` where the payer chooses it.
    pub fn amount(&self) -> Option<&str> {
        self.get(Id::AMOUNT)
    }

    /// The tip or fee (55 to 57). `None` where there is none, or where the indicator comes without its value.
    pub fn tip(&self) -> Option<Tip<'_>> {
        match self.get(Id::TIP)? {
            "01" => Some(Tip::Prompt),
            "02" => self.get(Id::TIP_FIXED).map(Tip::Fixed),
            "03" => self.get(Id::TIP_PERCENTAGE).map(Tip::Percentage),
            _ => None,
        }
    }

    /// The country (58): two letters.
    pub fn country(&self) -> Option<&str> {
        self.get(Id::COUNTRY)
    }

    /// The merchant's name (59). In a bill's code it is the bill's title.
    pub fn name(&self) -> Option<&str> {
        self.get(Id::NAME)
    }

    /// The merchant's city (60).
    pub fn city(&self) -> Option<&str> {
        self.get(Id::CITY)
    }

    /// The postal code (61).
    pub fn postal_code(&self) -> Option<&str> {
        self.get(Id::POSTAL_CODE)
    }

    /// A field inside the additional data (62), by name or by id.
    ///
    /// Issuers don't agree on what these fields hold (one writes its own name as the store label, another its account as
    /// the mobile number), so nothing is made of the value.
    pub fn additional(&self, field: impl Into<Id>) -> Option<&str> {
        self.template(Id::ADDITIONAL_DATA)?.get(field)
    }

    /// The merchant's name and city in another language (64).
    pub fn language(&self) -> Option<Language<'_>> {
        let template = self.template(Id::LANGUAGE)?;
        let get = |number| template.get(Id::known(number));
        Some(Language { code: get(0), name: get(1), city: get(2) })
    }

    /// The Raast fields, if the code has a Raast account: see [`Raast`].
    pub fn raast(&self) -> Option<Raast<'_>> {
        Raast::of(self)
    }

    /// How the code departs from EMVCo's rules, in the order of the fields: mandatory fields that are missing, values that
    /// are too long or of the wrong form, fields that nobody should write. Empty for a code that follows them.
    ///
    /// A code with departures can be read all the same, and real ones do have them. Whether to pay it is the reader's choice.
    pub fn departures(&self) -> Vec<Problem> {
        let nodes: Vec<Node<'_>> =
            self.fields().map(|(id, value)| Node { id, value: taken_apart(id, value) }).collect();
        rules::problems(&nodes)
    }

    /// The code for a person to read: a line per field, indented where it stands in a template.
    ///
    /// Characters that steer a terminal or turn the direction of writing are shown as `�`. The text holds
    /// everything that the code does, so it is no text for a log.
    pub fn describe(&self) -> String {
        describe::code(self)
    }
}

/// A value with the fields of its template, where it is one.
pub(crate) fn taken_apart(id: Id, value: &str) -> Value<'_> {
    if id.is_template()
        && let Ok(template) = Template::read(value)
    {
        return Value::Template(template.iter().map(|object| (object.id(), object.value())).collect());
    }
    Value::Text(value)
}

fn check_crc(text: &str, object: &DataObject<'_>) -> Result<(), QrError> {
    let found = object.value();
    let announced = found.chars().count();
    if announced != CRC_LENGTH {
        let fault = LengthFault::CrcIsFour { announced };
        return Err(QrError::bad_length(object.offset() + 2, FieldPath::root(Id::CRC), fault));
    }
    let at = object.value_offset();
    let end = at + found.len();
    if end != text.len() {
        return Err(QrError::trailing_text(end));
    }
    let computed = crc::checksum(&text[..at]);
    if found == crc::spelled(computed) { Ok(()) } else { Err(QrError::wrong_crc(at, found, computed)) }
}

impl FromStr for MerchantCode {
    type Err = QrError;

    fn from_str(text: &str) -> Result<MerchantCode, QrError> {
        MerchantCode::parse(text)
    }
}

impl fmt::Display for MerchantCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The code's text, without a copy of it.
impl From<MerchantCode> for String {
    fn from(code: MerchantCode) -> String {
        code.text
    }
}

impl fmt::Debug for MerchantCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (id, value) in self.fields() {
            // Values that are the same for all of a merchant's payers are shown.
            if matches!(id, Id::PAYLOAD_FORMAT | Id::INITIATION | Id::CATEGORY | Id::CURRENCY | Id::COUNTRY) {
                map.entry(&id, &value);
            } else {
                map.entry(&id, &format_args!("<{} characters>", value.chars().count()));
            }
        }
        map.finish()
    }
}

impl<'a> Language<'a> {
    /// The language (64/00), two letters of ISO 639: `UR` for Urdu.
    pub fn code(&self) -> Option<&'a str> {
        self.code
    }

    /// The merchant's name in that language (64/01).
    pub fn name(&self) -> Option<&'a str> {
        self.name
    }

    /// The merchant's city in that language (64/02).
    pub fn city(&self) -> Option<&'a str> {
        self.city
    }
}

impl fmt::Debug for Language<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Language").field("code", &self.code).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// `body` with a checksum that is right.
    fn sealed(body: &str) -> String {
        let text = format!("{body}6304");
        format!("{text}{}", crc::spelled(crc::checksum(&text)))
    }

    fn check_refused(text: &str, kind: ErrorKind, offset: usize, message: &str) {
        let error = MerchantCode::parse(text).unwrap_err();
        assert_eq!(
            (error.kind(), error.offset(), error.to_string().as_str()),
            (kind, Some(offset), message),
            "{text:?}"
        );
    }

    #[test]
    fn debug_tells_the_language_and_not_the_name() {
        let code = MerchantCode::builder().object(Id::known(2), "4").category("8220").currency("586").country("PK");
        let code = code.name("A").city("B").language("UR", "علی", None).build().unwrap();
        assert_eq!(format!("{:?}", code.language().unwrap()), r#"Language { code: Some("UR"), .. }"#);
    }

    #[test]
    fn what_is_no_code_is_told_from_what_was_cut() {
        let message = "not a merchant-presented payment code: the text doesn't begin with 000201";
        for text in ["", "hello", "https://example.org", " 000201", "\u{feff}000201", "000202", "0102120002016304"] {
            check_refused(text, ErrorKind::NotMerchantCode, 0, message);
        }
        let message = "cut short: the text ends inside the field that begins at byte 0";
        for text in ["0", "00", "000", "0002", "00020"] {
            check_refused(text, ErrorKind::Cut, 0, message);
        }
        check_refused("000201", ErrorKind::MissingCrc, 6, "no checksum: the text ends at byte 6 without field 63");
    }

    #[test]
    fn the_checksum_is_four_upper_case_digits_at_the_end() {
        let good = sealed("0002015903Ali");
        assert_eq!(good, "0002015903Ali63047FAA");
        assert!(MerchantCode::parse(&good).is_ok());
        check_refused(
            "0002015903Alj63047FAA",
            ErrorKind::WrongCrc,
            17,
            "wrong checksum at byte 17: it is 7FAA, the text gives 9178; ask for the code again",
        );
        check_refused(&format!("{good}\n"), ErrorKind::TrailingText, 21, "text follows the checksum at byte 21");
        check_refused(
            "0002016303ABC",
            ErrorKind::BadLength,
            8,
            "field 63: bad length at byte 8: it is 3, and a checksum has 4 characters",
        );
        let lower = sealed("0002015901A");
        let lower = format!("{}{}", &lower[..lower.len() - 4], lower[lower.len() - 4..].to_lowercase());
        assert_eq!(MerchantCode::parse(&lower).unwrap_err().kind(), ErrorKind::WrongCrc, "{lower}");
    }

    #[test]
    fn a_code_has_at_most_512_characters() {
        let body = |last: usize| {
            let full = format!("99{}", "x".repeat(99));
            let ids = ["80", "81", "82", "83"].map(|id| format!("{id}{full}")).concat();
            sealed(&format!("000201{ids}84{last:02}{}", "最".repeat(last)))
        };
        let longest = body(512 - 6 - 4 * 103 - 4 - 8);
        assert_eq!(longest.chars().count(), MAX_CODE_LENGTH);
        assert!(MerchantCode::parse(&longest).is_ok());
        let error = MerchantCode::parse(&body(512 - 6 - 4 * 103 - 4 - 8 + 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLong);
    }

    #[test]
    fn a_field_that_comes_twice_is_refused_at_the_second() {
        check_refused(
            &sealed("00020154041.005403200"),
            ErrorKind::Duplicate,
            14,
            "field 54 comes a second time at byte 14",
        );
        check_refused(
            &sealed("00020162100101101014"),
            ErrorKind::Duplicate,
            15,
            "field 62/01 comes a second time at byte 15",
        );
    }

    #[test]
    fn defined_templates_must_hold_objects_and_unreserved_ones_may() {
        check_refused(
            &sealed("0002012803abc"),
            ErrorKind::BadId,
            10,
            "two digits of a field's id are expected at byte 10",
        );
        check_refused(
            &sealed("0002016206010512"),
            ErrorKind::BadLength,
            12,
            "field 62/01: bad length at byte 12: 5 characters are announced, the template has 2 left",
        );
        check_refused(
            &sealed("0002016407000 2UR"),
            ErrorKind::BadLength,
            12,
            "field 64/00: bad length at byte 12: it isn't two digits",
        );
        let code = MerchantCode::parse(&sealed("0002018003abc1003abc")).unwrap();
        assert_eq!(code.get(Id::known(80)), Some("abc"));
        assert_eq!(code.template(Id::known(80)), None);
        let departures: Vec<_> = code.departures().iter().map(ToString::to_string).collect();
        assert!(departures.contains(&"field 80 (unreserved): data objects expected".to_owned()), "{departures:?}");
    }

    #[test]
    fn debug_tells_no_names() {
        let code = MerchantCode::parse(&sealed("000201010211520482205903Ali621101075550000")).unwrap();
        insta::assert_snapshot!(
            format!("{code:?}"),
            @r#"{00: "01", 01: "11", 52: "8220", 59: <3 characters>, 62: <11 characters>}"#
        );
    }
}
