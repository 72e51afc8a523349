//! The life cycle of a payment: one table.
//!
//! guide:bulk-11 guide:life-1 guide:life-2 guide:life-3 guide:life-4

use core::fmt;

/// Declares the events and what each does, in the order of the documentation.
macro_rules! transitions {
    ($($(#[$doc:meta])* $event:ident: $($from:ident)|+ => $to:ident;)+) => {
        /// What can happen to a payment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Event {
            $($(#[$doc])* $event,)+
        }

        impl Event {
            /// All events, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$event,)+];

            /// The status that the event leads to.
            pub const fn outcome(self) -> PaymentStatus {
                match self {
                    $(Self::$event => PaymentStatus::$to,)+
                }
            }

            fn applies_to(self, status: PaymentStatus) -> bool {
                match self {
                    $(Self::$event => matches!(status, $(PaymentStatus::$from)|+),)+
                }
            }
        }
    };
}

transitions! {
    /// The batch's worker takes the payment up.
    Schedule: Draft => InProcess;
    /// The payment gets its PSID.
    Assign: InProcess => Approved;
    /// A bank reports it paid.
    Pay: Approved => Processed;
    /// A newer payment on the same identifier takes over its PSID.
    Supersede: Approved => Discarded;
    /// It can't get a PSID.
    Fail: Draft | InProcess => Errored;
    /// A newer payment on the same identifier got the PSID first. (assumed: the guide's DISCARD supposes a PSID)
    Overtake: Draft | InProcess => Errored;
}

/// Where a payment stands. (Guide, Payment Status Matrix)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentStatus {
    /// Accepted, no PSID yet.
    Draft,
    /// Scheduled for a PSID.
    InProcess,
    /// PSID assigned, not paid.
    Approved,
    /// PSID assigned and paid. Final.
    Processed,
    /// Its PSID serves a newer payment. Final.
    Discarded,
    /// It never got a PSID. Final.
    Errored,
}

impl PaymentStatus {
    /// All statuses, in the order of the guide's matrix.
    pub const ALL: &[Self] =
        &[Self::Draft, Self::InProcess, Self::Approved, Self::Processed, Self::Discarded, Self::Errored];

    /// What an event makes of a payment that stands here.
    ///
    /// # Errors
    ///
    /// [`Refused::AlreadySo`] if the payment already stands where the event leads: banks, call-backs and people retry, and
    /// that is no violation. [`Refused::Invalid`] if the table has no such step.
    pub fn after(self, event: Event) -> Result<Self, Refused> {
        if event.applies_to(self) {
            Ok(event.outcome())
        } else if self == event.outcome() {
            Err(Refused::AlreadySo)
        } else {
            Err(Refused::Invalid(InvalidTransition { status: self, event }))
        }
    }

    /// Whether a payment that stands here has a PSID.
    pub const fn has_psid(self) -> bool {
        matches!(self, Self::Approved | Self::Processed | Self::Discarded)
    }

    /// Whether nothing can happen to it any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Processed | Self::Discarded | Self::Errored)
    }
}

/// Why an event changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has already happened.
    #[error("this has already happened")]
    AlreadySo,
    /// It can't happen to a payment that stands there.
    #[error(transparent)]
    Invalid(InvalidTransition),
}

/// A step that the table doesn't have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTransition {
    /// Where the payment stands.
    pub status: PaymentStatus,
    /// What was to happen to it.
    pub event: Event,
}

impl fmt::Display for InvalidTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not possible for a payment that is {:?}", self.event, self.status)
    }
}

impl core::error::Error for InvalidTransition {}

#[cfg(test)]
mod tests {
    use super::{Event, PaymentStatus, Refused};
    use core::fmt::Write as _;
    use std::string::String;

    /// The whole table, one line a status: a changed step changes it.
    #[test]
    fn every_status_and_every_event() {
        let mut table = String::from("            ");
        for event in Event::ALL {
            write!(table, "{:<12}", std::format!("{event:?}")).unwrap();
        }
        for status in PaymentStatus::ALL {
            write!(table, "\n{:<12}", std::format!("{status:?}")).unwrap();
            for &event in Event::ALL {
                let cell = match status.after(event) {
                    Ok(next) => std::format!("{next:?}"),
                    Err(Refused::AlreadySo) => "already so".into(),
                    Err(Refused::Invalid(_)) => "-".into(),
                };
                write!(table, "{cell:<12}").unwrap();
            }
        }
        let table: std::vec::Vec<_> = table.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn what_each_status_says_of_itself() {
        let row = |s: &PaymentStatus| std::format!("{s:?}: psid {}, final {}", s.has_psid(), s.is_final());
        let rows: std::vec::Vec<_> = PaymentStatus::ALL.iter().map(row).collect();
        insta::assert_snapshot!(rows.join("\n"));
    }

    /// Invariant: nothing leaves PROCESSED, DISCARD or ERRORED.
    #[test]
    fn final_is_final() {
        for status in PaymentStatus::ALL.iter().filter(|s| s.is_final()) {
            for &event in Event::ALL {
                assert!(status.after(event).is_err(), "{status:?} {event:?}");
            }
        }
    }
}
