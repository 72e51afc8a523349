//! Adding one payment: its kind, what each kind needs, and its QR code.

use asaanbill_qr::{Initiation, MerchantCode};
use serde_json::{Map, Value};

use crate::hub::{BILL, Hub, psid};

const GOOD: &str = "200 Request processed successfully";

#[tokio::test]
async fn exactly_one_kind_that_the_guide_has() {
    let hub = Hub::start().await;
    let check = async |query: &str, expected: &str| {
        assert_eq!(hub.post(&format!("/add{query}"), BILL).send().await.said(), expected, "{query}");
    };
    check("?generationTypes=PSID", GOOD).await;
    check("?generationTypes=SQRC_WITH_AMOUNT", GOOD).await;
    check("?generationTypes=SQRC_WITHOUT_AMOUNT", GOOD).await;
    check("?generationTypes=%50SID&more=1", GOOD).await;
    for bad in [
        "",
        "?",
        "?generationTypes",
        "?generationTypes=",
        "?generationTypes=psid",
        "?generationTypes=PSID%20",
        "?generationTypes=PSID,DQRC",
        "?generationTypes=\"PSID\"",
        "?generationTypes=PSID&generationTypes=DQRC",
        "?generationTypes=PSID&generationTypes=PSID",
        "?generationtypes=PSID",
        "?generationType=PSID",
        "?generationTypes=QR",
    ] {
        check(&bad.replace('"', "%22"), "400 Invalid generationTypes").await;
    }
}

/// All fields that any kind has.
const FIELDS: &str = r#"{"title":"Bareera Sheikh","identifier":"FS-1","amount":"1500","dueDate":"2025-01-31",
    "amountAfterDueDate":"1600","description":"Star Wars movie ticket","longitude":"72.996636","latitude":"33.646342"}"#;

/// The request with the fields of the list only.
fn with(fields: &[&str]) -> String {
    let all: Map<String, Value> = serde_json::from_str(FIELDS).unwrap();
    let some: Map<String, Value> = all.into_iter().filter(|(name, _)| fields.contains(&name.as_str())).collect();
    format!(r#"{{"payment":{}}}"#, Value::from(some))
}

const ALL: [&str; 8] =
    ["title", "identifier", "amount", "dueDate", "amountAfterDueDate", "description", "longitude", "latitude"];

/// The kind, what it requires, and what it takes besides.
const KINDS: [(&str, &[&str], &[&str]); 4] = [
    ("PSID", &["title", "identifier", "amount", "dueDate", "amountAfterDueDate"], &[]),
    ("SQRC_WITH_AMOUNT", &["title", "identifier", "amount", "dueDate", "amountAfterDueDate"], &[]),
    ("SQRC_WITHOUT_AMOUNT", &["title"], &["identifier", "description"]),
    ("DQRC", &["amount", "longitude", "latitude"], &["title", "identifier", "description"]),
];

#[tokio::test]
async fn what_each_kind_needs() {
    let hub = Hub::start().await;
    for (kind, required, optional) in KINDS {
        assert_eq!(hub.add(kind, &with(&ALL)).await.said(), GOOD, "{kind} with all fields");
        assert_eq!(hub.add(kind, &with(required)).await.said(), GOOD, "{kind} with its own");
        let none = required.map_each(|field| format!("{field} cannot be empty or null"));
        assert_eq!(hub.add(kind, r#"{"payment":{}}"#).await.said(), format!("400 {}", none.join(", ")), "{kind}");
        for field in required {
            let expected = format!("400 {field} cannot be empty or null");
            let others: Vec<&str> = required.iter().copied().filter(|other| other != field).collect();
            assert_eq!(hub.add(kind, &with(&others)).await.said(), expected, "{kind} without {field}");
            for blank in ["null", r#""""#, r#"" ""#, r#""\u00a0""#] {
                let body = with(required).replace(&format!("\"{field}\":"), &format!("\"{field}\":{blank},\"x\":"));
                assert_eq!(hub.add(kind, &body).await.said(), expected, "{kind} {body}");
            }
        }
        for field in optional {
            for blank in ["null", r#""""#, r#"" ""#] {
                let body = with(required).replace("\"payment\":{", &format!("\"payment\":{{\"{field}\":{blank},"));
                assert_eq!(hub.add(kind, &body).await.said(), GOOD, "{kind} {body}");
            }
        }
    }
}

trait MapEach {
    fn map_each(&self, make: impl Fn(&str) -> String) -> Vec<String>;
}

impl MapEach for [&str] {
    fn map_each(&self, make: impl Fn(&str) -> String) -> Vec<String> {
        self.iter().map(|one| make(one)).collect()
    }
}

#[tokio::test]
async fn what_a_field_may_hold() {
    let hub = Hub::start().await;
    let check = async |kind: &str, field: &str, value: &str, good: bool| {
        let body = with(&ALL).replace(&format!("\"{field}\":"), &format!("\"{field}\":\"{value}\",\"x\":"));
        let expected = if good { GOOD.to_owned() } else { format!("400 Invalid {field}") };
        assert_eq!(hub.add(kind, &body).await.said(), expected, "{kind} {field} {value}");
    };
    for field in ["amount", "amountAfterDueDate"] {
        for good in ["50", "50.0", "1400.5", "0.01", "007", "999999999999999.99"] {
            check("PSID", field, good, true).await;
        }
        for bad in [
            "0",
            "0.00",
            "-50",
            "+50",
            "50.",
            ".5",
            "12.345",
            "1e3",
            "1,400",
            " 50",
            "50 ",
            "Rs 50",
            "1000000000000000",
            "٥٠",
        ] {
            check("PSID", field, bad, false).await;
        }
    }
    for good in ["0.01", "1", "999999.99"] {
        check("DQRC", "amount", good, true).await;
    }
    for bad in ["0", "1000000", "1000000.00"] {
        check("DQRC", "amount", bad, false).await;
    }
    for good in ["2024-03-28", "2024-02-29", "0001-01-01", "9999-12-31"] {
        check("PSID", "dueDate", good, true).await; // also long past: a sample of the guide does it
    }
    for bad in
        ["2025-02-29", "2025-06-31", "31-01-2025", "2025/01/31", "2025-1-31", "20250131", "tomorrow", "0000-01-01"]
    {
        check("PSID", "dueDate", bad, false).await;
    }
    for (field, most) in [("longitude", "180"), ("latitude", "90")] {
        for good in ["0", most, &format!("-{most}.0"), "33.646342"] {
            check("DQRC", field, good, true).await;
        }
        for bad in [&format!("{most}.000001"), &format!("-{most}.1"), "33N", "+33", "33,6", "1e1", "NaN"] {
            check("DQRC", field, bad, false).await;
        }
    }
    let (longest, longer) = ("é".repeat(255), "é".repeat(256));
    for field in ["title", "identifier", "description"] {
        for (value, good) in [(longest.as_str(), true), (&longer, false), ("a\\u0000b", false), ("a\\nb", false)] {
            check("SQRC_WITHOUT_AMOUNT", field, value, good).await;
        }
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let hub = Hub::start().await;
    let body = r#"{"payment":{"title":"","amount":"fifty","dueDate":"2025-02-30","amountAfterDueDate":null}}"#;
    let expected = "400 title cannot be empty or null, identifier cannot be empty or null, Invalid amount, Invalid dueDate, \
                    amountAfterDueDate cannot be empty or null";
    assert_eq!(hub.add("PSID", body).await.said(), expected);
}

/// White space at the edges is the payer's own: another identifier.
#[tokio::test]
async fn identifiers_are_kept_and_matched_as_they_are() {
    let hub = Hub::start().await;
    for (number, identifier) in
        [" FS-BSME-055", "FS-BSME-055", "fs-bsme-055", "FS-BSME-055 ", "طالب علم"].iter().enumerate()
    {
        let body = BILL.replace("FS-BSCS-095", identifier);
        for kind in ["PSID", "SQRC_WITH_AMOUNT"] {
            let added = hub.add(kind, &body).await;
            assert_eq!(added.text_at("/identifier"), *identifier);
            assert_eq!(added.text_at("/psid"), psid(number as u64 + 1), "{identifier:?}");
        }
    }
}

/// Where the kind may do without, the record's number stands in, and shares its PSID with nobody.
#[tokio::test]
async fn a_missing_identifier_is_the_records_number() {
    let hub = Hub::start().await;
    for (number, kind) in ["DQRC", "DQRC", "SQRC_WITHOUT_AMOUNT", "SQRC_WITHOUT_AMOUNT"].iter().enumerate() {
        let number = number as u64 + 1;
        let added = hub.add(kind, &with(&["title", "amount", "longitude", "latitude"])).await;
        assert_eq!((added.data()["id"].as_u64(), added.text_at("/identifier")), (Some(number), &*number.to_string()));
        assert_eq!(added.text_at("/psid"), psid(number));
    }
    let named = hub.add("PSID", &BILL.replace("FS-BSCS-095", "1")).await;
    assert_eq!((named.text_at("/identifier"), named.text_at("/psid")), ("1", &*psid(5)), "a payer named 1 is another");
}

/// Each answer has a whole, valid code, whatever the kind.
#[tokio::test]
async fn each_kind_has_its_code() {
    let hub = Hub::start().await;
    let static_code = Some(Initiation::Static);
    let due = Some("31012025");
    for (kind, initiation, amount, due, later) in [
        ("PSID", static_code, Some("1500.00"), due, Some("1600.00")),
        ("SQRC_WITH_AMOUNT", static_code, Some("1500.00"), due, Some("1600.00")),
        ("SQRC_WITHOUT_AMOUNT", static_code, None, None, None),
        ("DQRC", Some(Initiation::Dynamic), Some("1500.00"), None, None),
    ] {
        let added = hub.add(kind, &with(&ALL)).await;
        let text = added.text_at("/qrString");
        let code = MerchantCode::parse(text).unwrap_or_else(|error| panic!("{kind} {error}: {text}"));
        assert_eq!(code.to_string(), text);
        assert_eq!(code.departures().len(), 0, "{kind} keeps EMVCo's rules: {text}");
        let raast = code.raast().unwrap();
        assert!(raast.iban_checks_out(), "{text}");
        assert_eq!((code.initiation(), code.amount()), (initiation, amount), "{kind}");
        assert_eq!((code.name(), raast.bill_number()), (Some("Bareera Sheikh"), Some("FS-1")), "{kind}");
        assert_eq!((raast.due_date(), raast.amount_after_due_date()), (due, later), "{kind}");
        assert_eq!((code.currency(), code.country()), (Some("586"), Some("PK")), "{kind}");

        // The same wherever the payment is shown.
        let shown = hub.get(&format!("/payment/{}", added.data()["id"])).send().await;
        assert_eq!(shown.text_at("/qrString"), text);
    }
}
