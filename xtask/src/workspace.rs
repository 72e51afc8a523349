//! The workspace as `cargo metadata` tells it: our crates, what they declare, and nothing of others'.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run;

/// Our crates, sorted by name.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    pub(crate) crates: Vec<Crate>,
}

/// One of our crates.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// Whether `publish` allows a registry.
    pub(crate) published: bool,
    pub(crate) has_library: bool,
    /// Each feature with what it switches on, `default` included.
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) dependencies: Vec<Dependency>,
    /// The root file of each target: library, binaries, tests, examples, benches, build script.
    pub(crate) targets: Vec<Target>,
    /// Everything that cargo tells of this package, for the rarer questions.
    pub(crate) told: Value,
}

/// One target of a crate.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) kind: String,
    pub(crate) source: PathBuf,
}

/// One declared dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// For tests only.
    pub(crate) dev: bool,
    /// Only there when a feature asks for it.
    pub(crate) optional: bool,
}

impl Workspace {
    /// Asks the cargo that runs us.
    pub(crate) fn load() -> Result<Self, Box<dyn Error>> {
        // Cargo sets CARGO_MANIFEST_DIR for what it runs, so that xtask works from any folder of the workspace.
        let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let told = run::output(&mut run::cargo(&here, ["metadata", "--format-version", "1", "--no-deps"]))?;
        Self::from_metadata(&serde_json::from_str(&told)?).ok_or_else(|| "cargo metadata has another form".into())
    }

    /// `None` if the JSON isn't what `cargo metadata --format-version 1` promises.
    pub(crate) fn from_metadata(told: &Value) -> Option<Self> {
        let root = told["workspace_root"].as_str()?.into();
        let target = told["target_directory"].as_str()?.into();
        let mut crates = told["packages"].as_array()?.iter().map(Crate::from_metadata).collect::<Option<Vec<_>>>()?;
        crates.sort_by(|one, other| one.name.cmp(&other.name));
        Some(Self { root, target, crates })
    }

    /// The crates that are released.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Crate> {
        self.crates.iter().filter(|one| one.published)
    }
}

impl Crate {
    fn from_metadata(told: &Value) -> Option<Self> {
        let targets = told["targets"].as_array()?.iter().map(Target::from_metadata).collect::<Option<Vec<_>>>()?;
        Some(Self {
            name: told["name"].as_str()?.to_owned(),
            folder: Path::new(told["manifest_path"].as_str()?).parent()?.to_owned(),
            // Null is every registry, an empty list none.
            published: told["publish"].as_array().is_none_or(|registries| !registries.is_empty()),
            has_library: targets.iter().any(|target| target.kind == "lib"),
            features: told["features"]
                .as_object()?
                .iter()
                .map(|(name, on)| Some((name.clone(), words(on)?)))
                .collect::<Option<_>>()?,
            dependencies: told["dependencies"]
                .as_array()?
                .iter()
                .map(Dependency::from_metadata)
                .collect::<Option<_>>()?,
            targets,
            told: told.clone(),
        })
    }
}

impl Target {
    fn from_metadata(told: &Value) -> Option<Self> {
        Some(Self { kind: told["kind"][0].as_str()?.to_owned(), source: told["src_path"].as_str()?.into() })
    }
}

impl Dependency {
    fn from_metadata(told: &Value) -> Option<Self> {
        Some(Self {
            name: told["name"].as_str()?.to_owned(),
            dev: told["kind"].as_str() == Some("dev"),
            optional: told["optional"].as_bool()?,
        })
    }
}

fn words(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect()
}

/// Every `crate/feature` of the workspace apart from `default`, parted into those to switch on and those to leave off
/// because they are, or switch on, one of `unwanted`.
pub(crate) fn part_features(crates: &[Crate], unwanted: &[&str]) -> (Vec<String>, Vec<String>) {
    let mut off: BTreeSet<String> = unwanted.iter().map(|&name| name.to_owned()).collect();
    // A feature that switches on an unwanted one is unwanted: repeat until nothing is added.
    loop {
        let before = off.len();
        for one in crates {
            for (feature, on) in &one.features {
                if on.iter().any(|named| off.contains(&full_name(&one.name, named))) {
                    off.insert(format!("{}/{feature}", one.name));
                }
            }
        }
        if off.len() == before {
            break;
        }
    }
    let all = crates.iter().flat_map(|one| one.features.keys().map(move |feature| (one, feature)));
    let all = all.filter(|(_, feature)| *feature != "default").map(|(one, feature)| format!("{}/{feature}", one.name));
    all.partition(|name| !off.contains(name))
}

/// `x` of crate `a` is `a/x`; `b/x` and `b?/x` are `b/x`.
fn full_name(of: &str, named: &str) -> String {
    if named.contains('/') { named.replace("?/", "/") } else { format!("{of}/{named}") }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A made-up crate with these features.
    pub(crate) fn made_up(name: &str, features: &[(&str, &[&str])]) -> Crate {
        let features: serde_json::Map<_, _> =
            features.iter().map(|(name, on)| ((*name).to_owned(), json!(on))).collect();
        Crate::from_metadata(&json!({
            "name": name,
            "manifest_path": format!("/w/{name}/Cargo.toml"),
            "publish": null,
            "features": features,
            "dependencies": [],
            "targets": [{"kind": ["lib"], "src_path": format!("/w/{name}/src/lib.rs")}],
        }))
        .unwrap()
    }

    #[test]
    fn metadata_is_read() {
        let told = json!({
            "workspace_root": "/w",
            "target_directory": "/w/target",
            "packages": [
                {
                    "name": "tool", "manifest_path": "/w/tool/Cargo.toml", "publish": [], "features": {},
                    "dependencies": [], "targets": [{"kind": ["bin"], "src_path": "/w/tool/src/main.rs"}],
                },
                {
                    "name": "core", "manifest_path": "/w/core/Cargo.toml", "publish": null,
                    "features": {"default": [], "serde": ["dep:serde"]},
                    "dependencies": [
                        {"name": "serde", "kind": null, "optional": true},
                        {"name": "proptest", "kind": "dev", "optional": false},
                    ],
                    "targets": [{"kind": ["lib"], "src_path": "/w/core/src/lib.rs"}],
                },
            ],
        });
        let workspace = Workspace::from_metadata(&told).unwrap();
        let [core, tool] = &workspace.crates[..] else { panic!("{workspace:?}") };
        assert_eq!((core.name.as_str(), core.published, core.has_library), ("core", true, true));
        assert_eq!((tool.name.as_str(), tool.published, tool.has_library), ("tool", false, false));
        assert_eq!(core.folder, Path::new("/w/core"));
        assert_eq!(core.features["serde"], ["dep:serde"]);
        let serde = Dependency { name: "serde".into(), dev: false, optional: true };
        let proptest = Dependency { name: "proptest".into(), dev: true, optional: false };
        assert_eq!(core.dependencies, [serde, proptest]);
        assert!(Workspace::from_metadata(&json!({"packages": []})).is_none());
    }

    #[test]
    fn all_features_but_the_unwanted_and_what_leads_to_them() {
        let crates = [
            made_up(
                "a",
                &[("default", &["x"]), ("x", &[]), ("pg", &["dep:p"]), ("more", &["pg", "x"]), ("far", &["b/all"])],
            ),
            made_up("b", &[("all", &["a/more"]), ("weak", &["a?/pg"]), ("y", &[])]),
        ];
        let (on, off) = part_features(&crates, &["a/pg"]);
        assert_eq!(on, ["a/x", "b/y"]);
        assert_eq!(off, ["a/far", "a/more", "a/pg", "b/all", "b/weak"]);
        assert_eq!(part_features(&crates, &[]).1, [""; 0]);
    }
}
