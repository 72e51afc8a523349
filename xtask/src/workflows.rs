//! What runs at the forge runs here: each job of a workflow calls `cargo xtask` or `.ci/run`, and each command of ours that a
//! workflow or a document names exists.

use std::error::Error;
use std::fs;
use std::path::Path;

use clap::error::ErrorKind;

use crate::check::Findings;
use crate::workspace::Workspace;

/// The steps of a release are known to the package that makes it. They are read from its text.
const RELEASE: &str = "xtask/release/src/lib.rs";

/// Holds workflows and documents against the command line.
pub(crate) fn check(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    let steps = release_steps(&fs::read_to_string(workspace.root.join(RELEASE))?);
    let mut errors = Vec::new();
    for (folder, end) in [(".github/workflows", "yml"), ("docs", "md"), (".", "md")] {
        let mut files: Vec<_> = fs::read_dir(workspace.root.join(folder))?.collect::<Result<Vec<_>, _>>()?;
        files.sort_by_key(fs::DirEntry::path);
        for file in
            files.iter().map(fs::DirEntry::path).filter(|path| path.extension().is_some_and(|found| found == end))
        {
            let text = fs::read_to_string(&file)?;
            let name = Path::new(folder).join(file.file_name().unwrap_or_default()).display().to_string();
            errors.extend(
                unknown_commands(&text, &steps, end == "yml").into_iter().map(|what| format!("{name}: {what}")),
            );
            if end == "yml" {
                errors.extend(jobs_of_their_own(&text).into_iter().map(|what| format!("{name}: {what}")));
            }
        }
    }
    Ok(Findings { errors, ..Findings::default() })
}

/// The second words of lines such as `(Self::Plan, "plan", "…"),`.
fn release_steps(source: &str) -> Vec<String> {
    let lines = source.lines().map(str::trim).filter(|line| line.starts_with("(Self::"));
    lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

/// Every `cargo xtask …` that our command line doesn't take, with its line. `runs`: it is a workflow, and no text to read.
fn unknown_commands(text: &str, steps: &[String], runs: bool) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (at, name) in line.match_indices("cargo xtask ") {
            let words = words_of(&line[at + name.len()..]);
            // A sentence about all of it names no command.
            if words.is_empty() || words[0] == "…" {
                continue;
            }
            let taken = crate::command()
                .try_get_matches_from(["cargo xtask"].into_iter().chain(words.iter().map(String::as_str)));
            // A sentence may speak of `cargo xtask deep` as such; a workflow that does would fail.
            let fine = taken.as_ref().is_err_and(|error| match error.kind() {
                ErrorKind::DisplayHelp => true,
                ErrorKind::MissingRequiredArgument => !runs,
                _ => false,
            });
            let step = words.iter().skip(1).find(|word| !word.starts_with('-'));
            let unknown_step = words[0] == "release" && step.is_some_and(|step| !steps.contains(step));
            if (taken.is_err() && !fine) || unknown_step {
                found.push(format!("line {}: no such command: cargo xtask {}", number + 1, words.join(" ")));
            }
        }
    }
    found
}

/// The words of a command up to where it ends: a backquote, a pipe, a comment, punctuation.
fn words_of(rest: &str) -> Vec<String> {
    let end = rest.find(['`', '|', '#', '&', ';', '(', ')', '"', '>']).unwrap_or(rest.len());
    let mut words = Vec::new();
    for word in rest[..end].split_whitespace() {
        let bare = word.trim_end_matches([',', '.', ':']);
        // What a reader may add, or a workflow puts in, are no words of the command line.
        if bare.starts_with('[') {
            break;
        }
        if !bare.is_empty()
            && !bare.starts_with(['$', '{', '}'])
            && !bare.chars().all(|letter| letter.is_ascii_uppercase())
        {
            words.push(bare.to_owned());
        }
        if bare != word {
            break;
        }
    }
    words
}

/// Jobs that call neither `cargo xtask` nor `.ci/run`. A job begins at two spaces, under `jobs:`.
fn jobs_of_their_own(text: &str) -> Vec<String> {
    let mut jobs: Vec<(&str, bool)> = Vec::new();
    for line in text.lines().skip_while(|line| *line != "jobs:").skip(1) {
        let key = line
            .strip_prefix("  ")
            .filter(|rest| !rest.starts_with([' ', '#']))
            .and_then(|rest| rest.strip_suffix(':'));
        if let Some(key) = key {
            jobs.push((key, false));
        } else if let Some((_, calls)) = jobs.last_mut() {
            let code = line.split(" #").next().unwrap_or_default();
            *calls |= !code.trim().starts_with('#') && (code.contains("cargo xtask ") || code.contains(".ci/run"));
        }
    }
    jobs.retain(|(_, calls)| !calls);
    jobs.into_iter().map(|(job, _)| format!("the job {job} calls neither cargo xtask nor .ci/run")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(unknown_commands(text, &["plan".to_owned()], false), expected, "{text}");
    }

    #[test]
    fn commands_that_exist() {
        check("- run: cargo xtask test", &[]);
        check("Use `cargo xtask check sources manifest`, or `cargo xtask --help`.", &[]);
        check("run: cargo xtask release plan --execute # what comes", &[]);
        check("`cargo xtask release`", &[]);
        check("run: cargo xtask deep mutants -- --shard ${{ matrix.shard }}/8", &[]);
        check("run: cargo xtask bench ${{ matrix.name }} | tee x", &[]);
        check("`cargo xtask` is the door; cargo xtask test [-- ARGUMENTS]", &[]);
    }

    #[test]
    fn commands_that_don_t() {
        check("a\n- run: cargo xtask tset", &["line 2: no such command: cargo xtask tset"]);
        check("`cargo xtask check sorces`", &["line 1: no such command: cargo xtask check sorces"]);
        check("`cargo xtask deep mutant`", &["line 1: no such command: cargo xtask deep mutant"]);
        assert_eq!(unknown_commands("cargo xtask deep", &[], false), [""; 0]);
        assert_eq!(unknown_commands("cargo xtask deep", &[], true).len(), 1);
        check("cargo xtask release plant", &["line 1: no such command: cargo xtask release plant"]);
    }

    #[test]
    fn every_job_comes_through_the_door() {
        let text = "on: push\njobs:\n  one:\n    steps:\n      - run: .ci/run\n  # two\n  two:\n    steps:\n      # cargo xtask test\n      - run: make\n";
        assert_eq!(jobs_of_their_own(text), ["the job two calls neither cargo xtask nor .ci/run"]);
    }

    #[test]
    fn the_workflows_of_this_workspace_are_in_order() {
        assert_eq!(super::check(&Workspace::load().unwrap()).unwrap(), Findings::default());
    }

    #[test]
    fn a_release_s_steps_are_read() {
        assert_eq!(release_steps("x\n        (Self::Plan, \"plan\", \"which\"),\n"), ["plan"]);
    }
}
