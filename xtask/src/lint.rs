//! Format, clippy and the documentation's build: cargo's own judgement, on every set of features that matters.

use std::error::Error;

use crate::check::Findings;
use crate::run;
use crate::workspace::{Crate, Workspace};

/// The sources are as `cargo fmt` leaves them.
pub(crate) fn format(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    run_all(workspace, &[words("fmt --all --check")], None)
}

/// No warnings from clippy, which include the compiler's.
pub(crate) fn clippy(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    run_all(workspace, &clippy_commands(&workspace.crates), None)
}

/// No warnings from rustdoc, such as a link that leads nowhere.
pub(crate) fn docs(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    run_all(workspace, &[words("doc --workspace --no-deps --all-features")], Some(("RUSTDOCFLAGS", "-D warnings")))
}

/// Everything at once with all features; then each crate on its own, as its users build it.
///
/// In the workspace's build all crates share one set of features for each dependency, and tests add theirs. A crate that forgot to
/// ask for a feature compiles there and nowhere else. So each library is also looked at alone, without its tests:
/// with no features, and with each single one.
fn clippy_commands(crates: &[Crate]) -> Vec<Vec<String>> {
    let mut commands = vec![words("clippy --workspace --all-targets --all-features")];
    for one in crates {
        if !one.features.is_empty() {
            commands.push(words(&format!("clippy --package {} --all-targets", one.name)));
        }
        if one.published && one.has_library {
            commands.push(words(&format!("clippy --package {} --lib --no-default-features", one.name)));
            for feature in one.features.keys().filter(|feature| *feature != "default") {
                let line = format!("clippy --package {} --lib --no-default-features --features {feature}", one.name);
                commands.push(words(&line));
            }
        }
    }
    for command in &mut commands {
        command.extend(words("-- -D warnings"));
    }
    commands
}

fn run_all(
    workspace: &Workspace,
    commands: &[Vec<String>],
    set: Option<(&str, &str)>,
) -> Result<Findings, Box<dyn Error>> {
    let mut findings = Findings::default();
    for arguments in commands {
        let mut command = run::cargo(&workspace.root, arguments);
        command.envs(set);
        if !run::passes(&mut command)? {
            findings.errors.push(run::shown(&command));
        }
    }
    Ok(findings)
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::tests::made_up;

    #[test]
    fn every_feature_is_looked_at_alone() {
        let lib = made_up("lib", &[("default", &["x"]), ("x", &[]), ("y", &[])]);
        let mut tool = made_up("tool", &[]);
        tool.published = false;
        let lines: Vec<String> =
            clippy_commands(&[lib, made_up("plain", &[]), tool]).iter().map(|line| line.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "clippy --workspace --all-targets --all-features -- -D warnings",
                "clippy --package lib --all-targets -- -D warnings",
                "clippy --package lib --lib --no-default-features -- -D warnings",
                "clippy --package lib --lib --no-default-features --features x -- -D warnings",
                "clippy --package lib --lib --no-default-features --features y -- -D warnings",
                "clippy --package plain --lib --no-default-features -- -D warnings",
            ]
        );
    }
}
