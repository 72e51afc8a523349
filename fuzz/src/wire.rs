//! The hub's answers and an integrator's requests: read as everything that there is, and interpreted.

use asaanbill_wire::{
    AddRequest, AddedPayment, BulkAnswer, BulkDetail, BulkRequest, BulkStatus, BulkSummary, Envelope, Item,
    ListedPayment, LoginAnswer, LoginRequest, Money, Page, PageRequest,
};
use serde::Deserialize;

pub(crate) fn run(data: &[u8]) {
    match Envelope::read_bytes(data) {
        Ok(envelope) => answers(&envelope),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    readable::<LoginRequest>(text);
    readable::<AddRequest<'_>>(text);
    readable::<BulkRequest<'_>>(text);
    if let Ok(money) = serde_json::from_str::<Money>(text)
        && let Some(amount) = money.amount()
    {
        assert_eq!(amount.to_string().parse().ok(), Some(amount), "{text:?}");
    }
    if let Ok(page) = PageRequest::parse(Some(text), Some(text)) {
        assert_eq!(page.offset(), u64::from(page.number()) * u64::from(page.size()));
        assert!(page.next().is_none_or(|next| next.offset() > page.offset()));
    }
}

fn answers(envelope: &Envelope<&serde_json::value::RawValue>) {
    let _ = (envelope.code(), envelope.message().len());
    let _ = envelope.data::<LoginAnswer>();
    if let Ok(added) = envelope.data::<AddedPayment>() {
        let _ = (added.amount.map(|a| a.amount()), added.due_date.map(|d| d.date()));
        let _ = added.created_at.map(|s| s.timestamp());
    }
    let _ = envelope.data::<Page<BulkSummary>>().map(|page| page.total());
    let _ = envelope.data::<BulkDetail>();
    let _ = envelope.data::<BulkAnswer<Item<BulkStatus>>>().map(|answer| answer.id());
    if let Ok(page) = envelope.data::<Page<ListedPayment>>() {
        for payment in page.content.into_iter().filter_map(Item::into_read) {
            let _ = (payment.id.map(|i| i.whole()), payment.amount.map(|a| a.decimal()));
            let _ = payment.paid_at.map(|s| s.datetime());
        }
    }
}

fn readable<'a, T: Deserialize<'a>>(text: &'a str) {
    if let Err(error) = serde_json::from_str::<T>(text) {
        assert!(!error.to_string().is_empty());
    }
}
