//! A PostgreSQL server of our own: made, started, killed, and gone when the test program is.

use std::env;
use std::fs::{self, File};
use std::io::{Result as IoResult, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use asaanbill_storage::tokio_postgres::{self, Client, NoTls};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The folder of `initdb` and `postgres`.
const PROGRAMS: &str = "ASAANBILL_POSTGRES_BIN";

/// The password of the only user, asked for on the port and not on the socket.
pub(crate) const PASSWORD: &str = "a-password-that-nobody-sees";

/// A slow machine makes a server ready in seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);
const READY_ASKED_EVERY: Duration = Duration::from_millis(20);

/// Somebody else may take the port before the server does.
const STARTS_MAX: usize = 5;

/// What [`Guard`] runs. Its input ends with this program; each line of it is the server that runs now, or empty.
const GUARD: &str = r#"
    while read -r line; do server=$line; done
    if [ -n "$server" ]; then kill -QUIT "$server"; fi
    turns=0
    while [ -e "$0/data/postmaster.pid" ] && [ "$turns" -lt 100 ]; do sleep 0.1; turns=$((turns + 1)); done
    rm -rf "$0"
"#;

static SHARED: OnceCell<Cluster> = OnceCell::const_new();

/// A running server.
pub(crate) struct Cluster {
    folder: PathBuf,
    port: u16,
    account: Option<Account>,
    server: Child,
    guard: Guard,
    databases: AtomicU32,
}

/// Whom the server runs as where the tests run as root, which PostgreSQL refuses.
#[derive(Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

impl Cluster {
    /// The one that tests share which don't hurt it.
    pub(crate) async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    /// One of the test's own.
    pub(crate) async fn start() -> Self {
        let account = Account::find();
        let folder = TempDir::with_prefix("asaanbill-pg-").unwrap().keep();
        let password = folder.join("password");
        fs::write(&password, PASSWORD).unwrap();
        if let Some(Account { user, group }) = account {
            chown(&folder, Some(user), Some(group)).unwrap();
            chown(&password, Some(user), Some(group)).unwrap();
        }
        let mut guard = Guard::over(&folder);
        init(&folder, account);
        let (server, port) = start_on_any_port(&folder, account, &mut guard).await;
        Self { folder, port, account, server, guard, databases: AtomicU32::new(0) }
    }

    /// Makes an empty database, and returns its URL through the port.
    pub(crate) async fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let admin = admin(&self.folder, self.port).await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/{name}", self.port)
    }

    /// The same database through the socket, where no password is asked for.
    pub(crate) fn through_socket(&self, url: &str) -> String {
        let (_, database) = url.rsplit_once('/').unwrap();
        let folder = self.folder.to_str().unwrap().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}/{database}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server as a power cut would: `kill -9`.
    pub(crate) fn kill(&mut self) {
        // Once it is reaped, its number may be another process's.
        self.guard.watch(None);
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Starts the server again on what it left.
    pub(crate) async fn restart(&mut self) {
        let begun = Instant::now();
        loop {
            // It ends at once while a process of the killed one is still there.
            if let Some(server) = start(&self.folder, self.account, self.port, &mut self.guard).await.unwrap() {
                self.server = server;
                return;
            }
            assert!(begun.elapsed() < READY_WITHIN, "PostgreSQL does not start again: {}", log(&self.folder));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.guard.end();
        // The guard ends the server, which waits here to be reaped, and then removes its folder.
        let _ = self.server.wait();
        let _ = self.guard.shell.wait();
    }
}

/// A shell that ends the server and removes its folder when this program is gone, however that went: a static is never
/// dropped, and a killed program drops nothing.
struct Guard {
    shell: Child,
}

impl Guard {
    fn over(folder: &Path) -> Self {
        // A group of its own, so that an interrupt from the keyboard leaves it to its work.
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD]).arg(folder).stdin(Stdio::piped()).process_group(0);
        Self { shell: shell.spawn().expect("a shell is everywhere") }
    }

    /// Says which server runs now.
    fn watch(&mut self, server: Option<&Child>) {
        let id = server.map(|server| server.id().to_string()).unwrap_or_default();
        writeln!(self.shell.stdin.as_mut().unwrap(), "{id}").unwrap();
    }

    fn end(&mut self) {
        drop(self.shell.stdin.take());
    }
}

impl Account {
    fn find() -> Option<Self> {
        let id = |args: &[&str]| -> Option<u32> {
            let output = Command::new("id").args(args).stderr(Stdio::null()).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse().ok()
        };
        if id(&["-u"]) != Some(0) {
            return None;
        }
        let found = ["postgres", "nobody"].into_iter().find_map(|name| {
            let account = Self { user: id(&["-u", name])?, group: id(&["-g", name])? };
            Some(account)
        });
        Some(found.expect("root has an account without privileges to run PostgreSQL as"))
    }
}

/// One of PostgreSQL's programs, run in the cluster's folder by whom it belongs to.
fn program(name: &str, folder: &Path, account: Option<Account>) -> Command {
    let programs = env::var_os(PROGRAMS).filter(|folder| !folder.is_empty()).unwrap_or_else(|| {
        panic!("{PROGRAMS} must name the folder of PostgreSQL's `initdb` and `postgres`; `cargo xtask test` finds it")
    });
    let path = Path::new(&programs).join(name);
    let mut command = match account {
        None => Command::new(path),
        Some(Account { user, group }) => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={user}")).arg(format!("--regid={group}"));
            command.arg("--clear-groups").arg("--").arg(path);
            command
        }
    };
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn init(folder: &Path, account: Option<Account>) {
    let mut initdb = program("initdb", folder, account);
    initdb.args(["--pgdata=data", "--username=postgres", "--pwfile=password", "--auth-local=trust"]);
    initdb.args(["--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    assert!(initdb.status().unwrap().success(), "initdb: {}", log(folder));
}

async fn start_on_any_port(folder: &Path, account: Option<Account>, guard: &mut Guard) -> (Child, u16) {
    for _ in 0..STARTS_MAX {
        // PostgreSQL can't be told to take any port: one that was free a moment ago will mostly do.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if let Some(server) = start(folder, account, port, guard).await.unwrap() {
            return (server, port);
        }
    }
    panic!("PostgreSQL does not start: {}", log(folder));
}

/// Starts the server and waits until it is ready. None if it ended instead.
async fn start(folder: &Path, account: Option<Account>, port: u16, guard: &mut Guard) -> IoResult<Option<Child>> {
    let mut command = program("postgres", folder, account);
    command.args(["-D", "data", "-h", "127.0.0.1", "-p", &port.to_string()]).arg("-k").arg(folder);
    // The machine won't fail, only the server: nothing needs flushing. Several tests have full pools at once. A deadlock is
    // looked for at once, and what a killed server leaves in shared memory goes with its folder.
    for setting in ["fsync=off", "max_connections=300", "deadlock_timeout=20ms", "dynamic_shared_memory_type=mmap"] {
        command.args(["-c", setting]);
    }
    let mut server = command.process_group(0).spawn()?;
    guard.watch(Some(&server));
    let ready = async {
        let mut turns = tokio::time::interval(READY_ASKED_EVERY);
        loop {
            turns.tick().await;
            if server.try_wait()?.is_some() {
                guard.watch(None);
                return Ok(false);
            }
            if admin(folder, port).await.is_ok() {
                return Ok(true);
            }
        }
    };
    match tokio::time::timeout(READY_WITHIN, ready).await {
        Ok(ready) => ready.map(|ready| ready.then_some(server)),
        Err(_) => panic!("PostgreSQL is not ready within {READY_WITHIN:?}: {}", log(folder)),
    }
}

/// The server's own database, as its superuser, through the socket.
async fn admin(folder: &Path, port: u16) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(folder).port(port).user("postgres").dbname("postgres");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
