//! The receiver's speed, as ratios to a floor that is measured in the same run: `cargo xtask bench callbacks`.
//!
//! The floor (F3) is a bare axum handler with a bare group-commit insert of the same bytes. It runs as a process of its own,
//! as the receiver does; both get their load from one generator, in turns, and medians are compared.
//!
//! Modules in reading order: [`accept`], [`whole`], [`claims`] and [`snapshot`] are what is measured; [`floor`] is what it is
//! held against; [`program`] is the receiver under load, with a hub in its process, and [`process`] how either is run;
//! [`posts`] is the load and [`args`] the command line. The generator, the table and the server are the hub's bench's.

mod accept;
mod claims;
mod snapshot;
mod whole;

mod floor;
mod process;
mod program;

mod args;
mod posts;

#[path = "../hub/cluster.rs"]
mod cluster;
#[allow(dead_code, reason = "the hub's bench's own; not all of it is used here")]
#[path = "../hub/load.rs"]
mod load;
#[allow(dead_code, reason = "the hub's bench's own; not all of it is used here")]
#[path = "../hub/report.rs"]
mod report;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use args::Args;
use report::Report;

/// What a part returns. Whatever goes wrong ends the part, and is said in the report.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

type Part = fn(&Args, &mut Report) -> Outcome;

fn main() -> ExitCode {
    if let Some(ended) = process::child() {
        return ended;
    }
    let args = match Args::read() {
        Ok(args) => args,
        Err(usage) => {
            say(&usage);
            return ExitCode::from(2);
        }
    };
    let parts: [Part; args::PARTS.len()] =
        [accept::run, whole::on_sqlite, whole::on_postgres, claims::on_sqlite, claims::on_postgres, snapshot::run];
    let mut report = Report::default();
    for (name, part) in args::PARTS.into_iter().zip(parts) {
        if args.wants(name) {
            say(name);
            if let Err(error) = part(&args, &mut report) {
                report.broke(name, &*error);
            }
        }
    }
    say(&format!("\n{}", report.to_string().replacen("| hub |", "| receiver |", 1)));
    let failed = if args.quick { report.is_broken() } else { !report.is_good() };
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A line for whoever waits.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    // Where standard output is gone there is nobody to tell.
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
