//! What we send is what cargo would send: the same packages, the same descriptions.

use std::process::Command;

use serde_json::Value;
use xtask_release::Step;

use crate::registry::Registry;
use crate::world::{CRATES, House};

#[test]
fn uploads_are_cargo_s_own() {
    let house = House::prepared();
    house.run(Step::Publish).unwrap();
    let theirs = Registry::start();
    let world = house.world();
    for name in CRATES {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(house.root()).envs(world.cargo_environment.clone()).args([
            "publish",
            "--no-verify",
            "--locked",
        ]);
        // A registry beside crates.io, whose place our own registry has: its crates are there already.
        cargo.args(["--quiet", "--package", name, "--registry", "theirs"]);
        cargo.args(["--config", &format!("registries.theirs.index=\"{}\"", theirs.index())]);
        cargo.args(["--config", "source.crates-io.replace-with=\"ours\""]);
        cargo.args(["--config", &format!("registries.ours.index=\"{}\"", house.registry.index())]);
        cargo.env("CARGO_REGISTRIES_THEIRS_TOKEN", "token-of-the-tests");
        let told = cargo.output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    }
    for name in CRATES {
        let description = |registry: &Registry| without_nothing(registry.state().descriptions[name].clone());
        assert_eq!(description(&house.registry), description(&theirs), "{name}");
        assert_eq!(house.registry.package(name), theirs.package(name), "{name}");
    }
}

/// Absent and null are one. In another registry than crates.io, cargo says of each dependency that it is from there.
fn without_nothing(mut description: Value) -> Value {
    for line in description["deps"].as_array_mut().unwrap() {
        let line = line.as_object_mut().unwrap();
        line.remove("registry");
        line.retain(|_, value| !value.is_null());
    }
    let description = description.as_object_mut().unwrap();
    description.retain(|_, value| !value.is_null());
    Value::Object(description.clone())
}
