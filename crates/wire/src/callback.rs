//! Call-backs from the hub to the integrator. (Guide, Call-back APIs)
//!
//! guide:call-1 guide:call-2 guide:call-10 guide:call-11

use asaanbill_core::{BulkRequestId, Payment, Stage};
use serde::{Deserialize, Serialize};

use crate::date::Day;
use crate::decimal::Money;
use crate::message::Message;
use crate::object::object_only;
use crate::scalar::{Private, Scalar};

/// Where the hub posts that a payment is paid, after the integrator's address.
pub const PROCESSED_PATH: &str = "/processed";

/// Where the hub posts that a batch is done, after the integrator's address.
pub const BULK_APPROVED_PATH: &str = "/bulk-payment-request-approved";

/// A payment is paid: which, but neither when nor how much. All strings.
///
/// It is unsigned and may be forged, repeated or lost: a hint to ask the hub, never a proof.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each is the guide's field of that name")]
pub struct Processed {
    pub title: Option<Private>,
    pub identifier: Option<Private>,
    pub due_date: Option<Day>,
    pub amount: Option<Money>,
    pub amount_after_due_date: Option<Money>,
    pub psid: Option<Scalar>,
}

object_only!(Processed, BulkApproved, Acknowledgement);

impl From<&Payment> for Processed {
    fn from(payment: &Payment) -> Self {
        let Payment { id: _, new, stage, created_at: _, updated_at: _ } = payment;
        let bill = new.bill();
        let paid = match stage {
            Stage::Processed { amount_paid, .. } => Some(*amount_paid),
            _ => None,
        };
        Self {
            title: new.title().map(|title| Private::text(title.as_str())),
            identifier: Some(Private::text(payment.shown_identifier())),
            due_date: bill.map(|bill| Day::year_first(bill.due_date.date())),
            amount: new.amount().or(paid).map(Money::from),
            amount_after_due_date: bill.map(|bill| Money::from(bill.amount_after_due_date)),
            psid: stage.psid().map(|psid| Scalar::text(psid.as_str())),
        }
    }
}

/// All of a batch's payments that can have a PSID have one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", default)]
pub struct BulkApproved {
    /// The batch's number.
    pub bulk_payment_request_id: Option<Scalar>,
}

impl From<BulkRequestId> for BulkApproved {
    fn from(id: BulkRequestId) -> Self {
        Self { bulk_payment_request_id: Some(Scalar::number(id.get())) }
    }
}

/// The integrator's answer to a call-back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Acknowledgement {
    /// The integer 200, or the call-back isn't acknowledged.
    pub response_code: Scalar,
    /// In words; optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_message: Option<Scalar>,
}

/// The literal that acknowledges a call-back.
pub const ACKNOWLEDGED: &str = "200";

/// An answer that doesn't acknowledge a call-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAcknowledged {
    /// Not a JSON object with a response code.
    #[error("the body is not a JSON object with a responseCode; expected: {{\"responseCode\":{ACKNOWLEDGED}}}")]
    Body,
    /// A response code other than the integer 200.
    #[error("the responseCode is not the integer {ACKNOWLEDGED}; a string, or 200.0, doesn't count")]
    Code,
}

impl Acknowledgement {
    /// The acknowledgement.
    pub fn received() -> Self {
        Self {
            response_code: Scalar::literal(ACKNOWLEDGED.into()),
            response_message: Some(Scalar::text(Message::Processed.as_str())),
        }
    }

    /// Reads an integrator's answer as strictly as the guide says: an integer, not a string, not `200.0`.
    ///
    /// # Errors
    ///
    /// [`NotAcknowledged`] with the reason.
    pub fn read(body: &[u8]) -> Result<Self, NotAcknowledged> {
        let text = std::str::from_utf8(body).map_err(|_| NotAcknowledged::Body)?;
        let answer: Self = serde_json::from_str(text).map_err(|_| NotAcknowledged::Body)?;
        if answer.response_code.is_text() || answer.response_code.as_str() != ACKNOWLEDGED {
            return Err(NotAcknowledged::Code);
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::{Acknowledgement, NotAcknowledged};

    fn check(body: &str, expected: Result<(), NotAcknowledged>) {
        assert_eq!(Acknowledgement::read(body.as_bytes()).map(drop), expected, "{body}");
    }

    #[test]
    fn only_the_integer_200_acknowledges() {
        check(r#"{"responseCode":200}"#, Ok(()));
        check(r#"{"responseMessage":null,"responseCode": 200 ,"more":[]}"#, Ok(()));
        check(&serde_json::to_string(&Acknowledgement::received()).unwrap(), Ok(()));
        check(r#"{"responseCode":"200"}"#, Err(NotAcknowledged::Code));
        check(r#"{"responseCode":200.0}"#, Err(NotAcknowledged::Code));
        check(r#"{"responseCode":2e2}"#, Err(NotAcknowledged::Code));
        check(r#"{"responseCode":500}"#, Err(NotAcknowledged::Code));
        check(r#"{"responseCode":null}"#, Err(NotAcknowledged::Code));
        check(r#"{"responseMessage":"ok"}"#, Err(NotAcknowledged::Body));
        check("200", Err(NotAcknowledged::Body));
        check("[200]", Err(NotAcknowledged::Body));
        check(r#"[200,"ok"]"#, Err(NotAcknowledged::Body));
        check("", Err(NotAcknowledged::Body));
        check("OK", Err(NotAcknowledged::Body));
        assert_eq!(Acknowledgement::read(b"\xff").map(drop), Err(NotAcknowledged::Body));
    }
}
