//! Faults on demand: what a hub does to its clients on a bad day, as often as a test asks for it.
//!
//! Faults befall the eight operations only, never the simulator's own pages. There are three ways to ask for one, and a
//! request has at most one, looked for in this order:
//!
//! 1. **By header**: `x-sim-fault: status;code=503`, on the request that it befalls.
//! 2. **By magic value**: an `identifier` or `title` that begins with `fault:`, a fault, and a colon or the end, such as
//!    `fault:reset-after-commit:INV-7`. It befalls each request that holds it, so it goes through any client in any
//!    language. In a batch the first one counts. The value is written plainly: one with JSON escapes in it is no magic.
//! 3. **By rule** ([`Fault`]), armed with [`Faults::arm`] or `POST /_sim/faults`: the next ones, the nth from now, or a
//!    seeded share. Every rule counts each request of its operation that has no fault by header or magic value. If
//!    several are due, the oldest fires, and the others stay due.
//!
//! A strict simulator knows rules only: headers and values mean to it what they mean to a hub.

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
