//! Why a simulator can't be started.

use asaanbill_storage::StorageError;

use crate::callback::{AuthorityError, CallbackUrlError, TargetPolicyError};

/// A simulator that can't be started as it was asked for.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SimError(#[from] Kind);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Kind {
    #[error("the store can't be opened; the cause says what to do")]
    Store(#[source] StorageError),
    #[error("{what}: {allowed}")]
    Setting { what: &'static str, allowed: &'static str },
    #[error("the password of a user can't be digested")]
    Password(#[source] argon2::password_hash::Error),
    #[error("{0}")]
    CallbackUrl(CallbackUrlError),
    #[error("callback_targets: {0}")]
    CallbackTargets(TargetPolicyError),
    #[error("callback_authority: {0}")]
    CallbackAuthority(AuthorityError),
}

impl SimError {
    pub(crate) fn setting(what: &'static str, allowed: &'static str) -> Self {
        Kind::Setting { what, allowed }.into()
    }

    /// Whether a setting was wrong, rather than the machine.
    pub fn is_setting(&self) -> bool {
        match self.0 {
            Kind::Setting { .. } | Kind::CallbackUrl(_) | Kind::CallbackTargets(_) | Kind::CallbackAuthority(_) => true,
            Kind::Store(_) | Kind::Password(_) => false,
        }
    }
}

impl From<StorageError> for SimError {
    fn from(error: StorageError) -> Self {
        Kind::Store(error).into()
    }
}
