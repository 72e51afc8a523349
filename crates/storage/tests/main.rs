//! The engines on real files and real servers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod messages;

mod queue;

mod sqlite;

#[cfg(feature = "postgres-tests")]
mod postgres;

#[cfg(feature = "postgres-tests")]
mod cluster;

#[cfg(feature = "postgres-tests")]
mod proxy;
