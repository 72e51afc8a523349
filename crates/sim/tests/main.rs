//! The simulator as an integrator and a bank meet it: in this process, over sockets, and after a restart.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a seed is of use to whoever repeats a failure")]

// Shared with the engine's own tests: each program that needs a server starts one.
mod audit;
#[cfg(feature = "postgres-tests")]
#[path = "../../storage/tests/cluster.rs"]
#[allow(dead_code, unreachable_pub, reason = "the engine's own tests use more of it")]
mod cluster;
mod disk;
mod hub;
mod receiver;
mod recorder;
mod stores;
mod story;
mod traffic;

mod checks;
mod paths;

mod adding;
mod bodies;
mod formats;
mod settings;

mod messages;

mod admin;

mod reuse;

mod bulk;
mod bulk_later;
mod reading;

mod bank;
mod onebill;

mod call_backs;
mod disturbances;
mod receivers;
mod receivers_tls;
mod schedule;
mod workers;

mod durability;
mod secrets;
mod serving;
mod sockets;

mod faults;
mod faults_armed;
mod journal;

mod invariants;
mod linear;
mod model;
mod seeded;
mod totals;

mod crash;
#[cfg(feature = "postgres-tests")]
mod instances;
