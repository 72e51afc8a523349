//! The command as a person or a script runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "browser-tests")]
mod browser;
#[cfg(feature = "postgres-tests")]
#[path = "../../storage/tests/cluster.rs"]
#[allow(dead_code, unreachable_pub, reason = "the engine's own tests use more of it")]
mod cluster;
#[cfg(unix)]
mod listen;
// The system's own words are Linux's.
#[cfg(target_os = "linux")]
mod messages;
mod openapi;
mod sim;
mod soak;
#[cfg(feature = "walk-tests")]
mod walk;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest that the demonstration may take.
const DEMO_MAX: Duration = Duration::from_secs(5);

/// How often something is measured that has a limit: on a machine that is busy with other tests one may be late.
const TRIES: usize = 5;

fn asaanbill(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_asaanbill")).args(args).env_remove("CLICOLOR_FORCE").output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Does something, which says how long it took, until it was done within its limit once. Says what came of it then.
fn in_time<T>(limit: Duration, mut attempt: impl FnMut() -> (T, Duration)) -> T {
    let mut late = Vec::new();
    while late.len() < TRIES {
        let (done, took) = attempt();
        if took < limit {
            return done;
        }
        late.push(took);
    }
    panic!("never within {limit:?}: {late:?}");
}

fn demo(args: &[&str]) -> Output {
    in_time(DEMO_MAX, || {
        let begun = Instant::now();
        let output = asaanbill(&[&["demo"][..], args].concat());
        (output, begun.elapsed())
    })
}

/// The steps with what a script may rely on.
#[test]
fn a_script_reads_one_object_a_line() {
    let output = demo(&["--json"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let steps: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    let expected = [
        "start",
        "login",
        "add",
        "add-again",
        "add-qr",
        "add-qr",
        "add-qr",
        "add-bulk",
        "bulk-approved",
        "pay",
        "paid",
        "history",
        "done",
    ];
    assert_eq!(names, expected);
    assert!(text(&output.stdout).lines().all(|line| line.starts_with("{\"step\":\"")));

    let psid = &steps[2]["psid"];
    assert_eq!((&steps[3]["psid"], &steps[3]["discarded"]), (psid, &steps[2]["id"]));
    let kinds: Vec<_> = steps[4..7].iter().map(|step| step["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["SQRC_WITH_AMOUNT", "SQRC_WITHOUT_AMOUNT", "DQRC"]);
    for step in &steps[4..7] {
        asaanbill_qr::MerchantCode::parse(step["qr"].as_str().unwrap()).unwrap();
    }
    let rows: Vec<_> = steps[7]["rows"].as_array().unwrap().iter().map(|row| row["status"].as_str().unwrap()).collect();
    assert_eq!(rows, ["accepted", "accepted", "amountAfterDueDate cannot be empty or null"]);
    assert_eq!(&steps[8]["psids"][0], psid);
    assert_eq!(steps[10]["id"], steps[9]["id"]);
    let history: Vec<_> =
        steps[11]["records"].as_array().unwrap().iter().map(|r| r["status"].as_str().unwrap()).collect();
    assert_eq!(history, ["PROCESSED", "DISCARD", "DISCARD"]);
}

#[test]
fn a_person_reads_a_story() {
    let output = demo(&[]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let story = text(&output.stdout);
    assert!(!story.contains('\u{1b}'), "no colour without a terminal");
    assert!(story.contains("█▀"), "a code is drawn");
    for line in ["payment 1 was not paid, and is now DISCARD", "effect key payment/23/6", "Every step held"] {
        assert!(story.contains(line), "{line} in {story}");
    }
}

#[test]
fn nothing_is_left_behind() {
    let folder = tempfile::TempDir::new().unwrap();
    let demo = Command::new(env!("CARGO_BIN_EXE_asaanbill")).arg("demo").env("TMPDIR", folder.path()).output().unwrap();
    assert!(demo.status.success());
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

/// A demonstration that can't do what it says fails, and says why.
#[test]
fn a_step_that_does_not_hold_is_a_failure() {
    let nowhere = tempfile::TempDir::new().unwrap().path().join("gone");
    let demo =
        Command::new(env!("CARGO_BIN_EXE_asaanbill")).args(["demo", "--json"]).env("TMPDIR", nowhere).output().unwrap();
    assert_eq!(demo.status.code(), Some(1));
    let line: Value = serde_json::from_str(text(&demo.stdout).trim()).unwrap();
    assert_eq!(line["step"], "failed");
    assert!(text(&demo.stderr).starts_with("asaanbill: the demonstration failed: making a folder for the stores"));
}

#[test]
fn a_command_line_that_cannot_be_read() {
    for args in [&["demo", "--jsno"][..], &["dmeo"], &[]] {
        let output = asaanbill(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty());
    }
    assert_eq!(asaanbill(&["--version"]).status.code(), Some(0));
    assert!(text(&asaanbill(&["demo", "--help"]).stdout).contains("Exit codes"));
}
