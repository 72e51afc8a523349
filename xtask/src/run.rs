//! How cargo is run: which one, with which environment, and what is printed of it.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Whether absence of an optional program is a failure.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// The cargo that runs us, at the workspace's root.
///
/// `cargo run` describes the package xtask to us in the environment. Handed on, these variables would make the build scripts that
/// watch them (ring's does) run again each time a person changes between `cargo xtask` and cargo itself.
pub(crate) fn cargo<I: IntoIterator<Item: AsRef<str>>>(root: &Path, arguments: I) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).stdin(Stdio::null());
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(describes_xtask) {
            command.env_remove(name);
        }
    }
    command
}

fn describes_xtask(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}

/// Prints the command as a person would type it, runs it with its output going straight through, and says whether it passed.
pub(crate) fn passes(command: &mut Command) -> Result<bool, Box<dyn Error>> {
    Ok(exit_code(command)? == Some(0))
}

/// Prints the command, runs it as [`passes`] does, and says with which code it ended; `None` if it was killed.
pub(crate) fn exit_code(command: &mut Command) -> Result<Option<i32>, Box<dyn Error>> {
    println!("\n$ {}", shown(command));
    let status = command.status().map_err(|error| format!("{}: {error}", shown(command)))?;
    Ok(status.code())
}

/// Runs a command quietly and returns its standard output.
///
/// # Errors
///
/// When it can't be started or fails; the message has what it wrote to standard error.
pub(crate) fn output(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let output = command.output().map_err(|error| format!("{}: {error}", shown(command)))?;
    if !output.status.success() {
        return Err(format!("{}: {}", shown(command), String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The command line as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            line += &format!("{}={} ", name.to_string_lossy(), quoted(&value.to_string_lossy()));
        }
    }
    let program = Path::new(command.get_program());
    line += &program.file_name().unwrap_or(command.get_program()).to_string_lossy();
    for argument in command.get_args() {
        line += &format!(" {}", quoted(&argument.to_string_lossy()));
    }
    line
}

fn quoted(word: &str) -> String {
    if word.contains(char::is_whitespace) || word.is_empty() { format!("\"{word}\"") } else { word.to_owned() }
}

/// `3 min 07 s`, or `7 s`.
pub(crate) fn readable(took: Duration) -> String {
    match took.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").env_remove("GONE");
        assert_eq!(shown(&command), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps");
    }

    #[test]
    fn our_own_description_is_not_handed_on_and_settings_are() {
        assert!(describes_xtask("CARGO_PKG_NAME"));
        assert!(describes_xtask("CARGO_MANIFEST_DIR"));
        assert!(!describes_xtask("CARGO_HOME"));
        assert!(!describes_xtask("CARGO_TARGET_DIR"));
        assert!(!describes_xtask("CARGO_INCREMENTAL"));
    }

    #[test]
    fn a_failing_command_is_told_with_its_words() {
        let error = output(&mut cargo(Path::new("."), ["no-such-subcommand"])).unwrap_err().to_string();
        assert!(error.starts_with("cargo no-such-subcommand: "), "{error}");
        assert!(error.contains("no such command"), "{error}");
    }

    #[test]
    fn durations_are_readable() {
        assert_eq!(readable(Duration::from_millis(7_900)), "7 s");
        assert_eq!(readable(Duration::from_secs(60)), "1 min 00 s");
        assert_eq!(readable(Duration::from_secs(187)), "3 min 07 s");
    }
}
