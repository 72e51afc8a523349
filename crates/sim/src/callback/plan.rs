//! What is really sent for a call-back that is owed.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::disturb::{Disturbance, DisturbanceSettings};
use super::forge::{corrupt, forge};

/// A call-back that is owed.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    /// The number by which chance knows it: one that it keeps, and that no other event of the hub has.
    pub(crate) id: u64,
    /// `/processed` or `/bulk-payment-request-approved`.
    pub(crate) path: &'a str,
    /// What the hub has to say.
    pub(crate) body: &'a str,
}

/// Shows no body: it tells who pays.
impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, path, body } = self;
        let hidden = format_args!("<{} bytes>", body.len());
        f.debug_struct("Event").field("id", id).field("path", path).field("body", &hidden).finish()
    }
}

/// What a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DeliveryKind {
    /// What the hub has to say.
    Genuine,
    /// The same once more.
    Duplicate,
    /// The same, damaged.
    Corrupt,
    /// What isn't true.
    Forged,
}

impl DeliveryKind {
    /// The word for it in the store and in listings. It never changes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Genuine => "genuine",
            Self::Duplicate => "duplicate",
            Self::Corrupt => "corrupt",
            Self::Forged => "forged",
        }
    }
}

/// One request that is really sent, with attempts of its own by the schedule.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) kind: DeliveryKind,
    /// How long after it is owed it is sent, by the hub's clock.
    pub(crate) delay: Duration,
    /// Whether it goes earlier than that, as soon as the channel's next call-back was sent.
    pub(crate) behind_next: bool,
    pub(crate) body: Bytes,
}

/// Shows no body: it tells who pays.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, delay, behind_next, body } = self;
        let hidden = format_args!("<{} bytes>", body.len());
        let mut shown = f.debug_struct("Delivery");
        shown
            .field("kind", kind)
            .field("delay", delay)
            .field("behind_next", behind_next)
            .field("body", &hidden)
            .finish()
    }
}

/// What is really sent for a call-back that is owed, in this order; nothing if it is lost.
///
/// It follows from its arguments alone: the same seed, event and settings give the same, whoever asks, when and how often. A
/// forgery that can't be made, because the body was edited to something else, is left out.
pub(crate) fn plan(seed: u64, event: &Event<'_>, settings: &DisturbanceSettings) -> Vec<Delivery> {
    let disturbances = settings.disturbances(seed, event.id);
    let is = |disturbance| disturbances.contains(&disturbance);
    let mut deliveries = Vec::new();
    if is(Disturbance::Forgery)
        && let Some(forged) = forge(seed, event)
    {
        let body = forged.into();
        deliveries.push(Delivery { kind: DeliveryKind::Forged, delay: Duration::ZERO, behind_next: false, body });
    }
    if is(Disturbance::Loss) {
        return deliveries;
    }
    // Who is late is out of order anyway.
    let (delay, behind_next) = match (is(Disturbance::Delay), is(Disturbance::Disorder)) {
        (true, _) => (settings.delay(), false),
        (false, true) => (settings.hold(), true),
        (false, false) => (Duration::ZERO, false),
    };
    let body = Bytes::copy_from_slice(event.body.as_bytes());
    let (kind, first) = match is(Disturbance::Corruption) {
        true => (DeliveryKind::Corrupt, corrupt(seed, event).into()),
        false => (DeliveryKind::Genuine, body.clone()),
    };
    deliveries.push(Delivery { kind, delay, behind_next, body: first });
    let copies = if is(Disturbance::Duplicate) { usize::from(settings.copies()) } else { 0 };
    let copy = Delivery { kind: DeliveryKind::Duplicate, delay, behind_next, body };
    deliveries.extend(std::iter::repeat_n(copy, copies));
    deliveries
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Event, plan};
    use crate::callback::DisturbanceSettings;
    use crate::callback::disturb::tests::{ALL, shares};

    const BODY: &str = r#"{"title":"Ali","amount":"50","psid":"100139100100154854584585"}"#;

    fn event(id: u64) -> Event<'static> {
        Event { id, path: "/processed", body: BODY }
    }

    /// What is sent for an event with these disturbances: kind, delay in seconds, and `+` if it goes behind the next.
    fn check(disturbances: &str, expected: &str) {
        let mut settings = shares(disturbances, 1000);
        settings.set_copies(2).unwrap();
        let sent: Vec<_> = plan(7, &event(5), &settings)
            .into_iter()
            .map(|one| {
                let whole = if one.body == BODY { "" } else { "!" };
                let next = if one.behind_next { "+" } else { "" };
                format!("{}{whole} {}{next}", one.kind.name(), one.delay.as_secs())
            })
            .collect();
        assert_eq!(sent.join(", "), expected, "{disturbances}");
    }

    #[test]
    fn what_is_sent() {
        check("", "genuine 0");
        check("loss", "");
        check("duplicate", "genuine 0, duplicate 0, duplicate 0");
        check("disorder", "genuine 30+");
        check("delay", "genuine 60");
        check("corruption", "corrupt! 0");
        check("forgery", "forged! 0, genuine 0");
        check("loss forgery", "forged! 0");
        check("loss duplicate disorder delay corruption", "");
        check("duplicate corruption", "corrupt! 0, duplicate 0, duplicate 0");
        check("disorder duplicate", "genuine 30+, duplicate 30+, duplicate 30+");
        check("delay disorder", "genuine 60");
        check("delay forgery", "forged! 0, genuine 60");
        check("duplicate disorder delay corruption forgery", "forged! 0, corrupt! 60, duplicate 60, duplicate 60");
    }

    #[test]
    fn debug_shows_no_body() {
        let settings = DisturbanceSettings::default();
        insta::assert_snapshot!(
            format!("{:?} {:?}", event(5), plan(7, &event(5), &settings)),
            @r#"Event { id: 5, path: "/processed", body: <63 bytes> } [Delivery { kind: Genuine, delay: 0ns, behind_next: false, body: <63 bytes> }]"#
        );
    }

    proptest! {
        /// The order of asking, and who else is asked for, change nothing.
        #[test]
        fn the_same_seed_gives_the_same(seed: u64, ids in proptest::collection::vec(any::<u64>(), 1..20), share in 0..=1000_u16) {
            let settings = shares(ALL, share);
            let forward: Vec<_> = ids.iter().map(|id| plan(seed, &event(*id), &settings)).collect();
            let mut backward: Vec<_> = ids.iter().rev().map(|id| plan(seed, &event(*id), &settings.clone())).collect();
            backward.reverse();
            prop_assert_eq!(forward, backward);
        }
    }
}
