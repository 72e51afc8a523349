//! Faults on demand: what a hub does to its clients on a bad day, as often as a test asks for it.
//!
//! [`Faults`] says how one is asked for.

mod kind;
mod rule;

mod asked;
mod faults;

mod body;
mod damage;

pub use faults::{ArmedFault, Faults, FiredBy, FiredFault};
pub use kind::FaultKind;
pub use rule::{Fault, FaultError, FaultId};

pub(crate) use asked::FAULT_HEADER;
pub(crate) use body::{Cut, Drip};
pub(crate) use damage::damage;
pub(crate) use faults::{Asking, FIRED_MAX};
pub(crate) use kind::SPECS;
pub(crate) use rule::{NTH, SHARE, TIMES};
