//! A PostgreSQL server of the bench's own, as durable as it comes, and gone when the bench is.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use asaanbill_storage::tokio_postgres::{Config, NoTls};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::report::Report;

/// The folder of `initdb` and `postgres`; without it they are looked for on the path.
const PROGRAMS: &str = "ASAANBILL_POSTGRES_BIN";

/// The password of the only user, which the simulator's way to the port needs.
const PASSWORD: &str = "a-password-for-an-hour";

/// A slow machine makes a server ready in seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);
const READY_ASKED_EVERY: Duration = Duration::from_millis(20);

/// What [`Cluster::guard`] runs: it ends the server when its input ends, as it does with this program, and removes the folder.
const GUARD: &str = r#"
    read -r server
    read -r line
    kill -QUIT "$server"
    turns=0
    while [ -e "$0/data/postmaster.pid" ] && [ "$turns" -lt 100 ]; do sleep 0.1; turns=$((turns + 1)); done
    rm -rf "$0"
"#;

/// A running server.
pub(crate) struct Cluster {
    folder: PathBuf,
    port: u16,
    server: Child,
    guard: Child,
    runtime: Runtime,
}

/// Whom the server runs as where the bench runs as root, which PostgreSQL refuses.
#[derive(Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

impl Cluster {
    /// Starts one, or notes in the report that there is none to start.
    ///
    /// # Errors
    ///
    /// If PostgreSQL is there and doesn't start.
    pub(crate) fn start_or_skip(part: &str, report: &mut Report) -> Outcome<Option<Self>> {
        match programs() {
            Some(programs) => Self::start(&programs).map(Some),
            None => {
                report.skip(format!("{part}, as PostgreSQL's initdb and postgres are neither in ${PROGRAMS} nor on the path"));
                Ok(None)
            }
        }
    }

    fn start(programs: &Path) -> Outcome<Self> {
        let account = Account::find()?;
        let folder = TempDir::with_prefix("asaanbill-bench-")?.keep();
        let password = folder.join("password");
        fs::write(&password, PASSWORD)?;
        if let Some(Account { user, group }) = account {
            chown(&folder, Some(user), Some(group))?;
            chown(&password, Some(user), Some(group))?;
        }
        let mut init = command(programs, "initdb", &folder, account)?;
        init.args(["--pgdata=data", "--username=postgres", "--pwfile=password", "--auth-local=trust"]);
        init.args(["--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        if !init.status()?.success() {
            return Err(format!("initdb: {}", log(&folder)).into());
        }
        // A group of its own, so that an interrupt from the keyboard leaves it to its work.
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD]).arg(&folder).stdin(Stdio::piped()).process_group(0);
        let mut guard = guard.spawn()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut postgres = command(programs, "postgres", &folder, account)?;
        postgres.args(["-D", "data", "-h", "127.0.0.1", "-p", &port.to_string()]).arg("-k").arg(&folder);
        let server = postgres.process_group(0).spawn()?;
        writeln!(guard.stdin.as_mut().ok_or("a guard without an input")?, "{}", server.id())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut cluster = Self { folder, port, server, guard, runtime };
        cluster.wait()?;
        Ok(cluster)
    }

    fn wait(&mut self) -> Outcome {
        let Self { folder, port, server, runtime, .. } = self;
        let ready = async {
            let mut turns = tokio::time::interval(READY_ASKED_EVERY);
            loop {
                turns.tick().await;
                if let Some(ended) = server.try_wait()? {
                    return Err(format!("PostgreSQL ended with {ended}: {}", log(folder)).into());
                }
                if execute(folder, *port, "SELECT").await.is_ok() {
                    return Ok(());
                }
            }
        };
        let ready = runtime.block_on(async { tokio::time::timeout(READY_WITHIN, ready).await });
        ready.unwrap_or_else(|_| Err(format!("PostgreSQL is not ready within {READY_WITHIN:?}").into()))
    }

    /// Makes an empty database, and returns its URL.
    ///
    /// # Errors
    ///
    /// If the server doesn't.
    pub(crate) fn database(&self, name: &str) -> Outcome<String> {
        self.runtime.block_on(execute(&self.folder, self.port, &format!("CREATE DATABASE {name}")))?;
        Ok(format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/{name}", self.port))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The guard ends the server, which waits here to be reaped, and then removes its folder.
        drop(self.guard.stdin.take());
        let _ = self.server.wait();
        let _ = self.guard.wait();
    }
}

/// Runs a statement in the server's own database, through the socket.
async fn execute(folder: &Path, port: u16, sql: &str) -> Outcome {
    let mut config = Config::new();
    config.host_path(folder).port(port).user("postgres").dbname("postgres");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client.batch_execute(sql).await?)
}

/// The folder of PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    let has_both = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
    if let Some(named) = env::var_os(PROGRAMS).filter(|named| !named.is_empty()) {
        return Some(named.into()).filter(has_both);
    }
    let path: OsString = env::var_os("PATH")?;
    env::split_paths(&path).find(has_both)
}

impl Account {
    fn find() -> Outcome<Option<Self>> {
        let id = |args: &[&str]| -> Option<u32> {
            let output = Command::new("id").args(args).stderr(Stdio::null()).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse().ok()
        };
        if id(&["-u"]) != Some(0) {
            return Ok(None);
        }
        let found = ["postgres", "nobody"].into_iter().find_map(|name| {
            let account = Self { user: id(&["-u", name])?, group: id(&["-g", name])? };
            Some(account)
        });
        found.map(Some).ok_or_else(|| "root has no account without privileges to run PostgreSQL as".into())
    }
}

/// One of PostgreSQL's programs, run in the cluster's folder by whom it belongs to.
fn command(programs: &Path, name: &str, folder: &Path, account: Option<Account>) -> Outcome<Command> {
    let path = programs.join(name);
    let mut command = match account {
        None => Command::new(path),
        Some(Account { user, group }) => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={user}")).arg(format!("--regid={group}"));
            command.arg("--clear-groups").arg("--").arg(path);
            command
        }
    };
    let log = File::options().create(true).append(true).open(folder.join("log"))?;
    command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}
