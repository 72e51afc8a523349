-- Times are microseconds since 1970 in UTC.

-- What came, as it came: stored before it is acknowledged.
CREATE TABLE receipts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    source TEXT,
    received_at INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'received',
    resolved_at INTEGER,
    -- How often it was looked into; how often of these the hub knew nothing; how often the hub couldn't be asked.
    attempts INTEGER NOT NULL DEFAULT 0,
    unknowns INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    -- One line for each look that decided nothing, the latest last: microseconds, a space, words.
    log TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX receipts_state ON receipts (state, id);
-- What is forgotten after a while.
CREATE INDEX receipts_forgotten ON receipts (resolved_at) WHERE state IN ('duplicate', 'rejected');

-- What is to be handled once. The key is made from the hub's record and permanent.
CREATE TABLE effects (
    key TEXT PRIMARY KEY,
    receipt INTEGER NOT NULL,
    -- The hub's record as it confirmed the receipt, in JSON.
    record TEXT NOT NULL,
    confirmed_at INTEGER NOT NULL,
    handled_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX effects_receipt ON effects (receipt);

-- Up to when the hub's records were swept, when they are to be again, and before when payments are none of ours. One row.
CREATE TABLE sweeps (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    swept_to INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT;

