//! The `asaanbill` command.
//!
//! ```text
//! asaanbill demo          a bill's whole life, on this machine
//! asaanbill demo --json   the same, one JSON object a line
//! asaanbill listen        receive call-backs, and run a program for each confirmed event
//! ```

mod args;
mod commands;
mod exit_code;
mod output;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let Args { command } = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit_code::failed(&error),
    };
    runtime.block_on(async {
        match command {
            Command::Demo { json } => commands::demo::run(json).await,
            Command::Listen(args) => commands::listen::run(*args).await,
        }
    })
}
