//! What the server's errors mean to a store, and how much of their text may be repeated.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::types::WrongType;

use crate::error::{StorageError, StorageErrorKind};

/// The codes that end a transaction because of another one: running it again is the remedy that PostgreSQL asks for.
const CONFLICTS: [&str; 2] = ["40001", "40P01"];

/// A key that is there already.
const TAKEN: &str = "23505";

/// Classes of errors whose words speak of the program or the server: connections, names and passwords, transactions,
/// syntax, resources, and the operator. Those of others, such as values and constraints, quote what a row holds.
const CLASSES_SPOKEN: [&str; 9] = ["08", "28", "3D", "40", "42", "53", "55", "57", "58"];

pub(crate) fn kind(error: &Error) -> StorageErrorKind {
    match error.code() {
        Some(code) => kind_of_code(code.code()),
        None if is_lost(error) => StorageErrorKind::Unavailable,
        None => StorageErrorKind::Statement,
    }
}

fn kind_of_code(code: &str) -> StorageErrorKind {
    match code {
        "53100" => StorageErrorKind::Full,
        // A proxy or a distributed database that lost sight of a commit.
        "08007" | "40003" => StorageErrorKind::Unknown,
        // Read-only, as a standby is; left open for too long; a lock that was not to be had.
        "25006" | "25P03" | "25P04" | "55P03" => StorageErrorKind::Unavailable,
        conflict if CONFLICTS.contains(&conflict) => StorageErrorKind::Unavailable,
        // Connections, who may connect and to what, resources, and the operator, who also ends slow statements.
        _ if ["08", "28", "3D", "53", "57"].contains(&class(code)) => StorageErrorKind::Unavailable,
        _ => StorageErrorKind::Statement,
    }
}

pub(super) fn is_conflict(error: &Error) -> bool {
    error.code().is_some_and(|code| CONFLICTS.contains(&code.code()))
}

/// Whether another transaction was in the way, or was quicker to insert a row into a table.
pub(super) fn is_conflict_over(error: &Error, table: &str) -> bool {
    let taken = error.as_db_error().filter(|error| error.code().code() == TAKEN);
    is_conflict(error) || taken.is_some_and(|error| error.table() == Some(table))
}

/// Whether the server refused what it was asked and goes on serving this connection.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.as_db_error().is_some_and(|error| error.parsed_severity() == Some(Severity::Error))
}

/// The answer to a commit: a refusal says that it was rolled back. Of anything else, a lost connection or a server that is
/// going down, nobody knows whether it came before or after the commit.
pub(super) fn of_commit(error: &Error) -> StorageError {
    let kind = if is_refusal(error) { kind(error) } else { StorageErrorKind::Unknown };
    StorageError::new(kind, "committing").caused(said(error))
}

/// A migration's own fault, or the passing trouble of a server that is gone or full.
pub(crate) fn of_migration(error: &Error, context: &'static str, step: &str) -> StorageError {
    let kind = match kind(error) {
        passing @ (StorageErrorKind::Full | StorageErrorKind::Unavailable) => passing,
        _ => StorageErrorKind::Migration,
    };
    StorageError::new(kind, context).caused(format!("{step}: {}", said(error)))
}

/// The error in words that hold no value of any row and no parameter: its code, the names of what it is about, and its
/// message where that can't quote one.
pub(crate) fn said(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        return said_by_server(error);
    }
    let source = error.source();
    let io = source.and_then(|source| source.downcast_ref::<io::Error>()).map(ToString::to_string);
    // The one cause that names types alone.
    let wrong_type = || source.and_then(|source| source.downcast_ref::<WrongType>()).map(ToString::to_string);
    match io.or_else(wrong_type) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// The same while connecting, where nothing is said of rows yet and the driver's own reason may be told.
pub(super) fn said_connecting(error: &Error) -> String {
    match error.source() {
        Some(cause) if error.as_db_error().is_none() => format!("{error}: {cause}"),
        _ => said(error),
    }
}

fn said_by_server(error: &DbError) -> String {
    let mut text = format!("{} {}", error.severity(), error.code().code());
    let names = [("table", error.table()), ("column", error.column()), ("constraint", error.constraint())].into_iter();
    for (what, name) in names.filter_map(|(what, name)| Some((what, name?))) {
        text.push_str(&format!(", {what} {name}"));
    }
    if CLASSES_SPOKEN.contains(&class(error.code().code())) {
        text.push_str(": ");
        text.push_str(error.message());
    }
    text
}

/// The first two of a code's five letters.
fn class(code: &str) -> &str {
    code.get(..2).unwrap_or_default()
}

/// Whether the socket failed. The driver wraps its own failures to write or read a message in the same type, and those are
/// invalid input.
fn is_lost(error: &Error) -> bool {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    error.is_closed() || io.is_some_and(|error| error.kind() != io::ErrorKind::InvalidInput)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_their_kinds() {
        let check = |kind, codes: &str| {
            for code in codes.split_whitespace() {
                assert_eq!(kind_of_code(code), kind, "{code}");
            }
        };
        check(StorageErrorKind::Full, "53100");
        check(StorageErrorKind::Unknown, "08007 40003");
        check(StorageErrorKind::Unavailable, "08000 08006 28000 28P01 3D000 53200 53300 57014 57P01 57P03 57P05");
        check(StorageErrorKind::Unavailable, "25006 25P03 25P04 55P03 40001 40P01");
        check(StorageErrorKind::Statement, "22P02 23505 25P02 42601 42P01 42501 0A000 55000 58030 P0001 XX000 XX001");
        check(StorageErrorKind::Statement, "40000 40002 5 é");
    }
}
