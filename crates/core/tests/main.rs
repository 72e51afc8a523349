//! The rules at work on a small ledger: tables that a person in billing could read, and properties.

mod invariants;
mod ledger;
mod reuse_table;
