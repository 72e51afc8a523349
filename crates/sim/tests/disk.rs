//! A hub's file, and runs of a simulator on it that end as a process does that is killed: no task goes any further.

use asaanbill_sim::{Sim, SimBuilder};
use asaanbill_storage::Location;
use asaanbill_storage::rusqlite::Connection;
use tempfile::TempDir;

use crate::hub::{Hub, NOW, clock_at};

pub(crate) struct Disk(TempDir);

impl Disk {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Starts a simulator with more settings than the file, and kills it when the story is over.
    pub(crate) fn run_with<T>(&self, settings: SimBuilder, story: impl AsyncFnOnce(Hub) -> T) -> T {
        self.run_as("demo", settings, story)
    }

    /// The same where `demo` has another password.
    pub(crate) fn run_as<T>(&self, password: &str, settings: SimBuilder, story: impl AsyncFnOnce(Hub) -> T) -> T {
        // On one thread a worker that was woken by the story's last step doesn't run any more.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let file = self.location();
        runtime.block_on(async {
            let sim = settings.store(file).clock(clock_at(NOW)).build().await.unwrap();
            story(Hub::of_user(sim, password).await).await
        })
    }

    pub(crate) fn location(&self) -> Location {
        Location::File(self.0.path().join("hub.db"))
    }

    pub(crate) fn run<T>(&self, story: impl AsyncFnOnce(Hub) -> T) -> T {
        self.run_with(Sim::builder(), story)
    }

    /// Changes the store behind the simulator's back.
    pub(crate) fn change(&self, sql: &str) {
        self.open().execute_batch(sql).unwrap();
    }

    /// Looks into the store: the first column of a query's rows.
    pub(crate) fn look(&self, sql: &str) -> Vec<String> {
        let connection = self.open();
        let mut select = connection.prepare(sql).unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    /// All bytes of all the store's files.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.0.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// The files as they are now, whoever has them open.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        for name in ["hub.db", "hub.db-wal"] {
            std::fs::copy(self.0.path().join(name), copy.0.path().join(name)).unwrap();
        }
        copy
    }

    fn open(&self) -> Connection {
        let connection = Connection::open(self.0.path().join("hub.db")).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        connection
    }
}
