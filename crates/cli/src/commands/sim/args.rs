//! `asaanbill sim`'s arguments, as texts: they are read all at once, so that all that is wrong is said at once.

use std::ffi::OsString;
use std::path::PathBuf;

use asaanbill_sim::{SETTINGS, Setting};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// The default address: fixed, so that clients can be configured once; loopback, so that nobody else gets in.
const LISTEN: &str = "127.0.0.1:8088";

/// As many threads as the simulator needs: one commits, one answers.
const THREADS: &str = "2";

#[derive(Args)]
pub(crate) struct SimArgs {
    /// Where to listen; port 0 takes a free one. Beyond loopback the pages under /_sim need --admin-token
    #[arg(long, value_name = "IP:PORT", default_value = LISTEN)]
    pub(super) listen: String,

    /// Where to store: memory, sqlite:PATH, or `postgres://USER:PASSWORD@HOST/DATABASE`, which several simulators may share [default:
    /// sqlite: and asaanbill/sim.db in the user's data directory]
    #[arg(long, value_name = "STORE")]
    pub(super) store: Option<OsString>,

    /// The number from which record numbers, PSIDs and tokens are derived: the same calls give the same values then
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<String>,

    /// Where to write {"address":"IP:PORT","pid":N} as soon as it serves; removed when it stops
    #[arg(long, value_name = "PATH")]
    pub(super) ready_file: Option<PathBuf>,

    /// Where call-backs go, without the path of the event: this machine, or what --callback-targets allows
    #[arg(long, value_name = "URL")]
    pub(super) callback_url: Option<String>,

    /// A user, as often as there are users; the role is full, viewer (reads) or adder (adds) [default: demo:demo:23:full
    /// and viewer:viewer:23:viewer]
    #[arg(long = "user", value_name = "NAME:PASSWORD:CHANNEL:ROLE")]
    pub(super) users: Vec<String>,

    /// What opens the pages under /_sim beyond loopback, as authorization: Bearer TOKEN
    #[arg(long, value_name = "TOKEN", env = "ASAANBILL_ADMIN_TOKEN", hide_env_values = true)]
    pub(super) admin_token: Option<String>,

    /// A name by which the pages under /_sim may be asked for, beside localhost and the address; as often as needed
    #[arg(long = "host-name", value_name = "NAME")]
    pub(super) host_names: Vec<String>,

    /// The certificate chain to serve HTTPS with, in PEM form
    #[arg(long, value_name = "PATH")]
    pub(super) tls_cert: Option<PathBuf>,

    /// The certificate's private key, in PEM form
    #[arg(long, value_name = "PATH")]
    pub(super) tls_key: Option<PathBuf>,

    /// How many threads answer
    #[arg(long, value_name = "N", default_value = THREADS)]
    pub(super) threads: String,

    #[command(flatten)]
    pub(super) settings: SettingArgs,
}

/// Passwords and tokens are among them.
impl std::fmt::Debug for SimArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimArgs").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// One flag for each setting of the simulator.
pub(crate) struct SettingArgs {
    /// Name and value, of those that were given.
    pub(super) given: Vec<(&'static Setting, String)>,
}

/// How a setting is written as a flag, without its hyphens.
pub(super) fn flag(setting: &Setting) -> String {
    setting.name().replace('_', "-")
}

fn argument(setting: &'static Setting) -> Arg {
    let help = format!("{} [default: {}] [{}]", setting.help(), setting.default(), setting.provenance());
    let argument = Arg::new(setting.name()).long(flag(setting)).help(help).help_heading(HEADING);
    if setting.is_flag() {
        // The name alone means true.
        argument
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_name("BOOL")
    } else {
        argument.action(ArgAction::Set).value_name("TEXT")
    }
}

/// What the settings' provenance means is said where they are listed.
const HEADING: &str = "What the hub does: documented in the guide, implied by it, or assumed by us";

impl Args for SettingArgs {
    fn augment_args(command: Command) -> Command {
        command.args(SETTINGS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let value = |setting: &'static Setting| Some((setting, matches.get_one::<String>(setting.name())?.clone()));
        Ok(Self { given: SETTINGS.iter().filter_map(value).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
