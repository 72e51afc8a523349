//! `docs/openapi.yaml` has every operation of the hub and every route of the simulator, and no others.
//!
//! It is read as text: two spaces before a path, four before a method. What it says of each is held against real answers by
//! the same values in `docs/walk.sh`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use asaanbill_wire::{Endpoint, SEGMENT};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// `METHOD path` of everything under `paths:`.
fn described(document: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut path = "";
    let paths = document.lines().skip_while(|line| *line != "paths:").skip(1);
    for line in paths.take_while(|line| !line.starts_with(char::is_alphabetic)) {
        let key = line.trim_start();
        match (line.len() - key.len(), key.strip_suffix(':')) {
            (2, Some(key)) => path = key,
            (4, Some(method)) if METHODS.contains(&method) => {
                assert!(found.insert(format!("{method} {path}")), "{method} {path} is described twice");
            }
            _ => {}
        }
    }
    found
}

/// `METHOD path` of every `.route("…", get(…).post(…))` of the simulator, and the operations of the hub.
fn served() -> BTreeSet<String> {
    let router = read("crates/sim/src/http/mod.rs");
    let bank = read("crates/sim/src/http/bank.rs");
    let constant = |name: &str| {
        let name = name.trim_start_matches("bank::");
        let (_, rest) = bank.split_once(&format!("const {name}: &str = \"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let mut found = BTreeSet::new();
    for route in router.split(".route(").skip(1) {
        let (path, rest) = route.split_once(',').unwrap();
        let path = match path.trim().strip_prefix('"').and_then(|path| path.strip_suffix('"')) {
            Some(path) => path.to_owned(),
            None => constant(path.trim()),
        };
        let handlers = rest.split_once(".layer(").map_or(rest, |(handlers, _)| handlers);
        let handlers = handlers.split('\n').next().unwrap();
        let methods: Vec<_> = METHODS.iter().filter(|method| handlers.contains(&format!("{method}("))).collect();
        assert!(!methods.is_empty(), "{path} is served by no method that this test knows");
        found.extend(methods.into_iter().map(|method| format!("{method} {path}")));
    }
    let hub = Endpoint::ALL
        .iter()
        .map(|endpoint| format!("{} /{SEGMENT}{}", endpoint.method().as_str().to_lowercase(), endpoint.template()));
    found.extend(hub);
    found
}

#[test]
fn it_has_every_route_and_no_other() {
    let (served, described) = (served(), described(&read("docs/openapi.yaml")));
    assert!(served.len() > 40, "{served:#?}");
    let lacks: Vec<_> = served.difference(&described).collect();
    let invents: Vec<_> = described.difference(&served).collect();
    assert!(
        lacks.is_empty() && invents.is_empty(),
        "docs/openapi.yaml lacks {lacks:?}, and has without need {invents:?}"
    );
}

/// Each operation has its name, an answer, and only references that lead somewhere.
#[test]
fn it_hangs_together() {
    let document = read("docs/openapi.yaml");
    let names: Vec<_> = document.lines().filter_map(|line| line.strip_prefix("      operationId: ")).collect();
    assert_eq!(names.len(), described(&document).len());
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    assert_eq!(document.lines().filter(|line| *line == "      responses:").count(), names.len());
    assert!(!document.contains('\t'));

    let mut components = BTreeSet::new();
    let mut kind = "";
    for line in document.lines().skip_while(|line| *line != "components:").skip(1) {
        let key = line.trim_start();
        let name = key.split(':').next().unwrap();
        match line.len() - key.len() {
            2 => kind = name,
            4 if !key.starts_with('#') => assert!(components.insert(format!("{kind}/{name}")), "{kind}/{name} twice"),
            _ => {}
        }
    }
    let references = document.split("'#/components/").skip(1).map(|rest| rest.split('\'').next().unwrap().to_owned());
    let references: BTreeSet<String> = references.collect();
    let nowhere: Vec<_> = references.difference(&components).collect();
    assert!(nowhere.is_empty(), "{nowhere:?}");
    let unused = components.difference(&references).filter(|name| !name.starts_with("securitySchemes/"));
    assert_eq!(unused.count(), 0, "every component is used: {:?}", components.difference(&references));
}

/// The settings and faults of the simulator have names of their own; those that the document repeats exist.
#[test]
fn its_faults_are_the_simulators() {
    let document = read("docs/openapi.yaml");
    let (_, rest) = document.split_once("    FaultName:\n      enum: [").unwrap();
    let names: Vec<_> = rest.split_once(']').unwrap().0.split(", ").collect();
    let table = read("docs/faults.md");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")).take_while(|row| !row.starts_with("fault`"));
    let rows: Vec<_> = rows.map(|row| row.split(['`', ';']).next().unwrap()).collect();
    assert_eq!(names, rows[..names.len()]);
}
