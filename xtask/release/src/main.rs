//! `cargo xtask release`, as a program: the command line around [`xtask_release`].
#![expect(clippy::print_stdout, reason = "a command-line tool: standard output is where its report goes")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use xtask_release::{CRATES_IO, FORGE_TOKEN, Level, Order, SKIPPABLE, Step, Stop, TOKEN, Token, World, release};

/// "Try again later", as `sysexits.h` numbers it.
const LATER: u8 = 75;

fn main() -> ExitCode {
    let matches = command().get_matches();
    match world_and_order(&matches).and_then(|(world, order)| release(&world, &order)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            println!("\nxtask release: {}: {stop}", if stop.is_later() { "NOT DONE YET" } else { "STOPPED" });
            if stop.is_later() { ExitCode::from(LATER) } else { ExitCode::FAILURE }
        }
    }
}

fn world_and_order(matches: &ArgMatches) -> Result<(World, Order), Stop> {
    let text = |name: &str| matches.get_one::<String>(name);
    let root = matches.get_one::<PathBuf>("root").cloned();
    // Cargo tells where this package is: two folders below the root.
    let told = std::env::var_os("CARGO_MANIFEST_DIR").map(|folder| PathBuf::from(folder).join("../.."));
    let root = root.or(told).unwrap_or_else(|| PathBuf::from("."));
    let root = root.canonicalize().map_err(|error| Stop::hard(format!("no folder {}: {error}", root.display())))?;
    let mut world = World::new(root);
    if let Some(index) = text("index") {
        world.index.clone_from(index);
    }
    if let Some(minutes) = matches.get_one::<u64>("wait") {
        world.longest_wait = Duration::from_secs(minutes * 60);
    }
    let token =
        |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| Token::new(&text)).transpose();
    world.token = token(TOKEN)?;
    world.forge_token = token(FORGE_TOKEN)?;
    for skip in matches.get_many::<String>("skip").unwrap_or_default() {
        match skip.split_once('=') {
            Some((step, reason)) if SKIPPABLE.contains(&step) && !reason.trim().is_empty() => {
                world.skipped.push((step.to_owned(), reason.trim().to_owned()));
            }
            _ => {
                return Err(Stop::hard(format!(
                    "--skip {skip}: say STEP=REASON, with one of {}",
                    SKIPPABLE.join(", ")
                )));
            }
        }
    }
    let step =
        text("step").and_then(|word| Step::ALL.iter().find(|(_, name, _)| name == word)).map(|(step, _, _)| *step);
    let order = Order {
        step,
        execute: matches.get_flag("execute"),
        level: matches.get_one::<Level>("level").copied(),
        to: matches.get_one::<semver::Version>("to").cloned(),
    };
    Ok((world, order))
}

fn command() -> Command {
    let steps = Step::ALL.iter().map(|(_, name, _)| *name);
    let mut epilogue = String::from("Steps, in their order:\n");
    for (_, name, about) in Step::ALL {
        epilogue += &format!("  {name:<8} {about}\n");
    }
    epilogue += &format!(
        "\nWithout a step: a rehearsal of all. Tokens: {TOKEN}, {FORGE_TOKEN}.\nExit code 75: nothing is wrong, come back later.\n"
    );
    Command::new("cargo xtask release")
        .bin_name("cargo xtask release")
        .about("Releases all published crates; shows what it would do, and does it with --execute")
        .arg(
            Arg::new("step")
                .help("One step")
                .value_name("STEP")
                .hide_possible_values(true)
                .value_parser(PossibleValuesParser::new(steps)),
        )
        .arg(Arg::new("execute").long("execute").help("Acts").action(ArgAction::SetTrue))
        .arg(
            Arg::new("level")
                .long("level")
                .value_name("LEVEL")
                .help("At least this: fix, feature or breaking")
                .value_parser(|word: &str| word.parse::<Level>()),
        )
        .arg(
            Arg::new("to")
                .long("to")
                .value_name("VERSION")
                .help("At least this version")
                .value_parser(|word: &str| word.parse::<semver::Version>()),
        )
        .arg(
            Arg::new("skip")
                .long("skip")
                .value_name("STEP=REASON")
                .help(format!("Leaves out {}", SKIPPABLE.join(", ")))
                .action(ArgAction::Append),
        )
        .arg(
            Arg::new("wait")
                .long("wait")
                .value_name("MINUTES")
                .help("How long the registry may ask us to wait [default: 15]")
                .value_parser(clap::value_parser!(u64).range(0..=1440)),
        )
        .arg(
            Arg::new("index")
                .long("index")
                .value_name("URL")
                .help(format!("The registry's index [default: {CRATES_IO}]")),
        )
        .arg(
            Arg::new("root")
                .long("root")
                .value_name("FOLDER")
                .help("The workspace [default: this one]")
                .value_parser(clap::value_parser!(PathBuf)),
        )
        .after_help(epilogue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_its_help_fits_a_screen() {
        command().debug_assert();
        let help = command().render_help().to_string();
        assert!(help.lines().count() <= 40, "{help}");
    }

    #[test]
    fn what_is_left_out_has_a_reason() {
        let check = |skip: &str, expected: bool| {
            let matches = command().get_matches_from(["release", "plan", "--root", ".", "--skip", skip]);
            assert_eq!(world_and_order(&matches).is_ok(), expected, "{skip}");
        };
        check("api=the tool can't read this edition", true);
        check("api=", false);
        check("api", false);
        check("guards=because", false);
    }
}
