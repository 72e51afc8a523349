//! 1BILL's messages, as a bank's switch might send them: a message comes back, with its fields at their widths.

use bytes::Bytes;
use serde_json::Value;

use crate::house::with_house;

/// The answer's fields of fixed width.
const WIDTHS: [(&str, usize); 5] = [
    ("response_Code", 2),
    ("consumer_Detail", 30),
    ("due_date", 8),
    ("amount_within_dueDate", 14),
    ("amount_paid", 12),
];

pub(crate) fn run(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let bank = [("username", "1bill"), ("password", "1bill")];
    with_house(|house| {
        let inquiry = house.ask("/api/1.0/Payments/BillInquiry", &bank, body.clone());
        let answer: Value = serde_json::from_slice(inquiry.body()).expect("JSON");
        for (field, width) in WIDTHS {
            let text = answer[field].as_str().expect(field);
            assert_eq!(text.chars().count(), width, "{field}: {text:?}");
        }
        let payment = house.ask("/api/1.0/Payments/BillPayment", &bank, body);
        let answer: Value = serde_json::from_slice(payment.body()).expect("JSON");
        let code = answer["response_Code"].as_str().expect("a code");
        assert!(["00", "01", "02", "03", "04", "06"].contains(&code), "{code}");
        for status in [inquiry.status(), payment.status()] {
            assert!(!status.is_server_error(), "{status}");
        }
    });
}
