//! Call-backs that are owed, and what became of them.
//!
//! guide:call-6 guide:call-8

use asaanbill_core::ChannelId;
use asaanbill_storage::StorageError;
use asaanbill_storage::queue::{Claim, Due, Lease, NewJob, Queue};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::Script;
use super::book::Owed;
use super::tx::{Arg, Columns as _, Each, Given, Row, Tx, Type, id, senseless};

/// Deliveries that are to be attempted: each the number of a call-back and, if it isn't the call-back's own, a body.
pub(super) const OUTBOX: Queue = Queue::new("outbox");

/// The two times of a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The simulator's: everything that an integrator sees has it.
    pub(crate) now: Timestamp,
    /// The system's, for leases.
    pub(crate) real: Timestamp,
}

/// One delivery of a call-back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// How much later than it is owed.
    pub(crate) after: SignedDuration,
    /// What it is, in a word.
    pub(crate) kind: &'static str,
    /// In base64, if it isn't the call-back's own: what goes out on purpose may be no text.
    pub(crate) body: Option<String>,
    /// Whether it goes as soon as this channel's next call-back has gone.
    pub(crate) behind_next: Option<ChannelId>,
}

impl Delivery {
    pub(crate) const AT_ONCE: Self = Self { after: SignedDuration::ZERO, kind: GENUINE, body: None, behind_next: None };

    /// Waits for no other one.
    fn go_before(&mut self) {
        if self.behind_next.take().is_some() {
            self.after = SignedDuration::ZERO;
        }
    }

    fn job(self, callback: i64, now: Timestamp) -> NewJob {
        let Self { after, kind, body, behind_next } = self;
        NewJob {
            lane: behind_next.map(lane),
            payload: format!("{callback} {kind} {}", body.unwrap_or_default()),
            due: now.saturating_add(after).unwrap_or(now),
        }
    }
}

/// What is sent because it is owed.
const GENUINE: &str = "genuine";

/// What is sent because somebody asked for it.
const RESENT: &str = "resent";

/// Where deliveries wait for a channel's next one.
fn lane(channel: ChannelId) -> String {
    format!("behind the next of {channel}")
}

/// A delivery's payload: number, kind and body.
fn payload(text: &str) -> Option<(i64, &str, Option<Vec<u8>>)> {
    let mut parts = text.splitn(3, ' ');
    let (callback, kind, body) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let body = if body.is_empty() { None } else { Some(BASE64_STANDARD.decode(body).ok()?) };
    Some((callback, kind, body))
}

/// What is really sent for a call-back: decided by its number, so that a seed decides the same each time.
pub(crate) type Plan = dyn Fn(i64, &Owed) -> Vec<Delivery> + Send + Sync;

/// A call-back of a channel that wants any.
const INSERT: Each = Each {
    one: "INSERT INTO callbacks (channel, path, body, created_at)
          SELECT id, $1, $2, $3 FROM channels WHERE id = $4 AND callback_url IS NOT NULL RETURNING id, path, body, channel",
    all: "INSERT INTO callbacks (channel, path, body, created_at)
          SELECT id, path, body, created_at
          FROM UNNEST($1::TEXT[], $2::TEXT[], $3::BIGINT[], $4::BIGINT[]) WITH ORDINALITY
              AS u (path, body, created_at, channel, place) JOIN channels ON id = channel
          WHERE callback_url IS NOT NULL ORDER BY place RETURNING id, path, body, channel",
    given: Given::Columns(&[Type::Text, Type::Text, Type::Int, Type::Int]),
};

/// Writes down what is owed, and what is to be sent for it.
pub(super) async fn owe<T: Tx>(tx: &T, owed: &[Owed], moment: Moment, plan: &Plan) -> Result<(), StorageError> {
    if owed.is_empty() {
        return Ok(());
    }
    let rows = owed.iter().map(|Owed { channel, path, body }| -> Vec<Arg<'_>> {
        vec![Arg::Text(path), Arg::Text(body), moment.now.into(), i64::from(*channel).into()]
    });
    let rows: Vec<_> = rows.collect();
    let read =
        |row: &Row<'_>| Ok((row.int(0)?, row.text(1)?.to_owned(), row.text(2)?.to_owned(), id::<ChannelId>(row, 3)?));
    let mut jobs = Vec::new();
    for (callback, path, body, channel) in tx.query_each(&INSERT, &rows, read).await? {
        // Batches of two channels may have the same number.
        let same = |owed: &&Owed| owed.channel == channel && owed.path == path && owed.body == body;
        let owed = owed.iter().find(same).ok_or_else(|| senseless("a call-back that nobody is owed"))?;
        let mut deliveries = plan(callback, owed);
        if deliveries.iter().any(|delivery| delivery.behind_next.is_some()) {
            let lane = lane(owed.channel);
            // Who finds another one waiting is the next one that it waits for: the two swap places.
            if jobs.iter().any(|job: &NewJob| job.lane.as_ref() == Some(&lane)) || waits(tx, &lane).await? {
                deliveries.iter_mut().for_each(Delivery::go_before);
            }
        }
        jobs.extend(deliveries.into_iter().map(|delivery| delivery.job(callback, moment.now)));
    }
    tx.enqueue(&jobs, moment.real).await?;
    Ok(())
}

/// Whether a delivery waits in a lane.
async fn waits<T: Tx>(tx: &T, lane: &str) -> Result<bool, StorageError> {
    let select = "SELECT id FROM outbox WHERE lane = $1 AND state = 'ready' LIMIT 1";
    Ok(tx.query_one(select, &[lane.into()], |row| row.int(0)).await?.is_some())
}

/// A delivery that this program has claimed.
#[derive(Clone)]
pub(crate) struct Claimed {
    pub(crate) lease: Lease,
    pub(crate) callback: i64,
    pub(crate) channel: ChannelId,
    /// None if the channel wants no call-backs any more.
    pub(crate) url: Option<String>,
    pub(crate) path: String,
    /// What the delivery is, in a word.
    pub(crate) kind: String,
    pub(crate) body: Vec<u8>,
    /// Which attempt of this delivery it is, from 1.
    pub(crate) attempt: u32,
}

/// Claims deliveries that are due.
pub(crate) struct ClaimDeliveries(pub(crate) Claim);

impl Script for ClaimDeliveries {
    type Answer = Vec<Claimed>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Vec<Claimed>, StorageError> {
        let mut claimed = Vec::new();
        for job in tx.claim(&self.0).await? {
            let (callback, kind, body) =
                payload(&job.payload).ok_or_else(|| senseless("a delivery with another payload"))?;
            let select =
                "SELECT channel, callback_url, path, body FROM callbacks JOIN channels ON channels.id = channel
                          WHERE callbacks.id = $1";
            let read = |row: &Row<'_>| {
                Ok(Claimed {
                    lease: job.lease,
                    callback,
                    channel: id(row, 0)?,
                    url: row.text_or_null(1)?.map(str::to_owned),
                    path: row.text(2)?.to_owned(),
                    kind: kind.to_owned(),
                    body: body.clone().map_or_else(|| row.text(3).map(|own| own.as_bytes().to_vec()), Ok)?,
                    attempt: job.attempts,
                })
            };
            // A call-back that was reset away leaves a delivery of nothing.
            match tx.query_one(select, &[callback.into()], read).await? {
                Some(found) => claimed.push(found),
                None => {
                    tx.complete(job.lease).await?;
                }
            }
        }
        Ok(claimed)
    }
}

/// Notes an attempt and its outcome, and when the delivery is to be attempted again, if it is. Says false if the lease was
/// lost: then somebody else does all that.
pub(crate) struct Attempted {
    pub(crate) lease: Lease,
    pub(crate) callback: i64,
    pub(crate) kind: String,
    pub(crate) at: Timestamp,
    /// None if it was acknowledged.
    pub(crate) failure: Option<String>,
    pub(crate) again: Option<Timestamp>,
    /// The channel whose held back deliveries go now.
    pub(crate) let_go: Option<ChannelId>,
}

impl Script for Attempted {
    type Answer = bool;

    async fn run<T: Tx>(&self, tx: &T) -> Result<bool, StorageError> {
        let held = match self.again {
            Some(again) => tx.retry(self.lease, again).await?,
            None => tx.complete(self.lease).await?,
        };
        if held {
            let insert = "INSERT INTO attempts (callback, kind, at, failure) VALUES ($1, $2, $3, $4)";
            let kind = self.kind.as_str().into();
            tx.execute(insert, &[self.callback.into(), kind, self.at.into(), self.failure.as_deref().into()]).await?;
            if let Some(channel) = self.let_go {
                let go = "UPDATE outbox SET due_at = $1, lane = NULL WHERE lane = $2 AND state = 'ready'";
                tx.execute(go, &[self.at.into(), lane(channel).as_str().into()]).await?;
            }
        }
        Ok(held)
    }
}

/// When there is something to send.
pub(crate) struct NextDelivery;

impl Script for NextDelivery {
    type Answer = Due;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Due, StorageError> {
        tx.next_due().await
    }
}

/// One attempt to call an integrator back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttemptRow {
    pub(crate) callback: i64,
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) at: Timestamp,
    pub(crate) failure: Option<String>,
}

/// The newest attempts, oldest first.
pub(crate) struct Attempts {
    pub(crate) limit: u32,
}

impl Script for Attempts {
    type Answer = Vec<AttemptRow>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Vec<AttemptRow>, StorageError> {
        let select = "SELECT callback, path, kind, at, failure FROM attempts JOIN callbacks ON callbacks.id = callback
                      ORDER BY attempts.id DESC LIMIT $1";
        let read = |row: &Row<'_>| {
            Ok(AttemptRow {
                callback: row.int(0)?,
                path: row.text(1)?.to_owned(),
                kind: row.text(2)?.to_owned(),
                at: row.time(3)?,
                failure: row.text_or_null(4)?.map(str::to_owned),
            })
        };
        let mut found = tx.query(select, &[self.limit.into()], read).await?;
        found.reverse();
        Ok(found)
    }
}

/// A call-back with its attempts.
#[derive(Clone, Debug)]
pub(crate) struct CallbackRow {
    pub(crate) id: i64,
    pub(crate) channel: ChannelId,
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) created_at: Timestamp,
    /// The newest of them, oldest first.
    pub(crate) attempts: Vec<AttemptRow>,
    /// How many there were.
    pub(crate) attempts_total: u64,
}

/// How many attempts of one call-back are shown: it may be sent again a thousand times.
const ATTEMPTS_SHOWN_MAX: i64 = 100;

/// The call-backs after a number, oldest first; the newest ones if there is none.
pub(crate) struct Callbacks {
    pub(crate) after: Option<i64>,
    pub(crate) limit: u32,
}

impl Script for Callbacks {
    type Answer = Vec<CallbackRow>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Vec<CallbackRow>, StorageError> {
        let read = |row: &Row<'_>| {
            Ok(CallbackRow {
                id: row.int(0)?,
                channel: id(row, 1)?,
                path: row.text(2)?.to_owned(),
                body: row.text(3)?.to_owned(),
                created_at: row.time(4)?,
                attempts: Vec::new(),
                attempts_total: 0,
            })
        };
        let mut found = match self.after {
            Some(after) => {
                let select =
                    "SELECT id, channel, path, body, created_at FROM callbacks WHERE id > $1 ORDER BY id LIMIT $2";
                tx.query(select, &[after.into(), self.limit.into()], read).await?
            }
            None => {
                let select = "SELECT id, channel, path, body, created_at FROM callbacks ORDER BY id DESC LIMIT $1";
                let mut newest = tx.query(select, &[self.limit.into()], read).await?;
                newest.reverse();
                newest
            }
        };
        for callback in &mut found {
            let select = "SELECT kind, at, failure FROM attempts WHERE callback = $1 ORDER BY id DESC LIMIT $2";
            let read = |row: &Row<'_>| {
                Ok(AttemptRow {
                    callback: callback.id,
                    path: callback.path.clone(),
                    kind: row.text(0)?.to_owned(),
                    at: row.time(1)?,
                    failure: row.text_or_null(2)?.map(str::to_owned),
                })
            };
            callback.attempts = tx.query(select, &[callback.id.into(), ATTEMPTS_SHOWN_MAX.into()], read).await?;
            callback.attempts.reverse();
            let count = "SELECT COUNT(*) FROM attempts WHERE callback = $1";
            let count = tx.query_one(count, &[callback.id.into()], |row| row.count(0)).await?;
            callback.attempts_total = count.unwrap_or_default();
        }
        Ok(found)
    }
}

/// Sends a call-back again, so many times, perhaps with another body. Says false if there is no such call-back.
pub(crate) struct Resend {
    pub(crate) callback: i64,
    pub(crate) body: Option<String>,
    pub(crate) times: u32,
    pub(crate) moment: Moment,
}

impl Script for Resend {
    type Answer = bool;

    async fn run<T: Tx>(&self, tx: &T) -> Result<bool, StorageError> {
        let found = "SELECT id FROM callbacks WHERE id = $1";
        if tx.query_one(found, &[self.callback.into()], |row| row.int(0)).await?.is_none() {
            return Ok(false);
        }
        let body = self.body.as_ref().map(|body| BASE64_STANDARD.encode(body));
        let delivery = Delivery { kind: RESENT, body, ..Delivery::AT_ONCE };
        let jobs = (0..self.times).map(|_| delivery.clone().job(self.callback, self.moment.now));
        let jobs: Vec<_> = jobs.collect();
        tx.enqueue(&jobs, self.moment.real).await?;
        Ok(true)
    }
}
