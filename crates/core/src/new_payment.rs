//! The four kinds of new payment, each constructible only valid.
//!
//! guide:add-1 guide:add-2 guide:add-3 guide:add-7 guide:add-14 guide:add-15

use alloc::vec::Vec;
use core::str::FromStr;

use crate::error::{Field, FieldError, InvalidPayment};
use crate::{Amount, Description, DueDate, DynamicQrAmount, GeoPoint, Identifier, Latitude, Longitude, Title};

/// What an integrator asks the hub to bill. (Guide, Add Payment: `generationTypes` and the request bodies)
///
/// Each kind holds valid values only; [`NewPayment::parse`] makes one from text and reports all errors at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewPayment {
    /// A bill paid by its PSID.
    Psid(Bill),
    /// A bill paid by its PSID or by a printed QR code that holds its amounts and due date.
    StaticQr(Bill),
    /// A printed QR code at a till or a donation box: the payer chooses the amount, again and again.
    OpenQr(OpenQr),
    /// A QR code on a screen for one sale, good for an hour.
    DynamicQr(DynamicQr),
}

/// A bill with a due date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// What the banking app shows.
    pub title: Title,
    /// The payer's key.
    pub identifier: Identifier,
    /// What is owed through the due date.
    pub amount: Amount,
    /// The due date, to its end in Karachi.
    pub due_date: DueDate,
    /// What is owed from the day after. Where lateness costs nothing, the same as `amount`. (Guide, Add Payment, last
    /// note) Less than `amount` is allowed.
    pub amount_after_due_date: Amount,
}

/// A static QR code without an amount. It stays payable for ever, and each payment adds a paid record of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenQr {
    /// What the banking app shows.
    pub title: Title,
    /// The payer's key; where there is none, the hub uses the record's number.
    pub identifier: Option<Identifier>,
    /// What the code is for.
    pub description: Option<Description>,
}

/// A dynamic QR code: one amount, at one place, for an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicQr {
    /// What is owed.
    pub amount: DynamicQrAmount,
    /// Where the code is made.
    pub place: GeoPoint,
    /// What the portal shows.
    pub title: Option<Title>,
    /// The payer's key; where there is none, the hub uses the record's number.
    pub identifier: Option<Identifier>,
    /// What the sale is.
    pub description: Option<Description>,
}

/// Which kind of payment. (Guide, Add Payment: `generationTypes`)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentKind {
    /// `PSID`
    Psid,
    /// `SQRC_WITH_AMOUNT`
    StaticQr,
    /// `SQRC_WITHOUT_AMOUNT`
    OpenQr,
    /// `DQRC`
    DynamicQr,
}

impl PaymentKind {
    /// All kinds, in the guide's order.
    pub const ALL: &[Self] = &[Self::Psid, Self::StaticQr, Self::OpenQr, Self::DynamicQr];
}

/// A new payment as text: what came in a request, a file's row or a form. `None`, empty and blank mean the same.
#[derive(Clone, Copy, Default)]
#[expect(missing_docs, reason = "each is the text of the field of that name in Bill, OpenQr and DynamicQr")]
pub struct Fields<'a> {
    pub title: Option<&'a str>,
    pub identifier: Option<&'a str>,
    pub amount: Option<&'a str>,
    pub due_date: Option<&'a str>,
    pub amount_after_due_date: Option<&'a str>,
    pub description: Option<&'a str>,
    pub longitude: Option<&'a str>,
    pub latitude: Option<&'a str>,
}

/// Says which fields are given, never what they hold.
impl core::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { title, identifier, amount, due_date, amount_after_due_date, description, longitude, latitude } =
            self;
        f.debug_struct("Fields")
            .field("title", &title.is_some())
            .field("identifier", &identifier.is_some())
            .field("amount", &amount.is_some())
            .field("due_date", &due_date.is_some())
            .field("amount_after_due_date", &amount_after_due_date.is_some())
            .field("description", &description.is_some())
            .field("longitude", &longitude.is_some())
            .field("latitude", &latitude.is_some())
            .finish()
    }
}

impl NewPayment {
    /// Reads a payment of a kind. Fields that the kind doesn't have are ignored, as the hub does.
    ///
    /// # Errors
    ///
    /// [`InvalidPayment`] with every field that is missing or wrong, in the guide's order.
    pub fn parse(kind: PaymentKind, fields: &Fields<'_>) -> Result<Self, InvalidPayment> {
        let mut reader = Reader::default();
        let read = match kind {
            PaymentKind::Psid => reader.bill(fields).map(Self::Psid),
            PaymentKind::StaticQr => reader.bill(fields).map(Self::StaticQr),
            PaymentKind::OpenQr => reader.open_qr(fields).map(Self::OpenQr),
            PaymentKind::DynamicQr => reader.dynamic_qr(fields).map(Self::DynamicQr),
        };
        match read {
            Some(payment) if reader.errors.is_empty() => Ok(payment),
            _ => Err(InvalidPayment::new(kind, reader.errors)),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> PaymentKind {
        match self {
            Self::Psid(_) => PaymentKind::Psid,
            Self::StaticQr(_) => PaymentKind::StaticQr,
            Self::OpenQr(_) => PaymentKind::OpenQr,
            Self::DynamicQr(_) => PaymentKind::DynamicQr,
        }
    }

    /// What the banking app or the portal shows, if given.
    pub fn title(&self) -> Option<&Title> {
        match self {
            Self::Psid(bill) | Self::StaticQr(bill) => Some(&bill.title),
            Self::OpenQr(open) => Some(&open.title),
            Self::DynamicQr(dynamic) => dynamic.title.as_ref(),
        }
    }

    /// The payer's key, if given.
    pub fn identifier(&self) -> Option<&Identifier> {
        match self {
            Self::Psid(bill) | Self::StaticQr(bill) => Some(&bill.identifier),
            Self::OpenQr(open) => open.identifier.as_ref(),
            Self::DynamicQr(dynamic) => dynamic.identifier.as_ref(),
        }
    }

    /// What is owed, except for an open QR code. For a bill: through the due date.
    pub fn amount(&self) -> Option<Amount> {
        match self {
            Self::Psid(bill) | Self::StaticQr(bill) => Some(bill.amount),
            Self::OpenQr(_) => None,
            Self::DynamicQr(dynamic) => Some(dynamic.amount.get()),
        }
    }

    /// The bill, if it is one.
    pub fn bill(&self) -> Option<&Bill> {
        match self {
            Self::Psid(bill) | Self::StaticQr(bill) => Some(bill),
            Self::OpenQr(_) | Self::DynamicQr(_) => None,
        }
    }

    /// What the QR code is for, if given.
    pub fn description(&self) -> Option<&Description> {
        match self {
            Self::Psid(_) | Self::StaticQr(_) => None,
            Self::OpenQr(open) => open.description.as_ref(),
            Self::DynamicQr(dynamic) => dynamic.description.as_ref(),
        }
    }
}

/// Reads field after field, and goes on after an error.
#[derive(Default)]
struct Reader {
    errors: Vec<FieldError>,
}

impl Reader {
    /// In the order of the guide's bulk sample, as a row's status names its first error.
    fn bill(&mut self, fields: &Fields<'_>) -> Option<Bill> {
        let title = self.required(Field::Title, fields.title);
        let identifier = self.required(Field::Identifier, fields.identifier);
        let amount = self.required(Field::Amount, fields.amount);
        let due_date = self.required(Field::DueDate, fields.due_date);
        let amount_after_due_date = self.required(Field::AmountAfterDueDate, fields.amount_after_due_date);
        Some(Bill {
            title: title?,
            identifier: identifier?,
            amount: amount?,
            due_date: due_date?,
            amount_after_due_date: amount_after_due_date?,
        })
    }

    fn open_qr(&mut self, fields: &Fields<'_>) -> Option<OpenQr> {
        let title = self.required(Field::Title, fields.title);
        let identifier = self.optional(Field::Identifier, fields.identifier);
        let description = self.optional(Field::Description, fields.description);
        Some(OpenQr { title: title?, identifier, description })
    }

    fn dynamic_qr(&mut self, fields: &Fields<'_>) -> Option<DynamicQr> {
        let title = self.optional(Field::Title, fields.title);
        let identifier = self.optional(Field::Identifier, fields.identifier);
        let amount = self.required(Field::Amount, fields.amount);
        let description = self.optional(Field::Description, fields.description);
        let longitude: Option<Longitude> = self.required(Field::Longitude, fields.longitude);
        let latitude: Option<Latitude> = self.required(Field::Latitude, fields.latitude);
        let place = GeoPoint { latitude: latitude?, longitude: longitude? };
        Some(DynamicQr { amount: amount?, place, title, identifier, description })
    }

    fn required<T: FromStr<Err = FieldError>>(&mut self, field: Field, value: Option<&str>) -> Option<T> {
        value.unwrap_or_default().parse().map_err(|error: FieldError| self.errors.push(error.in_field(field))).ok()
    }

    fn optional<T: FromStr<Err = FieldError>>(&mut self, field: Field, value: Option<&str>) -> Option<T> {
        value.filter(|text| !text.trim().is_empty()).and_then(|text| self.required(field, Some(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, NewPayment, PaymentKind};
    use std::string::{String, ToString};
    use std::vec::Vec;

    const BILL: Fields<'_> = Fields {
        title: Some("Muhammad Mahd Sheikh"),
        identifier: Some("FS-BSCS-095"),
        amount: Some("50"),
        due_date: Some("2024-03-28"),
        amount_after_due_date: Some("55"),
        description: None,
        longitude: None,
        latitude: None,
    };

    const SALE: Fields<'_> = Fields {
        title: None,
        identifier: None,
        amount: Some("1500"),
        due_date: None,
        amount_after_due_date: None,
        description: Some("Star Wars movie ticket"),
        longitude: Some("72.996636"),
        latitude: Some("33.646342"),
    };

    /// `expected` lists "field problem" in order.
    fn check(kind: PaymentKind, fields: Fields<'_>, expected: &[&str]) {
        let problems: Vec<String> = match NewPayment::parse(kind, &fields) {
            Ok(payment) => {
                assert_eq!(payment.kind(), kind);
                Vec::new()
            }
            Err(invalid) => {
                assert_eq!(invalid.kind(), kind);
                invalid.errors().iter().map(|e| std::format!("{} {:?}", e.field(), e.problem())).collect()
            }
        };
        assert_eq!(problems, expected, "{kind:?} {fields:?}");
    }

    #[test]
    fn each_kind_has_its_required_fields() {
        let five = [
            "title Missing",
            "identifier Missing",
            "amount Missing",
            "due date Missing",
            "amount after due date Missing",
        ];
        check(PaymentKind::Psid, BILL, &[]);
        check(PaymentKind::StaticQr, BILL, &[]);
        check(PaymentKind::Psid, Fields::default(), &five);
        check(PaymentKind::StaticQr, Fields::default(), &five);
        check(PaymentKind::OpenQr, Fields { title: Some("Ali Tuck Shop"), ..Fields::default() }, &[]);
        check(PaymentKind::OpenQr, Fields::default(), &["title Missing"]);
        check(PaymentKind::DynamicQr, SALE, &[]);
        check(PaymentKind::DynamicQr, Fields::default(), &["amount Missing", "longitude Missing", "latitude Missing"]);
    }

    #[test]
    fn blank_is_missing_where_required_and_absent_where_not() {
        check(PaymentKind::Psid, Fields { title: Some(" "), ..BILL }, &["title Missing"]);
        check(PaymentKind::DynamicQr, Fields { title: Some(" "), identifier: Some(""), ..SALE }, &[]);
        let open = Fields { title: Some("Ali Tuck Shop"), identifier: Some(" "), ..Fields::default() };
        assert_eq!(NewPayment::parse(PaymentKind::OpenQr, &open).unwrap().identifier(), None);
    }

    #[test]
    fn all_errors_at_once() {
        let bad = Fields {
            amount: Some("fifty"),
            due_date: Some("2024-02-30"),
            amount_after_due_date: Some("0"),
            title: Some(""),
            ..BILL
        };
        let problems = ["title Missing", "amount Malformed", "due date NoSuchDay", "amount after due date OutOfRange"];
        check(PaymentKind::Psid, bad, &problems);
        let swapped = Fields { longitude: Some("33.6"), latitude: Some("172.9"), amount: Some("1000000"), ..SALE };
        check(PaymentKind::DynamicQr, swapped, &["amount OutOfDynamicQrRange", "latitude OutOfRange"]);
    }

    #[test]
    fn fields_of_another_kind_are_ignored() {
        check(PaymentKind::Psid, Fields { longitude: Some("nowhere"), ..BILL }, &[]);
        check(PaymentKind::DynamicQr, Fields { due_date: Some("never"), ..SALE }, &[]);
    }

    #[test]
    fn messages_name_the_field_the_shape_and_what_is_allowed_but_not_the_value() {
        let bad = Fields {
            title: Some("Muhammad\tMahd"),
            amount: Some("-50"),
            due_date: Some("28/03/2024"),
            amount_after_due_date: None,
            ..BILL
        };
        let message = NewPayment::parse(PaymentKind::Psid, &bad).unwrap_err().to_string();
        insta::assert_snapshot!(message.replace("; ", "\n"));
        assert!(!message.contains("Mahd"));
    }

    #[test]
    fn debug_shows_no_payer() {
        let shown = std::format!("{:?} {BILL:?}", NewPayment::parse(PaymentKind::Psid, &BILL).unwrap());
        assert!(!shown.contains("Mahd") && !shown.contains("BSCS"), "{shown}");
    }
}
