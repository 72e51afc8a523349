//! What isn't the object that the guide describes, and what a refused request leaves behind: nothing.

use crate::hub::{BILL, Hub, psid};

const INVALID: &str = "400 Invalid request body";

/// Bodies of an added payment that are no such object.
const NO_PAYMENT: [&[u8]; 17] = [
    b"",
    b"payment",
    b"null",
    b"[]",
    b"{}",
    b"\xff",
    b"\xef\xbb\xbf{\"payment\":{}}",
    br#"{"payment":null}"#,
    br#"{"payment":[]}"#,
    br#"{"payment":"FS-BSCS-095"}"#,
    br#"{"payment":{"title":"a"}"#,
    br#"{"payment":{"title":"a"}}}"#,
    br#"{"payment":{"title":"a","title":"b"}}"#,
    br#"{"payment":{},"payment":{}}"#,
    br#"{"payment":{"title":"\ud800"}}"#,
    br#"{"Payment":{"title":"a"}}"#,
    br#"{"title":"a"}"#,
];

#[tokio::test]
async fn bodies_that_are_no_payment() {
    let hub = Hub::start().await;
    for body in NO_PAYMENT {
        let answer = hub.post("/add?generationTypes=SQRC_WITHOUT_AMOUNT", body.to_vec()).send().await;
        assert_eq!(answer.said(), INVALID, "{}", String::from_utf8_lossy(body));
    }
    // What the guide doesn't name is nobody's business.
    let more = BILL.replace("{\"payment\":{", "{\"more\":1,\"payment\":{\"more\":[1],");
    assert_eq!(hub.add("PSID", &more).await.said(), "200 Request processed successfully");
}

#[tokio::test]
async fn bodies_that_are_no_batch() {
    let hub = Hub::start().await;
    for body in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"payments":null}"#,
        r#"{"payments":{}}"#,
        r#"{"payments":[null]}"#,
        r#"{"payments":[[]]}"#,
        r#"{"payments":["a"]}"#,
        r#"{"payments":[{}]"#,
        r#"{"payments":[{"title":"a","title":"b"}]}"#,
        r#"{"payment":{"title":"a"}}"#,
    ] {
        assert_eq!(hub.add_bulk(body).await.said(), INVALID, "{body}");
    }
}

/// Numbers where the guide says strings, one at a time, also in fields that the kind doesn't have.
#[tokio::test]
async fn values_that_are_no_strings() {
    let hub = Hub::start().await;
    for field in
        ["title", "identifier", "amount", "dueDate", "amountAfterDueDate", "description", "longitude", "latitude"]
    {
        for value in ["50", "50.0", "true", "[]", "{}", r#"["50"]"#] {
            let mut body = BILL.replace(&format!("\"{field}\":"), "\"x\":");
            body = body.replace("{\"payment\":{", &format!("{{\"payment\":{{\"{field}\":{value},"));
            assert_eq!(hub.add("PSID", &body).await.said(), INVALID, "{body}");
        }
    }
    let row =
        r#"{"payments":[{"title":"a","identifier":"b","amount":1,"dueDate":"2025-01-31","amountAfterDueDate":"1"}]}"#;
    assert_eq!(hub.add_bulk(row).await.said(), INVALID);
}

#[tokio::test]
async fn content_types() {
    let hub = Hub::start().await;
    let ask = || hub.post("/add?generationTypes=PSID", BILL);
    for good in
        ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"]
    {
        assert_eq!(
            ask().with("content-type", good).send().await.said(),
            "200 Request processed successfully",
            "{good}"
        );
    }
    assert_eq!(ask().without("content-type").send().await.said(), INVALID);
    for bad in ["", "text/plain", "application/jsonp", "application/xml", "json", "application/json, text/plain"] {
        assert_eq!(ask().with("content-type", bad).send().await.said(), INVALID, "{bad}");
    }
}

/// No number, no PSID, no discard, no time: the hub is as it was.
#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let hub = Hub::start().await;
    hub.add("PSID", BILL).await;
    hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, crate::story::row("FS-1", "5", "5", "2025-01-31"))).await;
    hub.settled().await;
    let before = hub.everything().await;
    hub.sim.clock().advance(jiff::SignedDuration::from_hours(1));

    for body in NO_PAYMENT {
        hub.post("/add?generationTypes=PSID", body.to_vec()).send().await;
    }
    for kind in ["", "psid", "PSID&generationTypes=PSID"] {
        hub.add(kind, BILL).await;
    }
    for (good, bad) in [
        ("50", "0"),
        ("50", "1e3"),
        ("2025-01-31", "2025-02-31"),
        ("55", ""),
        ("Muhammad Mahd Sheikh", " "),
        ("\"55\"", "55"),
    ] {
        let refused = hub.add("PSID", &BILL.replace(good, bad)).await;
        assert!(!refused.is_success(), "{}", refused.text);
    }
    for rows in ["", "{}", r#"{"identifier":"FS-BSCS-095"}"#, "1"] {
        let refused = hub.add_bulk(format!(r#"{{"payments":[{rows}]}}"#)).await;
        assert!(!refused.is_success(), "{}", refused.text);
    }
    for (amount, reference) in [("49", "R"), ("55", "R"), ("50", " "), ("50.001", "R")] {
        let (status, said) = hub.pay(&psid(1), amount, reference).await;
        assert_ne!(status, 200, "{said}");
    }
    assert_eq!(hub.pay(&psid(3), "50", "R").await.0, 404);

    assert_eq!(hub.everything().await, before);
    let next = hub.add("PSID", &BILL.replace("FS-BSCS-095", "FS-2")).await;
    assert_eq!((next.data()["id"].as_u64(), next.text_at("/psid")), (Some(3), &*psid(3)), "nothing was used up");
}
