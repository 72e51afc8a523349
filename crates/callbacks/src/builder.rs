//! What a receiver is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::confirmer::{CONFIRM_DELAYS_SECONDS, Confirmer};
use crate::core::{Bells, Core, Failing, Unresolved};
use crate::dispatcher::Dispatcher;
use crate::error::{ReceiverError, Why};
use crate::guard::Guard;
use crate::handler::{Handling, Kind};
use crate::hub::HubRecords;
use crate::metrics::Metrics;
use crate::receiver::{Receiver, Workers};
use crate::settings::{Limits, RETENTION, SWEEP_EVERY, Sweep};
use crate::store::{Inbox, SqliteStore, Store};
use crate::sweeper;

/// The most events that are handed to a plain handler at once.
const HANDLERS_MAX: usize = 256;

/// The most waits of a confirm schedule.
const CONFIRM_WAITS_MAX: usize = 64;

/// The longest of them: a week.
const CONFIRM_WAIT_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Settings of a [`Receiver`].
pub struct ReceiverBuilder {
    inbox: Inbox,
    hub: Arc<dyn HubRecords>,
    handling: Handling,
    handlers_at_once: usize,
    secret: Option<String>,
    allowed: Vec<IpNet>,
    proxy_hops: usize,
    limits: Limits,
    confirm_schedule: Vec<SignedDuration>,
    sweep: Option<Sweep>,
    retention: Option<SignedDuration>,
    clock: Clock,
}

impl ReceiverBuilder {
    pub(crate) fn new(inbox: Inbox, hub: Arc<dyn HubRecords>, handling: Handling) -> Self {
        Self {
            inbox,
            hub,
            handling,
            handlers_at_once: 1,
            secret: None,
            allowed: Vec::new(),
            proxy_hops: 0,
            limits: Limits::default(),
            confirm_schedule: CONFIRM_DELAYS_SECONDS.map(|seconds| SignedDuration::from_secs(seconds.into())).into(),
            sweep: Some(Sweep::every(SWEEP_EVERY)),
            retention: SignedDuration::try_from(RETENTION).ok(),
            clock: Clock::default(),
        }
    }

    /// Call-backs come to `/<secret>/processed` and `/<secret>/bulk-payment-request-approved`, and nowhere else: 22 to 256
    /// characters of `A-Z a-z 0-9 - . _ ~`, best random ones. Give the hub the address that ends with the secret.
    ///
    /// It keeps forged call-backs out of the inbox. It is no proof: whoever reads a proxy's log knows it, and the hub's
    /// records decide anyway.
    #[must_use]
    pub fn path_secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Call-backs come from these networks alone. Anybody's may if nothing is said. As part of your own server, the receiver
    /// has to be told the peer: `into_make_service_with_connect_info::<SocketAddr>()`.
    #[must_use]
    pub fn allow(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.allowed.extend(networks);
        self
    }

    /// So many proxies of yours are before the receiver, each of which appends whom it heard to `X-Forwarded-For`: the
    /// outermost one's word says where a call-back comes from. 0 if nothing is said: then the connection does.
    ///
    /// The receiver must not be reachable but through them: anybody else could write the header.
    #[must_use]
    pub fn proxy_hops(mut self, hops: usize) -> Self {
        self.proxy_hops = hops;
        self
    }

    /// What is taken and asked at the most.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long to wait before the hub is asked again about a payment that it doesn't show as paid yet: after the first time, the
    /// second and so on; after the last wait and one more look it is [`ReceiptState::Unconfirmed`](crate::ReceiptState::Unconfirmed).
    /// 1 to 64 waits of one second to a week, the [`CONFIRM_DELAYS_SECONDS`] if nothing is said. A time when the hub can't be asked
    /// uses up none of them.
    #[must_use]
    pub fn confirm_schedule(mut self, waits: impl IntoIterator<Item = Duration>) -> Self {
        self.confirm_schedule =
            waits.into_iter().map(|wait| SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX)).collect();
        self
    }

    /// How the hub's records are swept for payments that no call-back announced: every 15 minutes if nothing is said, never
    /// if `None` is.
    #[must_use]
    pub fn sweep(mut self, sweep: impl Into<Option<Sweep>>) -> Self {
        self.sweep = sweep.into();
        self
    }

    /// How many events a plain [`Handler`](crate::Handler) gets at once: one after another if nothing is said, up to 256.
    #[must_use]
    pub fn handlers_at_once(mut self, count: usize) -> Self {
        self.handlers_at_once = count;
        self
    }

    /// After how long receipts that came to nothing, forged and repeated ones, are forgotten: 90 days if nothing is said,
    /// never if `None` is. All others are kept, and the keys of effects for ever.
    #[must_use]
    pub fn retention(mut self, retention: impl Into<Option<Duration>>) -> Self {
        let most = |retention| SignedDuration::try_from(retention).unwrap_or(SignedDuration::MAX);
        self.retention = retention.into().map(most);
        self
    }

    /// What tells the time: the system's clock if nothing is said. It says when a call-back came, when the hub is to be
    /// asked again and until when leases last; the waiting itself goes by tokio's timer.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Opens the inbox and starts the workers on tokio's current runtime. What an earlier process left undone is done first.
    ///
    /// Cancellation: the inbox may have been made; nothing runs.
    ///
    /// # Errors
    ///
    /// If the settings aren't allowed, all of which are named at once, or the inbox can't be opened.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn build(self) -> Result<Receiver, ReceiverError> {
        let guard = self.check()?;
        let Self { inbox, hub, handling, handlers_at_once, limits, confirm_schedule, sweep, retention, clock, .. } =
            self;
        let store = open(inbox).await?;
        let unresolved = Unresolved::default();
        unresolved.set(store.unresolved().await?);
        let (draining, _) = watch::channel(false);
        let core = Arc::new(Core {
            store,
            hub,
            handling,
            handlers_at_once,
            clock,
            limits,
            confirm_schedule,
            guard,
            sweep,
            retention,
            bells: Bells::default(),
            metrics: Metrics::default(),
            unresolved,
            asking: Failing::default(),
            storing: Failing::default(),
            draining,
        });
        let workers = Workers::new([
            tokio::spawn(Confirmer::new(Arc::clone(&core)).run()),
            tokio::spawn(Dispatcher::new(Arc::clone(&core)).run()),
            tokio::spawn(sweeper::run(Arc::clone(&core))),
        ]);
        Ok(Receiver::new(core, workers))
    }

    fn check(&self) -> Result<Guard, ReceiverError> {
        let mut problems = self.limits.problems();
        if !(1..=HANDLERS_MAX).contains(&self.handlers_at_once) {
            problems.push(format!("handlers_at_once is {}, and has to be 1 to {HANDLERS_MAX}", self.handlers_at_once));
        }
        let waits = self.confirm_schedule.len();
        if !(1..=CONFIRM_WAITS_MAX).contains(&waits) {
            problems.push(format!("confirm_schedule has {waits} waits, and may have 1 to {CONFIRM_WAITS_MAX}"));
        }
        let a_second = SignedDuration::from_secs(1);
        if self.confirm_schedule.iter().any(|wait| !(a_second..=CONFIRM_WAIT_MAX).contains(wait)) {
            let most = CONFIRM_WAIT_MAX.as_hours();
            problems.push(format!("confirm_schedule has waits that are shorter than 1 s or longer than {most} hours"));
        }
        if self.sweep.is_some_and(|sweep| sweep.every < SignedDuration::from_secs(1)) {
            problems.push("the sweep is due more than once a second".to_owned());
        }
        let fits = match (&self.handling.0, &self.inbox) {
            (Kind::Plain(_), _) | (Kind::Sqlite(_), Inbox::Sqlite(_)) => true,
            #[cfg(feature = "postgres")]
            (Kind::Postgres(_), Inbox::Postgres(_)) => true,
            #[cfg(feature = "postgres")]
            _ => false,
        };
        if !fits {
            problems.push("the handler writes into another sort of database than the inbox is in".to_owned());
        }
        match Guard::new(self.secret.as_deref(), self.allowed.clone(), self.proxy_hops) {
            Ok(guard) if problems.is_empty() => return Ok(guard),
            Ok(_) => {}
            Err(more) => problems.extend(more),
        }
        Err(Why::Settings(problems.join("; ")).into())
    }
}

async fn open(inbox: Inbox) -> Result<Arc<dyn Store>, ReceiverError> {
    match inbox {
        Inbox::Sqlite(location) => {
            let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&location)).await;
            let store = opened.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))?;
            store.take_over().await?;
            Ok(Arc::new(store))
        }
        #[cfg(feature = "postgres")]
        Inbox::Postgres(url) => Ok(Arc::new(crate::store::PostgresStore::open(&url).await?)),
    }
}

impl fmt::Debug for ReceiverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverBuilder")
            .field("inbox", &self.inbox)
            .field("handling", &self.handling)
            .field("path_secret", &self.secret.is_some())
            .field("allowed", &self.allowed)
            .field("limits", &self.limits)
            .field("sweep", &self.sweep)
            .finish_non_exhaustive()
    }
}
