//! Migrations: once, in order, by one instance at a time.

use asaanbill_storage::tokio_postgres::{self, NoTls};
use asaanbill_storage::{Migration, Postgres, StorageErrorKind};

use super::{NOTES, all_text, note, notes, open_with_url};
use crate::cluster::Cluster;

const TAGS: Migration = Migration { version: 2, name: "tags", sql: "CREATE TABLE tags (text TEXT)" };

/// The lock that whoever migrates holds. Instances of different versions start side by side, so it must not change.
const LOCK: i64 = 7_022_063_315_092_400_492;

async fn connect(url: &str, migrations: &[Migration]) -> Result<(), StorageErrorKind> {
    Postgres::connect(url, migrations).await.map(drop).map_err(|error| error.kind())
}

#[tokio::test]
async fn migrations_are_applied_once_and_never_changed() {
    let url = Cluster::shared().await.database().await;
    let url = url.as_str();
    assert_eq!(connect(url, &[NOTES]).await, Ok(()));
    note(&Postgres::connect(url, &[NOTES]).await.unwrap(), "kept").await.unwrap();
    assert_eq!(connect(url, &[NOTES, TAGS]).await, Ok(()));
    assert_eq!(
        connect(url, &[NOTES]).await,
        Err(StorageErrorKind::Migration),
        "an older program refuses a newer store"
    );
    let changed = Migration { sql: "CREATE TABLE notes (id BIGINT)", ..NOTES };
    assert_eq!(connect(url, &[changed, TAGS]).await, Err(StorageErrorKind::Migration));
    let store = Postgres::connect(url, &[NOTES, TAGS]).await.unwrap();
    assert_eq!(notes(&store).await, ["kept"], "and leaves it as it was");
}

#[tokio::test]
async fn a_migration_that_fails_is_undone_and_lets_others_try() {
    let (_, url) = open_with_url().await;
    let broken = Migration { sql: "CREATE TABLE tags (text TEXT); CREATE TABEL more ()", ..TAGS };
    let error = Postgres::connect(&url, &[NOTES, broken]).await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Migration);
    assert!(
        all_text(&error).contains("V2__tags: ERROR 42601: syntax error at or near \"TABEL\""),
        "{}",
        all_text(&error)
    );
    assert_eq!(connect(&url, &[NOTES, TAGS]).await, Ok(()), "no table is in the way, and no lock");
}

#[tokio::test]
async fn a_migration_that_finds_a_full_disk_says_so() {
    let (_, url) = open_with_url().await;
    let full = "DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$";
    assert_eq!(connect(&url, &[NOTES, Migration { sql: full, ..TAGS }]).await, Err(StorageErrorKind::Full));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn instances_start_at_once() {
    for _ in 0..3 {
        let url = Cluster::shared().await.database().await;
        let start = |_| {
            let url = url.clone();
            tokio::spawn(async move { connect(&url, &[NOTES, TAGS]).await })
        };
        let starts: Vec<_> = (0..4).map(start).collect();
        for start in starts {
            assert_eq!(start.await.unwrap(), Ok(()));
        }
    }
}

#[tokio::test]
async fn an_instance_waits_for_the_one_that_migrates() {
    let url = Cluster::shared().await.database().await;
    let (other, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    other.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.unwrap();
    let start = tokio::spawn({
        let url = url.clone();
        async move { connect(&url, &[NOTES]).await }
    });
    let waiting = "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database
                   WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted";
    while other.query_opt(waiting, &[]).await.unwrap().is_none() {
        assert!(!start.is_finished(), "it did not wait");
    }
    let tables = "SELECT 1 FROM information_schema.tables WHERE table_schema = 'public'";
    assert!(other.query(tables, &[]).await.unwrap().is_empty(), "nothing was done before the wait");
    other.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await.unwrap();
    assert_eq!(start.await.unwrap(), Ok(()));
}
