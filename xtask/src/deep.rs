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
    /// What cargo is asked, by a command that somebody else wrote; what the person adds comes after it. An exit code among
    /// `findings` says that there is something to read, not that something is wrong.
    Cargo { program: &'static str, get: &'static str, line: &'static [&'static str], findings: &'static [i32] },
    /// libFuzzer.
    Fuzz,
}

/// What cargo-mutants ends with if no test noticed some of its changes.
const MUTANTS_SURVIVED: i32 = 2;

/// What it ends with if the tests didn't end under some.
const MUTANTS_WITHOUT_END: i32 = 3;

/// All of them.
pub(crate) const DEEP: &[Deep] = &[
    Deep {
        name: "seeds",
        about: "every test, with ten times as many random cases; -- NAME for some of them",
        // proptest's default is 256. Tests that try more or fewer cases take their part of it. A hundred times would take one test
        // alone five hours.
        how: How::Tests("PROPTEST_CASES", "2560"),
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
            line: &["hack", "check", "--workspace", "--each-feature"],
            findings: &[],
        },
    },
    Deep {
        name: "coverage",
        about: "which lines no test runs, by cargo-llvm-cov; writes target/lcov.info",
        how: How::Cargo {
            program: "llvm-cov",
            get: "rustup component add llvm-tools, and cargo install cargo-llvm-cov --locked",
            line: &["llvm-cov", "--workspace", "--lcov", "--output-path", "target/lcov.info"],
            findings: &[],
        },
    },
    Deep {
        name: "mutants",
        about: "which changes of a line no test notices, by cargo-mutants; writes target/mutants.out; -- --shard 0/56",
        how: How::Cargo {
            program: "mutants",
            get: "cargo install cargo-mutants --locked",
            line: &["mutants", "--workspace", "--no-shuffle", "--output", "target"],
            findings: &[MUTANTS_SURVIVED, MUTANTS_WITHOUT_END],
        },
    },
    Deep {
        name: "advisories",
        about: "known weaknesses of what we depend on, by cargo-deny; needs the network",
        how: How::Cargo {
            program: "deny",
            get: crate::deny::GET,
            line: &["deny", "--workspace", "--all-features", "check", "advisories"],
            findings: &[],
        },
    },
];

/// Runs one. An absent program is a failure here: whoever asks for it wants it.
pub(crate) fn deep(name: &str, more: &[String]) -> Result<bool, Box<dyn Error>> {
    let one = DEEP.iter().find(|one| one.name == name).ok_or("no such deep check")?;
    let workspace = Workspace::load()?;
    let (program, get, line, findings) = match one.how {
        How::Tests(variable, value) => return test::test_with(Some((variable, value)), more),
        How::Fuzz => return fuzz::fuzz(&workspace, more),
        How::Cargo { program, get, line, findings } => (program, get, line, findings),
    };
    if run::output(&mut run::cargo(&workspace.root, [program, "--version"])).is_err() {
        println!("xtask deep: cargo-{program} is not here. To get it: {get}");
        return Ok(false);
    }
    let mut command = run::cargo(&workspace.root, line);
    let code = run::exit_code(command.args(more))?;
    let (passed, verdict) = match code {
        Some(0) => (true, "passed"),
        Some(code) if findings.contains(&code) => (true, "ran to its end; what it found stands above"),
        _ => (false, "FAILED"),
    };
    println!("xtask deep: {name}: {verdict}");
    Ok(passed)
}
