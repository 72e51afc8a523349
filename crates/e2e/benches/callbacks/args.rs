//! What the bench is asked for.

use std::env;

/// How the bench is called.
const USAGE: &str = "\
usage: cargo bench -p asaanbill-e2e --bench callbacks -- [--quick] [--only NAME]…

  --quick         everything once, with small numbers; no bound is enforced
  --only NAME     only this part, as often as needed: accept, sqlite, postgres, claims, claims-postgres, snapshot";

/// The parts of the bench, in the order in which they run.
pub(crate) const PARTS: [&str; 6] = ["accept", "sqlite", "postgres", "claims", "claims-postgres", "snapshot"];

/// What to measure, and how long.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) quick: bool,
    only: Vec<String>,
}

impl Args {
    /// Reads the command line.
    ///
    /// # Errors
    ///
    /// What is wrong, and how the bench is called.
    pub(crate) fn read() -> Result<Self, String> {
        let mut args = Self { quick: false, only: Vec::new() };
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                // `cargo bench` adds it for the standard library's harness.
                "--bench" => {}
                "--quick" => args.quick = true,
                "--only" => args.only.push(part(words.next())?),
                "--help" => return Err(USAGE.into()),
                _ => return Err(format!("{word} is no argument of this bench\n{USAGE}")),
            }
        }
        Ok(args)
    }

    /// Whether a part is to run.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }

    /// One number or, in a quick run, another one.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

fn part(name: Option<String>) -> Result<String, String> {
    let known = name.filter(|name| PARTS.contains(&name.as_str()));
    known.ok_or_else(|| format!("--only: expected one of {}\n{USAGE}", PARTS.join(", ")))
}
