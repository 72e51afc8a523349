-- Times are microseconds since 1970 in UTC. Amounts are texts, as they were submitted. Flags are 0 or 1.

CREATE TABLE channels (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    callback_url TEXT,
    -- How many batches it has added: the number of the last one.
    batches INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE users (
    name TEXT PRIMARY KEY,
    channel INTEGER NOT NULL,
    -- argon2id, in the PHC form
    password TEXT NOT NULL,
    may_add INTEGER NOT NULL,
    may_read INTEGER NOT NULL,
    -- How often the user has logged in.
    logins INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE tokens (
    -- SHA-256: the token itself is nowhere
    digest BLOB PRIMARY KEY,
    username TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX tokens_by_user ON tokens (username);

-- One PSID for each identifier of a channel, for ever. Keys lead with the channel.
CREATE TABLE identifiers (
    channel INTEGER NOT NULL,
    identifier TEXT NOT NULL,
    psid TEXT,
    newest INTEGER,
    unpaid INTEGER NOT NULL,
    -- How many records its payments have had: the entity's own sequence.
    made INTEGER NOT NULL,
    PRIMARY KEY (channel, identifier)
) WITHOUT ROWID;

CREATE TABLE bulk_requests (
    channel INTEGER NOT NULL,
    id INTEGER NOT NULL,
    vouchers INTEGER NOT NULL,
    status TEXT NOT NULL,
    -- When its next step is due. None while it waits for polls or a hand, or is done.
    due_at INTEGER,
    polls INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (channel, id)
) WITHOUT ROWID;
CREATE INDEX bulk_requests_due ON bulk_requests (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE payments (
    id INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    kind TEXT NOT NULL,
    title TEXT,
    identifier TEXT,
    description TEXT,
    amount TEXT,
    due_date TEXT,
    amount_after_due_date TEXT,
    longitude TEXT,
    latitude TEXT,
    status TEXT NOT NULL,
    psid TEXT,
    amount_paid TEXT,
    paid_at INTEGER,
    bank_reference TEXT,
    why TEXT,
    bulk_request INTEGER,
    bulk_row INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX payments_by_psid ON payments (psid, id) WHERE psid IS NOT NULL;
CREATE INDEX payments_by_update ON payments (channel, updated_at, id) WHERE psid IS NOT NULL;
CREATE INDEX payments_by_bulk_request ON payments (channel, bulk_request, bulk_row) WHERE bulk_request IS NOT NULL;
CREATE UNIQUE INDEX payments_by_reference ON payments (psid, bank_reference) WHERE bank_reference IS NOT NULL;

-- How many listed payments a channel has, by the time of their last change, at several widths: see tally.rs.
CREATE TABLE tallies (
    channel INTEGER NOT NULL,
    level INTEGER NOT NULL,
    slice INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    payments INTEGER NOT NULL,
    PRIMARY KEY (channel, level, slice, shard)
) WITHOUT ROWID;

-- What happened to payments and batches, why, and by which request. The oldest are dropped.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    channel INTEGER,
    payment INTEGER,
    bulk_request INTEGER,
    request INTEGER,
    what TEXT NOT NULL,
    -- As on PostgreSQL, where payments share a row. Here they do so only in a snapshot that comes from there.
    first_id INTEGER,
    through INTEGER,
    several TEXT
);
CREATE INDEX events_by_subject ON events (bulk_request, through, payment);

-- Records and PSIDs are numbered in sequence: neighbours in time are neighbours in the index.
CREATE TABLE counters (payment INTEGER NOT NULL, psid INTEGER NOT NULL);
INSERT INTO counters VALUES (1, 1);

-- Call-backs that are owed, written in the transaction that causes them. The deliveries are the table `outbox`'s.
CREATE TABLE callbacks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel INTEGER NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    callback INTEGER NOT NULL,
    -- What was sent: genuine, duplicate, corrupt, forged, resent
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- None if it was acknowledged.
    failure TEXT
);
CREATE INDEX attempts_by_callback ON attempts (callback, id);

CREATE TABLE snapshots (
    name TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    content TEXT NOT NULL
) WITHOUT ROWID;

-- How time goes: one row. Instances look at the revision.
CREATE TABLE clock (
    course TEXT NOT NULL,
    since INTEGER,
    shown INTEGER,
    speed INTEGER,
    revision INTEGER NOT NULL
);
INSERT INTO clock VALUES ('real', NULL, NULL, NULL, 0);
