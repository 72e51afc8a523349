//! What is read from the sources as text: small duties that no compiler knows.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use crate::check::Findings;
use crate::workspace::Workspace;

/// Past this a file probably holds a second idea. A warning: sometimes it doesn't.
const LONGEST_FILE: usize = 600;

/// Words of code that may stand nowhere, with the reason.
const NOWHERE: &[(&str, &str)] = &[
    ("todo!", "is unfinished"),
    ("unimplemented!", "is unfinished"),
    ("#[ignore", "a test that isn't run proves nothing: put it behind a feature"),
];

/// The call that may stand in no test: one that waits a while is slow or wrong, so give it a clock or wait for the event.
/// `sleep_until` may: over real sockets the deadline that was set is the event, and it is waited for exactly.
const NOT_IN_TESTS: &str = "sleep(";

/// Holds every Rust source of the workspace against the duties.
pub(crate) fn check(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    let mut findings = Findings::default();
    for one in &workspace.crates {
        for target in &one.targets {
            let page = fs::read_to_string(&target.source)?;
            let name = shown(&target.source, &workspace.root);
            match target.kind.as_str() {
                "lib" => findings.errors.extend(page_lacks(&page, one.published).map(|lack| format!("{name}: {lack}"))),
                "bin" => findings.errors.extend(page_lacks(&page, false).map(|lack| format!("{name}: {lack}"))),
                _ => {}
            }
        }
        for path in rust_files(&one.folder)? {
            let text = fs::read_to_string(&path)?;
            let name = shown(&path, &workspace.root);
            let all_tests = path.strip_prefix(&one.folder).is_ok_and(is_test_file);
            findings
                .errors
                .extend(misused(&text, all_tests).into_iter().map(|(line, what)| format!("{name}:{line}: {what}")));
            let lines = text.lines().count();
            if lines > LONGEST_FILE {
                findings.warnings.push(format!("{name}: {lines} lines: look for the second idea"));
            }
        }
    }
    Ok(findings)
}

/// What a crate's page lacks: it starts the file, and shows at least one example that the compiler sees.
fn page_lacks(source: &str, with_example: bool) -> impl Iterator<Item = &'static str> {
    let page: Vec<&str> = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let fences = page.iter().filter_map(|line| line.strip_prefix("```")).step_by(2);
    let has_example = fences.into_iter().any(|words| {
        let mut words = words.split(',').map(str::trim);
        words.all(|word| ["", "rust", "no_run", "should_panic"].contains(&word) || word.starts_with("edition"))
    });
    let no_page = page.iter().all(|line| line.is_empty()).then_some("no //! page at the top");
    no_page.into_iter().chain((with_example && !has_example).then_some("no tested example on the crate's page"))
}

/// Each line with a word that may not stand there, counted from 1.
fn misused(text: &str, all_tests: bool) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_tests = all_tests;
    let mut marked = false;
    for (number, line) in text.lines().enumerate() {
        let code = code_of(line);
        // By the house's order tests are the last thing in a file, so that there is no end to look for.
        in_tests |= marked && code.trim_start().starts_with("mod ") && code.ends_with('{');
        marked = code.contains("#[cfg(test)]") || (marked && code.trim_start().starts_with("#["));
        for (word, why) in NOWHERE.iter().filter(|(word, _)| has_word(&code, word)) {
            found.push((number + 1, format!("{word} {why}")));
        }
        if in_tests && has_word(&code, NOT_IN_TESTS) {
            found.push((number + 1, "sleep in a test: wait for the event, or give it a clock".to_owned()));
        }
        if fixes_cases(&code) {
            found.push((
                number + 1,
                "fixed number of cases, which `deep seeds` can't raise as it should: a part of the default, by TestRunner".to_owned(),
            ));
        }
    }
    found
}

/// Whether proptest's number of cases is a number there, whatever its variable says; or whether it is in `proptest!`, where the variable
/// takes its place, so that a part of it would be the whole.
fn fixes_cases(code: &str) -> bool {
    let number =
        |word: &str| code.split(word).skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    let words = ["cases: ", "with_cases("];
    code.contains("ProptestConfig") && words.into_iter().any(number)
        || code.contains("proptest_config(") && words.into_iter().any(|word| code.contains(word))
}

/// Whether the word stands there and is not the end of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let within_name = |at: usize| code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
    code.match_indices(word).any(|(at, _)| !within_name(at))
}

/// The line without comments and without what stands in quotes. Good enough for single lines, which is all that is asked.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut letters = line.chars().peekable();
    let mut quoted = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quoted => {
                letters.next();
            }
            // A quotation mark as a character opens nothing.
            '\'' if !quoted && letters.peek() == Some(&'"') => {
                letters.next();
            }
            '"' => quoted = !quoted,
            '/' if !quoted && letters.peek() == Some(&'/') => break,
            _ if !quoted => code.push(letter),
            _ => {}
        }
    }
    code.trim_end().to_owned()
}

/// Whether everything in the file is for tests: `tests/…`, or a module of that name.
fn is_test_file(within_crate: &Path) -> bool {
    within_crate.starts_with("tests") || within_crate.components().any(|part| part.as_os_str() == "tests.rs")
}

/// The crate's Rust files, sorted, at any depth.
pub(crate) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    let parts = ["src", "tests", "benches", "examples"].map(|name| folder.join(name));
    let mut folders: Vec<PathBuf> = parts.into_iter().filter(|folder| folder.is_dir()).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_page(source: &str, expected: &[&str]) {
        assert_eq!(page_lacks(source, true).collect::<Vec<_>>(), expected, "{source}");
    }

    fn check_misused(text: &str, expected: &[(usize, &str)]) {
        let found = misused(text, false);
        let found: Vec<(usize, &str)> =
            found.iter().map(|(line, what)| (*line, what.split(' ').next().unwrap())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_crate_s_page_has_a_tested_example() {
        let no_example = "no tested example on the crate's page";
        check_page("//! A crate.\n//!\n//! ```\n//! assert!(true);\n//! ```\n", &[]);
        check_page("//! A crate.\n//! ```rust,no_run\n//! run();\n//! ```\n", &[]);
        check_page("//! A crate.\n//! ```text\n//! a → b\n//! ```\n//! ```\n//! run();\n//! ```\n", &[]);
        check_page("//! A crate.\n//! ```text\n//! a → b\n//! ```\n", &[no_example]);
        check_page("//! A crate.\n//! ```ignore\n//! run();\n//! ```\n", &[no_example]);
        check_page("//! A crate.\nmod one;\n//! ```\n", &[no_example]);
        check_page("mod one;\n", &["no //! page at the top", no_example]);
        assert_eq!(page_lacks("//! A tool.\n", false).count(), 0);
    }

    #[test]
    fn nothing_is_unfinished_or_skipped() {
        check_misused("fn f() {\n    todo!()\n}", &[(2, "todo!")]);
        check_misused("unimplemented!(\"later\")", &[(1, "unimplemented!")]);
        check_misused("#[test]\n#[ignore = \"slow\"]\nfn f() {}", &[(2, "#[ignore")]);
        check_misused("let x = \"todo!()\"; // todo!()\nmy_todo!();\n\"\\\"todo!()\"", &[]);
        check_misused("let quote = '\"'; todo!()", &[(1, "todo!")]);
    }

    #[test]
    fn no_test_sleeps() {
        let sleeps = "fn f() {\n    tokio::time::sleep(x).await;\n}\n";
        check_misused(sleeps, &[]);
        check_misused(&format!("mod backoff {{\n{sleeps}}}\n"), &[]);
        check_misused(&format!("#[cfg(test)]\nmod tests {{\n{sleeps}"), &[(4, "sleep")]);
        check_misused("#[cfg(test)]\n#[expect(x)]\nmod tests {\n    sleep(x);\n", &[(4, "sleep")]);
        check_misused(&format!("#[cfg(test)]\nuse x;\n{sleeps}#[cfg(test)]\nmod tests;\n{sleeps}"), &[]);
        check_misused("#[cfg(test)]\nmod tests {\n    no_sleep(x); sleep_until(x); // sleep(x)\n", &[]);
        assert_eq!(misused(sleeps, true).len(), 1);
    }

    #[test]
    fn random_cases_can_be_raised() {
        check_misused("#![proptest_config(ProptestConfig::with_cases(24))]", &[(1, "fixed")]);
        check_misused(
            "#![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]",
            &[(1, "fixed")],
        );
        check_misused("#![proptest_config(ProptestConfig::with_cases(cases()))]", &[(1, "fixed")]);
        check_misused("TestRunner::new(ProptestConfig::with_cases(cases()));\nSettings { cases: 2 }", &[]);
        check_misused(
            "ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() }",
            &[],
        );
    }

    #[test]
    fn files_for_tests_only() {
        for (path, expected) in
            [("tests/main.rs", true), ("tests/a/b.rs", true), ("src/store/tests.rs", true), ("src/contests.rs", false)]
        {
            assert_eq!(is_test_file(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn files_are_found_at_any_depth() {
        let root = tempfile::tempdir().unwrap();
        for file in ["src/a.rs", "src/deep/er/b.rs", "tests/c.rs", "tests/c.json", "target/d.rs"] {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let found = rust_files(root.path()).unwrap();
        let found: Vec<_> = found.iter().map(|path| shown(path, root.path())).collect();
        assert_eq!(found, ["src/a.rs", "src/deep/er/b.rs", "tests/c.rs"]);
    }
}
