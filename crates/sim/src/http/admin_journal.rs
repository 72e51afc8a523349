//! `GET /_sim/journal?after=&limit=&endpoint=&status=`: the requests that came in, oldest first.
//!
//! `after` is the `next` of the page before, 0 at first; `limit` is 100 if nothing is said, at most 1000; `status` is a
//! number, or `none` for requests without an answer. `missed` tells how many entries between `after` and the page are
//! gone, `dropped` how many since the start. Bodies are shown as text; what isn't UTF-8 in them is replaced.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::json;
use crate::Sim;
use crate::endpoint_name::{endpoint_name, endpoint_names, read_endpoint_name};
use crate::journal::{
    PAGE_DEFAULT, PAGE_MAX, Page, RecordedBody, RequestOutcome, RequestRecord, Wanted, WantedOutcome,
};

pub(super) async fn show(State(sim): State<Sim>, RawQuery(query): RawQuery) -> Response {
    let wanted = match read(query.as_deref().unwrap_or_default()) {
        Ok(wanted) => wanted,
        Err(problems) => return json(StatusCode::BAD_REQUEST, &Refused { error: problems.join("; ") }),
    };
    let Page { requests, next, more, missed, dropped } = sim.journal().page(&wanted);
    let requests = requests.iter().map(Shown::of).collect();
    json(StatusCode::OK, &ShownPage { requests, next, more, missed, dropped })
}

fn read(query: &str) -> Result<Wanted, Vec<String>> {
    let mut wanted = Wanted { after: 0, limit: PAGE_DEFAULT, endpoint: None, outcome: None };
    let mut problems = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        // A parameter that is left empty is left out.
        if value.is_empty() {
            continue;
        }
        let right = match &*name {
            "after" => value.parse().map(|after| wanted.after = after).is_ok(),
            "limit" => {
                wanted.limit = value.parse().unwrap_or(0);
                (1..=PAGE_MAX).contains(&wanted.limit)
            }
            "endpoint" => {
                wanted.endpoint = read_endpoint_name(&value);
                wanted.endpoint.is_some()
            }
            "status" => {
                wanted.outcome = match value.parse() {
                    Ok(status) if (100..=599).contains(&status) => Some(WantedOutcome::Status(status)),
                    _ => (value == "none").then_some(WantedOutcome::NoAnswer),
                };
                wanted.outcome.is_some()
            }
            _ => false,
        };
        if !right {
            problems.push(match &*name {
                "after" => "after: allowed: a whole number from 0".to_owned(),
                "limit" => format!("limit: allowed: a whole number from 1 to {PAGE_MAX}"),
                "endpoint" => format!("endpoint: allowed: {}", endpoint_names()),
                "status" => "status: allowed: 100 to 599, or none".to_owned(),
                _ => "unknown parameter; allowed: after, limit, endpoint, status".to_owned(),
            });
        }
    }
    if problems.is_empty() { Ok(wanted) } else { Err(problems) }
}

#[derive(Serialize)]
struct Refused {
    error: String,
}

#[derive(Serialize)]
struct ShownPage<'r> {
    requests: Vec<Shown<'r>>,
    next: u64,
    more: bool,
    missed: u64,
    dropped: u64,
}

#[derive(Serialize)]
struct Shown<'r> {
    id: u64,
    at: String,
    duration_micros: u64,
    method: &'r str,
    path: &'r str,
    endpoint: Option<&'static str>,
    user: Option<&'r str>,
    channel: Option<&'r str>,
    status: Option<u16>,
    outcome: &'static str,
    fault: Option<String>,
    head_truncated: bool,
    headers: Vec<(&'r str, &'r str)>,
    body: ShownBody,
    answer_headers: Vec<(&'r str, &'r str)>,
    answer_body: ShownBody,
}

#[derive(Serialize)]
struct ShownBody {
    text: String,
    length: Option<u64>,
    truncated: bool,
}

impl<'r> Shown<'r> {
    fn of(request: &'r RequestRecord) -> Self {
        Self {
            id: request.id().get(),
            at: request.at().to_string(),
            duration_micros: u64::try_from(request.duration().as_micros()).unwrap_or(u64::MAX),
            method: request.method().as_str(),
            path: request.address(),
            endpoint: request.endpoint().map(endpoint_name),
            user: request.user(),
            channel: request.channel(),
            status: request.status().map(|status| status.as_u16()),
            outcome: match request.outcome() {
                RequestOutcome::Answered(_) => "answered",
                RequestOutcome::Dropped => "dropped",
                RequestOutcome::Abandoned => "abandoned",
            },
            fault: request.fault().map(|fault| fault.to_string()),
            head_truncated: request.is_head_truncated(),
            headers: request.headers().collect(),
            body: ShownBody::of(request.body()),
            answer_headers: request.answer_headers().collect(),
            answer_body: ShownBody::of(request.answer_body()),
        }
    }
}

impl ShownBody {
    fn of(body: RecordedBody<'_>) -> Self {
        let text = String::from_utf8_lossy(body.bytes()).into_owned();
        Self { text, length: body.length(), truncated: body.is_truncated() }
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::journal::WantedOutcome;
    use asaanbill_wire::Endpoint;

    #[test]
    fn what_is_wanted() {
        let wanted =
            read("after=7&limit=1000&endpoint=add-bulk&status=503").unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert_eq!((wanted.after, wanted.limit), (7, 1000));
        assert_eq!((wanted.endpoint, wanted.outcome), (Some(Endpoint::AddBulk), Some(WantedOutcome::Status(503))));
        let none = read("status=none&endpoint=&after=").unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert_eq!((none.endpoint, none.outcome, none.limit), (None, Some(WantedOutcome::NoAnswer), 100));
        let wrong = read("after=-1&limit=1001&endpoint=adds&status=99&x=y").map(drop).unwrap_err();
        assert_eq!(wrong.len(), 5, "{wrong:?}");
        assert_eq!(read("limit=0").map(drop).unwrap_err(), ["limit: allowed: a whole number from 1 to 1000"]);
    }
}
