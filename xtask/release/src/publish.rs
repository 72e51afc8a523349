//! Uploads what the registry's index lacks, crate by crate. The index alone says what is there; an upload's answer is a hint.

use std::time::Duration;

use crate::pack::{Package, Packed};
use crate::registry::{Entry, Registry, Uploaded};
use crate::stop::Stop;
use crate::upload;
use crate::workspace::Workspace;
use crate::world::World;

/// How often the index is asked for a crate that was uploaded, in seconds between: about ten minutes together. crates.io takes
/// seconds as a rule, and minutes on a bad day.
const UNTIL_SEEN: &[u64] = &[1, 2, 4, 8, 15, 30, 60, 60, 60, 120, 120, 120];

/// How often the index is asked after an upload of which nobody knows whether it was stored: about two minutes, before it is
/// sent again. Sending again is safe all the same, as a registry refuses what it has; this only keeps it rare.
const UNTIL_SETTLED: &[u64] = &[1, 2, 4, 8, 15, 30, 60];

/// Uploads of one crate whose outcome stayed unknown, before we stop.
const MAX_UNKNOWN: u32 = 3;

/// How often we wait as told for one crate, before we stop.
const MAX_TOLD_WAITS: u32 = 20;

/// How a package stands to the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Absent,
    /// There, and the same.
    Equal,
    /// There, the same, and withdrawn.
    Yanked,
    /// There, and something else, with this checksum.
    Different(String),
}

/// Holds a package against the index.
pub(crate) fn standing(registry: &Registry<'_>, packed: &Packed, package: &Package) -> Result<Standing, Stop> {
    Ok(match registry.entry(&package.name, &packed.version)? {
        None => Standing::Absent,
        Some(Entry { sha256, .. }) if sha256 != package.sha256 => Standing::Different(sha256),
        Some(Entry { yanked: true, .. }) => Standing::Yanked,
        Some(_) => Standing::Equal,
    })
}

/// Tells how each package stands, and stops if one can't be published: before the first upload, not in the middle.
pub(crate) fn survey(registry: &Registry<'_>, packed: &Packed) -> Result<Vec<Standing>, Stop> {
    let mut all = Vec::new();
    let mut wrong = Vec::new();
    for package in &packed.packages {
        let standing = standing(registry, packed, package)?;
        let told = match &standing {
            Standing::Absent => "not there yet",
            Standing::Equal => "there, the same",
            Standing::Yanked => "there, yanked",
            Standing::Different(_) => "there, DIFFERENT",
        };
        println!("  {:<22} {}  {told}", package.name, &package.sha256[..16]);
        if let Standing::Different(theirs) = &standing {
            wrong.push(different(packed, package, theirs));
        } else if standing == Standing::Yanked {
            wrong.push(format!("{} {} was yanked: this version is spoilt", package.name, packed.version));
        }
        all.push(standing);
    }
    if wrong.is_empty() { Ok(all) } else { Err(Stop::hard(wrong.join("\n"))) }
}

fn different(packed: &Packed, package: &Package, theirs: &str) -> String {
    format!(
        "{} {} is in the registry with the checksum {theirs}, and ours is {}. It was packed from another commit or by another \
         cargo, or it isn't ours. Go on from the commit that the release began with, or see `cargo xtask release abandon`",
        package.name, packed.version, package.sha256
    )
}

/// Uploads what is absent, each crate after those that it needs, and returns when the index has all of them.
pub(crate) fn publish(world: &World, workspace: &Workspace, packed: &Packed) -> Result<(), Stop> {
    let registry = Registry::open(world)?;
    survey(&registry, packed)?;
    for package in &packed.packages {
        world.reach(&format!("before {}", package.name))?;
        publish_one(world, workspace, &registry, packed, package)?;
        world.reach(&format!("after {}", package.name))?;
    }
    let all = survey(&registry, packed)?;
    if all.iter().all(|standing| *standing == Standing::Equal) {
        return Ok(());
    }
    Err(Stop::later(
        "the index lacks a crate that it had: not a release yet. Look again with `cargo xtask release status`",
    ))
}

fn publish_one(
    world: &World,
    workspace: &Workspace,
    registry: &Registry<'_>,
    packed: &Packed,
    package: &Package,
) -> Result<(), Stop> {
    let name = &package.name;
    let one = workspace.find(name).ok_or_else(|| Stop::hard(format!("{name} is no crate of ours")))?;
    let body = upload::body(one, &package.bytes()?)?;
    let (mut unknown, mut told_waits) = (0, 0);
    loop {
        if is_there(registry, packed, package)? {
            println!("  {name}: there");
            return Ok(());
        }
        println!("  {name}: uploading {} bytes", body.len());
        let uploaded = registry.upload(&body)?;
        world.reach(&format!("{name} uploaded, not looked at"))?;
        match uploaded {
            Uploaded::Accepted => {
                if appears(world, registry, packed, package, UNTIL_SEEN)? {
                    return Ok(());
                }
                return Err(Stop::later(format!("the registry took {name}, and its index doesn't have it yet")));
            }
            Uploaded::NotNow(told) => {
                told_waits += 1;
                wait_as_told(world, name, told, told_waits)?;
            }
            Uploaded::Unknown(why) => {
                unknown += 1;
                println!("  {name}: {why}: whether it was stored, the index has to say");
                if !appears(world, registry, packed, package, UNTIL_SETTLED)? && unknown == MAX_UNKNOWN {
                    return Err(Stop::later(format!("{name} was sent {unknown} times and never arrived: {why}")));
                }
            }
            Uploaded::Already(why) => {
                // An earlier upload of ours, and the index is late; or another's, which the index will show as different.
                if !appears(world, registry, packed, package, UNTIL_SEEN)? {
                    return Err(Stop::later(format!(
                        "the registry says of {name}: {why}. Its index doesn't show it yet"
                    )));
                }
            }
            Uploaded::Refused(why) => return Err(Stop::hard(format!("the registry refused {name}: {why}"))),
        }
    }
}

fn is_there(registry: &Registry<'_>, packed: &Packed, package: &Package) -> Result<bool, Stop> {
    match standing(registry, packed, package)? {
        Standing::Absent => Ok(false),
        Standing::Equal => Ok(true),
        Standing::Yanked => Err(Stop::hard(format!("{} {} was yanked meanwhile", package.name, packed.version))),
        Standing::Different(theirs) => Err(Stop::hard(different(packed, package, &theirs))),
    }
}

/// Whether the index comes to have it, asked after each of these times.
fn appears(
    world: &World,
    registry: &Registry<'_>,
    packed: &Packed,
    package: &Package,
    waits: &[u64],
) -> Result<bool, Stop> {
    for wait in waits {
        if is_there(registry, packed, package)? {
            return Ok(true);
        }
        world.clock.wait(Duration::from_secs(*wait));
    }
    is_there(registry, packed, package)
}

/// Waits as the registry told, or stops and says until when.
fn wait_as_told(world: &World, name: &str, told: Option<Duration>, times: u32) -> Result<(), Stop> {
    let wait = told.unwrap_or(Duration::from_secs(60));
    if wait > world.longest_wait || times > MAX_TOLD_WAITS {
        let then = httpdate::fmt_http_date(world.clock.now() + wait);
        return Err(Stop::later(format!("the registry takes {name} later: resume after {then}")));
    }
    println!("  {name}: the registry asks for {} s of patience", wait.as_secs());
    world.clock.wait(wait);
    Ok(())
}
