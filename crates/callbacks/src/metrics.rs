//! Counts of what happened, for Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use asaanbill_storage::queue::{State, Tally};
use jiff::Timestamp;

use crate::receipt::ReceiptState;
use crate::store::Counts;

/// What happened since the receiver was made.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    accepted: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    resolved: [AtomicU64; ReceiptState::ALL.len()],
    lookups: AtomicU64,
    lookups_failed: AtomicU64,
    lookups_shared: AtomicU64,
    handled: AtomicU64,
    handlings_failed: AtomicU64,
    handlings_dead: AtomicU64,
    leases_lost: AtomicU64,
    swept: AtomicU64,
    sweeps: AtomicU64,
    sweeps_failed: AtomicU64,
}

/// Why something wasn't accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not a call-back's path, or not the secret one.
    Path,
    Method,
    /// Not from where call-backs may come.
    Source,
    TooLarge,
    /// Nothing that can be read as a call-back.
    Body,
    /// The body didn't come, or it couldn't be stored, in time.
    TimedOut,
    /// The inbox is full.
    Full,
    /// The inbox failed.
    Store,
}

impl Refusal {
    const ALL: [Self; 8] =
        [Self::Path, Self::Method, Self::Source, Self::TooLarge, Self::Body, Self::TimedOut, Self::Full, Self::Store];

    fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Method => "method",
            Self::Source => "source",
            Self::TooLarge => "too_large",
            Self::Body => "body",
            Self::TimedOut => "timed_out",
            Self::Full => "full",
            Self::Store => "store",
        }
    }
}

/// One thing that is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Accepted,
    Refused(Refusal),
    Resolved(ReceiptState),
    Lookup,
    LookupFailed,
    /// A receipt that shared another one's look-up.
    LookupShared,
    Handled,
    HandlingFailed,
    HandlingDead,
    LeaseLost,
    /// A payment that no call-back had announced.
    Swept,
    Sweep,
    SweepFailed,
}

impl Metrics {
    pub(crate) fn count(&self, event: Event) {
        self.counter(event).fetch_add(1, Ordering::Relaxed);
    }

    fn counter(&self, event: Event) -> &AtomicU64 {
        match event {
            Event::Accepted => &self.accepted,
            Event::Refused(why) => &self.refused[why as usize],
            Event::Resolved(state) => &self.resolved[state as usize],
            Event::Lookup => &self.lookups,
            Event::LookupFailed => &self.lookups_failed,
            Event::LookupShared => &self.lookups_shared,
            Event::Handled => &self.handled,
            Event::HandlingFailed => &self.handlings_failed,
            Event::HandlingDead => &self.handlings_dead,
            Event::LeaseLost => &self.leases_lost,
            Event::Swept => &self.swept,
            Event::Sweep => &self.sweeps,
            Event::SweepFailed => &self.sweeps_failed,
        }
    }

    fn get(&self, event: Event) -> u64 {
        self.counter(event).load(Ordering::Relaxed)
    }

    /// In Prometheus' text format, with what the inbox holds now.
    pub(crate) fn text(&self, counts: &Counts, now: Timestamp) -> String {
        let mut page = Page::default();
        page.family("accepted_total", "counter", "Call-backs that were stored and acknowledged by this process.");
        page.line("accepted_total", "", self.get(Event::Accepted));
        page.family("refused_total", "counter", "Requests that were not acknowledged by this process, by reason.");
        for why in Refusal::ALL {
            let labels = format!("{{reason=\"{}\"}}", why.as_str());
            page.line("refused_total", &labels, self.get(Event::Refused(why)));
        }
        page.family("resolved_total", "counter", "Receipts that this process resolved, by what became of them.");
        for state in ReceiptState::ALL.into_iter().filter(|state| *state != ReceiptState::Received) {
            let labels = format!("{{state=\"{}\"}}", state.as_str());
            page.line("resolved_total", &labels, self.get(Event::Resolved(state)));
        }
        for (name, help, event) in [
            ("lookups_total", "Questions to the hub.", Event::Lookup),
            ("lookups_failed_total", "Questions that the hub did not answer.", Event::LookupFailed),
            ("lookups_shared_total", "Receipts that shared another one's question.", Event::LookupShared),
            ("handled_total", "Events that the handler is done with.", Event::Handled),
            ("handlings_failed_total", "Times that the handler failed.", Event::HandlingFailed),
            ("handlings_dead_total", "Events that were given up.", Event::HandlingDead),
            ("leases_lost_total", "Work that another worker had taken over.", Event::LeaseLost),
            ("swept_total", "Payments that no call-back had announced when a sweep found them.", Event::Swept),
            ("sweeps_total", "Sweeps of the hub's records.", Event::Sweep),
            ("sweeps_failed_total", "Sweeps that did not come to their end.", Event::SweepFailed),
        ] {
            page.family(name, "counter", help);
            page.line(name, "", self.get(event));
        }
        page.family("receipts", "gauge", "Receipts in the inbox, by state.");
        for state in ReceiptState::ALL {
            let count = counts.receipts.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count);
            page.line("receipts", &format!("{{state=\"{}\"}}", state.as_str()), count);
        }
        page.queue("confirms", "receipts that wait for the hub's word", &counts.confirms, now);
        page.queue("handlings", "events that wait for the handler", &counts.handlings, now);
        page.0
    }
}

/// Metrics as text, each with this crate's prefix.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string can't fail.
        let _ = writeln!(self.0, "# HELP asaanbill_callbacks_{name} {help}");
        let _ = writeln!(self.0, "# TYPE asaanbill_callbacks_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: u64) {
        let _ = writeln!(self.0, "asaanbill_callbacks_{name}{labels} {value}");
    }

    fn queue(&mut self, name: &str, help: &str, tallies: &[Tally], now: Timestamp) {
        let of = |state: State| tallies.iter().filter(move |tally| tally.state == state);
        self.family(name, "gauge", &format!("Jobs: {help}, by state."));
        for state in [State::Ready, State::Leased, State::Dead] {
            let count = of(state).map(|tally| tally.count).sum();
            self.line(name, &format!("{{state=\"{}\"}}", state.as_str()), count);
        }
        let oldest = [State::Ready, State::Leased].into_iter().flat_map(of).map(|tally| tally.oldest).min();
        let age = oldest.map_or(0, |oldest| u64::try_from(now.duration_since(oldest).as_secs()).unwrap_or(0));
        let name = format!("{name}_oldest_seconds");
        self.family(&name, "gauge", &format!("Age of the oldest: {help}."));
        self.line(&name, "", age);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_its_place() {
        for (place, why) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, place);
        }
        for (place, state) in ReceiptState::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, place);
        }
    }
}
