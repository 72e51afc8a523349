//! The PostgreSQL engine on a real server.

mod migrate;

mod at_once;
mod conflict;

mod lost;

use std::error::Error;
use std::sync::Arc;

use asaanbill_storage::tokio_postgres::Row;
use asaanbill_storage::{
    CONNECTION_WAIT, CONNECTIONS, Isolation, Migration, Postgres, PostgresTransaction, StorageError, StorageErrorKind,
};
use tokio::sync::{Semaphore, watch};

use crate::cluster::Cluster;

const NOTES: Migration = Migration {
    version: 1,
    name: "notes",
    sql: "CREATE TABLE notes (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
};

/// A store in a database of its own.
async fn open() -> Postgres {
    open_with_url().await.0
}

async fn open_with_url() -> (Postgres, String) {
    let url = Cluster::shared().await.database().await;
    (Postgres::connect(&url, &[NOTES]).await.unwrap(), url)
}

async fn add_note(tx: &PostgresTransaction, text: &str) -> Result<i64, StorageError> {
    let row = tx.query_one("INSERT INTO notes (text) VALUES ($1) RETURNING id", &[&text]).await?;
    Ok(row.try_get(0)?)
}

async fn note(store: &Postgres, text: &str) -> Result<i64, StorageError> {
    store.transaction(Isolation::ReadCommitted, |tx| async move { add_note(&tx, text).await }).await
}

async fn notes(store: &Postgres) -> Vec<String> {
    let rows = store.read(|tx| async move { tx.query("SELECT text FROM notes ORDER BY id", &[]).await }).await.unwrap();
    rows.iter().map(|row: &Row| row.get(0)).collect()
}

/// Runs one statement in a transaction of its own.
async fn execute(store: &Postgres, sql: &str) -> Result<u64, StorageError> {
    store.transaction(Isolation::ReadCommitted, |tx| async move { tx.execute(sql, &[]).await }).await
}

/// Everything that an error could show to a person or a log.
fn all_text(error: &StorageError) -> String {
    let mut text = format!("{error:?}");
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        text.push_str(&format!(" | {error}"));
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn what_was_answered_is_seen_by_another_instance() {
    let (store, url) = open_with_url().await;
    assert_eq!(note(&store, "one").await.unwrap(), 1);
    let other = Postgres::connect(&url, &[NOTES]).await.unwrap();
    assert_eq!(notes(&other).await, ["one"]);
    assert_eq!(note(&other, "two").await.unwrap(), 2);
    assert_eq!(notes(&store).await, ["one", "two"]);
    let through_socket = Cluster::shared().await.through_socket(&url);
    assert_eq!(notes(&Postgres::connect(&through_socket, &[NOTES]).await.unwrap()).await, ["one", "two"]);
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_whatever_the_database_says() {
    let (store, url) = open_with_url().await;
    let (_, name) = url.rsplit_once('/').unwrap();
    execute(&store, &format!("ALTER DATABASE {name} SET synchronous_commit = off")).await.unwrap();
    let fresh = Postgres::connect(&url, &[NOTES]).await.unwrap();
    let row = fresh.read(|tx| async move { tx.query_one("SHOW synchronous_commit", &[]).await }).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "on");
}

/// Such a plan is kept while the table grows.
#[tokio::test]
async fn what_is_planned_while_a_table_is_empty_finds_its_rows_by_key() {
    let store = open().await;
    // Arrays of unknown length, as parameters are.
    let explain = "EXPLAIN UPDATE notes SET text = new.text FROM UNNEST(
                       ARRAY(SELECT generate_series(1, 2))::BIGINT[], ARRAY(SELECT generate_series(1, 2))::TEXT[]
                   ) AS new (id, text) WHERE notes.id = new.id";
    let plan = store.read(|tx| async move { tx.query(explain, &[]).await }).await.unwrap();
    let plan: String = plan.iter().map(|row: &Row| format!("{}\n", row.get::<_, &str>(0))).collect();
    assert!(plan.contains("Index Scan using notes_pkey") && !plan.contains("Seq Scan"), "{plan}");
}

#[tokio::test]
async fn a_failed_closure_is_undone() {
    let store = open().await;
    for isolation in [Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable] {
        let failed: Result<(), _> = store
            .transaction(isolation, |tx| async move {
                add_note(&tx, "half").await?;
                Err(Mine::OnPurpose)
            })
            .await;
        assert!(matches!(failed, Err(Mine::OnPurpose)));
        assert!(notes(&store).await.is_empty());
    }
    assert_eq!(format!("{store:?}"), "Postgres { connections: 1, idle: 1, .. }", "the connection is used again");
}

/// An error of a caller's own.
#[derive(Debug)]
enum Mine {
    OnPurpose,
    Storage(StorageError),
}

impl From<StorageError> for Mine {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

#[tokio::test]
async fn an_error_that_is_passed_over_is_no_commit() {
    let store = open().await;
    note(&store, "taken").await.unwrap();
    let passed_over = store
        .transaction(Isolation::ReadCommitted, |tx| async move {
            add_note(&tx, "before").await?;
            // PostgreSQL would answer the commit after it with a rollback, and no error.
            Ok::<_, StorageError>(add_note(&tx, "taken").await.is_err())
        })
        .await;
    assert_eq!(passed_over.unwrap_err().kind(), StorageErrorKind::Statement);
    assert_eq!(notes(&store).await, ["taken"]);
}

#[tokio::test]
async fn a_transaction_that_was_handed_on_is_not_committed() {
    let store = open().await;
    let kept = std::sync::Mutex::new(None);
    let keep = &kept;
    let handed_on = store.transaction(Isolation::ReadCommitted, |tx| async move {
        add_note(&tx, "before").await?;
        *keep.lock().unwrap() = Some(tx);
        Ok::<_, StorageError>(())
    });
    assert_eq!(handed_on.await.unwrap_err().kind(), StorageErrorKind::Statement);
    assert!(notes(&store).await.is_empty());
    let kept = kept.into_inner().unwrap().unwrap();
    add_note(&kept, "after").await.unwrap();
    drop(kept);
    assert!(notes(&store).await.is_empty());
}

#[tokio::test]
async fn isolation_is_what_was_asked_for() {
    let store = open().await;
    for (isolation, expected) in [
        (Isolation::ReadCommitted, "read committed"),
        (Isolation::RepeatableRead, "repeatable read"),
        (Isolation::Serializable, "serializable"),
    ] {
        let show = |tx: PostgresTransaction| async move { tx.query_one("SHOW transaction_isolation", &[]).await };
        let row = store.transaction(isolation, show).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), expected);
    }
}

#[tokio::test]
async fn a_reader_sees_one_moment_and_cannot_write() {
    let store = open().await;
    note(&store, "one").await.unwrap();
    let writer = &store;
    let counts = store.read(|tx| async move {
        let before = tx.query("SELECT text FROM notes", &[]).await?.len();
        note(writer, "two").await?;
        Ok::<_, StorageError>((before, tx.query("SELECT text FROM notes", &[]).await?.len()))
    });
    assert_eq!(counts.await.unwrap(), (1, 1));
    assert_eq!(notes(&store).await, ["one", "two"]);
    let forbidden = store.read(|tx| async move { tx.execute("DELETE FROM notes", &[]).await }).await;
    assert_eq!(forbidden.unwrap_err().kind(), StorageErrorKind::Unavailable);
    assert_eq!(notes(&store).await, ["one", "two"]);
}

#[tokio::test]
async fn as_many_rows_as_were_asked_for() {
    let store = open().await;
    for text in ["one", "two"] {
        note(&store, text).await.unwrap();
    }
    let select = |limit: i64| {
        let store = store.clone();
        async move {
            let sql = "SELECT text FROM notes ORDER BY id LIMIT $1";
            let one = store
                .read(|tx| async move { tx.query_one(sql, &[&limit]).await })
                .await
                .map(drop)
                .map_err(|e| e.kind());
            let opt = store.read(|tx| async move { tx.query_opt(sql, &[&limit]).await }).await;
            (one, opt.map(|row| row.is_some()).map_err(|e| e.kind()))
        }
    };
    let wrong = StorageErrorKind::Statement;
    assert_eq!(select(0).await, (Err(wrong), Ok(false)));
    assert_eq!(select(1).await, (Ok(()), Ok(true)));
    assert_eq!(select(2).await, (Err(wrong), Err(wrong)));
}

#[tokio::test]
async fn errors_have_the_kind_that_the_server_gives_them() {
    let store = open().await;
    let check = async |code: &str, expected| {
        let sql = format!("DO $$ BEGIN RAISE EXCEPTION 'no more' USING ERRCODE = '{code}'; END $$");
        let error = execute(&store, &sql).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{code}");
        assert!(all_text(&error).contains(code), "{}", all_text(&error));
    };
    check("53100", StorageErrorKind::Full).await;
    check("53200", StorageErrorKind::Unavailable).await;
    check("57014", StorageErrorKind::Unavailable).await;
    check("40003", StorageErrorKind::Unknown).await;
    check("23514", StorageErrorKind::Statement).await;
    let syntax = execute(&store, "SELEKT 1").await.unwrap_err();
    assert_eq!(syntax.kind(), StorageErrorKind::Statement);
    assert!(all_text(&syntax).contains("syntax error at or near \"SELEKT\""), "{}", all_text(&syntax));
    // The driver's own.
    let row = store.read(|tx| async move { tx.query_one("SELECT 1::int", &[]).await }).await.unwrap();
    let wrong_type: StorageError = row.try_get::<_, String>(0).unwrap_err().into();
    assert_eq!(wrong_type.kind(), StorageErrorKind::Statement);
    assert!(all_text(&wrong_type).contains("int4"), "{}", all_text(&wrong_type));
    let too_few = execute(&store, "SELECT $1::int").await.unwrap_err();
    assert_eq!(too_few.kind(), StorageErrorKind::Statement, "{}", all_text(&too_few));
    for zero_byte in [note(&store, "a\0b").await.map(drop), execute(&store, "SELECT 'a\0b'").await.map(drop)] {
        assert_eq!(
            zero_byte.unwrap_err().kind(),
            StorageErrorKind::Statement,
            "refused by the server, and by the driver"
        );
    }
}

#[tokio::test]
async fn errors_hold_no_values_of_rows() {
    const PAYER: &str = "Ayesha Khan";
    let store = open().await;
    note(&store, PAYER).await.unwrap();
    let check = async |error: StorageError, part: &str| {
        let text = all_text(&error);
        assert!(!text.contains("Ayesha"), "{text}");
        assert!(text.contains(part), "{text}");
    };
    check(note(&store, PAYER).await.unwrap_err(), "23505, table notes, constraint notes_text_key").await;
    let cast = |tx: PostgresTransaction| async move { tx.query("SELECT $1::text::int", &[&PAYER]).await };
    check(store.read(cast).await.unwrap_err(), "22P02").await;
    let raise = format!("DO $$ BEGIN RAISE EXCEPTION '{PAYER}'; END $$");
    check(execute(&store, &raise).await.unwrap_err(), "P0001").await;
    let undone = store.transaction(Isolation::ReadCommitted, |tx| async move {
        let shown = add_note(&tx, PAYER).await.map_err(|error| all_text(&error)).unwrap_err();
        assert!(!format!("{shown} {tx:?}").contains("Ayesha"), "{shown} {tx:?}");
        Ok::<_, StorageError>(())
    });
    check(undone.await.unwrap_err(), "went on after a failed statement").await;
}

#[tokio::test]
async fn debug_says_how_it_is_and_not_what_is_in_it() {
    let (store, url) = open_with_url().await;
    assert_eq!(format!("{store:?}"), "Postgres { connections: 0, idle: 0, .. }", "the migrations' connection is gone");
    let shown = store.transaction(Isolation::Serializable, |tx| async move {
        add_note(&tx, "secret").await?;
        Ok::<_, StorageError>(format!("{tx:?}"))
    });
    assert_eq!(shown.await.unwrap(), "PostgresTransaction { failure: None, .. }");
    assert_eq!(
        format!("{store:?} {:?}", Isolation::Serializable),
        "Postgres { connections: 1, idle: 1, .. } Serializable"
    );
    let error = Postgres::connect(&url, &[]).await.unwrap_err();
    assert!(
        format!("{error:?}").starts_with("StorageError { kind: Migration, context: \"migrating the store\", source: ")
    );
}

#[tokio::test]
async fn statements_are_prepared_once_and_not_without_end() {
    let store = open().await;
    let prepared = async || {
        let sql = "SELECT count(*), count(*) FILTER (WHERE statement = 'SELECT 7') FROM pg_prepared_statements";
        let row = store.read(|tx| async move { tx.query_one(sql, &[]).await }).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    for _ in 0..3 {
        execute(&store, "SELECT 7").await.unwrap();
    }
    assert_eq!(prepared().await.1, 1);
    for n in 0..500 {
        execute(&store, &format!("SELECT {n} + 1")).await.unwrap();
        assert!(prepared().await.0 < 140);
    }
}

#[tokio::test]
async fn a_table_that_changed_under_a_prepared_statement_costs_one_error() {
    let store = open().await;
    let select = async || {
        store.read(|tx| async move { tx.query("SELECT * FROM notes", &[]).await }).await.map(|rows| rows.len())
    };
    note(&store, "one").await.unwrap();
    assert_eq!(select().await.unwrap(), 1);
    execute(&store, "ALTER TABLE notes ADD COLUMN tag TEXT").await.unwrap();
    assert_eq!(select().await.unwrap_err().kind(), StorageErrorKind::Statement);
    assert_eq!(select().await.unwrap(), 1);
    assert_eq!(format!("{store:?}"), "Postgres { connections: 1, idle: 1, .. }", "on the same connection");
}

#[tokio::test]
async fn the_pool_is_bounded_and_so_is_waiting_for_it() {
    let store = open().await;
    let (release, wait) = watch::channel(());
    let inside = Arc::new(Semaphore::new(0));
    let hold = |_| {
        let (store, inside, wait) = (store.clone(), inside.clone(), wait.clone());
        tokio::spawn(async move {
            let (inside, wait) = (&*inside, &wait);
            let held = store.transaction(Isolation::ReadCommitted, |tx| async move {
                tx.execute("SELECT 1", &[]).await?;
                inside.add_permits(1);
                wait.clone().changed().await.unwrap();
                Ok::<_, StorageError>(())
            });
            held.await.unwrap();
        })
    };
    let holders: Vec<_> = (0..CONNECTIONS).map(hold).collect();
    let all = u32::try_from(CONNECTIONS).unwrap();
    inside.acquire_many(all).await.unwrap().forget();
    // With nothing else to do, a paused clock jumps to the end of the wait.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let error = note(&store, "one too many").await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable);
    assert!(all_text(&error).contains("all connections to PostgreSQL were in use"), "{}", all_text(&error));
    // A timer counts whole milliseconds, and rounds up.
    assert_eq!(begun.elapsed().as_secs(), CONNECTION_WAIT.as_secs());
    assert_eq!(format!("{store:?}"), format!("Postgres {{ connections: {CONNECTIONS}, idle: 0, .. }}"));
    tokio::time::resume();
    release.send(()).unwrap();
    for holder in holders {
        holder.await.unwrap();
    }
    note(&store, "after").await.unwrap();
}
