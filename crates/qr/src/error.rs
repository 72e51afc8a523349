//! Why a code can't be read, built or drawn.

use std::fmt;

use crate::crc;
use crate::field::MAX_CODE_LENGTH;
use crate::problem::Problem;
use crate::tlv::FieldPath;

/// Why a code can't be read, built or drawn.
///
/// It holds no value of the code, so it may be logged. [`kind`](Self::kind) tells what went wrong,
/// [`offset`](Self::offset) where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrError {
    repr: Repr,
}

/// What went wrong. Kinds may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text doesn't begin with `000201`, as every merchant-presented code of this version does.
    NotMerchantCode,
    /// The text has more than [`MAX_CODE_LENGTH`] characters.
    TooLong,
    /// A data object's id isn't two digits.
    BadId,
    /// A data object's length isn't two digits, is zero, is not 4 for the checksum, or is at odds with the template's
    /// own length.
    BadLength,
    /// The text ends inside a data object.
    Cut,
    /// The same field comes twice.
    Duplicate,
    /// The text ends without a checksum.
    MissingCrc,
    /// The checksum isn't the text's: something was changed after it was made.
    WrongCrc,
    /// Text follows the checksum. Trim what a scanner may have added.
    TrailingText,
    /// The values don't make a code: see [`QrError::problems`]. Only building gives this.
    Invalid,
    /// The text is too long for a symbol, or the picture would be too large.
    Undrawable,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Repr {
    NotMerchantCode,
    TooLong {
        at: usize,
    },
    BadId {
        at: usize,
    },
    BadLength {
        at: usize,
        path: FieldPath,
        fault: LengthFault,
    },
    CutInHeader {
        at: usize,
    },
    Cut {
        at: usize,
        path: FieldPath,
        announced: usize,
        left: usize,
    },
    Duplicate {
        at: usize,
        path: FieldPath,
    },
    MissingCrc {
        at: usize,
    },
    WrongCrc {
        at: usize,
        found: String,
        computed: u16,
    },
    TrailingText {
        at: usize,
    },
    Invalid(Vec<Problem>),
    #[cfg(feature = "render")]
    Undrawable(Undrawable),
}

/// What is wrong with a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LengthFault {
    NotDigits,
    Zero,
    CrcIsFour { announced: usize },
    Overruns { announced: usize, left: usize },
    LeftOver { left: usize },
}

/// Why a picture can't be made.
#[cfg(feature = "render")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undrawable {
    TextTooLong { bytes: usize },
    Scale { asked: u32 },
    Encoder,
}

impl QrError {
    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        match &self.repr {
            Repr::NotMerchantCode => ErrorKind::NotMerchantCode,
            Repr::TooLong { .. } => ErrorKind::TooLong,
            Repr::BadId { .. } => ErrorKind::BadId,
            Repr::BadLength { .. } => ErrorKind::BadLength,
            Repr::CutInHeader { .. } | Repr::Cut { .. } => ErrorKind::Cut,
            Repr::Duplicate { .. } => ErrorKind::Duplicate,
            Repr::MissingCrc { .. } => ErrorKind::MissingCrc,
            Repr::WrongCrc { .. } => ErrorKind::WrongCrc,
            Repr::TrailingText { .. } => ErrorKind::TrailingText,
            Repr::Invalid(_) => ErrorKind::Invalid,
            #[cfg(feature = "render")]
            Repr::Undrawable(_) => ErrorKind::Undrawable,
        }
    }

    /// The byte of the text at which the trouble begins, for every error of reading: the id of a field that is cut, comes
    /// twice or has a bad id; the length that is bad; the checksum's value; the first character too many.
    pub fn offset(&self) -> Option<usize> {
        match self.repr {
            Repr::NotMerchantCode => Some(0),
            Repr::TooLong { at }
            | Repr::BadId { at }
            | Repr::BadLength { at, .. }
            | Repr::CutInHeader { at }
            | Repr::Cut { at, .. }
            | Repr::Duplicate { at, .. }
            | Repr::MissingCrc { at }
            | Repr::WrongCrc { at, .. }
            | Repr::TrailingText { at } => Some(at),
            Repr::Invalid(_) => None,
            #[cfg(feature = "render")]
            Repr::Undrawable(_) => None,
        }
    }

    /// The field concerned, where there is one.
    pub fn field(&self) -> Option<FieldPath> {
        match self.repr {
            Repr::BadLength { path, .. } | Repr::Cut { path, .. } | Repr::Duplicate { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The checksum that the text should have carried, for [`ErrorKind::WrongCrc`].
    pub fn computed_crc(&self) -> Option<u16> {
        match self.repr {
            Repr::WrongCrc { computed, .. } => Some(computed),
            _ => None,
        }
    }

    /// The four characters that the text carries as its checksum, for [`ErrorKind::WrongCrc`].
    pub fn found_crc(&self) -> Option<&str> {
        match &self.repr {
            Repr::WrongCrc { found, .. } => Some(found),
            _ => None,
        }
    }

    /// Everything that is wrong with the values given to a builder, in the order of the fields. Empty for other errors.
    pub fn problems(&self) -> &[Problem] {
        match &self.repr {
            Repr::Invalid(problems) => problems,
            _ => &[],
        }
    }

    pub(crate) fn not_merchant_code() -> QrError {
        Repr::NotMerchantCode.into()
    }

    pub(crate) fn too_long(at: usize) -> QrError {
        Repr::TooLong { at }.into()
    }

    pub(crate) fn bad_id(at: usize) -> QrError {
        Repr::BadId { at }.into()
    }

    pub(crate) fn bad_length(at: usize, path: FieldPath, fault: LengthFault) -> QrError {
        Repr::BadLength { at, path, fault }.into()
    }

    pub(crate) fn cut_in_header(at: usize) -> QrError {
        Repr::CutInHeader { at }.into()
    }

    pub(crate) fn cut(at: usize, path: FieldPath, announced: usize, left: usize) -> QrError {
        Repr::Cut { at, path, announced, left }.into()
    }

    pub(crate) fn duplicate(at: usize, path: FieldPath) -> QrError {
        Repr::Duplicate { at, path }.into()
    }

    pub(crate) fn missing_crc(at: usize) -> QrError {
        Repr::MissingCrc { at }.into()
    }

    pub(crate) fn wrong_crc(at: usize, found: &str, computed: u16) -> QrError {
        Repr::WrongCrc { at, found: found.to_owned(), computed }.into()
    }

    pub(crate) fn trailing_text(at: usize) -> QrError {
        Repr::TrailingText { at }.into()
    }

    pub(crate) fn invalid(problems: Vec<Problem>) -> QrError {
        Repr::Invalid(problems).into()
    }

    #[cfg(feature = "render")]
    pub(crate) fn undrawable(why: Undrawable) -> QrError {
        Repr::Undrawable(why).into()
    }
}

impl From<Repr> for QrError {
    fn from(repr: Repr) -> QrError {
        QrError { repr }
    }
}

impl fmt::Display for QrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repr {
            Repr::NotMerchantCode => {
                f.write_str("not a merchant-presented payment code: the text doesn't begin with 000201")
            }
            Repr::TooLong { at } => {
                write!(f, "a code has at most {MAX_CODE_LENGTH} characters, the text goes on at byte {at}")
            }
            Repr::BadId { at } => write!(f, "two digits of a field's id are expected at byte {at}"),
            Repr::BadLength { at, path, fault } => write!(f, "field {path}: bad length at byte {at}: {fault}"),
            Repr::CutInHeader { at } => write!(f, "cut short: the text ends inside the field that begins at byte {at}"),
            Repr::Cut { at, path, announced, left } => write!(
                f,
                "cut short: the text ends inside field {path}, which begins at byte {at}: \
                 {announced} characters are announced, {left} are left"
            ),
            Repr::Duplicate { at, path } => write!(f, "field {path} comes a second time at byte {at}"),
            Repr::MissingCrc { at } => write!(f, "no checksum: the text ends at byte {at} without field 63"),
            Repr::WrongCrc { at, found, computed } => write!(
                f,
                "wrong checksum at byte {at}: it is {}, the text gives {}; ask for the code again",
                found.escape_debug(),
                crc::spelled(*computed)
            ),
            Repr::TrailingText { at } => write!(f, "text follows the checksum at byte {at}"),
            Repr::Invalid(problems) => {
                f.write_str("the values don't make a code: ")?;
                for (index, problem) in problems.iter().enumerate() {
                    write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            #[cfg(feature = "render")]
            Repr::Undrawable(why) => why.fmt(f),
        }
    }
}

impl fmt::Display for LengthFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LengthFault::NotDigits => f.write_str("it isn't two digits"),
            LengthFault::Zero => f.write_str("it is zero, and a value has at least one character"),
            LengthFault::CrcIsFour { announced } => write!(f, "it is {announced}, and a checksum has 4 characters"),
            LengthFault::Overruns { announced, left } => {
                write!(f, "{announced} characters are announced, the template has {left} left")
            }
            LengthFault::LeftOver { left } => {
                write!(f, "the template ends inside the field that begins here, {left} characters are left")
            }
        }
    }
}

#[cfg(feature = "render")]
impl fmt::Display for Undrawable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undrawable::TextTooLong { bytes } => write!(f, "no QR symbol holds a text of {bytes} bytes"),
            Undrawable::Scale { asked } => {
                write!(f, "a module is drawn with 1 to {} pixels, not {asked}", crate::render::MAX_PIXELS_PER_MODULE)
            }
            Undrawable::Encoder => f.write_str("the picture could not be written"),
        }
    }
}

impl std::error::Error for QrError {}
