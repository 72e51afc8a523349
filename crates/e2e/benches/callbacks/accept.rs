//! Accepting: a durable insert for each call-back, while nothing is confirmed.

use std::sync::Arc;
use std::time::Duration;

use crate::args::Args;
use crate::load::{self, Measured, Typical};
use crate::posts::Posts;
use crate::process::Running;
use crate::report::{Amount, Bound, Report};
use crate::{Outcome, report};

/// Rounds of each measurement; floor and receiver take turns, and medians count.
const ROUNDS: usize = 5;

/// The latency that no call-back of a hundred may exceed: the hub gives up after five seconds.
const P99_MAX: Amount = Amount::Time(Duration::from_millis(50));

/// One of the two, and what its rounds showed.
struct Side {
    running: Running,
    posts: Arc<Posts>,
    rounds: Vec<Measured>,
    cpu: Vec<Duration>,
}

impl Side {
    fn start(what: &str, store: &str) -> Outcome<Self> {
        let running = Running::start(what, store)?;
        let posts = Arc::new(Posts::new(running.address));
        Ok(Self { running, posts, rounds: Vec::new(), cpu: Vec::new() })
    }

    fn round(&mut self, connections: usize, time: Duration) -> Outcome {
        let before = self.running.cpu()?;
        let measured = load::run(&self.posts, connections, time)?;
        let answers = u32::try_from(measured.answers)?.max(1);
        self.cpu.push((self.running.cpu()? - before) / answers);
        self.rounds.push(measured);
        Ok(())
    }

    fn typical(&mut self) -> (Typical, Amount) {
        let typical = Typical::of(&self.rounds);
        let cpu = Amount::Time(report::median(std::mem::take(&mut self.cpu)));
        self.rounds.clear();
        (typical, cpu)
    }
}

pub(crate) fn run(args: &Args, report: &mut Report) -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    let mut floor = Side::start("floor", &file("bare.db"))?;
    let mut ours = Side::start("receiver", &format!("sqlite:{}", file("inbox.db")))?;
    ours.running.say("away")?;
    let time = args.pick(Duration::from_millis(1_500), Duration::from_millis(100));
    for connections in [1, 16, 64] {
        for _ in 0..args.pick(ROUNDS, 1) {
            floor.round(connections, time)?;
            ours.round(connections, time)?;
        }
        let ((bare, bare_cpu), (ours, our_cpu)) = (floor.typical(), ours.typical());
        let what = |of: &str| format!("accept, SQLite, {connections} connections: {of}");
        report.beside(what("rate"), bare.rate, ours.rate, Bound::AtLeast(700));
        let bound = if connections == 64 { Bound::AtMost(2000) } else { Bound::None };
        report.beside(what("p99"), bare.p99, ours.p99, bound);
        if connections == 64 {
            report.alone(what("p99"), ours.p99, Bound::Within(P99_MAX));
        }
        report.beside(what("processor time"), bare_cpu, our_cpu, Bound::None);
    }
    Ok(())
}
