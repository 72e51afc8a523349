//! The queue's operations on PostgreSQL: one statement each, whatever the number of jobs.

use std::collections::HashSet;

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::cursor::Position;
use super::job::{
    CLAIM_MAX, Claim, Due, Finding, Job, Lease, Lost, NewJob, State, Tally, Token, at, check, micros, state,
};
use crate::error::StorageError;
use crate::postgres::PostgresTransaction;

/// A queue within a transaction of PostgreSQL, made by [`Queue::postgres`](super::Queue::postgres). Workers of several
/// instances take jobs side by side, each passing over what another one has locked.
///
/// Nothing of what these say is durable before the transaction is. Cancellation: the transaction is undone with its closure.
#[derive(Clone, Copy, Debug)]
pub struct PostgresQueue<'a> {
    pub(super) table: &'static str,
    pub(super) tx: &'a PostgresTransaction,
}

/// The columns of [`Job`], in the order in which `job` reads them.
const JOB: &str = "id, lane, payload, due_at, enqueued_at, attempts";

/// Leases as a table, from two arrays.
const HELD: &str = "UNNEST($1::BIGINT[], $2::BIGINT[]) AS held (id, token)";

impl PostgresQueue<'_> {
    /// Puts jobs into the queue, and says their numbers, in order. `now` is the real time.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if a payload is longer than [`PAYLOAD_MAX`](super::PAYLOAD_MAX), or the statement fails.
    pub async fn enqueue(&self, jobs: &[NewJob], now: Timestamp) -> Result<Vec<i64>, StorageError> {
        check(jobs)?;
        let sql = format!(
            "INSERT INTO {} (lane, payload, due_at, enqueued_at)
             SELECT lane, payload, due_at, $4 FROM UNNEST($1::TEXT[], $2::TEXT[], $3::BIGINT[])
             WITH ORDINALITY AS new (lane, payload, due_at, place) ORDER BY place RETURNING id",
            self.table
        );
        let lanes: Vec<_> = jobs.iter().map(|job| job.lane.as_deref()).collect();
        let payloads: Vec<_> = jobs.iter().map(|job| job.payload.as_str()).collect();
        let dues: Vec<_> = jobs.iter().map(|job| micros(job.due)).collect();
        let rows = self.tx.query(&sql, &[&lanes, &payloads, &dues, &micros(now)]).await?;
        rows.iter().map(|row| get(row, 0)).collect()
    }

    /// Leases jobs to the one who asks: first those whose lease ran out, then those that are due, oldest first. What another
    /// worker is claiming at the same moment is passed over.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn claim(&self, claim: &Claim) -> Result<Vec<Job>, StorageError> {
        let table = self.table;
        // The numbers go through arrays, so that the update finds its rows by their key, however old the statistics are.
        let sql = format!(
            "WITH late AS MATERIALIZED (
                 SELECT id FROM {table} WHERE state = 'leased' AND lease_until <= $1 AND lease_until >= $2
                 ORDER BY lease_until LIMIT $3 FOR UPDATE SKIP LOCKED
             ), ready AS MATERIALIZED (
                 SELECT id FROM {table} WHERE state = 'ready' AND due_at <= $4 AND (due_at, id) > ($5, $6)
                 ORDER BY due_at, id LIMIT $3 - (SELECT count(*) FROM late) FOR UPDATE SKIP LOCKED
             )
             UPDATE {table} SET state = 'leased', token = $7, lease_until = $8, attempts = attempts + 1
             WHERE id = ANY (ARRAY(SELECT id FROM late UNION ALL SELECT id FROM ready))
             RETURNING {JOB}, id = ANY (ARRAY(SELECT id FROM late))"
        );
        let Position { due, id, lease } = claim.from;
        let (now, due_until) = (micros(claim.clocks.now), micros(claim.clocks.due));
        let (most, token, until) = (claim.most(), claim.token.number(), claim.lease_until());
        let rows = self.tx.query(&sql, &[&now, &lease, &most, &due_until, &due, &id, &token, &until]).await?;
        let mut jobs = rows.iter().map(|row| job(row, claim.token, get(row, 6)?)).collect::<Result<Vec<_>, _>>()?;
        jobs.sort_unstable_by_key(|job| (!job.rescued, job.due, job.lease.id));
        Ok(jobs)
    }

    /// Says which leases were lost. The others are held until the transaction ends: nobody can take their jobs meanwhile. It
    /// writes no new version of a row, and so costs far less than a heartbeat.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn hold(&self, held: &[Lease]) -> Result<Lost, StorageError> {
        let (ids, tokens) = arrays(held.iter());
        let sql = format!(
            "SELECT job.id, job.token FROM {} AS job JOIN {HELD} ON job.id = held.id AND job.token = held.token
             ORDER BY job.id FOR UPDATE OF job",
            self.table
        );
        let rows = self.tx.query(&sql, &[&ids, &tokens]).await?;
        lost(held.iter(), &rows)
    }

    /// Asks for more time, until `until` of the real clock. Says which leases were lost.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn heartbeat(&self, held: &[Lease], until: Timestamp) -> Result<Lost, StorageError> {
        let (ids, tokens) = arrays(held.iter());
        let sql = format!(
            "UPDATE {} AS job SET lease_until = $3 FROM {HELD}
             WHERE job.id = held.id AND job.token = held.token RETURNING held.id, held.token",
            self.table
        );
        let rows = self.tx.query(&sql, &[&ids, &tokens, &micros(until)]).await?;
        lost(held.iter(), &rows)
    }

    /// The jobs are done, and leave the queue. Says which leases were lost.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn complete(&self, held: &[Lease]) -> Result<Lost, StorageError> {
        let (ids, tokens) = arrays(held.iter());
        let sql = format!(
            "DELETE FROM {} AS job USING {HELD} WHERE job.id = held.id AND job.token = held.token RETURNING held.id, held.token",
            self.table
        );
        let rows = self.tx.query(&sql, &[&ids, &tokens]).await?;
        lost(held.iter(), &rows)
    }

    /// Gives jobs back, each to be due at its time. Says which leases were lost.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn retry(&self, held: &[(Lease, Timestamp)]) -> Result<Lost, StorageError> {
        let (ids, tokens) = arrays(held.iter().map(|(lease, _)| lease));
        let dues: Vec<_> = held.iter().map(|(_, due)| micros(*due)).collect();
        let sql = format!(
            "UPDATE {} AS job SET state = 'ready', token = NULL, lease_until = NULL, due_at = held.due_at
             FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[]) AS held (id, token, due_at)
             WHERE job.id = held.id AND job.token = held.token RETURNING held.id, held.token",
            self.table
        );
        let rows = self.tx.query(&sql, &[&ids, &tokens, &dues]).await?;
        lost(held.iter().map(|(lease, _)| lease), &rows)
    }

    /// Gives jobs up, each with its cause: a short word by which they are counted. `now` is the real time. Says which leases
    /// were lost, of which nothing has changed.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn bury(&self, held: &[(Lease, &str)], now: Timestamp) -> Result<Lost, StorageError> {
        let (ids, tokens) = arrays(held.iter().map(|(lease, _)| lease));
        let causes: Vec<_> = held.iter().map(|(_, cause)| *cause).collect();
        let sql = format!(
            "UPDATE {} AS job
             SET state = 'dead', token = NULL, lease_until = NULL, cause = held.cause, buried_at = $4
             FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::TEXT[]) AS held (id, token, cause)
             WHERE job.id = held.id AND job.token = held.token RETURNING held.id, held.token",
            self.table
        );
        let rows = self.tx.query(&sql, &[&ids, &tokens, &causes, &micros(now)]).await?;
        lost(held.iter().map(|(lease, _)| lease), &rows)
    }

    /// Gives jobs up whoever has them, whose leases are lost by it; dead ones stay as they are. Says which there were.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn give_up(&self, ids: &[i64], cause: &str, now: Timestamp) -> Result<Vec<i64>, StorageError> {
        let sql = format!(
            "UPDATE {} SET state = 'dead', token = NULL, lease_until = NULL, cause = $2, buried_at = $3
             WHERE id = ANY ($1) AND state <> 'dead' RETURNING id",
            self.table
        );
        let rows = self.tx.query(&sql, &[&ids, &cause, &micros(now)]).await?;
        changed(ids, &rows)
    }

    /// Makes dead jobs ready again, with their attempts counted anew. Says which there were.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn revive(&self, ids: &[i64], due: Timestamp) -> Result<Vec<i64>, StorageError> {
        let sql = format!(
            "UPDATE {} SET state = 'ready', cause = NULL, buried_at = NULL, attempts = 0, due_at = $2
             WHERE id = ANY ($1) AND state = 'dead' RETURNING id",
            self.table
        );
        let rows = self.tx.query(&sql, &[&ids, &micros(due)]).await?;
        changed(ids, &rows)
    }

    /// Forgets dead jobs that were buried before this real time, the oldest first and so many at the most. Says how many.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn prune(&self, before: Timestamp, most: u32) -> Result<u64, StorageError> {
        let table = self.table;
        let sql = format!(
            "DELETE FROM {table} WHERE id = ANY (ARRAY(
                 SELECT id FROM {table} WHERE state = 'dead' AND buried_at < $1
                 ORDER BY buried_at LIMIT $2 FOR UPDATE SKIP LOCKED))"
        );
        self.tx.execute(&sql, &[&micros(before), &i64::from(most)]).await
    }

    /// When there is something to claim, from this place on.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn next_due(&self, from: Position) -> Result<Due, StorageError> {
        let table = self.table;
        let sql = format!(
            "SELECT (SELECT due_at FROM {table} WHERE state = 'ready' AND (due_at, id) > ($1, $2)
                     ORDER BY due_at, id LIMIT 1),
                    (SELECT lease_until FROM {table} WHERE state = 'leased' AND lease_until >= $3
                     ORDER BY lease_until LIMIT 1)"
        );
        let Position { due, id, lease } = from;
        let row = self.tx.query_one(&sql, &[&due, &id, &lease]).await?;
        let (ready, lease): (Option<i64>, Option<i64>) = (get(&row, 0)?, get(&row, 1)?);
        Ok(Due { ready: ready.map(at).transpose()?, lease: lease.map(at).transpose()? })
    }

    /// How many jobs are in each state, dead ones by cause. Counts them all.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn tallies(&self) -> Result<Vec<Tally>, StorageError> {
        let sql = format!(
            "SELECT state, cause, count(*), min(enqueued_at), min(due_at) FROM {} GROUP BY state, cause
             ORDER BY state, cause NULLS FIRST",
            self.table
        );
        let rows = self.tx.query(&sql, &[]).await?;
        let tally = |row: &Row| {
            Ok(Tally {
                state: state(get(row, 0)?)?,
                cause: get(row, 1)?,
                count: u64::try_from(get::<i64>(row, 2)?).unwrap_or_default(),
                oldest: at(get(row, 3)?)?,
                first_due: at(get(row, 4)?)?,
            })
        };
        rows.iter().map(tally).collect()
    }

    /// How many jobs of a lane are ready or leased; counts up to `most`.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn open_in_lane(&self, lane: &str, most: u32) -> Result<u32, StorageError> {
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {} WHERE lane = $1 AND state <> 'dead' LIMIT $2) AS open",
            self.table
        );
        let row = self.tx.query_one(&sql, &[&lane, &i64::from(most)]).await?;
        Ok(u32::try_from(get::<i64>(&row, 0)?).unwrap_or(most))
    }

    /// Jobs in a state with numbers after this one, in the order of their numbers: at most [`CLAIM_MAX`].
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn list(&self, in_state: State, after: i64, most: u32) -> Result<Vec<Finding>, StorageError> {
        let sql =
            format!("SELECT {JOB}, state, cause FROM {} WHERE state = $1 AND id > $2 ORDER BY id LIMIT $3", self.table);
        let most = i64::from(most.min(CLAIM_MAX));
        let rows = self.tx.query(&sql, &[&in_state.as_str(), &after, &most]).await?;
        rows.iter().map(finding).collect()
    }

    /// One job, wherever it is in its life. None if it is completed, or pruned, or never was.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement fails.
    pub async fn find(&self, id: i64) -> Result<Option<Finding>, StorageError> {
        let sql = format!("SELECT {JOB}, state, cause FROM {} WHERE id = $1", self.table);
        self.tx.query_opt(&sql, &[&id]).await?.as_ref().map(finding).transpose()
    }
}

fn arrays<'a>(held: impl Iterator<Item = &'a Lease>) -> (Vec<i64>, Vec<i64>) {
    held.map(|lease| (lease.id, lease.token.number())).unzip()
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, StorageError> {
    Ok(row.try_get(column)?)
}

fn job(row: &Row, token: Token, rescued: bool) -> Result<Job, StorageError> {
    Ok(Job {
        lease: Lease { id: get(row, 0)?, token },
        lane: get(row, 1)?,
        payload: get(row, 2)?,
        due: at(get(row, 3)?)?,
        enqueued: at(get(row, 4)?)?,
        attempts: u32::try_from(get::<i32>(row, 5)?).unwrap_or_default(),
        rescued,
    })
}

fn finding(row: &Row) -> Result<Finding, StorageError> {
    Ok(Finding { job: job(row, Token::NONE, false)?, state: state(get(row, 6)?)?, cause: get(row, 7)? })
}

/// Those of which the statement changed no row.
fn lost<'a>(held: impl Iterator<Item = &'a Lease>, rows: &[Row]) -> Result<Lost, StorageError> {
    let kept = rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect::<Result<HashSet<_>, StorageError>>()?;
    Ok(Lost(held.filter(|lease| !kept.contains(&(lease.id, lease.token.number()))).copied().collect()))
}

/// Those of which it changed one.
fn changed(ids: &[i64], rows: &[Row]) -> Result<Vec<i64>, StorageError> {
    let changed = rows.iter().map(|row| get(row, 0)).collect::<Result<HashSet<i64>, StorageError>>()?;
    Ok(ids.iter().copied().filter(|id| changed.contains(id)).collect())
}
