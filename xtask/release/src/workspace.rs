//! The workspace, as cargo tells it: the crates that are published, and in which order.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cargo_metadata::{Dependency, DependencyKind, MetadataCommand, Package, TargetKind};
use semver::{Version, VersionReq};
use serde_json::Value;

use crate::stop::{Doing, Stop};
use crate::world::{World, output};

/// All crates of the workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) target: PathBuf,
    pub(crate) crates: Vec<Crate>,
}

/// One crate.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) version: Version,
    /// Whether `publish` allows a registry.
    pub(crate) published: bool,
    pub(crate) package: Package,
    /// What cargo said, for what has to be passed on word for word.
    pub(crate) told: Value,
}

impl Workspace {
    /// Asks cargo, which must find the lock file in order.
    pub(crate) fn load(world: &World) -> Result<Self, Stop> {
        let line = ["metadata", "--format-version", "1", "--no-deps"];
        let text = output(&mut world.cargo(line))?;
        let metadata = MetadataCommand::parse(&text).doing("read cargo metadata")?;
        let told: Value = serde_json::from_str(&text).doing("read cargo metadata")?;
        let mut told: BTreeMap<String, Value> = told["packages"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|package| (package["name"].as_str().unwrap_or_default().to_owned(), package.clone()))
            .collect();
        let mut crates: Vec<Crate> = metadata
            .packages
            .into_iter()
            .map(|package| Crate {
                name: package.name.to_string(),
                version: package.version.clone(),
                published: package.publish.as_ref().is_none_or(|registries| !registries.is_empty()),
                told: told.remove(package.name.as_str()).unwrap_or_default(),
                package,
            })
            .collect();
        crates.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { target: metadata.target_directory.into_std_path_buf(), crates })
    }

    /// Those that are published, each after what it needs.
    ///
    /// # Errors
    ///
    /// When they need each other in a circle: then none can be the first.
    pub(crate) fn in_order(&self) -> Result<Vec<&Crate>, Stop> {
        let mut waiting: Vec<&Crate> = self.crates.iter().filter(|one| one.published).collect();
        let mut order: Vec<&Crate> = Vec::new();
        while !waiting.is_empty() {
            let is_free = |one: &&Crate| {
                one.needs()
                    .all(|wanted| wanted.name == one.name || !waiting.iter().any(|other| other.name == wanted.name))
            };
            let Some(next) = waiting.iter().position(is_free) else {
                let names: Vec<&str> = waiting.iter().map(|one| one.name.as_str()).collect();
                return Err(Stop::hard(format!(
                    "{} need each other in a circle, so that none can be published first. A dev-dependency without a version \
                     is left out of the package: give `path` only",
                    names.join(", ")
                )));
            };
            order.push(waiting.remove(next));
        }
        Ok(order)
    }

    /// The one version that all published crates have.
    pub(crate) fn version(&self) -> Result<Version, Stop> {
        let mut versions: Vec<&Version> =
            self.crates.iter().filter(|one| one.published).map(|one| &one.version).collect();
        versions.dedup();
        match versions[..] {
            [version] => Ok(version.clone()),
            [] => Err(Stop::hard("no crate is published")),
            _ => Err(Stop::hard("the published crates have several versions: let each say `version.workspace = true`")),
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Crate> {
        self.crates.iter().find(|one| one.name == name)
    }
}

impl Crate {
    /// The dependencies that a registry learns of. A dev-dependency without a version is not among them.
    pub(crate) fn needs(&self) -> impl Iterator<Item = &Dependency> {
        let dropped = |one: &Dependency| {
            one.kind == DependencyKind::Development && one.req == VersionReq::STAR && one.path.is_some()
        };
        self.package.dependencies.iter().filter(move |one| !dropped(one))
    }

    pub(crate) fn has_library(&self) -> bool {
        self.package.targets.iter().any(|target| target.kind.contains(&TargetKind::Lib))
    }

    pub(crate) fn has_binary(&self) -> bool {
        self.package.targets.iter().any(|target| target.kind.contains(&TargetKind::Bin))
    }
}
