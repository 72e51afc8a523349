//! A server of its own: bounded in connections and in time, and stopped without losing anything.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::router;
use crate::core::Core;
use crate::metrics::{Event, Refusal};

/// How many connections a server keeps if nothing is said. With a body and hyper's buffers each may take 32 KiB. When they
/// are all there, the one that has been idle for longest is closed for a new one: a hub's call-back is short.
pub const CONNECTIONS_MAX: usize = 1_024;

/// How long a request's head may take. The hub gives up after 5 s.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// The most bytes of a head that are kept. The smallest buffer that hyper takes.
const HEAD_MAX: usize = 8 * 1024;

/// How long a stopping server waits for its connections.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait when no connection can be accepted, as without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(crate) async fn serve(
    core: Arc<Core>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (stopping, stopped) = watch::channel(false);
    let table = Arc::new(Table::default());
    let app = router(Arc::clone(&core));
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if core.guard.turns_away(peer) {
            core.metrics.count(Event::Refused(Refusal::Source));
            continue;
        }
        let Some(place) = Table::place(&table, core.limits.connections) else {
            core.metrics.count(Event::Refused(Refusal::Full));
            continue;
        };
        connections.spawn(connection(stream, peer, app.clone(), place, stopped.clone()));
    }
    drop(listener);
    let _ = stopping.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
        tracing::warn!("connections were closed that did not end");
    }
    Ok(())
}

/// Serves one connection until it ends, is idle when another one needs its place, or the server stops.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    place: Place,
    mut stopped: watch::Receiver<bool>,
) {
    let place = Arc::new(place);
    let service = service_fn(|mut request: Request<Incoming>| {
        let app = app.clone();
        let busy = place.busy();
        request.extensions_mut().insert(ConnectInfo(peer));
        async move {
            let response = app.oneshot(request.map(Body::new)).await;
            drop(busy);
            response.map_err(|never: Infallible| never)
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_MAX).half_close(false);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => return,
        () = place.evicted.notified() => return,
        _ = stopped.wait_for(|stopped| *stopped) => serving.as_mut().graceful_shutdown(),
    }
    // What was accepted is answered.
    let _ = serving.await;
}

/// A connection that broke before it was accepted says nothing about the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The connections that there are, and which of them are idle.
#[derive(Default)]
struct Table(Mutex<State>);

#[derive(Default)]
struct State {
    count: usize,
    next: u64,
    /// By how long they have been idle: the first for longest.
    idle: BTreeMap<u64, Arc<Notify>>,
}

/// A connection's place in the table.
struct Place {
    table: Arc<Table>,
    evicted: Arc<Notify>,
    /// Its place among the idle, while it is.
    idle: Mutex<Option<u64>>,
}

/// While a request of a connection is being answered.
struct Busy(Arc<Place>);

impl Table {
    /// A place for a new connection, if need be that of one that is idle. None if all are busy.
    fn place(table: &Arc<Self>, most: usize) -> Option<Place> {
        let mut state = table.state();
        if state.count >= most {
            let (_, longest) = state.idle.pop_first()?;
            longest.notify_one();
        }
        state.count += 1;
        let evicted = Arc::new(Notify::new());
        let idle = Mutex::new(Some(state.note_idle(&evicted)));
        drop(state);
        Some(Place { table: Arc::clone(table), evicted, idle })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_idle(&mut self, connection: &Arc<Notify>) -> u64 {
        self.next += 1;
        self.idle.insert(self.next, Arc::clone(connection));
        self.next
    }
}

impl Place {
    fn busy(self: &Arc<Self>) -> Busy {
        if let Some(idle) = self.idle().take() {
            self.table.state().idle.remove(&idle);
        }
        Busy(Arc::clone(self))
    }

    fn idle(&self) -> MutexGuard<'_, Option<u64>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.table.state();
        let idle = state.note_idle(&self.0.evicted);
        drop(state);
        *self.0.idle() = Some(idle);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let idle = self.idle().take();
        let mut state = self.table.state();
        state.count -= 1;
        if let Some(idle) = idle {
            state.idle.remove(&idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn the_longest_idle_makes_room_and_a_busy_one_does_not() {
        let table = Arc::new(Table::default());
        let place = || Table::place(&table, 3).map(Arc::new);
        let [first, second, third] = [place(), place(), place()].map(Option::unwrap);
        let evicted = |place: &Arc<Place>| place.evicted.notified().now_or_never().is_some();
        let busy = first.busy();
        let fourth = place().unwrap();
        assert_eq!([&first, &second, &third, &fourth].map(evicted), [false, true, false, false]);
        drop(second);
        drop(busy);
        // It was busy last, so it has been idle for the shortest time.
        let fifth = place().unwrap();
        assert_eq!([&first, &third, &fourth].map(evicted), [false, true, false]);
        drop(third);
        let all_busy = [&first, &fourth, &fifth].map(|place| place.busy());
        assert!(place().is_none());
        drop(all_busy);
        drop((first, fourth, fifth));
        let state = table.state();
        assert_eq!((state.count, state.idle.len()), (0, 0));
    }
}
