//! `docs/walk.sh`: every endpoint, page and code, asked for by curl and read by jq.
//!
//! Where one of them isn't installed, `cargo xtask test` leaves this out and says so, and with `CI=true` it fails.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output};

use crate::text;

/// The folders of the programs, if they aren't in `PATH`.
const PROGRAMS: [&str; 3] = ["ASAANBILL_BASH_BIN", "ASAANBILL_CURL_BIN", "ASAANBILL_JQ_BIN"];

/// So many steps has the walk at least. Fewer means that a part of it didn't run.
const STEPS_MIN: usize = 580;

fn walk(arguments: &[&str], asaanbill: &str) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/walk.sh");
    let path = env::var_os("PATH").unwrap_or_default();
    let folders =
        PROGRAMS.iter().filter_map(env::var_os).filter(|folder: &OsString| !folder.is_empty()).map(Into::into);
    let path = env::join_paths(folders.chain(env::split_paths(&path))).unwrap();
    let mut command = Command::new("bash");
    command.arg(script).args(arguments).env("PATH", path).env("ASAANBILL", asaanbill);
    // A proxy of the machine's must not stand between.
    command.env("NO_PROXY", "127.0.0.1").env_remove("ASAANBILL_ADMIN_TOKEN").output().unwrap()
}

#[test]
fn every_step_holds() {
    let output = walk(&[], env!("CARGO_BIN_EXE_asaanbill"));
    let told = text(&output.stdout);
    let wrong: Vec<&str> = told.lines().filter(|line| !line.starts_with("ok ") && !line.starts_with('#')).collect();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{}", wrong.join("\n"));
    let steps = told.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(steps >= STEPS_MIN, "{steps} steps");
    assert!(told.ends_with(&format!("\n{steps} steps: {steps} ok, 0 failed, 0 left out\n")), "{}", wrong.join("\n"));
}

#[test]
fn a_walk_that_cannot_begin() {
    let output = walk(&["127.0.0.1:1"], "");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "walk.sh: no simulator answers at http://127.0.0.1:1\n");
    let output = walk(&[], "false");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("walk.sh: the simulator didn't start: "), "{}", text(&output.stderr));
}
