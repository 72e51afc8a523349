//! What is wrong with a value: which field, what its shape was, what is allowed. Never the value itself, which may be a
//! payer's.

use alloc::vec::Vec;
use core::fmt;

use crate::{
    AMOUNT_FRACTION_DIGITS, AMOUNT_INTEGER_DIGITS, COORDINATE_FRACTION_DIGITS, DYNAMIC_QR_AMOUNT, LATITUDE, LONGITUDE,
    PSID_DIGITS, PaymentKind, TEXT_MAX_CHARS,
};

/// Everything that is wrong with one new payment: at least one error, in the order of the guide's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPayment {
    kind: PaymentKind,
    errors: Vec<FieldError>,
}

impl InvalidPayment {
    pub(crate) fn new(kind: PaymentKind, errors: Vec<FieldError>) -> Self {
        debug_assert!(!errors.is_empty(), "an invalid payment has a reason");
        Self { kind, errors }
    }

    /// The kind that was asked for.
    pub fn kind(&self) -> PaymentKind {
        self.kind
    }

    /// The errors, in the order of the guide's fields. Never empty.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }
}

impl fmt::Display for InvalidPayment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.errors.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl core::error::Error for InvalidPayment {}

/// One field that can't be what it was given as. Displays the field, what was wrong and what is allowed.
///
/// ```
/// use asaanbill_core::Amount;
///
/// let error = "12.345".parse::<Amount>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "amount is malformed (6 characters: digits, a point); allowed: 1 to 15 digits, then at most a point and 1 or 2 \
///      digits, and more than zero",
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    field: Field,
    problem: Problem,
    /// None for a value that wasn't text.
    shape: Option<Shape>,
}

impl FieldError {
    pub(crate) fn new(field: Field, problem: Problem, value: &str) -> Self {
        Self { field, problem, shape: Some(Shape::of(value)) }
    }

    pub(crate) fn out_of_range(field: Field) -> Self {
        Self { field, problem: Problem::OutOfRange, shape: None }
    }

    pub(crate) fn missing(field: Field) -> Self {
        Self::new(field, Problem::Missing, "")
    }

    pub(crate) fn in_field(self, field: Field) -> Self {
        Self { field, ..self }
    }

    /// The field that was wrong.
    pub fn field(&self) -> Field {
        self.field
    }

    /// What was wrong with it.
    pub fn problem(&self) -> Problem {
        self.problem
    }

    /// What the value looked like, if it was given as text.
    pub fn shape(&self) -> Option<Shape> {
        self.shape
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, problem, shape } = self;
        match shape {
            Some(shape) if *problem != Problem::Missing => write!(f, "{field} {problem} ({shape}); allowed: ")?,
            _ => write!(f, "{field} {problem}; allowed: ")?,
        }
        match problem {
            Problem::OutOfDynamicQrRange => write!(f, "{DYNAMIC_QR_AMOUNT}"),
            _ => field.write_allowed(f),
        }
    }
}

impl core::error::Error for FieldError {}

/// A field of a payment, in the domain's words. `asaanbill-wire` knows the guide's spelling of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Field {
    /// What the banking app shows.
    Title,
    /// The payer's key in the integrator's system.
    Identifier,
    /// The amount through the due date.
    Amount,
    /// The due date.
    DueDate,
    /// The amount from the day after the due date.
    AmountAfterDueDate,
    /// The description of a QR code.
    Description,
    /// Degrees east.
    Longitude,
    /// Degrees north.
    Latitude,
    /// The 24-digit bill number.
    Psid,
    /// The hub's number of a payment record.
    PaymentId,
    /// The hub's number of a batch.
    BulkRequestId,
    /// The number of an integrator's channel.
    ChannelId,
}

impl Field {
    fn write_allowed(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Title | Self::Identifier | Self::Description => {
                write!(f, "1 to {TEXT_MAX_CHARS} characters, not all blank, no control characters")
            }
            Self::Amount | Self::AmountAfterDueDate => write!(
                f,
                "1 to {AMOUNT_INTEGER_DIGITS} digits, then at most a point and 1 or {AMOUNT_FRACTION_DIGITS} digits, \
                 and more than zero",
            ),
            Self::DueDate => f.write_str("a day of the calendar as yyyy-MM-dd"),
            Self::Longitude => write!(f, "{LONGITUDE}, at most {COORDINATE_FRACTION_DIGITS} decimal places"),
            Self::Latitude => write!(f, "{LATITUDE}, at most {COORDINATE_FRACTION_DIGITS} decimal places"),
            Self::Psid => write!(f, "exactly {PSID_DIGITS} digits"),
            Self::PaymentId | Self::BulkRequestId | Self::ChannelId => {
                write!(f, "a whole number from 1 to {}", i64::MAX)
            }
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Title => "title",
            Self::Identifier => "identifier",
            Self::Amount => "amount",
            Self::DueDate => "due date",
            Self::AmountAfterDueDate => "amount after due date",
            Self::Description => "description",
            Self::Longitude => "longitude",
            Self::Latitude => "latitude",
            Self::Psid => "PSID",
            Self::PaymentId => "payment id",
            Self::BulkRequestId => "bulk request id",
            Self::ChannelId => "channel id",
        })
    }
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// Absent, empty, or white space only.
    Missing,
    /// Not written as it has to be.
    Malformed,
    /// Longer than allowed.
    TooLong,
    /// Well written, and outside what is allowed.
    OutOfRange,
    /// The amount of a dynamic QR code outside [`DYNAMIC_QR_AMOUNT`].
    OutOfDynamicQrRange,
    /// Well written, and no day of the calendar.
    NoSuchDay,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing or blank"),
            Self::Malformed => f.write_str("is malformed"),
            Self::TooLong => f.write_str("is too long"),
            Self::OutOfRange => f.write_str("is out of range"),
            Self::OutOfDynamicQrRange => f.write_str("is out of a dynamic QR code's range"),
            Self::NoSuchDay => f.write_str("is no day of the calendar"),
        }
    }
}

/// What a refused value looked like, without saying what it was: its length and which sorts of characters it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Shape {
    characters: usize,
    sorts: [bool; SORTS.len()],
}

struct Sort {
    name: &'static str,
    holds: fn(char) -> bool,
}

const SORTS: [Sort; 6] = [
    Sort { name: "digits", holds: |c| c.is_ascii_digit() },
    Sort { name: "letters", holds: char::is_alphabetic },
    Sort { name: "a point", holds: |c| c == '.' },
    Sort { name: "a sign", holds: |c| matches!(c, '+' | '-') },
    Sort { name: "spaces", holds: char::is_whitespace },
    Sort { name: "control characters", holds: |c| c.is_control() && !c.is_whitespace() },
];

impl Shape {
    fn of(value: &str) -> Self {
        Self { characters: value.chars().count(), sorts: SORTS.map(|sort| value.chars().any(sort.holds)) }
    }

    /// How many characters the value had.
    pub fn characters(&self) -> usize {
        self.characters
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.characters == 1 { "" } else { "s" };
        write!(f, "{} character{plural}", self.characters)?;
        let mut separator = ": ";
        for (Sort { name, .. }, held) in SORTS.iter().zip(self.sorts) {
            if held {
                write!(f, "{separator}{name}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
