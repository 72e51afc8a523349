//! How the simulator's time goes: kept, so that a restart changes nothing, and shared by the instances of one store.

use std::num::NonZeroU32;

use asaanbill_storage::StorageError;

use super::Script;
use super::tx::{Columns as _, Row, Tx, contradiction, senseless};
use crate::clock::Course;

/// A course, and how often it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) course: Course,
    pub(crate) revision: i64,
}

fn kept(row: &Row<'_>) -> Result<Kept, StorageError> {
    let course = match row.text(0)? {
        "real" => Course::Real,
        "frozen" => Course::Frozen(row.time(2)?),
        "scaled" => {
            let speed = u32::try_from(row.int(3)?).map_err(contradiction)?;
            let speed = NonZeroU32::new(speed).ok_or_else(|| senseless("a clock that runs at no speed"))?;
            Course::Scaled { since: row.time(1)?, from: row.time(2)?, speed }
        }
        _ => return Err(senseless("an unknown course of the clock")),
    };
    Ok(Kept { course, revision: row.int(4)? })
}

const SELECT: &str = "SELECT course, since, shown, speed, revision FROM clock";

/// How time goes.
pub(crate) struct KeptClock;

impl Script for KeptClock {
    type Answer = Kept;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Kept, StorageError> {
        tx.query_one(SELECT, &[], kept).await?.ok_or_else(|| senseless("the clock is missing"))
    }
}

/// Lets time go otherwise.
pub(crate) struct KeepClock(pub(crate) Course);

impl Script for KeepClock {
    type Answer = Kept;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Kept, StorageError> {
        let (course, since, shown, speed) = match self.0 {
            Course::Real => ("real", None, None, None),
            Course::Frozen(at) => ("frozen", None, Some(at), None),
            Course::Scaled { since, from, speed } => ("scaled", Some(since), Some(from), Some(speed.get())),
        };
        let update = "UPDATE clock SET course = $1, since = $2, shown = $3, speed = $4, revision = revision + 1";
        tx.execute(update, &[course.into(), since.into(), shown.into(), speed.into()]).await?;
        KeptClock.run(tx).await
    }
}
