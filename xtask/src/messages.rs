//! Every public error's message stands in a snapshot: `tests/messages.rs` of each library names every public error type, and of an
//! enum every variant. Read from the text; what stands in the snapshot is for a person to judge.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;

use crate::check::Findings;
use crate::sources;
use crate::workspace::Workspace;

/// Where the messages are.
const MESSAGES: &str = "tests/messages.rs";

/// Holds every published library's errors against its messages.
pub(crate) fn check(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    let mut findings = Findings::default();
    for one in workspace.published().filter(|one| one.has_library) {
        let root = one.targets.iter().find(|target| target.kind == "lib").ok_or("a library without a root")?;
        let root = fs::read_to_string(&root.source)?;
        let mut sources = Vec::new();
        for path in sources::rust_files(&one.folder)? {
            if let Ok(within) = path.strip_prefix(one.folder.join("src")) {
                let module = within.with_extension("").components().next().map(|part| part.as_os_str().to_owned());
                let module = module.unwrap_or_default().to_string_lossy().into_owned();
                sources.push((module, fs::read_to_string(&path)?));
            }
        }
        // A crate without errors needs no file.
        let messages = fs::read_to_string(one.folder.join(MESSAGES)).unwrap_or_default();
        let lacking = errors_of(&root, &sources).difference(&words_of(&messages)).cloned().collect::<Vec<_>>();
        findings.errors.extend(lacking.into_iter().map(|name| {
            format!(
                "{}: no message of {name} in {MESSAGES}: add it to a snapshot, and read it as who meets it",
                one.name
            )
        }));
    }
    Ok(findings)
}

/// The public errors of a crate: a structure by its name, an enum as `Name::Variant` for each variant. `sources` are the texts of the
/// files, each with its first module.
fn errors_of(root: &str, sources: &[(String, String)]) -> BTreeSet<String> {
    let exported: BTreeSet<String> = statements(root, "pub use ").flat_map(|text| words_of(&text)).collect();
    let open: BTreeSet<String> = statements(root, "pub mod ").flat_map(|text| words_of(&text)).collect();
    let mut found = BTreeSet::new();
    for (module, text) in sources {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let declared =
                ["pub enum ", "pub struct "].into_iter().find_map(|word| Some((word, line.strip_prefix(word)?)));
            let Some((word, rest)) = declared else { continue };
            let name = &rest[..rest.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(rest.len())];
            let is_public = exported.contains(name) || open.contains(module);
            if !is_public || !is_error(name, &lines[..at], sources) {
                continue;
            }
            if word == "pub enum " {
                found.extend(variants(&lines[at + 1..]).map(|variant| format!("{name}::{variant}")));
            } else {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

/// The texts of the statements that begin so, up to their semicolon.
fn statements<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = String> + 'a {
    let starts = text.match_indices(begin).filter(|(at, _)| *at == 0 || text[..*at].ends_with('\n'));
    starts.map(|(at, _)| text[at + begin.len()..].split(';').next().unwrap_or_default().to_owned())
}

/// By its derive, by an implementation somewhere in the crate, or by its name: the kinds of an error are what its messages differ by.
fn is_error(name: &str, before: &[&str], sources: &[(String, String)]) -> bool {
    let attributes = before.iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
    let derives = attributes.filter(|line| line.starts_with("#[derive(")).any(|line| line.contains("Error"));
    let implemented = format!("Error for {name} {{");
    derives || name.ends_with("ErrorKind") || sources.iter().any(|(_, text)| text.contains(&implemented))
}

/// The variants of an enum whose body begins here: names at the first indentation, as `cargo fmt` leaves them.
fn variants<'a>(body: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let lines = body.iter().take_while(|line| **line != "}");
    let names = lines.filter_map(|line| line.strip_prefix("    "));
    names.filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase())).map(|line| {
        let end = line.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(line.len());
        &line[..end]
    })
}

/// Every name in a text, and every two names joined by `::`.
fn words_of(text: &str) -> BTreeSet<String> {
    let part_of_name = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let paths = text.split(|letter: char| !part_of_name(letter));
    let mut words = BTreeSet::new();
    for path in paths {
        let parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
        words.extend(parts.iter().map(|part| (*part).to_owned()));
        words.extend(parts.windows(2).map(|two| two.join("::")));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "mod a;\npub mod open;\npub use a::{\n    Bad, Kind, Plain, Worse, WorseErrorKind,\n};\n";

    const SOURCE: &str = "\
#[derive(Debug, thiserror::Error)]
/// Words.
#[error(\"bad\")]
pub enum Bad {
    /// One.
    #[error(\"one\")]
    One,
    Two(String),
    Three {
        Deep: u8,
    },
}
pub struct Worse(u8);
impl std::error::Error for Worse {}
pub enum WorseErrorKind {
    Full,
}
#[derive(Debug)]
pub enum Plain {
    NoError,
}
#[derive(Debug, thiserror::Error)]
pub struct Hidden;
";

    fn check(module: &str, expected: &[&str]) {
        let found = errors_of(ROOT, &[(module.to_owned(), SOURCE.to_owned())]);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn public_errors_with_their_variants() {
        let exported = ["Bad::One", "Bad::Three", "Bad::Two", "Worse", "WorseErrorKind::Full"];
        check("a", &exported);
        check("open", &["Bad::One", "Bad::Three", "Bad::Two", "Hidden", "Worse", "WorseErrorKind::Full"]);
    }

    #[test]
    fn a_name_counts_whole_and_behind_its_type() {
        let words = words_of("let x: Worse = crate::Bad::One; // Other::Two");
        for (word, expected) in
            [("Worse", true), ("Bad::One", true), ("Bad", true), ("Bad::Two", false), ("Wors", false)]
        {
            assert_eq!(words.contains(word), expected, "{word}");
        }
    }

    #[test]
    fn every_message_of_this_workspace_is_there() {
        assert_eq!(super::check(&Workspace::load().unwrap()).unwrap(), Findings::default());
    }
}
