//! The simulator inside a test: no socket, in memory.

use std::time::{Duration, Instant};

use asaanbill_sim::Sim;
use asaanbill_transport::Transport as _;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;

use crate::hub::Hub;
use crate::report::{Amount, Bound, Report, median};
use crate::{Bench, Outcome};

/// Built within this time.
const BUILT: Bound = Bound::Within(Amount::Time(Duration::from_millis(5)));

/// A payment is added within this time.
const ADDED: Bound = Bound::Within(Amount::Time(Duration::from_micros(40)));

const BUILDS: usize = 31;
const BUILDS_QUICK: usize = 3;
const ADDS: usize = 20_000;
const ADDS_QUICK: usize = 500;

pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Outcome {
    // As a test has it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (builds, adds) = if bench.args.quick { (BUILDS_QUICK, ADDS_QUICK) } else { (BUILDS, ADDS) };
        let mut times = Vec::new();
        for _ in 0..builds {
            let begin = Instant::now();
            Sim::builder().build().await?;
            times.push(begin.elapsed());
        }
        report.alone("in process: built", Amount::Time(median(times)), BUILT);
        let times = added(adds).await?;
        report.alone("in process, in memory: add", Amount::Time(median(times)), ADDED);
        Ok(())
    })
}

async fn added(adds: usize) -> Outcome<Vec<Duration>> {
    let sim = Sim::builder().build().await?;
    let transport = sim.transport();
    let any = Hub::open(([127, 0, 0, 1], 80).into())?;
    let answer = transport.send(whole(any.login()).await?).await?;
    let hub = any.with_token_of(answer.body())?;
    let mut times = Vec::new();
    for nth in 0..adds {
        let request = whole(hub.add(&format!("in-process-{nth:07}"))).await?;
        let begin = Instant::now();
        let answer = transport.send(request).await?;
        times.push(begin.elapsed());
        if answer.status() != http::StatusCode::OK {
            return Err(format!("answered {}", answer.status()).into());
        }
    }
    Ok(times)
}

/// The same request with its body as bytes.
async fn whole(request: Request<http_body_util::Full<Bytes>>) -> Outcome<Request<Bytes>> {
    let (head, body) = request.into_parts();
    Ok(Request::from_parts(head, body.collect().await?.to_bytes()))
}
