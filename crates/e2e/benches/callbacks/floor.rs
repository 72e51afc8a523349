//! The floor (F3): a bare axum handler, and a bare group-commit insert of the same bytes.

use std::path::Path;
use std::thread;

use asaanbill_storage::rusqlite::{Connection, Result};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// The most bodies of one commit: the receiver's.
const GROUP_MAX: usize = 512;

/// How many requests may wait for the writer.
const QUEUE_MAX: usize = 4096;

/// What acknowledges a call-back. (Guide, Call-back APIs)
const ACKNOWLEDGED: &[u8] = br#"{"responseCode":200,"responseMessage":"Request processed successfully"}"#;

/// A body, and who waits for it to be durable.
type Asked = (Bytes, oneshot::Sender<()>);

/// Serves on a listener, for ever.
pub(super) async fn serve(file: &Path, listener: TcpListener) -> crate::Outcome {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch("CREATE TABLE bodies (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")?;
    let (sender, queue) = mpsc::channel(QUEUE_MAX);
    thread::spawn(move || write_groups(connection, queue));
    let router = Router::new().route("/processed", post(accept)).with_state(sender);
    Ok(axum::serve(listener, router).await?)
}

async fn accept(
    State(writer): State<mpsc::Sender<Asked>>,
    body: Bytes,
) -> std::result::Result<Response<Full<Bytes>>, StatusCode> {
    let (tell, told) = oneshot::channel();
    writer.send((body, tell)).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    told.await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let mut response = Response::new(Full::new(Bytes::from_static(ACKNOWLEDGED)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Commits what waits, as often as something does.
fn write_groups(mut connection: Connection, mut queue: mpsc::Receiver<Asked>) -> Result<()> {
    let mut told = Vec::with_capacity(GROUP_MAX);
    while let Some(first) = queue.blocking_recv() {
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO bodies (body) VALUES (?1)")?;
            let mut next = Some(first);
            while let Some((body, tell)) = next {
                insert.execute([std::str::from_utf8(&body).unwrap_or_default()])?;
                told.push(tell);
                next = if told.len() < GROUP_MAX { queue.try_recv().ok() } else { None };
            }
        }
        transaction.commit()?;
        for tell in told.drain(..) {
            let _ = tell.send(());
        }
    }
    Ok(())
}
