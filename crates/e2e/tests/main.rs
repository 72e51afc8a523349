//! A bill's whole life, and lost answers, with nothing pretended but the bank.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a seed is of use to whoever repeats a failure")]

mod relay;

#[cfg(feature = "postgres-tests")]
#[allow(dead_code, reason = "storage's own; not all of it is used here")]
#[path = "../../storage/tests/cluster.rs"]
mod cluster;

#[cfg(unix)]
mod crash;
mod cutter;
mod examples;
mod faults;
mod import;
mod life;
mod privacy;
mod random;
#[cfg(feature = "postgres-tests")]
mod receivers;
mod schedules;
mod staging;
mod suite;
