//! Exports the client's spans as OTLP in JSON, one line each, which the OpenTelemetry Collector's `otlpjsonfile` receiver
//! reads. A program that has `tracing-opentelemetry` needs none of this: the spans' fields are named for it.
//!
//! `ASAANBILL_URL=… ASAANBILL_USERNAME=… ASAANBILL_PASSWORD=… cargo run --example trace > spans.jsonl`

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "an example talks, and a program has a clock")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use asaanbill_client::{Client, PageRequest, STAGING};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Prints each span when it ends.
#[derive(Default)]
struct Exporter {
    last: AtomicU64,
    open: Mutex<HashMap<u64, Span>>,
}

struct Span {
    handles: usize,
    parent: Option<u64>,
    trace: u64,
    name: String,
    start: u128,
    attributes: Vec<Value>,
}

thread_local! {
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

fn now() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

impl Visit for Span {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "otel.name" => self.name = value.to_owned(),
            name => self.attributes.push(json!({"key": name, "value": {"stringValue": value}})),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.attributes.push(json!({"key": field.name(), "value": {"intValue": value.to_string()}}));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl Subscriber for Exporter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("asaanbill")
    }

    fn new_span(&self, new: &Attributes<'_>) -> Id {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let parent = ENTERED.with_borrow(|entered| entered.last().copied());
        let Ok(mut open) = self.open.lock() else { return Id::from_u64(id) };
        let trace = parent.and_then(|parent| open.get(&parent)).map_or(id, |parent| parent.trace);
        let name = new.metadata().name().to_owned();
        let mut span = Span { handles: 1, parent, trace, name, start: now(), attributes: Vec::new() };
        new.record(&mut span);
        open.insert(id, span);
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        if let Ok(mut open) = self.open.lock()
            && let Some(span) = open.get_mut(&span.into_u64())
        {
            values.record(span);
        }
    }

    fn clone_span(&self, span: &Id) -> Id {
        if let Ok(mut open) = self.open.lock()
            && let Some(span) = open.get_mut(&span.into_u64())
        {
            span.handles += 1;
        }
        span.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let Ok(mut open) = self.open.lock() else { return false };
        let Some(span) = open.get_mut(&id.into_u64()) else { return false };
        span.handles -= 1;
        if span.handles > 0 {
            return false;
        }
        if let Some(Span { parent, trace, name, start, attributes, .. }) = open.remove(&id.into_u64()) {
            let span = json!({
                "traceId": format!("{trace:032x}"),
                "spanId": format!("{:016x}", id.into_u64()),
                "parentSpanId": parent.map(|parent| format!("{parent:016x}")).unwrap_or_default(),
                "name": name,
                "startTimeUnixNano": start.to_string(),
                "endTimeUnixNano": now().to_string(),
                "attributes": attributes,
            });
            let service = json!({"key": "service.name", "value": {"stringValue": "asaanbill-example"}});
            let scope = json!({"scope": {"name": "asaanbill-client"}, "spans": [span]});
            println!("{}", json!({"resourceSpans": [{"resource": {"attributes": [service]}, "scopeSpans": [scope]}]}));
        }
        true
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, _: &Id) {
        ENTERED.with_borrow_mut(Vec::pop);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing::subscriber::set_global_default(Exporter::default())?;
    let setting = |name: &str| std::env::var(name);
    let client = Client::builder()
        .base_url(setting("ASAANBILL_URL").unwrap_or_else(|_| STAGING.into()))
        .credentials(setting("ASAANBILL_USERNAME")?, setting("ASAANBILL_PASSWORD")?)
        .build()?;
    client.payments(PageRequest::default()).await?;
    Ok(())
}
