//! Which version comes next, and why.

use std::fmt::Write as _;
use std::fs;

use semver::Version;

use crate::change::{self, Change};
use crate::changelog::Changelog;
use crate::git;
use crate::stop::{Doing, Stop};
use crate::version::Level;
use crate::workspace::Workspace;
use crate::world::World;

/// What the next version is decided from.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The newest tag. Nothing was released without one.
    pub(crate) base: Option<Version>,
    pub(crate) manifests: Version,
    /// The newest version that the changelog tells of.
    pub(crate) told: Option<Version>,
    /// What no version tells of yet.
    pub(crate) changes: Vec<Change>,
}

/// What a person asks for beyond what the changes do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) level: Option<Level>,
    /// This version or a higher one: after a version that was abandoned.
    pub(crate) to: Option<Version>,
}

/// The next version.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) base: Option<Version>,
    pub(crate) next: Version,
    pub(crate) why: Vec<String>,
}

impl Facts {
    pub(crate) fn gather(world: &World, workspace: &Workspace) -> Result<Self, Stop> {
        let changelog = read_changelog(world)?;
        let mut changes = change::read_all(&world.root)?;
        changes.extend(changelog.unreleased()?);
        Ok(Self {
            base: git::tags(world)?.into_keys().next_back(),
            manifests: workspace.version()?,
            told: changelog.newest(),
            changes,
        })
    }

    /// Whether manifests and changelog are those of a release, and nothing waits.
    pub(crate) fn is_prepared(&self) -> bool {
        self.changes.is_empty() && self.told.as_ref() == Some(&self.manifests)
    }

    /// The highest of what the changes, the interfaces and a person ask for.
    ///
    /// The version in the manifests counts only if it is higher than the tag: a release that was begun is completed.
    pub(crate) fn plan(&self, wish: &Wish, api: Option<Level>) -> Result<Plan, Stop> {
        let mut why = Vec::new();
        let Some(base) = &self.base else {
            let next = wish.to.iter().chain([&self.manifests]).max().unwrap_or(&self.manifests).clone();
            why.push(format!("no tag: this is the first release, and the manifests say {}", self.manifests));
            return Ok(Plan { base: None, next, why });
        };
        let mut asked = Vec::new();
        if let Some(change) = self.changes.iter().max_by_key(|change| change.level) {
            let first = change.text.lines().next().unwrap_or_default();
            why.push(format!("{} changes, the highest is {}: {first}", self.changes.len(), change.level));
            asked.push(change.level.after(base));
        }
        for (who, level) in [("the interfaces", api), ("a person", wish.level)] {
            if let Some(level) = level {
                why.push(format!("{who}: {level}"));
                asked.push(level.after(base));
            }
        }
        let begun =
            [("changelog", self.told.as_ref()), ("manifests", Some(&self.manifests)), ("person", wish.to.as_ref())];
        for (who, version) in begun {
            if let Some(version) = version.filter(|version| *version > base) {
                why.push(format!("the {who} said {version} already"));
                asked.push(version.clone());
            }
        }
        let next = asked.into_iter().max();
        let next = next.ok_or_else(|| Stop::hard(format!("nothing to release: no change is told since {base}")))?;
        Ok(Plan { base: self.base.clone(), next, why })
    }
}

pub(crate) fn read_changelog(world: &World) -> Result<Changelog, Stop> {
    Changelog::parse(&fs::read_to_string(world.root.join("CHANGELOG.md")).doing("read CHANGELOG.md")?)
}

/// The plan as a person reads it: each crate with its old version, its new one, and the changes that name it.
pub(crate) fn shown(world: &World, workspace: &Workspace, facts: &Facts, plan: &Plan) -> Result<String, Stop> {
    let old = plan.base.as_ref().map_or("–".to_owned(), ToString::to_string);
    let mut text = format!("release {} (before: {old})\n", plan.next);
    for why in &plan.why {
        let _ = writeln!(text, "  because {why}");
    }
    text.push_str("\ncrates, in the order in which they are published:\n");
    for one in workspace.in_order()? {
        let short = one.package.manifest_path.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
        let its = facts
            .changes
            .iter()
            .filter(|change| change.crates.iter().any(|name| name == short || *name == one.name))
            .count();
        let why = match its {
            0 => "all crates share a version".to_owned(),
            1 => "a change names it".to_owned(),
            its => format!("{its} changes name it"),
        };
        let _ = writeln!(text, "  {:<22} {old} → {}  {why}", one.name, plan.next);
    }
    let unpublished: Vec<&str> =
        workspace.crates.iter().filter(|one| !one.published).map(|one| one.name.as_str()).collect();
    let _ = writeln!(text, "  not published: {}", unpublished.join(", "));
    text.push_str("\nchanges:\n");
    for change in &facts.changes {
        let from = change.file.as_ref().map_or("CHANGELOG.md".to_owned(), |file| file.display().to_string());
        let first = change.text.lines().next().unwrap_or_default();
        let _ = writeln!(text, "  {:<10} {:<8} {first}  ({from})", change.kind.to_string(), change.level.to_string());
    }
    for (step, reason) in &world.skipped {
        let _ = writeln!(text, "\nLEFT OUT: {step}: {reason}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Kind;

    /// `base manifests told`, `-` for none; the changes' levels; a person's and the interfaces' level.
    fn check(versions: &str, changes: &[Level], level: Option<Level>, api: Option<Level>, expected: &str) {
        check_wish(versions, changes, &Wish { level, to: None }, api, expected);
    }

    fn check_wish(versions: &str, changes: &[Level], wish: &Wish, api: Option<Level>, expected: &str) {
        let read = |word: &str| (word != "-").then(|| word.parse::<Version>().unwrap());
        let words: Vec<&str> = versions.split(' ').collect();
        let change = |level: &Level| Change {
            file: None,
            kind: Kind::Changed,
            level: *level,
            crates: Vec::new(),
            text: "x".to_owned(),
        };
        let facts = Facts {
            base: read(words[0]),
            manifests: read(words[1]).unwrap(),
            told: read(words[2]),
            changes: changes.iter().map(change).collect(),
        };
        let found = facts.plan(wish, api).map_or_else(|stop| stop.to_string(), |plan| plan.next.to_string());
        assert_eq!(found, expected, "{versions} {changes:?}");
    }

    #[test]
    fn the_highest_level_wins() {
        use Level::{Breaking, Feature, Fix};
        check("1.2.3 1.2.3 1.2.3", &[Fix], None, None, "1.2.4");
        check("1.2.3 1.2.3 1.2.3", &[Fix, Feature], None, None, "1.3.0");
        check("1.2.3 1.2.3 1.2.3", &[Fix], Some(Feature), None, "1.3.0");
        check("1.2.3 1.2.3 1.2.3", &[Fix], Some(Feature), Some(Breaking), "2.0.0");
        check("1.2.3 1.2.3 1.2.3", &[], Some(Fix), None, "1.2.4");
        check("1.2.3 1.2.3 1.2.3", &[], None, None, "nothing to release: no change is told since 1.2.3");
    }

    #[test]
    fn a_release_that_was_begun_is_completed() {
        use Level::{Breaking, Fix};
        // Cut off after the manifests; after the changelog; before new changes came.
        check("1.2.3 1.2.4 1.2.3", &[Fix], None, None, "1.2.4");
        check("1.2.3 1.2.4 1.2.4", &[], None, None, "1.2.4");
        check("1.2.3 1.2.4 1.2.4", &[Breaking], None, None, "2.0.0");
        check("1.2.3 2.0.0 2.0.0", &[Fix], None, None, "2.0.0");
    }

    #[test]
    fn the_first_release_is_what_the_manifests_say() {
        check("- 0.1.0 -", &[Level::Breaking], Some(Level::Breaking), None, "0.1.0");
    }

    #[test]
    fn a_person_can_leave_an_abandoned_version_behind() {
        let wish = Wish { level: None, to: Some("0.2.1".parse().unwrap()) };
        check_wish("0.1.0 0.2.0 0.2.0", &[Level::Fix], &wish, None, "0.2.1");
        check_wish("0.1.0 0.2.0 0.2.0", &[], &wish, Some(Level::Breaking), "0.2.1");
        check_wish("- 0.1.0 -", &[], &wish, None, "0.2.1");
    }
}
