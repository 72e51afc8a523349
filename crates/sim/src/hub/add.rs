//! Adding one payment.
//!
//! guide:add-18 guide:reuse-7 guide:reuse-8

use asaanbill_core::{
    Change, ChannelId, Decision, IdentifierState, NewPayment, Payment, PaymentId, Psid, PsidSource, Refused,
};
use asaanbill_storage::StorageError;
use jiff::Timestamp;

use crate::store::{Tx, contradiction};

/// Adds a payment, which is approved at once and takes over its identifier's PSID. (Guide, Add Payment, notes 1 to 3)
pub(crate) fn add(tx: Tx<'_>, channel: ChannelId, new: NewPayment, now: Timestamp) -> Result<Payment, StorageError> {
    let payment = tx.insert_payment(channel, new, None, now)?;
    let state = match payment.new.identifier() {
        Some(identifier) => tx.identifier(channel, identifier)?,
        None => IdentifierState::Unused,
    };
    match state.decide(payment.id) {
        Decision::Approve { psid, discard } => {
            let psid = match psid {
                PsidSource::TakeOver(psid) => psid,
                PsidSource::Allocate => tx.allocate_psid()?,
            };
            approve(tx, channel, &payment, psid, discard, now)
        }
        // Numbers grow within a store, so the newest payment of all is neither there already nor overtaken.
        Decision::AlreadySo => Ok(payment),
        Decision::Overtaken { by } => commit(tx, payment.clone(), payment.overtake(by, now)),
    }
}

/// Gives a payment its PSID, discards the one before it, and remembers whom the PSID serves.
pub(super) fn approve(
    tx: Tx<'_>,
    channel: ChannelId,
    payment: &Payment,
    psid: Psid,
    discard: Option<PaymentId>,
    now: Timestamp,
) -> Result<Payment, StorageError> {
    if let Some(earlier) = discard
        && let Some(earlier) = tx.payment(channel, earlier)?
    {
        commit(tx, earlier.clone(), earlier.supersede(now))?;
    }
    let scheduled = match payment.schedule(now) {
        // A batch's payment has been scheduled before.
        Err(Refused::AlreadySo) => payment.clone(),
        change => commit(tx, payment.clone(), change)?,
    };
    let approved = commit(tx, scheduled.clone(), scheduled.assign(psid, now))?;
    if let Some(identifier) = approved.new.identifier() {
        let state = tx.identifier(channel, identifier)?.after_approval(approved.id, psid);
        tx.put_identifier(channel, identifier, state)?;
    }
    Ok(approved)
}

/// Commits what a rule decided, and returns the record as it stands then.
pub(super) fn commit(tx: Tx<'_>, payment: Payment, change: Result<Change, Refused>) -> Result<Payment, StorageError> {
    let change = change.map_err(contradiction)?;
    tx.apply(&change)?;
    Ok(Payment { stage: change.to, updated_at: change.at, ..payment })
}
