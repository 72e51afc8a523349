//! One contract for every store: the tests of the hub's behaviour run in memory, and these tests run them again on the other
//! stores, in a process of their own.

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use asaanbill_sim::SimBuilder;
use asaanbill_storage::Location;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

/// Which store the tests run on: nothing for memory, `postgres`, or the folder for SQLite's files.
const STORE: &str = "ASAANBILL_SIM_TESTS_STORE";

/// The value for a database of each test's own.
const POSTGRES: &str = "postgres";

/// What isn't run again. Some tests name their store themselves: they look into its files, or kill it.
const ELSEWHERE: [&str; 8] =
    ["stores::", "disk::", "durability::", "secrets::", "bulk_later::", "crash::", "instances::", "serving::"];

static FILES: AtomicU32 = AtomicU32::new(0);

/// The settings, with a new store of the kind that the tests run on.
pub(crate) async fn chosen(settings: SimBuilder) -> SimBuilder {
    let Some(store) = env::var_os(STORE) else { return settings };
    if store == POSTGRES {
        return on_server(settings).await;
    }
    let name = format!("hub-{}.db", FILES.fetch_add(1, Ordering::Relaxed));
    settings.store(Location::File(std::path::Path::new(&store).join(name)))
}

#[cfg(feature = "postgres-tests")]
async fn on_server(settings: SimBuilder) -> SimBuilder {
    settings.postgres(server::schema().await)
}

#[cfg(not(feature = "postgres-tests"))]
async fn on_server(_: SimBuilder) -> SimBuilder {
    std::future::ready(()).await;
    panic!("these tests were built without the feature postgres-tests")
}

/// PostgreSQL for tests of a simulator.
#[cfg(feature = "postgres-tests")]
pub(crate) mod server {
    use std::sync::atomic::{AtomicU32, Ordering};

    use asaanbill_storage::tokio_postgres::{Client, NoTls, connect};
    use tokio::sync::OnceCell;

    use crate::cluster::Cluster;

    static DATABASE: OnceCell<String> = OnceCell::const_new();
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);

    /// The URL of a database of its own. Through the socket: a test build takes long over passwords.
    pub(crate) async fn database() -> String {
        let cluster = Cluster::shared().await;
        cluster.through_socket(&cluster.database().await)
    }

    /// The URL of an empty schema in a database that tests share: databases are thousands of files.
    pub(super) async fn schema() -> String {
        let url = DATABASE.get_or_init(database).await;
        let name = format!("test_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
        client(url).await.batch_execute(&format!("CREATE SCHEMA {name}")).await.unwrap();
        format!("{url}?options=-c%20search_path%3D{name}")
    }

    pub(crate) async fn client(url: &str) -> Client {
        let (client, connection) = connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

/// Tries a property: as a rule so often in memory, and less often where each world takes longer. `PROPTEST_CASES` changes that in
/// proportion to proptest's own 256. (In `proptest!` it would take the number's place.)
pub(crate) fn holds<S: Strategy>(
    in_memory: u32,
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let as_a_rule = if env::var_os(STORE).is_some() { in_memory / 4 } else { in_memory };
    let cases = (ProptestConfig::default().cases * as_a_rule / 256).max(1);
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    if let Err(error) = runner.run(strategy, property) {
        panic!("{error}\n{runner}");
    }
}

/// Runs this program's tests again.
fn run_again(store: &std::ffi::OsStr) {
    let mut again = Command::new(env::current_exe().unwrap());
    again.env(STORE, store).args(ELSEWHERE.iter().flat_map(|module| ["--skip", module]));
    let output = again.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "on {}:\n{said}\n{}", store.display(), String::from_utf8_lossy(&output.stderr));
    let passed = said.rsplit_once("test result: ok. ").and_then(|(_, counts)| counts.split(' ').next()?.parse().ok());
    assert!(passed.is_some_and(|passed: u32| passed > 100), "the contract has more tests: {said}");
}

#[test]
fn the_same_on_the_disk() {
    let folder = TempDir::new().unwrap();
    run_again(folder.path().as_os_str());
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert!(files > 100, "each test had a file of its own: {files}");
}

#[cfg(feature = "postgres-tests")]
#[test]
fn the_same_on_postgresql() {
    run_again(std::ffi::OsStr::new(POSTGRES));
}
