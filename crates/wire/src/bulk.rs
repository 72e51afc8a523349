//! Batches. (Guide, 3. Add Bulk, 4. Get List of Bulk Insertions, 5. Status of Each Payment in a Bulk Insertion)
//!
//! guide:form-1 guide:form-7

use asaanbill_core::{Bill, BulkRequestId, Fields, Payment};
use jiff::Timestamp;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::date::{Day, Stamp, due_date_text};
use crate::decimal::Money;
use crate::object::{object, object_only};
use crate::page::{BulkPage, Item, null_is_empty};
use crate::request_text::{Literals, NotText, RequestText};
use crate::scalar::{Private, Scalar};
use crate::status::{RowStatus, StatusText};

/// The query parameter that says how a batch is written. (Guide, Add Bulk, Request Parameter)
pub const CONTENT_TYPE: &str = "contentType";

/// The content type of a batch that comes over the interface.
pub const CONTENT_TYPE_JSON: &str = "JSON";

/// The content type of a batch that came as a file over the portal: for listings only.
pub const CONTENT_TYPE_CSV: &str = "CSV";

/// `{"payments":[…]}`
///
/// Read it with [`serde_json::from_str`] from text that was checked as UTF-8 once: then rows borrow from the text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct BulkRequest<'a> {
    /// The rows, at most 5000.
    #[serde(borrow)]
    pub payments: Vec<BulkRow<'a>>,
}

/// `{"payments":[…]}` of rows that come one after another, so that a batch isn't gathered before it is written.
#[derive(Clone, Debug)]
pub struct BulkBody<I>(pub I);

impl<'a, I: Iterator<Item = BulkRow<'a>> + Clone> Serialize for BulkBody<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Rows<'i, I>(&'i I);

        impl<'a, I: Iterator<Item = BulkRow<'a>> + Clone> Serialize for Rows<'_, I> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.0.clone())
            }
        }

        let mut body = serializer.serialize_struct("BulkRequest", 1)?;
        body.serialize_field("payments", &Rows(&self.0))?;
        body.end()
    }
}

/// One row of a batch, all strings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each is the guide's field of that name")]
pub struct BulkRow<'a> {
    #[serde(borrow, skip_serializing_if = "RequestText::is_absent")]
    pub title: RequestText<'a>,
    #[serde(skip_serializing_if = "RequestText::is_absent")]
    pub identifier: RequestText<'a>,
    #[serde(skip_serializing_if = "RequestText::is_absent")]
    pub amount: RequestText<'a>,
    #[serde(skip_serializing_if = "RequestText::is_absent")]
    pub due_date: RequestText<'a>,
    #[serde(skip_serializing_if = "RequestText::is_absent")]
    pub amount_after_due_date: RequestText<'a>,
}

object_only!(BulkRequest<'a>, BulkRow<'a>);

impl BulkRow<'_> {
    /// The fields as the domain reads them.
    ///
    /// # Errors
    ///
    /// [`NotText`] if one isn't a string.
    pub fn fields(&self, literals: Literals) -> Result<Fields<'_>, NotText> {
        let Self { title, identifier, amount, due_date, amount_after_due_date } = self;
        Ok(Fields {
            title: title.read(literals)?,
            identifier: identifier.read(literals)?,
            amount: amount.read(literals)?,
            due_date: due_date.read(literals)?,
            amount_after_due_date: amount_after_due_date.read(literals)?,
            ..Fields::default()
        })
    }
}

impl BulkRow<'_> {
    /// The same, borrowing nothing.
    pub fn into_owned(self) -> BulkRow<'static> {
        let Self { title, identifier, amount, due_date, amount_after_due_date } = self;
        BulkRow {
            title: title.into_owned(),
            identifier: identifier.into_owned(),
            amount: amount.into_owned(),
            due_date: due_date.into_owned(),
            amount_after_due_date: amount_after_due_date.into_owned(),
        }
    }
}

impl<'a> From<&'a Bill> for BulkRow<'a> {
    fn from(bill: &'a Bill) -> Self {
        let Bill { title, identifier, amount, due_date, amount_after_due_date } = bill;
        Self {
            title: title.as_str().into(),
            identifier: identifier.as_str().into(),
            amount: amount.as_str().into(),
            due_date: due_date_text(*due_date).into(),
            amount_after_due_date: amount_after_due_date.as_str().into(),
        }
    }
}

/// What became of the rows. Match them by position: the guide's own echo changes dates, so values are no key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "E: Deserialize<'de>"))]
pub struct BulkAnswer<E> {
    /// The batch's number; none if every row was refused. (absence assumed)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk_payment_request_id: Option<Scalar>,
    /// One for each row of the request, in order.
    #[serde(default = "Vec::new", deserialize_with = "null_is_empty")]
    pub payments: Vec<E>,
}

impl BulkAnswer<Item<BulkStatus>> {
    /// The batch's number, if it can be read.
    pub fn id(&self) -> Option<BulkRequestId> {
        self.bulk_payment_request_id.as_ref()?.whole()?.try_into().ok()
    }
}

/// One row of a batch's answer as a hub writes it: the request's strings verbatim, and the status.
#[derive(Clone, Debug, Serialize)]
pub struct BulkEcho<'a> {
    /// The row as it came.
    #[serde(flatten)]
    pub row: &'a BulkRow<'a>,
    /// Accepted, or why not.
    pub status: RowStatus,
}

/// One row of a batch's answer as a client reads it: only the status tells it something.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct BulkStatus {
    /// Accepted, or why not.
    pub status: Option<RowStatus>,
}

/// One batch in the list of batches.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each is the guide's field of that name")]
pub struct BulkSummary {
    pub id: Option<Scalar>,
    pub created_at: Option<Stamp>,
    pub updated_at: Option<Stamp>,
    pub file_name: Option<Scalar>,
    pub content_type: Option<Scalar>,
    /// How many rows were accepted.
    pub vouchers_count: Option<Scalar>,
    pub status: Option<StatusText>,
    pub message: Option<Scalar>,
}

/// One batch with all its payments, in one page.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each is the guide's field of that name")]
pub struct BulkDetail {
    pub bulk_payment_request_id: Option<Scalar>,
    pub uploaded_at: Option<Day>,
    pub updated_at: Option<Stamp>,
    pub status: Option<StatusText>,
    #[serde(deserialize_with = "object")]
    pub payments: BulkPage<BulkPayment>,
}

impl BulkDetail {
    /// A batch with its payments.
    pub fn new(
        id: BulkRequestId,
        uploaded_at: Timestamp,
        updated_at: Timestamp,
        status: StatusText,
        payments: Vec<BulkPayment>,
    ) -> Self {
        Self {
            bulk_payment_request_id: Some(Scalar::number(id.get())),
            uploaded_at: Some(Day::day_first(asaanbill_core::karachi_date(uploaded_at))),
            updated_at: Some(Stamp::tight(updated_at)),
            status: Some(status),
            payments: BulkPage::whole(payments),
        }
    }
}

/// One payment of a batch. Amounts are numbers, the due date has the day first, there is no title.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each is the guide's field of that name")]
pub struct BulkPayment {
    pub id: Option<Scalar>,
    pub amount: Option<Money>,
    pub amount_after_due_date: Option<Money>,
    pub identifier: Option<Private>,
    pub due_date: Option<Day>,
    pub period: Option<Scalar>,
    pub identifier_description: Option<Private>,
    pub psid: Option<Scalar>,
    pub status: Option<StatusText>,
    pub created_at: Option<Stamp>,
    pub updated_at: Option<Stamp>,
}

impl From<&Payment> for BulkPayment {
    fn from(payment: &Payment) -> Self {
        let Payment { id, new, stage, created_at, updated_at } = payment;
        let bill = new.bill();
        Self {
            id: Some(Scalar::number(id.get())),
            amount: new.amount().map(Money::number),
            amount_after_due_date: bill.map(|bill| Money::number(bill.amount_after_due_date)),
            identifier: Some(Private::text(payment.shown_identifier())),
            due_date: bill.map(|bill| Day::day_first(bill.due_date.date())),
            psid: stage.psid().map(|psid| Scalar::text(psid.as_str())),
            status: Some(stage.status().into()),
            created_at: Some(Stamp::tight(*created_at)),
            updated_at: Some(Stamp::tight(*updated_at)),
            ..Self::default()
        }
    }
}
