//! EMVCo's rules, and Raast's, put to a code's fields: for what is built, and to judge what was read.

use crate::field::{self, CODE, Content, Field, MAX_AMOUNT_LENGTH, MAX_CODE_LENGTH, PAKISTANI_RUPEE};
use crate::problem::{Problem, Reason};
use crate::raast::{self, RaastDate};
use crate::tlv::{FieldPath, Id, characters};

/// A field with its value, as the rules look at it.
pub(crate) struct Node<'a> {
    pub(crate) id: Id,
    pub(crate) value: Value<'a>,
}

/// A value, with a template's fields taken apart.
pub(crate) enum Value<'a> {
    Text(&'a str),
    Template(Vec<(Id, &'a str)>),
}

/// Everything that is wrong with these fields, in the order of the ids; first what concerns the whole code.
pub(crate) fn problems(nodes: &[Node<'_>]) -> Vec<Problem> {
    let mut found = Vec::new();
    for node in nodes {
        check_node(node, &mut found);
    }
    check_whole(nodes, &mut found);
    check_tip(nodes, &mut found);
    check_rupees(nodes, &mut found);
    check_raast(nodes, &mut found);
    found.sort_by_key(Problem::field);
    found
}

fn check_node(node: &Node<'_>, found: &mut Vec<Problem>) {
    let Some(field) = field::find(CODE, node.id) else { return };
    let path = FieldPath::root(node.id);
    match (&node.value, field.content) {
        (Value::Text(_), Content::Template(_)) => found.push(Problem::new(path, Reason::Template { wanted: true })),
        (Value::Text(text), _) => found.extend(fault(field, text).map(|reason| Problem::new(path, reason))),
        (Value::Template(fields), Content::Template(_)) if fields.is_empty() => {
            found.push(Problem::new(path, Reason::Empty));
        }
        (Value::Template(fields), Content::Template(inner)) => {
            let (length, limit) = (value_length(&node.value), field.limit);
            if length > limit {
                found.push(Problem::new(path, Reason::TooLong { length, limit }));
            }
            for (sub, text) in fields {
                let reason = field::find(inner, *sub).map_or(Some(Reason::Reserved), |field| fault(field, text));
                found.extend(reason.map(|reason| Problem::new(FieldPath::nested(node.id, *sub), reason)));
            }
            for sub in missing(inner, |id| fields.iter().any(|(sub, _)| *sub == id)) {
                found.push(Problem::new(FieldPath::nested(node.id, sub), Reason::Missing));
            }
        }
        (Value::Template(_), _) => found.push(Problem::new(path, Reason::Template { wanted: false })),
    }
}

/// The rules for the code as a whole.
fn check_whole(nodes: &[Node<'_>], found: &mut Vec<Problem>) {
    for missing in missing(CODE, |id| nodes.iter().any(|node| node.id == id)) {
        found.push(Problem::new(FieldPath::root(missing), Reason::Missing));
    }
    if !nodes.iter().any(|node| (2..=51).contains(&node.id.number())) {
        let reason = Reason::Conflict("a merchant account (02 to 51) is needed");
        found.push(Problem::of_code(reason));
    }
    let length = nodes.iter().map(|node| HEADER_LENGTH + value_length(&node.value)).sum::<usize>() + CHECKSUM_LENGTH;
    if length > MAX_CODE_LENGTH {
        let limit = MAX_CODE_LENGTH;
        found.push(Problem::of_code(Reason::TooLong { length, limit }));
    }
}

/// EMVCo MPM, 55 to 57: the indicator says which of the two values is there.
fn check_tip(nodes: &[Node<'_>], found: &mut Vec<Problem>) {
    let mut check = |indicator, value, needed, alone| {
        let wanted = text(nodes, Id::TIP) == Some(indicator);
        if wanted != text(nodes, value).is_some() {
            let reason = Reason::Conflict(if wanted { needed } else { alone });
            found.push(Problem::new(FieldPath::root(value), reason));
        }
    };
    let (needed, alone) = ("needed when the tip (55) is 02", "allowed only when the tip (55) is 02");
    check("02", Id::TIP_FIXED, needed, alone);
    let (needed, alone) = ("needed when the tip (55) is 03", "allowed only when the tip (55) is 03");
    check("03", Id::TIP_PERCENTAGE, needed, alone);
}

/// ISO 4217: a rupee has a hundred paisa.
fn check_rupees(nodes: &[Node<'_>], found: &mut Vec<Problem>) {
    if text(nodes, Id::CURRENCY) != Some(PAKISTANI_RUPEE) {
        return;
    }
    for id in [Id::AMOUNT, Id::TIP_FIXED] {
        found.extend(text(nodes, id).and_then(paisa_fault).map(|reason| Problem::new(FieldPath::root(id), reason)));
    }
}

/// Raast gives two fields of 62 a meaning of its own. In a code without a Raast account they are another scheme's.
fn check_raast(nodes: &[Node<'_>], found: &mut Vec<Problem>) {
    if nested(nodes, Id::RAAST_ACCOUNT, raast::IBAN).is_none() {
        return;
    }
    if nested(nodes, Id::ADDITIONAL_DATA, raast::DUE_DATE).is_some_and(|date| date.parse::<RaastDate>().is_err()) {
        found.push(Problem::new(raast::DUE_DATE_PATH, Reason::Format("a date as DDMMYYYY")));
    }
    if let Some(amount) = nested(nodes, Id::ADDITIONAL_DATA, raast::LATER_AMOUNT) {
        let reason = amount_fault(amount).or_else(|| paisa_fault(amount));
        found.extend(reason.map(|reason| Problem::new(raast::LATER_AMOUNT_PATH, reason)));
    }
}

fn text<'a>(nodes: &[Node<'a>], id: Id) -> Option<&'a str> {
    match nodes.iter().find(|node| node.id == id)?.value {
        Value::Text(text) => Some(text),
        Value::Template(_) => None,
    }
}

fn nested<'a>(nodes: &[Node<'a>], id: Id, sub: Id) -> Option<&'a str> {
    match &nodes.iter().find(|node| node.id == id)?.value {
        Value::Template(fields) => fields.iter().find(|(known, _)| *known == sub).map(|(_, text)| *text),
        Value::Text(_) => None,
    }
}

/// Two digits of id and two of length.
const HEADER_LENGTH: usize = 4;

/// `6304` and four digits.
const CHECKSUM_LENGTH: usize = 8;

fn missing(fields: &'static [Field], has: impl Fn(Id) -> bool) -> impl Iterator<Item = Id> {
    let mandatory = fields.iter().filter(|field| field.mandatory);
    mandatory.map(|field| Id::known(*field.ids.start())).filter(move |id| !has(*id))
}

/// The characters of a value, those of a template's own ids and lengths included.
pub(crate) fn value_length(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => characters(text),
        Value::Template(fields) => fields.iter().map(|(_, text)| HEADER_LENGTH + characters(text)).sum(),
    }
}

fn fault(field: &Field, text: &str) -> Option<Reason> {
    let (length, limit) = (characters(text), field.limit);
    match field.content {
        Content::Reserved => return Some(Reason::Reserved),
        Content::Checksum => return Some(Reason::Conflict("computed from the other fields, never given")),
        _ if length == 0 => return Some(Reason::Empty),
        _ if length > limit => return Some(Reason::TooLong { length, limit }),
        _ => {}
    }
    let unless = |good: bool, wanted| if good { None } else { Some(Reason::Format(wanted)) };
    match field.content {
        Content::OneOf(values, wanted) => unless(values.contains(&text), wanted),
        Content::Digits(count, wanted) => unless(length == count && is_digits(text), wanted),
        Content::Plain => unless(text.bytes().all(|b| is_plain(b.into())), "printable ASCII characters"),
        Content::Amount => amount_fault(text),
        Content::Percentage => percentage_fault(text),
        Content::Country => unless(length == 2 && text.bytes().all(|b| b.is_ascii_uppercase()), "two capital letters"),
        Content::Language => unless(length == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()), "two letters"),
        Content::Unicode | Content::Template(_) | Content::Reserved | Content::Checksum => None,
    }
}

/// Whether a character is of EMVCo's format "ans": the common character set, which is printable ASCII.
pub(crate) fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~')
}

/// EMVCo MPM, 54: digits with at most one point, and above zero.
fn amount_fault(text: &str) -> Option<Reason> {
    let (length, limit) = (characters(text), MAX_AMOUNT_LENGTH);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if length > limit {
        Some(Reason::TooLong { length, limit })
    } else if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        Some(Reason::Format("digits with at most one point"))
    } else if text.bytes().all(|b| b == b'0' || b == b'.') {
        Some(Reason::Format("an amount above zero"))
    } else {
        None
    }
}

/// EMVCo MPM, 57: above 0 and below 100.
fn percentage_fault(text: &str) -> Option<Reason> {
    let whole = text.split('.').next().unwrap_or_default();
    match amount_fault(text) {
        None if whole.trim_start_matches('0').len() > 2 => Some(Reason::Format("less than 100 per cent")),
        other => other,
    }
}

/// Looks only at what has an amount's form: what hasn't is told once.
fn paisa_fault(text: &str) -> Option<Reason> {
    let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let wrong = decimals > 2 && amount_fault(text).is_none();
    wrong.then_some(Reason::Format("at most two decimal places"))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least that makes a code without a Raast account.
    const LEAST: [(u8, &str); 7] =
        [(0, "01"), (2, "4111"), (52, "8220"), (53, "586"), (58, "PK"), (59, "A"), (60, "B")];

    /// The least code with these fields replaced or added, as problems in words.
    fn check(fields: &[(u8, &str)], expected: &str) {
        let mut nodes = least(|id| fields.iter().any(|(given, _)| *given == id));
        nodes.extend(fields.iter().map(|(id, text)| Node { id: Id::known(*id), value: Value::Text(text) }));
        assert_eq!(words(&nodes), expected, "{fields:?}");
    }

    fn check_template(id: u8, fields: &[(u8, &str)], expected: &str) {
        let mut nodes = least(|given| given == id);
        let fields = fields.iter().map(|(id, text)| (Id::known(*id), *text)).collect();
        nodes.push(Node { id: Id::known(id), value: Value::Template(fields) });
        assert_eq!(words(&nodes), expected, "{id}");
    }

    fn least(but: impl Fn(u8) -> bool) -> Vec<Node<'static>> {
        let fields = LEAST.iter().filter(|(id, _)| !but(*id));
        fields.map(|(id, text)| Node { id: Id::known(*id), value: Value::Text(text) }).collect()
    }

    fn words(nodes: &[Node<'_>]) -> String {
        problems(nodes).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_is_missing_is_listed_in_order() {
        assert_eq!(
            words(&[]),
            "the code: a merchant account (02 to 51) is needed; field 00 (payload format): missing; \
             field 52 (category): missing; field 53 (currency): missing; field 58 (country): missing; \
             field 59 (name): missing; field 60 (city): missing",
        );
    }

    #[test]
    fn each_field_has_its_form() {
        check(&[(0, "02")], "field 00 (payload format): 01 expected");
        check(&[(1, "11")], "");
        check(&[(1, "13")], "field 01 (point of initiation): 11 or 12 expected");
        check(&[(52, "822")], "field 52 (category): four digits expected");
        check(&[(52, "82200")], "field 52 (category): 5 characters, at most 4 are allowed");
        check(&[(53, "PKR")], "field 53 (currency): three digits expected");
        check(&[(53, "٥٨٦")], "field 53 (currency): three digits expected");
        check(&[(58, "pk")], "field 58 (country): two capital letters expected");
        check(&[(58, "P")], "field 58 (country): two capital letters expected");
        check(&[(59, "")], "field 59 (name): empty");
        check(&[(59, &"x".repeat(25))], "");
        check(&[(59, &"x".repeat(26))], "field 59 (name): 26 characters, at most 25 are allowed");
        check(&[(59, "علی")], "field 59 (name): printable ASCII characters expected");
        check(&[(59, "a\tb")], "field 59 (name): printable ASCII characters expected");
        check(&[(60, &"x".repeat(15))], "");
        check(&[(60, &"x".repeat(16))], "field 60 (city): 16 characters, at most 15 are allowed");
        check(&[(61, "12345678901")], "field 61 (postal code): 11 characters, at most 10 are allowed");
        check(&[(63, "43EE")], "field 63 (checksum): computed from the other fields, never given");
        check(&[(65, "x")], "field 65 (reserved): reserved by EMVCo");
        check(&[(79, "x")], "field 79 (reserved): reserved by EMVCo");
        check(&[(28, "x")], "field 28 (merchant account): data objects expected");
    }

    #[test]
    fn amounts_are_digits_with_one_point_above_zero() {
        for good in ["1", "1.", "0.01", "550.00", "9999999999.99"] {
            check(&[(54, good)], "");
        }
        for bad in ["", "-1", "+1", "1,000", ".5", "1.2.3", "1e3", "٥", " 1", "."] {
            let wanted = if bad.is_empty() { "empty" } else { "digits with at most one point expected" };
            check(&[(54, bad)], &format!("field 54 (amount): {wanted}"));
        }
        check(&[(54, "0.00")], "field 54 (amount): an amount above zero expected");
        check(&[(54, "0")], "field 54 (amount): an amount above zero expected");
        check(&[(54, "10000000000.00")], "field 54 (amount): 14 characters, at most 13 are allowed");
        check(&[(54, "1.005")], "field 54 (amount): at most two decimal places expected");
    }

    #[test]
    fn the_tip_and_its_value_go_together() {
        check(&[(55, "01")], "");
        check(&[(55, "02"), (56, "10.00")], "");
        check(&[(55, "03"), (57, "99.99")], "");
        check(&[(55, "02")], "field 56 (fixed fee): needed when the tip (55) is 02");
        check(&[(56, "1")], "field 56 (fixed fee): allowed only when the tip (55) is 02");
        check(
            &[(55, "02"), (57, "5")],
            "field 56 (fixed fee): needed when the tip (55) is 02; \
             field 57 (fee in per cent): allowed only when the tip (55) is 03",
        );
        check(&[(55, "03"), (57, "100")], "field 57 (fee in per cent): less than 100 per cent expected");
        check(&[(55, "04")], "field 55 (tip): 01, 02 or 03 expected");
    }

    #[test]
    fn templates_have_rules_of_their_own() {
        check_template(91, &[(0, "A0"), (7, "最")], "");
        check_template(91, &[(7, "x")], "field 91/00 (globally unique identifier): missing");
        check_template(62, &[], "field 62 (additional data): empty");
        check_template(62, &[(0, "x")], "field 62/00: reserved by EMVCo");
        check_template(62, &[(12, "x")], "field 62/12 (reserved): reserved by EMVCo");
        check_template(62, &[(9, "AMEX")], "field 62/09 (consumer data request): 4 characters, at most 3 are allowed");
        check_template(62, &[(50, "not a date"), (51, "not an amount")], "");
        check_template(64, &[(0, "UR"), (1, "علی")], "");
        check_template(
            64,
            &[(0, "URD")],
            "field 64/00 (language): 3 characters, at most 2 are allowed; field 64/01 (name): missing",
        );
        check_template(59, &[(0, "x")], "field 59 (name): plain text expected, not data objects");
        let long = "x".repeat(25);
        check_template(
            62,
            &[(1, &long), (2, &long), (3, &long), (4, &long)],
            "field 62 (additional data): 116 characters, at most 99 are allowed",
        );
    }
}
