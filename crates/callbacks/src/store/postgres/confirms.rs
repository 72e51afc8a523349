//! Receipts: claimed, and settled by what the hub's records say.

use std::collections::{HashMap, HashSet};

use asaanbill_storage::queue::{Claim, Job, Lease};
use asaanbill_storage::tokio_postgres::Row;
use asaanbill_storage::{PostgresTransaction, StorageError};
use jiff::Timestamp;

use super::super::{Again, CONFIRMS, Decision, HANDLINGS, LOG_MAX, Open, Settled, What, handling_job, log_line};
use super::row::{count, get};
use crate::event::Effect;
use crate::receipt::ReceiptState;

pub(super) async fn claim_receipts(
    tx: &PostgresTransaction,
    claim: &Claim,
) -> Result<(Vec<Job>, Vec<Open>), StorageError> {
    let jobs = CONFIRMS.postgres(tx).claim(claim).await?;
    let leases: HashMap<i64, Lease> =
        jobs.iter().filter_map(|job| Some((job.payload.parse().ok()?, job.lease))).collect();
    if leases.is_empty() {
        return Ok((jobs, Vec::new()));
    }
    let ids: Vec<_> = leases.keys().copied().collect();
    let sql = "SELECT id, path, body, source, attempts, unknowns, failures FROM receipts WHERE id = ANY ($1)
               ORDER BY id";
    let rows = tx.query(sql, &[&ids]).await?;
    let open = |row: &Row| {
        let id = get(row, 0)?;
        Ok(Open {
            lease: leases[&id],
            id,
            path: get(row, 1)?,
            body: get(row, 2)?,
            source: get(row, 3)?,
            attempts: count(row, 4)?,
            unknowns: count(row, 5)?,
            failures: count(row, 6)?,
        })
    };
    let opens = rows.iter().map(open).collect::<Result<_, StorageError>>()?;
    Ok((jobs, opens))
}

pub(super) async fn settle(
    tx: &PostgresTransaction,
    decisions: &[Decision],
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<Settled>, StorageError> {
    let queue = CONFIRMS.postgres(tx);
    let leases: Vec<_> = decisions.iter().map(|decision| decision.lease).collect();
    let lost = queue.hold(&leases).await?;
    let held: Vec<_> = decisions.iter().filter(|decision| !lost.contains(decision.lease)).collect();

    let assigned = assign(tx, &held, now).await?;
    let (mut closed, mut again, mut taken) = (Vec::new(), Vec::new(), Vec::new());
    for decision in &held {
        match &decision.what {
            What::Effects(_) if assigned.contains_key(&decision.receipt) => {
                closed.push((*decision, ReceiptState::Confirmed));
            }
            What::Effects(_) => taken.push(decision.lease),
            What::Close(state) => closed.push((*decision, *state)),
            What::Again(why, due) => again.push((*decision, *why, *due)),
        }
    }
    close(tx, &closed, now).await?;
    note_again(tx, &again, now).await?;
    if !taken.is_empty() {
        // More is asked about them.
        drop(queue.heartbeat(&taken, until).await?);
    }
    if !assigned.is_empty() {
        let jobs: Vec<_> = assigned.values().map(|effect| handling_job(*effect, now)).collect();
        HANDLINGS.postgres(tx).enqueue(&jobs, now).await?;
    }
    let settled = |decision: &Decision| match &decision.what {
        _ if lost.contains(decision.lease) => Settled::Lost,
        What::Effects(_) if !assigned.contains_key(&decision.receipt) => Settled::Taken,
        _ => Settled::Done,
    };
    Ok(decisions.iter().map(settled).collect())
}

/// Gives each receipt the first of its effects that no other one has.
async fn assign(
    tx: &PostgresTransaction,
    held: &[&Decision],
    now: Timestamp,
) -> Result<HashMap<i64, Effect>, StorageError> {
    let mut wishes: Vec<(i64, &[(Effect, String)])> = Vec::new();
    for decision in held {
        if let What::Effects(effects) = &decision.what {
            wishes.push((decision.receipt, effects));
        }
    }
    let mut assigned = HashMap::new();
    // Mostly the first wish is free. Which others aren't is asked only if it wasn't.
    let (mut taken, mut asked) = (HashSet::new(), false);
    while !wishes.is_empty() {
        let (mut receipts, mut keys, mut records, mut chosen) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (receipt, effects) in &wishes {
            if let Some((effect, record)) = effects.iter().find(|(effect, _)| !taken.contains(&effect.key())) {
                taken.insert(effect.key());
                receipts.push(*receipt);
                keys.push(effect.key());
                records.push(record.as_str());
                chosen.push(*effect);
            }
        }
        if keys.is_empty() {
            break;
        }
        let rows = tx
            .query(
                "INSERT INTO effects (key, receipt, record, confirmed_at)
                 SELECT key, receipt, record, $4 FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::TEXT[])
                 AS new (key, receipt, record) ORDER BY key ON CONFLICT DO NOTHING RETURNING receipt",
                &[&keys, &receipts, &records, &now.as_microsecond()],
            )
            .await?;
        let inserted: HashSet<i64> = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
        assigned.extend(receipts.iter().zip(chosen).filter(|(id, _)| inserted.contains(id)).map(|(id, e)| (*id, e)));
        // Some are another receipt's: those that wished for them may have another choice.
        wishes.retain(|(receipt, _)| receipts.contains(receipt) && !inserted.contains(receipt));
        if !wishes.is_empty() && !asked {
            let keys =
                |effects: &[(Effect, String)]| effects.iter().map(|(effect, _)| effect.key()).collect::<Vec<_>>();
            let all: Vec<String> = wishes.iter().flat_map(|(_, effects)| keys(effects)).collect();
            taken.extend(known(tx, &all).await?);
            asked = true;
        }
    }
    Ok(assigned)
}

/// Which of these keys there are.
pub(super) async fn known(tx: &PostgresTransaction, keys: &[String]) -> Result<HashSet<String>, StorageError> {
    let rows = tx.query("SELECT key FROM effects WHERE key = ANY ($1)", &[&keys]).await?;
    rows.iter().map(|row| get(row, 0)).collect()
}

async fn close(
    tx: &PostgresTransaction,
    closed: &[(&Decision, ReceiptState)],
    now: Timestamp,
) -> Result<(), StorageError> {
    if closed.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = closed.iter().map(|(decision, _)| decision.receipt).collect();
    let states: Vec<_> = closed.iter().map(|(_, state)| state.as_str()).collect();
    let leases: Vec<_> = closed.iter().map(|(decision, _)| decision.lease).collect();
    let sql = "UPDATE receipts SET state = new.state, resolved_at = $3, attempts = attempts + 1
               FROM UNNEST($1::BIGINT[], $2::TEXT[]) AS new (id, state) WHERE receipts.id = new.id";
    tx.execute(sql, &[&ids, &states, &now.as_microsecond()]).await?;
    drop(CONFIRMS.postgres(tx).complete(&leases).await?);
    Ok(())
}

async fn note_again(
    tx: &PostgresTransaction,
    again: &[(&Decision, Again, Timestamp)],
    now: Timestamp,
) -> Result<(), StorageError> {
    if again.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = again.iter().map(|(decision, ..)| decision.receipt).collect();
    let attempts: Vec<_> = again.iter().map(|(_, why, _)| why.counts().0).collect();
    let unknowns: Vec<_> = again.iter().map(|(_, why, _)| why.counts().1).collect();
    let failures: Vec<_> = again.iter().map(|(_, why, _)| why.counts().2).collect();
    let lines: Vec<_> = again.iter().map(|(_, why, _)| log_line(now, why.words())).collect();
    let log_max = i32::try_from(LOG_MAX).unwrap_or(i32::MAX);
    let sql = "UPDATE receipts SET attempts = receipts.attempts + new.attempts,
                   unknowns = receipts.unknowns + new.unknowns, failures = receipts.failures + new.failures,
                   log = right(receipts.log || new.line, $6)
               FROM UNNEST($1::BIGINT[], $2::INTEGER[], $3::INTEGER[], $4::INTEGER[], $5::TEXT[])
               AS new (id, attempts, unknowns, failures, line) WHERE receipts.id = new.id";
    tx.execute(sql, &[&ids, &attempts, &unknowns, &failures, &lines, &log_max]).await?;
    let due: Vec<_> = again.iter().map(|(decision, _, due)| (decision.lease, *due)).collect();
    drop(CONFIRMS.postgres(tx).retry(&due).await?);
    Ok(())
}
