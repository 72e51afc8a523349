//! The program itself: a whole release with a consumer built from the registry alone, and one whose process is killed.

use std::process::{Command, Stdio};
use std::sync::mpsc;

use crate::world::House;

fn program(house: &House, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-release"));
    let root = house.root().display().to_string();
    command.args(arguments).args(["--root", &root, "--index", &house.registry.index()]);
    command.args(["--skip", "gates=the sample has none", "--skip", "forge=the program knows only the real one"]);
    command.envs(house.world().cargo_environment).env("CARGO_REGISTRY_TOKEN", "token-of-the-tests");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn passes(mut command: Command) -> String {
    let told = command.output().unwrap();
    let words = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success(), "{words}");
    words
}

#[test]
fn a_plan_tells_of_each_crate_where_it_goes_and_why() {
    let told = passes(program(&House::new(), &["plan"]));
    // Windows writes paths its own way.
    let told = told.split_once("\nLEFT OUT").map_or(told.as_str(), |(plan, _)| plan).replace('\\', "/");
    insta::assert_snapshot!(told, @"
    release 0.2.0 (before: –)
      because no tag: this is the first release, and the manifests say 0.2.0

    crates, in the order in which they are published:
      sample-low             – → 0.2.0  a change names it
      sample-mid             – → 0.2.0  all crates share a version
      sample-high            – → 0.2.0  all crates share a version
      sample-tool            – → 0.2.0  all crates share a version
      not published: sample-inside

    changes:
      Fixed      fix      A leak.  (docs/changes/one.md)
      Added      feature  Everything.  (CHANGELOG.md)
    ");
}

#[test]
fn a_whole_release_and_what_it_says() {
    let house = House::prepared();
    let told = passes(program(&house, &["resume", "--execute"]));
    assert!(told.ends_with("0.2.0 is released\n"), "{told}");
    assert_eq!(house.tags(), ["v0.2.0"]);
    let told = passes(program(&house, &["status"]));
    assert!(told.contains("4 of 4 crates: released"), "{told}");
    // Once more, with nothing left to do.
    let before = house.registry.state().uploads;
    passes(program(&house, &["resume", "--execute", "--skip", "consumer=built above"]));
    assert_eq!((house.registry.state().uploads, before), (4, 4));
}

/// The process is killed while an upload is stored and not answered, at each upload in turn.
#[test]
fn a_killed_process_is_taken_up_by_the_next() {
    for nth in 1..=4 {
        let house = House::prepared();
        let (stored, killed) = (mpsc::channel(), mpsc::channel::<()>());
        let (tell, wait) = (stored.0, killed.1);
        house.registry.state().on_stored = Some(Box::new(move |count| {
            if count == nth {
                tell.send(()).unwrap();
                wait.recv().unwrap();
            }
        }));
        let mut child = program(&house, &["resume", "--execute", "--skip", "consumer=not here"]).spawn().unwrap();
        stored.1.recv().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        killed.0.send(()).unwrap();
        house.hold_promises();
        passes(program(&house, &["resume", "--execute", "--skip", "consumer=not here"]));
        let state = house.registry.state();
        assert_eq!((state.accepted.len(), state.uploads), (4, 4), "killed at upload {nth}");
        drop(state);
        assert_eq!(house.tags(), ["v0.2.0"]);
    }
}
