//! A release is cut off at every point, under every kind of weather, and taken up again: it ends as if nothing had happened.

use std::fs;

use xtask_release::Step;

use crate::faults::until_done;
use crate::registry::Fault;
use crate::world::House;

/// What the registry does meanwhile.
const WEATHERS: [(&[Fault], u32); 3] = [
    (&[], 0),
    (&[Fault::StoredThen503, Fault::TooMany(30), Fault::StoredThenClosed, Fault::StoredThen503], 0),
    (&[Fault::TooMany(3_600), Fault::Closed, Fault::StoredThen503, Fault::Plain503], 4),
];

fn house_in(weather: (&[Fault], u32)) -> House {
    let house = House::prepared();
    house.registry.state().faults.extend(weather.0);
    house.registry.state().lag = weather.1;
    house
}

#[test]
fn cut_off_at_every_point_it_reaches_the_same_end() {
    for weather in WEATHERS {
        let mut cut = 0;
        loop {
            let house = house_in(weather);
            // Weather may stop a try before its cut.
            let (result, points) = house.run_until(Step::Resume, cut);
            house.hold_promises();
            until_done(&house);
            if points.len() <= cut && result.is_ok() {
                assert!(cut >= 16, "few points: {points:?}");
                break;
            }
            if points.len() <= cut && cut > 20 {
                break;
            }
            cut += 1;
        }
    }
}

/// Cut off again and again, one point further each time.
#[test]
fn cut_off_each_time_it_is_taken_up() {
    for weather in WEATHERS {
        let house = house_in(weather);
        let mut last = String::new();
        for cut in 0..60 {
            let (result, points) = house.run_until(Step::Resume, cut);
            house.hold_promises();
            if result.is_ok() {
                last = points.last().cloned().unwrap_or_default();
                break;
            }
        }
        assert_eq!(last, "told");
        house.is_released();
    }
}

#[test]
fn packing_is_cut_off_and_done_again_the_same() {
    for cut in 0..3 {
        let house = House::prepared();
        let before = crate::world::recorded(&house.root());
        fs::remove_dir_all(house.root().join("target/release-packages")).unwrap();
        let (_, points) = house.run_until(Step::Resume, cut);
        assert_eq!(points.last().unwrap(), ["packed, not copied", "copied, not recorded", "packages recorded"][cut]);
        until_done(&house);
        assert_eq!(crate::world::recorded(&house.root()), before);
    }
}

/// On another machine, without the folder of packages, in the middle of a release: the same commit makes the same packages.
#[test]
fn the_cache_is_lost_in_the_middle() {
    let house = House::prepared();
    house.run_until(Step::Resume, 5).0.unwrap_err();
    let there = house.registry.checksums().len();
    assert!((1..4).contains(&there), "{there}");
    fs::remove_dir_all(house.root().join("target")).unwrap();
    assert_eq!(until_done(&house), 1);
}

/// From another commit it isn't the same release.
#[test]
fn another_commit_can_t_go_on() {
    let house = House::prepared();
    house.run_until(Step::Resume, 5).0.unwrap_err();
    house.write("crates/low/src/lib.rs", "pub fn low() -> u8 { 3 }\n");
    house.commit_and_push();
    let stop = house.run(Step::Resume).unwrap_err();
    assert!(!stop.is_later() && stop.to_string().contains("packed from another commit"), "{stop}");
    house.hold_promises();
    assert!(house.tags().is_empty());
    house.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    assert_eq!(until_done(&house), 1);
}

#[test]
fn preparing_is_cut_off_at_every_point() {
    let whole = House::new();
    whole.run(Step::Prepare).unwrap();
    let files = ["Cargo.toml", "Cargo.lock", "CHANGELOG.md"];
    let expected = files.map(|file| whole.read(file));
    for cut in 0.. {
        let house = House::new();
        let (result, points) = house.run_until(Step::Prepare, cut);
        house.run(Step::Prepare).unwrap();
        assert_eq!(files.map(|file| house.read(file)), expected, "cut off at {:?}", points.last());
        assert!(!house.root().join("docs/changes/one.md").exists());
        // A third time changes nothing.
        house.run(Step::Prepare).unwrap();
        assert_eq!(files.map(|file| house.read(file)), expected);
        if result.is_ok() {
            assert!(cut >= 3, "{points:?}");
            return;
        }
    }
}
