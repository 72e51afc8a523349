//! What goes wrong with a call-back on purpose.
//!
//! The guide promises neither that a call-back arrives, nor that it arrives once, in order, whole or from the hub. A receiver
//! that is tested only by a hub which keeps what nobody promised is not tested.
//!
//! guide:call-16

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::draw::draw;
use super::send::CALLBACK_DEADLINE;

/// The parts of a whole share.
const WHOLE: u16 = 1000;

/// How many copies an event may have beyond its first.
const COPIES_MAX: u8 = 10;

/// The longest delay: a week, twice as long as the retries of a call-back last.
const DELAY_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Disturbance {
    /// Nothing of the event is sent. It wins over all others but forgery.
    Loss,
    /// The event is sent once more, or several times.
    Duplicate,
    /// It is held back until the channel's next call-back was sent: the two swap places.
    Disorder,
    /// It is sent long after anybody who waited for it has given up.
    Delay,
    /// Its first copy is no JSON. Duplicates are whole.
    Corruption,
    /// Before it, a call-back is sent that is not true.
    Forgery,
}

impl Disturbance {
    const ALL: [Self; 6] = [Self::Loss, Self::Duplicate, Self::Disorder, Self::Delay, Self::Corruption, Self::Forgery];

    /// What its chance is drawn for. It never changes: a seed in somebody's bug report has to mean the same.
    fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Duplicate => "duplicate",
            Self::Disorder => "disorder",
            Self::Delay => "delay",
            Self::Corruption => "corruption",
            Self::Forgery => "forgery",
        }
    }
}

/// What goes wrong with one event.
pub(super) type Disturbances = BTreeSet<Disturbance>;

/// A part of all events, in thousandths: 0 is none, 1000 is all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Share(u16);

impl Share {
    /// What is allowed.
    pub(crate) const EXPECTED: &'static str = "0 to 1000 per mille";

    /// So many in a thousand; `None` above 1000.
    pub(crate) fn per_mille(share: u16) -> Option<Self> {
        (share <= WHOLE).then_some(Self(share))
    }

    pub(crate) fn get(self) -> u16 {
        self.0
    }

    fn holds(self, chance: u64) -> bool {
        chance % u64::from(WHOLE) < u64::from(self.0)
    }
}

/// How often things go wrong, and how badly. Nothing does unless it is asked for.
///
/// Which events a share hits follows from the seed and the event alone; a larger share hits the same and more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DisturbanceSettings {
    shares: BTreeMap<Disturbance, Share>,
    copies: u8,
    delay: Duration,
    hold: Duration,
}

impl Default for DisturbanceSettings {
    fn default() -> Self {
        Self { shares: BTreeMap::new(), copies: 1, delay: Duration::from_secs(60), hold: Duration::from_secs(30) }
    }
}

impl DisturbanceSettings {
    /// What is allowed for [`set_copies`](Self::set_copies).
    pub(crate) const COPIES_EXPECTED: &'static str = "1 to 10 copies";

    /// What is allowed for [`set_delay`](Self::set_delay).
    pub(crate) const DELAY_EXPECTED: &'static str = "6 to 604800 seconds: more than a receiver has, at most a week";

    /// What is allowed for [`set_hold`](Self::set_hold).
    pub(crate) const HOLD_EXPECTED: &'static str = "1 to 604800 seconds, a week";

    /// How many events it hits.
    pub(crate) fn set_share(&mut self, of: Disturbance, share: Share) {
        self.shares.insert(of, share);
    }

    /// How many copies a duplicated event has beyond its first. One if nothing is said. `None`, and nothing has changed, for 0 and
    /// above [`COPIES_MAX`].
    pub(crate) fn set_copies(&mut self, copies: u8) -> Option<()> {
        self.copies = Some(copies).filter(|copies| (1..=COPIES_MAX).contains(copies))?;
        Some(())
    }

    /// How late a delayed event is, by the hub's clock. A minute if nothing is said. `None`, and nothing has changed, where that isn't
    /// beyond the receiver's five seconds, or above [`DELAY_MAX`].
    pub(crate) fn set_delay(&mut self, delay: Duration) -> Option<()> {
        self.delay = Some(delay).filter(|delay| *delay > CALLBACK_DEADLINE && *delay <= DELAY_MAX)?;
        Some(())
    }

    /// How long an event is held back at most if no other follows it, by the hub's clock. Half a minute if nothing is said. `None`, and
    /// nothing has changed, for 0 and above [`DELAY_MAX`].
    pub(crate) fn set_hold(&mut self, hold: Duration) -> Option<()> {
        self.hold = Some(hold).filter(|hold| !hold.is_zero() && *hold <= DELAY_MAX)?;
        Some(())
    }

    /// How often it goes wrong.
    pub(crate) fn share_of(&self, one: Disturbance) -> Share {
        self.shares.get(&one).copied().unwrap_or_default()
    }

    pub(crate) fn copies(&self) -> u8 {
        self.copies
    }

    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    pub(crate) fn hold(&self) -> Duration {
        self.hold
    }

    /// Whether nothing ever goes wrong.
    pub(crate) fn is_quiet(&self) -> bool {
        Disturbance::ALL.into_iter().all(|one| !self.happens(one))
    }

    /// Whether this may go wrong with some event.
    pub(crate) fn happens(&self, one: Disturbance) -> bool {
        self.share_of(one) > Share::default()
    }

    /// What goes wrong with an event: what chance says.
    pub(super) fn disturbances(&self, seed: u64, event: u64) -> Disturbances {
        let hit = |(of, share): (&Disturbance, &Share)| share.holds(draw(seed, event, of.name())).then_some(*of);
        self.shares.iter().filter_map(hit).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{COPIES_MAX, DELAY_MAX, Disturbance, DisturbanceSettings, Share};
    use crate::callback::CALLBACK_DEADLINE;

    /// So many of all events, for each of these words.
    pub(in crate::callback) fn shares(words: &str, per_mille: u16) -> DisturbanceSettings {
        let mut settings = DisturbanceSettings::default();
        for word in words.split_whitespace() {
            let of = Disturbance::ALL.into_iter().find(|known| known.name() == word).unwrap();
            settings.set_share(of, Share::per_mille(per_mille).unwrap());
        }
        settings
    }

    pub(in crate::callback) const ALL: &str = "loss duplicate disorder delay corruption forgery";

    #[test]
    fn nothing_goes_wrong_unless_it_is_asked_for() {
        for none in [DisturbanceSettings::default(), shares(ALL, 0)] {
            assert!((0..1000).all(|id| none.disturbances(id, id).is_empty()));
            assert!(none.is_quiet());
        }
        let all = shares(ALL, 1000);
        assert!((0..1000).all(|id| all.disturbances(id, id).len() == Disturbance::ALL.len()));
        let rare = shares("delay", 1);
        assert!(!rare.is_quiet() && rare.happens(Disturbance::Delay) && !rare.happens(Disturbance::Disorder));
    }

    /// Of 10,000 events about as many as the share says, and each disturbance its own.
    #[test]
    fn shares_are_shares() {
        let settings = shares(ALL, 250);
        let hits: Vec<_> = (0..10_000).map(|id| settings.disturbances(7, id)).collect();
        for of in Disturbance::ALL {
            let count = hits.iter().filter(|hit| hit.contains(&of)).count();
            assert!((2350..=2650).contains(&count), "{of:?}: {count}");
        }
        let two =
            hits.iter().filter(|hit| hit.contains(&Disturbance::Loss) && hit.contains(&Disturbance::Delay)).count();
        assert!((525..=725).contains(&two), "independent: {two}");
    }

    #[test]
    fn settings_have_bounds() {
        assert!(Share::per_mille(1000).is_some_and(|share| share.get() == 1000) && Share::per_mille(1001).is_none());
        let mut settings = DisturbanceSettings::default();
        let nano = Duration::from_nanos(1);
        assert_eq!((settings.set_copies(0), settings.set_copies(COPIES_MAX + 1)), (None, None));
        assert_eq!((settings.set_delay(CALLBACK_DEADLINE), settings.set_delay(DELAY_MAX + nano)), (None, None));
        assert_eq!((settings.set_hold(Duration::ZERO), settings.set_hold(DELAY_MAX + nano)), (None, None));
        assert_eq!(settings, DisturbanceSettings::default(), "nothing has changed");
        for (copies, delay, hold) in [(1, CALLBACK_DEADLINE + nano, nano), (COPIES_MAX, DELAY_MAX, DELAY_MAX)] {
            let set = (settings.set_copies(copies), settings.set_delay(delay), settings.set_hold(hold));
            assert_eq!(set, (Some(()), Some(()), Some(())));
            assert_eq!((settings.copies(), settings.delay(), settings.hold()), (copies, delay, hold));
        }
    }

    /// What a person is told is what is done, in whole seconds.
    #[test]
    fn bounds_are_told_as_they_are() {
        let (least, most) = (CALLBACK_DEADLINE.as_secs() + 1, DELAY_MAX.as_secs());
        assert!(DisturbanceSettings::COPIES_EXPECTED.starts_with(&format!("1 to {COPIES_MAX} ")));
        assert!(DisturbanceSettings::DELAY_EXPECTED.starts_with(&format!("{least} to {most} seconds")));
        assert!(DisturbanceSettings::HOLD_EXPECTED.starts_with(&format!("1 to {most} seconds")));
    }

    proptest! {
        /// Who raises a share keeps the failures that he has seen.
        #[test]
        fn a_larger_share_hits_the_same_and_more(seed: u64, id: u64, less in 0..=1000_u16, more in 0..=1000_u16) {
            let (less, more) = (less.min(more), less.max(more));
            let hits = |share| !shares("loss", share).disturbances(seed, id).is_empty();
            prop_assert!(!hits(less) || hits(more));
        }
    }
}
