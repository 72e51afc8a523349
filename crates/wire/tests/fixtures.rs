//! Every fixture, as a client or a receiver reads it.

use std::fmt::{Debug, Write as _};
use std::path::Path;

use asaanbill_wire::{
    Acknowledgement, AddedPayment, BulkAnswer, BulkApproved, BulkDetail, BulkEcho, BulkPayment, BulkRow, BulkStatus,
    BulkSummary, Day, Envelope, Item, ListedPayment, LoginAnswer, Money, Page, Processed, RowStatus, Stamp, StatusText,
};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) const GUIDE_ANSWERS: [&str; 8] =
    ["login", "add", "add-bulk", "bulk-payment-request", "bulk-payment-request-id", "payment", "payment-id", "search"];

/// What is made of a value: what it says, beside how it came.
trait Reading {
    fn reading(&self, out: &mut String);
}

fn line(out: &mut String, name: &str, came: impl Debug, says: &Option<impl Debug>) {
    match says {
        Some(says) => writeln!(out, "{name}: {came:?} = {says:?}").unwrap(),
        None => writeln!(out, "{name}: {came:?}").unwrap(),
    }
}

fn money(out: &mut String, name: &str, value: &Option<Money>) {
    line(out, name, value, &value.as_ref().and_then(Money::decimal));
}

fn day(out: &mut String, name: &str, value: &Option<Day>) {
    line(out, name, value, &value.as_ref().and_then(Day::date));
}

fn stamp(out: &mut String, name: &str, value: &Option<Stamp>) {
    line(out, name, value, &value.as_ref().and_then(Stamp::timestamp));
}

fn status(out: &mut String, value: &Option<StatusText>) {
    line(out, "status", value, &value.as_ref().and_then(StatusText::status));
}

impl Reading for ListedPayment {
    fn reading(&self, out: &mut String) {
        line(out, "id", &self.id, &self.id.as_ref().and_then(|id| id.whole()));
        line(
            out,
            "psid",
            &self.psid,
            &self.psid.as_ref().and_then(|p| p.as_str().parse::<asaanbill_core::Psid>().ok()),
        );
        money(out, "amount", &self.amount);
        money(out, "amountAfterDueDate", &self.amount_after_due_date);
        day(out, "dueDate", &self.due_date);
        status(out, &self.status);
        stamp(out, "createdAt", &self.created_at);
        stamp(out, "paidAt", &self.paid_at);
    }
}

impl Reading for AddedPayment {
    fn reading(&self, out: &mut String) {
        line(out, "id", &self.id, &self.id.as_ref().and_then(|id| id.whole()));
        line(
            out,
            "psid",
            &self.psid,
            &self.psid.as_ref().and_then(|p| p.as_str().parse::<asaanbill_core::Psid>().ok()),
        );
        line(
            out,
            "paymentDetails",
            &self.payment_details,
            &self.payment_details.as_ref().map(|raw| raw.as_str().to_owned()),
        );
        money(out, "amount", &self.amount);
        money(out, "amountAfterDueDate", &self.amount_after_due_date);
        day(out, "dueDate", &self.due_date);
        status(out, &self.status);
        stamp(out, "createdAt", &self.created_at);
        stamp(out, "updatedAt", &self.updated_at);
    }
}

impl Reading for BulkPayment {
    fn reading(&self, out: &mut String) {
        line(out, "id", &self.id, &self.id.as_ref().and_then(|id| id.whole()));
        money(out, "amount", &self.amount);
        money(out, "amountAfterDueDate", &self.amount_after_due_date);
        day(out, "dueDate", &self.due_date);
        line(out, "psid", &self.psid, &None::<()>);
        status(out, &self.status);
        stamp(out, "createdAt", &self.created_at);
        stamp(out, "updatedAt", &self.updated_at);
    }
}

impl Reading for BulkSummary {
    fn reading(&self, out: &mut String) {
        line(out, "id", &self.id, &self.id.as_ref().and_then(|id| id.whole()));
        line(out, "vouchersCount", &self.vouchers_count, &self.vouchers_count.as_ref().and_then(|count| count.whole()));
        status(out, &self.status);
        stamp(out, "createdAt", &self.created_at);
        stamp(out, "updatedAt", &self.updated_at);
    }
}

impl<T: Reading> Reading for Item<T> {
    fn reading(&self, out: &mut String) {
        match self {
            Item::Read(element) => element.reading(out),
            Item::Unread(raw) => writeln!(out, "unread: {raw}").unwrap(),
        }
        out.push('\n');
    }
}

impl<T: Reading> Reading for Page<T> {
    fn reading(&self, out: &mut String) {
        let total = self.total();
        let first = self.is_first.as_ref().and_then(|first| first.flag());
        let last = self.is_last.as_ref().and_then(|last| last.flag());
        writeln!(out, "total {total:?}, first {first:?}, last {last:?}\n").unwrap();
        for item in &self.content {
            item.reading(out);
        }
    }
}

impl Reading for BulkDetail {
    fn reading(&self, out: &mut String) {
        let id = &self.bulk_payment_request_id;
        line(out, "bulkPaymentRequestId", id, &id.as_ref().and_then(|id| id.whole()));
        day(out, "uploadedAt", &self.uploaded_at);
        stamp(out, "updatedAt", &self.updated_at);
        status(out, &self.status);
        let total = self.payments.total();
        writeln!(out, "total {total:?}\n").unwrap();
        for item in &self.payments.content {
            item.reading(out);
        }
    }
}

impl Reading for BulkAnswer<Item<BulkStatus>> {
    fn reading(&self, out: &mut String) {
        writeln!(out, "id {:?}", self.id()).unwrap();
        for row in &self.payments {
            let status = row.read().and_then(|row| row.status.as_ref());
            let verdict = status.map(|status| if status.is_accepted() { "accepted" } else { "refused" });
            writeln!(out, "{status:?}: {}", verdict.unwrap_or("unknown")).unwrap();
        }
    }
}

impl Reading for LoginAnswer {
    fn reading(&self, out: &mut String) {
        let channel = self.channel.as_ref().and_then(|channel| channel.id.as_ref()).and_then(|id| id.whole());
        let length = self.token.expose_secret().len();
        writeln!(out, "token of {length} characters, channel {channel:?}").unwrap();
    }
}

impl Reading for Processed {
    fn reading(&self, out: &mut String) {
        line(out, "psid", &self.psid, &None::<()>);
        money(out, "amount", &self.amount);
        money(out, "amountAfterDueDate", &self.amount_after_due_date);
        day(out, "dueDate", &self.due_date);
    }
}

fn answer<T: DeserializeOwned>(name: &str) -> T {
    let text = fixture(name);
    let envelope = Envelope::read(&text).unwrap();
    assert_eq!(envelope.code(), Some(200), "{name}");
    envelope.data().unwrap()
}

/// The reading, and that writing it again gives the sample: nothing is lost or changed.
fn check_guide<T: DeserializeOwned + Serialize + Reading>(name: &str) -> String {
    let read: T = answer(&format!("guide/{name}.answer.json"));
    let sample = fixture(&format!("guide/{name}.answer.json"));
    // As text, so that no number passes through a binary float and the order counts.
    assert_eq!(serde_json::to_string(&Envelope::success(&read)).unwrap(), without_white_space(&sample), "{name}");
    reading(&read)
}

/// JSON without the white space between its tokens.
fn without_white_space(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        let kept = in_string || !c.is_whitespace();
        in_string ^= *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        kept
    };
    json.chars().filter(keep).collect()
}

fn reading(value: &impl Reading) -> String {
    let mut out = String::new();
    value.reading(&mut out);
    out
}

#[test]
fn the_guides_answers() {
    insta::assert_snapshot!("guide_login", check_guide::<LoginAnswer>("login"));
    insta::assert_snapshot!("guide_add", check_guide::<AddedPayment>("add"));
    insta::assert_snapshot!("guide_bulk_list", check_guide::<Page<BulkSummary>>("bulk-payment-request"));
    insta::assert_snapshot!("guide_bulk_detail", check_guide::<BulkDetail>("bulk-payment-request-id"));
    insta::assert_snapshot!("guide_payments", check_guide::<Page<ListedPayment>>("payment"));
    insta::assert_snapshot!("guide_payment_by_id", check_guide::<ListedPayment>("payment-id"));
    insta::assert_snapshot!("guide_search", check_guide::<Page<ListedPayment>>("search"));
}

#[test]
fn the_guides_batch_answer() {
    let read: BulkAnswer<Item<BulkStatus>> = answer("guide/add-bulk.answer.json");
    insta::assert_snapshot!("guide_add_bulk", reading(&read));
    // A hub writes the same from the request's rows and its verdicts.
    let rows = ["FS-BSCS-095", " FS-BSME-055", "FS-BSCS-095"];
    let texts = [
        ("Muhammad Mahd Sheikh", "1400", "2025-01-31", "14550"),
        (" Muhammad Aarayz Sheikh", "1300", "2025-01-31", "1350"),
        (" Bareera Sheikh", "1000", "2024-01-31", ""),
    ];
    let rows = rows.iter().zip(texts).map(|(identifier, (title, amount, due_date, after))| BulkRow {
        title: title.into(),
        identifier: (*identifier).into(),
        amount: amount.into(),
        due_date: due_date.into(),
        amount_after_due_date: after.into(),
    });
    let rows: Vec<_> = rows.collect();
    let statuses =
        [RowStatus::accepted(), RowStatus::accepted(), RowStatus::text("amountAfterDueDate cannot be empty or null")];
    let echoes = rows.iter().zip(statuses).map(|(row, status)| BulkEcho { row, status }).collect::<Vec<_>>();
    let written = BulkAnswer { bulk_payment_request_id: read.bulk_payment_request_id, payments: echoes };
    let message = asaanbill_wire::Message::PartlyProcessed.as_str();
    let sample: Value = serde_json::from_str(&fixture("guide/add-bulk.answer.json")).unwrap();
    assert_eq!(serde_json::to_value(Envelope::new(200, message, Some(written))).unwrap(), sample);
}

#[test]
fn the_guides_callbacks() {
    let sample = fixture("guide/processed.callback.json");
    let processed: Processed = serde_json::from_str(&sample).unwrap();
    let value: Value = serde_json::from_str(&sample).unwrap();
    assert_eq!(serde_json::to_value(&processed).unwrap(), value);
    insta::assert_snapshot!("guide_processed", reading(&processed));

    let sample = fixture("guide/bulk-approved.callback.json");
    let approved: BulkApproved = serde_json::from_str(&sample).unwrap();
    assert_eq!(approved, BulkApproved::from(asaanbill_core::BulkRequestId::try_from(29_u64).unwrap()));
    assert_eq!(serde_json::to_value(&approved).unwrap(), serde_json::from_str::<Value>(&sample).unwrap());

    for name in ["processed", "bulk-approved"] {
        let sample = fixture(&format!("guide/{name}.acknowledgement.json"));
        let read = Acknowledgement::read(sample.as_bytes()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::from_str::<Value>(&sample).unwrap());
        assert_eq!(serde_json::to_value(Acknowledgement::received()).unwrap(), serde_json::to_value(&read).unwrap());
    }
}

#[test]
fn odd_answers() {
    insta::assert_snapshot!("odd_listing", reading(&answer::<Page<ListedPayment>>("odd/listing.json")));
    insta::assert_snapshot!("odd_bulk_detail", reading(&answer::<BulkDetail>("odd/bulk-detail-other-spelling.json")));
    insta::assert_snapshot!("odd_empty_list", reading(&answer::<Page<ListedPayment>>("odd/empty-list.json")));
    insta::assert_snapshot!("odd_added", reading(&answer::<AddedPayment>("odd/added-minimal.json")));
    insta::assert_snapshot!("odd_login", reading(&answer::<LoginAnswer>("odd/login-minimal.json")));
    let bulk: BulkAnswer<Item<BulkStatus>> = answer("odd/bulk-answer-odd.json");
    insta::assert_snapshot!("odd_bulk_answer", reading(&bulk));
    let callback: Processed = serde_json::from_str(&fixture("odd/callback-odd.json")).unwrap();
    insta::assert_snapshot!("odd_callback", reading(&callback));
    insta::assert_snapshot!("odd_nulls", reading(&answer::<AddedPayment>("odd/added-with-null-details.json")));
    let bulk: BulkAnswer<Item<BulkStatus>> = answer("odd/bulk-answer-null-rows.json");
    insta::assert_snapshot!("odd_null_rows", reading(&bulk));
    insta::assert_snapshot!("odd_both_totals", reading(&answer::<Page<ListedPayment>>("odd/both-totals.json")));
    let login: LoginAnswer = answer("odd/login-odd-user.json");
    assert!(login.user.is_none() && login.channel.is_some());
}

#[test]
fn errors() {
    let check = |name: &str, code: u16, message: &str| {
        let text = fixture(&format!("odd/{name}.json"));
        let envelope = Envelope::read(&text).unwrap();
        assert_eq!((envelope.code(), envelope.message()), (Some(code), message), "{name}");
    };
    check("error", 403, "Insufficient permissions");
    check("error-without-data", 401, "No valid authentication token provided");
    check("error-under-http-200", 500, "Something went wrong");
    let text = fixture("odd/error.json");
    let error = Envelope::read(&text).unwrap().data::<ListedPayment>().unwrap_err();
    assert_eq!(error.to_string(), "the hub's answer has no data");
    let proxy = Envelope::read(&fixture("odd/proxy-error.html")).map(drop).unwrap_err();
    assert!(proxy.is_not_json());
    assert_eq!(proxy.to_string(), "the hub's answer is not JSON (line 1, column 1)");
    let written = serde_json::to_string(&Envelope::error(403, "Insufficient permissions")).unwrap() + "\n";
    assert_eq!(written, fixture("odd/error.json"));
}

/// Every file in the folders is read by one of the tests above or by those of requests.
#[test]
fn no_fixture_lies_idle() {
    let sources = [include_str!("fixtures.rs"), include_str!("requests.rs")].concat();
    let mut count = 0;
    for folder in ["guide", "odd"] {
        for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let stem = name.split('.').next().unwrap();
            assert!(sources.contains(&format!("\"{stem}")) || sources.contains(&format!("/{stem}.")), "{name}");
            count += 1;
        }
    }
    assert_eq!(count, 32);
}

/// Whatever stands where, nobody is named.
#[test]
fn debug_hides_payers_wherever_they_stand() {
    let payer = r#""Ali Tuck""#;
    let fields =
        ["id", "psid", "amount", "dueDate", "status", "createdAt", "title", "identifier", "qrString", "period"];
    let fields: Vec<_> = fields.iter().map(|name| format!("\"{name}\":{payer}")).collect();
    let data = format!("{{{},\"paymentDetails\":[{{\"name\":{payer}}}]}}", fields.join(","));
    let text = format!("{{\"responseCode\":400,\"responseMessage\":{payer},\"data\":{data}}}");
    let envelope = Envelope::read(&text).unwrap();
    let (added, listed) = (envelope.data::<AddedPayment>().unwrap(), envelope.data::<ListedPayment>().unwrap());
    let row: BulkStatus = serde_json::from_str(&format!("{{\"status\":{payer}}}")).unwrap();
    let shown = format!("{envelope:?}{added:?}{listed:?}{row:?}{:?}", envelope.data::<BulkPayment>().unwrap());
    assert!(!shown.contains("Tuck"), "{shown}");
    assert!(shown.contains("400"), "{shown}");
}

/// Invariant: secrets, payers and bodies never appear in Debug.
#[test]
fn debug_hides_payers_and_tokens() {
    let shown = format!(
        "{:?}{:?}{:?}{:?}{:?}",
        answer::<Page<ListedPayment>>("guide/payment.answer.json"),
        answer::<AddedPayment>("guide/add.answer.json"),
        answer::<BulkDetail>("guide/bulk-payment-request-id.answer.json"),
        answer::<LoginAnswer>("guide/login.answer.json"),
        serde_json::from_str::<Processed>(&fixture("guide/processed.callback.json")).unwrap(),
    );
    for payer in ["Mahd", "Aarayz", "Amaan", "Hamza", "0300537", "FS-BS", "NOh/ca", "000201010211"] {
        assert!(!shown.contains(payer), "{payer} in {shown}");
    }
    assert!(shown.contains("100139100100154854584585") && shown.contains("14550"), "{shown}");
}
