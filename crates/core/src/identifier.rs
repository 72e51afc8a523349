//! Identifiers.

use crate::error::Field;
use crate::text::payer_text;

payer_text! {
    /// The payer's key in the integrator's system. One PSID belongs to each identifier of a channel, for ever.
    /// (Guide, Add Payment: `identifier` and note 1)
    ///
    /// Not blank, at most [`crate::TEXT_MAX_CHARS`] characters, no control characters; kept and matched exactly as it
    /// was given, white space at the edges included, as the guide's samples have it. `Debug` hides it, as some
    /// integrators use people's names.
    Identifier, Field::Identifier
}

impl Identifier {
    /// Whether white space stands at an edge. The hub matches it literally, so `" A-1"` and `"A-1"` are two payers:
    /// nearly always a mistake.
    pub fn has_edge_whitespace(&self) -> bool {
        self.as_str().trim() != self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::Identifier;
    use crate::{Problem, TEXT_MAX_CHARS};
    use std::{format, string::ToString};

    fn check(value: &str, expected: Result<(), Problem>) {
        let read = value.parse::<Identifier>();
        assert_eq!(
            read.as_ref().map(Identifier::as_str).map_err(|e| e.problem()),
            expected.map(|()| value),
            "{value:?}"
        );
    }

    #[test]
    fn an_identifier_is_kept_as_it_came() {
        check("FS-BSCS-095", Ok(()));
        check(" FS-BSME-055", Ok(()));
        check("طالب علم ۱", Ok(()));
        check("", Err(Problem::Missing));
        check(" \u{a0}", Err(Problem::Missing));
        check("a\0b", Err(Problem::Malformed));
        check("a\nb", Err(Problem::Malformed));
        check(&"x".repeat(TEXT_MAX_CHARS), Ok(()));
        check(&"é".repeat(TEXT_MAX_CHARS), Ok(()));
        check(&"x".repeat(TEXT_MAX_CHARS + 1), Err(Problem::TooLong));
    }

    #[test]
    fn edges_are_noticed_and_content_stays_hidden() {
        let clean: Identifier = "FS-BSCS-095".parse().unwrap();
        let edged: Identifier = " FS-BSCS-095".parse().unwrap();
        assert_ne!(clean, edged);
        assert!(!clean.has_edge_whitespace());
        assert!(edged.has_edge_whitespace());
        assert_eq!(format!("{clean:?}"), "Identifier(<11 characters>)");
        let refused = "FS\u{7}BSCS".parse::<Identifier>().unwrap_err().to_string();
        assert!(!refused.contains("BSCS"), "{refused}");
    }
}
