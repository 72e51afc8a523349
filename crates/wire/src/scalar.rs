//! A JSON scalar as it came.
//!
//! guide:form-13

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON value that should be a scalar, kept as it came: a string's content, or the literal of anything else.
///
/// It reads numbers where the guide has strings and the other way round, never fails, and is written back in the form in
/// which it came. A `null` is `None` around it.
///
/// ```
/// use asaanbill_wire::Scalar;
///
/// let [number, text]: [Scalar; 2] = serde_json::from_str(r#"[126, "126"]"#)?;
/// assert_eq!((number.whole(), text.whole()), (Some(126), Some(126)));
/// assert_eq!(serde_json::to_string(&[number, text])?, r#"[126,"126"]"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Scalar {
    text: Box<str>,
    quoted: bool,
}

impl Scalar {
    /// A JSON string with this content.
    pub fn text(content: impl Into<Box<str>>) -> Self {
        Self { text: content.into(), quoted: true }
    }

    /// A JSON number.
    pub fn number(number: u64) -> Self {
        Self::literal(number.to_string())
    }

    /// `true` or `false`.
    pub fn boolean(flag: bool) -> Self {
        Self::literal(flag.to_string())
    }

    /// A literal that is known to be JSON.
    pub(crate) fn literal(literal: String) -> Self {
        Self { text: literal.into(), quoted: false }
    }

    /// A string's content, or the literal of anything else.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it can be shown to anybody: a number, a day, a time, a word of the guide in capitals.
    fn is_harmless(&self) -> bool {
        const LONGEST: usize = 32;
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let plain = MONTHS.iter().fold(self.text.to_string(), |text, month| text.replacen(month, "", 1));
        let is_word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || "_/:.+- ".contains(c);
        plain.len() <= LONGEST && (plain.chars().all(is_word) || matches!(&*self.text, "true" | "false"))
    }

    /// Whether it is a JSON string.
    pub fn is_text(&self) -> bool {
        self.quoted
    }

    /// The whole number that it says, from a number or a string; also `126.0`, as some servers write it.
    pub fn whole(&self) -> Option<u64> {
        let digits = self.text.trim().trim_end_matches('0').strip_suffix('.').unwrap_or(self.text.trim());
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    }

    /// The number of a literal that has digits alone, which in JSON don't begin with a zero.
    fn digits(&self) -> Option<u64> {
        let plain = self.text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| self.text.parse().ok()).flatten()
    }

    /// The truth that it says, from a boolean or a string.
    pub fn flag(&self) -> Option<bool> {
        self.text.trim().to_ascii_lowercase().parse().ok()
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            return Ok(Self { text: raw.into(), quoted: false });
        };
        // What stands between the quotes is the string, unless something in it is escaped.
        if !inner.as_bytes().contains(&b'\\') {
            return Ok(Self { text: inner.into(), quoted: true });
        }
        // A string may hold an escape that is no character (a lone surrogate): then its literal is kept.
        match serde_json::from_str(raw) {
            Ok(text) => Ok(Self { text, quoted: true }),
            Err(_) => Ok(Self { text: raw.into(), quoted: false }),
        }
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.quoted {
            return serializer.serialize_str(&self.text);
        }
        // Most are numbers, which are written as they are read.
        if let Some(number) = self.digits() {
            return serializer.serialize_u64(number);
        }
        let raw = RawValue::from_string(self.text.to_string()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// Shows numbers, days, statuses and the like; hides what may be a person's words.
impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_harmless(), self.quoted) {
            (true, true) => write!(f, "{:?}", self.text),
            (true, false) => f.write_str(&self.text),
            (false, _) => write!(f, "<{} characters>", self.text.chars().count()),
        }
    }
}

/// A scalar that may tell who a payer is, or hold what does. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Private(Scalar);

impl Private {
    /// A JSON string with this content.
    pub fn text(content: impl Into<Box<str>>) -> Self {
        Self(Scalar::text(content))
    }

    /// The content. Keep it out of logs.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} characters>", self.0.as_str().chars().count())
    }
}

/// Any JSON, kept as it came. `Debug` hides it: nobody knows what it holds.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Raw(Box<RawValue>);

impl Raw {
    /// `[]`
    #[expect(clippy::missing_panics_doc, reason = "it is JSON")]
    pub fn empty_list() -> Self {
        Self(RawValue::from_string("[]".into()).expect("an empty list is JSON"))
    }

    /// The JSON. Keep it out of logs.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(raw.to_owned()))
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.get().len())
    }
}

/// A newtype over [`Scalar`] that is read and written as it came.
macro_rules! scalar_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name($crate::Scalar);

        impl $name {
            /// A JSON string with this content.
            pub fn text(content: impl Into<Box<str>>) -> Self {
                Self($crate::Scalar::text(content))
            }

            /// The text as it came: a string's content, or the literal of anything else.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                if $crate::Message::is_known(self.as_str()) { f.write_str(self.as_str()) } else { self.0.fmt(f) }
            }
        }
    };
}
pub(crate) use scalar_newtype;

#[cfg(test)]
mod tests {
    use super::Scalar;
    use proptest::prelude::*;

    fn read(json: &str) -> Scalar {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn anything_is_kept_and_written_back_as_it_came() {
        let check = |json: &str, text: &str| {
            let scalar = read(json);
            assert_eq!(scalar.as_str(), text);
            assert_eq!(serde_json::to_string(&scalar).unwrap(), json);
        };
        check("126", "126");
        check("1.0E7", "1.0E7");
        check(r#""N/A""#, "N/A");
        check(r#""a\nb""#, "a\nb");
        check("true", "true");
        check(r#"{"a":[1,2]}"#, r#"{"a":[1,2]}"#);
        check(r#""\ud800""#, r#""\ud800""#);
    }

    #[test]
    fn whole_numbers_and_flags() {
        let check = |json: &str, whole: Option<u64>| assert_eq!(read(json).whole(), whole, "{json}");
        check("126", Some(126));
        check("0", Some(0));
        check("100", Some(100));
        check(r#"" 126 ""#, Some(126));
        check("126.0", Some(126));
        check("100.00", Some(100));
        for other in ["-1", "1.5", r#""""#, r#""x""#, "99999999999999999999", "null", "[]", "1e3", r#"".0""#] {
            check(other, None);
        }
        assert_eq!(read("true").flag(), Some(true));
        assert_eq!(read(r#""FALSE""#).flag(), Some(false));
        assert_eq!(read("1").flag(), None);
    }

    proptest! {
        #[test]
        fn any_string_survives(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let scalar = read(&json);
            prop_assert_eq!(scalar.as_str(), text.as_str());
            let _ = (scalar.whole(), scalar.flag());
            prop_assert_eq!(serde_json::to_string(&scalar).unwrap(), json);
        }
    }
}
