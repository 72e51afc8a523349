//! The rule that titles, identifiers and descriptions share.
//!
//! guide:add-9 guide:add-10

use crate::error::{Field, FieldError, Problem};

/// The most characters a title, an identifier or a description may have.
///
/// The guide gives no limit; 255 is the usual width of such a column, and far above what a banking app shows. (assumed)
pub const TEXT_MAX_CHARS: usize = 255;

/// Refuses blank, overlong and control characters: the last because no banking app can show them, and a database may not
/// hold a NUL. (assumed) White space at the edges is kept: the guide's own samples have it.
pub(crate) fn check(field: Field, value: &str) -> Result<(), FieldError> {
    if value.trim().is_empty() {
        return Err(FieldError::missing(field));
    }
    // Most are ASCII, which is looked at many bytes at once.
    let (controls, characters) = match value.is_ascii() {
        true => (value.bytes().any(|byte| byte.is_ascii_control()), value.len()),
        false => (value.chars().any(char::is_control), value.chars().count()),
    };
    if controls {
        return Err(FieldError::new(field, Problem::Malformed, value));
    }
    if characters > TEXT_MAX_CHARS {
        return Err(FieldError::new(field, Problem::TooLong, value));
    }
    Ok(())
}

/// A text newtype whose content is a payer's: one door in, no `Display`, and a `Debug` that shows only the length.
macro_rules! payer_text {
    ($(#[$doc:meta])* $name:ident, $field:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(alloc::sync::Arc<str>);

        impl $name {
            /// The text, exactly as it was given. It may name a person: keep it out of logs.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::FieldError;

            fn from_str(value: &str) -> Result<Self, Self::Err> {
                $crate::text::check($field, value)?;
                Ok(Self(value.into()))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "(<{} characters>)"), self.0.chars().count())
            }
        }
    };
}
pub(crate) use payer_text;
