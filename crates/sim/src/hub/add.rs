//! Adding one payment.
//!
//! guide:add-18 guide:reuse-7 guide:reuse-8

use asaanbill_core::{
    Change, ChannelId, Decision, Identifier, IdentifierState, NewPayment, PaymentId, Psid, PsidSource, Refused,
};
use asaanbill_storage::StorageError;
use jiff::Timestamp;

use super::Cause;
use crate::store::{Book, contradiction};

/// Adds a payment, which is approved at once and takes over its identifier's PSID. (Guide, Add Payment, notes 1 to 3)
pub(super) fn add(
    book: &mut Book,
    channel: ChannelId,
    new: NewPayment,
    cause: Cause,
    now: Timestamp,
) -> Result<PaymentId, StorageError> {
    let identifier = new.identifier().cloned();
    let id = book.insert(channel, new, None, now)?;
    let state = match &identifier {
        Some(identifier) => book.identifier(channel, identifier),
        None => IdentifierState::Unused,
    };
    match state.decide(id) {
        Decision::Approve { psid, discard } => {
            let psid = match psid {
                PsidSource::TakeOver(psid) => psid,
                PsidSource::Allocate => book.allocate_psid(channel, identifier.as_ref(), id)?,
            };
            approve(book, (channel, identifier.as_ref()), id, psid, discard, cause, now)?;
            book.note(cause.event(channel, id, now, "added"));
            Ok(id)
        }
        // Numbers grow within an identifier, so its newest payment is neither there already nor overtaken.
        Decision::AlreadySo | Decision::Overtaken { .. } => Err(contradiction(Refused::AlreadySo)),
    }
}

/// Gives a payment of a channel, with this identifier, its PSID, discards the one before it, and remembers whom the PSID serves.
pub(super) fn approve(
    book: &mut Book,
    (channel, identifier): (ChannelId, Option<&Identifier>),
    id: PaymentId,
    psid: Psid,
    discard: Option<PaymentId>,
    cause: Cause,
    now: Timestamp,
) -> Result<(), StorageError> {
    if let Some(earlier) = discard {
        commit(book, book.stage(earlier)?.supersede(earlier, now))?;
        book.note(cause.event(channel, earlier, now, &format!("discarded: payment {id} took over its PSID")));
    }
    match book.stage(id)?.schedule(id, now) {
        // A batch's payment has been scheduled before.
        Err(Refused::AlreadySo) => {}
        change => commit(book, change)?,
    }
    commit(book, book.stage(id)?.assign(id, psid, now))?;
    if let Some(identifier) = identifier {
        let state = book.identifier(channel, identifier).after_approval(id, psid);
        book.put_identifier(channel, identifier, state);
    }
    Ok(())
}

/// Makes the change that a rule decided. A rule that refuses contradicts what was loaded.
pub(super) fn commit(book: &mut Book, change: Result<Change, Refused>) -> Result<(), StorageError> {
    book.apply(change.map_err(contradiction)?)
}
