//! Finding out what became of an intent.

mod matching;

use std::time::Duration;

use asaanbill_core::{BulkRequestId, Identifier, NewPayment, Psid};
use asaanbill_wire::PageRequest;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;

use self::matching::{is_it, match_rows};
use crate::error::{ClientError, ErrorKind};
use crate::intent::{Intent, IntentId, Rows, Wanted};
use crate::journal::{Closed, JournalError, Known};
use crate::ops::BulkAccepted;
use crate::sweep::{SWEEP_PAGE_SIZE, Sweeper};
use crate::trace::operation;
use crate::{Client, Payment};

/// How long after an intent was sent its request may still arrive, if nothing is said: the client's own sixty seconds, and
/// twice that for whatever stands between it and the hub to give up holding it.
pub const QUIESCENCE: Duration = Duration::from_secs(180);

/// How far the hub's clock may be behind this machine's, if nothing is said. The hub shows minutes.
pub const MARGIN: Duration = Duration::from_secs(15 * 60);

/// How long a resolution waits between two looks at first; it doubles.
pub const LOOK_FIRST: Duration = Duration::from_secs(2);

/// And at most.
pub const LOOK_MAX: Duration = Duration::from_secs(30);

/// The most pages of one PSID's records, or of the list of batches, that are read to find one.
pub const SEARCH_PAGES_MAX: usize = 100;

/// How many open intents are given at once.
pub const OPEN_INTENTS_MAX: usize = 1_000;

/// How long after its arrival a batch's payment may get its PSID, and so come to the head of the list. (assumed)
const ASSIGNMENT_MAX: SignedDuration = SignedDuration::from_hours(24);

/// How unknown outcomes are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvePolicy {
    pub(crate) quiescence: Duration,
    margin: Duration,
    look_first: Duration,
    look_max: Duration,
}

impl ResolvePolicy {
    /// How long after an intent was sent it may still arrive: only then an absence says something. [`QUIESCENCE`] if nothing
    /// is said; at least the retry policy's total. **Too short a window can bill twice**: it must be longer than whatever
    /// lies between this machine and the hub may hold a request.
    #[must_use]
    pub fn quiescence(mut self, window: Duration) -> Self {
        self.quiescence = window;
        self
    }

    /// How far the hub's clock may be behind. [`MARGIN`] if nothing is said.
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// How long to wait between two looks, at first and at most. [`LOOK_FIRST`] and [`LOOK_MAX`] if nothing is said.
    #[must_use]
    pub fn looks(mut self, first: Duration, max: Duration) -> Self {
        (self.look_first, self.look_max) = (first, max.max(first));
        self
    }

    /// Nothing that the hub accepted earlier can be the intent.
    fn cutoff(&self, intent: &Intent) -> Timestamp {
        let margin = SignedDuration::try_from(self.margin).unwrap_or(SignedDuration::MAX);
        // To the minute, as the hub shows it.
        let margin = margin.saturating_add(SignedDuration::from_mins(1));
        intent.sent_at.checked_sub(margin).unwrap_or(Timestamp::MIN)
    }
}

impl Default for ResolvePolicy {
    fn default() -> Self {
        Self { quiescence: QUIESCENCE, margin: MARGIN, look_first: LOOK_FIRST, look_max: LOOK_MAX }
    }
}

/// What became of an intent. It is closed in the journal: its identifiers take other payments again.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "one is made in minutes, and a box would be in the user's way")]
pub enum Resolution {
    /// The payment exists: here it is, as it stands.
    Added(Payment),
    /// The batch exists.
    AddedBulk(BulkAccepted),
    /// It doesn't exist, and nothing can arrive any more. Whether it is still wanted is the caller's to decide, who alone may
    /// add it again.
    NotFound,
    /// It exists several times: another program has added the same. A person should look.
    Duplicate(Vec<Payment>),
    /// The batch exists several times.
    DuplicateBulk(Vec<BulkRequestId>),
}

impl Client {
    /// Finds out whether what an intent wanted exists: in the hub's records, by the identifier's PSID if the journal knows
    /// it, else by sweeping the payments back to when it was sent; a batch by its rows. If it isn't there, that proves
    /// nothing yet: looks go on until the quiescence is over, and only then the answer is [`Resolution::NotFound`]. So this
    /// may take minutes.
    ///
    /// What is found is what has the intent's identifier, amounts and due date, was accepted since it was sent, and isn't
    /// known to be another.
    ///
    /// Cancellation: safe; the intent stays open until it is resolved.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the hub can't be asked, or [`ErrorKind::Journal`]: the intent stays open.
    pub async fn resolve(&self, intent: &Intent) -> Result<Resolution, ClientError> {
        let resolving = async {
            let policy = self.resolve_policy();
            let end = Instant::now() + self.remaining(intent);
            let mut wait = policy.look_first;
            loop {
                let last = Instant::now() >= end;
                if let Some(found) = self.look(intent).await? {
                    return self.resolved(intent, found).await;
                }
                if last {
                    return self.resolved(intent, Resolution::NotFound).await;
                }
                sleep_until(end.min(Instant::now() + wait)).await;
                wait = wait.saturating_mul(2).min(policy.look_max);
            }
        };
        resolving.instrument(operation!("resolve", intent = intent.id.get())).await
    }

    /// One look of [`resolve`](Self::resolve), without waiting: none means that it isn't there yet, which proves nothing,
    /// and the intent stays open.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn resolve_now(&self, intent: &Intent) -> Result<Option<Resolution>, ClientError> {
        let looking = async {
            let over = self.remaining(intent).is_zero();
            match self.look(intent).await? {
                Some(found) => self.resolved(intent, found).await.map(Some),
                None if over => self.resolved(intent, Resolution::NotFound).await.map(Some),
                None => Ok(None),
            }
        };
        looking.instrument(operation!("resolve_now", intent = intent.id.get())).await
    }

    /// The journal's intents whose outcome nobody knows, oldest first, after `after`, at most [`OPEN_INTENTS_MAX`] of them:
    /// those of programs that were killed, of futures that were dropped, of answers that were lost, and of requests that are
    /// under way right now. Each may be [resolved](Self::resolve).
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Journal`].
    pub async fn open_intents(&self, after: Option<IntentId>) -> Result<Vec<Intent>, ClientError> {
        self.journal().open(after, OPEN_INTENTS_MAX).await.map_err(unreadable)
    }

    /// How long it may still arrive. A clock that was set back gives it the whole window anew.
    fn remaining(&self, intent: &Intent) -> Duration {
        let window = self.resolve_policy().quiescence;
        let age = Duration::try_from(self.environment().now().duration_since(intent.sent_at)).unwrap_or_default();
        window.saturating_sub(age)
    }

    /// Closes the intent, if the journal has it as it is here.
    async fn resolved(&self, intent: &Intent, found: Resolution) -> Result<Resolution, ClientError> {
        let before = IntentId(intent.id.get().saturating_sub(1));
        let open = self.journal().open(Some(before), 1).await.map_err(unreadable)?;
        if open.first() == Some(intent) {
            self.journal().close(intent.id, found.to_closed()).await.map_err(unreadable)?;
        }
        tracing::info!(intent = intent.id.get(), outcome = found.name(), "an unknown outcome is resolved");
        Ok(found)
    }

    async fn look(&self, intent: &Intent) -> Result<Option<Resolution>, ClientError> {
        match &intent.wanted {
            Wanted::Add(new) => {
                let Some(identifier) = new.identifier() else { return Ok(None) };
                let mut found = self.look_for_payment(intent, new, identifier).await?;
                Ok(match found.len() {
                    0 => None,
                    1 => found.pop().map(Resolution::Added),
                    _ => Some(Resolution::Duplicate(found)),
                })
            }
            Wanted::AddBulk(rows) => {
                let mut found = self.look_for_batch(intent, rows).await?;
                Ok(match found.len() {
                    0 => None,
                    1 => found.pop().map(Resolution::AddedBulk),
                    _ => Some(Resolution::DuplicateBulk(found.into_iter().filter_map(|batch| batch.id).collect())),
                })
            }
        }
    }

    async fn look_for_payment(
        &self,
        intent: &Intent,
        new: &NewPayment,
        identifier: &Identifier,
    ) -> Result<Vec<Payment>, ClientError> {
        let cutoff = self.resolve_policy().cutoff(intent);
        let known = self.journal().known(identifier).await.map_err(unreadable)?;
        if let Some(psid) = known.and_then(|known| known.psid) {
            return self.matches_of(psid, intent, new, cutoff).await;
        }
        let mut found = Vec::new();
        let mut sweeper = Sweeper::new(self.clone(), SWEEP_PAGE_SIZE);
        while let Some(page) = sweeper.next_page().await? {
            let past = page.iter().any(|payment| changed_before(payment, cutoff));
            found.extend(page.into_iter().filter(|payment| is_it(payment, intent, new, cutoff)));
            match found.first().and_then(Payment::psid) {
                // One PSID has all of an identifier's payments: asked by it, none is missing.
                Some(psid) => return self.matches_of(psid, intent, new, cutoff).await,
                None if past => sweeper.skip_the_rest(),
                None => {}
            }
        }
        Ok(found)
    }

    async fn matches_of(
        &self,
        psid: Psid,
        intent: &Intent,
        new: &NewPayment,
        cutoff: Timestamp,
    ) -> Result<Vec<Payment>, ClientError> {
        let (mut found, mut page) = (Vec::new(), Some(PageRequest::default()));
        for _ in 0..SEARCH_PAGES_MAX {
            let Some(request) = page else { return Ok(found) };
            let read = self.search(psid, request).await?;
            page = request.next().filter(|_| !read.is_over());
            found.extend(read.items.into_iter().filter(|payment| is_it(payment, intent, new, cutoff)));
        }
        if found.is_empty() {
            return Err(ClientError::new(ErrorKind::Unreadable, "the PSID has too many records to look through"));
        }
        Ok(found)
    }

    /// Looks for the batch, and then for each of its rows in it.
    async fn look_for_batch(&self, intent: &Intent, rows: &Rows) -> Result<Vec<BulkAccepted>, ClientError> {
        let cutoff = self.resolve_policy().cutoff(intent);
        let (mut found, mut page) = (Vec::new(), Some(PageRequest::default()));
        for _ in 0..SEARCH_PAGES_MAX {
            let Some(request) = page else { return Ok(found) };
            let read = self.bulk_requests(request).await?;
            page = request.next().filter(|_| !read.is_over());
            for summary in read.items {
                // Batches come newest first, by their arrival, which is shown.
                if summary.created_at.is_some_and(|at| at < cutoff) {
                    return Ok(found);
                }
                let fits = summary
                    .payments
                    .is_none_or(|count| usize::try_from(count).is_ok_and(|count| (1..=rows.len()).contains(&count)));
                let Some(id) = summary.id.filter(|_| fits) else { continue };
                if self.journal().has_batch(id).await.map_err(unreadable)? {
                    continue;
                }
                let detail = self.bulk_request(id).await?;
                if let Some(rows) = match_rows(rows, &detail) {
                    found.push(BulkAccepted { id: Some(id), rows, warnings: Vec::new() });
                }
            }
        }
        if found.is_empty() {
            return Err(ClientError::new(
                ErrorKind::Unreadable,
                "there are too many batches since then to look through",
            ));
        }
        Ok(found)
    }
}

/// Whether the payment, and so all that follow it in the list, last changed before an instant. Only what is shown can say so:
/// when it was paid; or when an unpaid one came, if that is so long ago that it must have had its PSID by then.
fn changed_before(payment: &Payment, at: Timestamp) -> bool {
    use asaanbill_core::PaymentStatus::Approved;
    let approved = payment.status().and_then(|status| status.known()) == Some(Approved);
    let long_before = at.checked_sub(ASSIGNMENT_MAX).unwrap_or(Timestamp::MIN);
    payment.paid_at().is_some_and(|paid| paid < at)
        || (approved && payment.created_at().is_some_and(|created| created < long_before))
}

fn unreadable(error: JournalError) -> ClientError {
    ClientError::new(ErrorKind::Journal, "the journal failed; the intent stays open").caused(error)
}

impl Resolution {
    fn to_closed(&self) -> Closed {
        match self {
            Self::Added(payment) => Closed::Added(Known { psid: payment.psid(), payment: payment.id() }),
            Self::AddedBulk(batch) => batch.to_closed(),
            Self::NotFound => Closed::NotFound,
            Self::Duplicate(_) | Self::DuplicateBulk(_) => Closed::Duplicate,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Added(_) | Self::AddedBulk(_) => "added",
            Self::NotFound => "not found",
            Self::Duplicate(_) | Self::DuplicateBulk(_) => "duplicate",
        }
    }
}
