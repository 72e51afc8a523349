//! What each error says: what was being done, what became of it, and what to do. A changed message changes this.

use asaanbill_storage::{Location, Migration, Sqlite, StorageError, StorageErrorKind};

const NOTES: Migration = Migration { version: 1, name: "notes", sql: "CREATE TABLE notes (text TEXT NOT NULL)" };
const LINKS: Migration = Migration {
    version: 2,
    name: "links",
    sql: "CREATE TABLE links (id INTEGER PRIMARY KEY, other INTEGER NOT NULL REFERENCES links DEFERRABLE INITIALLY DEFERRED)",
};

async fn failed(store: &Sqlite, statements: &'static str) -> StorageError {
    store.write(move |tx| Ok::<_, StorageError>(tx.execute_batch(statements)?)).await.unwrap_err()
}

#[tokio::test]
async fn every_way_to_fail() {
    let folder = tempfile::tempdir().unwrap();
    let file = || Location::File(folder.path().join("notes.db"));
    let store = Sqlite::open(&file(), &[NOTES, LINKS]).unwrap();
    let nowhere = Location::File("/nowhere/at/all/notes.db".into());
    let full = "PRAGMA max_page_count = 1; INSERT INTO notes VALUES (zeroblob(10000000))";
    let failures = [
        (StorageErrorKind::Unavailable, Sqlite::open(&nowhere, &[NOTES]).unwrap_err()),
        (StorageErrorKind::Unavailable, StorageError::closed()),
        (StorageErrorKind::Unavailable, StorageError::unavailable("the group of this note was not stored")),
        (StorageErrorKind::Migration, Sqlite::open(&file(), &[NOTES]).unwrap_err()),
        (StorageErrorKind::Statement, failed(&store, "INSERT INTO gone VALUES (1)").await),
        (StorageErrorKind::Statement, StorageError::unreadable("a note's text")),
        (StorageErrorKind::Statement, StorageError::senseless("a note without text")),
        (StorageErrorKind::Unknown, failed(&store, "INSERT INTO links VALUES (1, 7)").await),
        (StorageErrorKind::Full, failed(&store, full).await),
    ];
    for (kind, error) in &failures {
        assert_eq!(error.kind(), *kind, "{error}");
        assert_eq!(error.repeated().to_string(), error.to_string());
    }
    insta::assert_snapshot!(failures.map(|(_, error)| error.to_string()).join("\n"), @"
    SQLite: the store is not available; nothing has changed, try again when the cause is gone
    the store is closed: the store is not available; nothing has changed, try again when the cause is gone
    the group of this note was not stored: the store is not available; nothing has changed, try again when the cause is gone
    migrating the store: the store's migrations are not this program's; use the newer version
    SQLite: a statement failed and nothing has changed; trying again won't help, the cause has to be mended
    a note's text: a statement failed and nothing has changed; trying again won't help, the cause has to be mended
    reading what is stored: a statement failed and nothing has changed; trying again won't help, the cause has to be mended
    committing: the commit failed on its way; open the store again to see whether it holds
    SQLite: no room left on the device; free some and try again
    ");
}

/// A server's address: what is wrong, without a word of it.
#[cfg(feature = "postgres")]
#[tokio::test]
async fn an_address_of_postgresql() {
    use asaanbill_storage::Postgres;

    let mut messages = Vec::new();
    for url in [
        "postgres://me:s3cret@db.example:x/y",
        "postgres://me:s3cret@db.example/x",
        "postgres://localhost/x?sslmode=require",
    ] {
        let error = Postgres::connect(url, &[NOTES]).await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Unavailable);
        messages.push(error.to_string());
    }
    insta::assert_snapshot!(messages.join("\n"), @"
    the URL of PostgreSQL can't be read (postgres://user:password@host:port/database?option=value, with special characters percent-encoded; sslmode is disable or prefer): the store is not available; nothing has changed, try again when the cause is gone
    TLS to PostgreSQL is not supported yet, and the server is on another machine (sslmode=disable says that the network between is trusted): the store is not available; nothing has changed, try again when the cause is gone
    TLS to PostgreSQL is not supported yet, and sslmode=require asks for it: the store is not available; nothing has changed, try again when the cause is gone
    ");
}
