//! Numbered, checksummed changes of a store's tables.

use crate::error::{StorageError, StorageErrorKind};

/// One step from a store's tables to the next. Steps are applied once, in order; an applied one must never change.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number, from 1 without gaps.
    pub version: u32,
    /// What it does, in lower case with underscores.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

pub(crate) fn migrate(connection: &mut rusqlite::Connection, migrations: &[Migration]) -> Result<(), StorageError> {
    let failed = |error: refinery::Error| {
        StorageError::new(StorageErrorKind::Migration, "migrating the store").caused(error.to_string())
    };
    let steps = migrations.iter().map(|Migration { version, name, sql }| {
        refinery::Migration::unapplied(&format!("V{version}__{name}"), sql).map_err(failed)
    });
    let steps: Vec<_> = steps.collect::<Result<_, _>>()?;
    // A step that was applied and is not among ours, or differs, means that a newer program wrote the store.
    let runner = refinery::Runner::new(&steps).set_abort_missing(true).set_abort_divergent(true);
    runner.run(connection).map_err(failed)?;
    Ok(())
}
