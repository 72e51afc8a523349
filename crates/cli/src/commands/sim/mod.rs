//! `asaanbill sim`: a simulator of the hub, until it is told to stop.

mod args;
mod plan;
mod ready;
mod store;
mod user;

use std::error::Error;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use asaanbill_sim::STOP_PATIENCE;
use tokio::net::TcpListener;

use crate::exit_code;

pub(crate) use self::args::SimArgs;
pub(crate) use self::plan::Plan;
use self::ready::ReadyFile;

/// Why it can't start or go on.
#[derive(Debug)]
struct Failure {
    what: String,
    source: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

fn failure<E: Into<Box<dyn Error + Send + Sync>>>(what: impl Into<String>) -> impl FnOnce(E) -> Failure {
    let what = what.into();
    move |error| Failure { what, source: error.into() }
}

/// Runs the simulator.
pub(crate) async fn run(plan: Plan) -> ExitCode {
    match serve(plan).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => exit_code::failed(&failure),
    }
}

async fn serve(plan: Plan) -> Result<(), Failure> {
    let Plan { listen, store, builder, login, ready_file, tls, certificate, threads: _ } = plan;
    // Before anything else: a signal that comes while it starts must not be lost, nor kill it half way.
    let stop = stop().map_err(failure("listening for signals"))?;
    if let Some(path) = &ready_file {
        ReadyFile::clear(path).map_err(failure(format!("the ready file {} can't be removed", path.display())))?;
    }
    if let asaanbill_sim::StoreAddress::Sqlite(path) = &store {
        store::make_folder(path)
            .map_err(failure(format!("the folder of {} can't be made; give another --store", path.display())))?;
    }
    let listener = TcpListener::bind(listen)
        .await
        .map_err(failure(format!("{listen} can't be listened on; free it or give another")))?;
    let address = listener.local_addr().map_err(failure("the listener has no address"))?;
    let sim = builder.build().await.map_err(failure(format!("the simulator can't start on {store}")))?;
    // Whoever connects from now on is answered: the listener listens already.
    let _ready = match &ready_file {
        None => None,
        Some(path) => {
            let written = ReadyFile::write(path, address);
            Some(written.map_err(failure(format!("the ready file {} can't be written", path.display())))?)
        }
    };
    let (user, password) = &login;
    let line =
        ready::line(address, &store.to_string(), (user, *password), certificate.as_deref().filter(|_| tls.is_some()));
    // Who closed standard output wants no line, and still a simulator.
    let _ = writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush());
    let stopped = Arc::new(OnceLock::new());
    let noted = Arc::clone(&stopped);
    let stop = async move {
        stop.await;
        noted.get_or_init(Instant::now);
    };
    let served = match tls {
        None => sim.serve(listener, stop).await,
        Some(tls) => sim.serve_tls(listener, tls, stop).await,
    };
    // Call-backs have what requests have left of it.
    let spent = stopped.get().map_or(Duration::ZERO, Instant::elapsed);
    sim.finish_callbacks(STOP_PATIENCE.saturating_sub(spent)).await;
    served.map_err(failure("serving"))
}

/// Resolves when the program is told to stop.
#[cfg(unix)]
fn stop() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Resolves when the program is told to stop.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same shape as where signals have to be asked for")]
fn stop() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        // Where it can't be heard, the system's own way of ending a program remains.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
