//! How much a dependency on the client brings along.
//!
//! Whoever writes a program for the hub by hand takes reqwest, `serde_json` and tokio. The client may cost a few crates more to build than
//! they do, and no more: a dependency that somebody adds shows here, and has to be worth its place.

use std::collections::BTreeSet;
use std::error::Error;

use crate::check::Findings;
use crate::run;
use crate::workspace::Workspace;

/// The crate that is weighed, with its default features.
const WEIGHED: &str = "asaanbill-client";

/// What a program by hand depends on, with the features that the client asks of them.
const BY_HAND: [&str; 3] = ["reqwest", "serde_json", "tokio"];

/// How many crates more than those a build of it may compile, itself and build scripts' and macros' crates included.
const MORE_MAX: usize = 25;

/// Weighs it.
pub(crate) fn check(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    let form = ["--edges", "normal,build", "--prefix", "depth", "--format", "{p}", "--no-dedupe"];
    let arguments = ["tree", "--package", WEIGHED].into_iter().chain(form);
    let tree = run::output(&mut run::cargo(&workspace.root, arguments))?;
    let more = more_than(&tree, &BY_HAND)?;
    println!("{WEIGHED}: {} crates more than {}: {}", more.len(), BY_HAND.join(", "), listed(&more));
    if more.len() <= MORE_MAX {
        return Ok(Findings::default());
    }
    Ok(Findings::error(format!(
        "{WEIGHED} compiles {} crates more than {} do, at most {MORE_MAX} are allowed: {}",
        more.len(),
        BY_HAND.join(", "),
        listed(&more)
    )))
}

fn listed(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

/// The packages of a tree that are neither `roots` nor below one, each with its version: another version is another crate to compile.
fn more_than<'t>(tree: &'t str, roots: &[&str]) -> Result<BTreeSet<&'t str>, String> {
    let (mut all, mut below, mut inside) = (BTreeSet::new(), BTreeSet::new(), None);
    let mut missing: BTreeSet<&str> = roots.iter().copied().collect();
    for line in tree.lines() {
        let package = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let Ok(depth) = line[..line.len() - package.len()].parse::<usize>() else { continue };
        let end = package.match_indices(' ').nth(1).map_or(package.len(), |(at, _)| at);
        let package = &package[..end];
        // Back at the root's own depth, or above it: what follows isn't below it any more.
        inside = inside.filter(|at| depth > *at);
        let name = package.split(' ').next().unwrap_or(package);
        if inside.is_none() && roots.contains(&name) {
            missing.remove(name);
            inside = Some(depth);
        }
        all.insert(package);
        if inside.is_some() {
            below.insert(package);
        }
    }
    match missing.first() {
        Some(gone) => Err(format!("{WEIGHED} has no {gone} below it: what it is weighed against has changed")),
        None => Ok(all.difference(&below).copied().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "0client v0.1.0 (/w/crates/client)\n\
        1core v0.1.0 (/w/crates/core)\n\
        2jiff v0.2.46\n\
        1hand v1.0.0\n\
        2deep v2.0.0\n\
        3jiff v0.2.46\n\
        1serde v1.0.0\n\
        2derive v1.0.0 (proc-macro)\n\
        3deep v1.0.0\n\n";

    #[test]
    fn what_is_below_the_roots_is_theirs() {
        // `jiff` is below `hand` too, and so costs nothing more; another version of `deep` does.
        let more = more_than(TREE, &["hand"]).unwrap();
        assert_eq!(listed(&more), "client v0.1.0, core v0.1.0, deep v1.0.0, derive v1.0.0, serde v1.0.0");
        assert_eq!(listed(&more_than(TREE, &["hand", "serde"]).unwrap()), "client v0.1.0, core v0.1.0");
    }

    #[test]
    fn a_root_that_is_gone_is_an_error() {
        assert!(more_than(TREE, &["hand", "reqwest"]).unwrap_err().contains("no reqwest"));
    }
}
