//! Numbered, checksummed changes of a store's tables.

use crate::error::{StorageError, StorageErrorKind};

/// One step from a store's tables to the next. Steps are applied once, in order; an applied one must never change.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number, from 1 without gaps.
    pub version: u32,
    /// What it does, in lower case with underscores.
    pub name: &'static str,
    /// The statements, in the language of the engine that applies them.
    pub sql: &'static str,
}

pub(crate) fn migrate(connection: &mut rusqlite::Connection, migrations: &[Migration]) -> Result<(), StorageError> {
    runner(migrations)?.run(connection).map_err(failed)?;
    Ok(())
}

/// The caller sees to it that nobody else migrates the same database meanwhile.
#[cfg(feature = "postgres")]
pub(crate) async fn migrate_postgres(
    client: &mut tokio_postgres::Client,
    migrations: &[Migration],
) -> Result<(), StorageError> {
    runner(migrations)?.run_async(client).await.map_err(failed)?;
    Ok(())
}

fn runner(migrations: &[Migration]) -> Result<refinery::Runner, StorageError> {
    let steps = migrations.iter().map(|Migration { version, name, sql }| {
        refinery::Migration::unapplied(&format!("V{version}__{name}"), sql).map_err(failed)
    });
    let steps: Vec<_> = steps.collect::<Result<_, _>>()?;
    // A step that was applied and is not among ours, or differs, means that a newer program wrote the store.
    Ok(refinery::Runner::new(&steps).set_abort_missing(true).set_abort_divergent(true))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn failed(error: refinery::Error) -> StorageError {
    const MIGRATING: &str = "migrating the store";
    #[cfg(feature = "postgres")]
    if let refinery::error::Kind::Connection(step, source) = error.kind()
        && let Some(source) = source.downcast_ref()
    {
        return crate::postgres::sqlstate::of_migration(source, MIGRATING, step);
    }
    StorageError::new(StorageErrorKind::Migration, MIGRATING).caused(error.to_string())
}
