//! What surrounds every answer.
//!
//! guide:env-1 guide:env-2

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::WireError;
use crate::message::Message;
use crate::object::is_object;
use crate::scalar::Scalar;

/// The response code of success. (Guide, every answer)
pub const SUCCESS: u16 = 200;

/// `{"responseCode":…,"responseMessage":…,"data":…}`, around every answer.
///
/// The guide shows it for success only. An error has the same form, with the HTTP status as its code and no data. (assumed)
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<T> {
    /// [`SUCCESS`], or what went wrong.
    pub response_code: Option<Scalar>,
    /// In words.
    #[serde(default)]
    pub response_message: Option<Scalar>,
    /// The answer.
    #[serde(default = "Option::default")]
    pub data: Option<T>,
}

impl<T> Envelope<T> {
    /// The answer to a request that succeeded.
    pub fn success(data: T) -> Self {
        Self::new(SUCCESS, Message::Processed.as_str(), Some(data))
    }

    /// An answer with any code, which should be that of the HTTP status.
    pub fn new(code: u16, message: &str, data: Option<T>) -> Self {
        Self { response_code: Some(Scalar::number(code.into())), response_message: Some(Scalar::text(message)), data }
    }

    /// The code, if it can be read as a number.
    pub fn code(&self) -> Option<u16> {
        self.response_code.as_ref()?.whole()?.try_into().ok()
    }

    /// The message, empty where there is none.
    pub fn message(&self) -> &str {
        self.response_message.as_ref().map_or("", Scalar::as_str)
    }
}

impl Envelope<()> {
    /// The answer to a request that failed.
    pub fn error(code: u16, message: &str) -> Self {
        Self::new(code, message, None)
    }
}

/// Shows the code, and the message if it is one that is known to name nobody.
impl<T> fmt::Debug for Envelope<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("response_code", &self.response_code)
            .field("response_message", &Message::is_known(self.message()).then(|| self.message()))
            .finish_non_exhaustive()
    }
}

/// What [`WireError`] calls the text.
const ANSWER: &str = "the hub's answer";
const DATA: &str = "the answer's data";

impl<'a> Envelope<&'a RawValue> {
    /// Reads the envelope and leaves the data as it came.
    ///
    /// # Errors
    ///
    /// [`WireError`] if it is no JSON object with a `responseCode`: then something other than the hub has answered.
    pub fn read(text: &'a str) -> Result<Self, WireError> {
        let envelope: Self = serde_json::from_str(text).map_err(|e| WireError::json(ANSWER, &e))?;
        match envelope.response_code {
            Some(_) if is_object(text) => Ok(envelope),
            _ => Err(WireError::not_an_object(ANSWER)),
        }
    }

    /// As [`read`](Self::read), from bytes.
    ///
    /// # Errors
    ///
    /// As there, and for bytes that aren't UTF-8.
    pub fn read_bytes(bytes: &'a [u8]) -> Result<Self, WireError> {
        Self::read(std::str::from_utf8(bytes).map_err(|e| WireError::not_utf8(ANSWER, e))?)
    }

    /// Reads the data.
    ///
    /// # Errors
    ///
    /// [`WireError`] if there is none, or it isn't an object of that sort at all.
    pub fn data<T: Deserialize<'a>>(&self) -> Result<T, WireError> {
        let data = self.data.ok_or(WireError::no_data(ANSWER))?;
        if !is_object(data.get()) {
            return Err(WireError::not_an_object(DATA));
        }
        serde_json::from_str(data.get()).map_err(|e| WireError::json(DATA, &e))
    }
}
