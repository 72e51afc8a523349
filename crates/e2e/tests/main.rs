//! A bill's whole life, and lost answers, with nothing pretended but the bank.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod import;
mod life;
mod privacy;
mod random;
mod schedules;
mod suite;
