//! What is fed with arbitrary bytes: everything that reads what somebody else wrote, and the simulator behind its doors.
//!
//! A target takes any bytes and panics if a promise is broken: no parser panics, what was read is written and read again the same,
//! the hub answers every request in its envelope and never with its own failure. `cargo xtask deep fuzz` feeds them with what
//! libFuzzer finds (`fuzz/engine`); `tests` with their seeds, damaged seeds and random bytes, on every run.
//!
//! Modules in reading order: `core_values`, `qr`, `wire`, `callback` and `cassette` read; `house` is a simulator, `onebill` and `hub`
//! are its doors.
//!
//! ```
//! let target = asaanbill_fuzz::target("qr").expect("there is one");
//! (target.run)(b"00020101021129300012D156000000000510A93FO3230Q");
//! ```

mod core_values;
mod qr;

mod callback;
mod cassette;
mod wire;

mod house;
mod hub;
mod onebill;

use std::sync::OnceLock;

/// One thing that is fed.
#[derive(Debug)]
pub struct Target {
    /// Its name: of its folder in `fuzz/seeds`, and for `cargo xtask deep fuzz`.
    pub name: &'static str,
    /// The folders, from the workspace's root, with what it is fed first.
    pub seeds: &'static [&'static str],
    /// Feeds it. Panics if a promise is broken.
    pub run: fn(&[u8]),
}

/// All of them. `cargo xtask deep fuzz` reads the names from here.
pub const TARGETS: &[Target] = &[
    Target { name: "core", seeds: &["fuzz/seeds/core"], run: core_values::run },
    Target { name: "qr", seeds: &["fuzz/seeds/qr"], run: qr::run },
    Target { name: "wire", seeds: &["crates/wire/fixtures/guide", "crates/wire/fixtures/odd"], run: wire::run },
    Target { name: "callback", seeds: &["crates/wire/fixtures/guide", "crates/wire/fixtures/odd"], run: callback::run },
    Target { name: "cassette", seeds: &["fuzz/seeds/cassette"], run: cassette::run },
    Target { name: "onebill", seeds: &["fuzz/seeds/onebill"], run: onebill::run },
    Target { name: "hub", seeds: &["fuzz/seeds/hub"], run: hub::run },
];

/// Tells the engine which target it feeds: one engine is built for all.
pub const TARGET_VARIABLE: &str = "ASAANBILL_FUZZ_TARGET";

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Feeds the target that [`TARGET_VARIABLE`] names.
///
/// # Panics
///
/// If it names none, or if the target's promise is broken.
pub fn run(data: &[u8]) {
    static CHOSEN: OnceLock<&Target> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var(TARGET_VARIABLE).unwrap_or_default();
        target(&name).unwrap_or_else(|| panic!("{TARGET_VARIABLE} names no target: {name:?}"))
    });
    (chosen.run)(data);
}
