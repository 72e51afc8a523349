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
mod newcomers;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod server;
mod sqlite;

use std::fmt;
use std::future::Future;
#[cfg(feature = "postgres")]
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
pub(crate) use book::{BatchRow, Book, Owed, Rows, Wants};
pub(crate) use bulk::{BulkDetail, BulkList, BulkRecord, BulkStage, DueBatch};
pub(crate) use clock::{KeepClock, Kept, KeptClock};
pub(crate) use events::{Event, Events, History, HistoryOf, Numbered, Trim};
pub(crate) use figures::{Figures, FiguresOf};
#[cfg(feature = "postgres")]
pub(crate) use newcomers::GivenNumbers;
pub(crate) use numbering::Seed;
pub(crate) use outbox::{
    Attempted, Attempts, Callbacks, ClaimDeliveries, Claimed, Delivery, Moment, NextDelivery, Plan, Resend,
};
pub(crate) use payments::{FindPayment, InquiryOf, Listed, OfPsid, PsidOf};
#[cfg(feature = "postgres")]
pub(crate) use server::{Lane, PATIENCE, Server};
pub(crate) use snapshot::{Content, DeleteSaved, Export, FindSaved, Import, ROWS_MAX, Saved};
use tx::senseless;
pub(crate) use tx::{Tx, contradiction};

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "hub", sql: include_str!("schema/sqlite.sql") },
    Migration { version: 2, name: "outbox", sql: queue_schema_sqlite!("outbox") },
];

#[cfg(feature = "postgres")]
const POSTGRES_MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "hub", sql: include_str!("schema/postgres.sql") },
    Migration { version: 2, name: "outbox", sql: asaanbill_storage::queue_schema_postgres!("outbox") },
];

/// Something to be asked of a store or to be done to it, in one transaction. It may be run again from the start.
pub(crate) trait Script: Send + Sync {
    type Answer: Send + 'static;

    fn run<T: Tx>(&self, tx: &T) -> impl Future<Output = Result<Self::Answer, StorageError>> + Send;
}

/// A set of commands: what they want is loaded, they are decided, and what they changed is saved, in one transaction.
pub(crate) struct Set<'s, D> {
    pub(crate) wants: Wants,
    pub(crate) seed: Option<Seed>,
    pub(crate) clock: &'s Clock,
    pub(crate) plan: &'s Plan,
    pub(crate) decide: D,
}

impl<A, D> Script for Set<'_, D>
where
    A: Send + 'static,
    D: Fn(&mut Book, Timestamp) -> Result<A, StorageError> + Send + Sync,
{
    type Answer = A;

    async fn run<T: Tx>(&self, tx: &T) -> Result<A, StorageError> {
        let mut book = load::load(tx, &self.wants, self.seed).await?;
        // Asked when the set's turn has come: what is accepted later has a later time.
        let moment = Moment { now: self.clock.now(), real: system_time() };
        let answer = (self.decide)(&mut book, moment.now)?;
        save::save(tx, &book, moment, self.plan).await?;
        Ok(answer)
    }
}

/// A store of either engine. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Store {
    Sqlite(Sqlite),
    #[cfg(feature = "postgres")]
    Postgres(Arc<Server>),
}

impl Store {
    /// Blocks for as long as opening takes.
    pub(crate) fn sqlite(location: &Location) -> Result<Self, StorageError> {
        Ok(Self::Sqlite(Sqlite::open(location, MIGRATIONS)?))
    }

    #[cfg(feature = "postgres")]
    pub(crate) async fn postgres(url: &str) -> Result<Self, StorageError> {
        Ok(Self::Postgres(Arc::new(Server::connect(url, POSTGRES_MIGRATIONS).await?)))
    }

    /// Whether other instances may share it.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
        }
    }

    /// Looks at what is committed, all of it at one moment.
    ///
    /// Cancellation: safe.
    pub(crate) async fn look<S: Script + 'static>(&self, script: S) -> Result<S::Answer, StorageError> {
        match self {
            Self::Sqlite(sqlite) => {
                let look = move |connection: &Connection| {
                    let moment = connection.unchecked_transaction()?;
                    at_once(&script, &moment)
                };
                sqlite.read(look).await
            }
            #[cfg(feature = "postgres")]
            // In a box: its states are large, and would be moved about with every request on SQLite.
            Self::Postgres(server) => Box::pin(server.look(&script)).await,
        }
    }

    /// Changes something, and resolves when that is durable.
    ///
    /// Cancellation: the change may have been made.
    pub(crate) async fn change<S: Script + 'static>(&self, script: S) -> Result<S::Answer, StorageError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(move |connection| at_once(&script, connection)).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(server) => Box::pin(server.change(&script)).await,
        }
    }
}

/// Runs a script on SQLite, where nothing waits.
pub(crate) fn at_once<S: Script>(script: &S, connection: &Connection) -> Result<S::Answer, StorageError> {
    let tx = sqlite::SqliteTx::new(connection);
    let done = script.run(&tx).now_or_never();
    done.ok_or_else(|| senseless("a script waited for something else than its statements"))?
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(sqlite) => f.debug_tuple("Store").field(sqlite).finish(),
            #[cfg(feature = "postgres")]
            Self::Postgres(server) => f.debug_tuple("Store").field(server).finish(),
        }
    }
}
