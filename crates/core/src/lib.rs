//! The rules of AsaanBill, the Pakistani bill-payment hub, as pure values and functions.
//!
//! # What it is
//!
//! - Values that can't be out of range: [`Psid`], [`Identifier`], [`Title`], [`Amount`], [`DynamicQrAmount`],
//!   [`DueDate`], [`Latitude`], [`Longitude`] and the ids. Each has one door in ([`core::str::FromStr`] or `try_from`),
//!   and an error that names the field, what was wrong and what is allowed, and never the value.
//! - [`NewPayment`]: the four kinds of payment, each constructible only valid, with all errors at once.
//! - [`PaymentStatus`]: the life cycle as one table, in which a repeat ([`Refused::AlreadySo`]) is not a violation.
//! - [`IdentifierState::decide`]: who gets which PSID and whose unpaid bill is discarded.
//! - [`Payment::payable_at`]: what a payer owes at an instant, with the Karachi day and the dynamic QR code's hour.
//!
//! # What it is not
//!
//! It has no I/O, no clock, no randomness and no JSON. Time is an argument; PSIDs are allocated by the caller; rules
//! return a change, and a store commits it. The guide's field names and formats are in `asaanbill-wire`.
//!
//! # Example
//!
//! A second bill on the same identifier takes over the PSID of the first and discards it, unless that was paid.
//!
//! ```
//! use asaanbill_core::{Decision, Fields, IdentifierState, NewPayment, PaymentKind, PsidSource};
//!
//! let fields = Fields {
//!     title: Some("Muhammad Mahd Sheikh"),
//!     identifier: Some("FS-BSCS-095"),
//!     amount: Some("50"),
//!     due_date: Some("2024-03-28"),
//!     amount_after_due_date: Some("55"),
//!     ..Fields::default()
//! };
//! let bill = NewPayment::parse(PaymentKind::Psid, &fields)?;
//! assert_eq!(bill.identifier().map(|i| i.as_str()), Some("FS-BSCS-095"));
//!
//! let first = "25".parse()?;
//! let before = IdentifierState::Unused;
//! assert_eq!(before.decide(first), Decision::Approve { psid: PsidSource::Allocate, discard: None });
//!
//! let psid = "100139100100154854584585".parse()?;
//! let after = before.after_approval(first, psid);
//! let second = "26".parse()?;
//! assert_eq!(
//!     after.decide(second),
//!     Decision::Approve { psid: PsidSource::TakeOver(psid), discard: Some(first) },
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

/// The README's example is tested with the crate's own.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod new_payment;
mod payment;
mod status;

mod payable;
mod reuse;

mod amount;
mod date;
mod geo;
mod id;
mod identifier;
mod psid;
mod title;

mod bounds;
mod error;
mod text;

pub use amount::{AMOUNT_FRACTION_DIGITS, AMOUNT_INTEGER_DIGITS, Amount, DYNAMIC_QR_AMOUNT, DynamicQrAmount};
pub use bounds::Bounds;
pub use date::{DueDate, KARACHI, karachi_date, karachi_time};
pub use error::{Field, FieldError, InvalidPayment, Problem, Shape};
pub use geo::{COORDINATE_FRACTION_DIGITS, GeoPoint, LATITUDE, LONGITUDE, Latitude, Longitude};
pub use id::{BulkRequestId, ChannelId, PaymentId};
pub use identifier::Identifier;
pub use new_payment::{Bill, DynamicQr, Fields, NewPayment, OpenQr, PaymentKind};
pub use payable::{DYNAMIC_QR_LIFETIME, Due, Unpayable};
pub use payment::{Change, PayRefused, Payment, Settlement, Stage};
pub use psid::{PSID_DIGITS, Psid};
pub use reuse::{
    Assigned, BULK_ROWS_MAX, BatchError, Decision, IdentifierState, Outcome, PsidSource, TooManyRows, decide_batch,
};
pub use status::{Event, InvalidTransition, PaymentStatus, Refused};
pub use text::TEXT_MAX_CHARS;
pub use title::{Description, Title};
