//! Releases of a made-up workspace into a registry, a remote repository and a forge of the tests' own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod registry;
mod world;

mod api;
mod cargo_agrees;
mod cut_off;
mod faults;
mod steps;
mod whole;
