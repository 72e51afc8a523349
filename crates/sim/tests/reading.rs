//! Lists, pages, one payment, and search.

use jiff::SignedDuration;

use crate::hub::{BILL, Hub, psid};
use crate::story::{bill, row, shown};

/// A hub with bills of these identifiers, a minute apart.
async fn hub_with(identifiers: &[&str]) -> Hub {
    let hub = Hub::start().await;
    for identifier in identifiers {
        hub.add("PSID", &bill(identifier, "5", "5", "2025-01-31")).await;
        hub.sim.clock().advance(SignedDuration::from_mins(1));
    }
    hub
}

#[tokio::test]
async fn the_list_is_by_update_and_by_number_within_an_instant() {
    let hub = hub_with(&["A", "B", "C"]).await;
    let check = async |expected: &[&str]| assert_eq!(shown(&hub.get("/payment").send().await), expected);
    check(&["C 5 APPROVED", "B 5 APPROVED", "A 5 APPROVED"]).await;
    hub.pay(&psid(1), "5", "R").await;
    check(&["A 5 PROCESSED", "C 5 APPROVED", "B 5 APPROVED"]).await;
    hub.sim.clock().advance(SignedDuration::from_mins(1));
    hub.add("PSID", &bill("B", "6", "6", "2025-01-31")).await;
    check(&["B 6 APPROVED", "B 5 DISCARD", "A 5 PROCESSED", "C 5 APPROVED"]).await;
    // All in one instant: the later number first.
    hub.add("PSID", &bill("D", "7", "7", "2025-01-31")).await;
    check(&["D 7 APPROVED", "B 6 APPROVED", "B 5 DISCARD", "A 5 PROCESSED", "C 5 APPROVED"]).await;
}

#[tokio::test]
async fn an_empty_hub() {
    let hub = Hub::start().await;
    for path in ["/payment", "/bulk-payment-request?contentType=JSON", "/search/100139000000000000000001"] {
        assert_eq!(
            hub.get(path).send().await.text,
            r#"{"responseCode":200,"responseMessage":"Request processed successfully","data":{"pageNo":0,"pageSize":100,"totalElements":0,"totalPages":0,"isFirst":true,"isLast":true,"content":[]}}"#
        );
    }
}

/// `pageNo pageSize -> elements, total, pages, first, last`
#[tokio::test]
async fn pages() {
    let hub = hub_with(&["A", "B", "C", "D", "E"]).await;
    for n in 0..5 {
        hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, row(&n.to_string(), "5", "0", "2025-01-31"))).await;
        hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, row("A", "5", "5", "2025-01-31"))).await;
        hub.settled().await;
    }
    // Five batches; ten payments, of which six are A's.
    let check = async |list: &str, query: &str, expected: &str| {
        let page = hub.get(&format!("{list}{query}")).send().await;
        let data = page.data();
        let said = format!(
            "{} of {}, {} pages, first {}, last {}",
            page.content().len(),
            data["totalElements"],
            data["totalPages"],
            data["isFirst"],
            data["isLast"]
        );
        assert_eq!(said, expected, "{list}{query}");
    };
    let payment = "/payment?";
    check(payment, "", "10 of 10, 1 pages, first true, last true").await;
    check(payment, "pageNo=0&pageSize=10", "10 of 10, 1 pages, first true, last true").await;
    check(payment, "pageSize=11", "10 of 10, 1 pages, first true, last true").await;
    check(payment, "pageSize=9", "9 of 10, 2 pages, first true, last false").await;
    check(payment, "pageNo=1&pageSize=9", "1 of 10, 2 pages, first false, last true").await;
    check(payment, "pageNo=2&pageSize=3", "3 of 10, 4 pages, first false, last false").await;
    check(payment, "pageNo=3&pageSize=3", "1 of 10, 4 pages, first false, last true").await;
    check(payment, "pageNo=4&pageSize=3", "0 of 10, 4 pages, first false, last true").await;
    check(payment, "pageNo=1", "0 of 10, 1 pages, first false, last true").await;
    check(payment, "pageSize=2147483647", "10 of 10, 1 pages, first true, last true").await;
    check(payment, "pageNo=2147483647&pageSize=2147483647", "0 of 10, 1 pages, first false, last true").await;
    let search = "/search/100139000000000000000001?";
    check(search, "", "6 of 6, 1 pages, first true, last true").await;
    check(search, "pageNo=1&pageSize=4", "2 of 6, 2 pages, first false, last true").await;
    let batches = "/bulk-payment-request?contentType=JSON";
    check(batches, "", "5 of 5, 1 pages, first true, last true").await;
    check(batches, "&pageNo=1&pageSize=2", "2 of 5, 3 pages, first false, last false").await;
    check(batches, "&pageNo=9&pageSize=2", "0 of 5, 3 pages, first false, last true").await;
}

#[tokio::test]
async fn pages_that_cannot_be_asked_for() {
    let hub = Hub::start().await;
    for path in
        ["/payment?", "/search/100139000000000000000001?", "/search/x?", "/bulk-payment-request?contentType=JSON&"]
    {
        for bad in ["-1", "+1", "1.0", "", "x", "2147483648", "99999999999999999999", "%201"] {
            for (query, expected) in
                [(format!("pageNo={bad}"), "400 Invalid pageNo"), (format!("pageSize={bad}"), "400 Invalid pageSize")]
            {
                assert_eq!(hub.get(&format!("{path}{query}")).send().await.said(), expected, "{path}{query}");
            }
        }
        assert_eq!(hub.get(&format!("{path}pageSize=0")).send().await.said(), "400 Invalid pageSize", "{path}");
    }
}

/// The pages of a quiet hub, one after another, are the list.
#[tokio::test]
async fn pages_together_are_the_list() {
    let hub = hub_with(&["A", "B", "A", "C", "B", "A", "D"]).await;
    for list in ["/payment", "/search/100139000000000000000001"] {
        let whole = hub.get(list).send().await;
        for size in 1..=8 {
            let mut together = Vec::new();
            for number in 0.. {
                let page = hub.get(&format!("{list}?pageNo={number}&pageSize={size}")).send().await;
                together.extend(page.content().to_vec());
                if page.data()["isLast"] == true {
                    break;
                }
            }
            assert_eq!(together, whole.content(), "{list} by {size}");
        }
    }
}

#[tokio::test]
async fn batches_are_listed_newest_first() {
    let hub = Hub::start().await;
    for identifier in ["A", "B", "C"] {
        hub.add_bulk(format!(r#"{{"payments":[{}]}}"#, row(identifier, "5", "5", "2025-01-31"))).await;
    }
    let listed = hub.get("/bulk-payment-request?contentType=JSON").send().await;
    assert_eq!(listed.column("id"), ["3", "2", "1"]);
}

#[tokio::test]
async fn one_payment_by_its_number() {
    let hub = hub_with(&["A", "B"]).await;
    assert_eq!(hub.get("/payment/2").send().await.text_at("/identifier"), "B");
    assert_eq!(hub.get("/payment/002").send().await.text_at("/identifier"), "B");
    let by_psid = psid(1);
    for id in ["3", "0", "-1", "x", "1.0", "%31", "99999999999999999999", by_psid.as_str()] {
        let answer = hub.get(&format!("/payment/{id}")).send().await;
        assert_eq!(answer.said(), "404 Payment with the provided PSID not found", "{id}");
    }
}

#[tokio::test]
async fn search_finds_the_records_of_one_psid_newest_first() {
    let hub = hub_with(&["A", "B", "A"]).await;
    hub.pay(&psid(1), "5", "R").await;
    hub.add("PSID", &bill("A", "6", "6", "2025-01-31")).await;
    let check = async |psid: &str, expected: &[&str]| {
        let answer = hub.get(&format!("/search/{psid}")).send().await;
        assert_eq!(
            (answer.said().as_str(), shown(&answer)),
            ("200 Request processed successfully", to_owned(expected))
        );
    };
    check(&psid(1), &["A 6 APPROVED", "A 5 PROCESSED", "A 5 DISCARD"]).await;
    check(&psid(2), &["B 5 APPROVED"]).await;
    for nothing in [&psid(3), "1", "x", "%20", "100139000000000000000001x", "1001390000000000000000010"] {
        check(nothing, &[]).await;
    }
}

fn to_owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// A leading zero counts, and so does each digit of 24: PSIDs are texts.
#[tokio::test]
async fn psids_are_texts() {
    let hub = hub_with(&["A"]).await;
    let listed = hub.get("/payment").send().await;
    assert!(listed.text.contains(r#""psid":"100139000000000000000001""#), "{}", listed.text);
    assert!(hub.add("PSID", BILL).await.text.contains(r#""psid":"100139000000000000000002""#));
}
