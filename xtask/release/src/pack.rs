//! Packs all published crates once, and remembers the checksum of each.
//!
//! The folder is a cache. Without it the crates are packed again, and from the same commit cargo makes the same bytes; if it
//! doesn't, the registry's checksums differ from ours, and that is a stop.

use std::fs;
use std::path::PathBuf;

use semver::Version;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::git;
use crate::stop::{Doing, Stop};
use crate::workspace::Workspace;
use crate::world::{World, output};

/// The packages of one version.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) version: Version,
    pub(crate) commit: String,
    pub(crate) folder: PathBuf,
    /// In the order in which they are published.
    pub(crate) packages: Vec<Package>,
}

/// One `.crate` file.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// SHA-256 in hexadecimal digits, as an index writes it.
    pub(crate) sha256: String,
    pub(crate) file: PathBuf,
}

impl Package {
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Stop> {
        let bytes = fs::read(&self.file).doing(format!("read {}", self.file.display()))?;
        if sha256(&bytes) == self.sha256 {
            Ok(bytes)
        } else {
            Err(Stop::hard(format!("{} changed after it was packed: delete its folder", self.file.display())))
        }
    }
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The folder of a version's packages.
pub(crate) fn folder(workspace: &Workspace, version: &Version) -> PathBuf {
    workspace.target.join("release-packages").join(version.to_string())
}

/// The packages of this commit: those that are there already, else freshly made.
pub(crate) fn pack(world: &World, workspace: &Workspace) -> Result<Packed, Stop> {
    let version = workspace.version()?;
    let commit = git::head(world)?;
    if let Some(packed) = recorded(workspace, &version, &commit)? {
        println!("packed already, in {}", packed.folder.display());
        return Ok(packed);
    }
    let order = workspace.in_order()?;
    let mut line = vec!["package", "--no-verify", "--locked", "--quiet"];
    line.extend(world.registry_arguments());
    line.extend(order.iter().flat_map(|one| ["--package", one.name.as_str()]));
    output(&mut world.cargo(line))?;
    world.reach("packed, not copied")?;

    // A half-filled folder has no record, and so is never taken for a whole one.
    let folder = folder(workspace, &version);
    if folder.exists() {
        fs::remove_dir_all(&folder).doing(format!("empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).doing(format!("make {}", folder.display()))?;
    let mut packages = Vec::new();
    for one in order {
        let name = format!("{}-{version}.crate", one.name);
        let bytes = fs::read(workspace.target.join("package").join(&name)).doing(format!("read {name}"))?;
        let file = folder.join(name);
        fs::write(&file, &bytes).doing(format!("write {}", file.display()))?;
        packages.push(Package { name: one.name.clone(), sha256: sha256(&bytes), file });
    }
    world.reach("copied, not recorded")?;
    let packed = Packed { version, commit, folder, packages };
    write_record(&packed)?;
    world.reach("packages recorded")?;
    Ok(packed)
}

/// The packages of an earlier run, if they are of this commit and as they were.
pub(crate) fn recorded(workspace: &Workspace, version: &Version, commit: &str) -> Result<Option<Packed>, Stop> {
    let folder = folder(workspace, version);
    let Ok(text) = fs::read_to_string(folder.join("record.json")) else {
        return Ok(None);
    };
    let Ok(record) = serde_json::from_str::<Value>(&text) else {
        return Ok(None);
    };
    if record["commit"] != commit {
        return Ok(None);
    }
    let mut packages = Vec::new();
    for one in workspace.in_order()? {
        let Some(sha) = record["sha256"][&one.name].as_str() else {
            return Ok(None);
        };
        let file = folder.join(format!("{}-{version}.crate", one.name));
        let package = Package { name: one.name.clone(), sha256: sha.to_owned(), file };
        if package.bytes().is_err() {
            return Ok(None);
        }
        packages.push(package);
    }
    Ok(Some(Packed { version: version.clone(), commit: commit.to_owned(), folder, packages }))
}

/// In one step, so that a record is whole or not there. Beside it a list that `sha256sum --check` reads.
fn write_record(packed: &Packed) -> Result<(), Stop> {
    let sums: Value = packed
        .packages
        .iter()
        .map(|one| (one.name.clone(), json!(one.sha256)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let list: String =
        packed.packages.iter().map(|one| format!("{}  {}-{}.crate\n", one.sha256, one.name, packed.version)).collect();
    let record = json!({"version": packed.version.to_string(), "commit": packed.commit, "sha256": sums});
    fs::write(packed.folder.join("SHA256SUMS"), list).doing("write SHA256SUMS")?;
    replace(&packed.folder.join("record.json"), &format!("{record:#}\n"))
}

/// Writes a file beside the one that it then replaces.
pub(crate) fn replace(file: &std::path::Path, text: &str) -> Result<(), Stop> {
    let fresh = file.with_extension("new");
    fs::write(&fresh, text).doing(format!("write {}", fresh.display()))?;
    fs::rename(&fresh, file).doing(format!("replace {}", file.display()))
}
