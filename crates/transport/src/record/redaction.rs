//! What isn't written down.

use std::collections::BTreeSet;
use std::fmt;

use http::header::{AUTHORIZATION, COOKIE, HeaderName, PROXY_AUTHORIZATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What stands for a secret.
pub(super) const REMOVED: &str = "***";

/// The most secrets that are remembered, to be removed wherever they come again.
const SECRETS_MAX: usize = 256;

/// A shorter secret isn't looked for elsewhere: it would be found in the middle of words.
const SECRET_LENGTH_MIN: usize = 4;

/// How deep a body is looked into. What lies deeper is removed.
const DEPTH_MAX: usize = 64;

/// What a recorder removes: the values of some headers and JSON fields, and those values wherever they come again.
///
/// Always: headers that are marked sensitive, `authorization`, `proxy-authorization`, `cookie`, `set-cookie`, and the fields
/// `password` and `token` of JSON bodies, at any depth.
#[derive(Clone, Debug)]
pub struct Redaction {
    headers: Vec<HeaderName>,
    fields: Vec<String>,
}

impl Redaction {
    /// Removes the values of this header, too.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.headers.push(name);
        self
    }

    /// Removes the values of this field of JSON bodies, too, however it is capitalised: a payer's name, say.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>) -> Self {
        self.fields.push(name.into());
        self
    }

    /// The headers that can be read as text, without secrets.
    pub(super) fn headers(&self, headers: &HeaderMap, secrets: &mut Secrets) -> Vec<(String, String)> {
        let written = |(name, value): (&HeaderName, &HeaderValue)| {
            let text = value.to_str().ok()?;
            let text = if value.is_sensitive() || self.headers.contains(name) {
                secrets.add(text);
                REMOVED.to_owned()
            } else {
                secrets.remove_from(text)
            };
            Some((name.as_str().to_owned(), text))
        };
        headers.iter().filter_map(written).collect()
    }

    /// A JSON body without secrets: as it came, if it has none.
    pub(super) fn json(&self, raw: &str, secrets: &mut Secrets) -> String {
        let mut written = String::with_capacity(raw.len());
        let removed = self.value(raw, 0, secrets, &mut written);
        secrets.remove_from(if removed { &written } else { raw })
    }

    /// Writes a value, and says whether anything was removed.
    fn value(&self, raw: &str, depth: usize, secrets: &mut Secrets, written: &mut String) -> bool {
        if depth >= DEPTH_MAX && raw.starts_with(['{', '[']) {
            written.push_str("\"***\"");
            return true;
        }
        let mut removed = false;
        if let Ok(Object(members)) = serde_json::from_str(raw) {
            written.push('{');
            for (position, (name, value)) in members.into_iter().enumerate() {
                if position > 0 {
                    written.push(',');
                }
                written.push_str(&quoted(&name));
                written.push(':');
                if self.fields.iter().any(|field| field.eq_ignore_ascii_case(&name)) && value.get() != "null" {
                    secrets
                        .add(&serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned()));
                    written.push_str(&quoted(REMOVED));
                    removed = true;
                } else {
                    removed |= self.value(value.get(), depth + 1, secrets, written);
                }
            }
            written.push('}');
        } else if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw) {
            written.push('[');
            for (position, element) in elements.into_iter().enumerate() {
                if position > 0 {
                    written.push(',');
                }
                removed |= self.value(element.get(), depth + 1, secrets, written);
            }
            written.push(']');
        } else {
            written.push_str(raw);
        }
        removed
    }
}

impl Default for Redaction {
    fn default() -> Self {
        let headers = vec![AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, SET_COOKIE];
        Self { headers, fields: vec!["password".to_owned(), "token".to_owned()] }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A JSON object's members, in order, with repeats.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Members).map(Self)
    }
}

/// Secrets that were met. The longest first, so that one within another doesn't leave the rest.
#[derive(Default)]
pub(super) struct Secrets(BTreeSet<(std::cmp::Reverse<usize>, String)>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        if secret.len() >= SECRET_LENGTH_MIN && secret != REMOVED && self.0.len() < SECRETS_MAX {
            self.0.insert((std::cmp::Reverse(secret.len()), secret.to_owned()));
            // As it stands within JSON and within a query.
            let escaped = quoted(secret);
            let escaped = &escaped[1..escaped.len() - 1];
            if escaped != secret {
                self.0.insert((std::cmp::Reverse(escaped.len()), escaped.to_owned()));
            }
        }
    }

    pub(super) fn remove_from(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (_, secret)| text.replace(secret.as_str(), REMOVED))
    }
}

#[cfg(test)]
mod tests {
    use super::{Redaction, Secrets};

    fn check(json: &str, expected: &str) {
        assert_eq!(Redaction::default().field("Title").json(json, &mut Secrets::default()), expected);
    }

    #[test]
    fn secrets_go_and_the_rest_stays_as_it_came() {
        check(r#"{ "amount": 50.0 , "n":1.0E7 }"#, r#"{ "amount": 50.0 , "n":1.0E7 }"#);
        check(r#"{"password":"s3cret","n":1.0E7}"#, r#"{"password":"***","n":1.0E7}"#);
        check(r#"{"a":[{"TOKEN":"abcdef","title":"Ali"}]}"#, r#"{"a":[{"TOKEN":"***","title":"***"}]}"#);
        check(r#"{"token":{"a":"b"}}"#, r#"{"token":"***"}"#);
        check(r#"{"token":null}"#, r#"{"token":null}"#);
        check(r#"{"token":"abcdef","echo":"it is abcdef!"}"#, r#"{"token":"***","echo":"it is ***!"}"#);
        check(r#"{"token":"a\"bcd","echo":"it is a\"bcd!"}"#, r#"{"token":"***","echo":"it is ***!"}"#);
        check("[1,2]", "[1,2]");
        check("\"text\"", "\"text\"");
    }

    #[test]
    fn deep_json_is_no_trouble() {
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        let written = Redaction::default().json(&deep, &mut Secrets::default());
        assert!(written.contains("***"));
    }
}
