//! `cargo xtask deep`: what takes longer than a gate may, or needs a program that few people have.

use std::error::Error;

use crate::fuzz;
use crate::run;
use crate::test;
use crate::workspace::Workspace;

/// One of them.
pub(crate) struct Deep {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    how: How,
}

/// How it is done.
enum How {
    /// Every test, with a variable set.
    Tests(&'static str, &'static str),
    /// What cargo is asked, by a command that somebody else wrote; what the person adds comes after it.
    Cargo { program: &'static str, get: &'static str, line: &'static [&'static str] },
    /// libFuzzer.
    Fuzz,
}

/// All of them.
pub(crate) const DEEP: &[Deep] = &[
    Deep {
        name: "seeds",
        about: "every test, with a hundred times as many random cases",
        // proptest's default is 256. Tests that try more or fewer cases take their part of it.
        how: How::Tests("PROPTEST_CASES", "25600"),
    },
    Deep {
        name: "fuzz",
        about: "libFuzzer on every parser, a minute each; -- TARGET -max_total_time=600",
        how: How::Fuzz,
    },
    Deep {
        name: "features",
        about: "each feature of each crate alone, by cargo-hack",
        how: How::Cargo {
            program: "hack",
            get: "cargo install cargo-hack --locked",
            line: &["hack", "check", "--workspace", "--each-feature", "--no-dev-deps"],
        },
    },
    Deep {
        name: "coverage",
        about: "which lines no test runs, by cargo-llvm-cov; writes target/lcov.info",
        how: How::Cargo {
            program: "llvm-cov",
            get: "rustup component add llvm-tools, and cargo install cargo-llvm-cov --locked",
            line: &["llvm-cov", "--workspace", "--lcov", "--output-path", "target/lcov.info"],
        },
    },
    Deep {
        name: "mutants",
        about: "whether a changed line fails a test, by cargo-mutants; -- --shard 0/8",
        how: How::Cargo {
            program: "mutants",
            get: "cargo install cargo-mutants --locked",
            line: &["mutants", "--workspace", "--no-shuffle", "--output", "target"],
        },
    },
    Deep {
        name: "advisories",
        about: "known weaknesses of what we depend on, by cargo-deny; needs the network",
        how: How::Cargo {
            program: "deny",
            get: crate::deny::GET,
            line: &["deny", "--workspace", "--all-features", "check", "advisories"],
        },
    },
];

/// Runs one. An absent program is a failure here: whoever asks for it wants it.
pub(crate) fn deep(name: &str, more: &[String]) -> Result<bool, Box<dyn Error>> {
    let one = DEEP.iter().find(|one| one.name == name).ok_or("no such deep check")?;
    let workspace = Workspace::load()?;
    let (program, get, line) = match one.how {
        How::Tests(variable, value) => return test::test_with(Some((variable, value)), more),
        How::Fuzz => return fuzz::fuzz(&workspace, more),
        How::Cargo { program, get, line } => (program, get, line),
    };
    if run::output(&mut run::cargo(&workspace.root, [program, "--version"])).is_err() {
        println!("xtask deep: cargo-{program} is not here. To get it: {get}");
        return Ok(false);
    }
    let mut command = run::cargo(&workspace.root, line);
    let passed = run::passes(command.args(more))?;
    println!("xtask deep: {name}: {}", if passed { "passed" } else { "FAILED" });
    Ok(passed)
}
