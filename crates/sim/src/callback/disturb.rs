//! What goes wrong with a call-back on purpose.
//!
//! The guide promises neither that a call-back arrives, nor that it arrives once, in order, whole or from the hub. A receiver
//! that is tested only by a hub which keeps what nobody promised is not tested.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::draw::draw;
use super::send::CALLBACK_DEADLINE;

/// The parts of a whole share.
const WHOLE: u16 = 1000;

/// How many copies an event may have beyond its first.
pub(crate) const COPIES_MAX: u8 = 10;

/// How many events may have instructions of their own: they are kept in memory and given by hand.
pub(crate) const INSTRUCTIONS_MAX: usize = 1024;

/// The longest delay: a week, twice as long as the retries of a call-back last.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

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
    pub(crate) const ALL: [Self; 6] =
        [Self::Loss, Self::Duplicate, Self::Disorder, Self::Delay, Self::Corruption, Self::Forgery];

    /// The word for it in settings, and what its chance is drawn for.
    pub(crate) fn name(self) -> &'static str {
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

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Disturbance {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        Self::ALL.into_iter().find(|known| known.name() == text).ok_or(SettingError {
            setting: "disturbance of call-backs",
            allowed: "loss, duplicate, disorder, delay, corruption, forgery",
        })
    }
}

/// What goes wrong with one event.
pub(crate) type Disturbances = BTreeSet<Disturbance>;

/// A part of all events, in thousandths: 0 is none, 1000 is all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Share(u16);

impl Share {
    /// So many in a thousand.
    ///
    /// # Errors
    ///
    /// Above 1000.
    pub(crate) fn per_mille(share: u16) -> Result<Self, SettingError> {
        let wrong = SettingError { setting: "share of call-backs", allowed: "0 to 1000 per mille" };
        (share <= WHOLE).then_some(Self(share)).ok_or(wrong)
    }

    pub(crate) fn get(self) -> u16 {
        self.0
    }

    fn holds(self, chance: u64) -> bool {
        chance % u64::from(WHOLE) < u64::from(self.0)
    }
}

/// A setting out of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: allowed: {allowed}")]
pub(crate) struct SettingError {
    pub(crate) setting: &'static str,
    pub(crate) allowed: &'static str,
}

/// How often things go wrong, how badly, and with which events for certain. Nothing does unless it is asked for.
///
/// Which events a share hits follows from the seed and the event alone; a larger share hits the same and more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DisturbanceSettings {
    shares: BTreeMap<Disturbance, Share>,
    instructions: BTreeMap<u64, Disturbances>,
    pub(super) copies: u8,
    pub(super) delay: Duration,
    pub(super) hold: Duration,
}

impl Default for DisturbanceSettings {
    fn default() -> Self {
        Self {
            shares: BTreeMap::new(),
            instructions: BTreeMap::new(),
            copies: 1,
            delay: Duration::from_secs(60),
            hold: Duration::from_secs(30),
        }
    }
}

impl DisturbanceSettings {
    /// How many events it hits.
    #[must_use]
    pub(crate) fn share(mut self, of: Disturbance, share: Share) -> Self {
        self.shares.insert(of, share);
        self
    }

    /// What goes wrong with this event, whatever the shares say; with none of them, nothing does.
    ///
    /// # Errors
    ///
    /// If [`INSTRUCTIONS_MAX`] other events have instructions.
    pub(crate) fn instruct(&mut self, event: u64, to: Disturbances) -> Result<(), SettingError> {
        if self.instructions.len() >= INSTRUCTIONS_MAX && !self.instructions.contains_key(&event) {
            return Err(SettingError { setting: "instructions for call-backs", allowed: "1024 events at most" });
        }
        self.instructions.insert(event, to);
        Ok(())
    }

    /// Whether nothing ever goes wrong.
    pub(crate) fn is_quiet(&self) -> bool {
        Disturbance::ALL.into_iter().all(|one| !self.happens(one))
    }

    /// Whether this may go wrong with some event.
    pub(crate) fn happens(&self, one: Disturbance) -> bool {
        self.shares.get(&one).is_some_and(|share| share.get() > 0)
            || self.instructions.values().any(|instructed| instructed.contains(&one))
    }

    /// How often it goes wrong.
    pub(crate) fn share_of(&self, one: Disturbance) -> Share {
        self.shares.get(&one).copied().unwrap_or_default()
    }

    /// How many copies a duplicated event has beyond its first. One if nothing is said.
    ///
    /// # Errors
    ///
    /// 0, or above [`COPIES_MAX`].
    pub(crate) fn copies(mut self, copies: u8) -> Result<Self, SettingError> {
        if copies == 0 || copies > COPIES_MAX {
            return Err(SettingError { setting: "copies of a call-back", allowed: "1 to 10" });
        }
        self.copies = copies;
        Ok(self)
    }

    /// How late a delayed event is, by the hub's clock. A minute if nothing is said.
    ///
    /// # Errors
    ///
    /// Not beyond the receiver's five seconds, or above [`DELAY_MAX`].
    pub(crate) fn delay(mut self, delay: Duration) -> Result<Self, SettingError> {
        if delay <= CALLBACK_DEADLINE || delay > DELAY_MAX {
            return Err(SettingError {
                setting: "delay of a call-back",
                allowed: "more than 5 seconds, at most a week",
            });
        }
        self.delay = delay;
        Ok(self)
    }

    /// How long an event is held back at most if no other follows it, by the hub's clock. Half a minute if nothing is said.
    ///
    /// # Errors
    ///
    /// 0, or above [`DELAY_MAX`].
    pub(crate) fn hold(mut self, hold: Duration) -> Result<Self, SettingError> {
        if hold.is_zero() || hold > DELAY_MAX {
            return Err(SettingError {
                setting: "holding a call-back back",
                allowed: "more than 0 seconds, at most a week",
            });
        }
        self.hold = hold;
        Ok(self)
    }

    /// What goes wrong with an event: its instruction, else what chance says.
    pub(crate) fn disturbances(&self, seed: u64, event: u64) -> Disturbances {
        if let Some(instruction) = self.instructions.get(&event) {
            return instruction.clone();
        }
        let hit = |(of, share): (&Disturbance, &Share)| share.holds(draw(seed, event, of.name())).then_some(*of);
        self.shares.iter().filter_map(hit).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{DELAY_MAX, Disturbance, DisturbanceSettings, Disturbances, INSTRUCTIONS_MAX, Share};

    #[test]
    fn nothing_goes_wrong_unless_it_is_asked_for() {
        let settings = DisturbanceSettings::default();
        for id in 0..1000 {
            assert!(settings.disturbances(id, id).is_empty());
        }
        let none = Disturbance::ALL.into_iter().fold(settings, |settings, of| settings.share(of, Share::default()));
        assert!((0..1000).all(|id| none.disturbances(id, id).is_empty()));
        let all = Share::per_mille(1000).unwrap();
        let all = Disturbance::ALL.into_iter().fold(none, |settings, of| settings.share(of, all));
        assert!((0..1000).all(|id| all.disturbances(id, id).len() == Disturbance::ALL.len()));
    }

    /// Of 10,000 events about as many as the share says, and each disturbance its own.
    #[test]
    fn shares_are_shares() {
        let settings = Disturbance::ALL
            .into_iter()
            .fold(DisturbanceSettings::default(), |settings, of| settings.share(of, Share::per_mille(250).unwrap()));
        let hits: Vec<_> = (0..10_000).map(|id| settings.disturbances(7, id)).collect();
        for of in Disturbance::ALL {
            let count = hits.iter().filter(|hit| hit.contains(&of)).count();
            assert!((2350..=2650).contains(&count), "{of}: {count}");
        }
        let two =
            hits.iter().filter(|hit| hit.contains(&Disturbance::Loss) && hit.contains(&Disturbance::Delay)).count();
        assert!((525..=725).contains(&two), "independent: {two}");
    }

    #[test]
    fn settings_have_bounds() {
        let settings = DisturbanceSettings::default;
        assert!(Share::per_mille(1000).is_ok_and(|share| share.get() == 1000));
        assert_eq!(
            Share::per_mille(1001).unwrap_err().to_string(),
            "share of call-backs: allowed: 0 to 1000 per mille"
        );
        assert!(settings().copies(0).is_err() && settings().copies(11).is_err() && settings().copies(10).is_ok());
        assert!(
            settings().delay(Duration::from_secs(5)).is_err() && settings().delay(Duration::from_millis(5001)).is_ok()
        );
        assert!(settings().delay(DELAY_MAX).is_ok() && settings().delay(DELAY_MAX + Duration::from_nanos(1)).is_err());
        assert!(settings().hold(Duration::ZERO).is_err() && settings().hold(DELAY_MAX).is_ok());
        assert!("lost".parse::<Disturbance>().is_err());

        let mut full = settings();
        for id in 0..u64::try_from(INSTRUCTIONS_MAX).unwrap() {
            full.instruct(id, Disturbances::new()).unwrap();
        }
        assert!(full.instruct(u64::MAX, Disturbances::new()).is_err());
        assert!(full.instruct(0, [Disturbance::Loss].into()).is_ok());
    }

    proptest! {
        /// Who raises a share keeps the failures that he has seen.
        #[test]
        fn a_larger_share_hits_the_same_and_more(seed: u64, id: u64, less in 0..=1000_u16, more in 0..=1000_u16) {
            let (less, more) = (less.min(more), less.max(more));
            let hits = |share| {
                let settings = DisturbanceSettings::default().share(Disturbance::Loss, Share::per_mille(share).unwrap());
                !settings.disturbances(seed, id).is_empty()
            };
            prop_assert!(!hits(less) || hits(more));
        }
    }
}
