//! Tokens that were used lately, so that the store isn't asked for each request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::Access;

/// How many are remembered. More start anew.
const TOKENS_MAX: usize = 10_000;

/// For how long, where another instance may revoke them: a revocation takes effect everywhere within this time.
const SHARED_FOR: Duration = Duration::from_secs(1);

pub(crate) struct Tokens {
    shared: bool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    users: HashMap<[u8; 32], (Arc<Access>, Instant)>,
    /// Counts revocations: what was read before one isn't kept after it.
    revocations: u64,
}

/// A look at the store that is under way.
pub(crate) struct Looking<'t> {
    tokens: &'t Tokens,
    revocations: u64,
}

impl Tokens {
    /// `shared` where other instances may change what tokens mean.
    pub(crate) fn new(shared: bool) -> Self {
        Self { shared, known: Mutex::default() }
    }

    pub(crate) fn find(&self, digest: &[u8; 32]) -> Option<Arc<Access>> {
        let known = self.lock();
        let (access, since) = known.users.get(digest)?;
        (!self.shared || since.elapsed() < SHARED_FOR).then(|| Arc::clone(access))
    }

    pub(crate) fn begin(&self) -> Looking<'_> {
        Looking { tokens: self, revocations: self.lock().revocations }
    }

    /// Forgets all: users or tokens have changed.
    pub(crate) fn forget(&self) {
        let mut known = self.lock();
        known.users.clear();
        known.revocations += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Looking<'_> {
    pub(crate) fn keep(self, digest: [u8; 32], access: Access) -> Arc<Access> {
        let access = Arc::new(access);
        let mut known = self.tokens.lock();
        if known.revocations == self.revocations {
            if known.users.len() >= TOKENS_MAX {
                known.users.clear();
            }
            known.users.insert(digest, (Arc::clone(&access), monotonic()));
        }
        access
    }
}

/// How long something is remembered is no matter of the simulator's clock.
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}
