//! What git knows: the commit, whether anything is uncommitted, and the tags that say what was released.

use std::collections::BTreeMap;

use semver::Version;

use crate::stop::Stop;
use crate::world::{World, output};

/// A version's tag.
pub(crate) fn tag(version: &Version) -> String {
    format!("v{version}")
}

/// The commit that is checked out.
pub(crate) fn head(world: &World) -> Result<String, Stop> {
    Ok(output(&mut world.git(&["rev-parse", "HEAD"]))?.trim().to_owned())
}

/// The day of the commit that is checked out: a release made twice of one commit has one date.
pub(crate) fn day(world: &World) -> Result<String, Stop> {
    Ok(output(&mut world.git(&["log", "-1", "--format=%cs"]))?.trim().to_owned())
}

/// The files that differ from the commit.
pub(crate) fn uncommitted(world: &World) -> Result<Vec<String>, Stop> {
    Ok(output(&mut world.git(&["status", "--porcelain"]))?.lines().map(|line| line.trim().to_owned()).collect())
}

/// Whether the commit that is checked out belongs to the branch that is released from. A workflow checks out a commit and no
/// branch, so what counts is the remote branch, where there is one.
pub(crate) fn on_branch(world: &World) -> Result<bool, Stop> {
    let remote_branch = format!("refs/remotes/{}/{}", world.remote, world.branch);
    if world.git(&["rev-parse", "--verify", "--quiet", &remote_branch]).output().is_ok_and(|told| told.status.success())
    {
        let among = world.git(&["merge-base", "--is-ancestor", "HEAD", &remote_branch]).output();
        return Ok(among.is_ok_and(|told| told.status.success()));
    }
    Ok(output(&mut world.git(&["branch", "--show-current"]))?.trim() == world.branch)
}

/// The tags of versions with their commits, as the remote repository has them; without a remote, as this one has them.
pub(crate) fn tags(world: &World) -> Result<BTreeMap<Version, String>, Stop> {
    let remotes = output(&mut world.git(&["remote"]))?;
    if remotes.lines().any(|name| name == world.remote) {
        Ok(read_tags(&output(&mut world.git(&["ls-remote", "--tags", &world.remote, "v*"]))?))
    } else {
        local_tags(world)
    }
}

fn local_tags(world: &World) -> Result<BTreeMap<Version, String>, Stop> {
    let form = "--format=%(objectname) %(refname)%0a%(*objectname) %(refname)^{}";
    Ok(read_tags(&output(&mut world.git(&["for-each-ref", form, "refs/tags/v*"]))?))
}

/// Lines of a commit and a name. A tag with a message has a second line, ending in `^{}`, with the commit that it stands for.
fn read_tags(text: &str) -> BTreeMap<Version, String> {
    let mut tags = BTreeMap::new();
    for line in text.lines() {
        let Some((commit, name)) = line.split_once(char::is_whitespace).filter(|(commit, _)| !commit.is_empty()) else {
            continue;
        };
        let name = name.trim().strip_prefix("refs/tags/v").unwrap_or_default();
        if let Ok(version) = name.strip_suffix("^{}").unwrap_or(name).parse() {
            tags.insert(version, commit.to_owned());
        }
    }
    tags
}

/// Sets a version's tag on the commit that is checked out and pushes it. A tag of an earlier try is taken for ours if it is on
/// the same commit.
pub(crate) fn set_tag(world: &World, version: &Version, message: &str) -> Result<(), Stop> {
    let (name, head) = (tag(version), head(world)?);
    match local_tags(world)?.get(version) {
        Some(commit) if *commit == head => {}
        Some(commit) => {
            return Err(Stop::hard(format!("the tag {name} is on {commit} here, not on {head}: find out who set it")));
        }
        None => {
            output(&mut world.git(&["tag", "--annotate", "--cleanup=whitespace", &name, "--message", message, &head]))?;
            world.reach("tag set, not pushed")?;
        }
    }
    let remotes = output(&mut world.git(&["remote"]))?;
    if remotes.lines().any(|remote| remote == world.remote) {
        output(&mut world.git(&["push", &world.remote, &format!("refs/tags/{name}")]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_stands_for_its_commit() {
        let text = "aa\trefs/tags/v0.1.0\nbb\trefs/tags/v0.1.0^{}\ncc\trefs/tags/v0.2.0\ndd\trefs/tags/vain\n refs/tags/v1.0.0^{}\n";
        let tags: Vec<String> = read_tags(text).iter().map(|(version, commit)| format!("{version} {commit}")).collect();
        assert_eq!(tags, ["0.1.0 bb", "0.2.0 cc"]);
    }
}
