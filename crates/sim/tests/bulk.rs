//! Batches: what is said of their rows.

use asaanbill_core::BULK_ROWS_MAX;

use crate::hub::{Answer, Hub, plain};
use crate::story::row;

/// The statuses of a batch's answer, by row.
fn statuses(answer: &Answer) -> Vec<String> {
    answer.data()["payments"].as_array().expect("rows").iter().map(|row| plain(&row["status"])).collect()
}

const ALL_GOOD: &str = "200 Request processed successfully";
const SOME_BAD: &str =
    "200 Processed successfully but one or more payments have errors. Refer to the \"status\" of each payment";
const ALL_BAD: &str = "400 Invalid bulk payment request, please refer to the \"status\" of each payment";

/// A row of the table: what is sent, and the status of its echo.
const GOOD_ROW: (&str, &str) =
    (r#"{"title":"a","identifier":"b","amount":"1","dueDate":"2025-01-31","amountAfterDueDate":"1"}"#, "PROCESSED");

/// Each bad row with its first error.
const BAD_ROWS: [(&str, &str); 12] = [
    (r"{}", "title cannot be empty or null"),
    (r#"{"title":null,"amount":"0"}"#, "title cannot be empty or null"),
    (r#"{"title":"  "}"#, "title cannot be empty or null"),
    (r#"{"title":"a"}"#, "identifier cannot be empty or null"),
    (r#"{"title":"a","identifier":"b"}"#, "amount cannot be empty or null"),
    (r#"{"title":"a","identifier":"b","amount":"x"}"#, "Invalid amount"),
    (r#"{"title":"a","identifier":"b","amount":"1"}"#, "dueDate cannot be empty or null"),
    (r#"{"title":"a","identifier":"b","amount":"1","dueDate":"31-01-2025"}"#, "Invalid dueDate"),
    (
        r#"{"title":"a","identifier":"b","amount":"1","dueDate":"2025-01-31"}"#,
        "amountAfterDueDate cannot be empty or null",
    ),
    (
        r#"{"title":"a","identifier":"b","amount":"1","dueDate":"2025-01-31","amountAfterDueDate":""}"#,
        "amountAfterDueDate cannot be empty or null",
    ),
    (
        r#"{"title":"a","identifier":"b","amount":"1","dueDate":"2025-01-31","amountAfterDueDate":"0"}"#,
        "Invalid amountAfterDueDate",
    ),
    (
        r#"{"title":"a\u0007","identifier":"b","amount":"1","dueDate":"2025-01-31","amountAfterDueDate":"1"}"#,
        "Invalid title",
    ),
];

/// Sends rows, and expects this to be said of the batch and of each.
async fn check(hub: &Hub, rows: &[(&str, &str)], expected: &str) -> Answer {
    let (sent, said): (Vec<&str>, Vec<&str>) = rows.iter().copied().unzip();
    let answer = hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, sent.join(","))).await;
    assert_eq!((answer.said().as_str(), statuses(&answer)), (expected, said.iter().map(|s| (*s).to_owned()).collect()));
    answer
}

#[tokio::test]
async fn what_is_said_of_rows() {
    let hub = Hub::start().await;
    check(&hub, &[GOOD_ROW], ALL_GOOD).await;
    check(&hub, &[GOOD_ROW, GOOD_ROW, GOOD_ROW], ALL_GOOD).await;
    for bad in BAD_ROWS {
        check(&hub, &[GOOD_ROW, bad], SOME_BAD).await;
        check(&hub, &[bad, GOOD_ROW], SOME_BAD).await;
    }
    hub.settled().await;
    let before = hub.everything().await;
    for bad in BAD_ROWS {
        let refused = check(&hub, &[bad], ALL_BAD).await;
        assert_eq!(refused.data().get("bulkPaymentRequestId"), None, "{}", refused.text);
    }
    check(&hub, &BAD_ROWS, ALL_BAD).await;
    assert_eq!(hub.everything().await, before, "nothing is stored of a batch without a good row");
}

/// The guide's own batch, whose third row is bad.
#[tokio::test]
async fn the_guides_batch() {
    let hub = Hub::start().await;
    let rows = [
        r#"{"title":"Muhammad Mahd Sheikh","identifier":"FS-BSCS-095","amount":"1400","dueDate":"2025-08-31","amountAfterDueDate":"14550""#,
        r#"{"title":" Muhammad Aarayz Sheikh","identifier":" FS-BSME-055","amount":"1300","dueDate":"2025-08-31","amountAfterDueDate":"1350""#,
        r#"{"title":" Bareera Sheikh","identifier":"FS-BSCS-095","amount":"1000","dueDate":"2024-08-31","amountAfterDueDate":"""#,
    ];
    let answer = hub.add_bulk(format!(r#"{{"payments":[{}}},{}}},{}}}]}}"#, rows[0], rows[1], rows[2])).await;
    let expected = format!(
        r#"{{"responseCode":200,"responseMessage":"Processed successfully but one or more payments have errors. Refer to the \"status\" of each payment","data":{{"bulkPaymentRequestId":1,"payments":[{},"status":"PROCESSED"}},{},"status":"PROCESSED"}},{},"status":"amountAfterDueDate cannot be empty or null"}}]}}}}"#,
        rows[0], rows[1], rows[2]
    );
    assert_eq!(answer.text, expected);
    hub.settled().await;
    let listed = hub.get("/bulk-payment-request?contentType=JSON").send().await;
    assert_eq!(listed.column("vouchersCount"), ["2"], "accepted rows only");
}

/// What was sent comes back as it was: spaces, zeros, nulls, escapes, and what is absent stays so.
#[tokio::test]
async fn the_echo_is_verbatim_and_in_order() {
    let hub = Hub::start().await;
    let rows = [
        r#"{"title":" a ","identifier":" b","amount":"007.50","dueDate":"2025-01-31","amountAfterDueDate":"7.5""#,
        r#"{"title":null,"identifier":"","amount":" 1","dueDate":"31-06-2025","amountAfterDueDate":"x""#,
        r#"{"title":"\"","identifier":"\\","amount":"1""#,
        r#"{"title":"a\u0001b","identifier":"طالب علم","amount":"1","dueDate":"2025-01-31","amountAfterDueDate":"1""#,
    ];
    let answer =
        hub.add_bulk(format!(r#"{{"payments":[{}}},{}}},{}}},{}}}]}}"#, rows[0], rows[1], rows[2], rows[3])).await;
    let mut rest = answer.text.as_str();
    for row in rows {
        let (before, after) = rest.split_once(row).unwrap_or_else(|| panic!("no {row} in {rest}"));
        assert!(!before.contains(r#""title":"#), "in order, and nothing between: {before}");
        rest = after;
    }
    // What the guide doesn't name isn't echoed.
    let more = hub.add_bulk(r#"{"payments":[{"title":"a","colour":"red"}]}"#).await;
    assert_eq!(
        more.data()["payments"][0].to_string(),
        r#"{"status":"identifier cannot be empty or null","title":"a"}"#
    );
}

#[tokio::test]
async fn how_many_rows() {
    const SIZE: &str = "400 A bulk payment request has 1 to 5000 payments";
    let hub = Hub::start().await;
    let batch = |rows: usize| {
        let rows: Vec<String> = (0..rows).map(|n| row(&format!("FS-{n}"), "5", "5", "2025-01-31")).collect();
        format!(r#"{{"payments":[{}]}}"#, rows.join(","))
    };
    assert_eq!(hub.add_bulk(batch(0)).await.said(), SIZE);
    assert_eq!(hub.add_bulk(batch(BULK_ROWS_MAX + 1)).await.said(), SIZE);
    let bad = format!(r#"{{"payments":[{}]}}"#, vec!["{}"; BULK_ROWS_MAX + 1].join(","));
    assert_eq!(hub.add_bulk(bad).await.said(), SIZE, "the size comes before the rows");
    let listed = hub.get("/bulk-payment-request?contentType=JSON").send().await;
    assert_eq!(listed.data()["totalElements"], 0, "nothing is stored");

    let most = hub.add_bulk(batch(BULK_ROWS_MAX)).await;
    assert_eq!((most.said().as_str(), statuses(&most).len()), (ALL_GOOD, BULK_ROWS_MAX));
    hub.settled().await;
    let detail = hub.get("/bulk-payment-request/1").send().await;
    let payments = &detail.data()["payments"];
    assert_eq!((&payments["totalNoOfElements"], &payments["pageSize"]), (&5000.into(), &2_147_483_647.into()));
    let content = payments["content"].as_array().unwrap();
    for (position, payment) in content.iter().enumerate() {
        assert_eq!(payment["identifier"], format!("FS-{position}"), "in the order of the rows");
        assert_eq!(payment["status"], "APPROVED");
    }
    let psids: std::collections::BTreeSet<_> = content.iter().map(|payment| payment["psid"].to_string()).collect();
    assert_eq!(psids.len(), BULK_ROWS_MAX);
}

#[tokio::test]
async fn content_types() {
    let hub = Hub::start().await;
    let body = format!(r#"{{"payments":[{}]}}"#, row("FS-1", "5", "5", "2025-01-31"));
    for bad in ["", "?contentType=", "?contentType=json", "?contentType=CSV", "?contentType=JSON&contentType=JSON"] {
        let answer = hub.post(&format!("/add-bulk{bad}"), body.clone()).send().await;
        assert_eq!(answer.said(), "400 Invalid contentType", "{bad}");
    }
    for bad in ["", "?contentType=", "?contentType=json", "?contentType=XML", "?contentType=JSON&contentType=CSV"] {
        let answer = hub.get(&format!("/bulk-payment-request{bad}")).send().await;
        assert_eq!(answer.said(), "400 Invalid contentType", "{bad}");
    }
    hub.add_bulk(body).await;
    let list = async |content_type: &str| {
        hub.get(&format!("/bulk-payment-request?contentType={content_type}")).send().await.column("contentType")
    };
    assert_eq!(list("JSON").await, ["JSON"]);
    assert_eq!(list("CSV").await, [""; 0], "batches that come as files come over the portal");
}

#[tokio::test]
async fn batches_that_are_not_there() {
    let hub = Hub::start().await;
    for id in ["1", "0", "-1", "x", "1.0", "01x", "%31", "99999999999999999999"] {
        let answer = hub.get(&format!("/bulk-payment-request/{id}")).send().await;
        assert_eq!(answer.said(), "404 Record against provided bulkPaymentRequestId NOT found", "{id}");
    }
}
