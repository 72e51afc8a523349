//! The identifier rule: who gets which PSID, and whose unpaid bill is discarded.
//!
//! One PSID belongs to each identifier of a channel, for ever. A new payment takes it over; the one before becomes
//! discarded if, and only if, it isn't paid. (Guide, Add Payment, notes 1 to 3) Payments without an identifier of their
//! own never share a PSID. (assumed)
//!
//! guide:reuse-1 guide:reuse-3 guide:reuse-4 guide:reuse-5 guide:bulk-1 guide:bulk-10

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::{Identifier, PaymentId, Psid};

/// The most rows of one batch. (Guide, Add Bulk: "up to 5000 payment records")
pub const BULK_ROWS_MAX: usize = 5_000;

/// What the hub knows of one identifier in one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentifierState {
    /// No payment on it has a PSID yet.
    #[default]
    Unused,
    /// Its PSID serves `newest`.
    InUse {
        /// Its PSID, for ever.
        psid: Psid,
        /// The newest added payment that got the PSID. Records that payers add by scanning a template don't count.
        newest: PaymentId,
        /// Whether `newest` waits to be paid; otherwise it is paid.
        unpaid: bool,
    },
}

/// What becomes of a payment that is to get its PSID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is approved.
    Approve {
        /// Where its PSID comes from.
        psid: PsidSource,
        /// The unpaid payment that it replaces.
        discard: Option<PaymentId>,
    },
    /// It has the PSID already: whoever asks again has nothing to do.
    AlreadySo,
    /// A later payment on the identifier got the PSID first, so this one never does. (assumed: discarding supposes an
    /// assigned PSID)
    Overtaken {
        /// The later payment.
        by: PaymentId,
    },
}

/// Where a PSID comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PsidSource {
    /// The identifier has none: a new one is to be allocated.
    Allocate,
    /// The identifier's own.
    TakeOver(Psid),
}

impl IdentifierState {
    /// Decides for a payment on this identifier. Numbers grow in the order in which payments were accepted.
    ///
    /// An identifier's state says nothing about payments without an identifier: for those, decide on
    /// [`IdentifierState::Unused`].
    pub fn decide(self, id: PaymentId) -> Decision {
        match self {
            Self::Unused => Decision::Approve { psid: PsidSource::Allocate, discard: None },
            Self::InUse { newest, .. } if newest > id => Decision::Overtaken { by: newest },
            Self::InUse { newest, .. } if newest == id => Decision::AlreadySo,
            Self::InUse { psid, newest, unpaid } => {
                Decision::Approve { psid: PsidSource::TakeOver(psid), discard: unpaid.then_some(newest) }
            }
        }
    }

    /// The state once `id` is approved with `psid`.
    pub fn after_approval(self, id: PaymentId, psid: Psid) -> Self {
        Self::InUse { psid, newest: id, unpaid: true }
    }

    /// The state once `id` is paid.
    pub fn after_payment(self, id: PaymentId) -> Self {
        match self {
            Self::InUse { psid, newest, .. } if newest == id => Self::InUse { psid, newest, unpaid: false },
            other => other,
        }
    }
}

/// What becomes of one row of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The row's payment.
    pub id: PaymentId,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// What becomes of one row of a batch, with its PSID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Approved.
    Approved {
        /// Its PSID.
        psid: Psid,
        /// The unpaid payment that it replaces: an earlier one, or an earlier row of the same batch.
        discard: Option<PaymentId>,
    },
    /// It has its PSID already.
    AlreadySo,
    /// Never gets a PSID.
    Overtaken {
        /// The later payment that got it.
        by: PaymentId,
    },
}

/// A batch of more than [`BULK_ROWS_MAX`] rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a batch has at most {BULK_ROWS_MAX} rows, this one has {rows}; send it in several")]
pub struct TooManyRows {
    /// How many there were.
    pub rows: usize,
}

/// Why a batch isn't decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError<E> {
    /// It is too large.
    #[error(transparent)]
    TooManyRows(#[from] TooManyRows),
    /// A PSID could not be allocated.
    #[error("a PSID could not be allocated")]
    Allocate(#[source] E),
}

/// Decides for the rows of a batch in list order, as if they were added one by one: of repeats of an identifier the last
/// one wins. (assumed for repeats)
///
/// `states` holds what is known of the rows' identifiers, an absent one being [`IdentifierState::Unused`], and is brought
/// up to date. `allocate` makes a PSID that no other payment of any channel has; it is called once for each identifier
/// without one, and once for each row without an identifier.
///
/// # Errors
///
/// [`BatchError::TooManyRows`], before anything else is done, or what `allocate` failed with: then the batch is to be
/// undone as a whole, and `states` is of no use.
pub fn decide_batch<E>(
    rows: &[(PaymentId, Option<Identifier>)],
    states: &mut BTreeMap<Identifier, IdentifierState>,
    mut allocate: impl FnMut(PaymentId, Option<&Identifier>) -> Result<Psid, E>,
) -> Result<Vec<Assigned>, BatchError<E>> {
    if rows.len() > BULK_ROWS_MAX {
        return Err(TooManyRows { rows: rows.len() }.into());
    }
    let mut assigned = Vec::with_capacity(rows.len());
    for (id, identifier) in rows {
        let state = identifier.as_ref().and_then(|identifier| states.get(identifier)).copied().unwrap_or_default();
        let outcome = match state.decide(*id) {
            Decision::AlreadySo => Outcome::AlreadySo,
            Decision::Overtaken { by } => Outcome::Overtaken { by },
            Decision::Approve { psid, discard } => {
                let psid = match psid {
                    PsidSource::TakeOver(psid) => psid,
                    PsidSource::Allocate => allocate(*id, identifier.as_ref()).map_err(BatchError::Allocate)?,
                };
                if let Some(identifier) = identifier {
                    states.insert(identifier.clone(), state.after_approval(*id, psid));
                }
                Outcome::Approved { psid, discard }
            }
        };
        assigned.push(Assigned { id: *id, outcome });
    }
    Ok(assigned)
}

#[cfg(test)]
mod tests {
    use super::{Decision, IdentifierState, PsidSource};
    use crate::PaymentId;

    fn id(number: u64) -> PaymentId {
        PaymentId::try_from(number).unwrap()
    }

    /// What the state before, the state after and a newcomer make of each other.
    #[test]
    fn only_the_newest_payment_counts() {
        let psid = "100139100100154854584585".parse().unwrap();
        let state = IdentifierState::Unused.after_approval(id(7), psid);
        assert_eq!(state, IdentifierState::InUse { psid, newest: id(7), unpaid: true });
        let paid = IdentifierState::InUse { psid, newest: id(7), unpaid: false };
        assert_eq!(state.after_payment(id(7)), paid);
        assert_eq!(
            state.after_payment(id(6)),
            state,
            "an older record, such as a template's, says nothing of the newest"
        );
        assert_eq!(state.after_payment(id(8)), state, "nor does a later one that a payer added by scanning");
        assert_eq!(IdentifierState::Unused.after_payment(id(7)), IdentifierState::Unused);
        let psid = PsidSource::TakeOver(psid);
        assert_eq!(state.decide(id(8)), Decision::Approve { psid, discard: Some(id(7)) });
        assert_eq!(paid.decide(id(8)), Decision::Approve { psid, discard: None });
        assert_eq!((state.decide(id(7)), paid.decide(id(7))), (Decision::AlreadySo, Decision::AlreadySo));
        assert_eq!(state.decide(id(6)), Decision::Overtaken { by: id(7) });
        assert_eq!(paid.decide(id(6)), Decision::Overtaken { by: id(7) });
    }
}
