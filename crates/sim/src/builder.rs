//! What a simulator is made of.
//!
//! guide:set-1 guide:set-2 guide:set-3

use std::fmt;

use asaanbill_core::ChannelId;
use asaanbill_storage::Location;
use http::Uri;
#[cfg(feature = "postgres")]
use secrecy::ExposeSecret as _;
use secrecy::SecretString;
use serde::Deserialize;

use crate::Sim;
use crate::callback::{CallbackUrl, Sender, TargetPolicy};
use crate::clock::{Clock, Course};
use crate::engine::{Engine, Parts};
use crate::error::{Kind, SimError};
use crate::http::Admin;
use crate::hub::{self, BulkProgress};
use crate::journal::JournalLimits;
use crate::outbox::{self, Outbox};
use crate::settings::Settings;
use crate::store::{Access, KeepClock, KeptClock, NewUser, PutCallbackUrl, PutUser, Seed, Store};

/// The channel of the users that a simulator has where none are given: the guide's sample.
const DEFAULT_CHANNEL: u64 = 23;
const DEFAULT_CHANNEL_NAME: &str = "Evamp & Saanga";

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Add payments and read them.
    Full,
    /// Read payments.
    Viewer,
    /// Add payments, and not read them: reading and adding are permissions apart.
    Adder,
}

/// Somebody who may log in.
#[derive(Clone)]
pub struct User {
    name: String,
    password: SecretString,
    channel: ChannelId,
    role: Role,
}

impl User {
    /// A user of a channel.
    pub fn new(name: impl Into<String>, password: impl Into<SecretString>, channel: ChannelId, role: Role) -> Self {
        Self { name: name.into(), password: password.into(), channel, role }
    }

    pub(crate) fn password(&self) -> &SecretString {
        &self.password
    }

    pub(crate) fn access(&self) -> Access {
        let (may_add, may_read) = self.role.permissions();
        let (user, channel_name) = (self.name.clone(), DEFAULT_CHANNEL_NAME.into());
        Access { user, channel: self.channel, channel_name, may_add, may_read }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, password: _, channel, role } = self;
        f.debug_struct("User").field("name", name).field("channel", channel).field("role", role).finish_non_exhaustive()
    }
}

/// Where a hub stores.
#[derive(Clone)]
enum Place {
    Sqlite(Location),
    #[cfg(feature = "postgres")]
    Postgres(SecretString),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(location) => write!(f, "{location:?}"),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

/// Settings of a simulator.
#[derive(Clone)]
pub struct SimBuilder {
    place: Place,
    clock: Clock,
    seed: Option<Seed>,
    users: Vec<User>,
    callback_url: Option<Uri>,
    pub(crate) settings: Settings,
    pub(crate) admin: Admin,
}

impl Default for SimBuilder {
    fn default() -> Self {
        Self {
            place: Place::Sqlite(Location::Memory),
            clock: Clock::real(),
            seed: None,
            users: Vec::new(),
            callback_url: None,
            settings: Settings::default(),
            admin: Admin::default(),
        }
    }
}

/// Says whether there is a call-back address, not which: receivers keep a secret in its path.
impl fmt::Debug for SimBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, clock, seed, users, callback_url, settings, admin } = self;
        f.debug_struct("SimBuilder")
            .field("place", place)
            .field("clock", clock)
            .field("seeded", &seed.is_some())
            .field("users", users)
            .field("callbacks", &callback_url.is_some())
            .field("settings", settings)
            .field("admin", admin)
            .finish()
    }
}

impl SimBuilder {
    /// Where the hub stores: in memory if nothing is said. A file is for one simulator at a time: two would both send what
    /// call-backs it owes.
    #[must_use]
    pub fn store(mut self, location: Location) -> Self {
        self.place = Place::Sqlite(location);
        self
    }

    /// Lets the hub store in a PostgreSQL database (`postgres://user:password@host:port/database`), which it may share with others:
    /// they are one hub then.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn postgres(mut self, url: impl Into<SecretString>) -> Self {
        self.place = Place::Postgres(url.into());
        self
    }

    /// Derives the numbers of payments, PSIDs and tokens from a seed, so that the same calls for the same identifier or user give
    /// the same values, whatever else goes on. Without one they are given out in sequence, and tokens are random: a seeded
    /// token is no secret. Batches are numbered by channel in any case.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(Seed(seed));
        self
    }

    /// How batches come from draft to approved: at once if nothing is said.
    #[must_use]
    pub fn bulk_progress(mut self, progress: BulkProgress) -> Self {
        self.settings.bulk_progress = progress;
        self
    }

    /// The clock. If nothing is said, or it goes with the system's time, it goes on as it went when the store was used before: with the
    /// system's time in a new one.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a user. Where none is added there are `demo`, with the password `demo`, who may do all, and `viewer`, with
    /// the password `viewer`, who may read, both on channel 23.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Where call-backs go, without the path of the event: on this machine only, unless the setting `callback_targets` allows more.
    /// If nothing is said, they go where the store says that they went before; nowhere from a new one.
    #[must_use]
    pub fn callback_url(mut self, url: Uri) -> Self {
        self.callback_url = Some(url);
        self
    }

    /// Takes JSON numbers and booleans where the guide says strings. Off if nothing is said. (Leniency; the guide's words
    /// are strict)
    #[must_use]
    pub fn accept_literals(mut self, accept: bool) -> Self {
        self.settings.accept_literals = accept;
        self
    }

    /// Takes an added payment without `generationTypes` for `PSID`, as clients older than the QR release send it. Off if
    /// nothing is said. (Leniency)
    #[must_use]
    pub fn missing_kind_is_psid(mut self, accept: bool) -> Self {
        self.settings.missing_kind_is_psid = accept;
        self
    }

    /// Answers a search that finds nothing with 404 instead of an empty list: the guide says both. Off if nothing is said.
    #[must_use]
    pub fn empty_search_is_not_found(mut self, not_found: bool) -> Self {
        self.settings.empty_search_is_not_found = not_found;
        self
    }

    /// Takes `x-sim-fault` and magic values for what they are to a hub: nothing. Faults are armed by rule only then. Off if
    /// nothing is said.
    #[must_use]
    pub fn strict_faults(mut self, strict: bool) -> Self {
        self.settings.strict_faults = strict;
        self
    }

    /// What the journal of requests keeps at most.
    #[must_use]
    pub fn journal(mut self, limits: JournalLimits) -> Self {
        self.settings.journal = limits;
        self
    }

    /// Starts the simulator: opens the store and spawns its workers on tokio's current runtime. They stop when the
    /// last clone of the [`Sim`] is dropped.
    ///
    /// # Errors
    ///
    /// [`SimError`] if the store can't be opened or a setting isn't allowed: among them `callback_authority`, whose file is read here,
    /// once.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn build(self) -> Result<Sim, SimError> {
        let targets = self.settings.targets()?;
        let callback_url = self.callback_url.as_ref().map(|url| callback_address(url, &targets)).transpose()?;
        let users = self.users()?;
        let settings = self.settings.clone();
        let trust = tokio::task::spawn_blocking(move || settings.trust());
        let trust = trust.await.map_err(|_| SimError::setting("callback_authority", "could not be read"))??;
        // Each takes a core for some milliseconds: all at once, while the store is opened.
        let digested = users.into_iter().map(|user| tokio::task::spawn_blocking(move || digested(&user)));
        let digested: Vec<_> = digested.collect();
        let store = match self.place.clone() {
            Place::Sqlite(location) => {
                let opened = tokio::task::spawn_blocking(move || Store::sqlite(&location));
                opened.await.map_err(|_| SimError::setting("the store", "could not be opened"))??
            }
            #[cfg(feature = "postgres")]
            Place::Postgres(url) => Store::postgres(url.expose_secret()).await?,
        };
        for digested in digested {
            let user = digested.await.map_err(|_| SimError::setting("a password", "could not be digested"))??;
            store.change(PutUser(user)).await?;
        }
        if callback_url.is_some() {
            store.change(PutCallbackUrl { channel: None, url: callback_url }).await?;
        }
        let mut kept = store.look(KeptClock).await?;
        // A clock that was given a course keeps it; one that wasn't goes on as it went before a restart.
        match self.clock.course() {
            Course::Real => self.clock.adopt(kept.course),
            course => kept = store.change(KeepClock(course)).await?,
        }
        let engine = Engine::start(Parts {
            store,
            clock: self.clock.clone(),
            seed: self.seed,
            progress: self.settings.bulk_progress,
            plan: outbox::plan(self.seed, &self.settings),
        });
        let outbox = Outbox::new(Sender::new(targets, trust), self.seed, &self.settings);
        Ok(Sim::start(engine, self, outbox, kept))
    }

    /// An address of call-backs as it is stored.
    pub(crate) fn callback_address(&self, url: &Uri) -> Result<String, SimError> {
        callback_address(url, &self.settings.targets()?)
    }

    fn users(&self) -> Result<Vec<User>, SimError> {
        if !self.users.is_empty() {
            return Ok(self.users.clone());
        }
        let wrong = |_| SimError::setting("the default channel", "must be a positive number");
        let channel = ChannelId::try_from(DEFAULT_CHANNEL).map_err(wrong)?;
        Ok(vec![User::new("demo", "demo", channel, Role::Full), User::new("viewer", "viewer", channel, Role::Viewer)])
    }
}

fn digested(user: &User) -> Result<NewUser, SimError> {
    let password_digest = match hub::published_digest(&user.password) {
        Some(digest) => digest.to_owned(),
        None => hub::hash_password(&user.password).map_err(Kind::Password)?,
    };
    Ok(NewUser { access: user.access(), password_digest })
}

/// Says whether [`SimBuilder::callback_url`] would take an address with these settings, before anything is started.
///
/// # Errors
///
/// [`SimError`] with what is allowed.
pub fn check_callback_url(url: &Uri, settings: &Settings) -> Result<(), SimError> {
    callback_address(url, &settings.targets()?).map(drop)
}

/// The address as it is stored. Call-backs hold payers' data: which addresses they may be sent to is looked at again when they are.
fn callback_address(url: &Uri, targets: &TargetPolicy) -> Result<String, SimError> {
    let parsed: CallbackUrl = url.to_string().parse().map_err(Kind::CallbackUrl)?;
    let elsewhere = match url.host().unwrap_or_default().trim_matches(['[', ']']) {
        "localhost" => false,
        host => match host.parse() {
            Ok(address) => !targets.permits(address),
            // Where a name leads shows when it is looked up.
            Err(_) => *targets == TargetPolicy::loopback_only(),
        },
    };
    if elsewhere {
        let allowed = "allowed: this machine (127.0.0.0/8, ::1, localhost), and what callback_targets names";
        return Err(SimError::setting("the call-back address", allowed));
    }
    Ok(parsed.as_text())
}

#[cfg(test)]
mod tests {
    use super::callback_address;
    use crate::callback::TargetPolicy;

    #[test]
    fn callbacks_stay_on_this_machine_unless_told() {
        let check = |targets: &TargetPolicy, url: &str, allowed: bool| {
            assert_eq!(callback_address(&url.parse().unwrap(), targets).is_ok(), allowed, "{url}");
        };
        let here = TargetPolicy::loopback_only();
        for url in ["http://127.0.0.1:8080/hooks/", "http://[::1]:8080", "http://localhost:1/", "https://127.0.0.1/"] {
            check(&here, url, true);
        }
        for elsewhere in [
            "http://10.0.0.1/",
            "http://example.com/",
            "/hooks",
            "http://127.0.0.1/?a=b",
            "http://a:b@127.0.0.1/",
            "ftp://127.0.0.1/",
        ] {
            check(&here, elsewhere, false);
        }
        let more = TargetPolicy::parse(["10.0.0.0/8"]).unwrap();
        check(&more, "http://10.0.0.1/", true);
        check(&more, "http://11.0.0.1/", false);
        check(&more, "http://example.com/", true);
    }
}
