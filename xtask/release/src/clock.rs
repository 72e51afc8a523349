//! The one place that asks for the time and waits. Tests bring a clock of their own.

use std::fmt;
use std::time::{Duration, SystemTime};

/// Time, as a release sees it.
pub trait Clock: fmt::Debug {
    /// Now.
    fn now(&self) -> SystemTime;
    /// Returns when this much time has passed.
    fn wait(&self, time: Duration);
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the outermost layer: a registry says at what hour it may be asked again"
    )]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the outermost layer: a registry's index sends no event to wait for")]
    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
