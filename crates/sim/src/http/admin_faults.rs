//! `/_sim/faults`: arming faults, and looking at them.
//!
//! - `POST`: `{"fault":"status","code":503,"endpoint":"add","nth":1,"times":2,"per_mille":50,"seed":7}`. Only `fault` is
//!   required; beside it stand the fault's own parameters. 201 with the armed fault and its `id`, or 400 with all that is
//!   wrong.
//! - `GET`: what is armed, what has fired, and the catalogue.
//! - `DELETE`: disarms all and forgets what has fired. `DELETE /_sim/faults/{id}` disarms one.

use asaanbill_wire::Endpoint;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json as value};

use super::json;
use crate::Sim;
use crate::endpoint_name::{endpoint_name, endpoint_names, read_endpoint_name};
use crate::fault::{
    ArmedFault, FAULT_HEADER, FIRED_MAX, Fault, FaultId, FaultKind, FiredBy, FiredFault, NTH, SHARE, SPECS, TIMES,
};

pub(super) async fn arm(State(sim): State<Sim>, body: Bytes) -> Response {
    let fault = match read(&body) {
        Ok(fault) => fault,
        Err(problems) => return refused(StatusCode::BAD_REQUEST, &problems),
    };
    match sim.faults().arm(fault) {
        Ok(id) => {
            let mut shown = shown(&fault);
            shown.insert("id".to_owned(), id.get().into());
            json(StatusCode::CREATED, &shown)
        }
        Err(error) if error.is_too_many() => refused(StatusCode::CONFLICT, &[error.to_string()]),
        Err(error) => refused(StatusCode::BAD_REQUEST, &[error.to_string()]),
    }
}

pub(super) async fn show(State(sim): State<Sim>) -> Response {
    let faults = sim.faults();
    let (fired, fired_total) = (faults.fired(), faults.fired_total());
    json(
        StatusCode::OK,
        &value!({
            "armed": faults.armed().iter().map(armed).collect::<Vec<_>>(),
            "fired": fired.iter().map(fired_fault).collect::<Vec<_>>(),
            "fired_total": fired_total,
            "fired_kept_max": FIRED_MAX,
            "strict": faults.is_strict(),
            "header": FAULT_HEADER,
            "endpoints": Endpoint::ALL.iter().map(|endpoint| endpoint_name(*endpoint)).collect::<Vec<_>>(),
            "catalogue": catalogue(),
        }),
    )
}

pub(super) async fn clear(State(sim): State<Sim>) -> Response {
    json(StatusCode::OK, &value!({ "disarmed": sim.faults().clear() }))
}

pub(super) async fn disarm(State(sim): State<Sim>, Path(id): Path<String>) -> Response {
    if id.parse().is_ok_and(|id| sim.faults().disarm(FaultId::new(id))) {
        return json(StatusCode::OK, &value!({ "disarmed": 1 }));
    }
    refused(StatusCode::NOT_FOUND, &["no fault of this number is armed".to_owned()])
}

#[derive(Serialize)]
struct Refused {
    error: String,
}

fn refused(status: StatusCode, problems: &[String]) -> Response {
    json(status, &Refused { error: problems.join("; ") })
}

/// The members of a rule that aren't the fault's own.
const RULE_MEMBERS: [&str; 6] = ["fault", "endpoint", "nth", "times", "per_mille", "seed"];

fn read(body: &[u8]) -> Result<Fault, Vec<String>> {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return Err(vec![r#"expected {"fault":"…",…}: see the catalogue of GET /_sim/faults"#.to_owned()]);
    };
    let mut problems = Vec::new();
    let own = members.iter().filter(|(name, _)| !RULE_MEMBERS.contains(&name.as_str()));
    let own = own.map(|(name, value)| (name.as_str(), value.as_u64()));
    let kind = FaultKind::read(members.get("fault").and_then(Value::as_str).unwrap_or_default(), own);
    let kind = kind.map_err(|wrong| problems.extend(wrong.into_iter().map(|wrong| format!("fault: {wrong}")))).ok();

    let endpoint = match members.get("endpoint") {
        None | Some(Value::Null) => None,
        Some(name) => {
            let endpoint = name.as_str().and_then(read_endpoint_name);
            if endpoint.is_none() {
                problems.push(format!("endpoint: allowed: {}; all where it is left out", endpoint_names()));
            }
            endpoint
        }
    };
    let mut number = |name: &str, least: u64, most: u64, problem: &str| match members.get(name) {
        None | Some(Value::Null) => None,
        Some(given) => {
            let number = given.as_u64().filter(|number| (least..=most).contains(number));
            if number.is_none() {
                problems.push(problem.to_owned());
            }
            number
        }
    };
    let nth = number("nth", 1, u64::MAX, NTH);
    let times = number("times", 1, u64::MAX, TIMES);
    let per_mille = number("per_mille", 1, 1000, SHARE);
    let seed = number("seed", 0, u64::MAX, "seed: allowed: a whole number from 0");
    if seed.is_some() && !members.contains_key("per_mille") {
        problems.push("seed: allowed beside per_mille only".to_owned());
    }
    let Some(kind) = kind.filter(|_| problems.is_empty()) else { return Err(problems) };

    let mut fault = Fault::new(kind).nth(nth.unwrap_or(1));
    if let Some(endpoint) = endpoint {
        fault = fault.on(endpoint);
    }
    if let Some(times) = times {
        fault = fault.times(times);
    }
    if let Some(per_mille) = per_mille {
        fault = fault.share(per_mille, seed.unwrap_or_default());
    }
    Ok(fault)
}

/// A fault as it is asked for.
fn shown(fault: &Fault) -> Map<String, Value> {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    put("fault", fault.kind().name().into());
    for (parameter, value) in fault.kind().parameters() {
        put(parameter.name, value.into());
    }
    put("endpoint", fault.endpoint().map(endpoint_name).into());
    put("nth", (fault.skipped() + 1).into());
    put("times", fault.at_most().into());
    if let Some((per_mille, seed)) = fault.shared() {
        put("per_mille", per_mille.into());
        put("seed", seed.into());
    }
    shown
}

fn armed(armed: &ArmedFault) -> Value {
    let mut shown = shown(armed.fault());
    shown.insert("id".to_owned(), armed.id().get().into());
    shown.insert("to_pass".to_owned(), armed.to_pass().into());
    shown.insert("remaining".to_owned(), armed.remaining().into());
    shown.into()
}

fn fired_fault(fired: &FiredFault) -> Value {
    let FiredFault { kind, by, request, endpoint, at } = fired;
    let (by, rule) = match by {
        FiredBy::Rule(id) => ("rule", Some(id.get())),
        FiredBy::Header => ("header", None),
        FiredBy::MagicValue => ("magic-value", None),
    };
    value!({
        "fault": kind.to_string(),
        "by": by,
        "rule": rule,
        "request": request.get(),
        "endpoint": endpoint_name(*endpoint),
        "at": at.to_string(),
    })
}

/// Every fault, with what to write for it in a header or an identifier.
fn catalogue() -> Vec<Value> {
    let entries = SPECS.iter().map(|spec| {
        let parameters = spec.parameters.iter().map(|parameter| {
            value!({
                "name": parameter.name,
                "default": parameter.default,
                "least": parameter.least,
                "most": parameter.most,
            })
        });
        let example = spec.example();
        value!({
            "fault": spec.name,
            "what": spec.what,
            "parameters": parameters.collect::<Vec<_>>(),
            "magic": format!("fault:{example}:…"),
            "header": format!("{FAULT_HEADER}: {example}"),
        })
    });
    entries.collect()
}
