//! Data objects: a two-digit id, a two-digit length in characters, a value. A template's value is data objects again.

use std::fmt;

use crate::error::{LengthFault, QrError};

/// A data object's id: 00 to 99, always written with two digits..
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u8);

impl Id {
    /// 00, payload format indicator. First in every code, value `01`.
    pub const PAYLOAD_FORMAT: Id = Id(0);
    /// 01, point of initiation method: see [`Initiation`](crate::Initiation).
    pub const INITIATION: Id = Id(1);
    /// 28, the merchant account template that Raast uses.
    pub const RAAST_ACCOUNT: Id = Id(28);
    /// 52, merchant category code: four digits (ISO 18245).
    pub const CATEGORY: Id = Id(52);
    /// 53, currency: three digits (ISO 4217), 586 is the Pakistani rupee.
    pub const CURRENCY: Id = Id(53);
    /// 54, amount.
    pub const AMOUNT: Id = Id(54);
    /// 55, tip or convenience indicator.
    pub const TIP: Id = Id(55);
    /// 56, value of a fixed convenience fee.
    pub const TIP_FIXED: Id = Id(56);
    /// 57, value of a convenience fee in per cent.
    pub const TIP_PERCENTAGE: Id = Id(57);
    /// 58, country: two letters (ISO 3166-1).
    pub const COUNTRY: Id = Id(58);
    /// 59, merchant name.
    pub const NAME: Id = Id(59);
    /// 60, merchant city.
    pub const CITY: Id = Id(60);
    /// 61, postal code.
    pub const POSTAL_CODE: Id = Id(61);
    /// 62, additional data template.
    pub const ADDITIONAL_DATA: Id = Id(62);
    /// 63, checksum. Last in every code.
    pub const CRC: Id = Id(63);
    /// 64, merchant information in another language, a template.
    pub const LANGUAGE: Id = Id(64);

    /// The id of that number, or `None` above 99.
    pub const fn new(number: u8) -> Option<Id> {
        if number <= 99 { Some(Id(number)) } else { None }
    }

    /// The id's number, 0 to 99.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// For numbers that stand in this crate's own tables.
    pub(crate) const fn known(number: u8) -> Id {
        assert!(number <= 99, "an id has two digits");
        Id(number)
    }

    /// Whether EMVCo defines the value as data objects again and a reader relies on it. The unreserved templates
    /// (80 to 99) are not among them: anybody may fill those, and a reader that doesn't know them has to pass them by.
    pub(crate) const fn is_defined_template(self) -> bool {
        matches!(self.0, 26..=51 | 62 | 64)
    }

    /// Whether EMVCo defines the value as data objects again, the unreserved templates included.
    pub(crate) const fn is_template(self) -> bool {
        self.is_defined_template() || self.0 >= 80
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a value stands: a field of the code (`59`) or a field inside a template (`62/01`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    id: Id,
    sub: Option<Id>,
}

impl FieldPath {
    /// The path of a field of the code itself.
    pub const fn root(id: Id) -> FieldPath {
        FieldPath { id, sub: None }
    }

    /// The path of a field inside the template `id`.
    pub const fn nested(id: Id, sub: Id) -> FieldPath {
        FieldPath { id, sub: Some(sub) }
    }

    /// The field of the code.
    pub const fn id(self) -> Id {
        self.id
    }

    /// The field inside the template, if the path leads into one.
    pub const fn sub(self) -> Option<Id> {
        self.sub
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sub {
            Some(sub) => write!(f, "{}/{sub}", self.id),
            None => write!(f, "{}", self.id),
        }
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One data object, borrowed from the text it stands in. `Debug` leaves the value out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DataObject<'a> {
    id: Id,
    value: &'a str,
    offset: usize,
}

impl<'a> DataObject<'a> {
    /// The id.
    pub const fn id(&self) -> Id {
        self.id
    }

    /// The value, as it stands in the text. One to 99 characters.
    pub const fn value(&self) -> &'a str {
        self.value
    }

    /// The byte at which the object's id begins, counted in the text that was read.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The byte at which the value begins: id and length are two digits each.
    pub(crate) const fn value_offset(&self) -> usize {
        self.offset + HEADER
    }
}

impl fmt::Debug for DataObject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataObject")
            .field("id", &self.id)
            .field("offset", &self.offset)
            .field("characters", &self.value.chars().count())
            .finish()
    }
}

/// Reads a text data object by data object, and stops at the first that can't be read.
///
/// It knows nothing of checksums or meanings, so it also shows how far a broken code can be followed:
///
/// ```
/// use asaanbill_qr::DataObjects;
///
/// let mut objects = DataObjects::new("0002015910Ali");
/// assert_eq!(objects.next().unwrap().unwrap().value(), "01");
/// assert_eq!(objects.next().unwrap().unwrap_err().offset(), Some(6));
/// assert!(objects.next().is_none());
/// ```
#[derive(Clone)]
pub struct DataObjects<'a> {
    rest: &'a str,
    offset: usize,
    within: Option<Id>,
}

/// Two digits of id and two of length.
const HEADER: usize = 4;

impl<'a> DataObjects<'a> {
    /// Reads from the beginning of `text`.
    pub const fn new(text: &'a str) -> DataObjects<'a> {
        DataObjects { rest: text, offset: 0, within: None }
    }

    /// Reads the value of a template that stands at `offset` of the whole text.
    pub(crate) const fn within(template: Id, value: &'a str, offset: usize) -> DataObjects<'a> {
        DataObjects { rest: value, offset, within: Some(template) }
    }

    fn read(&self) -> Result<DataObject<'a>, QrError> {
        let at = self.offset;
        let id = match two_digits(self.rest.as_bytes()) {
            TwoDigits::Number(number) => Id(number),
            TwoDigits::Ended => return Err(self.ended_in_header()),
            TwoDigits::Other => return Err(QrError::bad_id(at)),
        };
        let path = self.within.map_or(FieldPath::root(id), |template| FieldPath::nested(template, id));
        let bad_length = |fault| Err(QrError::bad_length(at + 2, path, fault));
        let announced = match two_digits(&self.rest.as_bytes()[2..]) {
            TwoDigits::Number(0) => return bad_length(LengthFault::Zero),
            TwoDigits::Number(number) => usize::from(number),
            TwoDigits::Ended => return Err(self.ended_in_header()),
            TwoDigits::Other => return bad_length(LengthFault::NotDigits),
        };
        let after_header = &self.rest[HEADER..];
        let Some(value) = first_characters(after_header, announced) else {
            let left = after_header.chars().count();
            // Inside a template the text doesn't end here: the length is at odds with the template's own.
            return match self.within {
                Some(_) => bad_length(LengthFault::Overruns { announced, left }),
                None => Err(QrError::cut(at, path, announced, left)),
            };
        };
        Ok(DataObject { id, value, offset: at })
    }

    fn ended_in_header(&self) -> QrError {
        let left = self.rest.chars().count();
        match self.within {
            Some(template) => {
                QrError::bad_length(self.offset, FieldPath::root(template), LengthFault::LeftOver { left })
            }
            None => QrError::cut_in_header(self.offset),
        }
    }
}

impl<'a> Iterator for DataObjects<'a> {
    type Item = Result<DataObject<'a>, QrError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let result = self.read();
        match &result {
            Ok(object) => {
                let length = HEADER + object.value.len();
                self.rest = &self.rest[length..];
                self.offset += length;
            }
            // Where one length is wrong, nothing after it can be found.
            Err(_) => self.rest = "",
        }
        Some(result)
    }
}

impl std::iter::FusedIterator for DataObjects<'_> {}

impl fmt::Debug for DataObjects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataObjects").field("offset", &self.offset).field("left", &self.rest.len()).finish()
    }
}

/// The data objects inside a template, in their order. No id stands in it twice. `Debug` leaves the values out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template<'a> {
    objects: Vec<DataObject<'a>>,
}

impl<'a> Template<'a> {
    /// Reads a template's value, such as that of one of the fields 50 to 99 inside field 62, which belong to the payment
    /// systems and are kept as text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadId`](crate::ErrorKind::BadId), [`BadLength`](crate::ErrorKind::BadLength),
    /// [`Cut`](crate::ErrorKind::Cut) or [`Duplicate`](crate::ErrorKind::Duplicate), with offsets counted in `value`.
    pub fn read(value: &'a str) -> Result<Template<'a>, QrError> {
        Template::collect(DataObjects::new(value), None)
    }

    /// Reads the value of the field `template` that stands at `offset` of the whole text.
    pub(crate) fn read_within(template: Id, value: &'a str, offset: usize) -> Result<Template<'a>, QrError> {
        Template::collect(DataObjects::within(template, value, offset), Some(template))
    }

    fn collect(reader: DataObjects<'a>, within: Option<Id>) -> Result<Template<'a>, QrError> {
        let objects = reader.collect::<Result<Vec<_>, _>>()?;
        refuse_duplicates(&objects, within)?;
        Ok(Template { objects })
    }

    /// The value of the field `id`, if the template has it.
    pub fn get(&self, id: impl Into<Id>) -> Option<&'a str> {
        let id = id.into();
        self.objects.iter().find(|object| object.id == id).map(|object| object.value)
    }

    /// The data objects, in their order.
    pub fn iter(&self) -> impl Iterator<Item = DataObject<'a>> {
        self.objects.iter().copied()
    }
}

/// A field that comes twice is two answers to one question: two readers of one code could pay two amounts.
pub(crate) fn refuse_duplicates(objects: &[DataObject<'_>], within: Option<Id>) -> Result<(), QrError> {
    let mut seen = [false; 100];
    for object in objects {
        let path = within.map_or(FieldPath::root(object.id), |template| FieldPath::nested(template, object.id));
        if std::mem::replace(&mut seen[usize::from(object.id.0)], true) {
            return Err(QrError::duplicate(object.offset, path));
        }
    }
    Ok(())
}

/// How many characters a text has. Nearly all that codes hold is ASCII, of which that is known sooner.
pub(crate) fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// Writes one data object. The rules have seen the value: it has one to 99 characters.
pub(crate) fn write(out: &mut String, id: Id, value: &str) {
    write_header(out, id, characters(value));
    out.push_str(value);
}

/// Writes what precedes a value of so many characters.
pub(crate) fn write_header(out: &mut String, id: Id, length: usize) {
    push_two_digits(out, id.0.into());
    push_two_digits(out, length);
}

/// A number below 100. Every byte of a code passes here, and formatting by way of a pattern costs ten times as much.
pub(crate) fn push_two_digits(out: &mut String, number: usize) {
    for digit in [number / 10, number % 10] {
        out.push(u32::try_from(digit).ok().and_then(|digit| char::from_digit(digit, 10)).unwrap_or('0'));
    }
}

enum TwoDigits {
    Number(u8),
    Ended,
    Other,
}

fn two_digits(bytes: &[u8]) -> TwoDigits {
    match bytes {
        [tens, units, ..] if tens.is_ascii_digit() && units.is_ascii_digit() => {
            TwoDigits::Number((tens - b'0') * 10 + (units - b'0'))
        }
        [] => TwoDigits::Ended,
        [tens] if tens.is_ascii_digit() => TwoDigits::Ended,
        _ => TwoDigits::Other,
    }
}

/// The first `count` characters of `text`, or `None` if there are fewer.
fn first_characters(text: &str, count: usize) -> Option<&str> {
    let end = match text.char_indices().nth(count) {
        Some((end, _)) => end,
        None if text.chars().count() == count => text.len(),
        None => return None,
    };
    Some(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// The objects as `id=value@offset`, and the error if there is one as `!kind@offset`.
    fn shown(reader: DataObjects<'_>) -> String {
        let parts: Vec<String> = reader
            .map(|object| match object {
                Ok(object) => format!("{}={}@{}", object.id, object.value, object.offset),
                Err(error) => format!("!{:?}@{}", error.kind(), error.offset().unwrap()),
            })
            .collect();
        parts.join(" ")
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(shown(DataObjects::new(text)), expected, "{text:?}");
    }

    fn check_within(value: &str, expected: &str) {
        assert_eq!(shown(DataObjects::within(Id(62), value, 100)), expected, "{value:?}");
    }

    #[test]
    fn objects_are_read_in_order_with_their_offsets() {
        check("", "");
        check("000201", "00=01@0");
        check("0002019901x", "00=01@0 99=x@6");
        check("000201000201", "00=01@0 00=01@6");
    }

    #[test]
    fn lengths_count_characters_and_offsets_count_bytes() {
        check("0104最佳运输0202北京", "01=最佳运输@0 02=北京@16");
        check("01011\u{1F4B0}", "01=1@0 !BadId@5");
        check("0101\u{1F4B0}0201x", "01=\u{1F4B0}@0 02=x@8");
    }

    #[test]
    fn a_text_that_ends_too_early_is_cut() {
        check("0", "!Cut@0");
        check("00", "!Cut@0");
        check("000", "!Cut@0");
        check("0002", "!Cut@0");
        check("00020", "!Cut@0");
        check("0002010", "00=01@0 !Cut@6");
        check("000201590", "00=01@0 !Cut@6");
        check("0103北京", "!Cut@0");
    }

    #[test]
    fn ids_and_lengths_are_ascii_digits() {
        check("x", "!BadId@0");
        check("0x0201", "!BadId@0");
        check("x", "!BadId@0");
        check("+10201", "!BadId@0");
        check("٠٠0201", "!BadId@0");
        check("00x201", "!BadLength@2");
        check("00 201", "!BadLength@2");
        check("00-1", "!BadLength@2");
        check("000", "!Cut@0");
        check("000x", "!BadLength@2");
        check("0000", "!BadLength@2");
        check("00020159٢٥", "00=01@0 !BadLength@8");
    }

    #[test]
    fn inside_a_template_an_overrun_is_a_bad_length_at_its_place_in_the_whole_text() {
        check_within("0103abc", "01=abc@100");
        check_within("0103ab", "!BadLength@102");
        check_within("0101a02", "01=a@100 !BadLength@105");
        check_within("0101ax", "01=a@100 !BadId@105");
        let error = Template::read_within(Id(62), "0103ab", 100).unwrap_err();
        insta::assert_snapshot!(error, @"field 62/01: bad length at byte 102: 3 characters are announced, the template has 2 left");
    }

    #[test]
    fn a_template_refuses_a_field_that_comes_twice() {
        let error = Template::read("0101a0201b0101c").unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Duplicate, Some(10)));
        let template = Template::read("0101a0201b").unwrap();
        assert_eq!((template.get(Id(2)), template.get(Id(3))), (Some("b"), None));
    }

    #[test]
    fn debug_hides_values() {
        let object = DataObjects::new("5903Ali").next().unwrap().unwrap();
        assert_eq!(format!("{object:?}"), "DataObject { id: 59, offset: 0, characters: 3 }");
        assert!(!format!("{:?}", DataObjects::new("5903Ali")).contains("Ali"));
    }
}
