//! Statements that are transactions of their own.

use asaanbill_storage::{Postgres, StorageError, StorageErrorKind};

use super::{NOTES, all_text, execute, notes, open, open_with_url};
use crate::cluster::Cluster;
use crate::proxy::{AT_ONCE, Cut, Proxy};

const ADD: &str = "INSERT INTO notes (text) SELECT * FROM UNNEST($1::TEXT[]) RETURNING id";

async fn add(store: &Postgres, table: &str, texts: &[&str]) -> Result<Option<Vec<i64>>, StorageError> {
    let rows = store.at_once(table, ADD, &[&texts]).await?;
    Ok(rows.map(|rows| rows.iter().map(|row| row.get(0)).collect()))
}

#[tokio::test]
async fn what_it_answered_is_committed_and_what_it_did_not_is_undone() {
    let store = open().await;
    assert_eq!(add(&store, "notes", &["one", "two"]).await.unwrap(), Some(vec![1, 2]));
    assert_eq!(add(&store, "notes", &["three", "two"]).await.unwrap(), None, "somebody was quicker");
    let elsewhere = add(&store, "tags", &["three", "two"]).await.unwrap_err();
    assert_eq!(elsewhere.kind(), StorageErrorKind::Statement, "{}", all_text(&elsewhere));
    let wrong = store.at_once("notes", "INSERT INTO notes (id) VALUES ($1)", &[&1_i64]).await.unwrap_err();
    assert_eq!(wrong.kind(), StorageErrorKind::Statement, "{}", all_text(&wrong));
    assert_eq!(notes(&store).await, ["one", "two"]);
    assert_eq!(format!("{store:?}"), "Postgres { connections: 1, idle: 1, .. }", "and the connection is used again");
}

#[tokio::test]
async fn a_check_at_its_end_is_part_of_it() {
    let store = open().await;
    let sql = "CREATE TABLE tags (note BIGINT REFERENCES notes DEFERRABLE INITIALLY DEFERRED)";
    execute(&store, sql).await.unwrap();
    let refused = store.at_once("tags", "INSERT INTO tags VALUES ($1)", &[&1_i64]).await.unwrap_err();
    assert_eq!(refused.kind(), StorageErrorKind::Statement, "{}", all_text(&refused));
}

#[tokio::test]
async fn a_connection_lost_meanwhile_leaves_the_outcome_unknown() {
    let port = Cluster::shared().await.port();
    let proxy = Proxy::start(port).await;
    for (cut, expected) in [(Cut::BeforeCommit, &[][..]), (Cut::AfterCommit, &[AT_ONCE])] {
        let (_, url) = open_with_url().await;
        let store = Postgres::connect(&proxy.url(&url, port), &[NOTES]).await.unwrap();
        proxy.cut(cut);
        let error = add(&store, "notes", &[AT_ONCE]).await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Unknown, "{cut:?}: {}", all_text(&error));
        proxy.cut(Cut::Nowhere);
        assert_eq!(notes(&store).await, expected, "{cut:?}");
    }
}

/// Connections of its own are opened when they are needed, as many as it may have.
#[tokio::test]
async fn a_store_beside_another_has_its_own_connections() {
    let store = open().await;
    let beside = store.beside(1).unwrap();
    assert_eq!(format!("{beside:?}"), "Postgres { connections: 0, idle: 0, .. }");
    let (one, two) = tokio::join!(add(&beside, "notes", &["one"]), add(&beside, "notes", &["two"]));
    assert!(one.unwrap().is_some() && two.unwrap().is_some());
    assert_eq!(format!("{beside:?}"), "Postgres { connections: 1, idle: 1, .. }");
    assert_eq!(notes(&store).await.len(), 2);
}
