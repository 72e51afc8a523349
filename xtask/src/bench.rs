//! `cargo xtask bench`: the benchmarks of `crates/e2e/benches`, as they are there. It prints, and writes nothing.

use std::error::Error;
use std::fs;
use std::path::Path;

use crate::run;
use crate::workspace::Workspace;

const PACKAGE: &str = "asaanbill-e2e";

/// Runs one benchmark, or each in turn; `more` goes to it.
pub(crate) fn bench(name: Option<&str>, more: &[String]) -> Result<bool, Box<dyn Error>> {
    let workspace = Workspace::load()?;
    let known = known(&workspace)?;
    let chosen: Vec<&String> = known.iter().filter(|known| name.is_none_or(|name| name == *known)).collect();
    if chosen.is_empty() {
        let wanted = name.map_or("no benchmark".to_owned(), |name| format!("no benchmark {name:?}"));
        return Err(format!("{wanted} in crates/e2e/benches: there is {}", listed(&known)).into());
    }
    let mut passed = true;
    for name in chosen {
        let mut command = run::cargo(&workspace.root, ["bench", "--package", PACKAGE, "--bench", name, "--"]);
        passed &= run::passes(command.args(more))?;
    }
    Ok(passed)
}

/// The benchmarks that there are, sorted.
fn known(workspace: &Workspace) -> Result<Vec<String>, Box<dyn Error>> {
    match workspace.crates.iter().find(|one| one.name == PACKAGE) {
        Some(one) => in_folder(&one.folder.join("benches")),
        None => Err(format!("there is no package {PACKAGE}").into()),
    }
}

/// A file is a benchmark, and so is a folder with a `main.rs`: as cargo sees it.
fn in_folder(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "rs") || path.join("main.rs").is_file() {
                names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
    }
    names.sort();
    Ok(names)
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn benchmarks_are_found_in_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(listed(&in_folder(&folder.path().join("gone")).unwrap()), "none");
        for file in ["hub.rs", "client.rs", "notes.md", "callbacks/main.rs", "shared/load.rs"] {
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        assert_eq!(listed(&in_folder(folder.path()).unwrap()), "callbacks, client, hub");
    }
}
