//! The long checks of a release: the packages, the documentation as docs.rs builds it, every check, every test.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::git;
use crate::stop::{Doing, Stop};
use crate::workspace::Workspace;
use crate::world::{World, passes};

/// Their names, for `--skip`.
pub(crate) const GATES: [&str; 4] = ["package", "docs", "check", "test"];

/// Runs all of them, and notes for this commit that they passed, and which of them were left out for what reason.
pub(crate) fn run(world: &World, workspace: &Workspace) -> Result<(), Stop> {
    let commit = git::head(world)?;
    for gate in GATES {
        if let Some(reason) = world.skipped(gate) {
            println!("SKIPPED: {gate}: {reason}");
            continue;
        }
        println!("\n=== {gate}");
        passes(&mut command(world, workspace, gate)?)?;
    }
    // A dirty tree isn't the commit: what passed there says nothing of it.
    if git::uncommitted(world)?.is_empty() {
        let file = record(workspace);
        let left_out: Vec<_> = GATES.iter().filter_map(|gate| world.skipped(gate).map(|why| (gate, why))).collect();
        let passed = json!({"commit": commit, "left_out": left_out});
        fs::create_dir_all(file.with_file_name("")).doing("make the folder of packages")?;
        fs::write(&file, format!("{passed}\n")).doing(format!("write {}", file.display()))?;
    }
    Ok(())
}

/// What was left out when all others passed at the commit that is checked out, with the reasons; `None` if they didn't pass.
pub(crate) fn passed(world: &World, workspace: &Workspace) -> Result<Option<Vec<(String, String)>>, Stop> {
    let commit = git::head(world)?;
    let text = fs::read_to_string(record(workspace)).unwrap_or_default();
    let record = serde_json::from_str::<Value>(&text).unwrap_or_default();
    if record["commit"] != commit.as_str() {
        return Ok(None);
    }
    Ok(serde_json::from_value(record["left_out"].clone()).ok())
}

fn record(workspace: &Workspace) -> std::path::PathBuf {
    workspace.target.join("release-packages").join("gates.json")
}

/// Nothing may be left out: `CI=true` makes an absent program a failure.
fn command(world: &World, workspace: &Workspace, gate: &str) -> Result<Command, Stop> {
    let order = workspace.in_order()?;
    let each = |arguments: &[&str], libraries: bool| {
        let mut line: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        for one in order.iter().filter(|one| !libraries || one.has_library()) {
            line.extend(["--package".to_owned(), one.name.clone()]);
        }
        line
    };
    let mut command = match gate {
        "package" => world.cargo(each(&["publish", "--dry-run", "--locked"], false)),
        // `docsrs` is what docs.rs sets. Its nightly compiler is not asked for: none of our pages needs one.
        "docs" => world.cargo(each(&["doc", "--no-deps", "--all-features", "--locked"], true)),
        gate => world.cargo(["xtask", gate]),
    };
    if gate == "docs" {
        command.env("RUSTDOCFLAGS", "--cfg docsrs -D warnings");
    }
    if gate == "package" {
        command.args(world.registry_arguments());
    }
    command.env("CI", "true");
    Ok(command)
}
