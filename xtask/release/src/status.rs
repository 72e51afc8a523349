//! Where a release stands, as the registry, git and the forge tell it; and how to leave one that can't be finished.

use semver::Version;

use crate::forge::Forge;
use crate::git;
use crate::pack;
use crate::plan::Facts;
use crate::registry::Registry;
use crate::stop::Stop;
use crate::version::Level;
use crate::workspace::Workspace;
use crate::world::World;

/// Tells where the version of the manifests stands. Changes nothing.
pub(crate) fn status(world: &World, workspace: &Workspace) -> Result<(), Stop> {
    let facts = Facts::gather(world, workspace)?;
    let version = &facts.manifests;
    let head = git::head(world)?;
    let packed = pack::recorded(workspace, version, &head)?;
    let registry = Registry::open(world)?;
    let (mut there, mut all, mut spoilt) = (0, 0, false);
    println!("release {version}");
    for one in workspace.in_order()? {
        all += 1;
        let ours = packed.as_ref().and_then(|packed| packed.packages.iter().find(|package| package.name == one.name));
        let told = match registry.entry(&one.name, version)? {
            None => "not there".to_owned(),
            Some(entry) => {
                there += 1;
                let differs = ours.is_some_and(|ours| ours.sha256 != entry.sha256);
                spoilt |= differs || entry.yanked;
                let word = match (entry.yanked, ours) {
                    (true, _) => "there, yanked",
                    (_, Some(_)) if differs => "there, DIFFERENT from what was packed here",
                    (_, Some(_)) => "there, the same",
                    (_, None) => "there, not compared: packed by `publish`",
                };
                format!("{word}  {}", &entry.sha256.get(..16).unwrap_or_default())
            }
        };
        println!("  {:<22} {told}", one.name);
    }
    let tag = git::tags(world)?.get(version).cloned();
    println!("  tag {:<18} {}", git::tag(version), tag.as_deref().unwrap_or("not set"));
    // Before the tag there is no page, and a forge that can't be reached keeps nobody from knowing where a release stands.
    let page = match (&tag, world.skipped("forge")) {
        (None, _) | (_, Some(_)) => None,
        (Some(_), None) => Some(Forge::of(world, workspace)?.has(version)?),
    };
    let told = page.map_or("not asked", |there| if there { "there" } else { "not there" });
    println!("  {:<22} {told}", "release notes");
    let next = match (there, &tag, page) {
        _ if spoilt => "spoilt: see `cargo xtask release abandon`",
        (n, Some(_), _) if n < all => "WRONG: a tag without all crates. Find out who set it",
        (_, Some(_), Some(false)) => "released, but not told: `cargo xtask release resume --execute`",
        (_, Some(_), _) => "released",
        (0, None, _) if facts.is_prepared() => "prepared: next is `cargo xtask release publish`",
        (0, None, _) => "not prepared: next is `cargo xtask release prepare`",
        (n, None, _) if n < all => "SPLIT: go on with `cargo xtask release resume --execute`, or `abandon`",
        (_, None, _) => "all crates are there, not verified: `cargo xtask release verify`",
    };
    println!("{there} of {all} crates: {next}");
    Ok(())
}

/// Says what would be withdrawn, and how to go on. Does nothing: a version that was seen by anybody stays taken.
pub(crate) fn abandon(world: &World, workspace: &Workspace) -> Result<(), Stop> {
    let version = workspace.version()?;
    if git::tags(world)?.contains_key(&version) {
        return Err(Stop::hard(format!(
            "{version} is released: its tag is set. What is wrong with it is mended by the next one"
        )));
    }
    let registry = Registry::open(world)?;
    let mut there = Vec::new();
    for one in workspace.in_order()? {
        if registry.entry(&one.name, &version)?.is_some_and(|entry| !entry.yanked) {
            there.push(one.name.clone());
        }
    }
    print!("{}", advice(&version, &there));
    Ok(())
}

/// Those that others need are withdrawn last.
fn advice(version: &Version, there: &[String]) -> String {
    if there.is_empty() {
        return format!("Nothing of {version} is in the registry. Take the commit back, and that is all.\n");
    }
    let yanks: String = there.iter().rev().map(|name| format!("  cargo yank {name}@{version}\n")).collect();
    let next = Level::Fix.after(version);
    format!(
        "{version} can't be taken back, only withdrawn, by these commands, which you have to run yourself:\n{yanks}\
         Then mend what was wrong, tell it in docs/changes, and release {next}:\n  \
         cargo xtask release prepare --to {next} --execute\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abandoning_goes_forward_only() {
        let version = "0.2.0".parse().unwrap();
        assert_eq!(
            advice(&version, &[]),
            "Nothing of 0.2.0 is in the registry. Take the commit back, and that is all.\n"
        );
        let text = advice(&version, &["low".to_owned(), "high".to_owned()]);
        insta::assert_snapshot!(text, @"
        0.2.0 can't be taken back, only withdrawn, by these commands, which you have to run yourself:
          cargo yank high@0.2.0
          cargo yank low@0.2.0
        Then mend what was wrong, tell it in docs/changes, and release 0.2.1:
          cargo xtask release prepare --to 0.2.1 --execute
        ");
    }
}
