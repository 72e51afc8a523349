//! A hub in memory: a test writes its records and asks what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use asaanbill_client::Client;
use asaanbill_core::KARACHI;
use asaanbill_transport::{ErrorKind, TransportError, from_fn};
use axum::body::Bytes;
use http::{Request, Response};
use jiff::Timestamp;

pub(crate) const USERNAME: &str = "demo";
pub(crate) const PASSWORD: &str = "s3cret";

/// Who is billed, in every record.
pub(crate) const TITLE: &str = "Bareera Sheikh";
pub(crate) const IDENTIFIER: &str = "FS-BSCS-095";
pub(crate) const CONTACT: &str = "03005372672";

/// What the hub shows for when a bill was paid that wasn't. (Guide, Get List of All Payments)
const NEVER: &str = "N/A";

const LOGIN: &str =
    r#"{"token":"dG9rZW4=","user":{"firstName":"Ali","lastName":"Tuck"},"channel":{"id":23,"name":"Evamp & Saanga"}}"#;

/// Cheap to clone; clones are the same hub.
#[derive(Clone, Default)]
pub(crate) struct Hub(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    records: Vec<Record>,
    batches: HashMap<u64, Vec<Record>>,
    asked: Vec<String>,
    mood: Mood,
    /// Paths that don't get their answer, whatever the mood.
    odd: HashMap<String, Mood>,
    /// The most elements of a page.
    page_max: Option<usize>,
    /// One more element, first in each page of a search.
    extra: Option<String>,
    /// How often a record was changed.
    changes: u64,
}

/// How the hub answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// Nobody is there.
    Unreachable,
    /// Answers are lost.
    Silent,
    /// Answers never come.
    Hanging,
    /// It fails.
    Failing,
    /// It knows nothing.
    Forgetful,
    /// The user may not.
    Forbidding,
    /// Whoever sends requests has a bug.
    Panicking,
}

#[derive(Clone)]
pub(crate) struct Record {
    id: String,
    psid: String,
    amount: Option<String>,
    after: Option<String>,
    status: String,
    paid_at: String,
    /// Which change of the hub's was its last.
    changed: u64,
}

impl Hub {
    /// A client that asks this hub.
    pub(crate) fn client(&self) -> Client {
        let hub = self.clone();
        let transport = from_fn(move |request: Request<Bytes>| {
            let hub = hub.clone();
            async move { hub.answer(&request).await }
        });
        let client = Client::builder().base_url("http://127.0.0.1:1").credentials(USERNAME, PASSWORD);
        client.transport(transport).build().unwrap()
    }

    /// An unpaid bill; its record's number.
    pub(crate) fn bill(&self, psid: &str, amount: &str, after: &str) -> u64 {
        self.add(psid, Some(amount), Some(after), "APPROVED")
    }

    /// An open QR code.
    pub(crate) fn template(&self, psid: &str) -> u64 {
        self.add(psid, None, None, "APPROVED")
    }

    /// A payment on an open QR code is a record of its own.
    pub(crate) fn scan(&self, psid: &str, amount: &str) -> u64 {
        self.add(psid, Some(amount), None, "PROCESSED")
    }

    pub(crate) fn add(&self, psid: &str, amount: Option<&str>, after: Option<&str>, status: &str) -> u64 {
        let mut state = self.state();
        let id = state.records.len() as u64 + 1;
        let changed = state.change();
        let text = |text: &str| text.to_owned();
        let record = Record {
            id: id.to_string(),
            psid: psid.into(),
            amount: amount.map(text),
            after: after.map(text),
            status: status.into(),
            paid_at: NEVER.into(),
            changed,
        };
        state.records.push(record);
        id
    }

    pub(crate) fn pay(&self, id: u64) {
        self.set_status(id, "PROCESSED");
    }

    /// The hub says when, to the minute.
    pub(crate) fn pay_at(&self, id: u64, at: Timestamp) {
        self.set_status(id, "PROCESSED");
        let shown = KARACHI.to_datetime(at).strftime("%I:%M%p %d-%b-%Y").to_string();
        self.state().records[usize::try_from(id).unwrap() - 1].paid_at = shown;
    }

    pub(crate) fn set_status(&self, id: u64, status: &str) {
        let mut state = self.state();
        let changed = state.change();
        let record = &mut state.records[usize::try_from(id).unwrap() - 1];
        status.clone_into(&mut record.status);
        record.changed = changed;
    }

    /// Makes a record's number something else.
    pub(crate) fn set_id(&self, id: u64, shown: &str) {
        self.state().records[usize::try_from(id).unwrap() - 1].id = shown.into();
    }

    /// A batch of payments, each as its PSID, or nothing, and its status.
    pub(crate) fn batch(&self, id: u64, payments: &[(&str, &str)]) {
        let payments = payments.iter().enumerate().map(|(row, (psid, status))| Record {
            id: (1000 + row).to_string(),
            psid: (*psid).into(),
            amount: Some("50".into()),
            after: Some("55".into()),
            status: (*status).into(),
            paid_at: NEVER.into(),
            changed: 0,
        });
        self.state().batches.insert(id, payments.collect());
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// How the hub answers requests for one path after its base, such as `/search/…`.
    pub(crate) fn set_mood_for(&self, path: &str, mood: Mood) {
        self.state().odd.insert(path.into(), mood);
    }

    pub(crate) fn set_page_max(&self, max: usize) {
        self.state().page_max = Some(max);
    }

    pub(crate) fn set_extra(&self, element: Option<&str>) {
        self.state().extra = element.map(Into::into);
    }

    /// How often a path was asked for that begins like this.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.state().asked.iter().filter(|asked| asked.starts_with(path)).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) async fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let path = request.uri().path().strip_prefix("/integration").unwrap();
        let mood = {
            let mut state = self.state();
            state.asked.push(path.into());
            state.odd.get(path).copied().unwrap_or(state.mood)
        };
        let (status, data) = match mood {
            Mood::Well => self.data(path, request.uri().query().unwrap_or_default()),
            Mood::Unreachable => return Err(TransportError::not_sent(ErrorKind::Connect)),
            Mood::Silent => return Err(TransportError::unknown(ErrorKind::Closed)),
            Mood::Hanging => std::future::pending().await,
            Mood::Failing => (500, "null".into()),
            Mood::Forgetful => (404, "null".into()),
            Mood::Forbidding => (403, "null".into()),
            Mood::Panicking => panic!("the transport has a bug"),
        };
        let body = format!(r#"{{"responseCode":{status},"responseMessage":"so it is","data":{data}}}"#);
        Ok(Response::builder().status(status).body(body.into()).unwrap())
    }

    fn data(&self, path: &str, query: &str) -> (u16, String) {
        let state = self.state();
        let found = |record: Option<String>| record.map_or((404, "null".into()), |record| (200, record));
        if path == "/login" {
            return (200, LOGIN.into());
        }
        if let Some(psid) = path.strip_prefix("/search/") {
            let all = state.records.iter().rev().filter(|record| record.psid == psid).collect();
            return (200, state.page(all, query));
        }
        if path == "/payment" {
            let mut all: Vec<_> = state.records.iter().collect();
            all.sort_by_key(|record| std::cmp::Reverse(record.changed));
            return (200, state.page(all, query));
        }
        if let Some(id) = path.strip_prefix("/payment/") {
            // By where it is, not by the number that it shows.
            let index = id.parse::<usize>().unwrap() - 1;
            return found(state.records.get(index).map(Record::json));
        }
        let id = path.strip_prefix("/bulk-payment-request/").expect("a path that the client may ask for");
        found(state.batches.get(&id.parse().unwrap()).map(|payments| {
            let payments: Vec<_> = payments.iter().map(Record::json).collect();
            let content = payments.join(",");
            format!(r#"{{"bulkPaymentRequestId":{id},"status":"X","payments":{{"content":[{content}]}}}}"#)
        }))
    }
}

impl State {
    fn change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    /// One page of them.
    fn page(&self, all: Vec<&Record>, query: &str) -> String {
        let value = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap();
            pair.parse::<usize>().unwrap()
        };
        let size = value("pageSize=").min(self.page_max.unwrap_or(usize::MAX));
        let all: Vec<_> = all.into_iter().map(Record::json).collect();
        let start = value("pageNo=") * size;
        let page = all.iter().skip(start).take(size).cloned();
        let content: Vec<_> = self.extra.iter().cloned().chain(page).collect();
        let (content, last) = (content.join(","), start + size >= all.len());
        format!(r#"{{"totalElements":{},"isLast":{last},"content":[{content}]}}"#, all.len())
    }
}

impl Record {
    fn json(&self) -> String {
        let Self { id, psid, amount, after, status, paid_at, changed: _ } = self;
        let text = |text: &Option<String>| text.as_ref().map_or("null".into(), |text| format!(r#""{text}""#));
        let psid = if psid.is_empty() { "null".into() } else { format!(r#""{psid}""#) };
        format!(
            r#"{{"id":"{id}","title":"{TITLE}","identifier":"{IDENTIFIER}","amount":{},"dueDate":"2025-08-31",
                "amountAfterDueDate":{},"billedToName":"{TITLE}","billedToContact":"{CONTACT}","psid":{psid},
                "qrString":"000201","status":"{status}","createdAt":"08:49AM 31-Jul-2025","paidAt":"{paid_at}"}}"#,
            text(amount),
            text(after),
        )
    }
}
