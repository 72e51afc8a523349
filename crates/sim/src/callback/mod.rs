//! Call-backs out: the sending of one, and when and in what shape it is sent.
//!
//! Nothing here knows a store, a queue or a clock of the hub's. Whoever has a call-back to send asks [`plan()`] what is
//! really sent for it, [`schedule`] when, and [`send`] to do it once; what became of it comes back as a [`Diagnosis`],
//! which keeps neither the receiver's path nor its answer.

mod diagnosis;
mod disturb;
mod plan;
mod schedule;
mod send;
mod target;
mod url;

mod answer;
mod connect;
mod draw;
mod forge;
mod resolve;
mod tls;
mod watched;

#[cfg(test)]
mod tests;

#[cfg(test)]
use diagnosis::TlsFault;

pub(crate) use diagnosis::Diagnosis;
pub(crate) use disturb::{Disturbance, DisturbanceSettings, Share};
pub(crate) use draw::draw;
pub(crate) use plan::{Delivery, DeliveryKind, Event, plan};
pub(crate) use schedule::Schedule;
pub(crate) use send::{Attempt, Sender};
pub use send::{CALLBACK_ANSWER_MAX, CALLBACK_DEADLINE};
pub(crate) use target::{TargetPolicy, TargetPolicyError};
pub(crate) use tls::{AuthorityError, Trust};
pub(crate) use url::{CallbackUrl, CallbackUrlError};
