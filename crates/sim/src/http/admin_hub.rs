//! The hub's users, channels, batches and call-backs, under `/_sim`.

use asaanbill_core::{BulkRequestId, ChannelId};
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json as value;

use super::admin::refused;
use super::admin_world::{broken, done, failed, page, read};
use super::json;
use crate::Sim;
use crate::builder::{Role, User};
use crate::store::{Access, BulkDetail};
use crate::world::{ShownAttempt, ShownCallback, WorldError};

pub(super) async fn users(State(sim): State<Sim>) -> Response {
    match sim.users().await {
        Ok(users) => {
            let shown = users.into_iter().map(|access| {
                let Access { user, channel, channel_name: _, may_add, may_read } = access;
                value!({ "name": user, "channel": channel.get(), "may_add": may_add, "may_read": may_read })
            });
            json(StatusCode::OK, &value!({ "users": shown.collect::<Vec<_>>() }))
        }
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserRequest {
    name: String,
    password: SecretText,
    channel: u64,
    role: Role,
}

/// A password, which nothing shows.
#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretText(SecretString);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

const USER_EXPECTED: &str = r#"{"name":"…","password":"…","channel":N,"role":"full" or another role}"#;

/// The most characters of a user's name: it is a header's value.
const NAME_MAX_CHARS: usize = 128;

pub(super) async fn put_user(State(sim): State<Sim>, body: Bytes) -> Response {
    let UserRequest { name, password, channel, role } = match read(&body, USER_EXPECTED) {
        Ok(request) => request,
        Err(response) => return *response,
    };
    let mut problems = Vec::new();
    if name.is_empty() || name.len() > NAME_MAX_CHARS || !name.bytes().all(|b| b.is_ascii_graphic()) {
        problems.push(format!("name: allowed: 1 to {NAME_MAX_CHARS} ASCII characters without spaces"));
    }
    let channel = ChannelId::try_from(channel).map_err(|_| problems.push("channel: allowed: a number from 1".into()));
    match channel {
        Ok(channel) if problems.is_empty() => {
            done(sim.put_user(User::new(name, password.0, channel, role)).await, "stored")
        }
        _ => refused(StatusCode::BAD_REQUEST, &problems.join("; ")),
    }
}

pub(super) async fn remove_user(State(sim): State<Sim>, Path(name): Path<String>) -> Response {
    done(sim.remove_user(&name).await, "removed")
}

pub(super) async fn revoke(State(sim): State<Sim>, Path(name): Path<String>) -> Response {
    match sim.revoke_tokens(&name).await {
        Ok(tokens) => json(StatusCode::OK, &value!({ "revoked": tokens })),
        Err(error) => failed(&error),
    }
}

pub(super) async fn channels(State(sim): State<Sim>) -> Response {
    match sim.channels().await {
        Ok(channels) => {
            let shown = channels.into_iter().map(|(id, name, callbacks)| {
                // The address may have a secret in its path.
                value!({ "id": id.get(), "name": name, "callbacks": callbacks })
            });
            json(StatusCode::OK, &value!({ "channels": shown.collect::<Vec<_>>() }))
        }
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelRequest {
    callback_url: Option<String>,
}

pub(super) async fn put_channel(State(sim): State<Sim>, Path(id): Path<String>, body: Bytes) -> Response {
    let ChannelRequest { callback_url } = match read(&body, r#"{"callback_url":"http://…"} or {"callback_url":null}"#)
    {
        Ok(request) => request,
        Err(response) => return *response,
    };
    let Ok(channel) = id.parse() else { return failed(&WorldError::Unknown("channel")) };
    let Ok(url) = callback_url.map(|url| url.parse::<http::Uri>()).transpose() else {
        return refused(StatusCode::BAD_REQUEST, &"callback_url: this is no address");
    };
    done(sim.set_callback_url(channel, url.as_ref()).await, "stored")
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchRequest {
    /// Needed only where several channels have a batch of the number.
    channel: Option<u64>,
    /// Of a failure: the rows' places from 0, all if there are none.
    rows: Option<Vec<u32>>,
    /// Of a failure: what the payment's record says.
    why: Option<String>,
}

/// The most characters of a failure's reason.
const WHY_MAX_CHARS: usize = 255;

/// The batch that a request means.
async fn batch(sim: &Sim, id: &str, channel: Option<u64>) -> Result<(ChannelId, BulkRequestId), Box<Response>> {
    let unknown = || Box::new(failed(&WorldError::Unknown("batch")));
    let id: BulkRequestId = id.parse().map_err(|_| unknown())?;
    if let Some(channel) = channel {
        return Ok((ChannelId::try_from(channel).map_err(|_| unknown())?, id));
    }
    let mut found = Vec::new();
    for (channel, _, _) in sim.channels().await.map_err(|error| Box::new(failed(&error)))? {
        let detail = sim.engine().look(BulkDetail { channel, id }).await.map_err(|error| Box::new(broken(error)))?;
        if detail.is_some() {
            found.push(channel);
        }
    }
    match found[..] {
        [channel] => Ok((channel, id)),
        [] => Err(unknown()),
        _ => {
            let error = "several channels have a batch of this number; say which: {\"channel\":N}";
            Err(Box::new(refused(StatusCode::CONFLICT, &error)))
        }
    }
}

async fn batch_request(
    sim: &Sim,
    id: &str,
    body: &Bytes,
) -> Result<((ChannelId, BulkRequestId), BatchRequest), Box<Response>> {
    let request = if body.is_empty() {
        BatchRequest::default()
    } else {
        read(body, r#"{"channel":N,"rows":[0,…],"why":"…"}, all of it optional"#)?
    };
    Ok((batch(sim, id, request.channel).await?, request))
}

/// One step further by hand.
pub(super) async fn advance(State(sim): State<Sim>, Path(id): Path<String>, body: Bytes) -> Response {
    let ((channel, id), _) = match batch_request(&sim, &id, &body).await {
        Ok(request) => request,
        Err(response) => return *response,
    };
    match sim.advance_batch(channel, id).await {
        Ok(Some(status)) => {
            json(StatusCode::OK, &value!({ "id": id.get(), "channel": channel.get(), "status": status }))
        }
        Ok(None) => failed(&WorldError::Unknown("batch")),
        Err(error) => broken(error),
    }
}

/// Lets rows of an open batch fail.
pub(super) async fn fail(State(sim): State<Sim>, Path(id): Path<String>, body: Bytes) -> Response {
    let ((channel, id), BatchRequest { rows, why, .. }) = match batch_request(&sim, &id, &body).await {
        Ok(request) => request,
        Err(response) => return *response,
    };
    let why = why.unwrap_or_else(|| "Drafting failed".to_owned());
    if why.chars().count() > WHY_MAX_CHARS {
        return refused(StatusCode::BAD_REQUEST, &format!("why: allowed: at most {WHY_MAX_CHARS} characters"));
    }
    match sim.fail_batch(channel, id, rows, &why).await {
        Ok(Some(failed)) => {
            json(StatusCode::OK, &value!({ "id": id.get(), "channel": channel.get(), "errored": failed }))
        }
        Ok(None) => failed(&WorldError::Unknown("batch")),
        Err(error) => broken(error),
    }
}

#[derive(Serialize)]
struct Callback {
    id: i64,
    channel: u64,
    path: String,
    body: String,
    created_at: String,
    attempts: Vec<Attempt>,
    attempts_total: u64,
}

#[derive(Serialize)]
struct Attempt {
    kind: String,
    at: String,
    acknowledged: bool,
    diagnosis: Option<String>,
    explanation: Option<String>,
}

fn shown(callback: ShownCallback) -> Callback {
    let attempts = callback.attempts.into_iter().map(|ShownAttempt { kind, at, failure }| {
        let (diagnosis, explanation) = failure.unzip();
        Attempt { kind, at: at.to_string(), acknowledged: diagnosis.is_none(), diagnosis, explanation }
    });
    Callback {
        id: callback.id,
        channel: callback.channel.get(),
        path: callback.path,
        body: callback.body,
        created_at: callback.created_at.to_string(),
        attempts: attempts.collect(),
        attempts_total: callback.attempts_total,
    }
}

/// The call-backs that are or were owed, oldest first: those after a number, or the newest.
pub(super) async fn callbacks(State(sim): State<Sim>, RawQuery(query): RawQuery) -> Response {
    let (after, limit) = match page(query.as_deref()) {
        Ok(page) => page,
        Err(response) => return *response,
    };
    match sim.callbacks(after, limit).await {
        Ok(callbacks) => {
            let shown: Vec<Callback> = callbacks.into_iter().map(shown).collect();
            json(StatusCode::OK, &value!({ "callbacks": shown }))
        }
        Err(error) => failed(&error),
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResendRequest {
    /// Another body, sent as it stands.
    body: Option<String>,
    times: Option<u32>,
}

pub(super) async fn resend(State(sim): State<Sim>, Path(id): Path<String>, body: Bytes) -> Response {
    let request = if body.is_empty() {
        ResendRequest::default()
    } else {
        match read(&body, r#"{"body":"…","times":N}, both optional"#) {
            Ok(request) => request,
            Err(response) => return *response,
        }
    };
    let Ok(id) = id.parse() else { return failed(&WorldError::Unknown("call-back")) };
    done(sim.resend_callback(id, request.body, request.times.unwrap_or(1)).await, "resent")
}
