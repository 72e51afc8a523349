//! What a crate's manifest must say. Cargo and the registry would tell only on the day of the release, or never.

use std::error::Error;
use std::fs;

use serde_json::Value;

use crate::check::Findings;
use crate::workspace::{Crate, Workspace};

/// Holds every manifest against the duties.
pub(crate) fn check(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    let mut findings = Findings::default();
    for one in &workspace.crates {
        let manifest = fs::read_to_string(one.folder.join("Cargo.toml"))?;
        let has_readme = one.told["readme"].as_str().is_some_and(|readme| one.folder.join(readme).is_file());
        findings.errors.extend(neglected(one, &manifest, has_readme).map(|duty| format!("{}: {duty}", one.name)));
    }
    Ok(findings)
}

/// The duties that a crate neglects. The manifest's text is for what `cargo metadata` doesn't tell.
fn neglected(one: &Crate, manifest: &str, has_readme: bool) -> impl Iterator<Item = &'static str> {
    let told = &one.told;
    let text = |key: &str| told[key].as_str().is_some_and(|text| !text.trim().is_empty());
    let some = |key: &str| told[key].as_array().is_some_and(|list| !list.is_empty());
    let of_all = [
        (text("description"), "no description"),
        (told["license"] == "MIT OR Apache-2.0", "the license is not MIT OR Apache-2.0"),
        (told["edition"] == "2024", "the edition is not 2024"),
        (text("rust_version"), "no rust-version"),
        (has_lints(manifest), "no [lints] workspace = true"),
    ];
    let of_published = [
        (has_readme, "no README.md, or no readme in the manifest"),
        (text("repository"), "no repository"),
        (some("authors"), "no authors"),
        (some("keywords"), "no keywords"),
        (some("categories"), "no categories"),
    ];
    let of_libraries =
        [(told["metadata"]["docs"]["rs"]["all-features"] == Value::Bool(true), "no all-features = true for docs.rs")];
    let of_published = of_published.into_iter().filter(|_| one.published);
    let of_libraries = of_libraries.into_iter().filter(|_| one.published && one.has_library);
    of_all.into_iter().chain(of_published).chain(of_libraries).filter(|(done, _)| !done).map(|(_, duty)| duty)
}

/// Without these two lines a crate quietly has no lints at all.
fn has_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.find(|line| !line.is_empty()) == Some("workspace = true")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workspace::tests::made_up;

    const LINTS: &str = "[package]\n\n[lints]\nworkspace = true\n";

    fn complete() -> Crate {
        let mut one = made_up("lib", &[]);
        one.told = json!({
            "description": "a library", "license": "MIT OR Apache-2.0", "edition": "2024", "rust_version": "1.95",
            "repository": "https://example.com", "authors": ["us"], "keywords": ["k"], "categories": ["c"],
            "metadata": {"docs": {"rs": {"all-features": true}}},
        });
        one
    }

    fn check(one: &Crate, manifest: &str, has_readme: bool, expected: &[&str]) {
        assert_eq!(neglected(one, manifest, has_readme).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_duty_is_missed_when_neglected() {
        check(&complete(), LINTS, true, &[]);
        check(&complete(), LINTS, false, &["no README.md, or no readme in the manifest"]);
        check(&complete(), "[package]\n", true, &["no [lints] workspace = true"]);
        check(&complete(), "[lints]\n[features]\nworkspace = true", true, &["no [lints] workspace = true"]);
        for (key, duty) in [
            ("description", "no description"),
            ("license", "the license is not MIT OR Apache-2.0"),
            ("edition", "the edition is not 2024"),
            ("rust_version", "no rust-version"),
            ("repository", "no repository"),
            ("authors", "no authors"),
            ("keywords", "no keywords"),
            ("categories", "no categories"),
            ("metadata", "no all-features = true for docs.rs"),
        ] {
            let mut one = complete();
            one.told[key] = Value::Null;
            check(&one, LINTS, true, &[duty]);
        }
    }

    #[test]
    fn an_unpublished_crate_has_fewer_duties() {
        let mut one = complete();
        one.published = false;
        for key in ["repository", "authors", "keywords", "categories", "metadata"] {
            one.told[key] = Value::Null;
        }
        check(&one, LINTS, false, &[]);
    }
}
