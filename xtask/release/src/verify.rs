//! After the uploads: everybody gets what we packed, and it works. Then the tag, last, and the notes: a tag means that all
//! crates exist.

use std::fmt::Write as _;
use std::fs;

use crate::changelog::Changelog;
use crate::forge::Forge;
use crate::gate;
use crate::git;
use crate::pack::{Packed, sha256};
use crate::publish::{Standing, survey};
use crate::registry::Registry;
use crate::stop::{Doing, Stop};
use crate::workspace::Workspace;
use crate::world::{World, passes};

/// Downloads all packages and builds what a user would build. Changes nothing but files of its own.
pub(crate) fn verify(world: &World, workspace: &Workspace, packed: &Packed) -> Result<(), Stop> {
    let registry = Registry::open(world)?;
    if survey(&registry, packed)?.iter().any(|standing| *standing != Standing::Equal) {
        return Err(Stop::hard("not all crates are in the registry: go on with `cargo xtask release publish`"));
    }
    for package in &packed.packages {
        let got = registry.download(&package.name, &packed.version, &package.sha256)?;
        if sha256(&got) != package.sha256 {
            return Err(Stop::hard(format!("the download of {} is not what its index says", package.name)));
        }
        world.reach(&format!("{} downloaded", package.name))?;
    }
    println!("  all {} packages come back as they were sent", packed.packages.len());
    match world.skipped("consumer") {
        Some(reason) => println!("  SKIPPED: consumer: {reason}"),
        None => consume(world, workspace, packed)?,
    }
    world.reach("verified")
}

/// A program that uses every library, and an installation of every command, from the registry alone.
fn consume(world: &World, workspace: &Workspace, packed: &Packed) -> Result<(), Stop> {
    let folder = packed.folder.join("consumer");
    if folder.exists() {
        fs::remove_dir_all(&folder).doing("empty the consumer's folder")?;
    }
    fs::create_dir_all(folder.join("src")).doing("make the consumer's folder")?;
    let mut manifest = String::from(
        "[package]\nname = \"consumer\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[workspace]\n\n[dependencies]\n",
    );
    let mut program = String::new();
    for one in workspace.in_order()?.into_iter().filter(|one| one.has_library()) {
        let _ = writeln!(manifest, "{} = \"={}\"", one.name, packed.version);
        let _ = writeln!(program, "use {} as _;", one.name.replace('-', "_"));
    }
    program.push_str("fn main() {}\n");
    fs::write(folder.join("Cargo.toml"), manifest).doing("write the consumer's manifest")?;
    fs::write(folder.join("src/main.rs"), program).doing("write the consumer")?;
    passes(world.cargo(["build", "--quiet", "--target-dir", "target"]).current_dir(&folder))?;
    for one in workspace.in_order()?.into_iter().filter(|one| one.has_binary()) {
        let version = packed.version.to_string();
        let line =
            ["install", &one.name, "--version", &version, "--locked", "--debug", "--quiet", "--root", "installed"];
        passes(world.cargo(line).args(["--target-dir", "target"]).current_dir(&folder))?;
    }
    Ok(())
}

/// Sets and pushes the tag, then makes the forge's release.
pub(crate) fn tag_and_tell(world: &World, workspace: &Workspace, packed: &Packed) -> Result<(), Stop> {
    let notes = notes(world, workspace, packed)?;
    match git::tags(world)?.get(&packed.version) {
        Some(commit) if *commit == packed.commit => println!("  the tag is there"),
        Some(commit) => {
            let tag = git::tag(&packed.version);
            return Err(Stop::hard(format!(
                "{tag} is on {commit}, and this is {}: find out who set it",
                packed.commit
            )));
        }
        None => git::set_tag(world, &packed.version, &format!("{}\n\n{notes}", git::tag(&packed.version)))?,
    }
    world.reach("tagged")?;
    match world.skipped("forge") {
        Some(reason) => println!("  SKIPPED: forge: {reason}"),
        None => Forge::of(world, workspace)?.make(&packed.version, &notes)?,
    }
    world.reach("told")
}

/// The version's section of the changelog, with what was left out on the way and the packages' checksums.
fn notes(world: &World, workspace: &Workspace, packed: &Packed) -> Result<String, Stop> {
    let text = fs::read_to_string(world.root.join("CHANGELOG.md")).doing("read CHANGELOG.md")?;
    let missing = || Stop::hard(format!("CHANGELOG.md has no section for {}", packed.version));
    let mut notes = Changelog::parse(&text)?.notes(&packed.version).ok_or_else(missing)?;
    notes.push_str("\n\nSHA-256 of the packages:\n\n");
    for package in &packed.packages {
        let _ = writeln!(notes, "    {}  {}", package.sha256, package.name);
    }
    let before = match world.skipped("gates") {
        None => gate::passed(world, workspace)?.unwrap_or_default(),
        Some(_) => Vec::new(),
    };
    for (step, reason) in before.iter().chain(&world.skipped) {
        let _ = write!(notes, "\nLeft out: {step}: {reason}\n");
    }
    Ok(notes)
}
