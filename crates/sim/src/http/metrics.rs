//! `/_sim/ready` and `/_sim/metrics`: what a program that watches this one wants to know.

use std::fmt::Write as _;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::json as value;

use super::admin_world::broken;
use super::json;
use crate::Sim;
use crate::store::{Figures, FiguresOf};

/// Whether it can do its work: the store answers.
pub(super) async fn ready(State(sim): State<Sim>) -> Response {
    match sim.engine().look(FiguresOf).await {
        Ok(_) => json(StatusCode::OK, &value!({ "status": "ready" })),
        Err(_) => json(StatusCode::SERVICE_UNAVAILABLE, &value!({ "status": "the store does not answer" })),
    }
}

/// One family of Prometheus' text format.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    /// Labels, with their braces, and values.
    values: Vec<(String, u64)>,
}

pub(super) async fn metrics(State(sim): State<Sim>) -> Response {
    let Figures { payments, open_batches, deliveries } = match sim.engine().look(FiguresOf).await {
        Ok(figures) => figures,
        Err(error) => return broken(error),
    };
    let (requests, dropped) = (sim.journal().numbered(), sim.journal().dropped());
    let now = u64::try_from(sim.clock().now().as_second()).unwrap_or_default();
    let one = |value| vec![(String::new(), value)];
    let by = |label: &str, values: Vec<(String, u64)>| {
        values.into_iter().map(|(of, value)| (format!("{{{label}=\"{of}\"}}"), value)).collect()
    };
    let families = [
        Family {
            name: "asaanbill_sim_requests_total",
            help: "Requests outside /_sim since the start.",
            kind: "counter",
            values: one(requests),
        },
        Family {
            name: "asaanbill_sim_journal_dropped_total",
            help: "Journal entries dropped for room since the start.",
            kind: "counter",
            values: one(dropped),
        },
        Family {
            name: "asaanbill_sim_faults_fired_total",
            help: "Injected faults that fired since the start.",
            kind: "counter",
            values: one(sim.faults().fired_total()),
        },
        Family {
            name: "asaanbill_sim_payments",
            help: "Payments that have a PSID, by channel.",
            kind: "gauge",
            values: by("channel", payments),
        },
        Family {
            name: "asaanbill_sim_open_batches",
            help: "Batches with a step due.",
            kind: "gauge",
            values: one(open_batches),
        },
        Family {
            name: "asaanbill_sim_deliveries",
            help: "Deliveries of call-backs in the outbox, by state.",
            kind: "gauge",
            values: by("state", deliveries),
        },
        Family {
            name: "asaanbill_sim_clock_seconds",
            help: "The simulator's time, in seconds since 1970.",
            kind: "gauge",
            values: one(now),
        },
    ];
    let mut text = String::new();
    for Family { name, help, kind, values } in families {
        // Writing to a String can't fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    }
    let mut response = Response::new(text.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    response
}
