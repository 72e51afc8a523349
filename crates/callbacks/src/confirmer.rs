//! Confirms what came: claims receipts, asks the hub, and settles them by what its records say.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use asaanbill_core::ChannelId;
use asaanbill_storage::queue::Lease;
use asaanbill_wire::PageRequest;
use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::SignedDuration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::asking::{Breaker, Pace};
use crate::confirm::{About, Claim, Seen, Verdict, effect_of, read};
use crate::core::{Core, HEARTBEAT, caught, pause};
use crate::event::Effect;
use crate::hub::HubError;
use crate::metrics::Event;
use crate::receipt::ReceiptState;
use crate::record::{BulkRecord, RecordPage};
use crate::store::{Again, Decision, Open, Settled, What, Which};

/// How long to wait before the hub is asked again about a payment that it doesn't show as paid, in seconds, if
/// [nothing else is said](crate::ReceiverBuilder::confirm_schedule); then it is [`ReceiptState::Unconfirmed`]. The sum is somewhat
/// over a day.
pub const CONFIRM_DELAYS_SECONDS: [u32; 12] = [1, 2, 5, 15, 60, 300, 900, 3_600, 7_200, 14_400, 28_800, 43_200];

/// How often the hub is asked about something that it knows nothing of; then it is [`ReceiptState::Rejected`].
pub const CONFIRM_ATTEMPTS_UNKNOWN: u32 = 3;

/// How long to wait when the hub can't be asked, at most.
const RETRY_DELAY_MAX_SECONDS: u32 = 60;

/// How many of a PSID's records are read at once, newest first. A genuine call-back is about one of the newest.
const PAGE_SIZE: u32 = 1_000;

/// The most pages of one PSID's records that are read: 100,000 payments of one template.
const PAGES_MAX: u32 = 100;

/// How many receipts are claimed at once, which bounds what is in memory. Those about the same are asked for once.
const CLAIM_AT_ONCE: usize = 256;

/// How long one question to the hub may take. A client has timeouts of its own; one without mustn't stop the others.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);

/// One question, and the receipts that wait for its answer.
struct Inquiry {
    about: About,
    page: PageRequest,
    looking: Vec<Looking>,
}

struct Looking {
    open: Open,
    claim: Claim,
    seen: Seen,
}

/// What the hub says.
enum Answer {
    Page(ChannelId, RecordPage),
    Bulk(ChannelId, Option<BulkRecord>),
}

/// A receipt that is about to be settled, and what follows if its effects are taken.
struct Pending {
    about: About,
    next: Option<PageRequest>,
    looking: Looking,
    what: What,
}

pub(crate) struct Confirmer {
    core: Arc<Core>,
    pace: Pace,
    breaker: Breaker,
    waiting: VecDeque<Inquiry>,
    /// The newest lease of each receipt that is in work here.
    held: HashMap<i64, Lease>,
}

impl Confirmer {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        let pace = Pace::new(core.limits.lookups_per_second);
        Self { core, pace, breaker: Breaker::default(), waiting: VecDeque::new(), held: HashMap::new() }
    }

    /// Works until it is dropped, or drained: then it finishes the questions that are under way.
    pub(crate) async fn run(mut self) {
        let core = Arc::clone(&self.core);
        let pace = std::mem::replace(&mut self.pace, Pace::new(None));
        let mut draining = core.draining.subscribe();
        let mut asking = FuturesUnordered::new();
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look_at = Instant::now();
        loop {
            let most = core.limits.lookups_at_once;
            // Whoever drains asks nothing more.
            let room = if core.is_draining() { 0 } else { self.breaker.room(most, Instant::now()) };
            if self.waiting.is_empty() && asking.len() < room && look_at <= Instant::now() {
                look_at = self.claim().await;
            }
            while asking.len() < room {
                let Some(inquiry) = self.waiting.pop_front() else { break };
                asking.push(ask(&core, &pace, inquiry));
            }
            if core.is_draining() && asking.is_empty() {
                return self.release().await;
            }
            let idle = self.waiting.is_empty() && asking.len() < room;
            let reopens = self.breaker.closed_until().filter(|until| *until > Instant::now());
            tokio::select! {
                Some(answered) = asking.next(), if !asking.is_empty() => {
                    let mut all = vec![answered];
                    // All that is there already shares one transaction, and so does what a quick hub answers at once. One
                    // that fails is noticed first.
                    while all.last().is_some_and(|(_, answer)| answer.is_ok()) {
                        while asking.len() < room {
                            let Some(inquiry) = self.waiting.pop_front() else { break };
                            asking.push(ask(&core, &pace, inquiry));
                        }
                        let Some(Some(more)) = asking.next().now_or_never() else { break };
                        all.push(more);
                    }
                    self.decide(all).await;
                }
                // Heard later by whoever is busy now, or leaves the hub alone: a bell keeps ringing until it is heard.
                () = core.bells.received.notified(), if idle => look_at = Instant::now(),
                () = sleep_until(look_at), if idle => {}
                () = sleep_until(reopens.unwrap_or(look_at)), if reopens.is_some() => {}
                _ = beat.tick(), if !self.held.is_empty() => self.heartbeat().await,
                _ = draining.changed() => {}
            }
        }
    }

    /// Claims receipts that are due, and says when to look again.
    async fn claim(&mut self) -> Instant {
        let claimed = match self.core.claim(CLAIM_AT_ONCE) {
            Ok(claim) => self.core.store.claim_receipts(claim).await,
            Err(error) => Err(error),
        };
        let opens = match claimed {
            Ok(opens) => opens,
            Err(error) => {
                pause(&error).await;
                return Instant::now();
            }
        };
        let full = opens.len() == CLAIM_AT_ONCE;
        let some = !opens.is_empty();
        self.group(opens).await;
        if full || some {
            return Instant::now();
        }
        match self.core.store.next_due(Which::Confirms, self.core.now()).await {
            Ok(due) => {
                let next = [due.ready, due.lease].into_iter().flatten().min();
                Instant::now() + self.core.rest_until(next)
            }
            Err(error) => {
                pause(&error).await;
                Instant::now()
            }
        }
    }

    /// Those about the same share a question; those about nothing are rejected.
    async fn group(&mut self, opens: Vec<Open>) {
        let mut places: HashMap<About, usize> = HashMap::new();
        let first = self.waiting.len();
        let mut unreadable = Vec::new();
        for open in opens {
            // Rescued from ourselves: it is in work here, under its new token from now on.
            if self.held.insert(open.id, open.lease).is_some() {
                continue;
            }
            let Some((about, claim)) = read(&open.path, &open.body) else {
                unreadable.push((open, What::Close(ReceiptState::Rejected)));
                continue;
            };
            let looking = Looking { open, claim, seen: Seen::default() };
            match places.get(&about) {
                Some(place) => {
                    self.core.metrics.count(Event::LookupShared);
                    self.waiting[*place].looking.push(looking);
                }
                None => {
                    places.insert(about, first + places.len());
                    self.waiting.push_back(Inquiry { about, page: first_page(), looking: vec![looking] });
                }
            }
        }
        if !unreadable.is_empty() {
            self.settle(&unreadable).await;
        }
    }

    async fn decide(&mut self, answered: Vec<(Inquiry, Result<Answer, HubError>)>) {
        let mut pending = Vec::new();
        let mut further = Vec::new();
        for (inquiry, answer) in answered {
            let Inquiry { about, page, looking } = inquiry;
            match answer {
                Ok(answer) => {
                    self.breaker.answered();
                    self.core.asking.works();
                    for looking in looking {
                        self.look(about, page, &answer, looking, &mut pending, &mut further);
                    }
                }
                Err(error) => {
                    let away = self.breaker.failed(Instant::now());
                    self.core.asking.fails(self.core.now());
                    tracing::warn!(receipts = looking.len(), away, error = &*error, "the hub can't be asked");
                    for looking in looking {
                        // Neither open nor closed: the attempt doesn't count, and nothing is believed.
                        let due = self.core.after(retry_delay(looking.open.failures));
                        let what = What::Again(Again::Unasked, due);
                        pending.push(Pending { about, next: None, looking, what });
                    }
                }
            }
        }
        let taken = self.settle_pending(pending).await;
        let mut second = Vec::new();
        for one in taken {
            self.follow_on(one.about, one.next, one.looking, &mut second, &mut further);
        }
        self.settle_pending(second).await;
        self.ask_further(further);
    }

    /// What one answer means to one receipt.
    fn look(
        &self,
        about: About,
        page: PageRequest,
        answer: &Answer,
        mut looking: Looking,
        pending: &mut Vec<Pending>,
        further: &mut Vec<(About, PageRequest, Looking)>,
    ) {
        let (effects, next) = match answer {
            Answer::Page(channel, read) => {
                let confirming = looking.seen.look_at(read, &looking.claim);
                let effects: Vec<_> =
                    confirming.into_iter().map(|(id, record)| effect_of(*channel, id, record)).collect();
                let mut next = page.next().filter(|_| !read.is_last);
                if next.is_some_and(|next| next.number() >= PAGES_MAX) {
                    looking.seen.cut_short();
                    next = None;
                }
                (effects, next)
            }
            Answer::Bulk(channel, record) => {
                let verdict = match (record, about) {
                    (Some(record), About::Bulk(id)) if record.is_done() => {
                        let kept = serde_json::to_string(record).unwrap_or_default();
                        let what = What::Effects(vec![(Effect::Bulk(*channel, id), kept)]);
                        pending.push(Pending { about, next: None, looking, what });
                        return;
                    }
                    (Some(_), _) => Verdict::NotYet { at_last: ReceiptState::Unconfirmed },
                    (None, _) => Verdict::Unknown,
                };
                let what = self.what(&verdict, &looking.open);
                pending.push(Pending { about, next: None, looking, what });
                return;
            }
        };
        if effects.is_empty() {
            self.follow_on(about, next, looking, pending, further);
        } else {
            pending.push(Pending { about, next, looking, what: What::Effects(effects) });
        }
    }

    /// No record so far is free to confirm it: the next page may have one, or this was all.
    fn follow_on(
        &self,
        about: About,
        next: Option<PageRequest>,
        looking: Looking,
        pending: &mut Vec<Pending>,
        further: &mut Vec<(About, PageRequest, Looking)>,
    ) {
        match (about, next) {
            (_, Some(next)) => further.push((about, next, looking)),
            (About::Psid(_), None) => {
                let what = self.what(&looking.seen.verdict(), &looking.open);
                pending.push(Pending { about, next: None, looking, what });
            }
            (About::Bulk(_), None) => {
                let what = What::Close(ReceiptState::Duplicate);
                pending.push(Pending { about, next: None, looking, what });
            }
        }
    }

    fn what(&self, verdict: &Verdict, open: &Open) -> What {
        let (again, at_last) = match verdict {
            Verdict::Closed(state) => return What::Close(*state),
            Verdict::Unknown if open.unknowns + 1 >= CONFIRM_ATTEMPTS_UNKNOWN => {
                return What::Close(ReceiptState::Rejected);
            }
            Verdict::Unknown => (Again::Unknown, ReceiptState::Unconfirmed),
            Verdict::NotYet { at_last } => (Again::NotYet, *at_last),
        };
        let wait = usize::try_from(open.attempts).ok().and_then(|attempts| self.core.confirm_schedule.get(attempts));
        match wait {
            Some(wait) => What::Again(again, self.core.after(*wait)),
            None => What::Close(at_last),
        }
    }

    /// Settles, and gives back those whose effects were all taken.
    async fn settle_pending(&mut self, pending: Vec<Pending>) -> Vec<Pending> {
        if pending.is_empty() {
            return Vec::new();
        }
        let (mut kept, mut all) = (Vec::new(), Vec::new());
        for Pending { about, next, looking, what } in pending {
            let Looking { open, claim, seen } = looking;
            all.push((open, what));
            kept.push((about, next, claim, seen));
        }
        let settled = self.settle(&all).await;
        let mut taken = Vec::new();
        for (((about, next, claim, seen), (open, what)), settled) in kept.into_iter().zip(all).zip(settled) {
            if settled == Settled::Taken {
                taken.push(Pending { about, next, looking: Looking { open, claim, seen }, what });
            }
        }
        taken
    }

    /// Settles in one transaction, however long the store takes to be well again.
    async fn settle(&mut self, all: &[(Open, What)]) -> Vec<Settled> {
        let decision = |(open, what): &(Open, What)| {
            let lease = self.held.get(&open.id).copied().unwrap_or(open.lease);
            Decision { lease, receipt: open.id, what: what.clone() }
        };
        let decisions: Arc<Vec<_>> = Arc::new(all.iter().map(decision).collect());
        let settled = loop {
            let (now, until) = (self.core.now(), self.core.lease_until());
            match self.core.store.settle(Arc::clone(&decisions), now, until).await {
                Ok(settled) => break settled,
                Err(error) => pause(&error).await,
            }
        };
        for ((open, what), settled) in all.iter().zip(&settled) {
            if *settled != Settled::Taken {
                self.held.remove(&open.id);
            }
            self.note(open, what, *settled);
        }
        settled
    }

    fn note(&self, open: &Open, what: &What, settled: Settled) {
        let state = match (what, settled) {
            (_, Settled::Taken) | (What::Again(..), Settled::Done) => return,
            (_, Settled::Lost) => return self.core.metrics.count(Event::LeaseLost),
            (What::Effects(_), Settled::Done) => {
                self.core.bells.confirmed.notify_one();
                ReceiptState::Confirmed
            }
            (What::Close(state), Settled::Done) => *state,
        };
        self.core.unresolved.give_back(&open.source);
        self.core.metrics.count(Event::Resolved(state));
        if state.needs_a_person() {
            tracing::warn!(receipt = open.id, state = state.as_str(), "call-back: somebody should look at it");
        } else {
            tracing::info!(receipt = open.id, state = state.as_str(), "call-back");
        }
    }

    /// The next page of those that need one, each once for all who do.
    fn ask_further(&mut self, further: Vec<(About, PageRequest, Looking)>) {
        for (about, page, looking) in further {
            match self.waiting.iter_mut().find(|inquiry| inquiry.about == about && inquiry.page == page) {
                Some(inquiry) => inquiry.looking.push(looking),
                None => self.waiting.push_back(Inquiry { about, page, looking: vec![looking] }),
            }
        }
    }

    async fn heartbeat(&mut self) {
        let leases = self.held.values().copied().collect();
        // What was lost is noticed when it is settled; a store that fails here fails there too.
        if let Err(error) = self.core.store.heartbeat(Which::Confirms, leases, self.core.lease_until()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "leases could not be extended");
        }
    }

    /// Gives back what wasn't asked for, so that the next receiver needn't wait for the leases' end.
    async fn release(&mut self) {
        let leases = self.held.drain().map(|(_, lease)| lease).collect();
        if let Err(error) = self.core.store.release(Which::Confirms, leases, self.core.now()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "leases could not be given back");
        }
    }
}

/// Asks one question.
async fn ask(core: &Core, pace: &Pace, inquiry: Inquiry) -> (Inquiry, Result<Answer, HubError>) {
    pace.turn().await;
    core.metrics.count(Event::Lookup);
    let (about, page) = (inquiry.about, inquiry.page);
    let asking = async {
        let channel = core.hub.channel().await?;
        Ok(match about {
            About::Psid(psid) => Answer::Page(channel, core.hub.payments_of(psid, page).await?),
            About::Bulk(id) => Answer::Bulk(channel, core.hub.bulk(id).await?),
        })
    };
    let answer = match tokio::time::timeout(LOOKUP_TIMEOUT, caught(asking)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panicked)) => Err(panicked.into()),
        Err(elapsed) => Err(elapsed.into()),
    };
    if answer.is_err() {
        core.metrics.count(Event::LookupFailed);
    }
    (inquiry, answer)
}

fn first_page() -> PageRequest {
    PageRequest::new(0, PAGE_SIZE).unwrap_or_default()
}

/// As after the first attempts at a payment, whatever schedule the receiver has: that one waits for the hub's books, this one for
/// the hub.
fn retry_delay(failures: u32) -> SignedDuration {
    let delay = usize::try_from(failures).ok().and_then(|failures| CONFIRM_DELAYS_SECONDS.get(failures));
    SignedDuration::from_secs(delay.map_or(RETRY_DELAY_MAX_SECONDS, |delay| RETRY_DELAY_MAX_SECONDS.min(*delay)).into())
}
