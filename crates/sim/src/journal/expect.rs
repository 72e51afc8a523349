//! Assertions that wait.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::entries::Journal;
use super::matcher::RequestMatcher;
use super::record::RequestRecord;

/// What a test expects of the requests. Those count that the journal has already, and those that come in time.
#[derive(Clone, Debug)]
#[must_use = "nothing is expected before `within`"]
pub struct Expectation {
    journal: Journal,
    matcher: RequestMatcher,
    count: Count,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    AtLeast(usize),
    Exactly(usize),
    Never,
}

/// How many requests without a match the message shows, nearest first.
const MISSES_SHOWN: usize = 3;

impl Expectation {
    pub(crate) fn new(journal: Journal, matcher: RequestMatcher) -> Self {
        Self { journal, matcher, count: Count::AtLeast(1) }
    }

    /// At least so many of them. If nothing is said, one.
    pub fn at_least(mut self, count: usize) -> Self {
        self.count = Count::AtLeast(count);
        self
    }

    /// So many of them: met as soon as they are there, and failed if there are more by then. That no more come later
    /// isn't waited for: [`never`](Self::never) with [`after`](RequestMatcher::after) is.
    pub fn times(mut self, count: usize) -> Self {
        self.count = Count::Exactly(count);
        self
    }

    /// None of them, in all that time.
    pub fn never(mut self) -> Self {
        self.count = Count::Never;
        self
    }

    /// Waits until the expectation is met, at most this long, on tokio's clock. `never` always takes all of it.
    ///
    /// The requests that were meant come back, in the order in which they ended.
    ///
    /// Cancellation: nothing has happened.
    ///
    /// # Errors
    ///
    /// [`Unmet`], which tells what was expected, what came, and the nearest miss.
    pub async fn within(self, patience: Duration) -> Result<Vec<RequestRecord>, Unmet> {
        let deadline = Instant::now() + patience;
        loop {
            let mut noted = pin!(self.journal.noted().notified());
            // Before looking, so that nothing falls between looking and waiting.
            noted.as_mut().enable();
            let found: Vec<_> =
                self.journal.requests().into_iter().filter(|request| self.matcher.matches(request)).collect();
            let late = Instant::now() >= deadline;
            match self.count {
                Count::AtLeast(count) if found.len() >= count => return Ok(found),
                Count::Exactly(count) if found.len() == count => return Ok(found),
                Count::Exactly(count) if found.len() > count => return Err(self.unmet(found.len(), patience)),
                Count::Never if !found.is_empty() => return Err(self.unmet(found.len(), patience)),
                Count::Never if late => return Ok(found),
                _ if late => return Err(self.unmet(found.len(), patience)),
                _ => {}
            }
            // Late or not, the journal is looked at once more.
            let _ = timeout_at(deadline, noted).await;
        }
    }

    fn unmet(&self, found: usize, patience: Duration) -> Unmet {
        let expected = match self.count {
            Count::AtLeast(count) => format!("at least {count}"),
            Count::Exactly(count) => format!("{count}"),
            Count::Never => "none".to_owned(),
        };
        let all = self.journal.requests();
        let mut text = format!("expected within {patience:?}: {expected} of [{}]; there were {found}", self.matcher);
        let mut show = |label: &str, request: &RequestRecord, differences: &[String]| {
            let line = format!("\n  {label}: #{} {} {}", request.id(), request.method(), request.address());
            text += &line;
            text += &format!(" -> {}", request.outcome());
            if let Some(fault) = request.fault() {
                text += &format!(" (fault {fault})");
            }
            for difference in differences {
                text += "\n    ";
                text += difference;
            }
        };
        let too_many = match self.count {
            Count::AtLeast(_) => false,
            Count::Exactly(count) => found > count,
            Count::Never => true,
        };
        if too_many {
            all.iter().filter(|request| self.matcher.matches(request)).take(MISSES_SHOWN).for_each(|request| {
                show("found", request, &[]);
            });
        } else {
            let mut misses: Vec<_> = all.iter().filter(|request| !self.matcher.matches(request)).collect();
            // Of those that are as near, the newest first.
            misses.sort_by_key(|request| (self.matcher.nearness(request), request.position()));
            for (place, request) in misses.iter().rev().take(MISSES_SHOWN).enumerate() {
                let label = if place == 0 { "nearest miss" } else { "next" };
                show(label, request, &self.matcher.differences(request));
            }
        }
        text += &format!("\n  requests in the journal: {}", all.len());
        let dropped = self.journal.dropped();
        if dropped > 0 {
            text += &format!("; {dropped} older ones are no longer there");
        }
        Unmet(text)
    }
}

/// An expectation that wasn't met. `Debug`, which a failing test shows, is the message.
#[derive(Clone, PartialEq, Eq)]
pub struct Unmet(String);

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unmet {}
