//! The rules at work on a small ledger: tables that a person in billing could read, and properties.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod invariants;
mod ledger;
mod messages;
mod reuse_table;
