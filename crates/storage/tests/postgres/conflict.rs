//! Transactions that are in each other's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use asaanbill_storage::{ATTEMPTS_MAX, Isolation, Postgres, PostgresTransaction, StorageError, StorageErrorKind};
use tokio::sync::Barrier;

use super::{Mine, add_note, execute, notes, open};

const ATTEMPTS_MOST: usize = ATTEMPTS_MAX as usize;

async fn counters(store: &Postgres) {
    execute(store, "CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL)").await.unwrap();
    execute(store, "INSERT INTO counters VALUES ('a', 0), ('b', 0)").await.unwrap();
}

async fn count(tx: &PostgresTransaction, name: &str) -> Result<i64, StorageError> {
    Ok(tx.query_one("SELECT value FROM counters WHERE name = $1", &[&name]).await?.try_get(0)?)
}

async fn set(tx: &PostgresTransaction, name: &str, value: i64) -> Result<u64, StorageError> {
    tx.execute("UPDATE counters SET value = $2 WHERE name = $1", &[&name, &value]).await
}

async fn both(store: &Postgres) -> (i64, i64) {
    let counts =
        store.read(|tx| async move { Ok::<_, StorageError>((count(&tx, "a").await?, count(&tx, "b").await?)) });
    counts.await.unwrap()
}

/// Counts attempts, and holds the first two back until both have come as far.
struct Meeting {
    attempts: AtomicUsize,
    barrier: Barrier,
}

impl Meeting {
    fn new() -> Arc<Self> {
        Arc::new(Self { attempts: AtomicUsize::new(0), barrier: Barrier::new(2) })
    }

    fn attempt(&self) -> bool {
        self.attempts.fetch_add(1, Ordering::SeqCst) < 2
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::SeqCst)
    }
}

/// Two that read a counter before either writes it: one has to read it again.
async fn check_increments(isolation: Isolation) {
    let store = open().await;
    counters(&store).await;
    let meeting = Meeting::new();
    let increment = || {
        let (store, meeting) = (store.clone(), Arc::clone(&meeting));
        tokio::spawn(async move {
            let meeting = &*meeting;
            let work = |tx: PostgresTransaction| async move {
                let first = meeting.attempt();
                let value = count(&tx, "a").await?;
                if first {
                    meeting.barrier.wait().await;
                }
                set(&tx, "a", value + 1).await
            };
            store.transaction(isolation, work).await
        })
    };
    let (one, other) = (increment(), increment());
    assert_eq!((one.await.unwrap().unwrap(), other.await.unwrap().unwrap()), (1, 1));
    assert!(meeting.attempts() > 2, "{}", meeting.attempts());
    assert_eq!(store.read(|tx| async move { count(&tx, "a").await }).await.unwrap(), 2, "both are counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_of_two_on_one_row_succeed() {
    check_increments(Isolation::Serializable).await;
    check_increments(Isolation::RepeatableRead).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_that_shows_at_the_commit_is_run_again() {
    let store = open().await;
    counters(&store).await;
    let meeting = Meeting::new();
    // Each reads what the other writes: no statement fails, and no order of the two explains both.
    let copy = |from: &'static str, to: &'static str| {
        let (store, meeting) = (store.clone(), Arc::clone(&meeting));
        tokio::spawn(async move {
            let meeting = &*meeting;
            let work = |tx: PostgresTransaction| async move {
                let first = meeting.attempt();
                let value = count(&tx, from).await?;
                set(&tx, to, value + 1).await?;
                if first {
                    meeting.barrier.wait().await;
                }
                Ok::<_, StorageError>(())
            };
            store.transaction(Isolation::Serializable, work).await
        })
    };
    let (one, other) = (copy("a", "b"), copy("b", "a"));
    one.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
    assert!(meeting.attempts() > 2);
    let sum = both(&store).await;
    assert_eq!(sum.0 + sum.1, 3, "one came after the other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_run_again() {
    let store = open().await;
    counters(&store).await;
    let meeting = Meeting::new();
    let lock_both = |names: [&'static str; 2]| {
        let (store, meeting) = (store.clone(), Arc::clone(&meeting));
        tokio::spawn(async move {
            let meeting = &*meeting;
            let work = |tx: PostgresTransaction| async move {
                let first = meeting.attempt();
                tx.execute("UPDATE counters SET value = value + 1 WHERE name = $1", &[&names[0]]).await?;
                if first {
                    meeting.barrier.wait().await;
                }
                tx.execute("UPDATE counters SET value = value + 1 WHERE name = $1", &[&names[1]]).await
            };
            store.transaction(Isolation::ReadCommitted, work).await
        })
    };
    let (one, other) = (lock_both(["a", "b"]), lock_both(["b", "a"]));
    assert_eq!((one.await.unwrap().unwrap(), other.await.unwrap().unwrap()), (1, 1));
    assert!(meeting.attempts() > 2);
    assert_eq!(both(&store).await, (2, 2));
}

#[tokio::test]
async fn a_conflict_each_time_ends() {
    let store = open().await;
    for code in ["40001", "40P01"] {
        let raise = format!("DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '{code}'; END $$");
        let raise = raise.as_str();
        let mut attempts = 0;
        let stuck = store.transaction(Isolation::ReadCommitted, |tx| {
            attempts += 1;
            async move {
                add_note(&tx, "half").await?;
                tx.execute(raise, &[]).await
            }
        });
        let error = stuck.await.unwrap_err();
        assert_eq!((attempts, error.kind()), (ATTEMPTS_MOST, StorageErrorKind::Unavailable));
    }
    assert!(notes(&store).await.is_empty());
    assert_eq!(format!("{store:?}"), "Postgres { connections: 1, idle: 1, .. }", "connections are given back between");
}

#[tokio::test]
async fn whatever_became_of_the_error_the_transaction_is_run_again() {
    const RAISE: &str = "DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '40001'; END $$";
    let store = open().await;
    // The first time it is turned into another error, the second time passed over.
    let mut attempts = 0;
    let done: Result<i64, Mine> = store
        .transaction(Isolation::ReadCommitted, |tx| {
            attempts += 1;
            let attempt = attempts;
            async move {
                if attempt <= 2 {
                    tx.execute(RAISE, &[]).await.unwrap_err();
                }
                if attempt == 1 { Err(Mine::OnPurpose) } else { Ok(attempt) }
            }
        })
        .await;
    assert_eq!((done.unwrap(), attempts), (3, 3));
    // Any other error is the closure's last word.
    let mut attempts = 0;
    let failed: Result<u64, Mine> = store
        .transaction(Isolation::ReadCommitted, |tx| {
            attempts += 1;
            async move { Ok(tx.execute("SELECT 1 / 0", &[]).await?) }
        })
        .await;
    let Err(Mine::Storage(error)) = failed else { panic!("{failed:?}") };
    assert_eq!((error.kind(), attempts), (StorageErrorKind::Statement, 1));
}

/// A row that another transaction inserts first is met on the next attempt, and what the one before did is undone. What isn't said to be
/// raced for is a mistake.
#[tokio::test]
async fn a_new_row_that_another_transaction_has_inserted_is_looked_at_again() {
    let store = open().await;
    counters(&store).await;
    let attempts = Arc::new(AtomicUsize::new(0));
    let (seen, other) = (Arc::clone(&attempts), store.clone());
    let write = store.transaction(Isolation::ReadCommitted, move |tx| {
        let attempt = seen.fetch_add(1, Ordering::SeqCst);
        let other = other.clone();
        async move {
            add_note(&tx, &format!("attempt {attempt}")).await?;
            let found = tx.query_opt("SELECT value FROM counters WHERE name = 'c'", &[]).await?;
            if found.is_some() {
                return set(&tx, "c", 2).await;
            }
            execute(&other, "INSERT INTO counters VALUES ('c', 1)").await.unwrap();
            tx.insert("counters", "INSERT INTO counters VALUES ('d', 7), ('c', 7)", &[]).await
        }
    });
    assert_eq!(write.await.unwrap(), 1);
    assert_eq!(notes(&store).await, ["attempt 1"]);
    let values = store.read(|tx| async move {
        let rows = tx.query("SELECT name, value FROM counters WHERE name > 'b' ORDER BY name", &[]).await?;
        Ok::<Vec<(String, i64)>, StorageError>(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    });
    assert_eq!(values.await.unwrap(), [("c".to_owned(), 2)]);

    let taken = "INSERT INTO counters VALUES ('c', 7)";
    let always: Result<u64, StorageError> =
        store.transaction(Isolation::ReadCommitted, |tx| async move { tx.insert("counters", taken, &[]).await }).await;
    assert_eq!(always.unwrap_err().kind(), StorageErrorKind::Unavailable);
    let elsewhere: Result<u64, StorageError> =
        store.transaction(Isolation::ReadCommitted, |tx| async move { tx.insert("notes", taken, &[]).await }).await;
    assert_eq!(elsewhere.unwrap_err().kind(), StorageErrorKind::Statement);
    let mistaken: Result<u64, StorageError> =
        store.transaction(Isolation::ReadCommitted, |tx| async move { tx.execute(taken, &[]).await }).await;
    assert_eq!(mistaken.unwrap_err().kind(), StorageErrorKind::Statement);
}
