//! What each answer, and each lost answer, means.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(all(feature = "hyper", feature = "reqwest"))]
mod hostile;
mod hub;
mod journal;
mod login;
mod messages;
mod once;
mod reading;
#[cfg(feature = "record")]
mod replay;
mod retries;
mod verdicts;
