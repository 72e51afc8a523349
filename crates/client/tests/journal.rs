//! One contract for every journal.

use std::sync::Arc;

use asaanbill_client::core::{Fields, Identifier, NewPayment, PaymentKind};
use asaanbill_client::{
    Begun, BulkRow, ChunkKey, ChunkState, Closed, Draft, IntentId, Journal, Known, MemoryJournal, RowOutcome, Rows,
    Wanted,
};

fn bill(identifier: &str) -> NewPayment {
    let fields = Fields {
        title: Some("Ali"),
        identifier: Some(identifier),
        amount: Some("50"),
        due_date: Some("2025-08-31"),
        amount_after_due_date: Some("50"),
        ..Fields::default()
    };
    NewPayment::parse(PaymentKind::Psid, &fields).unwrap()
}

fn add(identifier: &str) -> Draft {
    Draft::new(Wanted::from(bill(identifier)), "2025-08-31T04:00:00.123456Z".parse().unwrap())
}

fn batch(identifiers: &[&str]) -> Draft {
    let bills = identifiers.iter().map(|identifier| bill(identifier).bill().unwrap().clone()).collect();
    Draft::new(Wanted::AddBulk(Rows::Bills(bills)), "2025-08-31T04:00:00Z".parse().unwrap())
}

async fn begin(journal: &dyn Journal, draft: Draft) -> Result<IntentId, IntentId> {
    match journal.begin(draft).await.unwrap() {
        Begun::Noted(intent, _) => Ok(intent.id()),
        Begun::Open(open) => Err(open.id()),
        other => panic!("{other:?}"),
    }
}

async fn an_identifier_has_one_open_intent(journal: &dyn Journal) {
    let first = begin(journal, add("A-1")).await.unwrap();
    assert_eq!(begin(journal, add("A-1")).await, Err(first));
    assert_eq!(begin(journal, batch(&["A-0", "A-1"])).await, Err(first));
    let other = begin(journal, batch(&["A-2", "A-3", "A-2"])).await.unwrap();
    assert_eq!(begin(journal, add("A-3")).await, Err(other));
    let edged = begin(journal, add(" A-1")).await.expect("another identifier");
    journal.close(first, Closed::NotSent).await.unwrap();
    let again = begin(journal, add("A-1")).await.unwrap();
    journal.close(other, Closed::NotFound).await.unwrap();
    let free = begin(journal, batch(&["A-2", "A-3", "A-0"])).await.unwrap();
    assert_eq!(begin(journal, add("A-1")).await, Err(again), "closing one frees no other's");
    for (id, how) in [(edged, Closed::NotSent), (again, Closed::Duplicate), (free, Closed::Refused(Vec::new()))] {
        journal.close(id, how).await.unwrap();
    }
}

async fn open_intents_come_back_as_they_were(journal: &dyn Journal) {
    let before = journal.open(None, 100).await.unwrap();
    let Begun::Noted(one, _) = journal.begin(add("B-1")).await.unwrap() else { panic!("noted") };
    let Begun::Noted(two, _) = journal.begin(batch(&["B-2", "B-3"])).await.unwrap() else { panic!("noted") };
    let open = journal.open(before.last().map(|intent| intent.id()), 100).await.unwrap();
    assert_eq!(open, [one.clone(), two.clone()]);
    assert_eq!(journal.open(Some(one.id()), 100).await.unwrap(), std::slice::from_ref(&two));
    assert_eq!(journal.open(before.last().map(|intent| intent.id()), 1).await.unwrap(), std::slice::from_ref(&one));
    journal.close(one.id(), Closed::NotSent).await.unwrap();
    journal.close(one.id(), Closed::Duplicate).await.unwrap();
    journal.close(IntentId::new(u64::MAX), Closed::NotSent).await.unwrap();
    assert_eq!(journal.open(before.last().map(|intent| intent.id()), 100).await.unwrap(), std::slice::from_ref(&two));
    journal.close(two.id(), Closed::NotSent).await.unwrap();
}

async fn what_is_known_stays_known(journal: &dyn Journal) {
    let identifier: Identifier = "C-1".parse().unwrap();
    assert_eq!(journal.known(&identifier).await.unwrap(), None);
    let first = begin(journal, add("C-1")).await.unwrap();
    let known = Known { psid: Some("100139100100154854584585".parse().unwrap()), payment: Some("25".parse().unwrap()) };
    journal.close(first, Closed::Added(known)).await.unwrap();
    assert_eq!(journal.known(&identifier).await.unwrap(), Some(known));
    let Begun::Noted(next, before) = journal.begin(add("C-1")).await.unwrap() else { panic!("noted") };
    assert_eq!((next.previous(), before), (known.payment, Some(known)));
    journal.close(next.id(), Closed::NotSent).await.unwrap();
    assert_eq!(journal.known(&identifier).await.unwrap(), Some(known));
}

async fn chunks_know_what_became_of_them(journal: &dyn Journal) {
    let key = ChunkKey { import: "fees".into(), position: 3 };
    assert_eq!(journal.chunk(&key).await.unwrap(), None);
    let chunked = || {
        let mut draft = batch(&["D-1", "D-2"]);
        draft.chunk = Some((key.clone(), [7; 16]));
        draft
    };
    let Begun::Noted(intent, _) = journal.begin(chunked()).await.unwrap() else { panic!("noted") };
    let record = journal.chunk(&key).await.unwrap().unwrap();
    assert_eq!((record.rows, record.digest, record.state), (2, [7; 16], ChunkState::Open(intent.clone())));
    journal.close(intent.id(), Closed::NotFound).await.unwrap();
    assert_eq!(journal.chunk(&key).await.unwrap().unwrap().state, ChunkState::Closed(Closed::NotFound));

    let id = begin(journal, chunked()).await.unwrap();
    let batch = "11".parse().unwrap();
    assert!(!journal.has_batch(batch).await.unwrap());
    let exceptions = vec![(1, RowOutcome::Refused("Invalid amount".into()))];
    let closed = Closed::AddedBulk { batch: Some(batch), exceptions };
    journal.close(id, closed.clone()).await.unwrap();
    assert!(journal.has_batch(batch).await.unwrap());
    assert_eq!(journal.chunk(&key).await.unwrap().unwrap().state, ChunkState::Closed(closed.clone()));
    // What was added under a key isn't begun again, whoever asks.
    let Begun::Done(done) = journal.begin(chunked()).await.unwrap() else { panic!("done") };
    assert_eq!((done.rows, done.state), (2, ChunkState::Closed(closed)));

    let key = ChunkKey { import: "bill".into(), position: 0 };
    let mut keyed = add("D-9");
    keyed.chunk = Some((key.clone(), [9; 16]));
    let id = begin(journal, keyed).await.unwrap();
    let known = Known { psid: None, payment: Some("25".parse().unwrap()) };
    journal.close(id, Closed::Added(known)).await.unwrap();
    assert_eq!(journal.chunk(&key).await.unwrap().unwrap().state, ChunkState::Closed(Closed::Added(known)));
}

/// A text that is no identifier takes none: the hub will refuse its row.
async fn rows_of_any_text(journal: &dyn Journal) {
    let rows = ["", "E-1", "\u{7}"]
        .map(|identifier| BulkRow { identifier: identifier.to_owned().into(), ..BulkRow::default() });
    let wanted = Wanted::AddBulk(Rows::Text(rows.into()));
    let draft = Draft::new(wanted, "2025-08-31T04:00:00Z".parse().unwrap());
    let Begun::Noted(intent, _) = journal.begin(draft.clone()).await.unwrap() else { panic!("noted") };
    assert_eq!(journal.open(None, 100).await.unwrap().last(), Some(&intent));
    assert_eq!(begin(journal, add("E-1")).await, Err(intent.id()));
    journal.close(intent.id(), Closed::NotSent).await.unwrap();
}

/// Of many who want the same identifier at once, one has it.
async fn only_one_of_many(journal: Arc<dyn Journal>) {
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move { begin(&*journal, add("F-1")).await })
        })
        .collect();
    let mut noted = Vec::new();
    for task in tasks {
        noted.extend(task.await.unwrap().ok());
    }
    assert_eq!(noted.len(), 1);
    journal.close(noted[0], Closed::NotSent).await.unwrap();
}

async fn contract(journal: Arc<dyn Journal>) {
    an_identifier_has_one_open_intent(&*journal).await;
    open_intents_come_back_as_they_were(&*journal).await;
    what_is_known_stays_known(&*journal).await;
    chunks_know_what_became_of_them(&*journal).await;
    rows_of_any_text(&*journal).await;
    only_one_of_many(Arc::clone(&journal)).await;
    assert!(!format!("{journal:?}").contains("A-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory() {
    contract(Arc::new(MemoryJournal::new())).await;
}

#[tokio::test]
async fn memory_is_bounded() {
    let journal = MemoryJournal::new();
    for number in 0..asaanbill_client::INTENTS_MAX {
        begin(&journal, add(&format!("G-{number}"))).await.unwrap();
    }
    assert!(journal.begin(add("one-more")).await.is_err());
}

#[cfg(feature = "journal-sqlite")]
mod sqlite {
    use asaanbill_client::{Begun, Journal, SqliteJournal};
    use std::sync::Arc;

    use super::{add, batch, begin, contract};

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite_in_memory() {
        contract(Arc::new(SqliteJournal::in_memory().unwrap())).await;
    }

    /// What is noted is there for the next program, and holds against one that runs beside it.
    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("intents.db");
        contract(Arc::new(SqliteJournal::open(&path).unwrap())).await;

        let journal = SqliteJournal::open(&path).unwrap();
        let Begun::Noted(one, _) = journal.begin(add("Z-1")).await.unwrap() else { panic!("noted") };
        let Begun::Noted(two, _) = journal.begin(batch(&["Z-2"])).await.unwrap() else { panic!("noted") };
        let beside = SqliteJournal::open(&path).unwrap();
        assert_eq!(begin(&beside, add("Z-2")).await, Err(two.id()));
        drop(journal);
        assert_eq!(beside.open(None, 10).await.unwrap(), [one, two]);
        assert!(SqliteJournal::open(folder.path()).is_err(), "a folder is no file");
    }
}
