//! Each published crate builds from its own package: a file that is left out of it is noticed here, not by its first user.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::check::Findings;
use crate::run;
use crate::workspace::Workspace;

/// Packs all published crates, unpacks them into a workspace of their own, and compiles each there: alone with its default
/// features, then all with all features.
///
/// Cargo's own way of verifying puts the packages into a temporary registry. It takes a package of the same name and version for
/// unchanged, and so verifies yesterday's sources on any machine that did it before; and it builds more than it compiles here.
pub(crate) fn check(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    let mut findings = Findings::default();
    let names: Vec<&str> = workspace.published().map(|one| one.name.as_str()).collect();
    let mut pack = run::cargo(&workspace.root, pack_arguments(&names, run::in_ci()));
    if !run::passes(&mut pack)? {
        findings.errors.push(run::shown(&pack));
        return Ok(findings);
    }

    let folder = unpack(workspace)?;
    let alone = names.iter().map(|name| vec!["check", "--quiet", "--package", name]);
    for arguments in alone.chain([vec!["check", "--quiet", "--workspace", "--all-features"]]) {
        let mut command = run::cargo(&folder, arguments);
        // Clippy has left the compiled dependencies there.
        command.env("CARGO_TARGET_DIR", &workspace.target);
        if !run::passes(&mut command)? {
            findings.errors.push(format!("in {}: {}", folder.display(), run::shown(&command)));
        }
    }
    Ok(findings)
}

/// A person checks before committing; the gate has a clean clone, in which a difference means that a build changed a source.
fn pack_arguments<'a>(names: &[&'a str], in_ci: bool) -> Vec<&'a str> {
    let mut arguments = vec!["package", "--no-verify"];
    arguments.extend(names.iter().flat_map(|name| ["--package", name]));
    if !in_ci {
        arguments.push("--allow-dirty");
    }
    arguments
}

/// Unpacks into a fresh folder, which is returned. There the crates find each other by path, and everything else by our lock file.
fn unpack(workspace: &Workspace) -> Result<PathBuf, Box<dyn Error>> {
    let packages = workspace.target.join("package");
    let folder = packages.join("unpacked");
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir(&folder)?;

    let mut crates = Vec::new();
    for one in workspace.published() {
        let version = one.told["version"].as_str().unwrap_or_default();
        let stem = format!("{}-{version}", one.name);
        // `m`: the time of unpacking, not the one in the package, which never changes and would hide a change from cargo.
        let mut tar = Command::new("tar");
        tar.arg("-xmf").arg(packages.join(format!("{stem}.crate"))).arg("-C").arg(&folder);
        run::output(&mut tar)?;
        crates.push((one.name.clone(), stem));
    }
    let manifest = fs::read_to_string(workspace.root.join("Cargo.toml"))?;
    fs::write(folder.join("Cargo.toml"), workspace_of(&crates, &manifest))?;
    fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    Ok(folder)
}

/// A workspace of unpacked packages, given as name and folder, with the same profiles as ours: dependencies are then the same too,
/// and need not be compiled again.
fn workspace_of(crates: &[(String, String)], manifest: &str) -> String {
    let mut text = String::from("[workspace]\nresolver = \"3\"\nmembers = [\"*-*\"]\n\n[patch.crates-io]\n");
    for (name, folder) in crates {
        text += &format!("{name} = {{ path = \"{folder}\" }}\n");
    }
    let mut in_profile = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_profile = line.starts_with("[profile.");
        }
        if in_profile {
            text += &format!("{line}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uncommitted_changes_are_for_people_only() {
        assert_eq!(
            pack_arguments(&["a", "b"], false),
            ["package", "--no-verify", "--package", "a", "--package", "b", "--allow-dirty"]
        );
        assert_eq!(pack_arguments(&["a"], true), ["package", "--no-verify", "--package", "a"]);
    }

    #[test]
    fn the_unpacked_crates_are_a_workspace_with_our_profiles() {
        let manifest =
            "[workspace]\nmembers = [\"x\"]\n\n[profile.dev]\ndebug = false\n\n[workspace.lints.rust]\nx = \"warn\"\n";
        let expected = "\
[workspace]
resolver = \"3\"
members = [\"*-*\"]

[patch.crates-io]
a = { path = \"a-0.1.0\" }
[profile.dev]
debug = false

";
        assert_eq!(workspace_of(&[("a".to_owned(), "a-0.1.0".to_owned())], manifest), expected);
    }
}
