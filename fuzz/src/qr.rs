//! A code that a camera read: what is a merchant's code is rebuilt, and read again the same.

use asaanbill_qr::{DataObjects, MerchantCode, Scanned};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let scanned = Scanned::read(text);
    assert!(!scanned.describe().is_empty());
    assert!(scanned.code().is_some() || scanned.reason().is_some_and(|reason| !reason.to_string().is_empty()));
    for object in DataObjects::new(text) {
        if object.is_err() {
            break;
        }
    }
    if let Ok(code) = MerchantCode::parse(text) {
        let rebuilt = code.encode();
        assert_eq!(MerchantCode::parse(&rebuilt).as_ref(), Ok(&code), "{text:?} became {rebuilt:?}");
        let _ = code.departures();
        if let Some(raast) = code.raast() {
            let _ = (raast.account(), raast.due_date(), raast.amount_after_due_date(), raast.iban_checks_out());
        }
    }
}
