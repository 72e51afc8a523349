//! What can be set about the hub's behaviour, by name: each with what is done if nothing is said, and where that comes from.
//!
//! One table. The command's flags, the page `/_sim/settings` and the text of both are made from it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::SimBuilder;
use crate::callback::{Disturbance, DisturbanceSettings, Schedule, Share, TargetPolicy, TargetPolicyError, Trust};
use crate::error::{Kind, SimError};
use crate::hub::BulkProgress;
use crate::journal::JournalLimits;

/// A disturbance's share.
macro_rules! share {
    ($name:literal, $of:ident, $help:literal) => {
        Setting {
            name: $name,
            provenance: Provenance::Assumed,
            help: $help,
            value: Value::Read {
                set: |settings, text| {
                    let share = text.parse().ok().and_then(Share::per_mille)?;
                    settings.disturbances.set_share(Disturbance::$of, share);
                    Some(())
                },
                show: |settings| settings.disturbances.share_of(Disturbance::$of).get().to_string(),
                expected: Share::EXPECTED,
            },
        }
    };
}

/// A number that says how a disturbance goes.
macro_rules! number {
    ($name:literal, $help:literal, $set:expr, $show:expr, $expected:expr) => {
        Setting {
            name: $name,
            provenance: Provenance::Assumed,
            help: $help,
            value: Value::Read {
                set: |settings, text| {
                    let set: fn(&mut Settings, _) -> Option<()> = $set;
                    set(settings, text.parse().ok()?)
                },
                show: |settings| {
                    let show: fn(&Settings) -> _ = $show;
                    show(settings).to_string()
                },
                expected: $expected,
            },
        }
    };
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "accept_literals",
        provenance: Provenance::Documented,
        help: "Take JSON numbers and booleans where the guide says strings",
        value: Value::Flag(|settings| &mut settings.accept_literals),
    },
    Setting {
        name: "missing_kind_is_psid",
        provenance: Provenance::Assumed,
        help: "Take an added payment without generationTypes for PSID, as clients older than the QR release send it",
        value: Value::Flag(|settings| &mut settings.missing_kind_is_psid),
    },
    Setting {
        name: "empty_search_is_not_found",
        provenance: Provenance::Assumed,
        help: "Answer a search that finds nothing with 404 instead of an empty list; the guide says both",
        value: Value::Flag(|settings| &mut settings.empty_search_is_not_found),
    },
    Setting {
        name: "bank_username",
        provenance: Provenance::Assumed,
        help: "The username header that a bank's switch sends to the 1BILL interface",
        value: Value::Text(|settings| &mut settings.bank_username),
    },
    Setting {
        name: "bank_password",
        provenance: Provenance::Assumed,
        help: "The password header that a bank's switch sends to the 1BILL interface",
        value: Value::Secret(|settings| &mut settings.bank_password),
    },
    Setting {
        name: "bulk_progress",
        provenance: Provenance::Assumed,
        help: "How batches come from DRAFT to APPROVED: at-once, after:SECONDS, polls:N of the batch's detail, or by-hand",
        value: Value::Read {
            set: |settings, text| text.parse().ok().map(|progress| settings.bulk_progress = progress),
            show: |settings| settings.bulk_progress.to_string(),
            expected: "at-once, after:SECONDS, polls:N or by-hand",
        },
    },
    Setting {
        name: "callback_targets",
        provenance: Provenance::Assumed,
        help: "The networks that call-backs may be sent to beside this machine, in CIDR form, separated by commas",
        value: Value::Read {
            set: |settings, text| {
                targets(text).ok()?;
                text.clone_into(&mut settings.callback_targets);
                Some(())
            },
            show: |settings| settings.callback_targets.clone(),
            expected: "loopback, or networks such as 10.0.0.0/8,fd00::/8",
        },
    },
    Setting {
        name: "callback_schedule",
        provenance: Provenance::Documented,
        help: "How often a call-back is attempted: faithful (once), or standard-webhooks (ten times in three days)",
        value: Value::Read {
            set: |settings, text| text.parse().ok().map(|schedule| settings.callback_schedule = schedule),
            show: |settings| settings.callback_schedule.to_string(),
            expected: "faithful or standard-webhooks",
        },
    },
    Setting {
        name: "callback_authority",
        provenance: Provenance::Assumed,
        help: "Whose certificates a receiver may show for https: system, or a file in PEM form, of which those in it alone",
        value: Value::Read {
            set: |settings, text| {
                settings.callback_authority = match text {
                    SYSTEM => None,
                    path if path.trim().is_empty() || path.contains('\0') || path.len() > PATH_MAX_BYTES => {
                        return None;
                    }
                    path => Some(path.into()),
                };
                Some(())
            },
            show: |settings| {
                settings.callback_authority.as_ref().map_or_else(|| SYSTEM.into(), |path| path.display().to_string())
            },
            expected: "system, or the path of a file with certificates in PEM form",
        },
    },
    share!("callback_loss", Loss, "How many of a thousand call-backs are never sent"),
    share!("callback_duplicate", Duplicate, "How many of a thousand call-backs are sent more than once"),
    number!(
        "callback_copies",
        "How often such a call-back is sent beyond the first time",
        |settings, copies| settings.disturbances.set_copies(copies),
        |settings| settings.disturbances.copies(),
        DisturbanceSettings::COPIES_EXPECTED
    ),
    share!("callback_disorder", Disorder, "How many of a thousand call-backs swap places with the channel's next one"),
    number!(
        "callback_hold_seconds",
        "How long such a call-back waits at most for the next one, by the hub's clock",
        |settings, hold| settings.disturbances.set_hold(Duration::from_secs(hold)),
        |settings| settings.disturbances.hold().as_secs(),
        DisturbanceSettings::HOLD_EXPECTED
    ),
    share!("callback_delay", Delay, "How many of a thousand call-backs go late"),
    number!(
        "callback_delay_seconds",
        "How late such a call-back goes, by the hub's clock",
        |settings, delay| settings.disturbances.set_delay(Duration::from_secs(delay)),
        |settings| settings.disturbances.delay().as_secs(),
        DisturbanceSettings::DELAY_EXPECTED
    ),
    share!("callback_corruption", Corruption, "How many of a thousand call-backs are no JSON"),
    share!("callback_forgery", Forgery, "How many of a thousand call-backs have a forged one before them"),
    Setting {
        name: "strict_faults",
        provenance: Provenance::Assumed,
        help: "Take x-sim-fault headers and magic values for nothing special; faults are armed by rule only",
        value: Value::Flag(|settings| &mut settings.strict_faults),
    },
    Setting {
        name: "journal_entries",
        provenance: Provenance::Assumed,
        help: "How many requests the journal keeps at most; 0 switches it off",
        value: Value::Read {
            set: |settings, text| {
                let entries: u32 = text.parse().ok()?;
                settings.journal = settings.journal.entries(usize::try_from(entries).ok()?);
                Some(())
            },
            show: |settings| settings.journal.entries_max().to_string(),
            expected: "a number from 0",
        },
    },
];

/// The most characters of a setting's text. (What a header holds with ease)
const TEXT_MAX_CHARS: usize = 128;

/// The most bytes of a path. (Linux's own limit)
const PATH_MAX_BYTES: usize = 4096;

/// Where a behaviour comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// The guide says what is done if nothing is set.
    Documented,
    /// It follows from what the guide says or shows.
    Implied,
    /// We chose.
    Assumed,
}

/// One thing that can be set.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    name: &'static str,
    provenance: Provenance,
    help: &'static str,
    value: Value,
}

/// What a setting holds, and where.
#[derive(Clone, Copy, Debug)]
enum Value {
    Flag(fn(&mut Settings) -> &mut bool),
    Text(fn(&mut Settings) -> &mut String),
    /// Text that is never shown.
    Secret(fn(&mut Settings) -> &mut SecretString),
    /// Read and shown in a way of its own.
    Read {
        /// None if the text doesn't fit.
        set: fn(&mut Settings, &str) -> Option<()>,
        show: fn(&Settings) -> String,
        expected: &'static str,
    },
}

/// Values of all settings.
///
/// ```
/// use asaanbill_sim::{SETTINGS, Settings, Sim};
///
/// let mut settings = Settings::default();
/// settings.set("accept_literals", "true")?;
/// assert_eq!(settings.get("accept_literals").as_deref(), Some("true"));
/// assert!(settings.set("accept_literals", "perhaps").is_err());
/// let builder = Sim::builder().settings(settings);
/// # Ok::<(), asaanbill_sim::SettingError>(())
/// ```
#[derive(Clone)]
pub struct Settings {
    pub(crate) accept_literals: bool,
    pub(crate) missing_kind_is_psid: bool,
    pub(crate) empty_search_is_not_found: bool,
    pub(crate) bank_username: String,
    pub(crate) bank_password: SecretString,
    pub(crate) bulk_progress: BulkProgress,
    pub(crate) callback_targets: String,
    pub(crate) callback_schedule: Schedule,
    /// The file of the authorities that https call-backs trust; the system's own without one.
    pub(crate) callback_authority: Option<PathBuf>,
    pub(crate) disturbances: DisturbanceSettings,
    pub(crate) strict_faults: bool,
    pub(crate) journal: JournalLimits,
}

/// Why a value isn't taken. It doesn't repeat the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// No setting has the name.
    #[error("there is no setting {0}")]
    Unknown(String),
    /// The value doesn't fit.
    #[error("{name}: expected {expected}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What would fit.
        expected: &'static str,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            accept_literals: false,
            missing_kind_is_psid: false,
            empty_search_is_not_found: false,
            bank_username: "1bill".into(),
            bank_password: "1bill".into(),
            bulk_progress: BulkProgress::AtOnce,
            callback_targets: LOOPBACK.into(),
            callback_schedule: Schedule::Faithful,
            callback_authority: None,
            disturbances: DisturbanceSettings::default(),
            strict_faults: false,
            journal: JournalLimits::default(),
        }
    }
}

/// No network beside this machine.
const LOOPBACK: &str = "loopback";

/// No file of authorities. One of this name is `./system`.
const SYSTEM: &str = "system";

fn targets(text: &str) -> Result<TargetPolicy, TargetPolicyError> {
    if text == LOOPBACK { Ok(TargetPolicy::loopback_only()) } else { TargetPolicy::parse(text.split(',')) }
}

impl Settings {
    /// Where call-backs may be sent.
    pub(crate) fn targets(&self) -> Result<TargetPolicy, SimError> {
        Ok(targets(&self.callback_targets).map_err(Kind::CallbackTargets)?)
    }

    /// Whose word is taken for receivers' certificates. It reads a file, and blocks.
    pub(crate) fn trust(&self) -> Result<Trust, SimError> {
        let Some(file) = &self.callback_authority else { return Ok(Trust::System) };
        Ok(Trust::only(file).map_err(Kind::CallbackAuthority)?)
    }

    /// Sets what has the name, from text.
    ///
    /// # Errors
    ///
    /// [`SettingError`]; nothing has changed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let setting = setting.ok_or_else(|| SettingError::Unknown(name.chars().take(TEXT_MAX_CHARS).collect()))?;
        let refused = |expected| SettingError::Value { name: setting.name, expected };
        let is_text = || {
            let fits = !value.trim().is_empty() && value.chars().count() <= TEXT_MAX_CHARS;
            fits && value.chars().all(|character| character.is_ascii_graphic() || character == ' ')
        };
        match setting.value {
            Value::Flag(field) => *field(self) = value.parse().map_err(|_| refused("true or false"))?,
            Value::Text(field) if is_text() => value.clone_into(field(self)),
            Value::Secret(field) if is_text() => *field(self) = value.into(),
            Value::Read { set, expected, .. } => set(self, value).ok_or_else(|| refused(expected))?,
            Value::Text(_) | Value::Secret(_) => return Err(refused("1 to 128 characters of ASCII, not all blank")),
        }
        Ok(())
    }

    /// What has the name, as text; `not shown` for a secret. `None` if no setting has the name.
    pub fn get(&self, name: &str) -> Option<String> {
        SETTINGS.iter().find(|setting| setting.name == name).map(|setting| setting.of(self))
    }

    /// What is set, for a page.
    pub(crate) fn shown(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Page {
            settings: Vec<Line>,
        }
        #[derive(Serialize)]
        struct Line {
            name: &'static str,
            value: String,
            default: String,
            provenance: Provenance,
            help: &'static str,
        }
        let line = |setting: &Setting| Line {
            name: setting.name,
            value: setting.of(self),
            default: setting.default(),
            provenance: setting.provenance,
            help: setting.help,
        };
        Page { settings: SETTINGS.iter().map(line).collect() }
    }
}

/// As a page shows it: without secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(SETTINGS.iter().map(|setting| (setting.name, setting.of(self)))).finish()
    }
}

impl Setting {
    /// Its name: words of lower case joined by underscores. A flag of the command has hyphens instead.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What is done if nothing is said, as text. Also of a secret: it is in this source for everybody to read.
    pub fn default(&self) -> String {
        let mut settings = Settings::default();
        match self.value {
            Value::Flag(field) => field(&mut settings).to_string(),
            Value::Text(field) => field(&mut settings).clone(),
            Value::Secret(field) => field(&mut settings).expose_secret().to_owned(),
            Value::Read { show, .. } => show(&settings),
        }
    }

    /// Where the default comes from.
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// What it does, in a sentence without its full stop.
    pub fn help(&self) -> &'static str {
        self.help
    }

    /// Whether it is on or off, so that its name alone can mean `true`.
    pub fn is_flag(&self) -> bool {
        matches!(self.value, Value::Flag(_))
    }

    /// Whether its value is to be shown to nobody.
    pub fn is_secret(&self) -> bool {
        matches!(self.value, Value::Secret(_))
    }

    fn of(&self, settings: &Settings) -> String {
        let mut settings = settings.clone();
        match self.value {
            Value::Flag(field) => field(&mut settings).to_string(),
            Value::Text(field) => field(&mut settings).clone(),
            Value::Secret(_) => "not shown".into(),
            Value::Read { show, .. } => show(&settings),
        }
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Documented => "documented",
            Self::Implied => "implied",
            Self::Assumed => "assumed",
        })
    }
}

impl SimBuilder {
    /// Sets everything that has a name, and undoes what was set by name before.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{SETTINGS, SettingError, Settings};
    use std::collections::BTreeSet;

    #[test]
    fn every_setting_takes_its_default_and_another_value() {
        let names: BTreeSet<_> = SETTINGS.iter().map(|setting| setting.name()).collect();
        assert_eq!(names.len(), SETTINGS.len());
        for setting in SETTINGS {
            let mut settings = Settings::default();
            settings.set(setting.name(), &setting.default()).unwrap();
            let other = match setting.name() {
                "bulk_progress" => "polls:3",
                "callback_targets" => "10.0.0.0/8,fd00::/8",
                "callback_schedule" => "standard-webhooks",
                "callback_authority" => "/etc/ssl/receivers.pem",
                "callback_copies" => "10",
                "journal_entries" => "7",
                name if name.starts_with("callback_") => "1000",
                _ if setting.is_flag() => "true",
                _ => "something else",
            };
            assert_ne!(setting.default(), other);
            settings.set(setting.name(), other).unwrap();
            let shown = settings.get(setting.name()).unwrap();
            assert_eq!(shown, if setting.is_secret() { "not shown" } else { other });
            // One changes, and no other with it.
            for rest in SETTINGS.iter().filter(|rest| rest.name() != setting.name() && !rest.is_secret()) {
                assert_eq!(
                    settings.get(rest.name()),
                    Some(rest.default()),
                    "{} beside {}",
                    rest.name(),
                    setting.name()
                );
            }
            assert!(setting.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(!setting.help().ends_with('.'));
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut settings = Settings::default();
        let before = format!("{settings:?}");
        let mut check = |name: &str, value: &str, expected: &str| {
            assert_eq!(settings.set(name, value).unwrap_err().to_string(), expected, "{name} {value}");
            assert_eq!(format!("{settings:?}"), before);
        };
        for wrong in ["", "yes", "TRUE", "1", " true"] {
            check("accept_literals", wrong, "accept_literals: expected true or false");
        }
        for wrong in ["", " ", "a\nb", "é", &"x".repeat(129)] {
            check("bank_username", wrong, "bank_username: expected 1 to 128 characters of ASCII, not all blank");
            check("bank_password", wrong, "bank_password: expected 1 to 128 characters of ASCII, not all blank");
        }
        for wrong in ["", "1", "after:-1", "after:x", "polls:0", "polls", "By-hand"] {
            let expected = "at-once, after:SECONDS, polls:N or by-hand";
            check("bulk_progress", wrong, &format!("bulk_progress: expected {expected}"));
        }
        for wrong in ["1001", "-1", "0.5", ""] {
            check("callback_loss", wrong, "callback_loss: expected 0 to 1000 per mille");
        }
        for wrong in ["0", "11", "-1", "256", ""] {
            check("callback_copies", wrong, "callback_copies: expected 1 to 10 copies");
        }
        for wrong in ["0", "5", "604801", "6.5", "a minute", ""] {
            let expected = "6 to 604800 seconds: more than a receiver has, at most a week";
            check("callback_delay_seconds", wrong, &format!("callback_delay_seconds: expected {expected}"));
        }
        for wrong in ["0", "604801", "18446744073709551616", ""] {
            let expected = "callback_hold_seconds: expected 1 to 604800 seconds, a week";
            check("callback_hold_seconds", wrong, expected);
        }
        for wrong in ["", " ", "a\0b", &"x".repeat(4097)] {
            let expected = "system, or the path of a file with certificates in PEM form";
            check("callback_authority", wrong, &format!("callback_authority: expected {expected}"));
        }
        check(
            "callback_targets",
            "10.0.0.1/8",
            "callback_targets: expected loopback, or networks such as 10.0.0.0/8,fd00::/8",
        );
        check("accept-literals", "true", "there is no setting accept-literals");
        assert_eq!(settings.get("accept-literals"), None);
        let unknown = Settings::default().set(&"x".repeat(1000), "").unwrap_err();
        assert_eq!(unknown, SettingError::Unknown("x".repeat(128)));
    }

    #[test]
    fn no_secret_is_shown() {
        let mut settings = Settings::default();
        settings.set("bank_password", "hidden-password").unwrap();
        let page = serde_json::to_string(&settings.shown()).unwrap();
        assert!(!format!("{settings:?}{page}").contains("hidden-password"));
        assert!(
            page.contains(r#""name":"bank_password","value":"not shown","default":"1bill","provenance":"assumed""#),
            "{page}"
        );
    }
}
