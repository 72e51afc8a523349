//! The whole way: accepted, confirmed with a hub in the process, handled in the inbox's transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::args::Args;
use crate::cluster::Cluster;
use crate::load;
use crate::posts::Posts;
use crate::process::{Running, rate};
use crate::report::{Amount, Bound, Report};

/// Connections that call-backs come over.
const CONNECTIONS: usize = 64;

/// Events that wait when the hub is back: a day's of a large biller.
const BACKLOG: u64 = 100_000;
const BACKLOG_QUICK: u64 = 1_000;

/// The memory by which a backlog may make the receiver grow, in KiB: it is in the inbox, not in the process. Buffers of
/// connections and statements are warm before.
const GROWTH_MAX: u64 = 32 * 1024;

/// How long it may take until the receiver notices that the hub is back: it is left alone for up to 30 seconds at a time.
const NOTICED_WITHIN: Duration = Duration::from_secs(31);

pub(crate) fn on_sqlite(args: &Args, report: &mut Report) -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = format!("sqlite:{}", folder.path().join("inbox.db").display());
    measure(args, report, "SQLite", &store, 4_000)
}

pub(crate) fn on_postgres(args: &Args, report: &mut Report) -> Outcome {
    let Some(cluster) = Cluster::start_or_skip("postgres", report)? else { return Ok(()) };
    measure(args, report, "PostgreSQL", &cluster.database("whole")?, 2_000)
}

fn measure(args: &Args, report: &mut Report, name: &str, store: &str, least: u64) -> Outcome {
    let mut receiver = Running::start("receiver", store)?;
    let posts = Arc::new(Posts::new(receiver.address));
    let time = args.pick(Duration::from_secs(8), Duration::from_millis(200));
    // Warm, and a ledger is there.
    load::run(&posts, CONNECTIONS, time / 8)?;
    receiver.handles(posts.sent())?;

    let (begun, before, cpu) = (Instant::now(), posts.sent(), receiver.cpu()?);
    load::run(&posts, CONNECTIONS, time)?;
    receiver.handles(posts.sent())?;
    let (count, took) = (posts.sent() - before, begun.elapsed());
    let each = (receiver.cpu()? - cpu) / u32::try_from(count)?.max(1);
    report.alone(format!("whole way, {name}: rate"), rate(count, took), Bound::From(Amount::Rate(least)));
    report.alone(format!("whole way, {name}: processor time"), Amount::Time(each), Bound::None);

    receiver.say("away")?;
    let (before, base) = (posts.sent(), receiver.memory()?);
    while posts.sent() - before < args.pick(BACKLOG, BACKLOG_QUICK) {
        load::run(&posts, CONNECTIONS, args.pick(Duration::from_secs(1), Duration::from_millis(50)))?;
    }
    let backlog = posts.sent() - before;
    receiver.forget_peak();
    receiver.say("back")?;
    let back = Instant::now();
    receiver.handles(before + 1)?;
    let noticed = Instant::now();
    let first = receiver.say("handled")?;
    receiver.handles(posts.sent())?;
    let (drained, most) = (rate(posts.sent() - first, noticed.elapsed()), receiver.peak()?);
    let what = |of: &str| format!("{backlog} events after an outage, {name}: {of}");
    report.alone(what("noticed after"), Amount::Time(noticed - back), Bound::Within(Amount::Time(NOTICED_WITHIN)));
    report.alone(what("drained"), drained, Bound::From(Amount::Rate(least)));
    let growth = Amount::KibiBytes(most.saturating_sub(base));
    report.alone(what("memory added"), growth, Bound::Within(Amount::KibiBytes(GROWTH_MAX)));
    report.alone(what("memory"), Amount::KibiBytes(most), Bound::None);
    Ok(())
}
