//! `cargo xtask deep`: what takes longer than a gate may, or needs a program that few people have.

use std::error::Error;

use crate::run;
use crate::test;
use crate::workspace::Workspace;

/// One of them.
pub(crate) struct Deep {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The cargo command that somebody else wrote, and how to get it. `None`: cargo itself.
    program: Option<(&'static str, &'static str)>,
    /// What cargo is asked; what the person adds comes after it. Empty: every test.
    line: &'static [&'static str],
    set: Option<(&'static str, &'static str)>,
}

/// All of them.
pub(crate) const DEEP: &[Deep] = &[
    Deep {
        name: "seeds",
        about: "every test, with a hundred times as many random cases",
        program: None,
        line: &[],
        // proptest's default is 256.
        set: Some(("PROPTEST_CASES", "25600")),
    },
    Deep {
        name: "features",
        about: "each feature of each crate alone, by cargo-hack",
        program: Some(("hack", "cargo install cargo-hack --locked")),
        line: &["hack", "check", "--workspace", "--each-feature", "--no-dev-deps"],
        set: None,
    },
    Deep {
        name: "coverage",
        about: "which lines no test runs, by cargo-llvm-cov; writes target/lcov.info",
        program: Some(("llvm-cov", "rustup component add llvm-tools, and cargo install cargo-llvm-cov --locked")),
        line: &["llvm-cov", "--workspace", "--lcov", "--output-path", "target/lcov.info"],
        set: None,
    },
    Deep {
        name: "mutants",
        about: "whether a changed line fails a test, by cargo-mutants; -- --shard 0/8",
        program: Some(("mutants", "cargo install cargo-mutants --locked")),
        line: &["mutants", "--workspace", "--no-shuffle", "--output", "target"],
        set: None,
    },
    Deep {
        name: "advisories",
        about: "known weaknesses of what we depend on, by cargo-deny; needs the network",
        program: Some(("deny", crate::deny::GET)),
        line: &["deny", "--workspace", "--all-features", "check", "advisories"],
        set: None,
    },
];

/// Runs one. An absent program is a failure here: whoever asks for it wants it.
pub(crate) fn deep(name: &str, more: &[String]) -> Result<bool, Box<dyn Error>> {
    let one = DEEP.iter().find(|one| one.name == name).ok_or("no such deep check")?;
    let workspace = Workspace::load()?;
    if let Some((program, get)) = one.program
        && run::output(&mut run::cargo(&workspace.root, [program, "--version"])).is_err()
    {
        println!("xtask deep: cargo-{program} is not here. To get it: {get}");
        return Ok(false);
    }
    if one.line.is_empty() {
        return test::test_with(one.set, more);
    }
    let mut command = run::cargo(&workspace.root, one.line);
    command.envs(one.set);
    let passed = run::passes(command.args(more))?;
    println!("xtask deep: {name}: {}", if passed { "passed" } else { "FAILED" });
    Ok(passed)
}
