//! What a simulator is made of.
//!
//! guide:call-12 guide:set-1 guide:set-2 guide:set-3

use std::fmt;

use asaanbill_core::ChannelId;
use asaanbill_storage::{Location, Sqlite};
use asaanbill_transport::HyperTransport;
use http::Uri;
use secrecy::SecretString;

use crate::Sim;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::error::{Kind, SimError};
use crate::hub;
use crate::store::{Access, MIGRATIONS, NewUser};

/// The channel of the users that a simulator has where none are given: the guide's sample.
const DEFAULT_CHANNEL: u64 = 23;
const DEFAULT_CHANNEL_NAME: &str = "Evamp & Saanga";

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Add payments and read them.
    Full,
    /// Read payments.
    Viewer,
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
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, password: _, channel, role } = self;
        f.debug_struct("User").field("name", name).field("channel", channel).field("role", role).finish_non_exhaustive()
    }
}

/// Settings of a simulator.
#[derive(Clone)]
pub struct SimBuilder {
    location: Location,
    clock: Clock,
    users: Vec<User>,
    callback_url: Option<Uri>,
    pub(crate) literals_accepted: bool,
    pub(crate) missing_kind_is_psid: bool,
    pub(crate) empty_search_is_not_found: bool,
}

impl Default for SimBuilder {
    fn default() -> Self {
        Self {
            location: Location::Memory,
            clock: Clock::real(),
            users: Vec::new(),
            callback_url: None,
            literals_accepted: false,
            missing_kind_is_psid: false,
            empty_search_is_not_found: false,
        }
    }
}

/// Says whether there is a call-back address, not which: receivers keep a secret in its path.
impl fmt::Debug for SimBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            location,
            clock,
            users,
            callback_url,
            literals_accepted,
            missing_kind_is_psid,
            empty_search_is_not_found,
        } = self;
        f.debug_struct("SimBuilder")
            .field("location", location)
            .field("clock", clock)
            .field("users", users)
            .field("callbacks", &callback_url.is_some())
            .field("literals_accepted", literals_accepted)
            .field("missing_kind_is_psid", missing_kind_is_psid)
            .field("empty_search_is_not_found", empty_search_is_not_found)
            .finish()
    }
}

impl SimBuilder {
    /// Where the hub stores: in memory if nothing is said. A file is for one simulator at a time: two would both send what
    /// call-backs it owes.
    #[must_use]
    pub fn store(mut self, location: Location) -> Self {
        self.location = location;
        self
    }

    /// The clock: the system's if nothing is said.
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

    /// Where call-backs go, without the path of the event: on this machine only. Nowhere if nothing is said.
    #[must_use]
    pub fn callback_url(mut self, url: Uri) -> Self {
        self.callback_url = Some(url);
        self
    }

    /// Takes JSON numbers and booleans where the guide says strings. Off if nothing is said. (Leniency; the guide's words
    /// are strict)
    #[must_use]
    pub fn accept_literals(mut self, accept: bool) -> Self {
        self.literals_accepted = accept;
        self
    }

    /// Takes an added payment without `generationTypes` for `PSID`, as clients older than the QR release send it. Off if
    /// nothing is said. (Leniency)
    #[must_use]
    pub fn missing_kind_is_psid(mut self, accept: bool) -> Self {
        self.missing_kind_is_psid = accept;
        self
    }

    /// Answers a search that finds nothing with 404 instead of an empty list: the guide says both. Off if nothing is said.
    #[must_use]
    pub fn empty_search_is_not_found(mut self, not_found: bool) -> Self {
        self.empty_search_is_not_found = not_found;
        self
    }

    /// Starts the simulator: opens the store and spawns its two workers on tokio's current runtime. They stop when the
    /// last clone of the [`Sim`] is dropped.
    ///
    /// # Errors
    ///
    /// [`SimError`] if the store can't be opened or a setting isn't allowed.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn build(self) -> Result<Sim, SimError> {
        let callback_url = self.callback_url.as_ref().map(loopback).transpose()?;
        let (location, users) = (self.location.clone(), self.users()?);
        let blocking = tokio::task::spawn_blocking(move || {
            let store = Sqlite::open(&location, MIGRATIONS)?;
            let digest = |user: User| Ok((hub::hash_password(&user.password).map_err(Kind::Password)?, user));
            let users = users.into_iter().map(digest).collect::<Result<Vec<_>, SimError>>()?;
            Ok::<_, SimError>((store, users))
        });
        let (store, users) = blocking.await.map_err(|_| SimError::setting("the store", "could not be opened"))??;
        let engine = Engine::new(store, self.clock.clone());
        for (password_digest, user) in users {
            let access = Access {
                user: user.name,
                channel: user.channel,
                channel_name: DEFAULT_CHANNEL_NAME.into(),
                may_add: user.role == Role::Full,
                may_read: true,
            };
            let user = NewUser { access, password_digest, callback_url: callback_url.clone() };
            engine.write(move |tx, _| tx.put_user(&user)).await?;
        }
        let transport = HyperTransport::new().map_err(Kind::Transport)?;
        Ok(Sim::start(engine, self, transport))
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

/// Call-backs hold payers' data: none leaves this machine.
fn loopback(url: &Uri) -> Result<String, SimError> {
    let host = url.host().unwrap_or_default();
    let on_this_machine = matches!(host, "localhost" | "[::1]")
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    let has_user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if url.scheme_str() != Some("http") || !on_this_machine || has_user || url.query().is_some() {
        let allowed = "allowed: http on 127.0.0.0/8, ::1 or localhost, no user, no query";
        return Err(SimError::setting("the call-back address", allowed));
    }
    Ok(url.to_string().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::loopback;

    #[test]
    fn callbacks_stay_on_this_machine() {
        let check = |url: &str, allowed: Option<&str>| {
            assert_eq!(loopback(&url.parse().unwrap()).ok().as_deref(), allowed, "{url}");
        };
        check("http://127.0.0.1:8080/hooks/", Some("http://127.0.0.1:8080/hooks"));
        check("http://[::1]:8080", Some("http://[::1]:8080"));
        check("http://localhost:1/", Some("http://localhost:1"));
        for elsewhere in [
            "http://10.0.0.1/",
            "http://example.com/",
            "https://127.0.0.1/",
            "/hooks",
            "http://127.0.0.1/?a=b",
            "http://a:b@127.0.0.1/",
        ] {
            check(elsewhere, None);
        }
    }
}
