//! The programs under load, each a process of its own that ends with the bench.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::report::Amount;
use crate::{Outcome, floor, program};

/// The first argument of a process under load.
const ARGUMENT: &str = "under-load";

/// Threads that serve.
const THREADS: usize = 2;

/// Runs what this process is to be, if it is a child of the bench.
pub(crate) fn child() -> Option<ExitCode> {
    let mut words = env::args().skip(1);
    if words.next()? != ARGUMENT {
        return None;
    }
    let (what, store) = (words.next()?, words.next()?);
    let ended = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let ended = ended.map_err(Into::into).and_then(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            crate::say(&listener.local_addr()?.to_string());
            match what.as_str() {
                "floor" => floor::serve(store.as_ref(), listener).await,
                _ => program::serve(&store, listener).await,
            }
        })
    });
    Some(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::say(&format!("under load: {error}"));
            ExitCode::FAILURE
        }
    })
}

/// A process that serves. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Running {
    /// The floor, or the receiver on this store.
    ///
    /// # Errors
    ///
    /// If it doesn't serve.
    pub(crate) fn start(what: &str, store: &str) -> Outcome<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args([ARGUMENT, what, store]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let stdin = child.stdin.take().ok_or("a child without an input")?;
        let mut stdout = BufReader::new(child.stdout.take().ok_or("a child without an output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| format!("a program under load said {line:?}"))?;
        Ok(Self { child, stdin, stdout, address })
    }

    /// Says a word to the receiver, and returns its answer.
    ///
    /// # Errors
    ///
    /// If it is gone.
    pub(crate) fn say(&mut self, word: &str) -> Outcome<u64> {
        writeln!(self.stdin, "{word}")?;
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        line.trim().parse().map_err(|_| format!("a program under load said {line:?} to {word}").into())
    }

    /// Waits until so many events are handled.
    ///
    /// # Errors
    ///
    /// If that takes too long.
    pub(crate) fn handles(&mut self, count: u64) -> Outcome {
        match self.say(&format!("handled {count}"))? {
            handled if handled < count => Err(format!("{handled} of {count} are handled, and no more come").into()),
            _ => Ok(()),
        }
    }

    /// The memory that it has, in KiB, where the system says; else nothing.
    ///
    /// # Errors
    ///
    /// If the system says something unreadable.
    pub(crate) fn memory(&self) -> Outcome<u64> {
        self.status("VmRSS:")
    }

    /// The most memory that it had since [`forget_peak`](Self::forget_peak), in KiB.
    ///
    /// # Errors
    ///
    /// If the system says something unreadable.
    pub(crate) fn peak(&self) -> Outcome<u64> {
        self.status("VmHWM:")
    }

    /// From now on the most memory is that which it has from now on. Where the system can't, it stays that of all its life.
    pub(crate) fn forget_peak(&self) {
        const PEAK: &str = "5";
        let _ = fs::write(format!("/proc/{}/clear_refs", self.child.id()), PEAK);
    }

    fn status(&self, name: &str) -> Outcome<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let Ok(status) = fs::read_to_string(path) else { return Ok(0) };
        let value = status.lines().find_map(|line| line.strip_prefix(name));
        let value = value.ok_or_else(|| format!("a status without {name}"))?;
        Ok(value.trim().trim_end_matches(" kB").parse()?)
    }

    /// The processor time that its threads have had so far, where the system says.
    ///
    /// # Errors
    ///
    /// If the system says something unreadable.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.child.id())) else { return Ok(Duration::ZERO) };
        let mut sum = Duration::ZERO;
        for thread in threads {
            // One may have ended meanwhile.
            let Ok(figures) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            sum += Duration::from_nanos(figures.split(' ').next().unwrap_or_default().parse()?);
        }
        Ok(sum)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended can't be killed, and needn't be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// So many in that time.
pub(crate) fn rate(count: u64, time: Duration) -> Amount {
    let per_second = u128::from(count) * 1_000_000 / time.as_micros().max(1);
    Amount::Rate(u64::try_from(per_second).unwrap_or(u64::MAX))
}
