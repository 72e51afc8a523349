//! A bill's whole life, and lost answers, with nothing pretended but the bank.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod life;
