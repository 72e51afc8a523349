//! Every sort of call-back, in every way that it can come: what becomes of it, and what is handled.

use std::time::Duration;

use asaanbill_callbacks::{CONFIRM_DELAYS_SECONDS, ReceiptState};

use crate::hub::Mood;
use crate::world::{MINUTE, World, psid};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Genuine,
    /// Of a bill that nobody has paid.
    Forged,
    /// Genuine, but for the amount.
    Altered,
    Unknown,
    /// Announced and handled before.
    Handled,
    /// A payment on an open QR code.
    Template,
    /// Of a PSID that a later bill has taken over since.
    Reused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Once,
    Twice,
    /// After a call-back that was sent later.
    OutOfOrder,
    /// Before the hub's commit can be read.
    Early,
    DuringOutage,
    AfterADay,
}

const SORTS: [Sort; 7] =
    [Sort::Genuine, Sort::Forged, Sort::Altered, Sort::Unknown, Sort::Handled, Sort::Template, Sort::Reused];

const WAYS: [Way; 6] = [Way::Once, Way::Twice, Way::OutOfOrder, Way::Early, Way::DuringOutage, Way::AfterADay];

/// What is told of a story in the end.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    states: Vec<ReceiptState>,
    /// How often the payment's effect was handled, and how often anything else's that wasn't paid.
    effects: usize,
    others: usize,
}

async fn tell(sort: Sort, way: Way) -> Told {
    let mut world = World::in_memory().await;
    let letter = if sort == Sort::Template { 'T' } else { 'A' };
    let (psid, other) = (psid(letter), psid('B'));
    let after = (sort != Sort::Template).then_some("55");
    let hub = world.hub.clone();
    let paid = match sort {
        Sort::Unknown => None,
        Sort::Template => {
            hub.template(&psid);
            (way != Way::Early).then(|| hub.scan(&psid, "50"))
        }
        _ => Some(hub.bill(&psid, "50", "55")),
    };
    let late_bill = hub.bill(&other, "70", "75");
    hub.pay(late_bill);
    let is_paid = !matches!(sort, Sort::Forged | Sort::Unknown | Sort::Template);
    let pay = |hub: &crate::hub::Hub| {
        if let (true, Some(id)) = (is_paid, paid) {
            hub.pay(id);
        }
    };
    if way != Way::Early || sort == Sort::Handled {
        pay(&hub);
    }
    if sort == Sort::Reused && way != Way::Early {
        hub.bill(&psid, "50", "55");
    }
    if sort == Sort::Handled {
        world.post_processed(&psid, "50", after).await;
        world.settle().await;
    }
    let amount = if sort == Sort::Altered { "5" } else { "50" };
    match way {
        Way::DuringOutage => hub.set_mood(Mood::Unreachable),
        Way::OutOfOrder => world.post_processed(&other, "70", Some("75")).await,
        Way::AfterADay => wait_a_day(&mut world).await,
        _ => {}
    }
    world.post_processed(&psid, amount, after).await;
    if way == Way::Twice {
        world.post_processed(&psid, amount, after).await;
    }
    let mut scanned = paid;
    if way == Way::DuringOutage {
        world.until("the hub is asked in vain", async |world| world.hub.asked("/") > 0).await;
        hub.set_mood(Mood::Well);
        tokio::time::advance(MINUTE).await;
    }
    if way == Way::Early {
        world.settle().await;
        pay(&hub);
        if sort == Sort::Template {
            scanned = Some(hub.scan(&psid, "50"));
        }
        if sort == Sort::Reused {
            hub.bill(&psid, "50", "55");
        }
    }
    wait_a_day(&mut world).await;

    let handled = world.handled();
    let key = scanned.map(|id| format!("payment/23/{id}")).unwrap_or_default();
    let expected_other = format!("payment/23/{late_bill}");
    let effects = handled.iter().filter(|handled| **handled == key).count();
    let others = handled.iter().filter(|handled| **handled != key && **handled != expected_other).count();
    let mut states = world.states().await;
    if way == Way::OutOfOrder {
        assert_eq!(states.remove(usize::from(sort == Sort::Handled)), ReceiptState::Confirmed);
    }
    Told { states, effects, others }
}

async fn wait_a_day(world: &mut World) {
    world.settle().await;
    for seconds in CONFIRM_DELAYS_SECONDS {
        world.pass(Duration::from_secs(seconds.into())).await;
    }
}

/// By the rules, in words: what becomes of the first, what of a repeat, and whether there is an effect.
fn expected(sort: Sort, way: Way) -> Told {
    use ReceiptState::{Confirmed, Duplicate, Mismatch, Rejected, Unconfirmed};
    let (first, repeat, effects) = match sort {
        Sort::Genuine | Sort::Template | Sort::Reused => (Confirmed, Duplicate, 1),
        Sort::Forged => (Unconfirmed, Unconfirmed, 0),
        Sort::Altered => (Mismatch, Mismatch, 0),
        Sort::Unknown => (Rejected, Rejected, 0),
        Sort::Handled => (Duplicate, Duplicate, 1),
    };
    // An altered one before the payment is about a bill that nobody has paid, and that is all that it claims.
    let first = if sort == Sort::Altered && way == Way::Early { Rejected } else { first };
    let mut states = vec![first];
    if sort == Sort::Handled {
        states.insert(0, Confirmed);
    }
    if way == Way::Twice {
        states.push(repeat);
    }
    Told { states, effects, others: 0 }
}

#[tokio::test(start_paused = true)]
async fn every_sort_in_every_way() {
    let mut wrong = Vec::new();
    for sort in SORTS {
        for way in WAYS {
            let (told, expected) = (tell(sort, way).await, expected(sort, way));
            if told != expected {
                wrong.push(format!("{sort:?} {way:?}: {told:?}, expected {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
