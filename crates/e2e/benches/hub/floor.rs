//! The floors: what it costs to do what nobody can leave out, by programs that do nothing else.

mod postgres;
mod sqlite;

use std::borrow::Cow;
use std::env;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

pub(crate) use postgres::BarePostgres;
pub(crate) use sqlite::{BareSqlite, fill};

/// The first argument of the process that is a floor.
const ARGUMENT: &str = "floor";

/// Threads that serve: as many as the simulator has.
const THREADS: usize = 2;

/// How many requests may wait for the writer.
const QUEUE_MAX: usize = 4096;

/// A server that answers an added payment.
#[derive(Clone, Debug)]
pub(crate) enum Floor {
    /// Parses and answers. (F1)
    Http,
    /// Stores a row first, in a file. (F1 and F2 joined)
    Sqlite(PathBuf),
    /// Stores a row first, in a database.
    Postgres(String),
}

/// The row of a request, for the table that the simulator keeps payments in.
#[derive(Debug)]
struct Row {
    title: String,
    identifier: String,
    amount: String,
    due_date: String,
    amount_after_due_date: String,
}

/// A row, and who waits for its number.
struct Asked {
    row: Row,
    tell: oneshot::Sender<i64>,
}

/// What the server has.
struct Desk {
    /// None where nothing is stored.
    writer: Option<mpsc::Sender<Asked>>,
    last: AtomicI64,
}

impl Floor {
    /// The floor that this process is to be, if it is one.
    pub(crate) fn asked_for() -> Option<Self> {
        let mut words = env::args().skip(1);
        if words.next()? != ARGUMENT {
            return None;
        }
        match (words.next()?.as_str(), words.next()) {
            ("http", None) => Some(Self::Http),
            ("sqlite", Some(path)) => Some(Self::Sqlite(path.into())),
            ("postgres", Some(url)) => Some(Self::Postgres(url)),
            _ => None,
        }
    }

    /// How a process is told to be it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let (name, place) = match self {
            Self::Http => ("http", None),
            Self::Sqlite(path) => ("sqlite", Some(path.display().to_string())),
            Self::Postgres(url) => ("postgres", Some(url.clone())),
        };
        [ARGUMENT.to_owned(), name.to_owned()].into_iter().chain(place).collect()
    }

    /// Serves until standard input ends.
    pub(crate) fn run(self) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
        match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(self.serve())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                crate::say(&format!("the floor failed: {error}"));
                ExitCode::FAILURE
            }
        }
    }

    async fn serve(self) -> crate::Outcome {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let writer = match self {
            Self::Http => None,
            Self::Sqlite(path) => {
                let connection = sqlite::open(&path)?;
                thread::spawn(move || sqlite::write_groups(connection, queue));
                Some(sender)
            }
            Self::Postgres(url) => {
                let client = postgres::open(&url).await?;
                tokio::spawn(postgres::write_groups(client, queue));
                Some(sender)
            }
        };
        let desk = Arc::new(Desk { writer, last: AtomicI64::new(0) });
        let router = Router::new().route("/integration/add", post(add)).with_state(desk);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        crate::say(&listener.local_addr()?.to_string());
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let (ended, input_ended) = oneshot::channel();
        thread::spawn(move || {
            let _ = io::stdin().read(&mut [0]);
            ended.send(())
        });
        tokio::select! {
            served = axum::serve(listener, router) => Ok(served?),
            _ = input_ended => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    payment: Fields<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    title: Cow<'a, str>,
    #[serde(borrow)]
    identifier: Cow<'a, str>,
    #[serde(borrow)]
    amount: Cow<'a, str>,
    #[serde(borrow)]
    due_date: Cow<'a, str>,
    #[serde(borrow)]
    amount_after_due_date: Cow<'a, str>,
}

/// An answer of the guide's shape and length.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    response_code: u16,
    response_message: &'a str,
    data: Added<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Added<'a> {
    id: i64,
    amount: &'a serde_json::value::RawValue,
    amount_after_due_date: &'a serde_json::value::RawValue,
    identifier: &'a str,
    title: &'a str,
    due_date: &'a str,
    period: (),
    identifier_description: (),
    billed_to_name: (),
    billed_to_address: (),
    billed_to_contact: (),
    psid: &'a str,
    qr_string: &'a str,
    status: &'a str,
    created_at: &'a str,
    updated_at: &'a str,
    payment_details: [(); 0],
}

/// As long as the simulator's codes are.
const QR: &str = "00020101021226590015pk.asaanbill.hub0124100139000000000000000001520400005303586540415005802PK5920Muhammad Mahd Sheikh6007Karachi63041D3A";

const STAMP: &str = "10:22 AM 10-Jan-2025";

async fn add(State(desk): State<Arc<Desk>>, body: Bytes) -> Result<Response<Full<Bytes>>, StatusCode> {
    let text = std::str::from_utf8(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let Request { payment } = serde_json::from_str(text).map_err(|_| StatusCode::BAD_REQUEST)?;
    let id = match &desk.writer {
        None => desk.last.fetch_add(1, Ordering::Relaxed),
        Some(writer) => {
            let (tell, told) = oneshot::channel();
            let asked = Asked { row: Row::of(&payment), tell };
            writer.send(asked).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
            told.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?
        }
    };
    let bytes = answer(id, &payment).map_err(|_| StatusCode::BAD_REQUEST)?;
    let mut response = Response::new(Full::new(bytes.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn answer(id: i64, payment: &Fields<'_>) -> serde_json::Result<Vec<u8>> {
    let Fields { title, identifier, amount, due_date, amount_after_due_date } = payment;
    let data = Added {
        id,
        amount: serde_json::from_str(amount)?,
        amount_after_due_date: serde_json::from_str(amount_after_due_date)?,
        identifier,
        title,
        due_date,
        period: (),
        identifier_description: (),
        billed_to_name: (),
        billed_to_address: (),
        billed_to_contact: (),
        psid: &psid(id),
        qr_string: QR,
        status: "APPROVED",
        created_at: STAMP,
        updated_at: STAMP,
        payment_details: [],
    };
    serde_json::to_vec(&Answer { response_code: 200, response_message: "Request processed successfully", data })
}

/// In sequence, as the simulator hands them out.
fn psid(id: i64) -> String {
    format!("100139{id:018}")
}

impl Row {
    fn of(payment: &Fields<'_>) -> Self {
        let Fields { title, identifier, amount, due_date, amount_after_due_date } = payment;
        Self {
            title: title.to_string(),
            identifier: identifier.to_string(),
            amount: amount.to_string(),
            due_date: due_date.to_string(),
            amount_after_due_date: amount_after_due_date.to_string(),
        }
    }

    /// A row of a batch.
    fn of_batch(number: i64) -> Self {
        Self {
            title: "Muhammad Mahd Sheikh".into(),
            identifier: format!("seed-{:07}-{:06}", number / 5000, number % 5000),
            amount: "1500".into(),
            due_date: "2027-03-28".into(),
            amount_after_due_date: "1550".into(),
        }
    }
}

/// The statements of a schema that make the payments' table and its indexes.
fn payments_only(schema: &str) -> String {
    let lines = schema.lines().filter(|line| !line.trim_start().starts_with("--"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let about_payments = |statement: &&str| statement.contains("CREATE TABLE payments ") || statement.contains(" ON payments ");
    code.split_inclusive(';').filter(about_payments).collect()
}
