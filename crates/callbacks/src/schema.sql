-- Times are microseconds since 1970 in UTC.

-- What came, as it came: stored before it is acknowledged.
CREATE TABLE receipts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'received',
    -- How often it was looked into; how often of these the hub knew nothing; how often the hub couldn't be asked.
    attempts INTEGER NOT NULL DEFAULT 0,
    unknowns INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL
) STRICT;
CREATE INDEX receipts_due ON receipts (due_at, id) WHERE state = 'received';

-- What is to be handled once. The key is made from the hub's record and permanent. A row that can't be read would hold up
-- all others, so there can be none.
CREATE TABLE effects (
    kind TEXT NOT NULL CHECK (kind IN ('payment', 'bulk')),
    channel INTEGER NOT NULL CHECK (channel > 0),
    record INTEGER NOT NULL CHECK (record > 0),
    receipt INTEGER NOT NULL REFERENCES receipts,
    handled_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (kind, channel, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX effects_due ON effects (due_at) WHERE handled_at IS NULL;
