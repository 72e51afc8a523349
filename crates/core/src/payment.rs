//! A payment record of the hub, and what can be done to it.
//!
//! guide:add-20 guide:pay-2 guide:pay-8

use alloc::boxed::Box;
use alloc::string::{String, ToString};

use jiff::Timestamp;

use crate::payable::{self, Due, Unpayable};
use crate::{Amount, Event, InvalidTransition, NewPayment, PaymentId, PaymentStatus, Psid, Refused};

/// What the hub holds of one payment.
///
/// Its methods are rules, and those of its [`Stage`]: each looks at the record and an argument, and returns a [`Change`] for a store
/// to commit. None mutates the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The record's number.
    pub id: PaymentId,
    /// What was asked for.
    pub new: NewPayment,
    /// Where it stands.
    pub stage: Stage,
    /// When the hub accepted it.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Where a payment stands, with what belongs to that status and nothing else: a paid one has an instant, a draft no
/// PSID.
///
/// What becomes of a payment other than by paying depends on nothing else of it, so a store that approves thousands needn't load them
/// whole. `id` is the payment's own number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Accepted, no PSID yet.
    Draft,
    /// Scheduled for a PSID.
    InProcess,
    /// Waits for its payer.
    Approved {
        /// Its bill number.
        psid: Psid,
    },
    /// Paid. Final.
    Processed {
        /// Its bill number.
        psid: Psid,
        /// How much was paid.
        amount_paid: Amount,
        /// When.
        paid_at: Timestamp,
    },
    /// Superseded. Final.
    Discarded {
        /// The bill number, which serves a newer payment now.
        psid: Psid,
    },
    /// Never got a PSID. Final.
    Errored {
        /// Why, for a person.
        why: Box<str>,
    },
}

impl Stage {
    /// The status.
    pub fn status(&self) -> PaymentStatus {
        match self {
            Self::Draft => PaymentStatus::Draft,
            Self::InProcess => PaymentStatus::InProcess,
            Self::Approved { .. } => PaymentStatus::Approved,
            Self::Processed { .. } => PaymentStatus::Processed,
            Self::Discarded { .. } => PaymentStatus::Discarded,
            Self::Errored { .. } => PaymentStatus::Errored,
        }
    }

    /// The bill number, from [`PaymentStatus::Approved`] on.
    pub fn psid(&self) -> Option<Psid> {
        match self {
            Self::Approved { psid } | Self::Processed { psid, .. } | Self::Discarded { psid } => Some(*psid),
            Self::Draft | Self::InProcess | Self::Errored { .. } => None,
        }
    }

    /// When it was paid, if it was.
    pub fn paid_at(&self) -> Option<Timestamp> {
        match self {
            Self::Processed { paid_at, .. } => Some(*paid_at),
            _ => None,
        }
    }

    /// The worker takes the draft up.
    ///
    /// # Errors
    ///
    /// As the table of [`PaymentStatus::after`] says.
    pub fn schedule(&self, id: PaymentId, now: Timestamp) -> Result<Change, Refused> {
        self.change(id, Event::Schedule, Self::InProcess, now)
    }

    /// The record gets its PSID.
    ///
    /// # Errors
    ///
    /// As the table of [`PaymentStatus::after`] says.
    pub fn assign(&self, id: PaymentId, psid: Psid, now: Timestamp) -> Result<Change, Refused> {
        // Another PSID than the one that it has is no repeat.
        if self.psid().is_some_and(|own| own != psid) {
            return Err(Refused::Invalid(InvalidTransition { status: self.status(), event: Event::Assign }));
        }
        self.change(id, Event::Assign, Self::Approved { psid }, now)
    }

    /// A newer payment takes over the PSID.
    ///
    /// # Errors
    ///
    /// As the table of [`PaymentStatus::after`] says: a paid record is never touched. (Guide, Add Payment, note 3)
    pub fn supersede(&self, id: PaymentId, now: Timestamp) -> Result<Change, Refused> {
        let psid = self.psid_for(Event::Supersede)?;
        self.change(id, Event::Supersede, Self::Discarded { psid }, now)
    }

    /// The record can't get a PSID. `why` is for a person.
    ///
    /// # Errors
    ///
    /// As the table of [`PaymentStatus::after`] says.
    pub fn fail(&self, id: PaymentId, why: &str, now: Timestamp) -> Result<Change, Refused> {
        self.change(id, Event::Fail, Self::Errored { why: why.into() }, now)
    }

    /// A newer payment on the identifier, `by`, got the PSID first.
    ///
    /// # Errors
    ///
    /// As the table of [`PaymentStatus::after`] says.
    pub fn overtake(&self, id: PaymentId, by: PaymentId, now: Timestamp) -> Result<Change, Refused> {
        let why = alloc::format!("Overtaken by payment {by} on the same identifier");
        self.change(id, Event::Overtake, Self::Errored { why: why.into() }, now)
    }

    fn change(&self, id: PaymentId, event: Event, to: Self, at: Timestamp) -> Result<Change, Refused> {
        let from = self.status();
        let status = from.after(event)?;
        debug_assert_eq!(status, to.status(), "the stage is that of the event");
        Ok(Change { id, from, to, at })
    }

    /// The bill number that an event needs.
    fn psid_for(&self, event: Event) -> Result<Psid, Refused> {
        let status = self.status();
        status.after(event)?;
        self.psid().ok_or(Refused::Invalid(InvalidTransition { status, event }))
    }
}

/// What a store has to write to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a change does nothing until a store commits it"]
pub struct Change {
    /// Whose record.
    pub id: PaymentId,
    /// The status it must still have when the change is written.
    pub from: PaymentStatus,
    /// Where it stands from then on.
    pub to: Stage,
    /// The instant of the change.
    pub at: Timestamp,
}

/// What a payer's money does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It pays this record.
    This(Change),
    /// It adds a paid record of its own beside this template, with the same PSID. (assumed for a static QR code
    /// without an amount)
    Another(Stage),
}

/// Why a payer's money is not taken. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayRefused {
    /// The record can't be paid now.
    #[error(transparent)]
    Unpayable(#[from] Unpayable),
    /// The sum is not what is owed.
    #[error("the amount must be {due} rupees")]
    WrongAmount {
        /// What is owed at that instant.
        due: Amount,
    },
}

impl Payment {
    /// A payment as the hub accepts it: a draft.
    pub fn draft(id: PaymentId, new: NewPayment, at: Timestamp) -> Self {
        Self { id, new, stage: Stage::Draft, created_at: at, updated_at: at }
    }

    /// Where it stands.
    pub fn status(&self) -> PaymentStatus {
        self.stage.status()
    }

    /// The payer's key as the hub shows it: where none was given, the record's number. (Guide, Add Payment, DQRC;
    /// assumed for static codes)
    pub fn shown_identifier(&self) -> String {
        match self.new.identifier() {
            Some(identifier) => identifier.as_str().into(),
            None => self.id.to_string(),
        }
    }

    /// What a payer owes at `now`.
    ///
    /// # Errors
    ///
    /// [`Unpayable`] with the reason: no PSID yet, paid, superseded, never drafted, or a dynamic code after its hour.
    pub fn payable_at(&self, now: Timestamp) -> Result<Due, Unpayable> {
        payable::payable_at(&self.new, &self.stage, self.created_at, now)
    }

    /// What paying `amount` at `now` does.
    ///
    /// # Errors
    ///
    /// [`PayRefused`] if the record can't be paid now, or the sum isn't exactly what is owed.
    pub fn pay(&self, amount: Amount, now: Timestamp) -> Result<Settlement, PayRefused> {
        let due = self.payable_at(now)?;
        let psid = self.stage.psid_for(Event::Pay).map_err(Unpayable::Status)?;
        let paid = Stage::Processed { psid, amount_paid: amount, paid_at: now };
        match due {
            Due::PayersChoice => Ok(Settlement::Another(paid)),
            Due::Exactly(due) if due == amount => {
                let change = self.stage.change(self.id, Event::Pay, paid, now);
                Ok(Settlement::This(change.map_err(Unpayable::Status)?))
            }
            Due::Exactly(due) => Err(PayRefused::WrongAmount { due }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Payment, Stage};
    use crate::{Event, Fields, NewPayment, PaymentKind, PaymentStatus, Refused};
    use jiff::Timestamp;

    fn stages() -> [Stage; 6] {
        let psid = "100139100100154854584585".parse().unwrap();
        let amount_paid = "50".parse().unwrap();
        [
            Stage::Draft,
            Stage::InProcess,
            Stage::Approved { psid },
            Stage::Processed { psid, amount_paid, paid_at: Timestamp::UNIX_EPOCH },
            Stage::Discarded { psid },
            Stage::Errored { why: "no number left".into() },
        ]
    }

    /// Each method is the table's row: same outcome, same refusal, and the change says from where to where.
    #[test]
    fn methods_follow_the_table() {
        let now = Timestamp::from_second(60).unwrap();
        let psid = "100139100100154854584585".parse().unwrap();
        let [id, by] = ["25", "26"].map(|number| number.parse().unwrap());
        for stage in stages() {
            let results = [
                (Event::Schedule, stage.schedule(id, now)),
                (Event::Assign, stage.assign(id, psid, now)),
                (Event::Supersede, stage.supersede(id, now)),
                (Event::Fail, stage.fail(id, "no number left", now)),
                (Event::Overtake, stage.overtake(id, by, now)),
            ];
            for (event, result) in results {
                if let Ok(change) = &result {
                    assert_eq!((change.id, change.from, change.at), (id, stage.status(), now));
                }
                assert_eq!(result.map(|change| change.to.status()), stage.status().after(event), "{event:?}");
            }
        }
    }

    /// Invariant: a PSID from APPROVED on, an instant of payment only when paid.
    #[test]
    fn stages_hold_what_their_status_has() {
        for (stage, status) in stages().iter().zip(PaymentStatus::ALL) {
            assert_eq!(stage.status(), *status);
            assert_eq!(stage.psid().is_some(), status.has_psid());
            assert_eq!(stage.paid_at().is_some(), *status == PaymentStatus::Processed);
        }
    }

    #[test]
    fn a_record_without_an_identifier_shows_its_number() {
        let fields = Fields { title: Some("Ali Tuck Shop"), ..Fields::default() };
        let new = NewPayment::parse(PaymentKind::OpenQr, &fields).unwrap();
        let payment = Payment::draft("25".parse().unwrap(), new, Timestamp::UNIX_EPOCH);
        assert_eq!(payment.shown_identifier(), "25");
    }

    #[test]
    fn another_psid_is_no_repeat() {
        let [_, _, approved, ..] = stages();
        let (same, other) = (approved.psid().unwrap(), "100139100100154854584586".parse().unwrap());
        let assign = |psid| approved.assign("25".parse().unwrap(), psid, Timestamp::UNIX_EPOCH);
        assert_eq!(assign(same), Err(Refused::AlreadySo));
        assert!(matches!(assign(other), Err(Refused::Invalid(_))));
    }

    #[test]
    fn a_repeat_is_already_so() {
        let [_, _, _, _, discarded, _] = stages();
        assert_eq!(discarded.supersede("25".parse().unwrap(), Timestamp::UNIX_EPOCH), Err(Refused::AlreadySo));
    }
}
