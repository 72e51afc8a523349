//! A server of its own: bounded in connections and in time, and stopped without losing anything.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::accept;
use crate::core::Core;
use crate::metrics::{Event, Refusal};

/// How many connections a server keeps if nothing is said. With a body and hyper's buffers each may take 32 KiB. When they
/// are all there, the one that has had nothing to store for longest is closed for a new one: a hub's call-back is short.
pub const CONNECTIONS_MAX: usize = 1_024;

/// How long a request's head may take. The hub gives up after 5 s.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// The most bytes of a head that are kept. The smallest buffer that hyper takes.
const HEAD_MAX: usize = 8 * 1024;

/// How long a stopping server waits for its connections.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long each connection has to bring its call-back before it may be closed for a newer one. A flood waits to be accepted
/// meanwhile: it must not close a genuine one that it has kept from being read.
const GRACE: Duration = Duration::from_millis(50);

/// How long to wait when no connection can be accepted, as without file descriptors: connections that are closed for it give
/// theirs back meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How many connections fewer there may be then than there were: a system that allows 1,024 descriptors is out of them before
/// [`CONNECTIONS_MAX`] is reached, and the store needs some too.
const SPARED: usize = 32;

/// For how long; then it is tried with more.
const SPARED_FOR: Duration = Duration::from_secs(60);

/// How many connections may wait to be accepted. The system may allow fewer.
const BACKLOG: u32 = 4_096;

/// A listener on which a flood waits rather than those behind it: what finds its queue full comes again after a second.
///
/// # Errors
///
/// If the address can't be bound.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A receiver that is started again needn't wait for its old connections.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

pub(crate) async fn serve(
    core: Arc<Core>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (stopping, stopped) = watch::channel(false);
    let table = Arc::new(Table::default());
    let mut connections = JoinSet::new();
    let (mut most, mut spared_until) = (core.limits.connections, None);
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
                // Most likely all descriptors are in use: what is idle has some.
                most = table.spare();
                spared_until = Some(Instant::now() + SPARED_FOR);
                tracing::error!(%error, most, "no connection can be accepted: there may be fewer for a while");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if core.guard.turns_away(peer) {
            core.metrics.count(Event::Refused(Refusal::Source));
            continue;
        }
        if spared_until.is_some_and(|until| until <= Instant::now()) {
            (most, spared_until) = (core.limits.connections, None);
        }
        let place = loop {
            let wait = match Table::place(&table, most, Instant::now()) {
                Ok(place) => break Some(place),
                Err(wait) => wait,
            };
            tokio::select! {
                () = &mut stop => break None,
                () = tokio::time::sleep(wait) => {}
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
            }
        };
        let Some(place) = place else { break };
        connections.spawn(connection(stream, peer, Arc::clone(&core), place, stopped.clone()));
    }
    drop(listener);
    let _ = stopping.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
        tracing::warn!("connections were closed that did not end");
    }
    Ok(())
}

/// Serves one connection until it ends, has nothing to store when another one needs its place, or the server stops.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    core: Arc<Core>,
    place: Place,
    mut stopped: watch::Receiver<bool>,
) {
    let place = Arc::new(place);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(Arc::clone(&place));
        let core = Arc::clone(&core);
        async move { Ok::<_, Infallible>(accept(&core, request.map(Body::new)).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_MAX).half_close(false);
    // Answers are short: together in one piece they cost less than their parts.
    builder.writev(false);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => return,
        () = place.eviction.bell.notified() => return,
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
    /// How many of them were told to go, and aren't gone.
    leaving: usize,
    next: u64,
    /// By how long they have been idle: the first for longest, and since when.
    idle: BTreeMap<u64, (Arc<Eviction>, Instant)>,
}

/// Tells a connection to go.
#[derive(Default)]
struct Eviction {
    told: AtomicBool,
    bell: Notify,
}

/// A connection's place in the table.
pub(super) struct Place {
    table: Arc<Table>,
    eviction: Arc<Eviction>,
    /// Its place among the idle, while it is.
    idle: Mutex<Option<u64>>,
}

/// While a call-back of a connection is being stored.
pub(super) struct Busy(Arc<Place>);

impl Table {
    /// A place for a new connection. If there is none, one that has been idle for a while is told to go, and it is said how
    /// long to wait at the most.
    fn place(table: &Arc<Self>, most: usize, now: Instant) -> Result<Place, Duration> {
        let mut state = table.state();
        if state.count >= most {
            if state.count - state.leaving >= most {
                // Without an idle one all are busy, which is over soon.
                let (_, since) = state.idle.first_key_value().map(|(_, one)| one).ok_or(GRACE)?;
                let idle_for = now - *since;
                if idle_for < GRACE {
                    return Err(GRACE - idle_for);
                }
                state.evict();
            }
            return Err(GRACE);
        }
        state.count += 1;
        let eviction = Arc::<Eviction>::default();
        let idle = Mutex::new(Some(state.note_idle(&eviction, now)));
        drop(state);
        Ok(Place { table: Arc::clone(table), eviction, idle })
    }

    /// Closes some connections that have been idle for longest. Says how many there may be from now on.
    fn spare(&self) -> usize {
        let mut state = self.state();
        for _ in 0..SPARED {
            state.evict();
        }
        state.count.saturating_sub(SPARED).max(1)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells the one that has been idle for longest to go, if there is one.
    fn evict(&mut self) {
        if let Some((_, (longest, _))) = self.idle.pop_first() {
            longest.told.store(true, Ordering::Relaxed);
            longest.bell.notify_one();
            self.leaving += 1;
        }
    }

    fn note_idle(&mut self, connection: &Arc<Eviction>, now: Instant) -> u64 {
        self.next += 1;
        self.idle.insert(self.next, (Arc::clone(connection), now));
        self.next
    }
}

impl Place {
    /// From now on it isn't closed for another one. What is still to come may never come, and doesn't count.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
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
        // One that was told to go just before goes.
        let stays = !self.0.eviction.told.load(Ordering::Relaxed);
        let idle = stays.then(|| state.note_idle(&self.0.eviction, Instant::now()));
        drop(state);
        *self.0.idle() = idle;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let idle = self.idle().take();
        let mut state = self.table.state();
        state.count -= 1;
        state.leaving -= usize::from(self.eviction.told.load(Ordering::Relaxed));
        if let Some(idle) = idle {
            state.idle.remove(&idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn told(place: &Place) -> bool {
        place.eviction.bell.notified().now_or_never().is_some()
    }

    #[test]
    fn the_longest_idle_makes_room_and_a_busy_one_does_not() {
        let table = Arc::new(Table::default());
        let mut at = Instant::now();
        let mut place = || {
            at += GRACE;
            Table::place(&table, 3, at).map(Arc::new).ok()
        };
        let [first, second, third] = [place(), place(), place()].map(Option::unwrap);
        let busy = first.busy();
        assert!(place().is_none() && place().is_none(), "it isn't gone yet, and no other has to go");
        assert_eq!([&first, &second, &third].map(|place| told(place)), [false, true, false]);
        drop(second);
        let fourth = place().unwrap();
        drop(busy);
        // It was busy last, so it has been idle for the shortest time.
        assert!(place().is_none());
        assert_eq!([&first, &third, &fourth].map(|place| told(place)), [false, true, false]);
        drop(third);
        let fifth = place().unwrap();
        let all_busy = [&first, &fourth, &fifth].map(|place| place.busy());
        assert!(place().is_none());
        drop(all_busy);
        drop((first, fourth, fifth));
        let state = table.state();
        assert_eq!((state.count, state.leaving, state.idle.len()), (0, 0, 0));
    }

    #[test]
    fn each_has_its_time_before_it_makes_room() {
        let table = Arc::new(Table::default());
        let begun = Instant::now();
        let wait = |after: Duration| Table::place(&table, 1, begun + after);
        let first = wait(Duration::ZERO).unwrap();
        assert_eq!(wait(GRACE / 5).err(), Some(GRACE - GRACE / 5));
        assert!(!told(&first));
        assert!(wait(GRACE).is_err() && told(&first));
        drop(first);
        assert!(wait(GRACE).is_ok());
    }

    #[test]
    fn one_that_was_told_to_go_while_it_began_to_store_is_counted_once() {
        let table = Arc::new(Table::default());
        let begun = Instant::now();
        let first = Table::place(&table, 1, begun).map(Arc::new).unwrap();
        assert!(Table::place(&table, 1, begun + GRACE).is_err());
        drop(first.busy());
        drop(first);
        let state = table.state();
        assert_eq!((state.count, state.leaving, state.idle.len()), (0, 0, 0));
    }

    #[test]
    fn without_descriptors_there_may_be_fewer() {
        let table = Arc::new(Table::default());
        let now = Instant::now();
        let places: Vec<_> = (0..100).map(|_| Table::place(&table, 100, now).unwrap()).collect();
        assert_eq!(table.spare(), 100 - SPARED);
        assert_eq!(places.iter().filter(|place| told(place)).count(), SPARED);
    }
}
