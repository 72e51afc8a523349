//! A hub that answers as a script says, and notes what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use asaanbill_client::core::{Fields, NewPayment, PaymentKind};
use asaanbill_client::transport::{AttemptDeadline, Transport, TransportError, from_fn};
use asaanbill_client::{Client, ClientBuilder, RetryPolicy};
use bytes::Bytes;
use http::{Request, Response};

pub(crate) const LOGIN: &str = r#"{"responseCode":200,"responseMessage":"Request processed successfully",
    "data":{"token":"dG9rZW4=","user":{"firstName":"Ali","lastName":"Tuck"},"channel":{"id":23,"name":"Evamp & Saanga"}}}"#;

pub(crate) type Answer = Result<Response<Bytes>, TransportError>;

/// The requests as `METHOD path?query`, with their headers and bodies.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<Vec<Request<Bytes>>>>);

impl Asked {
    pub(crate) fn lines(&self) -> Vec<String> {
        let asked = self.0.lock().unwrap();
        asked.iter().map(|r| format!("{} {}", r.method(), r.uri().path_and_query().unwrap())).collect()
    }

    pub(crate) fn header(&self, request: usize, name: &str) -> String {
        self.0.lock().unwrap()[request].headers()[name].to_str().unwrap().into()
    }

    /// When the attempt ends, if the request says so.
    pub(crate) fn deadline(&self, request: usize) -> Option<AttemptDeadline> {
        self.0.lock().unwrap()[request].extensions().get().copied()
    }

    pub(crate) fn body(&self, request: usize) -> String {
        String::from_utf8(self.0.lock().unwrap()[request].body().to_vec()).unwrap()
    }
}

pub(crate) fn ok(body: &str) -> Answer {
    status(200, body)
}

pub(crate) fn status(status: u16, body: &str) -> Answer {
    answer(status, &[], body)
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    Ok(answer.body(Bytes::from(body.to_owned())).unwrap())
}

/// An error in the hub's envelope.
pub(crate) fn refusal(code: u16, message: &str) -> Answer {
    status(code, &format!(r#"{{"responseCode":{code},"responseMessage":"{message}","data":null}}"#))
}

/// A client whose hub gives these answers, one after another.
pub(crate) fn client(answers: impl IntoIterator<Item = Answer>) -> (Client, Asked) {
    let (transport, asked) = script(answers);
    (builder(transport).retry(RetryPolicy::never()).build().unwrap(), asked)
}

/// As [`client`], with other settings.
pub(crate) fn client_with(
    answers: impl IntoIterator<Item = Answer>,
    set: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> (Client, Asked) {
    let (transport, asked) = script(answers);
    (set(builder(transport)).build().unwrap(), asked)
}

fn builder(transport: impl Transport + 'static) -> ClientBuilder {
    Client::builder().base_url("http://127.0.0.1:1").credentials("demo", "s3cret").transport(transport)
}

fn script(answers: impl IntoIterator<Item = Answer>) -> (impl Transport + 'static, Asked) {
    let asked = Asked::default();
    let (log, answers) = (asked.clone(), Arc::new(Mutex::new(VecDeque::from_iter(answers))));
    let transport = from_fn(move |request: Request<Bytes>| {
        log.0.lock().unwrap().push(request);
        let answer = answers.lock().unwrap().pop_front().expect("no more was to be asked");
        async move { answer }
    });
    (transport, asked)
}

pub(crate) fn bill() -> NewPayment {
    let fields = Fields {
        title: Some("Muhammad Mahd Sheikh"),
        identifier: Some("FS-BSCS-095"),
        amount: Some("50"),
        due_date: Some("2024-03-28"),
        amount_after_due_date: Some("55"),
        ..Fields::default()
    };
    NewPayment::parse(PaymentKind::Psid, &fields).unwrap()
}
