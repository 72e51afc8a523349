//! A step that didn't hold.

use std::error::Error;
use std::fmt;

/// What didn't hold, and why.
pub(super) struct Failure {
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the demonstration failed: {}", self.what)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure").field("what", &self.what).field("source", &self.source).finish()
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Says which step it was that failed.
pub(super) trait During<T> {
    fn during(self, step: &str) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> During<T> for Result<T, E> {
    fn during(self, step: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure { what: step.into(), source: Some(error.into()) })
    }
}

/// Something that must be there.
pub(super) trait There<T> {
    fn there(self, what: &str) -> Result<T, Failure>;
}

impl<T> There<T> for Option<T> {
    fn there(self, what: &str) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::new(format!("{what} is missing")))
    }
}

/// A fact of the story that must hold.
pub(super) fn holds(fact: bool, what: &str) -> Result<(), Failure> {
    if fact { Ok(()) } else { Err(Failure::new(format!("it doesn't hold that {what}"))) }
}

#[cfg(test)]
mod tests {
    use super::{During as _, There as _, holds};

    #[test]
    fn what_does_not_hold_ends_the_story_and_says_why() {
        assert!(holds(true, "two is two").is_ok());
        let failure = holds(false, "two is three").unwrap_err();
        assert_eq!(failure.to_string(), "the demonstration failed: it doesn't hold that two is three");
        assert!(Some(1).there("a number").is_ok());
        assert_eq!(
            None::<u8>.there("a number").unwrap_err().to_string(),
            "the demonstration failed: a number is missing"
        );
        let caused = Err::<(), _>(std::fmt::Error).during("writing").unwrap_err();
        assert_eq!(caused.to_string(), "the demonstration failed: writing");
        assert!(std::error::Error::source(&caused).is_some());
    }
}
