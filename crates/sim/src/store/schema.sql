-- Times are microseconds since 1970 in UTC. Amounts are texts, as they were submitted.

CREATE TABLE channels (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    callback_url TEXT
);

CREATE TABLE users (
    name TEXT PRIMARY KEY,
    channel INTEGER NOT NULL REFERENCES channels,
    -- argon2id, in the PHC form
    password TEXT NOT NULL,
    may_add INTEGER NOT NULL,
    may_read INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE tokens (
    -- SHA-256: the token itself is nowhere
    digest BLOB PRIMARY KEY,
    user TEXT NOT NULL REFERENCES users
) WITHOUT ROWID;

-- One PSID for each identifier of a channel, for ever. Keys lead with the channel.
CREATE TABLE identifiers (
    channel INTEGER NOT NULL,
    identifier TEXT NOT NULL,
    psid TEXT NOT NULL,
    newest INTEGER NOT NULL,
    unpaid INTEGER NOT NULL,
    PRIMARY KEY (channel, identifier)
) WITHOUT ROWID;

CREATE TABLE bulk_requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel INTEGER NOT NULL,
    vouchers INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX bulk_requests_by_channel ON bulk_requests (channel, id);
CREATE INDEX bulk_requests_open ON bulk_requests (id) WHERE status <> 'PROCESSED';

CREATE TABLE payments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
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
    bulk_request INTEGER REFERENCES bulk_requests,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX payments_by_psid ON payments (psid, id) WHERE psid IS NOT NULL;
CREATE INDEX payments_by_update ON payments (channel, updated_at, id) WHERE psid IS NOT NULL;
CREATE INDEX payments_by_bulk_request ON payments (bulk_request, id) WHERE bulk_request IS NOT NULL;
CREATE UNIQUE INDEX payments_by_reference ON payments (psid, bank_reference) WHERE bank_reference IS NOT NULL;

-- Call-backs that are owed, written in the transaction that causes them.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel INTEGER NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    attempted_at INTEGER,
    outcome TEXT
);
CREATE INDEX outbox_open ON outbox (id) WHERE attempted_at IS NULL;

-- PSIDs are handed out in sequence: neighbours in time are neighbours in the index.
CREATE TABLE psids (next INTEGER NOT NULL);
INSERT INTO psids VALUES (1);
