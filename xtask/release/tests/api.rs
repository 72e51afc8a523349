//! What is asked of the programs that compare interfaces, and what their answers do to the version. Stand-ins say what a test wants
//! said; what the real ones say is in `src/api.rs`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use xtask_release::{Level, Order, Step, Stop, release};

use crate::world::House;

/// Notes its words, and says what is in the file of its name and its package: an exit code, and text.
const STAND_IN: &str = r#"
use std::{env, fs, io::Write, path::PathBuf, process::ExitCode};
fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if words.iter().any(|word| word == "--version") {
        return ExitCode::SUCCESS;
    }
    assert_eq!(env::var("CARGO_TERM_COLOR").as_deref(), Ok("never"), "it would colour its words");
    let folder = PathBuf::from(env::var_os("STAND_IN_FOLDER").unwrap());
    let mut log = fs::OpenOptions::new().append(true).create(true).open(folder.join("log")).unwrap();
    writeln!(log, "{}", words.join(" ")).unwrap();
    let text = ["-sample-low", "-sample-mid", "-sample-high", ""].iter()
        .filter(|end| end.is_empty() || words.iter().any(|word| format!("-{word}") == **end))
        .find_map(|end| fs::read_to_string(folder.join(format!("{}{end}", words[0]))).ok()).unwrap();
    let (code, text) = text.split_once('\n').unwrap();
    print!("{text}");
    ExitCode::from(code.parse::<u8>().unwrap())
}
"#;

const NO_UPDATE: &str = "0\n     Summary no semver update required\n";
const MAJOR: &str = "100\n     Summary semver requires new major version: 1 major and 0 minor checks failed\n";
const SAME: &str = "0\nRemoved items from the public API\n===\n(none)\n\nChanged items in the public API\n===\n(none)\n\n\
                    Added items to the public API\n===\n(none)\n";
const ADDED: &str = "0\nRemoved items from the public API\n===\n(none)\n\nChanged items in the public API\n===\n(none)\n\n\
                     Added items to the public API\n===\n+pub fn sample_mid::new()\n";

/// A workspace of which 0.2.0 is released, and stand-ins that find no difference.
struct Compared {
    house: House,
    said: TempDir,
}

impl Compared {
    fn new() -> Self {
        let house = House::prepared();
        crate::faults::until_done(&house);
        let compared = Self { house, said: tempfile::tempdir().unwrap() };
        compared.say("semver-checks", NO_UPDATE);
        compared.say("public-api", SAME);
        compared
    }

    fn say(&self, whose: &str, text: &str) {
        fs::write(self.said.path().join(whose), text).unwrap();
    }

    fn run(&self, step: Step, level: Option<Level>) -> Result<(), Stop> {
        let mut world = self.house.world();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = [stand_ins()].into_iter().chain(std::env::split_paths(&path));
        let path = std::env::join_paths(folders).unwrap().into_string().unwrap();
        let said = self.said.path().display().to_string();
        world.cargo_environment.extend([("PATH".into(), path), ("STAND_IN_FOLDER".into(), said)]);
        release(&world, &Order { step: Some(step), execute: true, level, to: None })
    }
}

/// The folder with both, built once.
fn stand_ins() -> PathBuf {
    static BUILT: OnceLock<TempDir> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("stand_in.rs");
        fs::write(&source, STAND_IN).unwrap();
        for name in ["cargo-semver-checks", "cargo-public-api"] {
            let program = folder.path().join(name).with_extension(std::env::consts::EXE_EXTENSION);
            let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
            rustc.args(["--edition=2024", "-o"]).arg(program).arg(&source);
            assert!(rustc.status().unwrap().success());
        }
        folder
    });
    folder.path().to_owned()
}

/// The version that `prepare` sets when a fix is told and the programs say this.
fn check(said: &[(&str, &str)], level: Option<Level>, expected: &str) {
    let compared = Compared::new();
    for (whose, text) in said {
        compared.say(whose, text);
    }
    compared.house.write("docs/changes/a.md", "---\nkind: fixed\n---\nA leak.\n");
    compared.run(Step::Prepare, level).unwrap();
    let log = compared.house.read("CHANGELOG.md");
    assert!(log.contains(&format!("## [{expected}] - ")), "{said:?}: {log}");
}

#[test]
fn the_highest_of_changes_interfaces_and_person_wins() {
    check(&[], None, "0.2.1");
    check(&[("public-api-sample-mid", ADDED)], None, "0.2.1");
    check(&[("semver-checks-sample-high", MAJOR)], None, "0.3.0");
    check(&[("public-api-sample-mid", ADDED)], Some(Level::Breaking), "0.3.0");
}

#[test]
fn each_library_is_asked_about_against_what_was_released() {
    let compared = Compared::new();
    compared.run(Step::Api, None).unwrap();
    let log = fs::read_to_string(compared.said.path().join("log")).unwrap();
    insta::assert_snapshot!(log, @"
    semver-checks --package sample-low --baseline-version 0.2.0 --release-type patch
    public-api --package sample-low --all-features diff 0.2.0
    semver-checks --package sample-mid --baseline-version 0.2.0 --release-type patch
    public-api --package sample-mid --all-features diff 0.2.0
    semver-checks --package sample-high --baseline-version 0.2.0 --release-type patch
    public-api --package sample-high --all-features diff 0.2.0
    ");
}

#[test]
fn a_prepared_version_that_is_too_low_is_a_stop() {
    let compared = Compared::new();
    compared.house.write("docs/changes/a.md", "---\nkind: fixed\n---\nA leak.\n");
    compared.run(Step::Prepare, None).unwrap();
    compared.run(Step::Api, None).unwrap();
    compared.say("semver-checks-sample-mid", MAJOR);
    let stop = compared.run(Step::Api, None).unwrap_err();
    assert_eq!(stop.to_string(), "0.2.1 is too low: the interfaces ask for 0.3.0");
}

/// A program that failed has said nothing, whatever its words.
#[test]
fn a_failing_program_is_never_a_pass() {
    for (whose, text) in [
        ("semver-checks", "1\nerror: no such version\n".to_owned()),
        ("semver-checks", NO_UPDATE.replace("0\n", "1\n")),
        ("semver-checks-sample-high", "0\n".to_owned()),
        ("public-api", "1\nerror: no nightly\n".to_owned()),
        ("public-api-sample-mid", SAME.replacen('0', "1", 1)),
        ("public-api-sample-mid", "0\nNothing.\n".to_owned()),
    ] {
        let compared = Compared::new();
        compared.say(whose, &text);
        let stop = compared.run(Step::Api, None).unwrap_err();
        assert!(!stop.is_later() && stop.to_string().contains("said nothing that we can read"), "{whose}: {stop}");
    }
}
