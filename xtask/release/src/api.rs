//! What the interfaces ask of the version, crate by crate: cargo-semver-checks knows what breaks, cargo-public-api sees every
//! difference. Neither knows enough alone. A tool that is missing, fails, or says what we can't read is a stop, never a pass.

use semver::Version;

use crate::registry::Registry;
use crate::stop::{Doing, Stop};
use crate::version::Level;
use crate::workspace::Workspace;
use crate::world::{World, shown};

/// A cargo subcommand that somebody else wrote.
struct Tool {
    name: &'static str,
    get: &'static str,
}

const SEMVER: Tool = Tool { name: "semver-checks", get: "cargo install cargo-semver-checks --locked" };
const PUBLIC_API: Tool = Tool {
    name: "public-api",
    get: "rustup toolchain install nightly --profile minimal, and cargo install cargo-public-api --locked",
};

/// The highest level that a difference from the released version asks for. `None`: there is none, or nothing was released.
pub(crate) fn level(world: &World, workspace: &Workspace, base: Option<&Version>) -> Result<Option<Level>, Stop> {
    let Some(base) = base else {
        println!("interfaces: the first release has nothing to differ from");
        return Ok(None);
    };
    if let Some(reason) = world.skipped("api") {
        println!("SKIPPED: api: {reason}");
        return Ok(None);
    }
    for tool in [SEMVER, PUBLIC_API] {
        is_there(world, &tool)?;
    }
    let registry = Registry::open(world)?;
    let mut highest = None;
    for one in workspace.in_order()?.into_iter().filter(|one| one.has_library()) {
        if registry.entry(&one.name, base)?.is_none() {
            println!("  {:<22} new since {base}", one.name);
            highest = highest.max(Some(Level::Feature));
            continue;
        }
        let base = base.to_string();
        let line = ["semver-checks", "--package", &one.name, "--baseline-version", &base, "--release-type", "patch"];
        let broken = told(world, &line, read_semver_checks, true)?;
        let differs = told(
            world,
            &["public-api", "--package", &one.name, "--all-features", "diff", &base],
            read_public_api,
            false,
        )?;
        let its = broken.max(differs);
        println!("  {:<22} {}", one.name, its.map_or("no difference".to_owned(), |level| level.to_string()));
        highest = highest.max(its);
    }
    Ok(highest)
}

fn is_there(world: &World, tool: &Tool) -> Result<(), Stop> {
    let there = world.bare_cargo([tool.name, "--version"]).output().is_ok_and(|told| told.status.success());
    if there {
        return Ok(());
    }
    Err(Stop::hard(format!(
        "cargo-{} is not here, and without it nobody knows what the interfaces ask of the version. To get it: {}. \
         To go on without: --skip api=REASON",
        tool.name, tool.get
    )))
}

/// Runs a tool and reads what it says. `may_fail`: its exit code says what it found, so that only its words tell a failure.
fn told(
    world: &World,
    line: &[&str],
    read: fn(&str) -> Option<Option<Level>>,
    may_fail: bool,
) -> Result<Option<Level>, Stop> {
    let mut command = world.bare_cargo(line);
    // What is read below has no colours, which a setting may ask for even where nobody looks.
    command.env("CARGO_TERM_COLOR", "never");
    let output = command.output().doing(format!("start {}", shown(&command)))?;
    let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let failed = !may_fail && !output.status.success();
    match read(&words).filter(|_| !failed) {
        Some(level) if level.is_some() || output.status.success() => Ok(level),
        _ => Err(Stop::hard(format!("{} said nothing that we can read: {}", shown(&command), words.trim()))),
    }
}

/// The line "Summary". `None`: there is none, and the tool has failed.
fn read_semver_checks(words: &str) -> Option<Option<Level>> {
    let summary = words.lines().map(str::trim).find_map(|line| line.strip_prefix("Summary "))?;
    if summary.starts_with("no semver update required") {
        Some(None)
    } else if summary.starts_with("semver requires new major version") {
        Some(Some(Level::Breaking))
    } else if summary.starts_with("semver requires new minor version") {
        Some(Some(Level::Feature))
    } else {
        None
    }
}

/// Three lists: removed, changed, added. `None`: one of them is missing, and the tool has failed.
fn read_public_api(words: &str) -> Option<Option<Level>> {
    let lists = [
        ("Removed items from the public API", Level::Breaking),
        ("Changed items in the public API", Level::Breaking),
        ("Added items to the public API", Level::Feature),
    ];
    let mut highest = None;
    for (title, level) in lists {
        let mut lines = words.lines().map(str::trim).skip_while(|line| *line != title).skip(1);
        lines.next().filter(|line| line.starts_with("==="))?;
        match lines.next()? {
            "(none)" => {}
            line if line.starts_with(['+', '-']) => highest = highest.max(Some(level)),
            _ => return None,
        }
    }
    Some(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read_and_nothing_else_passes() {
        let check = |words: &str, expected| assert_eq!(read_semver_checks(words), expected, "{words}");
        check("     Checked [   0.023s] 150 checks: 150 pass\n     Summary no semver update required\n", Some(None));
        check(
            "     Summary semver requires new major version: 1 major and 0 minor checks failed",
            Some(Some(Level::Breaking)),
        );
        check(
            "     Summary semver requires new minor version: 0 major and 2 minor checks failed",
            Some(Some(Level::Feature)),
        );
        check("error: failed to retrieve index of crate versions from registry", None);
        check("     Summary something new", None);
        check("", None);
    }

    #[test]
    fn the_three_lists_are_read_and_nothing_else_passes() {
        let lists = |removed: &str, changed: &str, added: &str| {
            format!(
                "Removed items from the public API\n=====\n{removed}\n\nChanged items in the public API\n=====\n{changed}\n\n\
                 Added items to the public API\n=====\n{added}\n"
            )
        };
        let check = |words: &str, expected| assert_eq!(read_public_api(words), expected, "{words}");
        check(&lists("(none)", "(none)", "(none)"), Some(None));
        check(&lists("(none)", "(none)", "+pub fn a::b()"), Some(Some(Level::Feature)));
        check(&lists("(none)", "-pub fn a::b()\n+pub fn a::b(u8)", "(none)"), Some(Some(Level::Breaking)));
        check(&lists("-pub fn a::b()", "(none)", "+pub fn a::c()"), Some(Some(Level::Breaking)));
        check("Removed items from the public API\n====\n(none)\n", None);
        check(&lists("", "(none)", "(none)"), None);
        check("error: could not build", None);
    }
}
