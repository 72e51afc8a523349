//! The queue's operations on SQLite.

use jiff::Timestamp;
use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Connection, Row, Rows, params};

use super::job::{
    CLAIM_MAX, Claim, Due, Finding, Job, Lease, Lost, NewJob, State, Tally, Token, at, check, micros, state,
};
use crate::error::StorageError;
use crate::rows::insert_rows;

/// A queue within a transaction of SQLite, made by [`Queue::sqlite`](super::Queue::sqlite).
///
/// Nothing of what these say is durable before the transaction is.
#[derive(Clone, Copy, Debug)]
pub struct SqliteQueue<'a> {
    pub(super) table: &'static str,
    pub(super) tx: &'a Connection,
}

/// The columns of [`Job`], in the order in which `job` reads them.
const JOB: &str = "id, lane, payload, due_at, enqueued_at, attempts";

impl SqliteQueue<'_> {
    /// Puts jobs into the queue, and says their numbers, in order. `now` is the real time.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a payload is longer than [`PAYLOAD_MAX`](super::PAYLOAD_MAX), or a statement fails.
    pub fn enqueue(&self, jobs: &[NewJob], now: Timestamp) -> Result<Vec<i64>, StorageError> {
        check(jobs)?;
        let table = self.table;
        let sql = format!("INSERT INTO {table} (lane, payload, due_at, enqueued_at) VALUES ($1, $2, $3, $4)");
        let value = |row: usize, column| match column {
            0 => jobs[row].lane.as_deref().into(),
            1 => jobs[row].payload.as_str().into(),
            2 => ValueRef::Integer(micros(jobs[row].due)),
            _ => ValueRef::Integer(micros(now)),
        };
        Ok(insert_rows(self.tx, &sql, jobs.len(), value)?.ids().collect())
    }

    /// Leases jobs to the one who asks: first those whose lease ran out, then those that are due, oldest first.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn claim(&self, claim: &Claim) -> Result<Vec<Job>, StorageError> {
        let run_out = "state = 'leased' AND lease_until <= ?1 ORDER BY lease_until";
        let mut jobs = self.claim_some(claim, run_out, micros(claim.clocks.now), claim.most())?;
        for job in &mut jobs {
            job.rescued = true;
        }
        let left = claim.most() - i64::try_from(jobs.len()).unwrap_or(i64::MAX);
        if left > 0 {
            let due = "state = 'ready' AND due_at <= ?1 ORDER BY due_at, id";
            jobs.extend(self.claim_some(claim, due, micros(claim.clocks.due), left)?);
        }
        Ok(jobs)
    }

    fn claim_some(&self, claim: &Claim, which: &str, until: i64, most: i64) -> Result<Vec<Job>, StorageError> {
        let table = self.table;
        let sql = format!(
            "UPDATE {table} SET state = 'leased', token = ?3, lease_until = ?4, attempts = attempts + 1
             WHERE id IN (SELECT id FROM {table} WHERE {which} LIMIT ?2) RETURNING {JOB}"
        );
        let mut update = self.tx.prepare_cached(&sql)?;
        let rows = update.query(params![until, most, claim.token.number(), claim.lease_until()])?;
        let mut jobs = read_all(rows, |row| job(row, claim.token))?;
        jobs.sort_unstable_by_key(|job| (job.due, job.lease.id));
        Ok(jobs)
    }

    /// Says which leases were lost. The others are held until the transaction ends.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn hold(&self, held: &[Lease]) -> Result<Lost, StorageError> {
        let mut select =
            self.tx.prepare_cached(&format!("SELECT 1 FROM {} WHERE id = ?1 AND token = ?2", self.table))?;
        lost(held.iter().copied(), |Lease { id, token }| select.exists(params![id, token.number()]).map(usize::from))
    }

    /// Asks for more time, until `until` of the real clock. Says which leases were lost.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn heartbeat(&self, held: &[Lease], until: Timestamp) -> Result<Lost, StorageError> {
        let sql = format!("UPDATE {} SET lease_until = ?3 WHERE id = ?1 AND token = ?2", self.table);
        let mut update = self.tx.prepare_cached(&sql)?;
        lost(held.iter().copied(), |Lease { id, token }| update.execute(params![id, token.number(), micros(until)]))
    }

    /// The jobs are done, and leave the queue. Says which leases were lost.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn complete(&self, held: &[Lease]) -> Result<Lost, StorageError> {
        let sql = format!("DELETE FROM {} WHERE id = ?1 AND token = ?2", self.table);
        let mut delete = self.tx.prepare_cached(&sql)?;
        lost(held.iter().copied(), |Lease { id, token }| delete.execute(params![id, token.number()]))
    }

    /// Gives jobs back, each to be due at its time. Says which leases were lost.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn retry(&self, held: &[(Lease, Timestamp)]) -> Result<Lost, StorageError> {
        let sql = format!(
            "UPDATE {} SET state = 'ready', token = NULL, lease_until = NULL, due_at = ?3 WHERE id = ?1 AND token = ?2",
            self.table
        );
        let mut update = self.tx.prepare_cached(&sql)?;
        let mut due = held.iter().map(|(_, due)| micros(*due));
        lost(held.iter().map(|(lease, _)| *lease), |Lease { id, token }| {
            update.execute(params![id, token.number(), due.next()])
        })
    }

    /// Gives jobs up, each with its cause: a short word by which they are counted. `now` is the real time. Says which leases
    /// were lost, of which nothing has changed.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn bury(&self, held: &[(Lease, &str)], now: Timestamp) -> Result<Lost, StorageError> {
        let sql = format!(
            "UPDATE {} SET state = 'dead', token = NULL, lease_until = NULL, cause = ?3, buried_at = ?4
             WHERE id = ?1 AND token = ?2",
            self.table
        );
        let mut update = self.tx.prepare_cached(&sql)?;
        let mut causes = held.iter().map(|(_, cause)| *cause);
        lost(held.iter().map(|(lease, _)| *lease), |Lease { id, token }| {
            update.execute(params![id, token.number(), causes.next(), micros(now)])
        })
    }

    /// Gives jobs up whoever has them, whose leases are lost by it; dead ones stay as they are. Says which there were.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn give_up(&self, ids: &[i64], cause: &str, now: Timestamp) -> Result<Vec<i64>, StorageError> {
        let sql = format!(
            "UPDATE {} SET state = 'dead', token = NULL, lease_until = NULL, cause = ?2, buried_at = ?3
             WHERE id = ?1 AND state <> 'dead'",
            self.table
        );
        let mut update = self.tx.prepare_cached(&sql)?;
        changed(ids, |id| update.execute(params![id, cause, micros(now)]))
    }

    /// Makes dead jobs ready again, with their attempts counted anew. Says which there were.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn revive(&self, ids: &[i64], due: Timestamp) -> Result<Vec<i64>, StorageError> {
        let sql = format!(
            "UPDATE {} SET state = 'ready', cause = NULL, buried_at = NULL, attempts = 0, due_at = ?2
             WHERE id = ?1 AND state = 'dead'",
            self.table
        );
        let mut update = self.tx.prepare_cached(&sql)?;
        changed(ids, |id| update.execute(params![id, micros(due)]))
    }

    /// Forgets dead jobs that were buried before this real time, the oldest first and so many at the most. Says how many.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn prune(&self, before: Timestamp, most: u32) -> Result<u64, StorageError> {
        let table = self.table;
        let sql = format!(
            "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE state = 'dead' AND buried_at < ?1
             ORDER BY buried_at LIMIT ?2)"
        );
        let pruned = self.tx.prepare_cached(&sql)?.execute(params![micros(before), most])?;
        Ok(u64::try_from(pruned).unwrap_or(u64::MAX))
    }

    /// When there is something to claim.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn next_due(&self) -> Result<Due, StorageError> {
        let table = self.table;
        let sql = format!(
            "SELECT (SELECT min(due_at) FROM {table} WHERE state = 'ready'),
                    (SELECT min(lease_until) FROM {table} WHERE state = 'leased')"
        );
        let mut select = self.tx.prepare_cached(&sql)?;
        let (ready, lease): (Option<i64>, Option<i64>) = select.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Due { ready: ready.map(at).transpose()?, lease: lease.map(at).transpose()? })
    }

    /// How many jobs are in each state, dead ones by cause. Counts them all.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn tallies(&self) -> Result<Vec<Tally>, StorageError> {
        let sql = format!(
            "SELECT state, cause, count(*), min(enqueued_at), min(due_at) FROM {} GROUP BY state, cause
             ORDER BY state, cause",
            self.table
        );
        let mut select = self.tx.prepare_cached(&sql)?;
        read_all(select.query([])?, |row| {
            Ok(Tally {
                state: state(&get::<String>(row, 0)?)?,
                cause: get(row, 1)?,
                count: get(row, 2)?,
                oldest: at(get(row, 3)?)?,
                first_due: at(get(row, 4)?)?,
            })
        })
    }

    /// How many jobs of a lane are ready or leased; counts up to `most`.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn open_in_lane(&self, lane: &str, most: u32) -> Result<u32, StorageError> {
        let sql =
            format!("SELECT count(*) FROM (SELECT 1 FROM {} WHERE lane = ?1 AND state <> 'dead' LIMIT ?2)", self.table);
        Ok(self.tx.prepare_cached(&sql)?.query_row(params![lane, most], |row| row.get(0))?)
    }

    /// Jobs in a state with numbers after this one, in the order of their numbers: at most [`CLAIM_MAX`].
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn list(&self, in_state: State, after: i64, most: u32) -> Result<Vec<Finding>, StorageError> {
        let sql =
            format!("SELECT {JOB}, state, cause FROM {} WHERE state = ?1 AND id > ?2 ORDER BY id LIMIT ?3", self.table);
        let mut select = self.tx.prepare_cached(&sql)?;
        read_all(select.query(params![in_state.as_str(), after, most.min(CLAIM_MAX)])?, finding)
    }

    /// One job, wherever it is in its life. None if it is completed, or pruned, or never was.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a statement fails.
    pub fn find(&self, id: i64) -> Result<Option<Finding>, StorageError> {
        let sql = format!("SELECT {JOB}, state, cause FROM {} WHERE id = ?1", self.table);
        let mut select = self.tx.prepare_cached(&sql)?;
        Ok(read_all(select.query([id])?, finding)?.pop())
    }
}

fn get<T: FromSql>(row: &Row<'_>, column: usize) -> Result<T, StorageError> {
    Ok(row.get(column)?)
}

fn job(row: &Row<'_>, token: Token) -> Result<Job, StorageError> {
    Ok(Job {
        lease: Lease { id: get(row, 0)?, token },
        lane: get(row, 1)?,
        payload: get(row, 2)?,
        due: at(get(row, 3)?)?,
        enqueued: at(get(row, 4)?)?,
        attempts: get(row, 5)?,
        rescued: false,
    })
}

fn finding(row: &Row<'_>) -> Result<Finding, StorageError> {
    Ok(Finding { job: job(row, Token::NONE)?, state: state(&get::<String>(row, 6)?)?, cause: get(row, 7)? })
}

fn read_all<T>(mut rows: Rows<'_>, read: impl Fn(&Row<'_>) -> Result<T, StorageError>) -> Result<Vec<T>, StorageError> {
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// Those for which the statement found no row.
fn lost(
    held: impl Iterator<Item = Lease>,
    mut change: impl FnMut(Lease) -> rusqlite::Result<usize>,
) -> Result<Lost, StorageError> {
    let mut lost = Vec::new();
    for lease in held {
        if change(lease)? == 0 {
            lost.push(lease);
        }
    }
    Ok(Lost(lost))
}

/// Those for which it found one.
fn changed(ids: &[i64], mut change: impl FnMut(i64) -> rusqlite::Result<usize>) -> Result<Vec<i64>, StorageError> {
    let mut changed = Vec::new();
    for id in ids {
        if change(*id)? > 0 {
            changed.push(*id);
        }
    }
    Ok(changed)
}
