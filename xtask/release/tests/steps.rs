//! What each step asks for, shows and leaves alone.

use std::fs;

use xtask_release::{Level, Order, Step, release};

use crate::registry::Fault;
use crate::world::House;

#[test]
fn nothing_is_done_without_being_told_to() {
    let house = House::new();
    let before = (house.git(&["status", "--porcelain"]), house.read("CHANGELOG.md"));
    for step in [Step::Plan, Step::Guards, Step::Api, Step::Prepare, Step::Status, Step::Abandon] {
        house.show(step).unwrap();
    }
    assert_eq!((house.git(&["status", "--porcelain"]), house.read("CHANGELOG.md")), before);
    let house = House::prepared();
    for step in [Step::Publish, Step::Resume, Step::Status] {
        house.show(step).unwrap();
    }
    house.show(Step::Verify).unwrap_err();
    assert_eq!((house.registry.state().uploads, house.tags().len()), (0, 0));
    let stop = release(&house.world(), &Order { execute: true, ..Order::default() }).unwrap_err();
    assert_eq!(stop.to_string(), "--execute belongs to one step: prepare, publish, verify or resume");
}

#[test]
fn what_is_not_prepared_is_not_published() {
    let house = House::new();
    let stop = house.run(Step::Publish).unwrap_err();
    assert!(stop.to_string().starts_with("this commit isn't prepared"), "{stop}");
    let house = House::prepared();
    house.write("docs/changes/late.md", "---\nkind: fixed\n---\nA late one.\n");
    house.commit_and_push();
    let stop = house.run(Step::Publish).unwrap_err();
    assert!(stop.to_string().starts_with("this commit isn't prepared"), "{stop}");
    assert_eq!(house.registry.state().uploads, 0);
}

#[test]
fn the_gates_are_asked_for() {
    let house = House::prepared();
    let mut world = house.world();
    world.skipped.retain(|(step, _)| step != "gates");
    let order = Order { step: Some(Step::Publish), execute: true, ..Order::default() };
    let stop = release(&world, &order).unwrap_err();
    assert!(stop.to_string().starts_with("the gates didn't pass at this commit"), "{stop}");
    let head = house.git(&["rev-parse", "HEAD"]);
    house.write("target/release-packages/gates.json", &format!("{{\"commit\":\"{}\",\"left_out\":[]}}", head.trim()));
    release(&world, &order).unwrap();
}

/// Whatever command was told to leave it out.
#[test]
fn what_the_gates_left_out_is_told_with_the_tag() {
    let house = House::prepared();
    let mut world = house.world();
    world.skipped = ["package", "docs", "check", "test"].map(|gate| (gate.into(), format!("no {gate} today"))).to_vec();
    release(&world, &Order { step: Some(Step::Gates), ..Order::default() }).unwrap();
    let mut world = house.world();
    world.skipped.retain(|(step, _)| step != "gates");
    release(&world, &Order { step: Some(Step::Resume), execute: true, ..Order::default() }).unwrap();
    let message = house.git(&["tag", "--list", "--format=%(contents)", "v0.2.0"]);
    for told in ["Left out: test: no test today", "Left out: consumer: "] {
        assert!(message.contains(told), "{message}");
    }
}

/// Each guard bites, and all that is wrong is told at once.
#[test]
fn guards_tell_all_that_is_wrong() {
    let check = |spoil: &dyn Fn(&House), expected: &[&str]| {
        let house = House::new();
        spoil(&house);
        let told = house.show(Step::Guards).map_err(|stop| stop.to_string());
        let told = told.err().unwrap_or_default();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{told}");
        for (line, part) in lines.iter().zip(expected) {
            assert!(line.contains(part), "{part:?} is not in {line:?}");
        }
    };
    let manifest = |house: &House, file: &str, old: &str, new: &str| {
        let text = house.read(file);
        assert!(text.contains(old), "{file} has no {old}");
        house.write(file, &text.replace(old, new));
    };
    let lock = |house: &House| house.commit_and_push();
    check(&|_| {}, &[]);
    check(&|house| house.write("new.txt", ""), &["not committed: ?? new.txt"]);
    check(
        &|house| {
            house.write("new.txt", "");
            house.git(&["add", "."]);
            house.git(&["commit", "--quiet", "--message", "not pushed"]);
        },
        &["this commit isn't on main"],
    );
    check(
        &|house| {
            manifest(house, "crates/high/Cargo.toml", "version = \"0.2.0\"", "version = \"0.2\"");
            fs::remove_file(house.root().join("crates/tool/README.md")).unwrap();
            manifest(house, "crates/tool/Cargo.toml", "license.workspace = true\n", "");
            lock(house);
        },
        &[
            "sample-high: asks for sample-mid ^0.2, which is 0.2.0",
            "sample-tool: no license",
            "sample-tool: no README.md",
        ],
    );
    check(
        &|house| {
            manifest(
                house,
                "crates/low/Cargo.toml",
                "{ path = \"../high\" }",
                "{ path = \"../high\", version = \"0.2.0\" }",
            );
            lock(house);
        },
        &["sample-high, sample-low, sample-mid, sample-tool need each other in a circle"],
    );
    check(
        &|house| {
            manifest(house, "inside/Cargo.toml", "publish = false\n", "");
            lock(house);
        },
        &[
            "inside: is not in crates/",
            "inside: no description",
            "inside: no license",
            "inside: no repository",
            "inside: no README",
        ],
    );
    check(
        &|house| {
            manifest(house, "crates/low/Cargo.toml", "\nversion.workspace = true", "\nversion = \"0.2.1\"");
        },
        &["not committed", "Cargo.lock doesn't fit", "several versions", "asks for", "asks for"],
    );
}

#[test]
fn preparing_the_next_release_sets_every_version() {
    let house = House::prepared();
    crate::faults::until_done(&house);
    house.write("docs/changes/a.md", "---\nkind: removed\ncrates: high\n---\nA door.\n");
    let skip_api = |house: &House, level: Option<Level>| {
        let mut world = house.world();
        world.skipped.push(("api".into(), "the sample's tools aren't here".into()));
        release(&world, &Order { step: Some(Step::Prepare), execute: true, level, to: None })
    };
    skip_api(&house, Some(Level::Fix)).unwrap();
    let (manifest, lock, log) = (house.read("Cargo.toml"), house.read("Cargo.lock"), house.read("CHANGELOG.md"));
    assert_eq!((manifest.matches("0.3.0").count(), manifest.matches("0.2.0").count()), (4, 0), "{manifest}");
    assert_eq!((lock.matches("0.3.0").count(), lock.matches("0.2.0").count()), (5, 0), "{lock}");
    assert!(log.contains("## [0.3.0] - ") && log.contains("### Removed\n\n- A door.\n"), "{log}");
    // Its own requirement on a sibling isn't in the shared table, and so was forgotten: the guards say so.
    let stop = house.show(Step::Guards).unwrap_err();
    assert!(stop.to_string().contains("sample-high: asks for sample-mid ^0.2.0, which is 0.3.0"), "{stop}");
}

/// After the first release the interfaces are asked, and tools that are missing are a stop that says how to get them.
#[test]
fn a_missing_tool_is_a_stop() {
    let house = House::prepared();
    crate::faults::until_done(&house);
    house.write("docs/changes/a.md", "---\nkind: fixed\n---\nA leak.\n");
    let mut world = house.world();
    world.cargo_environment.push(("PATH".into(), house.root().display().to_string()));
    for step in [Step::Api, Step::Prepare] {
        let stop = release(&world, &Order { step: Some(step), execute: true, ..Order::default() }).unwrap_err();
        assert!(stop.to_string().contains("cargo install cargo-semver-checks --locked"), "{stop}");
    }
    assert!(house.read("Cargo.toml").contains("0.2.0") && house.root().join("docs/changes/a.md").exists());
}

#[test]
fn an_abandoned_version_is_left_behind() {
    let house = House::prepared();
    house.registry.state().faults.extend([Fault::StoredThen503, Fault::Refused]);
    house.run(Step::Resume).unwrap_err();
    let uploads = house.registry.state().uploads;
    house.run(Step::Abandon).unwrap();
    assert_eq!(house.registry.state().uploads, uploads);
    let mut world = house.world();
    world.index = house.registry.index();
    let to = Some("0.2.1".parse().unwrap());
    release(&world, &Order { step: Some(Step::Prepare), execute: true, level: None, to }).unwrap();
    let log = house.read("CHANGELOG.md");
    assert!(log.contains("## [0.2.1]") && !log.contains("## [0.2.0]") && log.contains("Everything."), "{log}");
    crate::faults::until_done_is_refused(&house);
}
