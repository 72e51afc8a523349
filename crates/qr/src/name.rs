//! Fitting a bill's title into a merchant's name.
//!
//! guide:qr-6

use std::fmt;

use crate::field::MAX_NAME_LENGTH;
use crate::rules::is_plain;

/// A title made to fit a code's name.
///
/// Field 59 holds at most 25 printable ASCII characters. A title's first 25 characters are taken, and each that is not
/// printable ASCII becomes `?`. If there was any such, [`original`](Self::original) keeps those 25 characters for field
/// 64, which takes all of Unicode: so an Urdu title stays readable wherever field 64 is shown. What lies beyond 25 characters is lost;
/// [`is_whole`](Self::is_whole) tells. White space is kept as it is. An empty title gives an empty name, which a builder
/// refuses. `Debug` leaves the title out.
///
/// ```
/// use asaanbill_qr::MerchantName;
///
/// let name = MerchantName::fit("Fee of the spring semester 2026");
/// assert_eq!(name.plain(), "Fee of the spring semeste");
/// assert_eq!((name.original(), name.is_whole()), (None, false));
///
/// let name = MerchantName::fit("فیس 2026");
/// assert_eq!(name.plain(), "??? 2026");
/// assert_eq!((name.original(), name.is_whole()), (Some("فیس 2026"), true));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MerchantName {
    plain: String,
    original: Option<String>,
    whole: bool,
}

impl MerchantName {
    /// Fits a title of any length and any characters.
    pub fn fit(title: &str) -> MerchantName {
        let end = title.char_indices().nth(MAX_NAME_LENGTH).map_or(title.len(), |(end, _)| end);
        let (start, whole) = (&title[..end], end == title.len());
        if start.chars().all(is_plain) {
            return MerchantName { plain: start.to_owned(), original: None, whole };
        }
        let plain = start.chars().map(|character| if is_plain(character) { character } else { '?' }).collect();
        MerchantName { plain, original: Some(start.to_owned()), whole }
    }

    /// The name for field 59: at most 25 printable ASCII characters.
    pub fn plain(&self) -> &str {
        &self.plain
    }

    /// The name for field 64, if the plain one had to replace characters: at most 25 characters of any kind.
    pub fn original(&self) -> Option<&str> {
        self.original.as_deref()
    }

    /// Whether nothing was cut off.
    pub fn is_whole(&self) -> bool {
        self.whole
    }
}

impl fmt::Debug for MerchantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MerchantName").field("whole", &self.whole).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(title: &str, plain: &str, original: Option<&str>, whole: bool) {
        let name = MerchantName::fit(title);
        assert_eq!((name.plain(), name.original(), name.is_whole()), (plain, original, whole), "{title:?}");
    }

    #[test]
    fn a_title_is_fitted() {
        let long = "0123456789012345678901234";
        check(" Muhammad Mahd Sheikh", " Muhammad Mahd Sheikh", None, true);
        check(long, long, None, true);
        check(&format!("{long}x"), long, None, false);
        check(&format!("{long}ی"), long, None, false);
        check("a\tb", "a?b", Some("a\tb"), true);
        check("Café", "Caf?", Some("Café"), true);
        check("", "", None, true);
        let urdu = "ی".repeat(26);
        check(&urdu, &"?".repeat(25), Some(&"ی".repeat(25)), false);
    }

    #[test]
    fn debug_hides_the_title() {
        assert_eq!(format!("{:?}", MerchantName::fit("Ali")), "MerchantName { whole: true, .. }");
    }
}
