//! The bank's side: taking the money. The guide leaves it out; it follows 1BILL's public messages. (assumed)
//!
//! guide:pay-4 guide:pay-7

use asaanbill_core::{Amount, Change, PayRefused, PaymentId, Psid, Refused, Settlement, Unpayable};
use asaanbill_storage::StorageError;
use asaanbill_wire::{PROCESSED_PATH, Processed};
use jiff::Timestamp;

use super::Cause;
use super::add::commit;
use crate::bank::{BankError, Paid};
use crate::store::Book;

/// Takes a payer's money, once for each of the bank's references. The call-back that it causes is owed from the same
/// transaction on.
pub(super) fn pay(
    book: &mut Book,
    psid: Psid,
    amount: Amount,
    reference: &str,
    cause: Cause,
    now: Timestamp,
) -> Result<Result<Paid, BankError>, StorageError> {
    if let Some(before) = book.paid_under(psid, reference) {
        return Ok(Ok(Paid::Before(book.payment(before)?.clone())));
    }
    let Some(current) = book.current(psid) else { return Ok(Err(BankError::UnknownPsid)) };
    let record = book.record(current)?;
    let (channel, payment) = (record.channel, record.payment.clone());
    let paid = match payment.pay(amount, now) {
        Ok(Settlement::This(change)) => {
            book.apply(change)?;
            if let Some(identifier) = payment.new.identifier() {
                let state = book.identifier(channel, identifier).after_payment(current);
                book.put_identifier(channel, identifier, state);
            }
            current
        }
        Ok(Settlement::Another(stage)) => {
            let draft: PaymentId = book.insert(channel, payment.new, None, now)?;
            let from = book.payment(draft)?.status();
            commit(book, Ok(Change { id: draft, from, to: stage, at: now }))?;
            draft
        }
        Err(refused) => return Ok(Err(refusal(refused))),
    };
    book.put_reference(psid, reference, paid);
    book.note(cause.event(channel, paid, now, &format!("paid: {} rupees by a bank", amount.as_str())));
    let paid = book.payment(paid)?.clone();
    book.owe(channel, PROCESSED_PATH, &Processed::from(&paid))?;
    Ok(Ok(Paid::Now(paid)))
}

fn refusal(refused: PayRefused) -> BankError {
    match refused {
        PayRefused::WrongAmount { due } => BankError::WrongAmount { due },
        PayRefused::Unpayable(Unpayable::Expired) => BankError::Expired,
        PayRefused::Unpayable(Unpayable::Status(Refused::AlreadySo)) => BankError::AlreadyPaid,
        PayRefused::Unpayable(Unpayable::Status(Refused::Invalid(_))) => BankError::Blocked,
    }
}

impl From<StorageError> for BankError {
    fn from(error: StorageError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
        Self::Store
    }
}
