//! The queue: one contract, on both engines.

mod contract;

mod sqlite;

#[cfg(feature = "postgres-tests")]
mod postgres;

#[cfg(feature = "postgres-tests")]
mod snapshot;

use asaanbill_storage::queue::{Claim, Clocks, Due, Finding, Job, Lease, Lost, NewJob, Queue, State, Tally, Token};
use jiff::{SignedDuration, Timestamp};

/// The queue of these tests.
const JOBS: Queue = Queue::new("jobs");

const START: Timestamp = Timestamp::constant(1_753_900_000, 0);

const LEASE: SignedDuration = SignedDuration::from_secs(30);

/// A queue on one of the engines, each operation in a transaction of its own.
trait Store: Clone + Send + Sync + 'static {
    fn enqueue(&self, jobs: Vec<NewJob>, now: Timestamp) -> impl Future<Output = Vec<i64>> + Send;
    fn claim(&self, claim: Claim) -> impl Future<Output = Vec<Job>> + Send;
    fn hold(&self, held: Vec<Lease>) -> impl Future<Output = Lost> + Send;
    fn heartbeat(&self, held: Vec<Lease>, until: Timestamp) -> impl Future<Output = Lost> + Send;
    fn complete(&self, held: Vec<Lease>) -> impl Future<Output = Lost> + Send;
    fn retry(&self, held: Vec<(Lease, Timestamp)>) -> impl Future<Output = Lost> + Send;
    fn bury(&self, held: Vec<(Lease, &'static str)>, now: Timestamp) -> impl Future<Output = Lost> + Send;
    fn give_up(&self, ids: Vec<i64>, cause: &'static str, now: Timestamp) -> impl Future<Output = Vec<i64>> + Send;
    fn revive(&self, ids: Vec<i64>, due: Timestamp) -> impl Future<Output = Vec<i64>> + Send;
    fn prune(&self, before: Timestamp, most: u32) -> impl Future<Output = u64> + Send;
    fn next_due(&self) -> impl Future<Output = Due> + Send;
    fn tallies(&self) -> impl Future<Output = Vec<Tally>> + Send;
    fn open_in_lane(&self, lane: &'static str, most: u32) -> impl Future<Output = u32> + Send;
    fn list(&self, state: State, after: i64, most: u32) -> impl Future<Output = Vec<Finding>> + Send;
    fn find(&self, id: i64) -> impl Future<Output = Option<Finding>> + Send;
    /// Enqueues one job and completes another in a transaction that is then undone.
    fn undone(&self, job: NewJob, held: Lease) -> impl Future<Output = ()> + Send;
    /// Whether a job was refused.
    fn refuses(&self, job: NewJob) -> impl Future<Output = bool> + Send;
}

fn at(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

fn job(payload: &str, due: i64) -> NewJob {
    NewJob { lane: None, payload: payload.to_owned(), due: at(due) }
}

fn in_lane(lane: &str, payload: &str) -> NewJob {
    NewJob { lane: Some(lane.to_owned()), ..job(payload, 0) }
}

/// A claim when both clocks say the same.
fn claim(most: u32, seconds: i64) -> Claim {
    claim_at(most, seconds, seconds)
}

fn claim_at(most: u32, due: i64, now: i64) -> Claim {
    Claim::new(most, Token::random().unwrap(), Clocks { due: at(due), now: at(now) }, LEASE)
}

fn payloads(jobs: &[Job]) -> String {
    jobs.iter().map(|job| job.payload.as_str()).collect::<Vec<_>>().join(" ")
}

fn leases(jobs: &[Job]) -> Vec<Lease> {
    jobs.iter().map(|job| job.lease).collect()
}
