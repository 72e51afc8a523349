//! The simulator's speed, as ratios to floors that are measured in the same run: `cargo xtask bench hub`.
//!
//! A floor is a small program that does what nobody can leave out: parse the request, commit a row, answer. It runs as a
//! process of its own, as the simulator does; both get their load from one generator, in turns, and medians are compared.
//! Absolute figures drift with the disk and the machine. Ratios don't, so bounds are set on them.
//!
//! Modules in reading order: [`add`], [`bulk`], [`size`], [`start`], [`in_process`], [`instances`] are what is measured;
//! [`floor`] is what it is held against; [`process`] and [`cluster`] are the programs under load, [`load`] and [`hub`] the load;
//! [`report`] is the table and [`args`] the command line.

mod add;
mod bulk;
mod in_process;
mod instances;
mod size;
mod start;

mod floor;

mod cluster;
mod process;

mod hub;
mod load;

mod args;
mod report;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use args::Args;
use report::Report;

/// What a part returns. Whatever goes wrong ends the part, and is said in the report.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What every part needs to know.
struct Bench {
    args: Args,
    program: process::Program,
}

fn main() -> ExitCode {
    if let Some(floor) = floor::Floor::asked_for() {
        return floor.run();
    }
    let args = match Args::read() {
        Ok(args) => args,
        Err(usage) => {
            say(&usage);
            return ExitCode::from(2);
        }
    };
    let program = match process::Program::find(args.program.as_deref()) {
        Ok(program) => program,
        Err(error) => {
            say(&format!("the asaanbill command: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let bench = Bench { args, program };
    let report = measure(&bench);
    say(&format!("\n{report}"));
    if report.is_good() || bench.args.quick && !report.is_broken() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(bench: &Bench) -> Report {
    let mut report = Report::default();
    for part in args::PARTS.into_iter().filter(|part| bench.args.wants(part)) {
        say(&format!("{part}:"));
        let done = match part {
            "add" => add::on_sqlite(bench, &mut report),
            "bulk" => bulk::on_sqlite(bench, &mut report),
            "size" => size::measure(bench, &mut report),
            "start" => start::measure(bench, &mut report),
            "in-process" => in_process::measure(bench, &mut report),
            "postgres" => on_postgres(bench, &mut report),
            _ => instances::measure(bench, &mut report),
        };
        if let Err(error) = done {
            report.broke(part, &*error);
        }
    }
    report
}

fn on_postgres(bench: &Bench, report: &mut Report) -> Outcome {
    let Some(cluster) = cluster::Cluster::start_or_skip("postgres", report)? else { return Ok(()) };
    add::on_postgres(bench, &cluster, report)?;
    bulk::on_postgres(bench, &cluster, report)
}

/// Shows a line at once. Whoever closed standard output wants none.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush());
}
