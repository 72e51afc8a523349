//! The staging system's shape: its address in both path styles, and each answer of the guide, read by the operation it answers. What the
//! guide's samples hold that can't be (a 31st of June, a QR string cut short, one PSID on two payers) is read all the same.

use std::sync::{Arc, Mutex};

use asaanbill_client::transport::{Transport, from_fn};
use asaanbill_client::{Client, ErrorKind, PageRequest, PathStyle, RetryPolicy, RowOutcome, STAGING, Status};
use asaanbill_core::{Bill, PaymentStatus, Psid};
use asaanbill_e2e::bill;
use bytes::Bytes;
use http::{Request, Response};

/// The answers of `crates/wire/fixtures/`, by the end of the path that they answer.
const GUIDE: [(&str, &str); 8] = [
    ("/login", include_str!("../../wire/fixtures/guide/login.answer.json")),
    ("/add", include_str!("../../wire/fixtures/guide/add.answer.json")),
    ("/add-bulk", include_str!("../../wire/fixtures/guide/add-bulk.answer.json")),
    ("/bulk-payment-request", include_str!("../../wire/fixtures/guide/bulk-payment-request.answer.json")),
    ("/bulk-payment-request/19", include_str!("../../wire/fixtures/guide/bulk-payment-request-id.answer.json")),
    ("/payment", include_str!("../../wire/fixtures/guide/payment.answer.json")),
    ("/payment/264654", include_str!("../../wire/fixtures/guide/payment-id.answer.json")),
    ("/search/100139100100144754584584", include_str!("../../wire/fixtures/guide/search.answer.json")),
];

/// A staging system that knows one answer for each path, and notes where it was asked.
fn staging(answers: &'static [(&'static str, &'static str)], style: PathStyle) -> (Client, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let hub = from_fn(move |request: Request<Bytes>| {
        let path = request.uri().path().to_owned();
        let answer = answers.iter().find(|(end, _)| path.ends_with(&format!("/integration{end}")));
        let answer = answer.map_or("", |(_, answer)| answer);
        log.lock().unwrap().push(request.uri().to_string());
        async move { Ok(Response::new(Bytes::from_static(answer.as_bytes()))) }
    });
    (client(hub, style), asked)
}

fn client(hub: impl Transport + 'static, style: PathStyle) -> Client {
    let client = Client::builder().credentials("demo", "demo").path_style(style).retry(RetryPolicy::never());
    client.transport(hub).build().unwrap()
}

fn bills() -> Vec<Bill> {
    let bill = |number| bill(&format!("FS-{number}"), "50").unwrap().bill().unwrap().clone();
    (0..3).map(bill).collect()
}

async fn each_sample_is_read(style: PathStyle, before: &str) {
    let (client, asked) = staging(&GUIDE, style);
    let page = PageRequest::default();
    let known = |status| Some(Status::Known(status));

    assert_eq!(client.log_in().await.unwrap().get(), 23);
    let added = client.add(&bill("FS-BSCS-095", "50").unwrap()).await.unwrap();
    assert_eq!((added.id().unwrap().get(), added.status()), (25, known(PaymentStatus::Approved)));
    assert_eq!(added.psid(), Some("100139100100154854584585".parse().unwrap()));
    assert_eq!((added.amount(), added.due_date_text()), (Some("50".parse().unwrap()), Some("10-01-2025")));
    assert_eq!(added.qr_string(), Some("00020101021128560012D156000000000108o"));
    assert_eq!(added.created_at().unwrap().to_string(), "2025-01-10T05:22:00Z");

    let batch = client.add_bulk(&bills()).await.unwrap();
    let refused = RowOutcome::Refused("amountAfterDueDate cannot be empty or null".into());
    assert_eq!((batch.id.unwrap().get(), batch.rows), (11, vec![RowOutcome::Accepted, RowOutcome::Accepted, refused]));

    let batches = client.bulk_requests(page).await.unwrap();
    let counts: Vec<_> = batches.items.iter().map(|batch| (batch.id.unwrap().get(), batch.payments)).collect();
    assert_eq!(counts, [(126, Some(4_526)), (127, Some(5_827))]);

    let detail = client.bulk_request("19".parse().unwrap()).await.unwrap();
    assert_eq!((detail.payments.len(), detail.unread, &*detail.status), (2, 0, "PROCESSED"));
    assert_eq!(detail.payments[0].amount(), Some("15000".parse().unwrap()));

    let payments = client.payments(page).await.unwrap();
    assert_eq!((payments.total, payments.is_last, payments.unread), (Some(861), false, 0));
    let statuses: Vec<_> = payments.items.iter().map(asaanbill_client::Payment::status).collect();
    assert_eq!(statuses, [known(PaymentStatus::Approved), known(PaymentStatus::Processed)]);
    assert_eq!((payments.items[0].paid_at(), payments.items[0].paid_at_text()), (None, Some("N/A")));

    let one = client.payment("264654".parse().unwrap()).await.unwrap();
    assert_eq!(one.paid_at().unwrap().to_string(), "2025-07-31T03:49:00Z");

    let psid: Psid = "100139100100144754584584".parse().unwrap();
    let found = client.search(psid, page).await.unwrap();
    assert_eq!((found.items.len(), found.total), (2, Some(6)));
    assert_eq!((found.items[1].created_at(), found.items[1].created_at_text()), (None, Some("08:49AM 31-Jun-2025")));

    let paths = [
        "/login",
        "/add?generationTypes=PSID",
        "/add-bulk?contentType=JSON",
        "/bulk-payment-request?pageNo=0&pageSize=100&contentType=JSON",
        "/bulk-payment-request/19",
        "/payment?pageNo=0&pageSize=100",
        "/payment/264654",
        "/search/100139100100144754584584?pageNo=0&pageSize=100",
    ];
    let expected: Vec<String> = paths.iter().map(|path| format!("{before}{path}")).collect();
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[tokio::test]
async fn the_guides_samples_in_both_path_styles() {
    each_sample_is_read(PathStyle::Single, STAGING).await;
    each_sample_is_read(PathStyle::Doubled, &format!("{STAGING}/integration")).await;
}

/// Answers that the samples suggest may come, and worse.
#[tokio::test]
async fn odd_answers_are_read_or_refused() {
    macro_rules! odd {
        ($path:literal, $name:literal) => {{
            const ANSWERS: &[(&str, &str)] =
                &[GUIDE[0], ($path, include_str!(concat!("../../wire/fixtures/odd/", $name)))];
            staging(ANSWERS, PathStyle::Single).0
        }};
    }
    let (page, new) = (PageRequest::default(), bill("FS-BSCS-095", "50").unwrap());

    for added in [odd!("/add", "added-minimal.json"), odd!("/add", "added-with-null-details.json")] {
        added.add(&new).await.unwrap();
    }
    let listed = odd!("/payment", "listing.json").payments(page).await.unwrap();
    assert_eq!((listed.items.len(), listed.unread, listed.total), (4, 3, None));
    assert_eq!(odd!("/payment", "empty-list.json").payments(page).await.unwrap().items.len(), 0);
    assert_eq!(odd!("/payment", "both-totals.json").payments(page).await.unwrap().total, Some(7));
    let detail = odd!("/bulk-payment-request/19", "bulk-detail-other-spelling.json");
    assert_eq!(detail.bulk_request("19".parse().unwrap()).await.unwrap().payments.len(), 1);
    let batch = odd!("/add-bulk", "bulk-answer-null-rows.json").add_bulk(&bills()).await.unwrap();
    assert_eq!(batch.rows, vec![RowOutcome::Unknown; 3], "nothing is said of any row");
    let five: Vec<Bill> = bills().into_iter().cycle().take(5).collect();
    let batch = odd!("/add-bulk", "bulk-answer-odd.json").add_bulk(&five).await.unwrap();
    assert_eq!((batch.rows[0].clone(), batch.rows[3].clone()), (RowOutcome::Accepted, RowOutcome::Unknown));

    // Whatever isn't the hub's success leaves unknown what was to be created, and is no answer to what was asked.
    for (add, list) in [
        (odd!("/add", "error-under-http-200.json"), odd!("/payment", "error-under-http-200.json")),
        (odd!("/add", "proxy-error.html"), odd!("/payment", "proxy-error.html")),
    ] {
        assert_eq!(add.add(&new).await.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
        assert!(matches!(list.payments(page).await.unwrap_err().kind(), ErrorKind::NoAnswer | ErrorKind::Unreadable));
    }

    const MINIMAL: &[(&str, &str)] = &[("/login", include_str!("../../wire/fixtures/odd/login-minimal.json"))];
    const ODD_USER: &[(&str, &str)] = &[("/login", include_str!("../../wire/fixtures/odd/login-odd-user.json"))];
    for answers in [MINIMAL, ODD_USER] {
        assert!(staging(answers, PathStyle::Single).0.log_in().await.is_ok(), "{answers:?}");
    }
}
