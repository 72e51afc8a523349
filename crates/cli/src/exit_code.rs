//! What a script is told: 0 done, 1 failed, 2 the command line can't be read (clap's own, and ours for values).

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

/// One line for a person, with the causes, and exit code 1.
pub(crate) fn failed(error: &dyn Error) -> ExitCode {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    // Where standard error is gone there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "asaanbill: {message}");
    ExitCode::FAILURE
}

/// One line for each problem of the command line, all at once, and exit code 2.
pub(crate) fn misread(problems: &[String]) -> ExitCode {
    let mut out = anstream::stderr().lock();
    for problem in problems {
        // Where standard error is gone there is nobody to tell.
        let _ = writeln!(out, "asaanbill: {problem}");
    }
    let _ = writeln!(out, "For more information, try '--help'.");
    ExitCode::from(2)
}
