-- Times are microseconds since 1970 in UTC.

-- What came, as it came: stored before it is acknowledged.
CREATE TABLE receipts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'received',
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL
);
CREATE INDEX receipts_due ON receipts (due_at, id) WHERE state = 'received';

-- What is to be handled once. The key is made from the hub's record and permanent.
CREATE TABLE effects (
    key TEXT PRIMARY KEY,
    receipt INTEGER NOT NULL REFERENCES receipts,
    handled_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX effects_due ON effects (due_at) WHERE handled_at IS NULL;
