//! Dependencies: their licences, duplicates, bans and sources, by cargo-deny and its `deny.toml`.

use std::error::Error;

use crate::check::Findings;
use crate::run;
use crate::workspace::Workspace;

/// How to get it.
pub(crate) const GET: &str = "cargo install cargo-deny --locked";

/// Runs cargo-deny if it is installed. Advisories aren't asked for: they need a database from the network, and change without us.
pub(crate) fn check(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    if run::output(&mut run::cargo(&workspace.root, ["deny", "--version"])).is_err() {
        let left_out = format!("cargo-deny is not here. To get it: {GET}");
        return Ok(Findings { left_out: Some(left_out), ..Findings::default() });
    }
    let line = ["deny", "--workspace", "--all-features", "check", "licenses", "bans", "sources"];
    let mut command = run::cargo(&workspace.root, line);
    let passed = run::passes(&mut command)?;
    Ok(if passed { Findings::default() } else { Findings::error(run::shown(&command)) })
}
