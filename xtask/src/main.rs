//! `cargo xtask` is the maintainers' one door.
//!
//! `cargo xtask test` runs every test that has to pass. `cargo xtask check` looks after everything that a person would
//! otherwise have to remember. Neither needs more than Rust: what needs another program is left out when that program is
//! absent, is named in the last lines with how to get it, and is a failure with `CI=true`.
//!
//! It is no part of the product, depends on none of our crates, and reads the workspace only through cargo and as text.
//! Modules in reading order: [`mod@test`], [`mod@check`], [`deep`] with [`fuzz`], [`mod@bench`], [`dist`] and [`release`] are the commands; [`arrows`],
//! [`manifest`], [`sources`], [`guide`], [`readme`], [`messages`], [`workflows`], [`lint`], [`deny`] and [`package`] are what is checked;
//! [`programs`] are the optional programs; [`workspace`] and [`run`] are cargo.
#![expect(clippy::print_stdout, reason = "a command-line tool: standard output is where its report goes")]

mod arrows;
mod bench;
mod check;
mod deep;
mod deny;
mod dist;
mod fuzz;
mod guide;
mod lint;
mod manifest;
mod messages;
mod package;
mod programs;
mod readme;
mod release;
mod run;
mod sources;
mod test;
mod weight;
mod workflows;
mod workspace;

use std::error::Error;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};

fn main() -> ExitCode {
    match dispatch() {
        Ok(code) => code,
        Err(error) => {
            println!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Zero if everything passed. Wrong usage ends the process inside clap, with exit code 2.
fn dispatch() -> Result<ExitCode, Box<dyn Error>> {
    let matches = command().get_matches();
    let words = |matches: &clap::ArgMatches, name| -> Vec<String> {
        matches.get_many::<String>(name).unwrap_or_default().cloned().collect()
    };
    let word = |matches: &clap::ArgMatches| matches.get_one::<String>("name").cloned();
    let passed = match matches.subcommand() {
        Some(("test", test)) => test::test(&words(test, "arguments"))?,
        Some(("check", check)) => check::check(&words(check, "names"))?,
        Some(("deep", deep)) => deep::deep(&word(deep).unwrap_or_default(), &words(deep, "arguments"))?,
        Some(("bench", bench)) => bench::bench(word(bench).as_deref(), &words(bench, "arguments"))?,
        Some(("dist", _)) => dist::dist()?,
        Some(("release", release)) => return release::release(&words(release, "arguments")),
        _ => return Err("no such command".into()),
    };
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn command() -> Command {
    let checks = check::CHECKS.iter().map(|check| check.name);
    let deep = deep::DEEP.iter().map(|one| one.name);
    let handed_on = |to: &'static str| Arg::new("arguments").help(to).action(ArgAction::Append).last(true);
    Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .about("The maintainers' one door")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(
            Command::new("test")
                .about("Runs every test that has to pass: unit, integration, doc and end to end")
                .arg(handed_on("Handed to cargo test, such as a part of a test's name"))
                .after_help(programs_told()),
        )
        .subcommand(
            Command::new("check")
                .about("Runs every check, reports all findings, and fails if there is one")
                .arg(
                    Arg::new("names")
                        .help("Only these checks")
                        .value_name("CHECK")
                        .action(ArgAction::Append)
                        .hide_possible_values(true)
                        .value_parser(clap::builder::PossibleValuesParser::new(checks)),
                )
                .after_help(listed("Checks", check::CHECKS.iter().map(|check| (check.name, check.about)))),
        )
        .subcommand(
            Command::new("deep")
                .about("Runs what takes longer than a gate may")
                .arg(
                    Arg::new("name")
                        .required(true)
                        .value_name("NAME")
                        .hide_possible_values(true)
                        .value_parser(clap::builder::PossibleValuesParser::new(deep)),
                )
                .arg(handed_on("Handed to the program"))
                .after_help(listed("Names", deep::DEEP.iter().map(|one| (one.name, one.about)))),
        )
        .subcommand(
            Command::new("bench")
                .about("Runs the benchmarks in crates/e2e/benches, or one")
                .arg(Arg::new("name").value_name("NAME"))
                .arg(handed_on("Handed to the benchmark")),
        )
        .subcommand(Command::new("dist").about("Packs the command, built for this machine, into target/dist"))
        .subcommand(
            Command::new("release").about("Releases all crates, step by step").disable_help_flag(true).arg(
                Arg::new("arguments")
                    .help("Steps and options")
                    .action(ArgAction::Append)
                    .allow_hyphen_values(true)
                    .trailing_var_arg(true),
            ),
        )
        .after_help(
            "What needs a program that isn't here is left out and named; with CI=true that is a failure.\n\
             `cargo xtask COMMAND --help` lists its checks, the programs that it uses, or its steps.",
        )
}

/// A list for a command's help.
fn listed<'a>(title: &str, lines: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    lines.fold(format!("{title}:\n"), |text, (name, about)| text + &format!("  {name:<11} {about}\n"))
}

/// The programs, with how to get them.
fn programs_told() -> String {
    let told = programs::PROGRAMS.iter().map(|one| (one.name, format!("{}; {}", one.gives, one.get)));
    let told: Vec<(&str, String)> =
        told.chain([("cargo-deny", format!("the check of dependencies; {}", deny::GET))]).collect();
    let lines = told.iter().map(|(name, about)| (*name, about.as_str()));
    listed("Programs that are used when they are there, and required with CI=true", lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_its_help_fits_a_screen() {
        command().debug_assert();
        let help = command().render_help().to_string();
        // A terminal's classic size, and no more than a line of ours in width.
        assert!(help.lines().count() <= 24 && help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}
