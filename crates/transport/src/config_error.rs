//! Settings that can't be used.

use std::error::Error;
use std::fmt;

/// A transport could not be built from its settings. Nothing was connected to.
pub struct ConfigError {
    setting: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ConfigError {
    /// `setting` names what was wrong, never its value: a proxy's address may hold a password.
    #[cfg_attr(
        not(any(feature = "reqwest", feature = "__rustls")),
        expect(dead_code, reason = "plain hyper can't fail")
    )]
    pub(crate) fn new(setting: &'static str, source: Option<Box<dyn Error + Send + Sync>>) -> Self {
        Self { setting, source }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the transport can't be built: {}", self.setting)
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigError").field("setting", &self.setting).field("source", &self.source).finish()
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
