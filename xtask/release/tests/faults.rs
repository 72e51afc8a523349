//! Each fault of a registry, alone and mixed: a release ends well, stops, or says when to come back. It never lies.

use std::collections::BTreeMap;
use std::time::Duration;

use xtask_release::Step;

use crate::registry::Fault;
use crate::world::{CRATES, CountingClock, House};

/// How long a registry that says nothing is listened to.
const SILENCE: Duration = Duration::from_secs(2);

/// Releases with these faults of the first uploads and this lag. How often anything was uploaded, and whether the clock moved.
fn check(faults: &[Fault], lag: u32, uploads: u32) -> Duration {
    let house = House::prepared();
    house.registry.state().faults.extend(faults);
    house.registry.state().lag = lag;
    let clock = CountingClock::default();
    let mut world = house.world_with(clock.clone());
    if faults.contains(&Fault::StoredThenSilent) {
        world.exchange = SILENCE;
    }
    let order = xtask_release::Order { step: Some(Step::Resume), execute: true, ..Default::default() };
    xtask_release::release(&world, &order).unwrap();
    house.is_released();
    assert_eq!(house.registry.state().uploads, uploads, "{faults:?}, lag {lag}");
    assert!(house.registry.state().faults.is_empty(), "not all faults fired");
    clock.waited()
}

/// Releases until there is no more "later". Every try keeps the promises; returns how many there were.
pub(crate) fn until_done(house: &House) -> u32 {
    for tries in 1..=10 {
        match house.run(Step::Resume) {
            Ok(()) => {
                house.is_released();
                return tries;
            }
            Err(stop) => assert!(stop.is_later(), "{stop}"),
        }
        house.hold_promises();
    }
    panic!("ten tries, and no release");
}

#[test]
fn a_registry_that_is_well() {
    assert_eq!(check(&[], 0, 4), Duration::ZERO);
}

#[test]
fn too_many_requests_are_waited_for_as_told() {
    assert_eq!(check(&[Fault::TooMany(600)], 0, 5), Duration::from_secs(600));
    assert_eq!(check(&[Fault::TooMany(7), Fault::TooMany(5)], 0, 6), Duration::from_secs(12));
}

#[test]
fn what_was_stored_is_not_sent_again() {
    for fault in [Fault::StoredThen503, Fault::StoredThenClosed, Fault::StoredThenSilent] {
        check(&[fault], 0, 4);
        // The index is late as well: it is asked for two minutes before anything is sent again.
        assert!(check(&[fault], 5, 4) > Duration::ZERO);
    }
    check(&[Fault::StoredThen503; 4], 3, 4);
}

#[test]
fn what_was_not_stored_is_sent_again_when_the_index_has_settled() {
    for fault in [Fault::Plain503, Fault::Closed] {
        assert!(check(&[fault], 0, 5) >= Duration::from_secs(120), "{fault:?}");
    }
    check(&[Fault::Plain503, Fault::TooMany(3), Fault::StoredThenClosed], 2, 6);
}

#[test]
fn a_late_index_is_waited_for() {
    assert!(check(&[], 8, 4) >= Duration::from_secs(60));
}

#[test]
fn an_index_that_is_later_than_our_patience_ends_in_already_uploaded() {
    // Sent again after two minutes of silence, refused as already there, and seen in the end: one acceptance, one release.
    check(&[Fault::StoredThen503], 12, 5);
}

#[test]
fn an_hour_is_not_waited_for_but_told() {
    let house = House::prepared();
    house.registry.state().faults.extend([Fault::TooMany(3_600)]);
    let stop = house.run(Step::Resume).unwrap_err();
    assert!(stop.is_later());
    assert_eq!(stop.to_string(), "the registry takes sample-low later: resume after Fri, 15 Jan 2027 09:00:00 GMT");
    house.hold_promises();
    assert_eq!(until_done(&house), 1);
}

#[test]
fn an_index_that_never_shows_is_no_success() {
    let house = House::prepared();
    house.registry.state().lag = 50;
    let stop = house.run(Step::Resume).unwrap_err();
    assert!(stop.is_later() && stop.to_string().contains("its index doesn't have it yet"), "{stop}");
    house.hold_promises();
    assert_eq!(house.registry.state().accepted, BTreeMap::from([("sample-low".to_owned(), 1)]));
    house.registry.state().lag = 0;
    let stop = house.run(Step::Resume).unwrap_err();
    assert!(stop.is_later() && stop.to_string().contains("already uploaded"), "{stop}");
    house.hold_promises();
    assert!(until_done(&house) > 1);
}

#[test]
fn a_registry_that_is_down_is_no_success() {
    let house = House::prepared();
    house.registry.state().faults.extend([Fault::Plain503; 3]);
    let stop = house.run(Step::Resume).unwrap_err();
    assert!(stop.is_later() && stop.to_string().contains("was sent 3 times"), "{stop}");
    house.hold_promises();
    until_done(&house);
}

/// Somebody else's crate, a withdrawn one, a refusal: nothing is uploaded after it, no tag is set, and waiting won't help.
#[test]
fn what_waiting_can_t_mend_is_a_hard_stop() {
    let check = |spoil: &dyn Fn(&House), uploads: u32, words: &str| {
        let house = House::prepared();
        spoil(&house);
        for _ in 0..2 {
            let stop = house.run(Step::Resume).unwrap_err();
            assert!(!stop.is_later() && stop.to_string().contains(words), "{stop}");
            assert_eq!(house.registry.state().uploads, uploads);
            assert!(house.tags().is_empty() && house.registry.state().pages.is_empty());
        }
        let stop = house.run(Step::Verify).unwrap_err();
        assert!(!stop.is_later() && house.tags().is_empty(), "{stop}");
    };
    // The last one in order: nothing before it is uploaded either.
    check(
        &|house| house.registry.plant(CRATES[3], "0.2.0"),
        0,
        "sample-tool 0.2.0 is in the registry with the checksum",
    );
    check(&|house| house.registry.plant(CRATES[0], "0.2.0"), 0, "or it isn't ours");
    check(
        &|house| {
            house.registry.state().faults.extend([Fault::Refused]);
            let stop = house.run(Step::Resume).unwrap_err();
            assert_eq!(stop.to_string(), "the registry refused sample-low: status 400: the name is reserved");
            assert!(house.tags().is_empty());
            house.run(Step::Publish).unwrap();
            house.registry.yank("sample-mid");
        },
        5,
        "sample-mid 0.2.0 was yanked: this version is spoilt",
    );
}

#[test]
fn a_download_that_differs_is_no_success() {
    let house = House::prepared();
    house.registry.state().corrupt_downloads = true;
    let stop = house.run(Step::Resume).unwrap_err();
    assert_eq!(stop.to_string(), "the download of sample-low is not what its index says");
    house.hold_promises();
    assert!(house.tags().is_empty());
}

#[test]
fn release_notes_are_made_once() {
    for stored_first in [true, false] {
        let house = House::prepared();
        house.registry.state().page_faults.push_back(stored_first);
        assert_eq!(until_done(&house), if stored_first { 1 } else { 2 });
        let page = house.registry.state().pages[0].clone();
        let body = page["body"].as_str().unwrap();
        assert!(body.starts_with("### Added\n\n- Everything.\n\n### Fixed\n\n- A leak.\n"), "{body}");
        assert!(body.contains("Left out: gates: the sample has none"), "{body}");
    }
}

#[test]
fn without_a_token_nothing_is_sent() {
    let house = House::prepared();
    let mut world = house.world();
    world.token = None;
    let order = xtask_release::Order { step: Some(Step::Publish), execute: true, ..Default::default() };
    let stop = xtask_release::release(&world, &order).unwrap_err();
    assert_eq!(stop.to_string(), "no token: set CARGO_REGISTRY_TOKEN to one that may publish new crates and updates");
    assert_eq!(house.registry.state().uploads, 0);
}

/// What was edited and not committed isn't published.
pub(crate) fn until_done_is_refused(house: &House) {
    let stop = house.run(Step::Resume).unwrap_err();
    assert!(!stop.is_later() && stop.to_string().contains("not committed"), "{stop}");
}
