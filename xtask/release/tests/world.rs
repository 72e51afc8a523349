//! A made-up workspace with a remote repository, and worlds in which it is released.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use xtask_release::{Clock, Order, Reached, Step, Stop, Token, World, release};

use crate::registry::Registry;

/// The crates that are published, in an order in which they can be.
pub(crate) const CRATES: [&str; 4] = ["sample-low", "sample-mid", "sample-high", "sample-tool"];

/// How long one exchange may take. Only a registry that says nothing makes anybody wait for so long.
const EXCHANGE: Duration = Duration::from_secs(30);

/// A workspace that nobody else touches.
pub(crate) struct House {
    folder: TempDir,
    pub(crate) registry: Registry,
}

/// A clock that waits no time and counts it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CountingClock {
    waited: Rc<Cell<Duration>>,
}

impl CountingClock {
    pub(crate) fn waited(&self) -> Duration {
        self.waited.get()
    }
}

impl Clock for CountingClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.waited.get()
    }

    fn wait(&self, time: Duration) {
        self.waited.set(self.waited.get() + time);
    }
}

impl House {
    /// A workspace with changes and no release yet.
    pub(crate) fn new() -> Self {
        Self::copied_from(unprepared())
    }

    /// The same after `prepare` was committed and the packages were made.
    pub(crate) fn prepared() -> Self {
        Self::copied_from(prepared())
    }

    fn copied_from(template: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(template, folder.path());
        Self { folder, registry: Registry::start() }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("work")
    }

    pub(crate) fn world(&self) -> World {
        self.world_with(CountingClock::default())
    }

    pub(crate) fn world_with(&self, clock: CountingClock) -> World {
        let mut world = World::new(self.root());
        world.index = self.registry.index();
        world.forge = Some(self.registry.forge());
        world.token = Some(Token::new("token-of-the-tests").unwrap());
        world.forge_token = Some(Token::new("token-of-the-forge").unwrap());
        world.exchange = EXCHANGE;
        world.skipped = [("gates", "the sample has none"), ("consumer", "the test of the whole has one")]
            .map(|(step, reason)| (step.to_owned(), reason.to_owned()))
            .to_vec();
        world.cargo_environment = environment(self.folder.path());
        world.clock = Box::new(clock);
        world
    }

    /// Stops at the point of this number, counted from 0, and tells all points that were reached.
    pub(crate) fn run_until(&self, step: Step, stop_at: usize) -> (Result<(), Stop>, Vec<String>) {
        let points = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&points);
        let mut world = self.world();
        world.reached = Reached::new(move |point| {
            seen.borrow_mut().push(point.to_owned());
            if seen.borrow().len() > stop_at { Err(Stop::later(format!("cut off: {point}"))) } else { Ok(()) }
        });
        let result = release(&world, &Order { step: Some(step), execute: true, ..Order::default() });
        drop(world);
        (result, Rc::try_unwrap(points).unwrap().into_inner())
    }

    pub(crate) fn run(&self, step: Step) -> Result<(), Stop> {
        release(&self.world(), &Order { step: Some(step), execute: true, ..Order::default() })
    }

    pub(crate) fn show(&self, step: Step) -> Result<(), Stop> {
        release(&self.world(), &Order { step: Some(step), ..Order::default() })
    }

    /// The remote repository's tags.
    pub(crate) fn tags(&self) -> Vec<String> {
        let told = git(&self.root(), &["ls-remote", "--tags", "--refs", "origin"]);
        told.lines().map(|line| line.rsplit('/').next().unwrap().to_owned()).collect()
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.root(), arguments)
    }

    pub(crate) fn commit_and_push(&self) {
        commit(&self.root());
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.root().join(file)).unwrap()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let file = self.root().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Every promise that holds at any instant: nothing accepted twice, and no tag or page before all crates exist.
    pub(crate) fn hold_promises(&self) {
        let state = self.registry.state();
        assert!(state.accepted.values().all(|count| *count == 1), "accepted twice: {:?}", state.accepted);
        let (complete, pages) = (state.accepted.len() == CRATES.len(), state.pages.len());
        drop(state);
        let tags = self.tags();
        assert!(complete || (tags.is_empty() && pages == 0), "{tags:?} and {pages} pages before all crates exist");
        assert!(pages <= 1 && (pages == 0 || tags == ["v0.2.0"]), "{pages} pages, tags {tags:?}");
    }

    /// The one end that every release has.
    pub(crate) fn is_released(&self) {
        self.hold_promises();
        let (ours, theirs) = (recorded(&self.root()), self.registry.checksums());
        assert_eq!(theirs, ours, "the registry has what was packed");
        assert_eq!((self.tags(), self.registry.state().pages.len()), (vec!["v0.2.0".to_owned()], 1));
    }
}

/// The checksums that were recorded when the packages were made.
pub(crate) fn recorded(root: &Path) -> std::collections::BTreeMap<String, String> {
    let text = fs::read_to_string(root.join("target/release-packages/0.2.0/record.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    record["sha256"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, sum)| (name.clone(), sum.as_str().unwrap().into()))
        .collect()
}

/// Keeps what cargo caches out of the user's own folders, and each workspace's files in its own.
fn environment(folder: &Path) -> Vec<(String, String)> {
    let path = |name: &str| folder.join(name).display().to_string();
    vec![("CARGO_HOME".into(), path("cargo-home")), ("CARGO_TARGET_DIR".into(), path("work/target"))]
}

fn unprepared() -> &'static Path {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    TEMPLATE
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let (work, remote) = (folder.path().join("work"), folder.path().join("remote.git"));
            fs::create_dir_all(&work).unwrap();
            fs::create_dir_all(&remote).unwrap();
            git(&remote, &["init", "--quiet", "--bare", "--initial-branch=main"]);
            git(&work, &["init", "--quiet", "--initial-branch=main"]);
            git(&work, &["config", "user.name", "Tests"]);
            git(&work, &["config", "user.email", "tests@example.com"]);
            git(&work, &["config", "commit.gpgsign", "false"]);
            git(&work, &["config", "core.autocrlf", "false"]);
            // A relative path, so that a copy of both has its own remote.
            git(&work, &["remote", "add", "origin", "../remote.git"]);
            sample(&work);
            let registry = Registry::start();
            let mut world = World::new(work.canonicalize().unwrap());
            world.index = registry.index();
            world.cargo_environment = environment(folder.path());
            let config = format!("registries.release.index=\"{}\"", world.index);
            let mut lock = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            lock.current_dir(&work).args([
                "generate-lockfile",
                "--quiet",
                "--config",
                "source.crates-io.replace-with=\"release\"",
            ]);
            lock.args(["--config", &config]).envs(world.cargo_environment);
            assert!(lock.status().unwrap().success());
            commit(&work);
            folder
        })
        .path()
}

fn prepared() -> &'static Path {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    TEMPLATE
        .get_or_init(|| {
            let mut house = House::copied_from(unprepared());
            house.run(Step::Prepare).unwrap();
            house.commit_and_push();
            house.show(Step::Publish).unwrap();
            // What cargo left on the way isn't needed again, and is copied for each test.
            fs::remove_dir_all(house.root().join("target/package")).unwrap();
            fs::remove_dir_all(house.folder.path().join("cargo-home")).unwrap();
            std::mem::replace(&mut house.folder, tempfile::tempdir().unwrap())
        })
        .path()
}

/// Three libraries, a command that uses them, and a crate that isn't published. Version 0.2.0 is in the manifests, and there is
/// no tag.
fn sample(root: &Path) {
    let write = |file: &str, text: &str| {
        let file = root.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\", \"inside\"]\n\n[workspace.package]\nversion = \"0.2.0\"\n\
         edition = \"2024\"\nlicense = \"MIT\"\nrust-version = \"1.85\"\nrepository = \"https://github.com/sample/sample\"\n\n\
         [workspace.dependencies]\nsample-low = { version = \"0.2.0\", path = \"crates/low\" }\n\
         sample-mid = { version = \"0.2.0\", path = \"crates/mid\" }\n\
         sample-high = { version = \"0.2.0\", path = \"crates/high\", default-features = false }\n",
    );
    write(".gitignore", "/target\n");
    write("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Everything.\n");
    write("docs/changes/one.md", "---\nkind: fixed\ncrates: low\n---\nA leak.\n");
    let member = |name: &str, more: &str| {
        let short = name.strip_prefix("sample-").unwrap();
        let head = format!(
            "[package]\nname = \"{name}\"\ndescription = \"The {short} one\"\nreadme = \"README.md\"\nversion.workspace = true\n\
             edition.workspace = true\nlicense.workspace = true\nrust-version.workspace = true\nrepository.workspace = true\n\
             keywords = [\"sample\"]\ncategories = [\"finance\"]\nauthors = [\"Us\"]\n"
        );
        write(&format!("crates/{short}/Cargo.toml"), &format!("{head}{more}"));
        write(&format!("crates/{short}/README.md"), &format!("# {name}\n\nÜber alles.\n"));
    };
    member("sample-low", "\n[features]\nmore = []\n\n[dev-dependencies]\nsample-high = { path = \"../high\" }\n");
    write("crates/low/src/lib.rs", "pub fn low() -> u8 { 1 }\n");
    member(
        "sample-mid",
        "\n[features]\ndefault = [\"low\"]\nlow = [\"dep:sample-low\", \"sample-low/more\"]\n\n[dependencies]\n\
         sample-low = { workspace = true, optional = true, default-features = true }\n",
    );
    write("crates/mid/src/lib.rs", "pub fn mid() -> u8 { 2 }\n");
    member(
        "sample-high",
        "\n[dependencies]\nsample-low = { workspace = true, features = [\"more\"] }\n\
         under = { package = \"sample-mid\", path = \"../mid\", version = \"0.2.0\" }\n\n\
         [target.'cfg(windows)'.dev-dependencies]\nsample-mid.workspace = true\n",
    );
    write("crates/high/src/lib.rs", "pub fn high() -> u8 { sample_low::low() + under::mid() }\n");
    member("sample-tool", "\n[dependencies]\nsample-high.workspace = true\n");
    write("crates/tool/src/main.rs", "fn main() { println!(\"{}\", sample_high::high()); }\n");
    write(
        "inside/Cargo.toml",
        "[package]\nname = \"sample-inside\"\npublish = false\nversion.workspace = true\nedition.workspace = true\n\n\
         [dependencies]\nsample-high.workspace = true\n",
    );
    write("inside/src/lib.rs", "");
}

fn commit(root: &Path) {
    git(root, &["add", "--all"]);
    git(root, &["commit", "--quiet", "--message", "next"]);
    git(root, &["push", "--quiet", "origin", "main"]);
    git(root, &["fetch", "--quiet", "origin"]);
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let told = Command::new("git").current_dir(folder).args(arguments).output().unwrap();
    assert!(told.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).unwrap()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
