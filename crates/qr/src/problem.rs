//! What can be wrong with a code's values.

use std::fmt;

use crate::field;
use crate::tlv::FieldPath;

/// One thing that is wrong with a code: where, and why. It holds no value of the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    field: Option<FieldPath>,
    reason: Reason,
}

impl Problem {
    pub(crate) fn new(field: FieldPath, reason: Reason) -> Problem {
        Problem { field: Some(field), reason }
    }

    pub(crate) fn of_code(reason: Reason) -> Problem {
        Problem { field: None, reason }
    }

    /// The field concerned, or `None` where it is the code as a whole.
    pub fn field(&self) -> Option<FieldPath> {
        self.field
    }

    /// What is wrong with it.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            None => write!(f, "the code: {}", self.reason),
            Some(path) => match field::name(path) {
                Some(name) => write!(f, "field {path} ({name}): {}", self.reason),
                None => write!(f, "field {path}: {}", self.reason),
            },
        }
    }
}

/// Why a value is not as the rules want it. Reasons may be added. Lengths are in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It has to be there.
    Missing,
    /// It is there without a character.
    Empty,
    /// It is longer than it may be.
    TooLong {
        /// What it has.
        length: usize,
        /// What it may have.
        limit: usize,
    },
    /// It is not written as it must be; the text says how.
    Format(&'static str),
    /// It disagrees with another field; the text says how.
    Conflict(&'static str),
    /// EMVCo keeps this field for later. A reader passes it by; nobody writes it.
    Reserved,
    /// Its value should be data objects and isn't, or the other way round.
    Template {
        /// Whether data objects are wanted.
        wanted: bool,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Missing => f.write_str("missing"),
            Reason::Empty => f.write_str("empty"),
            Reason::TooLong { length, limit } => write!(f, "{length} characters, at most {limit} are allowed"),
            Reason::Format(wanted) => write!(f, "{wanted} expected"),
            Reason::Conflict(why) => f.write_str(why),
            Reason::Reserved => f.write_str("reserved by EMVCo"),
            Reason::Template { wanted: true } => f.write_str("data objects expected"),
            Reason::Template { wanted: false } => f.write_str("plain text expected, not data objects"),
        }
    }
}
