//! The rules of the integration guide: `docs/guide-notes.md` lists each with an id, its source and where it is obeyed; the code
//! names the id there. Both ways, so that neither can be changed alone.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;

use crate::check::Findings;
use crate::sources;
use crate::workspace::Workspace;

const NOTES: &str = "docs/guide-notes.md";

/// What a name of a rule begins with in the code: this word, a colon, and the id.
const MARK: &str = "guide:";

/// The rules by id, each with the files that obey it, written as `core/reuse.rs` for `crates/core/src/reuse.rs`.
type Rules = BTreeMap<String, BTreeSet<String>>;

/// Holds the notes against the code.
pub(crate) fn check(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    let (rules, mut errors) = read_notes(&fs::read_to_string(workspace.root.join(NOTES))?);
    let mut code = Rules::new();
    let crates = workspace.root.join("crates");
    for one in workspace.crates.iter().filter(|one| one.folder.starts_with(&crates)) {
        for path in sources::rust_files(&one.folder)? {
            let Ok(within) = path.strip_prefix(&crates) else {
                continue;
            };
            // Always with slashes, as the notes write them.
            let parts: Vec<_> = within.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            let file = parts.join("/").replacen("/src/", "/", 1);
            for id in named(&fs::read_to_string(&path)?) {
                code.entry(id).or_default().insert(file.clone());
            }
        }
    }
    errors.extend(differences(&rules, &code));
    Ok(Findings { errors, ..Findings::default() })
}

/// Reads the tables: a row begins with an id in backquotes, and its last cell names files.
fn read_notes(text: &str) -> (Rules, Vec<String>) {
    let mut rules = Rules::new();
    let mut errors = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let is_row = line.starts_with('|') && !cells[0].starts_with("---") && !cells[0].is_empty();
        if !is_row || cells[0] == "id" {
            continue;
        }
        let id = cells[0].trim_matches('`');
        if !is_id(id) || !cells[0].starts_with('`') {
            errors.push(format!("{NOTES}:{}: a row without an id such as `add-1`: {line}", number + 1));
            continue;
        }
        let last = cells.last().copied().unwrap_or_default();
        let files: BTreeSet<String> =
            last.split('`').filter(|word| word.contains('/') && word.ends_with(".rs")).map(str::to_owned).collect();
        if files.is_empty() {
            errors.push(format!("{NOTES}:{}: {id} says not where it is obeyed", number + 1));
        }
        if rules.insert(id.to_owned(), files).is_some() {
            errors.push(format!("{NOTES}:{}: {id} is there twice", number + 1));
        }
    }
    (rules, errors)
}

/// Letters, a hyphen, digits.
fn is_id(word: &str) -> bool {
    word.split_once('-').is_some_and(|(topic, number)| {
        !topic.is_empty()
            && topic.bytes().all(|letter| letter.is_ascii_lowercase())
            && !number.is_empty()
            && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// The ids that a source names.
fn named(source: &str) -> BTreeSet<String> {
    let after_mark = source.match_indices(MARK).map(|(at, mark)| &source[at + mark.len()..]);
    let words = after_mark.map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').unwrap_or(rest.len());
        rest[..end].to_owned()
    });
    words.filter(|word| !word.is_empty()).collect()
}

/// What one side says and the other doesn't.
fn differences(rules: &Rules, code: &Rules) -> Vec<String> {
    let none = BTreeSet::new();
    let mut found = Vec::new();
    for (id, files) in rules {
        let naming = code.get(id).unwrap_or(&none);
        for file in files.difference(naming) {
            found.push(format!("{NOTES}: {id} is obeyed in {file}, which doesn't name {MARK}{id}"));
        }
        for file in naming.difference(files) {
            found.push(format!("{file} names {MARK}{id}, and {NOTES} doesn't say that {id} is obeyed there"));
        }
    }
    for (id, files) in code.iter().filter(|(id, _)| !rules.contains_key(*id)) {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        found.push(format!("{} names {MARK}{id}, which {NOTES} doesn't have", files.join(", ")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
# Words | with | bars

| id | rule | source | where |
|---|---|---|---|
| `add-1` | One | Doc | `core/a.rs`, `sim/hub/b.rs` |
| `add-2` | Two `x/y` | Ass | `core/a.rs` |
";

    /// The notes, and files with their texts: what is found.
    fn check(notes: &str, files: &[(&str, &str)], expected: &[&str]) {
        let (rules, mut found) = read_notes(notes);
        let mut code = Rules::new();
        for (file, text) in files {
            for id in named(text) {
                code.entry(id).or_default().insert((*file).to_owned());
            }
        }
        found.extend(differences(&rules, &code));
        assert_eq!(found, expected);
    }

    #[test]
    fn notes_and_code_agree() {
        let code = [("core/a.rs", "//! Rules: guide:add-1 guide:add-2."), ("sim/hub/b.rs", "// guide:add-1")];
        check(TABLE, &code, &[]);
    }

    #[test]
    fn each_side_alone_is_told() {
        let in_core = ("core/a.rs", "//! guide:add-1, guide:add-2");
        check(
            TABLE,
            &[in_core],
            &["docs/guide-notes.md: add-1 is obeyed in sim/hub/b.rs, which doesn't name guide:add-1"],
        );
        check(
            TABLE,
            &[in_core, ("sim/hub/b.rs", "guide:add-1 guide:add-2 guide:add-3")],
            &[
                "sim/hub/b.rs names guide:add-2, and docs/guide-notes.md doesn't say that add-2 is obeyed there",
                "sim/hub/b.rs names guide:add-3, which docs/guide-notes.md doesn't have",
            ],
        );
    }

    #[test]
    fn a_row_has_an_id_and_a_place() {
        check("| `add-1` | One | here |", &[], &["docs/guide-notes.md:1: add-1 says not where it is obeyed"]);
        check(
            "| One | `core/a.rs` |",
            &[],
            &["docs/guide-notes.md:1: a row without an id such as `add-1`: | One | `core/a.rs` |"],
        );
        let twice = "| `a-1` | `c/a.rs` |\n| `a-1` | `c/a.rs` |";
        check(twice, &[("c/a.rs", "guide:a-1")], &["docs/guide-notes.md:2: a-1 is there twice"]);
    }

    #[test]
    fn the_notes_and_the_code_of_this_workspace_agree() {
        assert_eq!(super::check(&Workspace::load().unwrap()).unwrap(), Findings::default());
    }
}
