//! `cargo xtask release`: from changes to crates in the registry, a tag and the release notes.
//!
//! All published crates share one version. What was done is read from where it was done: the registry's index with its
//! checksums, the tag, the forge's release. Files of our own are a cache. So a release that was cut off anywhere is taken up by
//! doing the same again: what is there and equal is passed over, what is there and different is a stop.
//!
//! Everything is shown and nothing is done unless [`Order::execute`] says so.
//!
//! It is no part of the product and depends on none of our crates. Modules in reading order: `change`, `changelog` and
//! `version` are what a release is made from, `plan` decides; `guard`, `api` and `gate` are what has to hold; `prepare` edits;
//! `pack`, `upload`, `publish`, `verify` carry out; `status` tells. `registry`, `forge`, `git`, `workspace` and `world` are
//! the outside.
#![expect(clippy::print_stdout, reason = "a command-line tool: standard output is where its report goes")]

mod change;
mod changelog;
mod version;

mod plan;

mod api;
mod gate;
mod guard;

mod prepare;

mod pack;
mod publish;
mod upload;
mod verify;

mod status;

mod forge;
mod git;
mod http;
mod registry;
mod workspace;

mod clock;
mod stop;
mod world;

use semver::Version;

pub use crate::clock::{Clock, SystemClock};
pub use crate::stop::Stop;
pub use crate::version::Level;
pub use crate::world::{CRATES_IO, FORGE_TOKEN, Reached, TOKEN, Token, World};

use crate::pack::Packed;
use crate::plan::{Facts, Plan, Wish};
use crate::registry::Registry;
use crate::workspace::Workspace;

/// A part of a release, in the order in which they follow each other. Each can be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Which version comes next, and why.
    Plan,
    /// What has to be true before anything: a clean tree, the branch, the manifests.
    Guards,
    /// What the interfaces ask of the version.
    Api,
    /// The long checks: packages, documentation, checks, tests.
    Gates,
    /// Manifests, lock file and changelog.
    Prepare,
    /// Packs once; uploads what the registry lacks.
    Publish,
    /// Downloads, compares, builds a consumer; then the tag and the release notes.
    Verify,
    /// Where the release stands.
    Status,
    /// Publish and verify, from wherever it was cut off.
    Resume,
    /// How to leave a release that can't be finished.
    Abandon,
}

impl Step {
    /// All steps with their words and what they do, for the help.
    pub const ALL: [(Self, &'static str, &'static str); 10] = [
        (Self::Plan, "plan", "which version comes next, and why"),
        (Self::Guards, "guards", "clean tree, right branch, manifests that fit"),
        (Self::Api, "api", "what the interfaces ask of the version"),
        (Self::Gates, "gates", "packages, docs, every check, every test"),
        (Self::Prepare, "prepare", "edits manifests, lock file and changelog"),
        (Self::Publish, "publish", "packs once, uploads what the registry lacks"),
        (Self::Verify, "verify", "downloads, builds a consumer; then tag and notes"),
        (Self::Status, "status", "where the release stands"),
        (Self::Resume, "resume", "publish and verify, from wherever it was cut off"),
        (Self::Abandon, "abandon", "how to leave a release that can't be finished"),
    ];
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// One step; `None` is a rehearsal of all of them.
    pub step: Option<Step>,
    /// Whether to act. A rehearsal never does.
    pub execute: bool,
    /// At least this much of a change.
    pub level: Option<Level>,
    /// At least this version.
    pub to: Option<Version>,
}

/// What `--skip` takes.
pub const SKIPPABLE: [&str; 8] = ["api", "package", "docs", "check", "test", "gates", "consumer", "forge"];

/// Does what is asked for.
///
/// # Errors
///
/// When the release can't go on: see [`Stop::is_later`] for whether waiting is enough. What was done until then stands.
pub fn release(world: &World, order: &Order) -> Result<(), Stop> {
    let workspace = Workspace::load(world)?;
    let wish = Wish { level: order.level, to: order.to.clone() };
    match order.step {
        None if order.execute => Err(Stop::hard("--execute belongs to one step: prepare, publish, verify or resume")),
        None => rehearse(world, &workspace, &wish),
        Some(Step::Plan) => {
            let facts = Facts::gather(world, &workspace)?;
            let plan = facts.plan(&wish, None)?;
            print!("{}", plan::shown(world, &workspace, &facts, &plan)?);
            println!("\nThe interfaces weren't asked: `cargo xtask release api` does, and so does `prepare`.");
            Ok(())
        }
        Some(Step::Guards) => guards(world, &workspace),
        Some(Step::Api) => fits(world, &workspace),
        Some(Step::Gates) => gate::run(world, &workspace),
        Some(Step::Prepare) => prepare(world, &workspace, &wish, order.execute),
        Some(Step::Publish) => publish(world, &workspace, order.execute).map(|_| ()),
        Some(Step::Verify) => {
            prepared(world, &workspace)?;
            let packed = pack::pack(world, &workspace)?;
            verify(world, &workspace, &packed, order.execute)
        }
        Some(Step::Status) => status::status(world, &workspace),
        Some(Step::Resume) => {
            let packed = publish(world, &workspace, order.execute)?;
            if order.execute { verify(world, &workspace, &packed, true) } else { Ok(()) }
        }
        Some(Step::Abandon) => status::abandon(world, &workspace),
    }
}

/// All steps, none of which acts.
fn rehearse(world: &World, workspace: &Workspace, wish: &Wish) -> Result<(), Stop> {
    let facts = Facts::gather(world, workspace)?;
    let api = api::level(world, workspace, facts.base.as_ref())?;
    let plan = facts.plan(wish, api)?;
    print!("{}", plan::shown(world, workspace, &facts, &plan)?);
    println!("\n=== guards");
    guards(world, workspace)?;
    gate::run(world, workspace)?;
    println!("\n=== prepare");
    edit(world, workspace, &facts, &plan, false)?;
    println!("\n=== publish");
    if !facts.is_prepared() {
        println!("  as the manifests are now, which is before `prepare`:");
    }
    let packed = pack::pack(world, workspace)?;
    publish::survey(&Registry::open(world)?, &packed)?;
    println!("\nrehearsed: nothing was changed outside of {}", workspace.target.display());
    Ok(())
}

fn guards(world: &World, workspace: &Workspace) -> Result<(), Stop> {
    guard::check(world, workspace)?;
    println!("guards: nothing stands against a release");
    Ok(())
}

/// Whether the version of a prepared release is high enough for what the interfaces ask.
fn fits(world: &World, workspace: &Workspace) -> Result<(), Stop> {
    let facts = Facts::gather(world, workspace)?;
    let level = api::level(world, workspace, facts.base.as_ref())?;
    if let (Some(base), Some(level)) = (&facts.base, level) {
        let least = level.after(base);
        if facts.is_prepared() && facts.manifests < least {
            return Err(Stop::hard(format!("{} is too low: the interfaces ask for {least}", facts.manifests)));
        }
        println!("the interfaces ask for {least} at least");
    }
    Ok(())
}

fn prepare(world: &World, workspace: &Workspace, wish: &Wish, execute: bool) -> Result<(), Stop> {
    let facts = Facts::gather(world, workspace)?;
    let api = api::level(world, workspace, facts.base.as_ref())?;
    let plan = facts.plan(wish, api)?;
    print!("{}", plan::shown(world, workspace, &facts, &plan)?);
    edit(world, workspace, &facts, &plan, execute)
}

fn edit(world: &World, workspace: &Workspace, facts: &Facts, plan: &Plan, execute: bool) -> Result<(), Stop> {
    let edits = prepare::Edits::of(world, workspace, facts, plan)?;
    if edits.is_empty() {
        println!("{} is prepared: nothing to edit", plan.next);
        return Ok(());
    }
    for (file, _) in &edits.files {
        println!("  edits {}", file.display());
    }
    for file in &edits.gone {
        println!("  removes {}, which the changelog has then", file.display());
    }
    if execute {
        edits.write(world)?;
        println!("Now read the difference, commit it as `release {}`, and have it merged.", plan.next);
    } else {
        println!("Nothing was edited: --execute does.");
    }
    Ok(())
}

/// Manifests and changelog are those of a release, and it is the commit that is checked out.
fn prepared(world: &World, workspace: &Workspace) -> Result<(), Stop> {
    guard::check(world, workspace)?;
    if Facts::gather(world, workspace)?.is_prepared() {
        return Ok(());
    }
    Err(Stop::hard("this commit isn't prepared: `cargo xtask release prepare --execute`, commit, and have it merged"))
}

fn publish(world: &World, workspace: &Workspace, execute: bool) -> Result<Packed, Stop> {
    prepared(world, workspace)?;
    if execute && world.skipped("gates").is_none() && gate::passed(world, workspace)?.is_none() {
        return Err(Stop::hard(
            "the gates didn't pass at this commit on this machine: `cargo xtask release gates` first",
        ));
    }
    let packed = pack::pack(world, workspace)?;
    if execute {
        publish::publish(world, workspace, &packed)?;
        println!("all {} crates of {} are in the registry", packed.packages.len(), packed.version);
    } else {
        publish::survey(&Registry::open(world)?, &packed)?;
        println!("Nothing was uploaded: --execute does. The packages are in {}", packed.folder.display());
    }
    Ok(packed)
}

fn verify(world: &World, workspace: &Workspace, packed: &Packed, execute: bool) -> Result<(), Stop> {
    verify::verify(world, workspace, packed)?;
    if execute {
        verify::tag_and_tell(world, workspace, packed)?;
        println!("{} is released", packed.version);
    } else {
        println!("Verified. The tag {} and the notes come with --execute.", git::tag(&packed.version));
    }
    Ok(())
}
