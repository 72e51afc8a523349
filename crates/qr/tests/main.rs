//! The crate's face: what its users see.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod messages;
mod properties;
mod vectors;

#[cfg(feature = "render")]
mod drawing;
