//! Everything that is sent, and everything that may come.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;
mod hostile;
mod messages;
mod requests;
mod written_as_read;
