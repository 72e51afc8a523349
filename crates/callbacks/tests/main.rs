//! Call-backs in, effects out, beside a hub in memory and on a clock that the test moves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hub;
mod ledger;
mod world;

mod accepting;
mod confirming;
mod durability;
mod exactly_once;
mod handling;
mod outages;
mod privacy;
mod records;
mod sockets;
