//! The journal of requests: what came in, what went out, and what befell it in between.
//!
//! Every request is noted that isn't for the simulator's own pages, also one to an unknown path. An entry is made when the
//! answer is ready to leave, so whoever has an answer finds its entry. What is secret never gets into an entry: tokens and
//! passwords are left out while it is written. What is kept is bounded, oldest dropped first, and what is missing shows.
//!
//! Entries hold payers' data, as bodies do, so `Debug` shows none of those.

mod redact;

mod record;

mod entries;

mod matcher;

mod expect;

pub use entries::{Journal, JournalLimits};
pub use expect::{Expectation, Unmet};
pub use matcher::RequestMatcher;
pub use record::{RecordedBody, RequestId, RequestOutcome, RequestRecord};

pub(crate) use entries::{PAGE_DEFAULT, PAGE_MAX, Page, Wanted, WantedOutcome};
pub(crate) use record::Draft;
