//! Answers that say the wrong thing.

use bytes::Bytes;
use serde_json::Number;

use super::kind::FaultKind;
use crate::json_scan::{Token, TokenKind, Tokens};

/// The members that hold a date or a time stamp. (Guide, every answer)
const DATES: [&[u8]; 5] = [b"dueDate", b"createdAt", b"updatedAt", b"paidAt", b"uploadedAt"];

/// An answer's body as the fault leaves it. Faults that don't change what a body says leave it as it is.
pub(crate) fn damage(kind: FaultKind, body: Bytes) -> Bytes {
    match kind {
        FaultKind::TruncatedJson => body.slice(..body.len() / 2),
        FaultKind::MalformedJson => malformed(&body),
        FaultKind::WrongType => rewrite(&body, wrong_type),
        FaultKind::ImpossibleDate => rewrite(&body, impossible_date),
        _ => body,
    }
}

/// With a comma before the last brace, as samples have it that were edited by hand.
fn malformed(body: &[u8]) -> Bytes {
    let at = memchr::memrchr(b'}', body).unwrap_or(body.len());
    let (before, after) = body.split_at(at);
    [before, b",", after].concat().into()
}

/// The text with the tokens that `change` changes. It is told the key before each.
fn rewrite(body: &[u8], change: impl Fn(&[u8], Token, &[u8]) -> Option<Vec<u8>>) -> Bytes {
    let mut changed = Vec::with_capacity(body.len() + body.len() / 8);
    let (mut copied, mut key) = (0, &[][..]);
    for token in Tokens::of(body) {
        match token.kind {
            TokenKind::Key => key = token.content(body),
            TokenKind::Text | TokenKind::Literal => {
                if let Some(value) = change(key, token, token.content(body)) {
                    changed.extend_from_slice(body.get(copied..token.start).unwrap_or_default());
                    changed.extend_from_slice(&value);
                    copied = token.end;
                }
            }
            TokenKind::Open | TokenKind::Close | TokenKind::Mark => {}
        }
    }
    changed.extend_from_slice(body.get(copied..).unwrap_or_default());
    changed.into()
}

/// A number as a string, and a string that holds a number as that number.
fn wrong_type(_key: &[u8], token: Token, content: &[u8]) -> Option<Vec<u8>> {
    let number = content.first().is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit());
    if !number || serde_json::from_slice::<Number>(content).is_err() {
        return None;
    }
    match token.kind {
        TokenKind::Text => Some(content.to_vec()),
        _ => Some([b"\"", content, b"\""].concat()),
    }
}

/// The 31st of June of the same year, in the same spelling.
fn impossible_date(key: &[u8], token: Token, content: &[u8]) -> Option<Vec<u8>> {
    if token.kind != TokenKind::Text || !DATES.contains(&key) {
        return None;
    }
    let start = memchr::memrchr(b' ', content).map_or(0, |space| space + 1);
    let (time, date) = content.split_at(start);
    let parts: Vec<&[u8]> = date.split(|byte| *byte == b'-').collect();
    let [first, middle, last] = parts.as_slice() else { return None };
    let changed = match (first.len(), middle.len(), last.len()) {
        (4, 2, 2) => [first, &b"-06-31"[..]].concat(),
        (2, 2, 4) => [b"31-06-", *last].concat(),
        (2, 3, 4) => [b"31-Jun-", *last].concat(),
        _ => return None,
    };
    Some([b"\"", time, &changed, b"\""].concat())
}

#[cfg(test)]
mod tests {
    use super::{FaultKind, damage};
    use bytes::Bytes;

    fn check(kind: FaultKind, body: &'static str, expected: &str) {
        assert_eq!(damage(kind, Bytes::from_static(body.as_bytes())), expected, "{kind} {body}");
    }

    #[test]
    fn json_that_is_none() {
        check(FaultKind::TruncatedJson, r#"{"data":{}}"#, r#"{"dat"#);
        check(FaultKind::TruncatedJson, "", "");
        check(FaultKind::MalformedJson, r#"{"data":{"a":1}}"#, r#"{"data":{"a":1},}"#);
        check(FaultKind::MalformedJson, "", ",");
    }

    #[test]
    fn numbers_for_strings_and_strings_for_numbers() {
        check(
            FaultKind::WrongType,
            r#"{"responseCode":200,"data":{"id":25,"amount":50.0,"late":"-1.5","psid":"100139100100154854584585","title":"B2","no":"007","x":null,"y":true,"e":"","list":[1,"2"]}}"#,
            r#"{"responseCode":"200","data":{"id":"25","amount":"50.0","late":-1.5,"psid":100139100100154854584585,"title":"B2","no":"007","x":null,"y":true,"e":"","list":["1",2]}}"#,
        );
    }

    #[test]
    fn the_thirty_first_of_june() {
        check(
            FaultKind::ImpossibleDate,
            r#"{"dueDate":"2025-01-31","createdAt":"10:22 AM 10-Jan-2025","updatedAt":"05:31AM 12-Feb-2025","uploadedAt":"27-01-2025","paidAt":"N/A","identifier":"2025-01-31"}"#,
            r#"{"dueDate":"2025-06-31","createdAt":"10:22 AM 31-Jun-2025","updatedAt":"05:31AM 31-Jun-2025","uploadedAt":"31-06-2025","paidAt":"N/A","identifier":"2025-01-31"}"#,
        );
        check(
            FaultKind::ImpossibleDate,
            r#"[{"dueDate":null},{"dueDate":"31-01-2025"}]"#,
            r#"[{"dueDate":null},{"dueDate":"31-06-2025"}]"#,
        );
    }
}
