//! The arrows between our crates, and what each must never see.
//!
//! The table is the map of ARCHITECTURE.md. What a crate declares comes from `cargo metadata`. What it reaches comes from
//! `cargo tree` for that crate alone, once with its default features and once with all: the resolved graph of
//! `cargo metadata` merges the features of the whole workspace and of its tests, and so would blame a crate for what another one
//! asked of a shared dependency.

use std::collections::BTreeMap;
use std::error::Error;

use crate::check::Findings;
use crate::run;
use crate::workspace::{Dependency, Workspace};

/// One row of the map.
struct Arrow {
    of: &'static str,
    /// Ours that it may use, for more than tests.
    uses: &'static [&'static str],
    /// Ours that it may use only as an optional dependency, and not by default.
    uses_by_feature: &'static [&'static str],
    /// What must be nowhere in its dependencies, whatever the features.
    never: &'static [&'static str],
    /// What must be nowhere in its dependencies with default features.
    never_by_default: &'static [&'static str],
}

const CORE: &str = "asaanbill-core";
const QR: &str = "asaanbill-qr";
const WIRE: &str = "asaanbill-wire";
const TRANSPORT: &str = "asaanbill-transport";
const CLIENT: &str = "asaanbill-client";
const STORAGE: &str = "asaanbill-storage";
const CALLBACKS: &str = "asaanbill-callbacks";
const SIM: &str = "asaanbill-sim";
const CLI: &str = "asaanbill-cli";
const E2E: &str = "asaanbill-e2e";
const FUZZ: &str = "asaanbill-fuzz";
const XTASK: &str = "xtask";
const RELEASE: &str = "xtask-release";

/// What the two at the top may use.
const ALL: &[&str] = &[CORE, QR, WIRE, TRANSPORT, CLIENT, STORAGE, CALLBACKS, SIM];

/// A row that restricts nothing: the others are written as differences from it.
const FREE: Arrow = Arrow { of: "", uses: &[], uses_by_feature: &[], never: &[], never_by_default: &[] };

/// The map.
const ARROWS: &[Arrow] = &[
    Arrow {
        of: CORE,
        // Neither I/O, nor a clock, nor randomness: a rule is a function of its arguments.
        never: &[
            "http",
            "hyper",
            "reqwest",
            "tokio",
            "rand",
            "rand_core",
            "getrandom",
            "fastrand",
            "chrono",
            "time",
            "iana-time-zone",
        ],
        never_by_default: &["serde", "serde_core"],
        ..FREE
    },
    Arrow { of: QR, uses: &[CORE], never: &["http", "hyper", "reqwest", "tokio"], ..FREE },
    Arrow { of: WIRE, uses: &[CORE], never: &["hyper", "hyper-util", "reqwest", "tokio"], ..FREE },
    Arrow { of: TRANSPORT, never: &[CORE, WIRE], ..FREE },
    Arrow { of: STORAGE, ..FREE },
    Arrow {
        of: CLIENT,
        uses: &[CORE, WIRE, TRANSPORT],
        uses_by_feature: &[STORAGE],
        never: &[SIM, CALLBACKS, "axum"],
        ..FREE
    },
    Arrow { of: CALLBACKS, uses: &[CORE, WIRE, CLIENT, STORAGE], never: &[SIM], ..FREE },
    Arrow { of: SIM, uses: &[CORE, QR, WIRE, TRANSPORT, STORAGE], never: &[CLIENT, CALLBACKS], ..FREE },
    Arrow { of: CLI, uses: ALL, ..FREE },
    Arrow { of: E2E, uses: ALL, ..FREE },
    Arrow { of: FUZZ, uses: &[CORE, QR, WIRE, TRANSPORT, SIM], ..FREE },
    Arrow { of: XTASK, ..FREE },
    Arrow { of: RELEASE, ..FREE },
];

/// What the table is held against.
#[derive(Debug, Default)]
struct Graph {
    crates: BTreeMap<String, Node>,
}

/// One of our crates.
#[derive(Debug, Default)]
struct Node {
    published: bool,
    declared: Vec<Dependency>,
    reached_by_default: Reached,
    reached: Reached,
}

/// Every package that a build of the crate contains, with the way to it: `core → rust_decimal → serde`.
type Reached = BTreeMap<String, String>;

/// Holds the workspace against the map.
pub(crate) fn check(workspace: &Workspace) -> Result<Findings, Box<dyn Error>> {
    let mut graph = Graph::default();
    for one in &workspace.crates {
        let node = Node {
            published: one.published,
            declared: one.dependencies.clone(),
            reached_by_default: reached(workspace, &one.name, &[])?,
            reached: reached(workspace, &one.name, &["--all-features"])?,
        };
        graph.crates.insert(one.name.clone(), node);
    }
    Ok(Findings { errors: violations(&graph, ARROWS), ..Findings::default() })
}

/// Asks for what is linked into the crate on any platform: no tests, no build scripts, no macros that run inside the compiler.
fn reached(workspace: &Workspace, of: &str, features: &[&str]) -> Result<Reached, Box<dyn Error>> {
    let fixed = ["tree", "--package", of, "--edges", "normal,no-proc-macro", "--target", "all"];
    let form = ["--prefix", "depth", "--format", "{p}"];
    let arguments = fixed.iter().chain(&form).chain(features);
    Ok(read_tree(&run::output(&mut run::cargo(&workspace.root, arguments))?))
}

/// Lines such as `2serde v1.0.229 (*)`: the depth, the name, and what doesn't matter here.
fn read_tree(text: &str) -> Reached {
    let mut way: Vec<&str> = Vec::new();
    let mut reached = Reached::new();
    for line in text.lines() {
        let name = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let Ok(depth) = line[..line.len() - name.len()].parse::<usize>() else {
            continue;
        };
        way.truncate(depth);
        way.push(name.split(' ').next().unwrap_or(name));
        if let [_, .., last] = way[..] {
            reached.entry(last.to_owned()).or_insert_with(|| way.join(" → "));
        }
    }
    reached
}

/// Every breach of the map, in words that say which arrow is too many.
fn violations(graph: &Graph, arrows: &[Arrow]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, node) in &graph.crates {
        match arrows.iter().find(|arrow| arrow.of == name) {
            Some(arrow) => {
                found.extend(declared_too_much(graph, name, node, arrow));
                found.extend(reaches_too_far(name, node, arrow));
            }
            None => found.push(format!("{name} has no row in xtask/src/arrows.rs")),
        }
        found.extend(unpublishable(graph, name, node));
    }
    let gone = arrows.iter().filter(|arrow| !graph.crates.contains_key(arrow.of));
    found
        .extend(gone.map(|arrow| format!("xtask/src/arrows.rs has a row for {}, which is no crate of ours", arrow.of)));
    found
}

fn declared_too_much(graph: &Graph, name: &str, node: &Node, arrow: &Arrow) -> Vec<String> {
    let ours = node.declared.iter().filter(|dependency| graph.crates.contains_key(&dependency.name));
    let mut found = Vec::new();
    for dependency in ours.filter(|dependency| !dependency.dev) {
        let wanted = dependency.name.as_str();
        let by_feature = arrow.uses_by_feature.contains(&wanted);
        if !by_feature && !arrow.uses.contains(&wanted) {
            found.push(format!("{name} may not use {wanted}"));
        }
        if by_feature && (!dependency.optional || node.reached_by_default.contains_key(wanted)) {
            found.push(format!("{name} may use {wanted} by an optional feature only"));
        }
    }
    found
}

fn reaches_too_far(name: &str, node: &Node, arrow: &Arrow) -> Vec<String> {
    let mut found = Vec::new();
    for never in arrow.never {
        if let Some(way) = node.reached_by_default.get(*never) {
            found.push(format!("{name} must never see {never}: {way}"));
        } else if let Some(way) = node.reached.get(*never) {
            found.push(format!("{name} must never see {never}, and does with all features: {way}"));
        }
    }
    for never in arrow.never_by_default {
        if let Some(way) = node.reached_by_default.get(*never) {
            found.push(format!("{name} must not see {never} with default features: {way}"));
        }
    }
    found
}

/// A published crate can't be built from crates that are not; and nobody uses xtask or its release, not even in a test.
fn unpublishable(graph: &Graph, name: &str, node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    for dependency in &node.declared {
        let wanted = &dependency.name;
        if wanted == XTASK || wanted == RELEASE {
            found.push(format!("{name} uses {wanted}: nobody may"));
        } else if node.published && !dependency.dev && graph.crates.get(wanted).is_some_and(|node| !node.published) {
            found.push(format!("{name} is published and uses {wanted}, which is not"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up map: `low` may use nothing and see neither `net` nor, by default, `serde`; `high` may use `low`, and
    /// `store` by a feature; `bench` is unpublished.
    const MAP: &[Arrow] = &[
        Arrow { of: "low", never: &["net"], never_by_default: &["serde"], ..FREE },
        Arrow { of: "store", ..FREE },
        Arrow { of: "high", uses: &["low", "bench"], uses_by_feature: &["store"], ..FREE },
        Arrow { of: "bench", uses: &["low", "high"], ..FREE },
        Arrow { of: "xtask", ..FREE },
    ];

    /// A line for each crate: `high: low store?` declares `low`, and `store` optionally; `dev:x` for tests;
    /// `+x` reaches `x` by default and `++x` with all features only.
    fn graph(text: &str) -> Graph {
        let mut graph = Graph::default();
        for name in ["low", "store", "high", "bench", "xtask"] {
            let published = !["bench", "xtask"].contains(&name);
            graph.crates.insert(name.to_owned(), Node { published, ..Node::default() });
        }
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, words) = line.split_once(':').unwrap();
            let node = graph.crates.entry(name.to_owned()).or_default();
            for word in words.split_whitespace() {
                if let Some(reached) = word.strip_prefix('+') {
                    let reached = reached.strip_prefix('+').unwrap_or_else(|| {
                        node.reached_by_default.insert(reached.to_owned(), format!("{name} → {reached}"));
                        reached
                    });
                    node.reached.insert(reached.to_owned(), format!("{name} → {reached}"));
                } else {
                    let (bare, optional) = word.strip_suffix('?').map_or((word, false), |bare| (bare, true));
                    let (bare, dev) = bare.strip_prefix("dev:").map_or((bare, false), |bare| (bare, true));
                    node.declared.push(Dependency { name: bare.to_owned(), dev, optional });
                }
            }
        }
        graph
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(violations(&graph(text), MAP), expected, "{text}");
    }

    #[test]
    fn what_the_map_allows() {
        check("", &[]);
        check(
            "low: rust_decimal serde? +rust_decimal ++serde
             high: low store? dev:bench ++store +net +serde
             bench: low high",
            &[],
        );
    }

    #[test]
    fn an_arrow_that_is_not_on_the_map() {
        check("low: store", &["low may not use store"]);
        check("low: store?", &["low may not use store"]);
        check("xtask: low", &["xtask may not use low"]);
        check("low: dev:high", &[]);
    }

    #[test]
    fn an_arrow_that_needs_a_feature() {
        check("high: store", &["high may use store by an optional feature only"]);
        check("high: store? +store", &["high may use store by an optional feature only"]);
    }

    #[test]
    fn what_must_never_be_seen() {
        check("low: +net", &["low must never see net: low → net"]);
        check("low: ++net", &["low must never see net, and does with all features: low → net"]);
        check("low: +serde", &["low must not see serde with default features: low → serde"]);
    }

    #[test]
    fn published_uses_published() {
        check("high: bench", &["high is published and uses bench, which is not"]);
    }

    #[test]
    fn nobody_uses_xtask() {
        check("low: dev:xtask", &["low uses xtask: nobody may"]);
        check("bench: xtask", &["bench may not use xtask", "bench uses xtask: nobody may"]);
    }

    #[test]
    fn map_and_workspace_have_the_same_crates() {
        check("new: low", &["new has no row in xtask/src/arrows.rs"]);
        let mut graph = graph("");
        graph.crates.remove("store");
        assert_eq!(violations(&graph, MAP), ["xtask/src/arrows.rs has a row for store, which is no crate of ours"]);
    }

    /// Each rule of the real table bites: a crate that reaches what it must never see is told, and so is each arrow that is too many.
    #[test]
    fn every_row_of_the_real_map_can_fail() {
        for arrow in ARROWS {
            for other in ARROWS.iter().map(|arrow| arrow.of).filter(|other| *other != arrow.of) {
                let mut graph = Graph::default();
                for row in ARROWS {
                    graph.crates.insert(row.of.to_owned(), Node::default());
                }
                let node = graph.crates.get_mut(arrow.of).unwrap();
                node.declared.push(Dependency { name: other.to_owned(), dev: false, optional: false });
                let allowed = arrow.uses.contains(&other);
                assert_eq!(violations(&graph, ARROWS).is_empty(), allowed, "{} uses {other}", arrow.of);
            }
            for never in arrow.never {
                let reached = Reached::from([((*never).to_owned(), String::new())]);
                let node = Node { reached, ..Node::default() };
                assert_eq!(reaches_too_far(arrow.of, &node, arrow).len(), 1, "{} sees {never}", arrow.of);
            }
        }
    }

    #[test]
    fn a_tree_is_read_with_the_way_to_each_package() {
        let reached = read_tree(
            "0asaanbill-core v0.1.0 (/w/crates/core)\n1jiff v0.2.46\n2serde v1.0.229\n3serde_core v1.0.229\n1rust_decimal v1.43.0\n2serde v1.0.229 (*)\n\n",
        );
        let ways: Vec<&str> = reached.values().map(String::as_str).collect();
        assert_eq!(
            ways,
            [
                "asaanbill-core → jiff",
                "asaanbill-core → rust_decimal",
                "asaanbill-core → jiff → serde",
                "asaanbill-core → jiff → serde → serde_core",
            ]
        );
    }
}
