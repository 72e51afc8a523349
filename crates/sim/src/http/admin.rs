//! The simulator's own pages: what a hub doesn't have.

use std::borrow::Cow;
use std::fmt::Display;

use asaanbill_core::{Amount, Psid};
use asaanbill_wire::ListedPayment;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::json;
use crate::Sim;
use crate::bank::BankError;
use crate::code::qr_string;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

pub(super) async fn health() -> Response {
    json(StatusCode::OK, &Health { status: "ok" })
}

/// What is set, and what could be.
pub(super) async fn settings(State(sim): State<Sim>) -> Response {
    json(StatusCode::OK, &sim.settings().settings.shown())
}

#[derive(Deserialize)]
struct PayRequest<'a> {
    #[serde(borrow)]
    psid: Cow<'a, str>,
    #[serde(borrow)]
    amount: Cow<'a, str>,
    #[serde(borrow)]
    reference: Cow<'a, str>,
}

#[derive(Serialize)]
struct Refused {
    error: String,
}

/// Every refusal of the simulator's own pages: `{"error":"…"}`.
pub(super) fn refused(status: StatusCode, error: &dyn Display) -> Response {
    json(status, &Refused { error: error.to_string() })
}

/// Pays as a bank would: 200 with the paid record, also for a repeat of the same reference; 409 with the reason.
pub(super) async fn pay(State(sim): State<Sim>, body: Bytes) -> Response {
    let request = std::str::from_utf8(&body).ok().and_then(|text| serde_json::from_str::<PayRequest<'_>>(text).ok());
    let Some(PayRequest { psid, amount, reference }) = request else {
        return refused(StatusCode::BAD_REQUEST, &r#"expected {"psid":"…","amount":"…","reference":"…"}"#);
    };
    let (psid, amount) = match (psid.parse::<Psid>(), amount.parse::<Amount>()) {
        (Ok(psid), Ok(amount)) => (psid, amount),
        (psid, amount) => {
            let problems = [psid.err(), amount.err()].into_iter().flatten().map(|error| error.to_string());
            return refused(StatusCode::BAD_REQUEST, &problems.collect::<Vec<_>>().join("; "));
        }
    };
    match sim.bank().pay(psid, amount, &reference).await {
        Ok(paid) => json(StatusCode::OK, &ListedPayment::new(paid.payment(), &qr_string(paid.payment()))),
        Err(error @ BankError::Reference) => refused(StatusCode::BAD_REQUEST, &error),
        Err(error @ BankError::UnknownPsid) => refused(StatusCode::NOT_FOUND, &error),
        Err(error @ BankError::Store) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error),
        Err(error) => refused(StatusCode::CONFLICT, &error),
    }
}
