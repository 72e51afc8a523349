-- Intents, noted before they are sent. `body` is what is wanted as JSON; it is emptied when the intent is closed.
CREATE TABLE intents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sent_at INTEGER NOT NULL,            -- microseconds since 1970
    kind TEXT NOT NULL,                  -- the guide's generationTypes, or BULK
    body TEXT NOT NULL,
    previous INTEGER,                    -- the identifier's payment before
    rows INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',  -- open, not_sent, refused, added, added_bulk, not_found, duplicate
    batch INTEGER,
    psid TEXT,
    payment INTEGER,
    exceptions TEXT                      -- rows that weren't accepted: [[position, word, the hub's words], …]
) STRICT;

CREATE INDEX open_intents ON intents (id) WHERE state = 'open';
CREATE INDEX batches ON intents (batch) WHERE batch IS NOT NULL;

-- An identifier with an open intent takes no other.
CREATE TABLE taken (
    identifier TEXT PRIMARY KEY,
    intent INTEGER NOT NULL REFERENCES intents (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX taken_by ON taken (intent);

-- What is known of an identifier's newest payment.
CREATE TABLE known (
    identifier TEXT PRIMARY KEY,
    psid TEXT,
    payment INTEGER
) STRICT, WITHOUT ROWID;

-- Parts of imports. A part that is sent again points to its newest intent.
CREATE TABLE chunks (
    import TEXT NOT NULL,
    position INTEGER NOT NULL,
    digest BLOB NOT NULL,
    intent INTEGER NOT NULL REFERENCES intents (id),
    PRIMARY KEY (import, position)
) STRICT, WITHOUT ROWID;
