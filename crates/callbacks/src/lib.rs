//! A receiver for AsaanBill call-backs that loses none and believes no forged one.
//!
//! # The problem
//!
//! The hub's call-backs are unsigned, have no number and no time, and are not repeated. Anybody can send one. One that is
//! acknowledged and then lost is lost for good.
//!
//! # What it is
//!
//! [`Receiver`]: a call-back is stored durably, then acknowledged, then **confirmed with the hub's own records**, and only
//! what those say reaches your [`Handler`], once for each paid record.
//!
//! 1. Accept: parse, one durable insert, `{"responseCode":200}`. What can't be stored is not acknowledged.
//! 2. Confirm: ask the hub for the PSID's records. Paid and matching: an effect with a permanent key. Not yet paid: ask
//!    again later. Other amounts, or no such PSID: kept, and never handled.
//! 3. Handle: [`ConfirmedPayment`] and [`ConfirmedBulk`] can be made by the confirmer only.
//!
//! A [`Handler`] runs **at least once** for each effect; the effect key tells a repeat. A [`SqliteHandler`] or
//! `PostgresHandler` (feature `postgres`) writes in the inbox's own transaction, and has its effect **exactly once**.
//!
//! Two payments of one PSID and one amount, as on an open QR code, have call-backs that look alike. Each call-back stands for
//! a paid record that none stood for before it; one too many is a [`ReceiptState::Duplicate`]. While the PSID can still be
//! paid, it first waits whether that payment comes.
//!
//! A [`Sweep`] of the hub's records finds payments that no call-back announced. A path secret and an allow-list keep rubbish
//! out of the inbox; [`Limits`] bound what a flood can do. [`Receiver::health`] says what is stuck and what to do about it.
//!
//! # What it is not
//!
//! It ends no TLS: that is a proxy's before it. It keeps no order among events. It doesn't know what was paid before it ran,
//! unless its sweep is told to look back.
//!
//! # Example
//!
//! ```no_run
//! use asaanbill_callbacks::{Confirmed, Handler, HandlerError, Location, Receiver};
//! use asaanbill_client::Client;
//! use async_trait::async_trait;
//!
//! struct Ledger;
//!
//! #[async_trait]
//! impl Handler for Ledger {
//!     async fn handle(&self, event: Confirmed) -> Result<(), HandlerError> {
//!         if let Confirmed::Payment(paid) = &event {
//!             println!("{} is paid: {:?}", paid.effect_key(), paid.record().psid());
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder().credentials("<your user name>", "<your password>").build()?;
//! let receiver = Receiver::builder(Location::File("inbox.db".into()), client, Ledger).build().await?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! receiver.serve(listener, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```

/// The README's example is tested with the crate's own.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod builder;
mod receiver;
mod settings;

mod guard;
mod serve;

mod confirm;
mod confirmer;

mod dispatcher;
mod sweeper;

mod event;
mod handler;
mod hub;
mod record;

mod health;
mod metrics;
mod receipt;

mod asking;
mod clock;
mod core;
mod store;

mod error;

pub use asaanbill_storage::Location;
#[cfg(feature = "postgres")]
pub use asaanbill_storage::PostgresTransaction;
pub use asaanbill_storage::rusqlite;
pub use asaanbill_wire::{PageRequest, Processed};
pub use builder::ReceiverBuilder;
pub use confirmer::{CONFIRM_ATTEMPTS_UNKNOWN, CONFIRM_DELAYS_SECONDS};
pub use dispatcher::{HANDLE_ATTEMPTS_MAX, HANDLE_BACKOFF};
pub use error::{ReceiverError, ReceiverErrorKind};
pub use event::{Confirmed, ConfirmedBulk, ConfirmedPayment, Notice};
pub use guard::{PATH_SECRET_MAX, PATH_SECRET_MIN};
#[cfg(feature = "postgres")]
pub use handler::PostgresHandler;
pub use handler::{Handler, HandlerError, Handling, SqliteHandler};
pub use health::{Health, Stuck, StuckKind};
pub use hub::{HubError, HubRecords};
pub use ipnet::IpNet;
pub use receipt::{EffectView, History, RECEIPTS_MAX, Receipt, ReceiptState, SWEPT_PATH, Step};
pub use receiver::{DRAIN_TIMEOUT, Receiver, Redrive};
pub use record::{BulkRecord, PaymentRecord, RecordPage};
pub use serve::{CALLBACK_BODY_MAX, CONNECTIONS_MAX, bind};
pub use settings::{
    ACCEPT_TIMEOUT, ACCEPT_TIMEOUT_MAX, LOOKUPS_AT_ONCE, LOOKUPS_PER_SECOND, Limits, RETENTION, SWEEP_EVERY, Sweep,
    UNRESOLVED_MAX, UNRESOLVED_PER_SOURCE_MAX,
};
#[cfg(feature = "postgres")]
pub use store::PostgresUrl;
pub use store::{Inbox, InboxError};
