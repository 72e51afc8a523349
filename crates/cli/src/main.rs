//! The `asaanbill` command.
//!
//! ```text
//! asaanbill demo          a bill's whole life, on this machine
//! asaanbill demo --json   the same, one JSON object a line
//! asaanbill listen        receive call-backs, and run a program for each confirmed event
//! asaanbill sim           a simulator of the hub, until it is told to stop
//! ```

mod args;
mod commands;
mod exit_code;
mod output;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use crate::args::{Args, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the end of the program waits for work that nobody waits for any more, such as a password's check.
const LEFT_OVERS: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Demo { json } => run(None, commands::demo::run(json)),
        Command::Listen(args) => run(None, commands::listen::run(*args)),
        Command::Sim(args) => match commands::sim::Plan::read(&args) {
            Ok(plan) => run(Some(plan.threads()), commands::sim::run(plan)),
            Err(problems) => exit_code::misread(problems.lines()),
        },
    }
}

/// Runs a command on so many threads, or as many as there are cores.
fn run(threads: Option<usize>, command: impl Future<Output = ExitCode>) -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        runtime.worker_threads(threads);
    }
    match runtime.enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(command);
            runtime.shutdown_timeout(LEFT_OVERS);
            code
        }
        Err(error) => exit_code::failed(&error),
    }
}
