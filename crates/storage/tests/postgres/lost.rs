//! Servers that are gone, refuse us, or never answer; and transactions that nobody waits for any more.

use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Duration;

use asaanbill_storage::{
    CONNECT_TIMEOUT, CONNECTIONS, Isolation, Postgres, PostgresTransaction, StorageError, StorageErrorKind,
};

use super::{NOTES, add_note, all_text, note, notes, open, open_with_url};
use crate::cluster::{Cluster, PASSWORD};
use crate::proxy::{Cut, Proxy};

/// How late anything may be on a machine that is busy with other tests.
const LATE_MAX: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_server_killed_inside_a_transaction_has_not_committed_it() {
    let mut cluster = Cluster::start().await;
    let store = Postgres::connect(&cluster.database().await, &[NOTES]).await.unwrap();
    note(&store, "before").await.unwrap();
    let power = Mutex::new(&mut cluster);
    let power = &power;
    let killed = store.transaction(Isolation::ReadCommitted, |tx| async move {
        add_note(&tx, "half").await?;
        power.lock().unwrap().kill();
        add_note(&tx, "other half").await
    });
    let error = killed.await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{}", all_text(&error));
    assert_eq!(note(&store, "nobody there").await.unwrap_err().kind(), StorageErrorKind::Unavailable);
    cluster.restart().await;
    assert_eq!(notes(&store).await, ["before"], "the store finds the server again");
    note(&store, "after").await.unwrap();
    assert_eq!(notes(&store).await, ["before", "after"]);
}

#[tokio::test]
async fn a_session_that_the_operator_ends_is_unavailable() {
    let store = open().await;
    let ended = store.transaction(Isolation::ReadCommitted, |tx| async move {
        add_note(&tx, "half").await?;
        tx.execute("SELECT pg_terminate_backend(pg_backend_pid())", &[]).await
    });
    assert_eq!(ended.await.unwrap_err().kind(), StorageErrorKind::Unavailable);
    assert!(notes(&store).await.is_empty());
}

#[tokio::test]
async fn a_connection_lost_before_the_commit_loses_the_transaction() {
    let port = Cluster::shared().await.port();
    let proxy = Proxy::start(port).await;
    let (_, url) = open_with_url().await;
    let store = Postgres::connect(&proxy.url(&url, port), &[NOTES]).await.unwrap();
    let wire = &proxy;
    let lost = store.transaction(Isolation::ReadCommitted, |tx| async move {
        add_note(&tx, "half").await?;
        wire.cut(Cut::AtOnce);
        add_note(&tx, "other half").await
    });
    let error = lost.await.unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{}", all_text(&error));
    proxy.cut(Cut::Nowhere);
    assert!(notes(&store).await.is_empty());
}

#[tokio::test]
async fn a_connection_lost_during_the_commit_leaves_the_outcome_unknown() {
    let port = Cluster::shared().await.port();
    let proxy = Proxy::start(port).await;
    for (cut, expected) in [(Cut::BeforeCommit, &[][..]), (Cut::AfterCommit, &["perhaps"])] {
        let (_, url) = open_with_url().await;
        let store = Postgres::connect(&proxy.url(&url, port), &[NOTES]).await.unwrap();
        proxy.cut(cut);
        let error = note(&store, "perhaps").await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Unknown, "{cut:?}: {}", all_text(&error));
        proxy.cut(Cut::Nowhere);
        assert_eq!(notes(&store).await, expected, "{cut:?}");
    }
}

#[tokio::test]
async fn a_commit_that_the_server_refuses_is_known_to_be_undone() {
    let store = open().await;
    let sql = "CREATE TABLE tags (note BIGINT REFERENCES notes DEFERRABLE INITIALLY DEFERRED)";
    super::execute(&store, sql).await.unwrap();
    let refused = super::execute(&store, "INSERT INTO tags VALUES (1)").await.unwrap_err();
    assert_eq!(refused.kind(), StorageErrorKind::Statement, "{}", all_text(&refused));
    assert!(all_text(&refused).contains("committing"));
    assert_eq!(format!("{store:?}"), "Postgres { connections: 1, idle: 1, .. }", "and the connection is used again");
}

/// Connecting fails in time, and nothing shows the password. Says why.
async fn refusal(url: &str) -> String {
    let refused = tokio::time::timeout(CONNECT_TIMEOUT + LATE_MAX, Postgres::connect(url, &[NOTES])).await;
    let error = refused.expect("an answer in time").unwrap_err();
    let text = all_text(&error);
    assert_eq!(error.kind(), StorageErrorKind::Unavailable, "{text}");
    for secret in [PASSWORD, "not-the-password"] {
        assert!(!text.contains(secret), "{text}");
    }
    text
}

/// For the reason given.
async fn check_refused(url: &str, expected: &str) {
    let text = refusal(url).await;
    assert!(text.contains(expected), "{text}");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_and_no_password_is() {
    let (store, url) = open_with_url().await;
    assert!(!format!("{store:?}").contains(PASSWORD));
    let wrong = url.replace(PASSWORD, "not-the-password");
    check_refused(&wrong, "FATAL 28P01: password authentication failed for user \"postgres\"").await;
    check_refused(&url.replace(&format!(":{PASSWORD}"), ""), "password missing").await;
    check_refused(&format!("{url}_that_is_not_there"), "FATAL 3D000").await;
    check_refused(&format!("{url}?sslmode=require"), "TLS to PostgreSQL is not supported yet").await;
    check_refused(&format!("{url}?sslmode=verify-full"), "can't be read").await;
    check_refused(&format!("postgres://postgres:{PASSWORD}@/bills"), "host").await;
    // A port that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    check_refused(&format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/bills"), "error connecting to server")
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up() {
    // It accepts, and says nothing. With nothing else to do, a paused clock jumps to the end of the wait.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let text = refusal(&format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/bills")).await;
    // It may jump before the connection is made.
    assert!(text.contains("did not answer in time") || text.contains("connection timed out"), "{text}");
}

#[tokio::test]
async fn a_transaction_that_nobody_waits_for_is_undone() {
    let store = open().await;
    // More often than there are connections, each inside a statement that takes until long after.
    for _ in 0..=CONNECTIONS {
        let (inside, mut entered) = tokio::sync::mpsc::channel(1);
        let dropped = tokio::spawn({
            let store = store.clone();
            async move {
                let inside = &inside;
                let work = |tx: PostgresTransaction| async move {
                    add_note(&tx, "half").await?;
                    // The server would end the statement before `LATE_MAX`.
                    tx.execute("SET LOCAL statement_timeout = 0", &[]).await?;
                    inside.send(()).await.unwrap();
                    tx.execute("SELECT pg_sleep(60)", &[]).await
                };
                store.transaction(Isolation::ReadCommitted, work).await
            }
        });
        entered.recv().await.unwrap();
        dropped.abort();
        assert!(dropped.await.unwrap_err().is_cancelled());
    }
    let begun = tokio::time::Instant::now();
    assert!(notes(&store).await.is_empty());
    assert!(begun.elapsed() < LATE_MAX, "nobody waits behind what was dropped");
}

#[tokio::test]
async fn a_panic_in_a_transaction_hurts_nobody_else() {
    let store = open().await;
    for _ in 0..=CONNECTIONS {
        let panicked = tokio::spawn({
            let store = store.clone();
            async move {
                let work = |tx: PostgresTransaction| async move {
                    add_note(&tx, "half").await?;
                    panic!("on purpose")
                };
                store.transaction(Isolation::ReadCommitted, work).await as Result<(), StorageError>
            }
        });
        assert!(panicked.await.unwrap_err().is_panic());
    }
    assert!(notes(&store).await.is_empty());
    note(&store, "after").await.unwrap();
}
