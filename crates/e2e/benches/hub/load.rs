//! The load: requests over connections that are kept, each connection sending its next request when it has its answer.

use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::Outcome;
use crate::report::Amount;

/// Threads of the generator: as many as the server has.
const THREADS: usize = 2;

/// How long a round runs before it counts: connections and caches are warm then.
const WARM_UP: Duration = Duration::from_millis(200);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a connection asks for: its nth request, and where it goes.
pub(crate) trait Requests: Send + Sync + 'static {
    /// Where a connection goes.
    fn address(&self, connection: usize) -> SocketAddr;

    /// A connection's nth request.
    fn request(&self, connection: usize, nth: u64) -> Request<Full<Bytes>>;
}

/// What a round showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Answers a second.
    pub(crate) rate: u64,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
    /// All answers, also those that came while it warmed up.
    pub(crate) answers: u64,
}

/// Medians of rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typical {
    pub(crate) rate: Amount,
    pub(crate) median: Amount,
    pub(crate) p99: Amount,
}

impl Typical {
    /// # Panics
    ///
    /// If there were no rounds.
    pub(crate) fn of(rounds: &[Measured]) -> Self {
        let median = |each: fn(&Measured) -> Duration| crate::report::median(rounds.iter().map(each).collect());
        Self {
            rate: Amount::Rate(crate::report::median(rounds.iter().map(|round| round.rate).collect())),
            median: Amount::Time(median(|round| round.median)),
            p99: Amount::Time(median(|round| round.p99)),
        }
    }
}

/// Sends requests over so many connections for so long.
///
/// # Errors
///
/// If a server can't be reached, or answers one request with anything but 200: what is measured would be something else.
pub(crate) fn run(requests: &Arc<impl Requests>, connections: usize, time: Duration) -> Outcome<Measured> {
    let threads = THREADS.min(connections);
    let started = Arc::new(Barrier::new(threads));
    let begin = Instant::now();
    let workers = (0..threads).map(|thread| {
        let (requests, started) = (Arc::clone(requests), Arc::clone(&started));
        let connections = (thread..connections).step_by(threads).collect();
        thread::spawn(move || worker(&requests, connections, time, &started))
    });
    let workers: Vec<_> = workers.collect();
    let mut taken = Vec::new();
    let (mut answers, mut span) = (0, Duration::ZERO);
    for worker in workers {
        let done = worker.join().map_err(|_| "the generator panicked")?.map_err(|error| error.to_string())?;
        answers += done.answers;
        span = span.max(done.span);
        taken.extend(done.taken);
    }
    taken.sort_unstable();
    if taken.is_empty() {
        return Err(format!("no answer in {:?}", begin.elapsed()).into());
    }
    let rate = u128::try_from(taken.len())? * 1_000_000_000 / span.as_nanos().max(1);
    Ok(Measured {
        rate: u64::try_from(rate)?,
        median: taken[taken.len() / 2],
        p99: taken[taken.len() * 99 / 100],
        answers,
    })
}

/// What one thread saw.
struct Seen {
    taken: Vec<Duration>,
    answers: u64,
    /// From the end of the warming up to the last answer.
    span: Duration,
}

fn worker(
    requests: &Arc<impl Requests>,
    connections: Vec<usize>,
    time: Duration,
    started: &Barrier,
) -> Result<Seen, Failure> {
    let runtime = runtime()?;
    let opened = runtime.block_on(async {
        let mut opened = Vec::new();
        for connection in connections {
            opened.push((connection, open(requests.address(connection)).await?));
        }
        Ok::<_, Failure>(opened)
    });
    // The others are waited for also by one that failed.
    started.wait();
    let warm = Instant::now() + WARM_UP;
    let end = warm + time;
    let opened = opened?;
    runtime.block_on(async move {
        let mut tasks = JoinSet::new();
        for (connection, sender) in opened {
            tasks.spawn(converse(Arc::clone(requests), connection, sender, warm, end));
        }
        let mut seen = Seen { taken: Vec::new(), answers: 0, span: Duration::ZERO };
        while let Some(done) = tasks.join_next().await {
            let (taken, answers) = done??;
            seen.taken.extend(taken);
            seen.answers += answers;
        }
        seen.span = warm.elapsed();
        Ok(seen)
    })
}

/// One connection's requests, one after another.
async fn converse(
    requests: Arc<impl Requests>,
    connection: usize,
    mut sender: SendRequest<Full<Bytes>>,
    warm: Instant,
    end: Instant,
) -> Result<(Vec<Duration>, u64), Failure> {
    let (mut taken, mut answers) = (Vec::new(), 0);
    loop {
        let sent = Instant::now();
        if sent >= end {
            return Ok((taken, answers));
        }
        exchange(&mut sender, requests.request(connection, answers)).await?;
        answers += 1;
        if sent >= warm {
            taken.push(sent.elapsed());
        }
    }
}

async fn open(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn exchange(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<Bytes, Failure> {
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    if status == http::StatusCode::OK {
        Ok(body)
    } else {
        Err(format!("answered {status}: {}", String::from_utf8_lossy(&body)).into())
    }
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// One connection, for requests one at a time.
#[derive(Debug)]
pub(crate) struct Line {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
}

impl Line {
    /// Connects.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    pub(crate) fn open(address: SocketAddr) -> Outcome<Self> {
        let runtime = runtime()?;
        let sender = runtime.block_on(open(address)).map_err(|error| format!("{address}: {error}"))?;
        Ok(Self { runtime, sender })
    }

    /// Sends a request, and returns the answer's body and how long it took.
    ///
    /// # Errors
    ///
    /// If it isn't answered with 200.
    pub(crate) fn ask(&mut self, request: Request<Full<Bytes>>) -> Outcome<(Bytes, Duration)> {
        let sent = Instant::now();
        let body = self.runtime.block_on(exchange(&mut self.sender, request)).map_err(|error| error.to_string())?;
        Ok((body, sent.elapsed()))
    }

    /// Asks at intervals until an answer shows what is waited for.
    ///
    /// # Errors
    ///
    /// If it isn't answered with 200, or doesn't show it in time.
    pub(crate) fn ask_until(
        &mut self,
        request: impl Fn() -> Request<Full<Bytes>>,
        (every, within): (Duration, Duration),
        shows: impl Fn(&Bytes) -> Outcome<bool>,
    ) -> Outcome {
        let Self { runtime, sender } = self;
        runtime.block_on(async {
            let shown = async {
                let mut turns = interval(every);
                turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    turns.tick().await;
                    let body = exchange(sender, request()).await.map_err(|error| error.to_string())?;
                    if shows(&body)? {
                        return Ok(());
                    }
                }
            };
            timeout(within, shown).await.unwrap_or_else(|_| Err(format!("not after {within:?}").into()))
        })
    }
}
