//! Faults that a request asks for itself.
//!
//! guide:sim-2

use http::HeaderMap;

use super::faults::FiredBy;
use super::kind::FaultKind;

/// The header by which a request asks for a fault: `status;code=503`.
pub(crate) const FAULT_HEADER: &str = "x-sim-fault";

/// How a magic value begins.
pub(crate) const MAGIC: &str = "fault:";

/// The members whose values may be magic: every kind of payment has one of them, or both.
const MAGIC_MEMBERS: [&[u8]; 2] = [b"identifier", b"title"];

/// The fault that a request asks for by header or else by magic value. An error tells what is wrong with it.
pub(crate) fn by(headers: &HeaderMap, body: &[u8]) -> Result<Option<(FaultKind, FiredBy)>, String> {
    if let Some(value) = headers.get(FAULT_HEADER) {
        let text = value.to_str().unwrap_or_default();
        let kind = read(text).map_err(|problems| format!("Invalid {FAULT_HEADER}: {problems}"))?;
        return Ok(Some((kind, FiredBy::Header)));
    }
    let Some(text) = magic(body) else { return Ok(None) };
    let kind = read(text).map_err(|problems| format!("Invalid magic value {MAGIC}…: {problems}"))?;
    Ok(Some((kind, FiredBy::MagicValue)))
}

/// Reads `slow-drip;bytes=16;every_ms=100`.
fn read(text: &str) -> Result<FaultKind, String> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let given = parts.map(|part| match part.split_once('=') {
        Some((name, value)) => (name.trim_end(), value.trim_start().parse().ok()),
        None => (part, None),
    });
    FaultKind::read(name, given).map_err(|problems| problems.join("; "))
}

/// The fault in the first magic value of a body, as text.
fn magic(body: &[u8]) -> Option<&str> {
    memchr::memmem::find_iter(body, br#""fault:"#).find_map(|quote| {
        let value = body.get(quote + 1 + MAGIC.len()..)?;
        let length = value.iter().position(|byte| matches!(byte, b'"' | b':'))?;
        let text = std::str::from_utf8(value.get(..length)?).ok()?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_;=".contains(&byte);
        let belongs = !text.is_empty() && text.bytes().all(plain) && is_magic_member(body.get(..quote)?);
        belongs.then_some(text)
    })
}

/// Whether what stands before a value is the name of a member whose value may be magic.
fn is_magic_member(before: &[u8]) -> bool {
    let name = before.trim_ascii_end().strip_suffix(b":").map(<[u8]>::trim_ascii_end);
    let Some(name) = name.and_then(|name| name.strip_suffix(b"\"")) else { return false };
    MAGIC_MEMBERS.iter().any(|member| name.strip_suffix(*member).is_some_and(|rest| rest.ends_with(b"\"")))
}

#[cfg(test)]
mod tests {
    use super::{by, magic, read};
    use crate::fault::FaultKind;
    use http::HeaderMap;
    use proptest::prelude::*;
    use std::time::Duration;

    fn check_magic(body: &str, expected: Option<&str>) {
        assert_eq!(magic(body.as_bytes()), expected, "{body}");
    }

    #[test]
    fn identifiers_and_titles_are_magic_and_nothing_else_is() {
        check_magic(r#"{"payment":{"identifier":"fault:reset-before:INV-1"}}"#, Some("reset-before"));
        check_magic(r#"{"payment":{"title":"fault:reset-before"}}"#, Some("reset-before"));
        check_magic(r#"{"payment":{"title" : "fault:latency;ms=5:x"}}"#, Some("latency;ms=5"));
        check_magic(r#"{"a":{"description":"fault:reset-before"}}"#, None);
        check_magic(r#"{"a":{"my identifier":"fault:reset-before"}}"#, None);
        check_magic(r#"{"a":{"identifier":" fault:reset-before"}}"#, None);
        check_magic(r#"{"a":{"identifier":"Fault:reset-before"}}"#, None);
        check_magic(r#"{"a":{"title":"fault: the pump"}}"#, None);
        check_magic(r#"{"a":{"title":"fault:"}}"#, None);
        check_magic(r#"{"a":{"title":"fault:reset-before"#, None);
        check_magic(r#"["fault:reset-before"]"#, None);
        check_magic(
            r#"{"payments":[{"description":"fault:a"},{"title":"fault:wrong-type:1"},{"title":"fault:status"}]}"#,
            Some("wrong-type"),
        );
        check_magic("", None);
    }

    #[test]
    fn a_fault_is_read_with_its_parameters() {
        assert_eq!(read("latency;ms=5"), Ok(FaultKind::Latency(Duration::from_millis(5))));
        assert_eq!(read(" status ; code = 503 "), Ok(FaultKind::Status { code: 503 }));
        assert_eq!(read("status;code=x"), Err("code: allowed: a whole number from 400 to 599".into()));
        assert_eq!(read("status;code"), Err("code: allowed: a whole number from 400 to 599".into()));
        assert!(read("").unwrap_err().starts_with("unknown fault; allowed: status"));
    }

    #[test]
    fn the_header_comes_before_the_value() {
        let body = br#"{"title":"fault:wrong-type"}"#;
        let mut headers = HeaderMap::new();
        assert_eq!(by(&headers, body).unwrap().unwrap().0, FaultKind::WrongType);
        headers.insert("x-sim-fault", "reset-before".parse().unwrap());
        assert_eq!(by(&headers, body).unwrap().unwrap().0, FaultKind::ResetBefore);
        headers.insert("x-sim-fault", "é".parse().unwrap());
        assert!(by(&headers, body).unwrap_err().starts_with("Invalid x-sim-fault: unknown fault"));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in r#"["fault:titledn{};=,-]{0,60}"#) {
            let _ = by(&HeaderMap::new(), body.as_bytes());
        }
    }
}
