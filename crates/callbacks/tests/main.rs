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

#[cfg(feature = "postgres-tests")]
#[path = "../../storage/tests/proxy.rs"]
mod proxy;

mod accepting;
mod confirming;
mod draining;
mod durability;
mod exactly_once;
#[cfg(unix)]
mod flooding;
mod full;
mod guarding;
mod handling;
mod messages;
#[cfg(feature = "postgres-tests")]
mod lost;
mod operating;
mod outages;
mod privacy;
mod product;
mod records;
mod sockets;
mod sweeping;
