//! The programs under load, each a process of its own that ends with the bench.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::Outcome;
use crate::floor::Floor;
use crate::hub::Hub;
use crate::report::Amount;

/// The command's package and its program.
const PACKAGE: &str = "asaanbill-cli";
const NAME: &str = "asaanbill";

/// The `asaanbill` command.
#[derive(Debug)]
pub(crate) struct Program(PathBuf);

/// A process that serves. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Open as long as the process is to run, and to write.
    _pipes: (Option<ChildStdin>, BufReader<ChildStdout>),
    pub(crate) address: SocketAddr,
    /// From before it was started until it said that it serves.
    pub(crate) ready_after: Duration,
}

impl Program {
    /// The one that is given, else one that is built the way the bench itself was.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) fn find(given: Option<&Path>) -> Outcome<Self> {
        if let Some(given) = given {
            return Ok(Self(given.canonicalize().map_err(|error| format!("{}: {error}", given.display()))?));
        }
        // target/release/deps/hub-…
        let bench = env::current_exe()?;
        let built = bench.ancestors().nth(2).ok_or("the bench is in no target folder")?;
        let profile = match built.file_name().and_then(OsStr::to_str).ok_or("the profile has no name")? {
            "debug" => "dev",
            profile => profile,
        };
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", PACKAGE, "--bin", NAME, "--profile", profile]);
        // Where this bench was built, wherever that is by default.
        build.arg("--target-dir").arg(built.parent().ok_or("the profile's folder has no parent")?);
        if !build.status()?.success() {
            return Err("it can't be built".into());
        }
        Ok(Self(built.join(NAME).with_extension(env::consts::EXE_EXTENSION)))
    }

    /// Starts a simulator with nothing set but its store: the journal is on.
    ///
    /// # Errors
    ///
    /// If it doesn't serve.
    pub(crate) fn sim(&self, store: &str, folder: &Path) -> Outcome<Running> {
        self.sim_with(store, folder, &[])
    }

    /// Starts a simulator with further options.
    ///
    /// # Errors
    ///
    /// If it doesn't serve.
    pub(crate) fn sim_with(&self, store: &str, folder: &Path, options: &[&str]) -> Outcome<Running> {
        let ready_file = folder.join("ready.json");
        let mut command = Command::new(&self.0);
        command.args(["sim", "--listen", "127.0.0.1:0", "--store", store, "--ready-file"]).arg(&ready_file);
        command.args(options).stdin(Stdio::null());
        Running::start(command, |_| {
            let ready: ReadyFile = serde_json::from_slice(&fs::read(&ready_file)?)?;
            Ok(ready.address)
        })
    }

    /// Starts a simulator on a file, and logs in.
    ///
    /// # Errors
    ///
    /// If it doesn't serve.
    pub(crate) fn sim_on(&self, file: &Path) -> Outcome<(Running, Hub)> {
        let folder = file.parent().ok_or("a file is in a folder")?;
        let sim = self.sim(&format!("sqlite:{}", file.display()), folder)?;
        let hub = Hub::log_in(sim.address)?;
        Ok((sim, hub))
    }
}

#[derive(Deserialize)]
struct ReadyFile {
    address: SocketAddr,
}

impl Running {
    /// Starts a floor.
    ///
    /// # Errors
    ///
    /// If it doesn't serve.
    pub(crate) fn floor(floor: &Floor) -> Outcome<(Self, Hub)> {
        let mut command = Command::new(env::current_exe()?);
        command.args(floor.arguments()).stdin(Stdio::piped());
        let running = Self::start(command, |line| Ok(line.trim().parse()?))?;
        let hub = Hub::open(running.address)?;
        Ok((running, hub))
    }

    /// Starts a program that prints a line when it serves.
    fn start(mut command: Command, address: impl FnOnce(&str) -> Outcome<SocketAddr>) -> Outcome<Self> {
        let begin = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().ok_or("a child without an output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let ready_after = begin.elapsed();
        if line.is_empty() {
            return Err(format!("a program under load ended: {}", child.wait()?).into());
        }
        Ok(Self { child, _pipes: (stdin, stdout), address: address(&line)?, ready_after })
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    ///
    /// If it can't be asked, or stops with an error.
    pub(crate) fn stop(mut self) -> Outcome {
        // The standard library can only kill.
        let asked = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        let stopped = self.child.wait()?;
        if asked.success() && stopped.success() { Ok(()) } else { Err(format!("it stopped with {stopped}").into()) }
    }

    /// The processor time that its threads have had so far, where the system says.
    ///
    /// # Errors
    ///
    /// If the system says something unreadable.
    pub(crate) fn cpu(&self) -> Outcome<Option<Duration>> {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.child.id())) else { return Ok(None) };
        let mut sum = Duration::ZERO;
        for thread in threads {
            // One may have ended meanwhile.
            let Ok(figures) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            sum += Duration::from_nanos(figures.split(' ').next().unwrap_or_default().parse()?);
        }
        Ok(Some(sum))
    }

    /// The memory that it has, where the system says.
    ///
    /// # Errors
    ///
    /// If the system says something unreadable.
    pub(crate) fn memory(&self) -> Outcome<Option<Amount>> {
        let path = format!("/proc/{}/status", self.child.id());
        let Ok(status) = fs::read_to_string(path) else { return Ok(None) };
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("a status without VmRSS")?;
        Ok(Some(Amount::KibiBytes(line.trim().trim_end_matches(" kB").parse()?)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has stopped can't be killed, and needn't be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
