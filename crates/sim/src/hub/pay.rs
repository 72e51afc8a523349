//! The bank's side: what a PSID owes, and taking the money. The guide leaves it out; it follows 1BILL's public messages.
//! (assumed)
//!
//! guide:pay-4 guide:pay-7

use asaanbill_core::{Amount, PayRefused, Payment, Psid, Refused, Settlement, Unpayable};
use asaanbill_storage::StorageError;
use asaanbill_wire::{PROCESSED_PATH, Processed};
use jiff::Timestamp;

use super::add::commit;
use crate::bank::{BankError, Paid};
use crate::store::Tx;

/// The record that a PSID pays now: the approved one, else the newest.
pub(crate) fn find(tx: Tx<'_>, psid: Psid) -> Result<Payment, BankError> {
    let (_, payment) = tx.current(psid)?.ok_or(BankError::UnknownPsid)?;
    Ok(payment)
}

/// Takes a payer's money, once for each of the bank's references. The call-back that it causes is owed from the same
/// transaction on.
pub(crate) fn pay(tx: Tx<'_>, psid: Psid, amount: Amount, reference: &str, now: Timestamp) -> Result<Paid, BankError> {
    if let Some(before) = tx.paid_under(psid, reference)? {
        return Ok(Paid::Before(before));
    }
    let (channel, payment) = tx.current(psid)?.ok_or(BankError::UnknownPsid)?;
    let paid = match payment.pay(amount, now) {
        Ok(Settlement::This(change)) => {
            let paid = commit(tx, payment, Ok(change))?;
            if let Some(identifier) = paid.new.identifier() {
                let state = tx.identifier(channel, identifier)?.after_payment(paid.id);
                tx.put_identifier(channel, identifier, state)?;
            }
            paid
        }
        Ok(Settlement::Another(stage)) => {
            let template = payment;
            let draft = tx.insert_payment(channel, template.new, None, now)?;
            let change = asaanbill_core::Change { id: draft.id, from: draft.status(), to: stage, at: now };
            commit(tx, draft, Ok(change))?
        }
        Err(PayRefused::WrongAmount { due }) => return Err(BankError::WrongAmount { due }),
        Err(PayRefused::Unpayable(Unpayable::Expired)) => return Err(BankError::Expired),
        Err(PayRefused::Unpayable(Unpayable::Status(Refused::AlreadySo))) => return Err(BankError::AlreadyPaid),
        Err(PayRefused::Unpayable(Unpayable::Status(Refused::Invalid(_)))) => return Err(BankError::Blocked),
    };
    tx.put_reference(paid.id, reference)?;
    tx.owe(channel, PROCESSED_PATH, &Processed::from(&paid), now)?;
    Ok(Paid::Now(paid))
}

impl From<StorageError> for BankError {
    fn from(error: StorageError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
        Self::Store
    }
}
