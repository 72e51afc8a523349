//! Why a release didn't go on, and what to do about it.

use std::error::Error;
use std::fmt;

/// A release that stopped. Nothing is lost: what was done stands in the registry, in git and at the forge.
#[derive(Debug)]
pub struct Stop {
    later: bool,
    message: String,
}

impl Stop {
    /// Somebody has to change something first.
    pub fn hard(message: impl Into<String>) -> Self {
        Self { later: false, message: message.into() }
    }

    /// The same command can go on later, with nothing changed.
    pub fn later(message: impl Into<String>) -> Self {
        Self { later: true, message: message.into() }
    }

    /// Whether waiting is all that is needed: `cargo xtask release resume` goes on from here.
    #[must_use]
    pub fn is_later(&self) -> bool {
        self.later
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Stop {}

/// Turns an error of the system into a stop that says what was being done.
pub(crate) trait Doing<T> {
    /// `what` reads on from "could not": `write Cargo.toml`.
    fn doing(self, what: impl fmt::Display) -> Result<T, Stop>;
}

impl<T, E: fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl fmt::Display) -> Result<T, Stop> {
        self.map_err(|error| Stop::hard(format!("could not {what}: {error}")))
    }
}
