//! Every target with its seeds, with damaged seeds, and with random bytes. The search for more is `cargo xtask deep fuzz`.

use std::fs;
use std::path::Path;

use asaanbill_fuzz::{TARGETS, Target, target};
use proptest::prelude::*;
use proptest::sample::Index;

/// The files that a target is fed first, with what was found by searching once, sorted.
fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in target.seeds {
        let entries = fs::read_dir(root.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        files.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    files.sort();
    assert!(files.len() >= 2, "{} has {} seeds", target.name, files.len());
    files.iter().map(|file| fs::read(file).expect("a seed")).collect()
}

#[test]
fn every_target_takes_its_seeds() {
    for target in TARGETS {
        for seed in seeds(target) {
            (target.run)(&seed);
        }
    }
}

/// Cuts, bytes that changed, and pieces put elsewhere: what libFuzzer does first.
fn damaged(mut seed: Vec<u8>, changes: &[(Index, u8)], cut: Index, moved: (Index, Index)) -> Vec<u8> {
    for (at, byte) in changes {
        if !seed.is_empty() {
            let at = at.index(seed.len());
            seed[at] = *byte;
        }
    }
    seed.truncate(cut.index(seed.len() + 1).max(seed.len() / 2));
    let piece = seed.len() / 8;
    if piece > 0 {
        let (from, to) = (moved.0.index(seed.len() - piece), moved.1.index(seed.len()));
        let piece: Vec<u8> = seed[from..from + piece].to_vec();
        seed.splice(to..to, piece);
    }
    seed
}

fn fed(name: &str, chosen: Index, changes: &[(Index, u8)], cut: Index, moved: (Index, Index), random: &[u8]) {
    let target = target(name).unwrap_or_else(|| panic!("no target {name}"));
    let mut seeds = seeds(target);
    let seed = seeds.swap_remove(chosen.index(seeds.len()));
    (target.run)(&damaged(seed, changes, cut, moved));
    (target.run)(random);
}

proptest! {
    #[test]
    fn every_target_takes_damaged_seeds_and_random_bytes(
        name in proptest::sample::select(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>()),
        chosen in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        cut in any::<Index>(),
        moved in any::<(Index, Index)>(),
        random in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        fed(name, chosen, &changes, cut, moved, &random);
    }
}

#[test]
fn a_target_is_found_by_its_name() {
    assert!(target("gone").is_none());
    for one in TARGETS {
        assert_eq!(target(one.name).map(|found| found.seeds), Some(one.seeds));
    }
}
