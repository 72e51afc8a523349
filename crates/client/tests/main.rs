//! What each answer, and each lost answer, means.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hub;
mod journal;
mod login;
mod once;
mod reading;
mod retries;
mod verdicts;
