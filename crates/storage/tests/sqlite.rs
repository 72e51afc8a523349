//! Commits that are shared, failures that aren't.

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use asaanbill_storage::{GROUP_MAX, Location, Migration, Sqlite, StorageError, StorageErrorKind};
use futures_util::FutureExt as _;
use tempfile::TempDir;

const NOTES: Migration = Migration {
    version: 1,
    name: "notes",
    sql: "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
};
const TAGS: Migration = Migration { version: 2, name: "tags", sql: "CREATE TABLE tags (text TEXT)" };

fn open(folder: &Path) -> Sqlite {
    Sqlite::open(&Location::File(folder.join("notes.db")), &[NOTES]).unwrap()
}

async fn note(store: &Sqlite, text: impl Into<String>) -> Result<i64, StorageError> {
    let text = text.into();
    store
        .write(move |tx| {
            tx.execute("INSERT INTO notes (text) VALUES (?1)", [&text])?;
            Ok(tx.last_insert_rowid())
        })
        .await
}

async fn notes(store: &Sqlite) -> Vec<String> {
    store
        .read(|db| {
            let mut select = db.prepare_cached("SELECT text FROM notes ORDER BY id")?;
            let rows = select.query_map([], |row| row.get(0))?;
            Ok::<_, StorageError>(rows.collect::<Result<_, _>>()?)
        })
        .await
        .unwrap()
}

/// Stops the writer inside a transaction until the sender is used, so that others gather behind it.
async fn hold_writer(store: &Sqlite) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), StorageError>>) {
    let (release, wait) = mpsc::channel();
    let (entered, inside) = tokio::sync::oneshot::channel();
    let store = store.clone();
    let held = tokio::spawn(async move {
        store
            .write(move |_| {
                entered.send(()).unwrap();
                wait.recv().unwrap();
                Ok::<_, StorageError>(())
            })
            .await
    });
    inside.await.unwrap();
    (release, held)
}

#[tokio::test]
async fn what_was_answered_is_there_after_reopening() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    assert_eq!(note(&store, "one").await.unwrap(), 1);
    assert_eq!(note(&store, "two").await.unwrap(), 2);
    // Another program sees it at once, while the first is still open.
    assert_eq!(notes(&open(folder.path())).await, ["one", "two"]);
    drop(store);
    assert_eq!(notes(&open(folder.path())).await, ["one", "two"]);
}

#[tokio::test]
async fn a_commit_is_flushed_to_the_disk() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let pragmas = store.write(|tx| {
        let mode: String = tx.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        let synchronous: i64 = tx.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        Ok::<_, StorageError>((mode, synchronous))
    });
    const FULL: i64 = 2;
    assert_eq!(pragmas.await.unwrap(), ("wal".into(), FULL));
}

/// Asks for transactions that wait behind the writer, lets it go on, and returns their results.
async fn write_behind(store: &Sqlite, texts: Vec<String>) -> Vec<Result<i64, StorageError>> {
    let (release, held) = hold_writer(store).await;
    let count = texts.len();
    let asked = Arc::new(AtomicUsize::new(0));
    let write = |text: String| {
        let (store, asked) = (store.clone(), Arc::clone(&asked));
        tokio::spawn(async move {
            asked.fetch_add(1, Ordering::Relaxed);
            note(&store, text).await
        })
    };
    let writes: Vec<_> = texts.into_iter().map(write).collect();
    // The queue has room, so a task that was polled has queued; all run on this thread.
    while asked.load(Ordering::Relaxed) < count {
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
    let mut results = Vec::new();
    for write in writes {
        results.push(write.await.unwrap());
    }
    results
}

fn in_memory() -> Sqlite {
    Sqlite::open(&Location::Memory, &[NOTES]).unwrap()
}

/// No thread, no hand-over: what is asked for is done when the future is polled first.
#[tokio::test]
async fn in_memory_nothing_is_waited_for() {
    let store = in_memory();
    assert_eq!(note(&store, "one").now_or_never().unwrap().unwrap(), 1);
    let here = std::thread::current().id();
    let thread = store.write(|_| Ok::<_, StorageError>(std::thread::current().id()));
    assert_eq!(thread.now_or_never().unwrap().unwrap(), here);
    assert_eq!(notes(&store).now_or_never().unwrap(), ["one"]);
    assert_eq!(store.commits(), 2);
}

#[tokio::test]
async fn in_memory_tasks_of_many_threads_take_turns() {
    let store = in_memory();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = store.clone();
            tokio::task::spawn_blocking(move || {
                for n in 0..50 {
                    note(&store, format!("{writer} {n}")).now_or_never().unwrap().unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(notes(&store).await.len(), 400);
}

/// What a closure did before it failed is undone.
#[tokio::test]
async fn in_memory_a_failure_changes_nothing() {
    let store = in_memory();
    let undone = store.write(|tx| {
        tx.execute("INSERT INTO notes (text) VALUES ('half')", [])?;
        Err::<(), _>(StorageError::from(asaanbill_storage::rusqlite::Error::InvalidQuery))
    });
    assert!(undone.await.is_err());
    assert_eq!((notes(&store).await.len(), store.commits()), (0, 0));
    note(&store, "after").await.unwrap();
    assert_eq!(notes(&store).await, ["after"]);
}

#[tokio::test]
async fn those_who_wait_share_a_commit() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let before = store.commits();
    let results = write_behind(&store, (0..100).map(|n| format!("note {n}")).collect()).await;
    assert_eq!(store.commits() - before, 1, "101 transactions in one commit");
    let ids: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids, (1..=100).collect::<Vec<_>>(), "in the order in which they were asked for");
    assert_eq!(notes(&store).await.len(), 100);
}

#[tokio::test]
async fn a_group_has_a_largest_size() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let results = write_behind(&store, (0..GROUP_MAX + 1).map(|n| n.to_string()).collect()).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(store.commits(), 2);
}

#[tokio::test]
async fn one_failure_undoes_its_own_changes_and_no_others() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let results = write_behind(&store, ["a", "b", "a", "c"].map(String::from).to_vec()).await;
    let kinds: Vec<_> = results.iter().map(|r| r.as_ref().map_err(StorageError::kind)).collect();
    assert_eq!(kinds, [Ok(&1), Ok(&2), Err(StorageErrorKind::Statement), Ok(&3)]);
    assert_eq!(store.commits(), 1);
    assert_eq!(notes(&store).await, ["a", "b", "c"]);

    let undone = store.write(|tx| {
        tx.execute("INSERT INTO notes (text) VALUES ('half')", [])?;
        Err::<(), _>(StorageError::from(asaanbill_storage::rusqlite::Error::InvalidQuery))
    });
    assert!(undone.await.is_err());
    assert_eq!(notes(&store).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_panic_in_a_transaction_or_a_reader_hurts_nobody_else() {
    let folder = TempDir::new().unwrap();
    for store in [open(folder.path()), in_memory()] {
        check_panics(&store).await;
    }
}

async fn check_panics(store: &Sqlite) {
    let panicked = store
        .write(|tx| -> Result<(), StorageError> {
            tx.execute("INSERT INTO notes (text) VALUES ('half')", [])?;
            panic!("on purpose")
        })
        .await;
    assert_eq!(panicked.unwrap_err().kind(), StorageErrorKind::Unavailable);
    assert_eq!(note(store, "after").await.unwrap(), 1);
    for _ in 0..20 {
        let store = store.clone();
        let reader =
            tokio::spawn(async move { store.read(|_| -> Result<(), StorageError> { panic!("on purpose") }).await });
        assert!(reader.await.unwrap_err().is_panic());
    }
    assert_eq!(notes(store).await, ["after"], "connections go back to the pool");
}

#[tokio::test]
async fn a_dropped_future_is_committed_once_queued() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    let (release, held) = hold_writer(&store).await;
    let dropped = tokio::spawn({
        let store = store.clone();
        async move { note(&store, "dropped").await }
    });
    tokio::task::yield_now().await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
    assert_eq!(notes(&store).await, ["dropped"]);
}

#[tokio::test]
async fn readers_cannot_write_and_do_not_wait_for_the_writer() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    note(&store, "one").await.unwrap();
    let (release, held) = hold_writer(&store).await;
    assert_eq!(notes(&store).await, ["one"], "while the writer is inside a transaction");
    let forbidden = store.read(|db| Ok::<_, StorageError>(db.execute("DELETE FROM notes", [])?)).await;
    assert_eq!(forbidden.unwrap_err().kind(), StorageErrorKind::Unavailable);
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
}

#[test]
fn migrations_are_applied_once_and_never_changed() {
    let folder = TempDir::new().unwrap();
    let location = Location::File(folder.path().join("notes.db"));
    let open = |migrations: &[Migration]| Sqlite::open(&location, migrations).map(drop).map_err(|e| e.kind());
    assert_eq!(open(&[NOTES]), Ok(()));
    assert_eq!(open(&[NOTES]), Ok(()));
    assert_eq!(open(&[NOTES, TAGS]), Ok(()));
    assert_eq!(open(&[NOTES]), Err(StorageErrorKind::Migration), "an older program refuses a newer store");
    let changed = Migration { sql: "CREATE TABLE notes (id INTEGER)", ..NOTES };
    assert_eq!(open(&[changed, TAGS]), Err(StorageErrorKind::Migration));
    assert_eq!(open(&[NOTES, TAGS]), Ok(()), "and leaves it as it was");
}

#[test]
fn what_cannot_be_opened_is_said() {
    let folder = TempDir::new().unwrap();
    let missing = Sqlite::open(&Location::File(folder.path().join("none/notes.db")), &[NOTES]).unwrap_err();
    assert_eq!(missing.kind(), StorageErrorKind::Unavailable);
    assert!(missing.source().is_some());
    let file = folder.path().join("not-a-store");
    std::fs::write(&file, "this is no database, but long enough to look like one".repeat(100)).unwrap();
    let foreign = Sqlite::open(&Location::File(file), &[NOTES]).unwrap_err();
    assert_eq!(foreign.kind(), StorageErrorKind::Statement);
}

#[tokio::test]
async fn a_full_disk_is_said_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    note(&store, "before").await.unwrap();
    // SQLite reports the same error when its page limit is reached as when the device is full.
    store.write(|tx| Ok::<_, StorageError>(tx.pragma_update(None, "max_page_count", 1)?)).await.unwrap();
    let full = note(&store, "x".repeat(1_000_000)).await.unwrap_err();
    assert_eq!(full.kind(), StorageErrorKind::Full);
    assert_eq!(notes(&store).await, ["before"]);
    store.write(|tx| Ok::<_, StorageError>(tx.pragma_update(None, "max_page_count", 1_000_000)?)).await.unwrap();
    note(&store, "after").await.unwrap();
    assert_eq!(notes(&store).await, ["before", "after"]);
}

/// The outcome is handed on when it is durable, by the thread that made it so.
async fn check_write_then(store: Sqlite, by_writer: bool) {
    let (tell, told) = tokio::sync::oneshot::channel();
    let then = move |written: Result<i64, StorageError>, committed: Result<(), StorageError>| {
        let name = std::thread::current().name().map(str::to_owned);
        tell.send((written.unwrap(), committed.is_ok(), name)).unwrap();
    };
    let insert = |tx: &asaanbill_storage::rusqlite::Connection| {
        tx.execute("INSERT INTO notes (text) VALUES ('a')", [])?;
        Ok::<_, StorageError>(tx.last_insert_rowid())
    };
    store.write_then(insert, then).await.unwrap();
    let (id, durable, thread) = told.await.unwrap();
    assert_eq!((id, durable, thread.as_deref() == Some("asaanbill-writer")), (1, true, by_writer));
    assert_eq!(notes(&store).await, ["a"]);

    // What fails is handed on with its own error, and what panics is not handed on at all.
    let (tell, told) = tokio::sync::oneshot::channel();
    let fails = |_: &asaanbill_storage::rusqlite::Connection| Err::<(), _>("a reason");
    let then = move |failed, _| tell.send(failed).unwrap();
    store.write_then(fails, then).await.unwrap();
    assert_eq!(told.await.unwrap(), Err("a reason"));
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let panics = |_: &asaanbill_storage::rusqlite::Connection| -> Result<(), ()> { panic!("a planted mistake") };
    let then = move |_, _| tell.send(()).unwrap();
    store.write_then(panics, then).await.unwrap();
    assert!(told.await.is_err());
    assert_eq!(note(&store, "b").await.unwrap(), 2);
}

#[tokio::test]
async fn outcomes_are_handed_on_where_they_are_committed() {
    let folder = TempDir::new().unwrap();
    check_write_then(open(folder.path()), true).await;
    check_write_then(in_memory(), false).await;
}
