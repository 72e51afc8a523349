//! `cargo xtask release`: a package of its own, because it needs an HTTP client with TLS, which nobody else should have to build.

use std::error::Error;
use std::process::ExitCode;

use crate::run;
use crate::workspace::Workspace;

/// Builds it if need be and hands everything on; its exit code is ours.
pub(crate) fn release(arguments: &[String]) -> Result<ExitCode, Box<dyn Error>> {
    let workspace = Workspace::load()?;
    let mut command = run::cargo(&workspace.root, ["run", "--quiet", "--locked", "--package", "xtask-release", "--"]);
    command.args(arguments);
    let status = command.status().map_err(|error| format!("{}: {error}", run::shown(&command)))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
