//! A queue's table, as text for its user's own migration.

/// The table and indexes of a [`Queue`](crate::queue::Queue) in SQLite's language, for a
/// [`Migration`](crate::Migration). The name is a literal, the same that the queue is made with.
///
/// ```
/// use asaanbill_storage::{Migration, queue_schema_sqlite};
///
/// let alone = Migration { version: 1, name: "letters", sql: queue_schema_sqlite!("letters") };
/// let beside = concat!("CREATE TABLE notes (text TEXT);\n", queue_schema_sqlite!("letters"));
/// assert!(beside.ends_with(alone.sql));
/// ```
#[macro_export]
macro_rules! queue_schema_sqlite {
    ($table:literal) => {
        concat!(
            // Numbers are never used again, so that one in a log names one job for ever.
            // The states aren't asked for by `IN`: for a list of three SQLite builds a table of its own, in each write.
            "CREATE TABLE ",
            $table,
            " (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    state TEXT NOT NULL DEFAULT 'ready' CHECK (state = 'ready' OR state = 'leased' OR state = 'dead'),
    lane TEXT,
    payload TEXT NOT NULL,
    -- Times are microseconds since 1970 in UTC.
    due_at INTEGER NOT NULL,
    enqueued_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    token INTEGER,
    lease_until INTEGER,
    buried_at INTEGER,
    cause TEXT,
    CHECK ((state = 'leased') = (token IS NOT NULL) AND (state = 'leased') = (lease_until IS NOT NULL)),
    CHECK ((state = 'dead') = (buried_at IS NOT NULL) AND (state = 'dead') = (cause IS NOT NULL))
) STRICT;
CREATE INDEX ",
            $table,
            "_ready ON ",
            $table,
            " (due_at, id) WHERE state = 'ready';
CREATE INDEX ",
            $table,
            "_leased ON ",
            $table,
            " (lease_until) WHERE state = 'leased';
CREATE INDEX ",
            $table,
            "_dead ON ",
            $table,
            " (buried_at) WHERE state = 'dead';
CREATE INDEX ",
            $table,
            "_lane ON ",
            $table,
            " (lane) WHERE lane IS NOT NULL AND state <> 'dead';
"
        )
    };
}

/// The same in PostgreSQL's language.
#[cfg(feature = "postgres")]
#[macro_export]
macro_rules! queue_schema_postgres {
    ($table:literal) => {
        concat!(
            "CREATE TABLE ",
            $table,
            " (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'leased', 'dead')),
    lane TEXT,
    payload TEXT NOT NULL,
    -- Times are microseconds since 1970 in UTC.
    due_at BIGINT NOT NULL,
    enqueued_at BIGINT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    token BIGINT,
    lease_until BIGINT,
    buried_at BIGINT,
    cause TEXT,
    CHECK ((state = 'leased') = (token IS NOT NULL) AND (state = 'leased') = (lease_until IS NOT NULL)),
    CHECK ((state = 'dead') = (buried_at IS NOT NULL) AND (state = 'dead') = (cause IS NOT NULL))
);
CREATE INDEX ",
            $table,
            "_ready ON ",
            $table,
            " (due_at, id) WHERE state = 'ready';
CREATE INDEX ",
            $table,
            "_leased ON ",
            $table,
            " (lease_until) WHERE state = 'leased';
CREATE INDEX ",
            $table,
            "_dead ON ",
            $table,
            " (buried_at) WHERE state = 'dead';
CREATE INDEX ",
            $table,
            "_lane ON ",
            $table,
            " (lane) WHERE lane IS NOT NULL AND state <> 'dead';
"
        )
    };
}
