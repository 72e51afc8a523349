//! Values out of a row's columns, through the domain's own doors.

use std::str::FromStr;

use asaanbill_core::{
    Bill, Description, DynamicQr, FieldError, GeoPoint, NewPayment, OpenQr, Payment, PaymentId, PaymentKind, Stage,
    Title,
};
use asaanbill_storage::rusqlite::types::Type;
use asaanbill_storage::rusqlite::{Error, Row};
use asaanbill_wire::{StatusText, read_generation_type};
use jiff::Timestamp;

/// The columns that [`payment`] reads, in order.
pub(super) const PAYMENT_COLUMNS: &str = "id, kind, title, identifier, description, amount, due_date, \
     amount_after_due_date, longitude, latitude, status, psid, amount_paid, paid_at, why, created_at, updated_at";

/// A stored value that the domain refuses: somebody else has written to the store.
pub(super) fn corrupt(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}

#[derive(Debug, thiserror::Error)]
#[error("the store holds a row that makes no sense: {0}")]
struct Senseless(&'static str);

pub(super) fn parsed<T: FromStr<Err = FieldError>>(row: &Row<'_>, column: usize) -> Result<T, Error> {
    row.get_ref(column)?.as_str()?.parse().map_err(corrupt)
}

fn optional<T: FromStr<Err = FieldError>>(row: &Row<'_>, column: usize) -> Result<Option<T>, Error> {
    row.get_ref(column)?.as_str_or_null()?.map(|text| text.parse().map_err(corrupt)).transpose()
}

pub(super) fn id<T: TryFrom<i64, Error = FieldError>>(row: &Row<'_>, column: usize) -> Result<T, Error> {
    T::try_from(row.get::<_, i64>(column)?).map_err(corrupt)
}

pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, Error> {
    Timestamp::from_microsecond(row.get(column)?).map_err(corrupt)
}

pub(super) fn payment(row: &Row<'_>) -> Result<Payment, Error> {
    let kind = read_generation_type(row.get_ref(1)?.as_str()?).ok_or_else(|| corrupt(Senseless("kind")))?;
    let new = match kind {
        PaymentKind::Psid => NewPayment::Psid(bill(row)?),
        PaymentKind::StaticQr => NewPayment::StaticQr(bill(row)?),
        PaymentKind::OpenQr => NewPayment::OpenQr(OpenQr {
            title: parsed::<Title>(row, 2)?,
            identifier: optional(row, 3)?,
            description: optional::<Description>(row, 4)?,
        }),
        PaymentKind::DynamicQr => NewPayment::DynamicQr(DynamicQr {
            title: optional(row, 2)?,
            identifier: optional(row, 3)?,
            description: optional(row, 4)?,
            amount: parsed(row, 5)?,
            place: GeoPoint { longitude: parsed(row, 8)?, latitude: parsed(row, 9)? },
        }),
    };
    Ok(Payment {
        id: id::<PaymentId>(row, 0)?,
        new,
        stage: stage(row)?,
        created_at: time(row, 15)?,
        updated_at: time(row, 16)?,
    })
}

fn bill(row: &Row<'_>) -> Result<Bill, Error> {
    Ok(Bill {
        title: parsed(row, 2)?,
        identifier: parsed(row, 3)?,
        amount: parsed(row, 5)?,
        due_date: parsed(row, 6)?,
        amount_after_due_date: parsed(row, 7)?,
    })
}

fn stage(row: &Row<'_>) -> Result<Stage, Error> {
    use asaanbill_core::PaymentStatus as S;
    let status = StatusText::text(row.get_ref(10)?.as_str()?).status().ok_or_else(|| corrupt(Senseless("status")))?;
    Ok(match status {
        S::Draft => Stage::Draft,
        S::InProcess => Stage::InProcess,
        S::Approved => Stage::Approved { psid: parsed(row, 11)? },
        S::Processed => {
            Stage::Processed { psid: parsed(row, 11)?, amount_paid: parsed(row, 12)?, paid_at: time(row, 13)? }
        }
        S::Discarded => Stage::Discarded { psid: parsed(row, 11)? },
        S::Errored => Stage::Errored { why: row.get_ref(14)?.as_str()?.into() },
    })
}
