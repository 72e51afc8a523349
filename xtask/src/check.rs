//! `cargo xtask check`: all checks run, each tells all that it found, and the end names what failed.

use std::error::Error;
use std::time::Instant;

use crate::run;
use crate::workspace::Workspace;
use crate::{arrows, deny, guide, lint, manifest, messages, package, readme, sources, weight, workflows};

/// One check.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    run: fn(&Workspace) -> Result<Findings, Box<dyn Error>>,
}

/// What a check has to say. Without errors it passed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) errors: Vec<String>,
    pub(crate) warnings: Vec<String>,
    /// What was not checked, and how to have it checked. A failure with `CI=true`.
    pub(crate) left_out: Option<String>,
}

/// All checks: the quick ones first, so that a person sees their findings at once.
pub(crate) const CHECKS: &[Check] = &[
    Check { name: "format", about: "the sources are as cargo fmt leaves them", run: lint::format },
    Check {
        name: "sources",
        about: "crate pages with examples; no unfinished, skipped or sleeping tests",
        run: sources::check,
    },
    Check { name: "manifest", about: "what a crate's manifest must say", run: manifest::check },
    Check {
        name: "guide",
        about: "each rule of the guide is in docs/guide-notes.md and where that says",
        run: guide::check,
    },
    Check { name: "readme", about: "each crate's README agrees with its page", run: readme::check },
    Check { name: "messages", about: "each public error's message is in a snapshot", run: messages::check },
    Check { name: "workflows", about: "what workflows and documents call exists", run: workflows::check },
    Check { name: "arrows", about: "who may use whom, and what each crate must never see", run: arrows::check },
    Check { name: "weight", about: "how many crates a dependency on the client brings along", run: weight::check },
    Check { name: "deny", about: "licences, duplicates, bans and sources of dependencies", run: deny::check },
    Check { name: "clippy", about: "no warnings, on every set of features that matters", run: lint::clippy },
    Check { name: "docs", about: "the documentation builds without warnings", run: lint::docs },
    Check { name: "package", about: "each published crate builds from its own package", run: package::check },
];

/// Runs the named checks, or all if none is named.
pub(crate) fn check(names: &[String]) -> Result<bool, Box<dyn Error>> {
    let started = Instant::now();
    let workspace = Workspace::load()?;
    let mut done = Vec::new();
    for check in CHECKS.iter().filter(|check| names.is_empty() || names.iter().any(|name| name == check.name)) {
        println!("\n=== {}: {}", check.name, check.about);
        let started = Instant::now();
        // A check that can't be carried out hasn't passed, and doesn't keep the others from running.
        let findings = (check.run)(&workspace).unwrap_or_else(|error| Findings::error(error.to_string()));
        print!("{}", findings.told());
        println!("--- {}: {} after {}", check.name, findings.verdict(), run::readable(started.elapsed()));
        done.push((check.name, findings));
    }
    let (text, passed) = summary(&done, run::in_ci());
    println!("\n{text} after {}", run::readable(started.elapsed()));
    Ok(passed)
}

impl Findings {
    /// One finding.
    pub(crate) fn error(text: String) -> Self {
        Self { errors: vec![text], ..Self::default() }
    }

    fn told(&self) -> String {
        let errors = self.errors.iter().map(|text| format!("error: {text}\n"));
        let warnings = self.warnings.iter().map(|text| format!("warning: {text}\n"));
        errors.chain(warnings).collect()
    }

    fn verdict(&self) -> &'static str {
        match self {
            Self { errors, .. } if !errors.is_empty() => "FAILED",
            Self { left_out: Some(_), .. } => "LEFT OUT",
            Self { .. } => "passed",
        }
    }
}

/// The last lines, and whether all passed.
fn summary(done: &[(&str, Findings)], in_ci: bool) -> (String, bool) {
    let mut text = String::new();
    let mut failed = Vec::new();
    for (name, findings) in done {
        if let Some(left_out) = &findings.left_out {
            text += &format!("LEFT OUT: {name}: {left_out}\n");
        }
        if !findings.errors.is_empty() || (in_ci && findings.left_out.is_some()) {
            failed.push(*name);
        }
    }
    let warnings: usize = done.iter().map(|(_, findings)| findings.warnings.len()).sum();
    if warnings > 0 {
        text += &format!("warnings: {warnings}\n");
    }
    if failed.is_empty() {
        text += "xtask check: passed";
    } else {
        text += &format!("xtask check: FAILED: {}", failed.join(", "));
    }
    (text, failed.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out() -> Findings {
        Findings { left_out: Some("no such program".into()), ..Findings::default() }
    }

    fn warned() -> Findings {
        Findings { warnings: vec!["long".into()], ..Findings::default() }
    }

    #[test]
    fn the_end_names_what_failed() {
        let done = [("one", Findings::error("x".into())), ("two", warned()), ("three", Findings::error("y".into()))];
        assert_eq!(summary(&done, false), ("warnings: 1\nxtask check: FAILED: one, three".into(), false));
        assert_eq!(summary(&done[1..2], false), ("warnings: 1\nxtask check: passed".into(), true));
    }

    #[test]
    fn what_is_left_out_is_named_and_is_a_failure_in_ci() {
        let done = [("deny", left_out())];
        assert_eq!(summary(&done, false), ("LEFT OUT: deny: no such program\nxtask check: passed".into(), true));
        assert_eq!(summary(&done, true), ("LEFT OUT: deny: no such program\nxtask check: FAILED: deny".into(), false));
    }

    #[test]
    fn all_findings_are_told() {
        let findings = Findings { errors: vec!["a".into(), "b".into()], ..warned() };
        assert_eq!(findings.told(), "error: a\nerror: b\nwarning: long\n");
        assert_eq!((findings.verdict(), warned().verdict(), left_out().verdict()), ("FAILED", "passed", "LEFT OUT"));
    }
}
