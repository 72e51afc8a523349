//! A look behind the hub's back: what must be true of a store's rows at every committed moment, as queries that find what
//! isn't. They are written after the schema and the guide, not after the hub's code.

use std::path::PathBuf;

use asaanbill_storage::rusqlite::{Connection, TransactionBehavior};

/// What is wrong, and a query that finds it: texts, in words that both engines read.
const RULES: &[(&str, &str)] = &[
    (
        "one unpaid bill for each identifier",
        "SELECT identifier FROM payments WHERE status = 'APPROVED' AND identifier IS NOT NULL
         GROUP BY channel, identifier HAVING COUNT(*) > 1",
    ),
    (
        "one PSID for each identifier, and its row says which",
        "SELECT p.identifier FROM payments p LEFT JOIN identifiers i ON i.channel = p.channel AND i.identifier = p.identifier
         WHERE p.psid IS NOT NULL AND p.identifier IS NOT NULL AND (i.psid IS NULL OR i.psid <> p.psid)",
    ),
    (
        "a PSID serves one payer",
        "SELECT psid FROM (SELECT DISTINCT psid, channel, COALESCE(identifier, '') AS identifier FROM payments
                           WHERE psid IS NOT NULL) AS owners
         GROUP BY psid HAVING COUNT(*) > 1",
    ),
    // A template's sales come after it and are no bills of their own.
    (
        "an identifier's newest is its newest",
        "SELECT i.identifier FROM identifiers i LEFT JOIN (
             SELECT channel, identifier, MAX(id) AS id FROM payments
             WHERE psid IS NOT NULL AND NOT (kind = 'SQRC_WITHOUT_AMOUNT' AND status = 'PROCESSED')
             GROUP BY channel, identifier) AS p
         ON p.channel = i.channel AND p.identifier = i.identifier
         WHERE i.psid IS NOT NULL AND (p.id IS NULL OR i.newest <> p.id)",
    ),
    (
        "an identifier is unpaid while its newest is",
        "SELECT i.identifier FROM identifiers i JOIN payments p ON p.id = i.newest
         WHERE (i.unpaid <> 0) <> (p.status = 'APPROVED')",
    ),
    (
        "an identifier without a PSID has no newest",
        "SELECT identifier FROM identifiers WHERE psid IS NULL AND (newest IS NOT NULL OR unpaid <> 0)",
    ),
    (
        "what was discarded made way for a newer one",
        "SELECT CAST(d.id AS TEXT) FROM payments d WHERE d.status = 'DISCARD'
         AND NOT EXISTS (SELECT 1 FROM payments n WHERE n.psid = d.psid AND n.id > d.id)",
    ),
    (
        "paid, when, how much and under which reference go together",
        "SELECT CAST(id AS TEXT) FROM payments
         WHERE (status = 'PROCESSED') <> (paid_at IS NOT NULL) OR (status = 'PROCESSED') <> (amount_paid IS NOT NULL)
            OR (status = 'PROCESSED') <> (bank_reference IS NOT NULL)",
    ),
    (
        "a PSID from approval on",
        "SELECT CAST(id AS TEXT) FROM payments
         WHERE (psid IS NULL) <> (status IN ('DRAFT', 'IN_PROCESS', 'ERRORED')) OR LENGTH(psid) <> 24",
    ),
    ("why an error", "SELECT CAST(id AS TEXT) FROM payments WHERE (status = 'ERRORED') <> (why IS NOT NULL)"),
    (
        "batches are numbered without gaps",
        "SELECT CAST(id AS TEXT) FROM channels c WHERE batches <> (SELECT COUNT(*) FROM bulk_requests b WHERE b.channel = c.id)
            OR batches <> (SELECT COALESCE(MAX(b.id), 0) FROM bulk_requests b WHERE b.channel = c.id)",
    ),
    (
        "a batch has all its rows",
        "SELECT CAST(b.id AS TEXT) FROM bulk_requests b WHERE vouchers <> (
             SELECT COUNT(DISTINCT bulk_row) FROM payments p WHERE p.channel = b.channel AND p.bulk_request = b.id)
            OR vouchers <> (SELECT COUNT(*) FROM payments p WHERE p.channel = b.channel AND p.bulk_request = b.id)",
    ),
    (
        "a batch's rows are as far as the batch",
        "SELECT CAST(b.id AS TEXT) FROM bulk_requests b JOIN payments p ON p.channel = b.channel AND p.bulk_request = b.id
         WHERE p.status <> 'ERRORED' AND CASE b.status WHEN 'PROCESSED' THEN p.status IN ('DRAFT', 'IN_PROCESS')
                                                       ELSE p.status <> b.status END",
    ),
    (
        "each call-back is on its way or was attempted once",
        "SELECT CAST(c.id AS TEXT) FROM callbacks c WHERE 1 <>
             (SELECT COUNT(*) FROM attempts a WHERE a.callback = c.id)
             + (SELECT COUNT(*) FROM outbox o WHERE o.payload LIKE CAST(c.id AS TEXT) || ' %')",
    ),
    (
        "a call-back for each paid record",
        "SELECT c.name FROM channels c WHERE c.callback_url IS NOT NULL
         AND (SELECT COUNT(*) FROM payments p WHERE p.channel = c.id AND p.status = 'PROCESSED')
          <> (SELECT COUNT(*) FROM callbacks b WHERE b.channel = c.id AND b.path = '/processed')",
    ),
    (
        "a call-back for each batch that got PSIDs",
        "SELECT c.name FROM channels c WHERE c.callback_url IS NOT NULL
         AND (SELECT COUNT(*) FROM bulk_requests r WHERE r.channel = c.id AND r.status = 'PROCESSED' AND EXISTS
                  (SELECT 1 FROM payments p WHERE p.channel = c.id AND p.bulk_request = r.id AND p.psid IS NOT NULL))
          <> (SELECT COUNT(*) FROM callbacks b WHERE b.channel = c.id AND b.path <> '/processed')",
    ),
    (
        "what happened is noted",
        "SELECT CAST(p.id AS TEXT) FROM payments p WHERE p.status = 'PROCESSED'
         AND 1 <> (SELECT COUNT(*) FROM events e WHERE e.payment = p.id AND e.what LIKE 'paid:%')",
    ),
];

/// The kept totals' widths in a list's order: powers of two of a microsecond.
const SLICES: [(u32, u32); 3] = [(0, 17), (1, 29), (2, 41)];

/// Where a hub's books are.
#[derive(Clone, Debug)]
pub(crate) enum Books {
    File(PathBuf),
    #[cfg(feature = "postgres-tests")]
    Server(String),
}

/// All that isn't as it must be, at one moment.
pub(crate) async fn faults(books: &Books) -> Vec<String> {
    let totals = SLICES.map(|(level, width)| {
        let sql = format!(
            "SELECT CAST(slice AS TEXT) FROM
                 (SELECT channel, slice, SUM(payments) AS kept FROM tallies WHERE level = {level} GROUP BY channel, slice) AS k
             FULL JOIN
                 (SELECT channel, updated_at >> {width} AS slice, COUNT(*) AS counted FROM payments WHERE psid IS NOT NULL
                  GROUP BY channel, updated_at >> {width}) AS c
             USING (channel, slice) WHERE COALESCE(kept, 0) <> COALESCE(counted, 0)"
        );
        ("the kept totals are the counted ones".to_owned(), sql)
    });
    let rules = RULES.iter().map(|(rule, sql)| ((*rule).to_owned(), (*sql).to_owned()));
    let rules: Vec<(String, String)> = rules.chain(totals).collect();
    let found = look(books, rules.iter().map(|(_, sql)| sql.clone()).collect()).await;
    let broken = rules.iter().zip(found).filter(|(_, found)| !found.is_empty());
    broken.map(|((rule, _), found)| format!("not so: {rule}: {} of {found:?}", found.len())).collect()
}

/// The first columns of one query.
pub(crate) async fn rows(books: &Books, sql: &str) -> Vec<String> {
    look(books, vec![sql.to_owned()]).await.remove(0)
}

/// The first columns of these queries, all at one moment.
pub(crate) async fn look(books: &Books, queries: Vec<String>) -> Vec<Vec<String>> {
    match books {
        Books::File(file) => {
            let file = file.clone();
            tokio::task::spawn_blocking(move || {
                let mut connection = Connection::open(file).unwrap();
                connection.busy_timeout(crate::hub::PATIENCE).unwrap();
                let moment = connection.transaction_with_behavior(TransactionBehavior::Deferred).unwrap();
                let rows = |sql: &String| {
                    let mut select = moment.prepare(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
                    let rows = select.query_map([], |row| row.get(0)).unwrap();
                    rows.collect::<Result<Vec<String>, _>>().unwrap()
                };
                queries.iter().map(rows).collect()
            })
            .await
            .unwrap()
        }
        #[cfg(feature = "postgres-tests")]
        Books::Server(url) => {
            let client = crate::stores::server::client(url).await;
            client.batch_execute("START TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.unwrap();
            let mut all = Vec::new();
            for sql in &queries {
                let found = client.query(sql, &[]).await.unwrap_or_else(|error| panic!("{error:?}: {sql}"));
                all.push(found.iter().map(|row| row.get(0)).collect());
            }
            all
        }
    }
}
