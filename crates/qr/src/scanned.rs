//! A text that should be a code, whether or not it can be read.

use std::fmt;

use crate::describe;
use crate::error::QrError;
use crate::merchant::MerchantCode;

/// A text that should be a code: read, or kept as it came with the reason why it can't be.
///
/// Hubs cut codes short in their records, and cameras misread. Whoever passes such a text on, or shows it to a person,
/// must not lose it. `Display` gives the text byte for byte in both cases; `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq)]
pub enum Scanned {
    /// A code.
    Read(MerchantCode),
    /// Something else.
    Unreadable {
        /// The text as it came.
        text: String,
        /// Why it is no code.
        reason: QrError,
    },
}

impl Scanned {
    /// Takes any text. The text's size is the caller's to limit: what can't be read is kept whole.
    pub fn read(text: impl Into<String>) -> Scanned {
        let text = text.into();
        match MerchantCode::parse(&text) {
            Ok(code) => Scanned::Read(code),
            Err(reason) => Scanned::Unreadable { text, reason },
        }
    }

    /// The code, if the text is one.
    pub fn code(&self) -> Option<&MerchantCode> {
        match self {
            Scanned::Read(code) => Some(code),
            Scanned::Unreadable { .. } => None,
        }
    }

    /// Why the text can't be read, if it can't.
    pub fn reason(&self) -> Option<&QrError> {
        match self {
            Scanned::Read(_) => None,
            Scanned::Unreadable { reason, .. } => Some(reason),
        }
    }

    /// The text for a person to read: as [`MerchantCode::describe`], as far as it can be followed, then the reason why it
    /// can't be followed further. No text for a log.
    pub fn describe(&self) -> String {
        match self {
            Scanned::Read(code) => code.describe(),
            Scanned::Unreadable { text, reason } => describe::unreadable(text, reason),
        }
    }
}

impl From<MerchantCode> for Scanned {
    fn from(code: MerchantCode) -> Scanned {
        Scanned::Read(code)
    }
}

impl fmt::Display for Scanned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scanned::Read(code) => code.fmt(f),
            Scanned::Unreadable { text, .. } => f.write_str(text),
        }
    }
}

impl fmt::Debug for Scanned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scanned::Read(code) => f.debug_tuple("Read").field(code).finish(),
            Scanned::Unreadable { text, reason } => f
                .debug_struct("Unreadable")
                .field("text", &format_args!("<{} bytes>", text.len()))
                .field("reason", reason)
                .finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_code_that_was_cut_short_is_kept_with_the_reason() {
        // Three samples of AsaanBill's guide end here.
        for text in ["00020101021128560012D156000000000108o", "00020101021128560012D1560000000001080"] {
            let scanned = Scanned::read(text);
            assert_eq!(scanned.to_string(), text);
            assert!(scanned.code().is_none());
            let reason = scanned.reason().unwrap();
            assert_eq!((reason.kind(), reason.offset()), (ErrorKind::Cut, Some(12)));
        }
    }

    #[test]
    fn nothing_is_trimmed_or_mended() {
        for text in [" 000201", "000201\n", "\u{feff}000201", "\u{202e}5903Ali\0", ""] {
            assert_eq!(Scanned::read(text).to_string(), text);
        }
    }

    #[test]
    fn what_steers_a_terminal_is_not_described() {
        let described = Scanned::read("0002015904Al\u{1b}\u{202e}5903علی").describe();
        assert!(described.contains("Al\u{fffd}\u{fffd}\n") && described.contains("علی\n"), "{described:?}");
    }

    #[test]
    fn what_can_be_followed_is_described() {
        insta::assert_snapshot!(Scanned::read("0002010102115903Ali28560012D156000000000108o").describe(), @r#"
        00 payload format                 01
        01 point of initiation            11 (static)
        59 name                           Ali
        unreadable: cut short: the text ends inside field 28, which begins at byte 19: 56 characters are announced, 21 are left
        "#);
        insta::assert_snapshot!(Scanned::read("https://example.org").describe(), @"unreadable: not a merchant-presented payment code: the text doesn't begin with 000201");
    }

    #[test]
    fn debug_hides_the_text() {
        insta::assert_snapshot!(format!("{:?}", Scanned::read("5903Ali")), @"Unreadable { text: <7 bytes>, reason: QrError { repr: NotMerchantCode } }");
    }
}
