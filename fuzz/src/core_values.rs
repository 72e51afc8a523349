//! Values from text: what is read, is written and read again the same.

use std::fmt::Debug;
use std::str::FromStr;

use asaanbill_core::{
    Amount, BulkRequestId, ChannelId, Description, DueDate, DynamicQrAmount, Identifier, Latitude, Longitude,
    PaymentId, Psid, Title,
};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    again::<Amount>(text, ToString::to_string);
    again::<DynamicQrAmount>(text, |amount| amount.get().to_string());
    again::<DueDate>(text, ToString::to_string);
    again::<Latitude>(text, ToString::to_string);
    again::<Longitude>(text, ToString::to_string);
    again::<PaymentId>(text, ToString::to_string);
    again::<ChannelId>(text, ToString::to_string);
    again::<BulkRequestId>(text, ToString::to_string);
    again::<Psid>(text, ToString::to_string);
    // These are kept as they came.
    kept(text, text.parse::<Identifier>().ok().as_ref().map(Identifier::as_str));
    kept(text, text.parse::<Title>().ok().as_ref().map(Title::as_str));
    kept(text, text.parse::<Description>().ok().as_ref().map(Description::as_str));
}

fn again<T: FromStr<Err: ToString> + PartialEq + Debug>(text: &str, write: fn(&T) -> String) {
    match text.parse::<T>() {
        Ok(value) => assert_eq!(write(&value).parse().ok(), Some(value), "{text:?}"),
        // A message for whatever it is, without a word of it.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn kept(text: &str, read: Option<&str>) {
    assert!(read.is_none_or(|read| read == text), "{text:?} became {read:?}");
}
