//! A call-back in the inbox, for whoever looks.

use jiff::Timestamp;

/// The most call-backs that are listed at once: an inbox keeps all that ever came.
pub const RECEIPTS_MAX: u32 = 1_000;

/// The path that a receipt of the sweep has, which no call-back comes to.
pub const SWEPT_PATH: &str = "(sweep)";

/// What became of a call-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ReceiptState {
    /// Acknowledged, and not yet confirmed.
    Received,
    /// The hub's records confirm it: its effect is handled, or will be.
    Confirmed,
    /// The hub's records confirm it, and an earlier call-back had the same effect.
    Duplicate,
    /// The hub's records show a payment of other amounts: held for a person to look at.
    Mismatch,
    /// The hub knows nothing of the kind: most likely forged.
    Rejected,
    /// The hub still doesn't show it as paid after all attempts.
    Unconfirmed,
    /// A person gave it up.
    GivenUp,
}

impl ReceiptState {
    /// All of them, in the order of an event's life.
    pub const ALL: [Self; 7] = [
        Self::Received,
        Self::Confirmed,
        Self::Duplicate,
        Self::Mismatch,
        Self::Rejected,
        Self::Unconfirmed,
        Self::GivenUp,
    ];

    /// In one word, as it is stored and counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Confirmed => "confirmed",
            Self::Duplicate => "duplicate",
            Self::Mismatch => "mismatch",
            Self::Rejected => "rejected",
            Self::Unconfirmed => "unconfirmed",
            Self::GivenUp => "given-up",
        }
    }

    /// The state of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether a person should look at it: money may be somewhere else than it is said to be.
    pub fn needs_a_person(self) -> bool {
        matches!(self, Self::Mismatch | Self::Unconfirmed)
    }
}

/// One call-back that was acknowledged, or one payment that the sweep found. Its body isn't shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Its number in the inbox.
    pub id: i64,
    /// The path it came to; [`SWEPT_PATH`] if the sweep found it.
    pub path: String,
    /// Whom it came from, as far as that is known.
    pub source: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
    /// What became of it.
    pub state: ReceiptState,
    /// When that was decided.
    pub resolved_at: Option<Timestamp>,
    /// How often it was looked into. A time when the hub couldn't be asked doesn't count.
    pub attempts: u32,
    /// How often the hub couldn't be asked.
    pub failures: u32,
}

/// One call-back with all that happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// The call-back.
    pub receipt: Receipt,
    /// What was decided when, oldest first: the latest few of many.
    pub steps: Vec<Step>,
    /// What it led to, if it was confirmed.
    pub effect: Option<EffectView>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What, in words.
    pub what: String,
}

/// What a confirmed call-back led to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EffectView {
    /// The effect's key.
    pub key: String,
    /// When the handler was done with it.
    pub handled_at: Option<Timestamp>,
    /// How often the handler was asked.
    pub attempts: u32,
    /// Why it was given up, if it was: `handler` after too many failures, `record` if the kept record can't be read, or a
    /// person's reason.
    pub dead: Option<String>,
}
