//! What a release acts on: one workspace, one registry, one remote repository, one forge. Tests make worlds of their own.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::stop::{Doing, Stop};

/// crates.io's index.
pub const CRATES_IO: &str = "sparse+https://index.crates.io/";

/// The variable that holds the registry's token: cargo's own name for it.
pub const TOKEN: &str = "CARGO_REGISTRY_TOKEN";

/// The variable that holds the forge's token.
pub const FORGE_TOKEN: &str = "GITHUB_TOKEN";

/// Everything outside of us.
#[derive(Debug)]
pub struct World {
    /// The workspace's folder.
    pub root: PathBuf,
    /// The registry's index, as cargo writes it: `sparse+https://…/`.
    pub index: String,
    /// The remote repository's name in git.
    pub remote: String,
    /// The branch that is released from.
    pub branch: String,
    /// The forge's interface for this repository, without a slash at its end. `None`: from the manifest's `repository`.
    pub forge: Option<String>,
    /// For uploads.
    pub token: Option<Token>,
    /// For the release notes.
    pub forge_token: Option<Token>,
    /// How long a registry may tell us to wait before we rather stop and say when to come back.
    pub longest_wait: Duration,
    /// How long one exchange with the registry or the forge may take.
    pub exchange: Duration,
    /// Steps that are left out, each with the reason that a person gave.
    pub skipped: Vec<(String, String)>,
    /// Set for each cargo that is started.
    pub cargo_environment: Vec<(String, String)>,
    /// The time.
    pub clock: Box<dyn Clock>,
    /// Is told each point at which a release may be cut off, before it goes on. An error stops it there.
    pub reached: Reached,
}

/// See [`World::reached`].
pub struct Reached(Box<Watch>);

type Watch = dyn Fn(&str) -> Result<(), Stop>;

impl Reached {
    /// Calls this.
    #[must_use]
    pub fn new(watch: impl Fn(&str) -> Result<(), Stop> + 'static) -> Self {
        Self(Box::new(watch))
    }
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reached")
    }
}

/// A secret word, hidden in `Debug`.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// # Errors
    ///
    /// When it is empty or can't stand in a header.
    pub fn new(text: &str) -> Result<Self, Stop> {
        let text = text.trim();
        if text.is_empty() || !text.chars().all(|letter| letter.is_ascii_graphic()) {
            return Err(Stop::hard("a token is one word of ASCII letters, digits and signs"));
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl World {
    /// The workspace in this folder, crates.io, `origin`, `main`, and no tokens.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            index: CRATES_IO.to_owned(),
            remote: "origin".to_owned(),
            branch: "main".to_owned(),
            forge: None,
            token: None,
            forge_token: None,
            // crates.io lets a new crate in every ten minutes, after the first five.
            longest_wait: Duration::from_secs(15 * 60),
            // Our packages are small; a registry that takes longer is not well.
            exchange: Duration::from_secs(120),
            skipped: Vec::new(),
            cargo_environment: Vec::new(),
            clock: Box::new(SystemClock),
            reached: Reached::new(|_| Ok(())),
        }
    }

    /// A point at which a release may be cut off.
    pub(crate) fn reach(&self, point: &str) -> Result<(), Stop> {
        (self.reached.0)(point)
    }

    /// Why a step is left out, if it is.
    pub(crate) fn skipped(&self, step: &str) -> Option<&str> {
        self.skipped.iter().find(|(name, _)| name == step).map(|(_, reason)| reason.as_str())
    }

    /// A cargo in the workspace, the one that runs us, with the registry in crates.io's place if it is another one.
    pub(crate) fn cargo<I: IntoIterator<Item: AsRef<str>>>(&self, arguments: I) -> Command {
        let mut command = self.bare_cargo(arguments);
        if self.index != CRATES_IO {
            command.args(["--config", "source.crates-io.replace-with=\"release\""]);
            command.args(["--config", &format!("registries.release.index=\"{}\"", self.index)]);
        }
        command
    }

    /// The same for a subcommand that somebody else wrote, which takes none of cargo's own options. Another registry in crates.io's
    /// place has to be in cargo's configuration, where it looks.
    pub(crate) fn bare_cargo<I: IntoIterator<Item: AsRef<str>>>(&self, arguments: I) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root).stdin(Stdio::null());
        for argument in arguments {
            command.arg(argument.as_ref());
        }
        for (name, _) in std::env::vars_os() {
            // What describes this program to itself would make other packages' build scripts run again.
            let name = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
                .iter()
                .any(|start| name.starts_with(start))
            {
                command.env_remove(&*name);
            }
        }
        // No program that we start needs the tokens.
        command.env_remove(TOKEN).env_remove(FORGE_TOKEN);
        command.envs(self.cargo_environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What `cargo package` and `cargo publish` want to hear when another registry is in crates.io's place.
    pub(crate) fn registry_arguments(&self) -> &'static [&'static str] {
        if self.index == CRATES_IO { &[] } else { &["--registry", "release"] }
    }

    /// A git in the workspace.
    pub(crate) fn git(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.root).stdin(Stdio::null()).args(arguments);
        command.env_remove(TOKEN).env_remove(FORGE_TOKEN);
        command
    }
}

/// Runs a command with its output going straight through.
///
/// # Errors
///
/// When it can't be started, or fails.
pub(crate) fn passes(command: &mut Command) -> Result<(), Stop> {
    println!("$ {}", shown(command));
    let status = command.status().doing(format!("start {}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(Stop::hard(format!("failed: {}", shown(command)))) }
}

/// Runs a command quietly and returns what it wrote to standard output.
///
/// # Errors
///
/// When it can't be started, or fails; the message has what it wrote to standard error.
pub(crate) fn output(command: &mut Command) -> Result<String, Stop> {
    let output = command.output().doing(format!("start {}", shown(command)))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Stop::hard(format!("failed: {}: {words}", shown(command))));
    }
    String::from_utf8(output.stdout).doing(format!("read the words of {}", shown(command)))
}

/// The command as a person would type it, without our settings.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut line = program.file_stem().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    let mut arguments = command.get_args();
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            arguments.next();
        } else {
            line = format!("{line} {}", argument.to_string_lossy());
        }
    }
    line
}
