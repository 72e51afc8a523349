//! Whatever comes: an error or a value, never a panic, never a hang.

use asaanbill_wire::{
    Acknowledgement, AddRequest, AddedPayment, BulkAnswer, BulkApproved, BulkDetail, BulkRequest, BulkStatus,
    BulkSummary, Envelope, Item, ListedPayment, Literals, LoginAnswer, LoginRequest, Page, Processed,
};
use proptest::prelude::*;
use serde::Deserialize;

use crate::fixtures::{GUIDE_ANSWERS, fixture};

/// Reads the bytes as everything there is, and interprets what was read.
fn read_as_everything(bytes: &[u8]) {
    let _ = Acknowledgement::read(bytes);
    if let Ok(envelope) = Envelope::read_bytes(bytes) {
        let _ = (envelope.code(), envelope.message().len());
        let _ = envelope.data::<LoginAnswer>();
        let _ = envelope.data::<AddedPayment>().map(|added| {
            (
                added.amount.map(|a| a.amount()),
                added.due_date.map(|d| d.date()),
                added.created_at.map(|s| s.timestamp()),
            )
        });
        let _ = envelope.data::<Page<BulkSummary>>();
        let _ = envelope.data::<BulkDetail>();
        let _ = envelope.data::<BulkAnswer<Item<BulkStatus>>>().map(|answer| answer.id());
        let _ = envelope.data::<Page<ListedPayment>>().map(|page| {
            for payment in page.content.into_iter().filter_map(Item::into_read) {
                let _ = (
                    payment.id.map(|i| i.whole()),
                    payment.amount.map(|a| a.decimal()),
                    payment.paid_at.map(|s| s.datetime()),
                );
            }
        });
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        fn read<'a, T: Deserialize<'a>>(text: &'a str) {
            let _ = serde_json::from_str::<T>(text);
        }
        read::<LoginRequest>(text);
        read::<AddRequest<'_>>(text);
        read::<BulkRequest<'_>>(text);
        read::<Processed>(text);
        read::<BulkApproved>(text);
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes);
    }

    /// A good answer, cut and with bytes changed.
    #[test]
    fn damaged_answers(
        name in proptest::sample::select(&GUIDE_ANSWERS),
        cut in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = fixture(&format!("guide/{name}.answer.json")).into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_as_everything(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        read_as_everything(&bytes);
    }
}

#[test]
fn deep_nesting_is_an_error_not_an_overflow() {
    for open in ["[", "{\"a\":", "{\"data\":", "{\"payment\":{\"title\":["] {
        read_as_everything(open.repeat(100_000).as_bytes());
    }
    let deep = format!("{{\"responseCode\":200,\"data\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    read_as_everything(deep.as_bytes());
}

/// A batch of 5000 rows borrows its strings from the body.
#[test]
fn a_large_batch_borrows() {
    let row =
        r#"{"title":"Ali Tuck Shop","identifier":"K","amount":"1","dueDate":"2024-03-28","amountAfterDueDate":"1"}"#;
    let body = format!("{{\"payments\":[{}]}}", vec![row; 5000].join(","));
    let batch: BulkRequest<'_> = serde_json::from_str(&body).unwrap();
    let body = body.as_bytes().as_ptr_range();
    assert_eq!(batch.payments.len(), 5000);
    for row in &batch.payments {
        let title = row.title.read(Literals::Refused).unwrap().unwrap().as_ptr();
        assert!(body.contains(&title));
    }
}
