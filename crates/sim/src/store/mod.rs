//! What the hub stores, on SQLite or PostgreSQL: typed rows in and out. It decides nothing.
//!
//! Changes are made in sets: a [`Book`] holds what a set of commands needs to know, the hub's rules write into it, and it is
//! stored as a whole. Questions are [`Script`]s, one type each.
//!
//! guide:add-19 guide:reuse-2

mod book;
mod load;
mod numbering;
mod save;

mod access;
mod bulk;
mod clock;
mod events;
mod figures;
mod outbox;
mod payments;
mod snapshot;
mod tally;

mod tx;

#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use std::fmt;
use std::future::Future;
#[cfg(feature = "postgres")]
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use asaanbill_storage::rusqlite::Connection;
use asaanbill_storage::{Location, Migration, Sqlite, StorageError, queue_schema_sqlite};
use futures_util::FutureExt as _;
use jiff::Timestamp;

use crate::clock::{Clock, system_time};

pub(crate) use access::{
    Access, Channels, CountLogin, DeleteUser, FindUser, InsertToken, NewUser, PutCallbackUrl, PutUser, RevokeTokens,
    TokenUser, Users,
};
pub(crate) use book::{Book, Owed, Rows, Wants};
pub(crate) use bulk::{BulkDetail, BulkList, BulkRecord, BulkStage, DueBatch};
pub(crate) use clock::{KeepClock, Kept, KeptClock};
pub(crate) use events::{Event, Events, HistoryOf, Numbered};
pub(crate) use figures::{Figures, FiguresOf};
pub(crate) use numbering::Seed;
pub(crate) use outbox::{
    Attempted, Attempts, Callbacks, ClaimDeliveries, Claimed, Delivery, Moment, NextDelivery, Plan, Resend,
};
pub(crate) use payments::{FindPayment, InquiryOf, Listed, OfPsid, PsidOf};
pub(crate) use snapshot::{Content, DeleteSaved, Export, FindSaved, Import, ROWS_MAX, Saved};
pub(crate) use tx::contradiction;
use tx::{Tx, senseless};

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "hub", sql: include_str!("schema/sqlite.sql") },
    Migration { version: 2, name: "outbox", sql: queue_schema_sqlite!("outbox") },
];

#[cfg(feature = "postgres")]
const POSTGRES_MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "hub", sql: include_str!("schema/postgres.sql") },
    Migration { version: 2, name: "outbox", sql: asaanbill_storage::queue_schema_postgres!("outbox") },
];

/// In how many parts the kept totals are written, so that few instances meet at one.
#[cfg(feature = "postgres")]
const SHARDS: u64 = 16;

/// Something to be asked of a store or to be done to it, in one transaction. It may be run again from the start.
pub(crate) trait Script: Send + Sync + 'static {
    type Answer: Send + 'static;

    fn run<T: Tx>(&self, tx: &T) -> impl Future<Output = Result<Self::Answer, StorageError>> + Send;
}

/// A set of commands: what they want is loaded, they are decided, and what they changed is saved, in one transaction.
pub(crate) struct Set<D> {
    pub(crate) wants: Wants,
    pub(crate) seed: Option<Seed>,
    pub(crate) clock: Clock,
    pub(crate) plan: Arc<Plan>,
    pub(crate) decide: D,
}

impl<A, D> Script for Set<D>
where
    A: Send + 'static,
    D: Fn(&mut Book, Timestamp) -> Result<A, StorageError> + Send + Sync + 'static,
{
    type Answer = A;

    async fn run<T: Tx>(&self, tx: &T) -> Result<A, StorageError> {
        let mut book = load::load(tx, &self.wants, self.seed).await?;
        // Asked when the set's turn has come: what is accepted later has a later time.
        let moment = Moment { now: self.clock.now(), real: system_time() };
        let answer = (self.decide)(&mut book, moment.now)?;
        save::save(tx, &book, moment, &*self.plan).await?;
        Ok(answer)
    }
}

/// A store of either engine. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Store {
    Sqlite(Sqlite),
    #[cfg(feature = "postgres")]
    Postgres {
        pool: asaanbill_storage::Postgres,
        shard: i64,
    },
}

impl Store {
    /// Blocks for as long as opening takes.
    pub(crate) fn sqlite(location: &Location) -> Result<Self, StorageError> {
        Ok(Self::Sqlite(Sqlite::open(location, MIGRATIONS)?))
    }

    #[cfg(feature = "postgres")]
    pub(crate) async fn postgres(url: &str) -> Result<Self, StorageError> {
        let pool = asaanbill_storage::Postgres::connect(url, POSTGRES_MIGRATIONS).await?;
        // By chance: in containers every program has the same process number.
        let shard = i64::try_from(RandomState::new().hash_one(SHARDS) % SHARDS).unwrap_or_default();
        Ok(Self::Postgres { pool, shard })
    }

    /// Whether other instances may share it.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres { .. } => true,
        }
    }

    /// Looks at what is committed, all of it at one moment.
    ///
    /// Cancellation: safe.
    pub(crate) async fn look<S: Script>(&self, script: S) -> Result<S::Answer, StorageError> {
        match self {
            Self::Sqlite(sqlite) => {
                let look = move |connection: &Connection| {
                    let moment = connection.unchecked_transaction()?;
                    at_once(&script, &moment)
                };
                sqlite.read(look).await
            }
            #[cfg(feature = "postgres")]
            Self::Postgres { pool, shard } => {
                let (script, shard) = (Arc::new(script), *shard);
                let look = move |tx| {
                    let script = Arc::clone(&script);
                    async move { script.run(&postgres::PostgresTx::new(tx, shard)).await }
                };
                pool.read(look).await
            }
        }
    }

    /// Changes something, and resolves when that is durable.
    ///
    /// Cancellation: the change may have been made.
    pub(crate) async fn change<S: Script>(&self, script: S) -> Result<S::Answer, StorageError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(move |connection| at_once(&script, connection)).await,
            #[cfg(feature = "postgres")]
            Self::Postgres { pool, shard } => {
                let (script, shard) = (Arc::new(script), *shard);
                let change = move |tx| {
                    let script = Arc::clone(&script);
                    async move { script.run(&postgres::PostgresTx::new(tx, shard)).await }
                };
                pool.transaction(asaanbill_storage::Isolation::ReadCommitted, change).await
            }
        }
    }
}

/// Runs a script on SQLite, where nothing waits.
fn at_once<S: Script>(script: &S, connection: &Connection) -> Result<S::Answer, StorageError> {
    let tx = sqlite::SqliteTx::new(connection);
    let done = script.run(&tx).now_or_never();
    done.ok_or_else(|| senseless("a script waited for something else than its statements"))?
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(sqlite) => f.debug_tuple("Store").field(sqlite).finish(),
            #[cfg(feature = "postgres")]
            Self::Postgres { pool, .. } => f.debug_tuple("Store").field(pool).finish(),
        }
    }
}
