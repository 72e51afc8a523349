//! What `asaanbill sim` was asked for, read: all of it, or all that is wrong with it.

use std::env;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use asaanbill_sim::{ServerTls, Settings, Sim, SimBuilder, StoreAddress, User};
use http::Uri;
use secrecy::SecretString;

use super::args::{SimArgs, flag};
use super::store::default_store;
use super::user::read_user;

/// The most threads that answer: more than any machine's cores.
const THREADS_MAX: usize = 1024;

/// The most characters of an admin token, and the fewest: one that can be guessed is none.
const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 8..=512;

/// A simulator that can be started.
pub(crate) struct Plan {
    pub(super) listen: SocketAddr,
    pub(super) store: StoreAddress,
    pub(super) builder: SimBuilder,
    /// The first user that may log in: its name, and its password if that is no secret.
    pub(super) login: (String, Option<&'static str>),
    pub(super) ready_file: Option<PathBuf>,
    pub(super) tls: Option<ServerTls>,
    /// The file of the certificate, to be trusted.
    pub(super) certificate: Option<PathBuf>,
    pub(super) threads: NonZeroUsize,
}

/// All that is wrong, one problem a line. None repeats a password or a token.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    pub(crate) fn lines(&self) -> &[String] {
        &self.0
    }

    fn note(&mut self, flag: &str, problem: impl std::fmt::Display) {
        self.0.push(format!("--{flag}: {problem}"));
    }

    /// What was read, or a note of what was wrong.
    fn take<T, E: std::fmt::Display>(&mut self, flag: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|problem| self.note(flag, problem)).ok()
    }
}

impl Plan {
    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// [`Problems`], all of them.
    pub(crate) fn read(args: &SimArgs) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let listen = problems.take("listen", listen(&args.listen));
        let store = problems.take("store", store(args));
        let threads = problems.take("threads", threads(&args.threads));
        let settings = settings(args, &mut problems);
        let mut builder = Sim::builder().settings(settings.clone());
        if let Some(seed) = &args.seed {
            builder = problems.take("seed", self::seed(seed)).into_iter().fold(builder, SimBuilder::seed);
        }
        if let Some(store) = &store {
            builder = match (store.location(), store.postgres()) {
                (Some(location), _) => builder.store(location),
                (None, Some(url)) => builder.postgres(url),
                (None, None) => builder,
            };
        }
        if let Some(url) = &args.callback_url {
            match callback_url(url, &settings) {
                Ok(url) => builder = builder.callback_url(url),
                Err(problem) => problems.note("callback-url", problem),
            }
        }
        for name in &args.host_names {
            match host_name(name) {
                Ok(name) => builder = builder.host_name(name),
                Err(problem) => problems.note("host-name", problem),
            }
        }
        if let Some(token) = &args.admin_token {
            match admin_token(token) {
                Ok(token) => builder = builder.admin_token(&token),
                Err(problem) => problems.note("admin-token", problem),
            }
        }
        let users = users(args, &mut problems);
        let login = users.first().map_or(("demo".into(), Some("demo")), |(name, _)| (name.clone(), None));
        builder = users.into_iter().fold(builder, |builder, (_, user)| builder.user(user));
        let tls = tls(args, &mut problems);
        match (listen, store, threads) {
            (Some(listen), Some(store), Some(threads)) if problems.0.is_empty() => Ok(Self {
                listen,
                store,
                builder,
                login,
                ready_file: args.ready_file.clone(),
                tls,
                certificate: args.tls_cert.clone(),
                threads,
            }),
            _ => Err(problems),
        }
    }

    /// How many threads answer.
    pub(crate) fn threads(&self) -> usize {
        self.threads.get()
    }
}

fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    let text = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| "expected IP:PORT, such as 127.0.0.1:8088, [::1]:0 or 0.0.0.0:8088")
}

fn store(args: &SimArgs) -> Result<StoreAddress, String> {
    let Some(given) = &args.store else {
        return default_store(|name| env::var_os(name)).map(StoreAddress::Sqlite);
    };
    let expected = "expected memory, sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE";
    Ok(given.to_str().ok_or(expected)?.parse().map_err(|_| expected)?)
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let threads = text.parse().ok().filter(|threads: &NonZeroUsize| threads.get() <= THREADS_MAX);
    threads.ok_or_else(|| format!("expected a number from 1 to {THREADS_MAX}"))
}

fn seed(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "expected a number from 0 to 18446744073709551615")
}

fn settings(args: &SimArgs, problems: &mut Problems) -> Settings {
    let mut settings = Settings::default();
    for (setting, value) in &args.settings.given {
        if let Err(asaanbill_sim::SettingError::Value { expected, .. }) = settings.set(setting.name(), value) {
            problems.note(&flag(setting), format_args!("expected {expected}"));
        }
    }
    settings
}

fn callback_url(text: &str, settings: &Settings) -> Result<Uri, String> {
    let expected = "expected http://127.0.0.1:PORT or another address, with a path if need be";
    let url: Uri = text.parse().map_err(|_| expected)?;
    asaanbill_sim::check_callback_url(&url, settings).map_err(|error| error.to_string())?;
    Ok(url)
}

fn host_name(text: &str) -> Result<&str, &'static str> {
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let fits = text.split('.').all(is_label);
    fits.then_some(text).ok_or("expected a name without a port, such as sim.example")
}

fn admin_token(text: &str) -> Result<SecretString, String> {
    let fits = TOKEN_CHARS.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    let (least, most) = (TOKEN_CHARS.start(), TOKEN_CHARS.end());
    fits.then(|| text.into()).ok_or_else(|| format!("expected {least} to {most} ASCII characters without spaces"))
}

fn users(args: &SimArgs, problems: &mut Problems) -> Vec<(String, User)> {
    let mut users: Vec<(String, User)> = Vec::new();
    for (text, number) in args.users.iter().zip(1..) {
        match read_user(text) {
            Ok((name, _)) if users.iter().any(|(earlier, _)| *earlier == name) => {
                problems.note("user", format_args!("number {number}: the name was given before"));
            }
            Ok(user) => users.push(user),
            Err(wrong) => problems.note("user", format_args!("number {number}: {wrong}")),
        }
    }
    users
}

fn tls(args: &SimArgs, problems: &mut Problems) -> Option<ServerTls> {
    match (&args.tls_cert, &args.tls_key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => match ServerTls::from_pem_files(certificate, key) {
            Ok(tls) => Some(tls),
            Err(error) => {
                let flag = if error.is_key() { "tls-key" } else { "tls-cert" };
                problems.note(flag, error);
                None
            }
        },
        (Some(_), None) => {
            problems.note("tls-key", "needed beside --tls-cert");
            None
        }
        (None, Some(_)) => {
            problems.note("tls-cert", "needed beside --tls-key");
            None
        }
    }
}
