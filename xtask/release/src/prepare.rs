//! Manifests, lock file and changelog of a release, edited in one go. Done twice, the second time changes nothing.

use std::fs;
use std::path::PathBuf;

use semver::Version;
use toml_edit::{DocumentMut, Item, Value};

use crate::git;
use crate::pack::replace;
use crate::plan::{Facts, Plan, read_changelog};
use crate::stop::{Doing, Stop};
use crate::workspace::Workspace;
use crate::world::World;

/// What is to be written and what is to go.
#[derive(Debug)]
pub(crate) struct Edits {
    /// Path from the root, and the text from now on. Only what differs.
    pub(crate) files: Vec<(PathBuf, String)>,
    /// The changes' files, once the changelog has them.
    pub(crate) gone: Vec<PathBuf>,
}

impl Edits {
    pub(crate) fn of(world: &World, workspace: &Workspace, facts: &Facts, plan: &Plan) -> Result<Self, Stop> {
        let names: Vec<&str> = workspace.crates.iter().map(|one| one.name.as_str()).collect();
        let read = |file: &str| fs::read_to_string(world.root.join(file)).doing(format!("read {file}"));
        let (manifest, lock, log) = (read("Cargo.toml")?, read("Cargo.lock")?, read("CHANGELOG.md")?);
        let from_files: Vec<_> = facts.changes.iter().filter(|change| change.file.is_some()).cloned().collect();
        let date = git::day(world)?;
        let nothing_new = facts.is_prepared() && facts.told.as_ref() == Some(&plan.next);
        let new_log = if nothing_new {
            log.clone()
        } else {
            read_changelog(world)?.with_release(plan.base.as_ref(), &plan.next, &date, &from_files)?
        };
        let texts = [
            ("Cargo.toml", manifest_at(&manifest, &plan.next, &names)?, manifest),
            ("Cargo.lock", lock_at(&lock, &plan.next, &names)?, lock),
            ("CHANGELOG.md", new_log, log),
        ];
        let files = texts.into_iter().filter(|(_, new, old)| new != old).map(|(file, new, _)| (file.into(), new));
        Ok(Self { files: files.collect(), gone: from_files.into_iter().filter_map(|change| change.file).collect() })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.gone.is_empty()
    }

    /// Writes all, the changes' files last: cut off anywhere, the next try starts from what is there and ends the same.
    pub(crate) fn write(&self, world: &World) -> Result<(), Stop> {
        for (file, text) in &self.files {
            world.reach(&format!("before {}", file.display()))?;
            replace(&world.root.join(file), text)?;
        }
        for file in &self.gone {
            world.reach(&format!("before {} goes", file.display()))?;
            fs::remove_file(world.root.join(file)).doing(format!("remove {}", file.display()))?;
        }
        world.reach("prepared")
    }
}

/// The workspace's manifest with the version in its two places: the shared one, and our crates in the table of dependencies.
fn manifest_at(text: &str, next: &Version, ours: &[&str]) -> Result<String, Stop> {
    let mut manifest: DocumentMut = text.parse().doing("read Cargo.toml")?;
    let version =
        manifest.get_mut("workspace").and_then(|item| item.get_mut("package")).and_then(|item| item.get_mut("version"));
    let version = version.filter(|version| version.is_str());
    let version =
        version.ok_or_else(|| Stop::hard("Cargo.toml has no [workspace.package] version, which all crates share"))?;
    set(version, &next.to_string());
    let table = manifest.get_mut("workspace").and_then(|item| item.get_mut("dependencies"));
    let Some(table) = table.and_then(Item::as_table_like_mut) else {
        return Ok(manifest.to_string());
    };
    for name in ours {
        if let Some(version) = table.get_mut(name).and_then(|wanted| wanted.get_mut("version")) {
            let exact = version.as_str().is_some_and(|old| old.starts_with('='));
            set(version, &if exact { format!("={next}") } else { next.to_string() });
        }
    }
    Ok(manifest.to_string())
}

/// The lock file with the version of our own crates: those that come from nowhere else.
fn lock_at(text: &str, next: &Version, ours: &[&str]) -> Result<String, Stop> {
    let mut lock: DocumentMut = text.parse().doing("read Cargo.lock")?;
    let packages = lock.get_mut("package").and_then(Item::as_array_of_tables_mut);
    for package in packages.ok_or_else(|| Stop::hard("Cargo.lock lists no packages"))?.iter_mut() {
        let is_ours = package.get("source").is_none()
            && package.get("name").and_then(Item::as_str).is_some_and(|name| ours.contains(&name));
        if let (true, Some(version)) = (is_ours, package.get_mut("version")) {
            set(version, &next.to_string());
        }
    }
    Ok(lock.to_string())
}

/// Changes a text and keeps the space and the comments around it.
fn set(item: &mut Item, text: &str) {
    if let Some(value) = item.as_value_mut() {
        let decor = value.decor().clone();
        *value = Value::from(text);
        *value.decor_mut() = decor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_keeps_everything_but_the_version() {
        let before = "\
[workspace.package]
version = \"0.1.0\" # all crates
edition = \"2024\"

[workspace.dependencies]
# Ours.
a-core = { version = \"0.1.0\", path = \"core\" }
a-x = { path = \"x\", version = \"=0.1.0\", default-features = false }
serde = \"0.1.0\"
";
        let next = "0.2.0".parse().unwrap();
        let after = manifest_at(before, &next, &["a-core", "a-x", "xtask"]).unwrap();
        let expected = before.replacen("0.1.0", "0.2.0", 3);
        assert_eq!(after, expected);
        assert_eq!(manifest_at(&after, &next, &["a-core", "a-x"]).unwrap(), after);
        assert!(manifest_at("[workspace]\n", &next, &[]).is_err());
    }

    #[test]
    fn a_lock_file_keeps_what_others_made() {
        let before = "\
# This file is automatically @generated by Cargo.
version = 4

[[package]]
name = \"a-core\"
version = \"0.1.0\"
dependencies = [
 \"serde\",
]

[[package]]
name = \"serde\"
version = \"0.1.0\"
source = \"registry+https://github.com/rust-lang/crates.io-index\"
checksum = \"ff\"
";
        let after = lock_at(before, &"0.2.0".parse().unwrap(), &["a-core", "serde"]).unwrap();
        assert_eq!(after, before.replacen("0.1.0", "0.2.0", 1));
    }
}
