//! A field of a request: a string, borrowed from the body where it can be.
//!
//! guide:add-16

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A value of a request's map of strings. A hub must tell a string from anything else, and a missing field from a null
/// one, because it answers each differently; and it borrows, because a batch has 25,000 of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum RequestText<'a> {
    /// The field isn't there. It isn't written either.
    #[default]
    Absent,
    /// `null`
    Null,
    /// A string.
    Text(Cow<'a, str>),
    /// A number, boolean, array or object, as its literal.
    Other(Cow<'a, str>),
}

/// A value of a request that isn't a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("every value of a payment has to be a string: put it in quotes")]
pub struct NotText;

/// What to do with a number or a boolean where the guide says string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Literals {
    /// Refuse it, as the guide's words have it.
    #[default]
    Refused,
    /// Take its literal for the string. A hub written in Java may well do so. (assumed)
    Accepted,
}

impl RequestText<'_> {
    /// The string, `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`NotText`] for an array, an object, and literals that are refused.
    pub fn read(&self, literals: Literals) -> Result<Option<&str>, NotText> {
        match (self, literals) {
            (Self::Absent | Self::Null, _) => Ok(None),
            (Self::Text(text), _) => Ok(Some(text)),
            (Self::Other(literal), Literals::Accepted) if !literal.starts_with(['[', '{']) => Ok(Some(literal)),
            (Self::Other(_), _) => Err(NotText),
        }
    }

    /// The same, borrowing nothing.
    pub fn into_owned(self) -> RequestText<'static> {
        match self {
            Self::Absent => RequestText::Absent,
            Self::Null => RequestText::Null,
            Self::Text(text) => RequestText::Text(Cow::Owned(text.into_owned())),
            Self::Other(literal) => RequestText::Other(Cow::Owned(literal.into_owned())),
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<'a> From<&'a str> for RequestText<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for RequestText<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a, T: Into<RequestText<'a>>> From<Option<T>> for RequestText<'a> {
    fn from(text: Option<T>) -> Self {
        text.map_or(Self::Absent, Into::into)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RequestText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if raw == "null" {
            return Ok(Self::Null);
        }
        let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            return Ok(Self::Other(Cow::Borrowed(raw)));
        };
        if !inner.contains('\\') {
            return Ok(Self::Text(Cow::Borrowed(inner)));
        }
        serde_json::from_str(raw).map(|text| Self::Text(Cow::Owned(text))).map_err(serde::de::Error::custom)
    }
}

impl Serialize for RequestText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::Null => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Other(literal) => {
                RawValue::from_string(literal.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
            }
        }
    }
}

/// Says what it is, never what it holds.
impl fmt::Debug for RequestText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Null => f.write_str("null"),
            Self::Text(text) => write!(f, "<{} characters>", text.chars().count()),
            Self::Other(_) => f.write_str("<not a string>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Literals, NotText, RequestText};
    use std::borrow::Cow;

    fn check(json: &str, strict: Result<Option<&str>, NotText>, lenient: Result<Option<&str>, NotText>) {
        let read: RequestText<'_> = serde_json::from_str(json).unwrap();
        assert_eq!((read.read(Literals::Refused), read.read(Literals::Accepted)), (strict, lenient), "{json}");
        assert_eq!(serde_json::to_string(&read).unwrap(), json, "echoed as it came");
    }

    #[test]
    fn strings_nulls_and_the_rest() {
        check(r#""50""#, Ok(Some("50")), Ok(Some("50")));
        check(r#""""#, Ok(Some("")), Ok(Some("")));
        check(r#""a\"b""#, Ok(Some("a\"b")), Ok(Some("a\"b")));
        check("null", Ok(None), Ok(None));
        check("50", Err(NotText), Ok(Some("50")));
        check("1.10", Err(NotText), Ok(Some("1.10")));
        check("true", Err(NotText), Ok(Some("true")));
        check("[1]", Err(NotText), Err(NotText));
        check(r#"{"a":1}"#, Err(NotText), Err(NotText));
        assert!(serde_json::from_str::<RequestText<'_>>(r#""\ud800""#).is_err());
    }

    #[test]
    fn a_plain_string_is_borrowed() {
        let json = r#""FS-BSCS-095""#;
        assert!(matches!(serde_json::from_str(json).unwrap(), RequestText::Text(Cow::Borrowed("FS-BSCS-095"))));
    }
}
