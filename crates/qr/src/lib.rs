//! EMVCo merchant-presented and Raast P2M QR codes: build, parse, check and draw.
//!
//! A merchant's payment code is one line of text: data objects of a two-digit id, a two-digit length and a value, and a
//! checksum over all of it at the end. This crate reads such a line into a [`MerchantCode`], writes it back byte for byte,
//! and builds new ones, with the Pakistani Raast fields (account, due date, amount after the due date) by name.
//!
//! ```
//! use asaanbill_qr::{Initiation, MerchantCode, RAAST_PLACEHOLDER_GUID, RaastAccount, RaastDate};
//!
//! let account = RaastAccount::new(RAAST_PLACEHOLDER_GUID, "SCBLPKKX", "PK36SCBL0000001123456702")?;
//! let code = MerchantCode::builder()
//!     .initiation(Initiation::Static)
//!     .raast(&account)
//!     .category("8220")
//!     .name("Muhammad Mahd Sheikh")
//!     .city("Islamabad")
//!     .amount("50.00")
//!     .bill_number("FS-BSCS-095")
//!     .due_date(RaastDate::new(2025, 8, 31)?)
//!     .amount_after_due_date("55.00")
//!     .build()?;
//! let text = code.to_string();
//! assert!(text.starts_with("000201010211") && text.ends_with("630443EE"));
//!
//! // The payer's side: the same code, read back.
//! let read = MerchantCode::parse(&text)?;
//! assert_eq!(read, code);
//! assert_eq!(read.amount(), Some("50.00"));
//! let raast = read.raast().expect("a Raast account is in field 28");
//! assert_eq!(raast.bic(), Some("SCBLPKKX"));
//! assert_eq!(raast.due_date(), Some("31082025"));
//! # Ok::<(), asaanbill_qr::QrError>(())
//! ```
//!
//! # A code that can't be read
//!
//! [`MerchantCode::parse`] refuses with a [`QrError`] that says what is wrong and at which byte. Who may not lose the
//! text, as when a hub's record holds a code that was cut short, reads it as [`Scanned`]: it is either a code or the text
//! as it came together with the reason.
//!
//! ```
//! use asaanbill_qr::{ErrorKind, Scanned};
//!
//! let scanned = Scanned::read("00020101021128560012D156000000000108o");
//! assert_eq!(scanned.reason().map(|reason| reason.kind()), Some(ErrorKind::Cut));
//! assert_eq!(scanned.reason().and_then(|reason| reason.offset()), Some(12));
//! assert_eq!(scanned.to_string(), "00020101021128560012D156000000000108o");
//! ```
//!
//! # Strict and tolerant
//!
//! Reading asks for what makes a code trustworthy: it begins with `000201`, its data objects fill the text exactly, no
//! id comes twice, the checksum is last and right, and the templates that EMVCo defines (26 to 51, 62, 64) hold data
//! objects again. Everything else is kept as it came, in its order, unknown fields included;
//! [`MerchantCode::departures`] lists what doesn't follow EMVCo's rules. Building asks for all of the rules, and reports
//! all that is wrong at once through [`QrError::problems`].
//!
//! # What this crate is not
//!
//! - No network, no clock, no randomness: whether an account exists or a bill is overdue is for others to know.
//! - No arithmetic: an amount is text, and `50.00` stays `50.00`.
//! - No consumer-presented codes, and no person-to-person Raast codes, which begin with `000202`.
//! - No scanner: it reads the text that a scanner gives.
//!
//! # Features
//!
//! - `render` (off by default): `Symbol` draws a code as SVG, PNG or terminal text.
//!
//! # Privacy
//!
//! A bill's code holds the bill's title, an account number and a payer's identifier. `Debug` of every type here, and
//! every error, leaves these values out. `Display` of a code is the code itself, and [`MerchantCode::describe`] shows
//! everything: both are for the people concerned, not for logs.

mod merchant;

mod builder;
mod raast;

mod name;
mod scanned;

mod describe;
mod field;
mod problem;
mod rules;

mod crc;
mod tlv;

#[cfg(feature = "render")]
mod render;

mod error;

pub use builder::MerchantCodeBuilder;
pub use error::{ErrorKind, QrError};
pub use field::{
    Additional, MAX_AMOUNT_LENGTH, MAX_BILL_NUMBER_LENGTH, MAX_CITY_LENGTH, MAX_CODE_LENGTH, MAX_NAME_LENGTH,
    MAX_POSTAL_CODE_LENGTH, MAX_VALUE_LENGTH,
};
pub use merchant::{Initiation, Language, MerchantCode, Tip};
pub use name::MerchantName;
pub use problem::{Problem, Reason};
pub use raast::{RAAST_PLACEHOLDER_GUID, Raast, RaastAccount, RaastDate};
#[cfg(feature = "render")]
pub use render::{Background, MAX_PIXELS_PER_MODULE, Symbol};
pub use scanned::Scanned;
pub use tlv::{DataObject, DataObjects, FieldPath, Id, Template};

/// The examples of the README are tests too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
