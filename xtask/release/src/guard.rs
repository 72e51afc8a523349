//! What has to be true before anything is released. All that isn't is told at once.

use semver::VersionReq;

use crate::git;
use crate::stop::Stop;
use crate::workspace::{Crate, Workspace};
use crate::world::{World, output};

/// Published crates live here; whatever lives elsewhere is for ourselves.
const PUBLISHED_FROM: &str = "crates";

/// Holds the workspace and its repository against the duties.
pub(crate) fn check(world: &World, workspace: &Workspace) -> Result<(), Stop> {
    let mut wrong = Vec::new();
    let uncommitted = git::uncommitted(world)?;
    if !uncommitted.is_empty() {
        wrong.push(format!("not committed: {}", uncommitted.join(", ")));
    }
    if !git::on_branch(world)? {
        wrong.push(format!("this commit isn't on {}, which releases are made from", world.branch));
    }
    if let Err(stop) = output(&mut world.cargo(["fetch", "--locked", "--quiet"])) {
        let words = stop.to_string();
        let first = words.lines().next().unwrap_or_default();
        wrong.push(format!("Cargo.lock doesn't fit the manifests, or can't be fetched: {first}"));
    }
    if let Err(stop) = workspace.version() {
        wrong.push(stop.to_string());
    }
    if let Err(stop) = workspace.in_order() {
        wrong.push(stop.to_string());
    }
    for one in &workspace.crates {
        wrong.extend(neglected(world, workspace, one).into_iter().map(|what| format!("{}: {what}", one.name)));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Stop::hard(wrong.join("\n"))) }
}

/// What a crate lacks for a release. `cargo xtask check manifest` asks for more; this is what can't be mended afterwards.
fn neglected(world: &World, workspace: &Workspace, one: &Crate) -> Vec<String> {
    let folder = one.package.manifest_path.parent().map(|folder| folder.as_std_path().to_owned()).unwrap_or_default();
    let within = folder.strip_prefix(&world.root).unwrap_or(&folder);
    let mut wrong = Vec::new();
    if !one.published {
        return wrong;
    }
    if !within.starts_with(PUBLISHED_FROM) {
        wrong.push(format!("is not in {PUBLISHED_FROM}/, so it has to say publish = false"));
    }
    let lacks = [
        ("description", one.package.description.is_none()),
        ("license", one.package.license.is_none()),
        ("repository", one.package.repository.is_none()),
        ("README.md", !one.package.readme().is_some_and(|readme| readme.is_file())),
    ];
    wrong.extend(lacks.into_iter().filter(|(_, lacks)| *lacks).map(|(what, _)| format!("no {what}")));
    for wanted in one.needs() {
        let Some(ours) = workspace.find(&wanted.name) else {
            continue;
        };
        if !ours.published {
            wrong.push(format!("needs {}, which is not published", ours.name));
        }
        if VersionReq::parse(&ours.version.to_string()).is_ok_and(|req| req != wanted.req) {
            wrong.push(format!(
                "asks for {} {}, which is {}: let it say `workspace = true`",
                ours.name, wanted.req, ours.version
            ));
        }
    }
    wrong
}
