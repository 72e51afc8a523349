//! Call-backs in, effects out, beside a hub in memory and on a clock that the test moves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a seed is of use to whoever repeats a failure")]

mod hub;
mod ledger;
mod world;

#[cfg(feature = "postgres-tests")]
#[allow(dead_code, reason = "storage's own; not all of it is used here")]
#[path = "../../storage/tests/cluster.rs"]
mod cluster;

mod accepting;
mod confirming;
#[cfg(unix)]
mod crash;
mod durability;
mod exactly_once;
mod guarding;
mod handling;
mod messages;
mod outages;
mod privacy;
mod product;
mod records;
mod sockets;
