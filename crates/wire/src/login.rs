//! Login. (Guide, 1. Login)

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::object::{object_only, object_or_none};
use crate::scalar::{Private, Scalar};

/// `{"password":…}`; the user's name is in a header.
#[derive(Debug, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct LoginRequest {
    /// The password.
    #[serde(serialize_with = "expose", deserialize_with = "conceal")]
    pub password: SecretString,
}

object_only!(LoginRequest);

/// The token and what it is for.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoginAnswer {
    /// Goes into the [`TOKEN_HEADER`](crate::TOKEN_HEADER) of every other request. It never expires.
    #[serde(serialize_with = "expose", deserialize_with = "conceal")]
    pub token: SecretString,
    /// Who logged in.
    #[serde(default, deserialize_with = "object_or_none")]
    pub user: Option<LoginUser>,
    /// Where the user's payments belong.
    #[serde(default, deserialize_with = "object_or_none")]
    pub channel: Option<LoginChannel>,
}

/// A user's name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoginUser {
    /// First name.
    pub first_name: Option<Private>,
    /// Last name.
    pub last_name: Option<Private>,
}

/// A channel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginChannel {
    /// Goes into the [`CHANNEL_HEADER`](crate::CHANNEL_HEADER) of every other request.
    pub id: Option<Scalar>,
    /// Its name.
    pub name: Option<Scalar>,
}

fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn conceal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}
