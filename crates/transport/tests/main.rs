//! The crate's face: every transport passes the contract, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod headers;
#[cfg(all(feature = "contract", feature = "hyper"))]
mod hyper;
#[cfg(feature = "contract")]
mod in_process;
mod messages;
#[cfg(all(feature = "contract", feature = "reqwest"))]
mod reqwest;

#[cfg(all(feature = "contract", feature = "__rustls", any(feature = "reqwest", feature = "hyper")))]
mod authority;
#[cfg(feature = "record")]
mod record;
