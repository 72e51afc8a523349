//! Answers as they come, odd ones included.

use asaanbill_client::core::{NewPayment, PaymentStatus};
use asaanbill_client::{ErrorKind, PageRequest, RowOutcome, Status};

use crate::hub::{LOGIN, bill, client, ok, refusal, status};

#[tokio::test]
async fn a_listing_with_oddities() {
    let odd = r#"{"responseCode":200,"data":{"totalElements":"3","content":[
        {"id":"264654","amount":1.4E3,"dueDate":"31-08-2025","status":"PAUSED","paidAt":"N/A","title":"Ali Tuck"},
        {"id":1,"amount":"0.001","dueDate":"2025-06-31","status":"PROCESSED","paidAt":"08:49AM 31-Jul-2025"},
        "not an object"]}}"#;
    let (hub, _) = client([ok(LOGIN), ok(odd)]);
    let page = hub.payments(PageRequest::default()).await.unwrap();
    assert_eq!((page.items.len(), page.unread, page.total, page.is_last), (2, 1, Some(3), false));
    let (first, second) = (&page.items[0], &page.items[1]);
    assert_eq!(first.id().map(|id| id.get()), Some(264_654));
    assert_eq!(first.amount(), Some("1400".parse().unwrap()));
    assert_eq!(first.due_date().map(|day| day.to_string()).as_deref(), Some("2025-08-31"));
    assert_eq!(first.status(), Some(Status::Unknown("PAUSED".into())));
    assert_eq!(first.paid_at(), None);
    assert!(!format!("{first:?}").contains("Ali"));
    assert_eq!(second.amount(), None);
    assert_eq!(second.amount_decimal().map(|d| d.to_string()).as_deref(), Some("0.001"));
    assert_eq!((second.due_date(), second.due_date_text()), (None, Some("2025-06-31")));
    assert_eq!(second.status(), Some(Status::Known(PaymentStatus::Processed)));
    assert_eq!(second.paid_at().map(|at| at.to_string()).as_deref(), Some("2025-07-31T03:49:00Z"));
}

#[tokio::test]
async fn a_search_without_result_is_empty_in_both_readings() {
    let psid = "100139100100154854584585".parse().unwrap();
    let empty = r#"{"responseCode":200,"data":{"totalElements":0,"content":[],"isLast":true}}"#;
    let (hub, asked) = client([ok(LOGIN), ok(empty), refusal(404, "not found")]);
    for _ in 0..2 {
        let page = hub.search(psid, PageRequest::default()).await.unwrap();
        assert_eq!((page.items.len(), page.total, page.is_last), (0, Some(0), true));
    }
    assert_eq!(asked.lines()[1], "GET /integration/search/100139100100154854584585?pageNo=0&pageSize=100");
    let (hub, _) = client([ok(LOGIN), refusal(404, "not found")]);
    assert!(hub.payment("25".parse().unwrap()).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_batch_is_matched_by_position() {
    let NewPayment::Psid(bill) = bill() else { panic!("a bill") };
    let answer = r#"{"responseCode":200,"data":{"bulkPaymentRequestId":11,"payments":[
        {"status":"PROCESSED"},{"status":"Invalid amount"},{}]}}"#;
    let (hub, asked) = client([ok(LOGIN), ok(answer)]);
    let bills = vec![bill; 4];
    let accepted = hub.add_bulk(&bills).await.unwrap();
    assert_eq!(accepted.id.map(|id| id.get()), Some(11));
    let refused = RowOutcome::Refused("Invalid amount".into());
    assert_eq!(accepted.rows, vec![RowOutcome::Unknown; 4], "another length says nothing of any row");
    let (hub, _) = client([ok(LOGIN), ok(answer)]);
    let accepted = hub.add_bulk(&bills[..3]).await.unwrap();
    assert_eq!(accepted.rows, [RowOutcome::Accepted, refused, RowOutcome::Unknown]);
    assert_eq!(asked.lines()[1], "POST /integration/add-bulk?contentType=JSON");

    let all_bad = r#"{"responseCode":400,"responseMessage":"Invalid bulk payment request, please refer to the \"status\" of each payment","data":{"payments":[{"status":"Invalid amount"},{"status":"FS-BSCS-095 exists"}]}}"#;
    let (hub, _) = client([ok(LOGIN), status(400, all_bad)]);
    let error = hub.add_bulk(&bills[..2]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let why = |text: &str| RowOutcome::Refused(text.into());
    assert_eq!(error.rows(), [why("Invalid amount"), why("FS-BSCS-095 exists")]);
    assert!(!format!("{error:?}").contains("FS-BSCS"));

    for count in [0, 5_001] {
        let (hub, asked) = client([]);
        let bills = vec![bills[0].clone(); count];
        assert_eq!(hub.add_bulk(&bills).await.unwrap_err().kind(), ErrorKind::Refused);
        assert!(asked.lines().is_empty());
    }
}
