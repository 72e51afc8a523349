//! A change that a user would notice, as a person wrote it: a file in `docs/changes`, or a line in the changelog's "Unreleased".

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::stop::{Doing, Stop};
use crate::version::Level;

/// Where the files are, from the workspace's root.
pub(crate) const FOLDER: &str = "docs/changes";

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The file's path from the workspace's root; `None` for a line of the changelog.
    pub(crate) file: Option<PathBuf>,
    /// Under which heading it is told.
    pub(crate) kind: Kind,
    /// What it asks of the version.
    pub(crate) level: Level,
    /// Our crates that it concerns, by folder. Empty: all.
    pub(crate) crates: Vec<String>,
    /// What is told, in Markdown.
    pub(crate) text: String,
}

/// The headings of Keep a Changelog, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Something new.
    Added,
    /// Something that behaves differently.
    Changed,
    /// Something that will go.
    Deprecated,
    /// Something that went.
    Removed,
    /// A defect that is no more.
    Fixed,
    /// A weakness that is no more.
    Security,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Added, Self::Changed, Self::Deprecated, Self::Removed, Self::Fixed, Self::Security];

    /// What a change of this kind asks for at least.
    #[must_use]
    pub(crate) fn level(self) -> Level {
        match self {
            Self::Removed => Level::Breaking,
            Self::Added | Self::Changed | Self::Deprecated => Level::Feature,
            Self::Fixed | Self::Security => Level::Fix,
        }
    }

    /// From its heading or its word: `Added`, `added`.
    #[must_use]
    pub(crate) fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.to_string().eq_ignore_ascii_case(word.trim()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// All changes that have files, by file name; the errors of all files at once.
pub(crate) fn read_all(root: &Path) -> Result<Vec<Change>, Stop> {
    let folder = root.join(FOLDER);
    let mut names = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(&folder).doing(format!("read {FOLDER}"))? {
            let name = entry.doing(format!("read {FOLDER}"))?.file_name().to_string_lossy().into_owned();
            if Path::new(&name).extension().is_some_and(|end| end == "md") && name != "README.md" {
                names.push(name);
            }
        }
    }
    names.sort();
    let mut changes = Vec::new();
    let mut wrong = Vec::new();
    for name in names {
        let file = Path::new(FOLDER).join(&name);
        let text = fs::read_to_string(root.join(&file)).doing(format!("read {}", file.display()))?;
        match parse(&text) {
            Ok(change) => changes.push(Change { file: Some(file), ..change }),
            Err(errors) => wrong.push(format!("{FOLDER}/{name}: {}", errors.join("; "))),
        }
    }
    if wrong.is_empty() { Ok(changes) } else { Err(Stop::hard(wrong.join("\n"))) }
}

/// Reads a file: lines of `key: value` between two `---`, then the text.
fn parse(text: &str) -> Result<Change, Vec<String>> {
    let form = || vec!["begins with ---, lines of kind, level and crates, --- and then the text".to_owned()];
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).ok_or_else(form)?;
    let mut errors = Vec::new();
    let (mut kind, mut level, mut crates) = (None, None, Vec::new());
    for line in head.lines().filter(|line| !line.trim().is_empty()) {
        let (key, value) = line.split_once(':').map_or((line, ""), |(key, value)| (key.trim(), value.trim()));
        match key {
            "kind" => match Kind::read(value) {
                Some(read) => kind = Some(read),
                None => errors.push(format!(
                    "kind {value:?} is none of {}",
                    Kind::ALL.map(|kind| kind.to_string().to_lowercase()).join(", ")
                )),
            },
            "level" => match value.parse() {
                Ok(read) => level = Some(read),
                Err(error) => errors.push(error),
            },
            "crates" => {
                crates = value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
            }
            other => errors.push(format!("{other:?} is none of kind, level, crates")),
        }
    }
    if body.trim().is_empty() {
        errors.push("no text: say what changes for whom".to_owned());
    }
    match kind {
        Some(kind) if errors.is_empty() => Ok(Change {
            file: None,
            kind,
            level: level.map_or(kind.level(), |level: Level| level.max(kind.level())),
            crates,
            text: body.trim().to_owned(),
        }),
        Some(_) => Err(errors),
        None => {
            if !errors.iter().any(|error| error.starts_with("kind")) {
                errors.push("no kind".to_owned());
            }
            Err(errors)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(Kind, Level, &[&str], &str), &str>) {
        let found = parse(text);
        match (&found, expected) {
            (Ok(change), Ok((kind, level, crates, text))) => assert_eq!(
                (change.kind, change.level, &change.crates[..], &change.text[..]),
                (kind, level, &crates.iter().map(ToString::to_string).collect::<Vec<_>>()[..], text)
            ),
            (Err(errors), Err(expected)) => assert_eq!(errors.join("; "), expected),
            _ => panic!("{text:?}: {found:?}"),
        }
    }

    #[test]
    fn a_file_says_its_kind_and_its_text() {
        check("---\nkind: added\n---\nA `sweep`.\n", Ok((Kind::Added, Level::Feature, &[], "A `sweep`.")));
        check("---\r\nkind: Fixed\r\n---\r\nAn end.", Ok((Kind::Fixed, Level::Fix, &[], "An end.")));
        check(
            "---\nkind: changed\nlevel: breaking\ncrates: client, sim\n---\nOne.\n\nTwo.\n",
            Ok((Kind::Changed, Level::Breaking, &["client", "sim"], "One.\n\nTwo.")),
        );
        // A lower level than the kind's is not believed.
        check("---\nkind: removed\nlevel: fix\n---\nGone.", Ok((Kind::Removed, Level::Breaking, &[], "Gone.")));
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        check("kind: added", Err("begins with ---, lines of kind, level and crates, --- and then the text"));
        check("---\nlevel: fix\n---\nText", Err("no kind"));
        check(
            "---\nkind: news\nlevel: huge\nwho: me\n---\n",
            Err("kind \"news\" is none of added, changed, deprecated, removed, fixed, security; \
                 level \"huge\" is none of fix, feature, breaking; \"who\" is none of kind, level, crates; \
                 no text: say what changes for whom"),
        );
    }
}
