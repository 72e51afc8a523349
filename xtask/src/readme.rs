//! A crate's README agrees with its page: the same name, the same first sentence, and no type that isn't there.

use std::error::Error;
use std::fs;

use crate::check::Findings;
use crate::sources;
use crate::workspace::{Crate, Workspace};

/// Holds the README of every published crate against its page and its sources.
pub(crate) fn check(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    let mut findings = Findings::default();
    for one in workspace.published() {
        let readme = fs::read_to_string(one.folder.join("README.md"))?;
        let mut page = String::new();
        let mut all = fs::read_to_string(one.folder.join("Cargo.toml"))?;
        let root = one.targets.iter().find(|target| target.kind == "lib");
        if let Some(root) = root {
            page = page_of(&fs::read_to_string(&root.source)?);
        }
        for path in sources::rust_files(&one.folder)? {
            all += &fs::read_to_string(&path)?;
        }
        let told = disagreements(&names(one), &readme, &page, &all);
        findings.errors.extend(told.into_iter().map(|what| format!("{}: README.md {what}", one.name)));
    }
    Ok(findings)
}

/// What its title may be: the package's name, or a command's.
fn names(one: &Crate) -> Vec<String> {
    let told = one.told["targets"].as_array().into_iter().flatten();
    let commands = told.filter(|target| target["kind"][0] == "bin").filter_map(|target| target["name"].as_str());
    [one.name.as_str()].into_iter().chain(commands).map(str::to_owned).collect()
}

/// The text of the `//!` lines at the top.
fn page_of(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}

/// `page` is empty for a crate without a library; `all` is everything that a name may stand in.
fn disagreements(names: &[String], readme: &str, page: &str, all: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (title, rest) = readme.split_once('\n').unwrap_or((readme, ""));
    if !names.iter().any(|name| title == format!("# {name}")) {
        found.push(format!("is titled {title:?}, not \"# {}\"", names.join("\" or \"# ")));
    }
    let (ours, theirs) = (first_sentence(rest), first_sentence(page));
    if !page.is_empty() && ours != theirs {
        found.push(format!("begins {ours:?}, and the crate's page {theirs:?}"));
    }
    for name in type_names(rest) {
        if !has_word(all, &name) {
            found.push(format!("speaks of `{name}`, which the crate doesn't have"));
        }
    }
    found
}

/// The first paragraph to its first full stop, without the marks of Markdown.
fn first_sentence(text: &str) -> String {
    let lines = text.lines().skip_while(|line| line.trim().is_empty()).take_while(|line| !line.trim().is_empty());
    let paragraph = lines.collect::<Vec<_>>().join(" ").replace(['`', '*', '[', ']'], "");
    let end = paragraph.find(". ").map_or(paragraph.len(), |at| at + 1);
    paragraph[..end].trim().to_owned()
}

/// What stands in backquotes outside of examples and looks like a type: `Sim`, `ReqwestTransport`; of a path its last part.
fn type_names(text: &str) -> Vec<String> {
    let outside = text.split("```").step_by(2).collect::<String>();
    let quoted = outside.split('`').skip(1).step_by(2);
    let is_type = |word: &&str| {
        word.starts_with(|letter: char| letter.is_ascii_uppercase())
            && word.chars().all(|letter| letter.is_ascii_alphanumeric())
            && word.chars().any(|letter| letter.is_ascii_lowercase())
    };
    quoted.flat_map(|word| word.rsplit("::").next()).filter(is_type).map(str::to_owned).collect()
}

fn has_word(text: &str, word: &str) -> bool {
    let part_of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(part_of_name) && !text[at + word.len()..].starts_with(part_of_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(readme: &str, page: &str, expected: &[&str]) {
        let names = ["a-lib".to_owned(), "tool".to_owned()];
        assert_eq!(disagreements(&names, readme, page, "pub struct Sim; fn Simple() {}"), expected);
    }

    #[test]
    fn a_readme_that_agrees() {
        check("# a-lib\n\nA `Sim` of\nthe hub. It is strict.\n", "A [`Sim`] of the hub.\n\n# More\n", &[]);
        check("# tool\n\nAnything.\n", "", &[]);
        check("# a-lib\n\nOne.\n\n```rust\n`Gone`\n```\n`crate::Sim`, `ABC`, `lower`, `Two words`", "One.", &[]);
    }

    #[test]
    fn each_disagreement_is_told() {
        check("# lib\n\nOne.", "One.", &["is titled \"# lib\", not \"# a-lib\" or \"# tool\""]);
        check("# a-lib\n\nOne. Two.", "Two. One.", &["begins \"One.\", and the crate's page \"Two.\""]);
        check(
            "# a-lib\n\nOne `Simp` `x::Gone`.",
            "One Simp x::Gone.",
            &["speaks of `Simp`, which the crate doesn't have", "speaks of `Gone`, which the crate doesn't have"],
        );
    }
}
