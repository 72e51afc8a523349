//! `cargo xtask test`: everything that has to pass, in one cargo invocation.
//!
//! `cargo test` and nothing that would have to be installed, so that everyone runs the same thing. No `--all-targets`:
//! with it cargo would leave out the documentation's examples.

use std::error::Error;
use std::time::Instant;

use crate::programs::{Found, PROGRAMS, Program};
use crate::run;
use crate::workspace::{Workspace, part_features};

/// Runs all tests, with every feature but those that need an absent program. `more` goes to `cargo test`.
pub(crate) fn test(more: &[String]) -> Result<bool, Box<dyn Error>> {
    test_with(None, more)
}

/// The same, with a variable set.
pub(crate) fn test_with(set: Option<(&str, &str)>, more: &[String]) -> Result<bool, Box<dyn Error>> {
    let started = Instant::now();
    let found: Vec<Found<'_>> = PROGRAMS.iter().map(Program::find).collect();
    let absent: Vec<&Program> =
        found.iter().filter(|found| found.folder.is_none()).map(|found| found.program).collect();
    for found in &found {
        if let Some(folder) = &found.folder {
            println!("{} is in {}: {}", found.program.name, folder.display(), found.program.gives);
        }
    }
    if run::in_ci() && !absent.is_empty() {
        print!("{}", left_out(&absent, &[]));
        println!("xtask test: failed before building: with CI=true nothing may be left out");
        return Ok(false);
    }

    let workspace = Workspace::load()?;
    let (features, off) = features(&workspace, &absent)?;
    let mut command = run::cargo(&workspace.root, arguments(&features, more));
    command.envs(set);
    for found in &found {
        if let Some(folder) = &found.folder {
            command.env(found.program.variable, folder);
        }
    }
    let passed = run::passes(&mut command)?;

    println!();
    print!("{}", left_out(&absent, &off));
    let verdict = if passed { "passed" } else { "FAILED" };
    println!("xtask test: {verdict} after {}", run::readable(started.elapsed()));
    Ok(passed)
}

/// The features to switch on, and those left off for the lack of a program.
///
/// # Errors
///
/// When the table of programs names a feature that no crate has: its tests would never run.
fn features(workspace: &Workspace, absent: &[&Program]) -> Result<(Vec<String>, Vec<String>), Box<dyn Error>> {
    let (all, _) = part_features(&workspace.crates, &[]);
    for feature in PROGRAMS.iter().flat_map(|program| program.features) {
        if !all.iter().any(|known| known == feature) {
            return Err(format!("xtask/src/programs.rs names the feature {feature}, which no crate has").into());
        }
    }
    let unwanted: Vec<&str> = absent.iter().flat_map(|program| program.features).copied().collect();
    Ok(part_features(&workspace.crates, &unwanted))
}

/// One failing test binary doesn't hide the next one's failures. Default features are on anyway.
fn arguments(features: &[String], more: &[String]) -> Vec<String> {
    let mut arguments = vec!["test".to_owned(), "--workspace".to_owned(), "--no-fail-fast".to_owned()];
    if !features.is_empty() {
        arguments.extend(["--features".to_owned(), features.join(",")]);
    }
    arguments.extend_from_slice(more);
    arguments
}

/// What is not tested here, why, and what to do about it. Empty if nothing is left out.
fn left_out(absent: &[&Program], off: &[String]) -> String {
    let mut text = String::new();
    for program in absent {
        let binaries = program.binaries.join(" and ");
        text += &format!(
            "LEFT OUT: {}, as {} ({binaries}) is not here. To get it: {}",
            program.gives, program.name, program.get
        );
        text += &format!(", or set {} to its folder\n", program.variable);
    }
    if !off.is_empty() {
        text += &format!("features left off: {}\n", off.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::tests::made_up;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn one_invocation_with_everything() {
        assert_eq!(arguments(&words("a/x b/y"), &[]).join(" "), "test --workspace --no-fail-fast --features a/x,b/y");
        assert_eq!(
            arguments(&[], &words("psid -- --nocapture")).join(" "),
            "test --workspace --no-fail-fast psid -- --nocapture"
        );
    }

    #[test]
    fn what_an_absent_program_switches_off() {
        let crates = vec![
            made_up("asaanbill-cli", &[("browser-tests", &[]), ("walk-tests", &[])]),
            made_up("asaanbill-sim", &[("postgres-tests", &["asaanbill-storage/postgres-tests"])]),
            made_up("asaanbill-storage", &[("postgres-tests", &[]), ("sqlite", &[])]),
        ];
        let workspace = Workspace { root: "/w".into(), target: "/w/target".into(), crates };
        let (on, off) = features(&workspace, &[&PROGRAMS[0]]).unwrap();
        assert_eq!(
            (on.join(" "), off.join(" ")),
            (
                "asaanbill-cli/browser-tests asaanbill-cli/walk-tests asaanbill-storage/sqlite".to_owned(),
                "asaanbill-sim/postgres-tests asaanbill-storage/postgres-tests".to_owned(),
            )
        );
        let (on, off) = features(&workspace, &[]).unwrap();
        assert_eq!((on.len(), off.len()), (5, 0));
    }

    #[test]
    fn a_feature_that_no_crate_has_is_told() {
        let workspace = Workspace {
            root: "/w".into(),
            target: "/w/target".into(),
            crates: vec![made_up("asaanbill-storage", &[("sqlite", &[])])],
        };
        let error = features(&workspace, &[]).unwrap_err().to_string();
        assert!(error.contains("asaanbill-storage/postgres-tests"), "{error}");
    }

    #[test]
    fn what_is_left_out_is_named_with_how_to_get_it() {
        let text = left_out(&[&PROGRAMS[0]], &words("asaanbill-storage/postgres-tests"));
        for part in ["LEFT OUT", "PostgreSQL", "apt-get install postgresql", "asaanbill-storage/postgres-tests"] {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
        assert_eq!(left_out(&[], &[]), "");
    }
}
