//! The clock, the history, snapshots and the reset, under `/_sim`.

use std::num::NonZeroU32;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json as value;

use super::admin::refused;
use super::json;
use crate::Sim;
use crate::clock::Course;
use crate::effect::Effect;
use crate::world::{PaymentEvent, WorldError};

/// How many events or call-backs a page has if nothing is said, and at most.
pub(super) const PAGE_DEFAULT: u32 = 100;
pub(super) const PAGE_MAX: u32 = 1_000;

/// What isn't done, as an answer.
pub(super) fn failed(error: &WorldError) -> Response {
    let status = match error {
        WorldError::Store(_) | WorldError::Password => StatusCode::INTERNAL_SERVER_ERROR,
        WorldError::Unknown(_) => StatusCode::NOT_FOUND,
        WorldError::TooLarge => StatusCode::CONFLICT,
        WorldError::Unreadable(_) | WorldError::Name | WorldError::Times | WorldError::Body => StatusCode::BAD_REQUEST,
    };
    refused(status, error)
}

/// A store that failed, as an answer.
pub(super) fn broken(error: asaanbill_storage::StorageError) -> Response {
    failed(&WorldError::Store(error))
}

/// What was done, or why not.
pub(super) fn done(result: Result<(), WorldError>, done: &str) -> Response {
    match result {
        Ok(()) => json(StatusCode::OK, &value!({ "done": done })),
        Err(error) => failed(&error),
    }
}

/// A body's JSON object. What isn't one, or has a member that isn't known, is answered with what is expected.
pub(super) fn read<'b, T: Deserialize<'b>>(body: &'b Bytes, expected: &str) -> Result<T, Box<Response>> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    serde_json::from_str(text).map_err(|error| {
        // The reader's own words may quote a value; its place doesn't.
        let place = format!("line {}, column {}", error.line(), error.column());
        Box::new(refused(StatusCode::BAD_REQUEST, &format!("{place}: expected {expected}")))
    })
}

#[derive(Serialize)]
struct ShownClock {
    now: String,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<u32>,
    /// When something is due next.
    next_due: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effects: Option<Vec<ShownEffect>>,
}

#[derive(Serialize)]
struct ShownEffect {
    at: String,
    what: String,
}

async fn shown_clock(sim: &Sim, effects: Option<Vec<Effect>>) -> Response {
    let next_due = match sim.next_due().await {
        Ok(due) => due.map(|due| due.to_string()),
        Err(error) => return broken(error),
    };
    let (mode, speed) = match sim.clock().course() {
        Course::Real => ("real", None),
        Course::Frozen(_) => ("frozen", None),
        Course::Scaled { speed, .. } => ("scaled", Some(speed.get())),
    };
    let effect = |Effect { at, what }: Effect| ShownEffect { at: at.to_string(), what };
    let effects = effects.map(|effects| effects.into_iter().map(effect).collect());
    json(StatusCode::OK, &ShownClock { now: sim.clock().now().to_string(), mode, speed, next_due, effects })
}

pub(super) async fn clock(State(sim): State<Sim>) -> Response {
    shown_clock(&sim, None).await
}

/// What may be asked of the clock: one of the members, `speed` beside `mode` alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockRequest {
    set: Option<Timestamp>,
    advance_seconds: Option<u32>,
    advance_to: Option<NextDue>,
    mode: Option<Mode>,
    speed: Option<NonZeroU32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum NextDue {
    NextDue,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Real,
    Frozen,
    Scaled,
}

const CLOCK_EXPECTED: &str = r#"one of {"set":"<RFC 3339>"}, {"advance_seconds":N}, {"advance_to":"next_due"}, {"mode":"real"}, {"mode":"frozen"}, {"mode":"scaled","speed":N}"#;

/// Sets the clock, and answers when all that is due by then is done.
pub(super) async fn move_clock(State(sim): State<Sim>, body: Bytes) -> Response {
    let request = match read::<ClockRequest>(&body, CLOCK_EXPECTED) {
        Ok(request) => request,
        Err(response) => return *response,
    };
    let moved = match request {
        ClockRequest { set: Some(at), advance_seconds: None, advance_to: None, mode: None, speed: None } => {
            sim.set_time(at).await
        }
        ClockRequest { set: None, advance_seconds: Some(by), advance_to: None, mode: None, speed: None } => {
            sim.advance(SignedDuration::from_secs(by.into())).await
        }
        ClockRequest {
            set: None,
            advance_seconds: None,
            advance_to: Some(NextDue::NextDue),
            mode: None,
            speed: None,
        } => sim.advance_to_next_due().await,
        ClockRequest { set: None, advance_seconds: None, advance_to: None, mode: Some(mode), speed } => {
            match (mode, speed) {
                (Mode::Real, None) => sim.clock().resume(),
                (Mode::Frozen, None) => sim.clock().freeze(),
                (Mode::Scaled, Some(speed)) => sim.clock().scale(speed),
                _ => return refused(StatusCode::BAD_REQUEST, &format!("expected {CLOCK_EXPECTED}")),
            }
            Ok(Vec::new())
        }
        _ => return refused(StatusCode::BAD_REQUEST, &format!("expected {CLOCK_EXPECTED}")),
    };
    let kept = match moved {
        Ok(effects) => sim.keep_clock().await.map(|()| effects),
        Err(error) => Err(error),
    };
    match kept {
        Ok(effects) => shown_clock(&sim, Some(effects)).await,
        Err(error) => broken(error),
    }
}

/// The query's `after` and `limit`.
pub(super) fn page(query: Option<&str>) -> Result<(Option<i64>, u32), Box<Response>> {
    let (mut after, mut limit, mut problems) = (None, PAGE_DEFAULT, Vec::new());
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "after" => match value.parse::<i64>() {
                Ok(number) if number >= 0 => after = Some(number),
                _ => problems.push("after: allowed: a whole number from 0".to_owned()),
            },
            "limit" => match value.parse::<u32>() {
                Ok(number @ 1..=PAGE_MAX) => limit = number,
                _ => problems.push(format!("limit: allowed: a whole number from 1 to {PAGE_MAX}")),
            },
            _ => problems.push("unknown parameter; allowed: after, limit".to_owned()),
        }
    }
    if problems.is_empty() {
        Ok((after, limit))
    } else {
        Err(Box::new(refused(StatusCode::BAD_REQUEST, &problems.join("; "))))
    }
}

#[derive(Serialize)]
struct ShownEvent {
    number: i64,
    at: String,
    channel: u64,
    payment: Option<u64>,
    bulk_request: Option<u64>,
    request: Option<u64>,
    what: String,
}

fn shown_events(events: Vec<PaymentEvent>) -> Response {
    let shown = events.into_iter().map(|event| ShownEvent {
        number: event.number,
        at: event.at.to_string(),
        channel: event.channel.get(),
        payment: event.payment.map(|id| id.get()),
        bulk_request: event.bulk_request.map(|id| id.get()),
        request: event.request,
        what: event.what,
    });
    json(StatusCode::OK, &value!({ "events": shown.collect::<Vec<_>>() }))
}

/// What happened to payments, oldest first.
pub(super) async fn events(State(sim): State<Sim>, RawQuery(query): RawQuery) -> Response {
    let (after, limit) = match page(query.as_deref()) {
        Ok(page) => page,
        Err(response) => return *response,
    };
    match sim.events(after.unwrap_or(0), limit).await {
        Ok(events) => shown_events(events),
        Err(error) => failed(&error),
    }
}

/// What happened to one payment.
pub(super) async fn history(State(sim): State<Sim>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse() else { return failed(&WorldError::Unknown("payment")) };
    match sim.history(id).await {
        Ok(events) if events.is_empty() => failed(&WorldError::Unknown("payment with a history")),
        Ok(events) => shown_events(events),
        Err(error) => failed(&error),
    }
}

pub(super) async fn reset(State(sim): State<Sim>) -> Response {
    done(sim.reset().await, "reset")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

pub(super) async fn save(State(sim): State<Sim>, body: Bytes) -> Response {
    match read::<Named>(&body, r#"{"name":"…"}"#) {
        Ok(Named { name }) => done(sim.save_snapshot(&name).await, "saved"),
        Err(response) => *response,
    }
}

pub(super) async fn snapshots(State(sim): State<Sim>) -> Response {
    match sim.snapshots().await {
        Ok(saved) => {
            let shown = saved.into_iter().map(|(name, at)| value!({ "name": name, "at": at.to_string() }));
            json(StatusCode::OK, &value!({ "snapshots": shown.collect::<Vec<_>>() }))
        }
        Err(error) => failed(&error),
    }
}

pub(super) async fn restore(State(sim): State<Sim>, Path(name): Path<String>) -> Response {
    done(sim.restore_snapshot(&name).await, "restored")
}

pub(super) async fn forget(State(sim): State<Sim>, Path(name): Path<String>) -> Response {
    done(sim.delete_snapshot(&name).await, "deleted")
}

pub(super) async fn export(State(sim): State<Sim>) -> Response {
    match sim.export().await {
        Ok(document) => {
            let mut response = Response::new(document.into());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => failed(&error),
    }
}

pub(super) async fn import(State(sim): State<Sim>, body: Bytes) -> Response {
    match std::str::from_utf8(&body) {
        Ok(document) => done(sim.import(document).await, "imported"),
        Err(_) => refused(StatusCode::BAD_REQUEST, &"a snapshot is UTF-8"),
    }
}
