//! Adding one payment. (Guide, 2. Add Payment)
//!
//! guide:form-1

use asaanbill_core::{Fields, NewPayment, Payment, PaymentKind};
use serde::{Deserialize, Serialize};

use crate::date::{Day, Stamp, due_date_text};
use crate::decimal::Money;
use crate::object::object_only;
use crate::request_text::{Literals, NotText, RequestText};
use crate::scalar::{Private, Raw, Scalar};
use crate::status::StatusText;

/// The query parameter that says which kind of payment. (Guide, Add Payment, Request Parameter)
pub const GENERATION_TYPES: &str = "generationTypes";

/// The guide's word for a kind.
pub fn generation_type(kind: PaymentKind) -> &'static str {
    match kind {
        PaymentKind::Psid => "PSID",
        PaymentKind::StaticQr => "SQRC_WITH_AMOUNT",
        PaymentKind::OpenQr => "SQRC_WITHOUT_AMOUNT",
        PaymentKind::DynamicQr => "DQRC",
    }
}

/// The kind of a word, if the guide has it.
pub fn read_generation_type(word: &str) -> Option<PaymentKind> {
    PaymentKind::ALL.iter().copied().find(|kind| generation_type(*kind) == word)
}

/// `{"payment":{…}}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct AddRequest<'a> {
    /// The payment.
    #[serde(borrow)]
    pub payment: AddRequestFields<'a>,
}

/// The fields of a payment, all strings. Each kind has its own; those that are absent aren't written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each is the guide's field of that name")]
pub struct AddRequestFields<'a> {
    #[serde(borrow, skip_serializing_if = "RequestText::is_absent")]
    pub title: RequestText<'a>,
    #[serde(skip_serializing_if = "RequestText::is_absent")]
    pub identifier: RequestText<'a>,
    #[serde(skip_serializing_if = "RequestText::is_absent")]
    pub due_date: RequestText<'a>,
    #[serde(skip_serializing_if = "RequestText::is_absent")]
    pub amount: RequestText<'a>,
    #[serde(skip_serializing_if = "RequestText::is_absent")]
    pub amount_after_due_date: RequestText<'a>,
    #[serde(skip_serializing_if = "RequestText::is_absent")]
    pub description: RequestText<'a>,
    #[serde(skip_serializing_if = "RequestText::is_absent")]
    pub longitude: RequestText<'a>,
    #[serde(skip_serializing_if = "RequestText::is_absent")]
    pub latitude: RequestText<'a>,
}

object_only!(AddRequest<'a>, AddRequestFields<'a>);

impl AddRequestFields<'_> {
    /// The fields as the domain reads them.
    ///
    /// # Errors
    ///
    /// [`NotText`] if one isn't a string.
    pub fn fields(&self, literals: Literals) -> Result<Fields<'_>, NotText> {
        let Self { title, identifier, due_date, amount, amount_after_due_date, description, longitude, latitude } =
            self;
        Ok(Fields {
            title: title.read(literals)?,
            identifier: identifier.read(literals)?,
            amount: amount.read(literals)?,
            due_date: due_date.read(literals)?,
            amount_after_due_date: amount_after_due_date.read(literals)?,
            description: description.read(literals)?,
            longitude: longitude.read(literals)?,
            latitude: latitude.read(literals)?,
        })
    }
}

impl<'a> From<&'a NewPayment> for AddRequest<'a> {
    fn from(new: &'a NewPayment) -> Self {
        let mut fields = AddRequestFields {
            title: new.title().map(|title| title.as_str()).into(),
            identifier: new.identifier().map(|identifier| identifier.as_str()).into(),
            description: new.description().map(|description| description.as_str()).into(),
            ..AddRequestFields::default()
        };
        match new {
            NewPayment::Psid(bill) | NewPayment::StaticQr(bill) => {
                fields.amount = bill.amount.as_str().into();
                fields.due_date = due_date_text(bill.due_date).into();
                fields.amount_after_due_date = bill.amount_after_due_date.as_str().into();
            }
            NewPayment::OpenQr(_) => {}
            NewPayment::DynamicQr(dynamic) => {
                fields.amount = dynamic.amount.get().to_string().into();
                fields.longitude = dynamic.place.longitude.to_string().into();
                fields.latitude = dynamic.place.latitude.to_string().into();
            }
        }
        Self { payment: fields }
    }
}

/// The payment that was added. Amounts are numbers, the due date has the day first, time stamps have a space.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each is the guide's field of that name")]
pub struct AddedPayment {
    pub id: Option<Scalar>,
    pub amount: Option<Money>,
    pub amount_after_due_date: Option<Money>,
    pub identifier: Option<Private>,
    pub title: Option<Private>,
    pub due_date: Option<Day>,
    pub period: Option<Scalar>,
    pub identifier_description: Option<Private>,
    pub billed_to_name: Option<Private>,
    pub billed_to_address: Option<Private>,
    pub billed_to_contact: Option<Private>,
    pub psid: Option<Scalar>,
    pub qr_string: Option<Private>,
    pub status: Option<StatusText>,
    pub created_at: Option<Stamp>,
    pub updated_at: Option<Stamp>,
    pub payment_details: Option<Raw>,
}

impl AddedPayment {
    /// The answer for a record, with its QR code. What a kind doesn't have is null. (assumed for QR kinds)
    pub fn new(payment: &Payment, qr_string: &str) -> Self {
        let Payment { id, new, stage, created_at, updated_at } = payment;
        let bill = new.bill();
        let created = Stamp::spaced(*created_at);
        let updated = if updated_at == created_at { created.clone() } else { Stamp::spaced(*updated_at) };
        Self {
            id: Some(Scalar::number(id.get())),
            amount: new.amount().map(Money::number),
            amount_after_due_date: bill.map(|bill| Money::number(bill.amount_after_due_date)),
            identifier: Some(Private::text(payment.shown_identifier())),
            title: new.title().map(|title| Private::text(title.as_str())),
            due_date: bill.map(|bill| Day::day_first(bill.due_date.date())),
            psid: stage.psid().map(|psid| Scalar::text(psid.as_str())),
            qr_string: Some(Private::text(qr_string)),
            status: Some(stage.status().into()),
            created_at: Some(created),
            updated_at: Some(updated),
            payment_details: Some(Raw::empty_list()),
            ..Self::default()
        }
    }
}
