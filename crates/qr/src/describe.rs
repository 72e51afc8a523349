//! A code in lines for a person to read.

use crate::crc;
use crate::error::QrError;
use crate::field::{self, PAKISTANI_RUPEE};
use crate::merchant::{Initiation, MerchantCode};
use crate::raast;
use crate::tlv::{DataObjects, FieldPath, Id, Template};

/// A line per field, then the checksum.
pub(crate) fn code(code: &MerchantCode) -> String {
    let is_raast = code.raast().is_some();
    let mut out = String::new();
    for (id, value) in code.fields() {
        write_field(&mut out, id, value, is_raast);
    }
    write_line(&mut out, "", FieldPath::root(Id::CRC), "checksum", &crc::spelled(code.crc()));
    out
}

/// As many lines as fields can be followed, then the reason.
pub(crate) fn unreadable(text: &str, reason: &QrError) -> String {
    let mut out = String::new();
    for object in DataObjects::new(text).map_while(Result::ok) {
        write_field(&mut out, object.id(), object.value(), object.id() == Id::RAAST_ACCOUNT);
    }
    out.push_str(&format!("unreadable: {reason}\n"));
    out
}

fn write_field(out: &mut String, id: Id, value: &str, is_raast: bool) {
    let path = FieldPath::root(id);
    match Template::read(value) {
        Ok(template) if id.is_template() => {
            write_line(out, "", path, label(path, is_raast), "");
            for object in template.iter() {
                let path = FieldPath::nested(id, object.id());
                write_line(out, "   ", path, label(path, is_raast), object.value());
            }
        }
        _ => write_line(out, "", path, label(path, is_raast), value),
    }
}

fn write_line(out: &mut String, indent: &str, path: FieldPath, label: &str, value: &str) {
    let id = path.sub().unwrap_or(path.id());
    let hint = match (path.id(), path.sub(), value) {
        (Id::INITIATION, None, "11") => hint(Initiation::Static),
        (Id::INITIATION, None, "12") => hint(Initiation::Dynamic),
        (Id::CURRENCY, None, PAKISTANI_RUPEE) => " (Pakistani rupee)",
        _ => "",
    };
    let width = 30 - indent.len();
    let text = format!("{indent}{id} {label:width$} {}{hint}", printable(value));
    out.push_str(text.trim_end());
    out.push('\n');
}

fn hint(initiation: Initiation) -> &'static str {
    match initiation {
        Initiation::Static => " (static)",
        Initiation::Dynamic => " (dynamic)",
    }
}

fn label(path: FieldPath, is_raast: bool) -> &'static str {
    match (path.id(), path.sub()) {
        (Id::RAAST_ACCOUNT, None) if is_raast => "Raast account",
        (Id::RAAST_ACCOUNT, Some(raast::BIC)) if is_raast => "BIC",
        (Id::RAAST_ACCOUNT, Some(raast::IBAN)) if is_raast => "IBAN",
        (Id::ADDITIONAL_DATA, Some(raast::DUE_DATE)) if is_raast => "due date",
        (Id::ADDITIONAL_DATA, Some(raast::LATER_AMOUNT)) if is_raast => "amount after due date",
        _ => field::name(path).unwrap_or("unknown"),
    }
}

/// A stranger's code goes to a terminal here, so nothing in it may move the cursor or turn the line around.
fn printable(value: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    value.chars().map(|c| if c.is_control() || turns(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
