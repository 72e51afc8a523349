//! `cargo xtask deep fuzz`: libFuzzer feeds each target of `fuzz/` for a while.
//!
//! No nightly compiler and no cargo-fuzz: the counters in each branch are LLVM's own pass, which the stable compiler runs, and the
//! sanitizers, which it doesn't, look for what safe Rust can't do. See docs/adr/0010-fuzzing.md.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::dist::host;
use crate::run;
use crate::workspace::Workspace;

/// The targets are read from the text of the package that has them.
const TARGETS: &str = "fuzz/src/lib.rs";

/// What tells the engine its target: the same package's `TARGET_VARIABLE`.
const TARGET_VARIABLE: &str = "ASAANBILL_FUZZ_TARGET";

/// The engine, a workspace of its own.
const ENGINE: &str = "fuzz/engine/Cargo.toml";

/// What cargo-fuzz asks of the compiler, without its sanitizer: a counter in each branch, and a word with each comparison. The last
/// option is ours: a comparison with a short text stays a call of `bcmp`, where libFuzzer learns both sides. Taken apart into loads, it
/// would tell that they differ and no more, and a key of JSON would be found by chance or never.
const COUNTERS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                        -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-max-loads-per-memcmp=0";

/// libFuzzer's options if a person gives no others: a minute for each target, and no input that takes ten seconds.
const OPTIONS: [&str; 3] = ["-max_total_time=60", "-timeout=10", "-max_len=4096"];

/// One target: its name, and the folders with its seeds.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    name: String,
    seeds: Vec<String>,
}

/// Feeds the named targets, or all. `more` has names, and libFuzzer's options, which begin with a hyphen.
pub(crate) fn fuzz(workspace: &Workspace, more: &[String]) -> Result<bool, Box<dyn Error>> {
    let known = targets(&fs::read_to_string(workspace.root.join(TARGETS))?);
    let (options, names): (Vec<&String>, Vec<&String>) = more.iter().partition(|word| word.starts_with('-'));
    if let Some(name) = names.iter().find(|name| !known.iter().any(|target| target.name == ***name)) {
        let known: Vec<&str> = known.iter().map(|target| target.name.as_str()).collect();
        return Err(format!("no target {name:?} in {TARGETS}: there is {}", known.join(", ")).into());
    }
    if Command::new("c++").arg("--version").output().is_err() {
        println!("xtask deep: no C++ compiler is here, and libFuzzer needs one. To get it: apt-get install g++");
        return Ok(false);
    }
    let host = host(workspace)?;
    let folder = workspace.target.join("fuzz");
    let mut build = run::cargo(&workspace.root, ["build", "--release", "--locked", "--manifest-path", ENGINE]);
    // A target by name, even if it is this machine: so build scripts and macros aren't built with counters.
    build.args(["--target", &host]).env("CARGO_TARGET_DIR", &folder).env("RUSTFLAGS", COUNTERS);
    if !run::passes(&mut build)? {
        return Ok(false);
    }
    let engine = folder.join(&host).join("release").join("fuzz");
    let mut failed = Vec::new();
    for target in known.iter().filter(|target| names.is_empty() || names.contains(&&target.name)) {
        let [corpus, found] = ["corpus", "found"].map(|name| folder.join(name).join(&target.name));
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&found)?;
        let mut command = Command::new(&engine);
        command.current_dir(&workspace.root).env(TARGET_VARIABLE, &target.name);
        command.args(OPTIONS).arg(format!("-artifact_prefix={}/", found.display())).args(&options);
        command.arg(&corpus).args(&target.seeds);
        if !run::passes(&mut command)? {
            failed.push(target.name.as_str());
            tell_what_was_found(&found)?;
        }
    }
    if failed.is_empty() {
        println!("xtask deep: fuzz: passed");
        return Ok(true);
    }
    println!("xtask deep: fuzz: FAILED: {}", failed.join(", "));
    Ok(false)
}

/// Where the inputs are that broke something, and what to do with them.
fn tell_what_was_found(folder: &Path) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        println!("found: {}", entry?.path().display());
    }
    println!(
        "Put it among the target's seeds under a name that says what it is: `cargo xtask test` feeds it from then on."
    );
    Ok(())
}

/// Reads lines such as `Target { name: "core", seeds: &["fuzz/seeds/core"], run: core_values::run },`.
fn targets(source: &str) -> Vec<Target> {
    let lines = source.lines().filter_map(|line| line.trim().strip_prefix("Target { name: "));
    let words = lines.map(|line| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    words.filter(|words| words.len() > 1).map(|mut words| Target { name: words.remove(0), seeds: words }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let source =
            "const X: &[Target] = &[\n    Target { name: \"a\", seeds: &[\"x/y\", \"z\"], run: a::run },\n];\n";
        let seeds = ["x/y", "z"].map(str::to_owned).to_vec();
        assert_eq!(targets(source), [Target { name: "a".to_owned(), seeds }]);
    }

    #[test]
    fn the_package_s_targets_and_variable_are_these() {
        let workspace = Workspace::load().unwrap();
        let source = fs::read_to_string(workspace.root.join(TARGETS)).unwrap();
        let known = targets(&source);
        assert_eq!(known.len(), source.matches("Target { name: ").count());
        assert!(known.len() >= 6);
        for folder in known.iter().flat_map(|target| &target.seeds) {
            assert!(workspace.root.join(folder).is_dir(), "{folder}");
        }
        assert!(source.contains(&format!("\"{TARGET_VARIABLE}\"")));
    }

    #[test]
    fn a_target_that_isn_t_there_is_told() {
        let error = fuzz(&Workspace::load().unwrap(), &["qrr".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("no target \"qrr\" in fuzz/src/lib.rs: there is core, qr"), "{error}");
    }
}
