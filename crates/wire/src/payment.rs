//! Payments as they are listed, fetched and searched. (Guide, 6. Get List of All Payments, 7. Get Payment By ID, 8. Search
//! Payments By a PSID)
//!
//! guide:form-11 guide:read-12

use asaanbill_core::{Payment, Stage};
use serde::{Deserialize, Serialize};

use crate::date::{Day, Stamp};
use crate::decimal::Money;
use crate::scalar::{Private, Raw, Scalar};
use crate::status::StatusText;

/// One payment of a list, by id or of a search. Amounts are strings, the due date has the year first, and `paidAt` is `N/A`
/// until it is paid.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each is the guide's field of that name")]
pub struct ListedPayment {
    pub id: Option<Scalar>,
    pub title: Option<Private>,
    pub identifier: Option<Private>,
    pub amount: Option<Money>,
    pub due_date: Option<Day>,
    pub amount_after_due_date: Option<Money>,
    pub billed_to_name: Option<Private>,
    pub billed_to_address: Option<Private>,
    pub billed_to_contact: Option<Private>,
    pub psid: Option<Scalar>,
    pub qr_string: Option<Private>,
    pub status: Option<StatusText>,
    pub created_at: Option<Stamp>,
    pub paid_at: Option<Stamp>,
    pub payment_details: Option<Raw>,
}

impl ListedPayment {
    /// A record, with its QR code. A payment on a code without an amount shows what was paid. (assumed)
    pub fn new(payment: &Payment, qr_string: &str) -> Self {
        let Payment { id, new, stage, created_at, updated_at: _ } = payment;
        let bill = new.bill();
        let paid = match stage {
            Stage::Processed { amount_paid, .. } => Some(*amount_paid),
            _ => None,
        };
        Self {
            id: Some(Scalar::number(id.get())),
            title: new.title().map(|title| Private::text(title.as_str())),
            identifier: Some(Private::text(payment.shown_identifier())),
            amount: new.amount().or(paid).map(Money::from),
            due_date: bill.map(|bill| Day::year_first(bill.due_date.date())),
            amount_after_due_date: bill.map(|bill| Money::from(bill.amount_after_due_date)),
            psid: stage.psid().map(|psid| Scalar::text(psid.as_str())),
            qr_string: Some(Private::text(qr_string)),
            status: Some(stage.status().into()),
            created_at: Some(Stamp::tight(*created_at)),
            paid_at: Some(stage.paid_at().map_or_else(Stamp::not_applicable, Stamp::tight)),
            payment_details: Some(Raw::empty_list()),
            ..Self::default()
        }
    }
}
