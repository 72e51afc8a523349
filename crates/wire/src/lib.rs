//! The JSON of the AsaanBill integration guide: every request, answer and call-back, in both directions.
//!
//! # What it is
//!
//! - [`Endpoint`]: the table of operations that a client and a hub share, with method, path and permission.
//! - [`Envelope`]: what surrounds every answer, also an error.
//! - Requests ([`LoginRequest`], [`AddRequest`], [`BulkRequest`]), answers ([`LoginAnswer`], [`AddedPayment`],
//!   [`BulkAnswer`], [`BulkSummary`], [`BulkDetail`], [`ListedPayment`], in a [`Page`] where there are many) and
//!   call-backs ([`Processed`], [`BulkApproved`], [`Acknowledgement`]).
//!
//! **Written strictly, read tolerantly.** The guide writes one thing in several ways: amounts as numbers and strings, days
//! in two orders, time stamps in two spellings, one of its samples has a 31st of June. So a scalar is kept as it came
//! ([`Money`], [`Day`], [`Stamp`], [`StatusText`], [`Scalar`]) and interpreted when asked; unknown fields are ignored, and
//! nothing that one field holds makes a whole page fail. Numbers are read from their digits: no binary float ever touches
//! an amount.
//!
//! # What it is not
//!
//! It sends nothing and decides nothing: transport is `asaanbill-transport`'s, rules are `asaanbill-core`'s. Types read
//! from text, by [`serde_json::from_str`].
//!
//! # Example
//!
//! ```
//! use asaanbill_core::{Fields, NewPayment, PaymentKind, PaymentStatus};
//! use asaanbill_wire::{AddRequest, AddedPayment, Envelope};
//!
//! let open = Fields { title: Some("Ali Tuck Shop"), identifier: Some("ali-tuck-shop-1"), ..Fields::default() };
//! let open = NewPayment::parse(PaymentKind::OpenQr, &open)?;
//! assert_eq!(
//!     serde_json::to_string(&AddRequest::from(&open))?,
//!     r#"{"payment":{"title":"Ali Tuck Shop","identifier":"ali-tuck-shop-1"}}"#,
//! );
//!
//! let answer = r#"{"responseCode":200,"responseMessage":"Request processed successfully",
//!     "data":{"id":25,"amount":1.0E7,"dueDate":"10-01-2025","psid":"100139100100154854584585","status":"APPROVED"}}"#;
//! let added: AddedPayment = Envelope::read(answer)?.data()?;
//! assert_eq!(added.amount.and_then(|a| a.amount()), Some("10000000".parse()?));
//! assert_eq!(added.due_date.and_then(|d| d.date()).map(|d| d.to_string()), Some("2025-01-10".into()));
//! assert_eq!(added.status.and_then(|s| s.status()), Some(PaymentStatus::Approved));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

/// The README's example is tested with the crate's own.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod endpoint;
mod envelope;

mod add;
mod bulk;
mod callback;
mod login;
mod page;
mod payment;

mod date;
mod decimal;
mod object;
mod request_text;
mod scalar;
mod status;

mod error;
mod message;

pub use add::{AddRequest, AddRequestFields, AddedPayment, GENERATION_TYPES, generation_type, read_generation_type};
pub use bulk::{
    BulkAnswer, BulkBody, BulkDetail, BulkEcho, BulkPayment, BulkRequest, BulkRow, BulkStatus, BulkSummary,
    CONTENT_TYPE, CONTENT_TYPE_CSV, CONTENT_TYPE_JSON,
};
pub use callback::{
    ACKNOWLEDGED, Acknowledgement, BULK_APPROVED_PATH, BulkApproved, NotAcknowledged, PROCESSED_PATH, Processed,
};
pub use date::{Day, Stamp};
pub use decimal::Money;
pub use endpoint::{CHANNEL_HEADER, Endpoint, Permission, SEGMENT, STAGING_BASE, TOKEN_HEADER, USERNAME_HEADER};
pub use envelope::{Envelope, SUCCESS};
pub use error::WireError;
pub use login::{LoginAnswer, LoginChannel, LoginRequest, LoginUser};
pub use message::{Message, field_name, refusal};
pub use page::{BulkPage, Item, PAGE_NO, PAGE_SIZE, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, Page, PageError, PageRequest};
pub use payment::ListedPayment;
pub use request_text::{Literals, NotText, RequestText};
pub use scalar::{Private, Raw, Scalar};
pub use status::{RowStatus, StatusText, status_text};
