//! PSIDs.

use core::fmt;
use core::str::FromStr;

use crate::error::{Field, FieldError, Problem};

/// How many digits a PSID has. (Guide, Add Payment, note 1)
pub const PSID_DIGITS: usize = 24;

/// A Payment System Identifier: the 24-digit bill number that a payer enters in a banking app.
///
/// More than a `u64` holds, and leading zeros count, so it is kept as text. It has no check digit. Its order is that of
/// the digits.
///
/// ```
/// use asaanbill_core::Psid;
///
/// let psid: Psid = "100139100100154854584585".parse()?;
/// assert_eq!(psid.as_str(), "100139100100154854584585");
/// assert!("1001391001001548545845".parse::<Psid>().is_err());
/// # Ok::<(), asaanbill_core::FieldError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Psid([u8; PSID_DIGITS]);

impl Psid {
    /// The 24 digits.
    #[expect(clippy::missing_panics_doc, reason = "the invariant excludes it")]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).expect("a PSID holds ASCII digits only")
    }
}

impl FromStr for Psid {
    type Err = FieldError;

    fn from_str(value: &str) -> Result<Self, FieldError> {
        if value.is_empty() {
            return Err(FieldError::missing(Field::Psid));
        }
        match <[u8; PSID_DIGITS]>::try_from(value.as_bytes()) {
            Ok(digits) if digits.iter().all(u8::is_ascii_digit) => Ok(Self(digits)),
            _ => Err(FieldError::new(Field::Psid, Problem::Malformed, value)),
        }
    }
}

impl fmt::Display for Psid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Psid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Psid({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Psid;
    use crate::Problem;
    use proptest::prelude::*;
    use std::string::{String, ToString as _};

    fn check(value: &str, expected: Result<(), Problem>) {
        let read = value.parse::<Psid>();
        assert_eq!(read.as_ref().map(Psid::as_str).map_err(|e| e.problem()), expected.map(|()| value), "{value:?}");
    }

    #[test]
    fn exactly_24_ascii_digits() {
        check("100139100100154854584585", Ok(()));
        check("000000000000000000000000", Ok(()));
        check("", Err(Problem::Missing));
        check("10013910010015485458458", Err(Problem::Malformed));
        check("1001391001001548545845851", Err(Problem::Malformed));
        check("10013910010015485458458x", Err(Problem::Malformed));
        check("+00139100100154854584585", Err(Problem::Malformed));
        check(" 00139100100154854584585", Err(Problem::Malformed));
        check("١٢٣٤٥٦٧٨٩٠١٢", Err(Problem::Malformed)); // 24 bytes, 12 Arabic digits
    }

    proptest! {
        #[test]
        fn written_as_read(digits in "[0-9]{24}") {
            prop_assert_eq!(digits.parse::<Psid>().unwrap().to_string(), digits);
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            if let Ok(psid) = text.parse::<Psid>() {
                prop_assert_eq!(psid.as_str(), text);
            }
        }
    }
}
