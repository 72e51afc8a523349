//! Statuses in the guide's spelling.
//!
//! guide:form-12

use asaanbill_core::PaymentStatus;

use crate::scalar::scalar_newtype;

scalar_newtype! {
    /// The status of a payment or of a batch as it came. A word that the guide doesn't have stays text.
    StatusText
}

impl StatusText {
    /// The status of a payment, if the guide has the word. (Guide, Payment Status Matrix)
    pub fn status(&self) -> Option<PaymentStatus> {
        PaymentStatus::ALL.iter().copied().find(|status| status_text(*status) == self.as_str())
    }
}

impl From<PaymentStatus> for StatusText {
    fn from(status: PaymentStatus) -> Self {
        Self::text(status_text(status))
    }
}

/// The guide's word for a status.
pub fn status_text(status: PaymentStatus) -> &'static str {
    match status {
        PaymentStatus::Draft => "DRAFT",
        PaymentStatus::InProcess => "IN_PROCESS",
        PaymentStatus::Approved => "APPROVED",
        PaymentStatus::Processed => "PROCESSED",
        PaymentStatus::Discarded => "DISCARD",
        PaymentStatus::Errored => "ERRORED",
    }
}

const ROW_ACCEPTED: &str = "PROCESSED";

scalar_newtype! {
    /// What a batch's answer says of one row: `PROCESSED`, which here means accepted and not paid, or why it was refused.
    RowStatus
}

impl RowStatus {
    /// The row is accepted.
    pub fn accepted() -> Self {
        Self::text(ROW_ACCEPTED)
    }

    /// Whether the row is accepted.
    pub fn is_accepted(&self) -> bool {
        self.as_str() == ROW_ACCEPTED
    }

    /// Why it was refused, in the hub's words.
    pub fn refusal(&self) -> Option<&str> {
        (!self.is_accepted()).then(|| self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{RowStatus, StatusText};
    use asaanbill_core::PaymentStatus;

    #[test]
    fn every_status_has_its_word() {
        for &status in PaymentStatus::ALL {
            assert_eq!(StatusText::from(status).status(), Some(status));
        }
        assert_eq!(StatusText::text("PARTIALLY_PAID").status(), None);
        assert_eq!(StatusText::text("PARTIALLY_PAID").as_str(), "PARTIALLY_PAID");
    }

    #[test]
    fn an_accepted_row_is_not_a_paid_one() {
        assert_eq!(RowStatus::accepted().refusal(), None);
        let refused = RowStatus::text("amountAfterDueDate cannot be empty or null");
        assert_eq!(refused.refusal(), Some("amountAfterDueDate cannot be empty or null"));
    }
}
