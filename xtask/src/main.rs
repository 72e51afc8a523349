//! `cargo xtask` is the maintainers' one door.
//!
//! `cargo xtask test` runs every test that has to pass. `cargo xtask check` looks after everything that a person would
//! otherwise have to remember. Neither needs more than Rust: what needs another program is left out when that program is
//! absent, is named in the last lines with how to get it, and is a failure with `CI=true`.
//!
//! It is no part of the product, depends on none of our crates, and reads the workspace only through cargo and as text.
//! Modules in reading order: [`mod@test`] and [`mod@check`] are the two commands; [`arrows`], [`manifest`], [`sources`], [`lint`],
//! [`deny`] and [`package`] are what is checked; [`programs`] are the optional programs; [`workspace`] and [`run`] are cargo.
#![expect(clippy::print_stdout, reason = "a command-line tool: standard output is where its report goes")]

mod arrows;
mod check;
mod deny;
mod lint;
mod manifest;
mod package;
mod programs;
mod run;
mod sources;
mod test;
mod workspace;

use std::error::Error;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};

fn main() -> ExitCode {
    match dispatch() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything passed. Wrong usage ends the process inside clap, with exit code 2.
fn dispatch() -> Result<bool, Box<dyn Error>> {
    let matches = command().get_matches();
    let words = |matches: &clap::ArgMatches, name| -> Vec<String> {
        matches.get_many::<String>(name).unwrap_or_default().cloned().collect()
    };
    match matches.subcommand() {
        Some(("test", test)) => test::test(&words(test, "arguments")),
        Some(("check", check)) => check::check(&words(check, "names")),
        _ => Err("no such command".into()),
    }
}

fn command() -> Command {
    let checks = check::CHECKS.iter().map(|check| check.name);
    Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .about("The maintainers' one door")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .flatten_help(true)
        .subcommand(
            Command::new("test").about("Runs every test that has to pass: unit, integration, doc and end to end").arg(
                Arg::new("arguments")
                    .help("Handed to cargo test, such as a part of a test's name")
                    .action(ArgAction::Append)
                    .last(true),
            ),
        )
        .subcommand(
            Command::new("check").about("Runs every check, reports all findings, and fails if there is one").arg(
                Arg::new("names")
                    .help("Only these checks")
                    .value_name("CHECK")
                    .action(ArgAction::Append)
                    .hide_possible_values(true)
                    .value_parser(clap::builder::PossibleValuesParser::new(checks)),
            ),
        )
        .after_help(epilogue())
}

fn epilogue() -> String {
    let mut text = String::from("Checks:\n");
    for check in check::CHECKS {
        text += &format!("  {:<9} {}\n", check.name, check.about);
    }
    text += "\nPrograms that are used when they are there, and required with CI=true:\n";
    for program in programs::PROGRAMS {
        text += &format!("  {:<11} {}; {}\n", program.name, program.gives, program.get);
    }
    text += &format!("  {:<11} the check of dependencies; {}\n", "cargo-deny", deny::GET);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_its_help_fits_a_screen() {
        command().debug_assert();
        let help = command().render_help().to_string();
        assert!(help.lines().count() <= 50, "{} lines", help.lines().count());
    }
}
