//! `CHANGELOG.md`: what waits under "Unreleased", and the section of a version.

use std::fmt::Write as _;

use semver::Version;

use crate::change::{Change, Kind};
use crate::stop::Stop;

const UNRELEASED: &str = "## [Unreleased]";

/// The file, parted at its second-level headings.
#[derive(Clone, Debug)]
pub(crate) struct Changelog {
    /// What stands before "Unreleased".
    intro: String,
    unreleased: String,
    /// The heading and the body of each version, newest first.
    sections: Vec<(String, String)>,
}

impl Changelog {
    /// # Errors
    ///
    /// When there is no heading "Unreleased", or it isn't the first.
    pub(crate) fn parse(text: &str) -> Result<Self, Stop> {
        let text = text.replace("\r\n", "\n");
        let no_heading = || Stop::hard(format!("CHANGELOG.md has no heading {UNRELEASED:?} before its versions"));
        let mut parts: Vec<(String, String)> = vec![(String::new(), String::new())];
        for line in text.lines() {
            if line.starts_with("## ") {
                parts.push((line.to_owned(), String::new()));
            } else if let Some((_, body)) = parts.last_mut() {
                let _ = writeln!(body, "{line}");
            }
        }
        let mut parts = parts.into_iter();
        let intro = parts.next().map(|(_, body)| body).unwrap_or_default();
        match parts.next() {
            Some((heading, unreleased)) if heading.trim() == UNRELEASED => {
                Ok(Self { intro, unreleased, sections: parts.collect() })
            }
            _ => Err(no_heading()),
        }
    }

    /// The lines that people wrote under "Unreleased", each list item a change.
    pub(crate) fn unreleased(&self) -> Result<Vec<Change>, Stop> {
        let changes = changes_of(&self.unreleased);
        changes.map_err(|line| {
            Stop::hard(format!("CHANGELOG.md, Unreleased: {line:?} is under no heading such as \"### Added\""))
        })
    }

    /// The newest version that has a section.
    pub(crate) fn newest(&self) -> Option<Version> {
        self.sections.first().and_then(|(heading, _)| version_of(heading))
    }

    /// What is told of a version.
    pub(crate) fn notes(&self, version: &Version) -> Option<String> {
        let found = self.sections.iter().find(|(heading, _)| version_of(heading).as_ref() == Some(version));
        found.map(|(_, body)| body.trim().to_owned())
    }

    /// Moves what waits and the given changes into the section of `next`. A section newer than `base` is of the same release,
    /// begun earlier: it is completed and gets the new heading. A change that is told already isn't told twice.
    pub(crate) fn with_release(
        mut self,
        base: Option<&Version>,
        next: &Version,
        date: &str,
        changes: &[Change],
    ) -> Result<String, Stop> {
        let begun = self.newest().is_some_and(|newest| base.is_none_or(|base| newest > *base));
        let mut all = Vec::new();
        if begun {
            let (_, body) = self.sections.remove(0);
            all = changes_of(&body)
                .map_err(|line| Stop::hard(format!("CHANGELOG.md, {next}: {line:?} is under no heading")))?;
        }
        for change in self.unreleased()?.iter().chain(changes) {
            if !all.iter().any(|told| (told.kind, &told.text) == (change.kind, &change.text)) {
                all.push(change.clone());
            }
        }
        self.sections.insert(0, (format!("## [{next}] - {date}"), format!("\n{}\n", told(&all))));
        self.unreleased = "\n".to_owned();
        Ok(self.text())
    }

    fn text(&self) -> String {
        let mut text = format!("{}{UNRELEASED}\n{}", self.intro, self.unreleased);
        for (heading, body) in &self.sections {
            let _ = write!(text, "{heading}\n{body}");
        }
        format!("{}\n", text.trim_end())
    }
}

/// `## [0.2.0] - 2027-01-31`
fn version_of(heading: &str) -> Option<Version> {
    heading.strip_prefix("## [")?.split_once(']')?.0.parse().ok()
}

/// The list items under the kinds' headings; the first line that is under none as an error.
fn changes_of(body: &str) -> Result<Vec<Change>, String> {
    let mut kind = None;
    let mut changes: Vec<Change> = Vec::new();
    for line in body.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            kind = Some(Kind::read(heading).ok_or_else(|| line.to_owned())?);
        } else if let Some(item) = line.strip_prefix("- ") {
            let kind = kind.ok_or_else(|| line.to_owned())?;
            changes.push(Change { file: None, kind, level: kind.level(), crates: Vec::new(), text: item.to_owned() });
        } else if let Some(last) = changes.last_mut() {
            // An item's next lines are indented by two.
            last.text = format!("{}\n{}", last.text, line.strip_prefix("  ").unwrap_or(line));
        } else if !line.trim().is_empty() {
            return Err(line.to_owned());
        }
    }
    for change in &mut changes {
        change.text = change.text.trim().to_owned();
    }
    Ok(changes)
}

/// The changes under their headings.
fn told(changes: &[Change]) -> String {
    let mut parts = Vec::new();
    for kind in Kind::ALL {
        let items: Vec<String> = changes
            .iter()
            .filter(|change| change.kind == kind)
            .map(|change| {
                let lines =
                    change.text.lines().map(|line| if line.is_empty() { String::new() } else { format!("  {line}") });
                let text = lines.collect::<Vec<_>>().join("\n");
                format!("- {}", text.trim_start())
            })
            .collect();
        if !items.is_empty() {
            parts.push(format!("### {kind}\n\n{}\n", items.join("\n")));
        }
    }
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Level;

    const BEFORE: &str = "\
# Changelog

Words.

## [Unreleased]

### Added

- `core`: values,
  and more.

## [0.1.0] - 2026-01-01

### Fixed

- An end.
";

    fn change(kind: Kind, text: &str) -> Change {
        Change { file: None, kind, level: Level::Fix, crates: Vec::new(), text: text.to_owned() }
    }

    fn release(text: &str, base: &str, next: &str, changes: &[Change]) -> String {
        let base = base.parse().unwrap();
        let next = next.parse().unwrap();
        Changelog::parse(text).unwrap().with_release(Some(&base), &next, "2026-02-02", changes).unwrap()
    }

    #[test]
    fn what_waits_moves_into_the_version_s_section() {
        let fixed = change(Kind::Fixed, "A leak.\n\nIn `sim`.");
        insta::assert_snapshot!(release(BEFORE, "0.1.0", "0.2.0", std::slice::from_ref(&fixed)), @r"
        # Changelog

        Words.

        ## [Unreleased]

        ## [0.2.0] - 2026-02-02

        ### Added

        - `core`: values,
          and more.

        ### Fixed

        - A leak.

          In `sim`.

        ## [0.1.0] - 2026-01-01

        ### Fixed

        - An end.
        ");
    }

    #[test]
    fn a_release_that_was_begun_is_completed_and_nothing_is_told_twice() {
        let changes = [change(Kind::Fixed, "A leak."), change(Kind::Removed, "A door.")];
        let once = release(BEFORE, "0.1.0", "0.1.1", &changes[..1]);
        assert_eq!(release(&once, "0.1.0", "0.1.1", &changes[..1]), once);
        let more = release(&once, "0.1.0", "0.2.0", &changes);
        assert_eq!((more.matches("A leak.").count(), more.matches("A door.").count()), (1, 1));
        assert!(more.contains("## [0.2.0]") && !more.contains("## [0.1.1]") && more.contains("## [0.1.0]"), "{more}");
    }

    #[test]
    fn notes_are_a_version_s_own() {
        let log = Changelog::parse(&release(BEFORE, "0.1.0", "0.2.0", &[])).unwrap();
        assert_eq!(log.notes(&"0.2.0".parse().unwrap()).unwrap(), "### Added\n\n- `core`: values,\n  and more.");
        assert_eq!(log.notes(&"0.1.0".parse().unwrap()).unwrap(), "### Fixed\n\n- An end.");
        assert_eq!(log.notes(&"0.3.0".parse().unwrap()), None);
        assert_eq!(log.newest(), Some("0.2.0".parse().unwrap()));
    }

    #[test]
    fn what_can_t_be_read_is_told() {
        let error = |text: &str| match Changelog::parse(text) {
            Err(stop) => stop.to_string(),
            Ok(log) => log.unreleased().unwrap_err().to_string(),
        };
        assert_eq!(error("# Changelog\n"), "CHANGELOG.md has no heading \"## [Unreleased]\" before its versions");
        assert_eq!(
            error("## [0.1.0]\n## [Unreleased]\n"),
            "CHANGELOG.md has no heading \"## [Unreleased]\" before its versions"
        );
        let loose = "CHANGELOG.md, Unreleased: \"- x\" is under no heading such as \"### Added\"";
        assert_eq!(error("## [Unreleased]\n- x\n"), loose);
    }
}
