//! What is stuck, and why.

use asaanbill_storage::queue::State;
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use crate::core::Core;
use crate::receipt::ReceiptState;
use crate::store::Counts;

/// How long a receipt may wait for the hub's word before it is said to be late. The schedule's first hour is usual after an
/// outage.
const CONFIRM_LATE: SignedDuration = SignedDuration::from_hours(1);

/// How long an event may wait for its handler before it is said to be late.
const HANDLE_LATE: SignedDuration = SignedDuration::from_mins(10);

/// What is stuck in a receiver. Nothing, if it is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// What is stuck, the worst first.
    pub stuck: Vec<Stuck>,
}

/// One thing that is stuck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stuck {
    /// What it is.
    pub what: StuckKind,
    /// How many receipts or events it is about, if it is about some.
    pub count: Option<u64>,
    /// Since when.
    #[serde(serialize_with = "as_text")]
    pub since: Option<Timestamp>,
    /// What to do about it.
    pub advice: &'static str,
}

/// What can be stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StuckKind {
    /// The inbox can't be read or written, as on a full disk: nothing is acknowledged.
    Store,
    /// The inbox is as full as it may be: nothing is acknowledged.
    Full,
    /// The hub can't be asked.
    Hub,
    /// Receipts have waited long for the hub's word.
    Confirming,
    /// Events have waited long for the handler.
    Handling,
    /// Events that were given up.
    Dead,
    /// Call-backs with other amounts than the hub's records.
    Mismatch,
    /// Call-backs that the hub's records never confirmed.
    Unconfirmed,
}

impl StuckKind {
    fn advice(self) -> &'static str {
        match self {
            Self::Store => {
                "bring the database or the disk back; the hub's call-backs are lost meanwhile, the sweep finds them"
            }
            Self::Full => "find out who floods the receiver, or why nothing is confirmed; then raise the limit",
            Self::Hub => "look at the network, the credentials and the hub; everything waits and nothing is lost",
            Self::Confirming => "the hub doesn't show as paid what was announced: forged, or the hub is behind",
            Self::Handling => "look at the handler's errors in the log; events are handed over again by themselves",
            Self::Dead => "mend the handler, then re-drive them",
            Self::Mismatch => "compare the receipt with the hub's record; re-drive or give up",
            Self::Unconfirmed => "ask the hub about the payment; re-drive or give up",
        }
    }
}

impl Health {
    /// Whether nothing is stuck.
    pub fn is_well(&self) -> bool {
        self.stuck.is_empty()
    }

    pub(crate) async fn of(core: &Core) -> Self {
        let counts = match core.store.counts().await {
            Ok(counts) => counts,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the inbox failed");
                return Self { stuck: vec![stuck(StuckKind::Store, None, None)] };
            }
        };
        let failing = [core.storing.since(), core.asking.since()];
        Self::by(&counts, failing, core.limits.unresolved, core.now())
    }

    fn by(counts: &Counts, failing: [Option<Timestamp>; 2], unresolved_max: u64, now: Timestamp) -> Self {
        let [storing, asking] = failing;
        let of_state = |state| counts.receipts.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count);
        let mut all = Vec::new();
        if storing.is_some() {
            all.push(stuck(StuckKind::Store, None, storing));
        }
        let unresolved = of_state(ReceiptState::Received);
        if unresolved >= unresolved_max {
            all.push(stuck(StuckKind::Full, Some(unresolved), None));
        }
        if asking.is_some() {
            all.push(stuck(StuckKind::Hub, None, asking));
        }
        let queues = [
            (StuckKind::Confirming, &counts.confirms, CONFIRM_LATE),
            (StuckKind::Handling, &counts.handlings, HANDLE_LATE),
        ];
        for (kind, tallies, late) in queues {
            let open: Vec<_> = tallies.iter().filter(|tally| tally.state != State::Dead).collect();
            let oldest = open.iter().map(|tally| tally.oldest).min();
            if oldest.is_some_and(|oldest| now.duration_since(oldest) > late) {
                all.push(stuck(kind, Some(open.iter().map(|tally| tally.count).sum()), oldest));
            }
        }
        let dead: Vec<_> = counts.handlings.iter().filter(|tally| tally.state == State::Dead).collect();
        if !dead.is_empty() {
            let count = dead.iter().map(|tally| tally.count).sum();
            all.push(stuck(StuckKind::Dead, Some(count), dead.iter().map(|tally| tally.oldest).min()));
        }
        for (kind, state) in
            [(StuckKind::Mismatch, ReceiptState::Mismatch), (StuckKind::Unconfirmed, ReceiptState::Unconfirmed)]
        {
            match of_state(state) {
                0 => {}
                count => all.push(stuck(kind, Some(count), None)),
            }
        }
        Self { stuck: all }
    }
}

fn stuck(what: StuckKind, count: Option<u64>, since: Option<Timestamp>) -> Stuck {
    Stuck { what, count, since, advice: what.advice() }
}

fn as_text<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}
