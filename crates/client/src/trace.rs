//! Spans by OpenTelemetry's HTTP conventions: one for each operation, one for each attempt. No secrets, bodies, or values of
//! a path: a search's path holds a bill number.

use asaanbill_transport::TransportError;
use bytes::Bytes;
use http::{Method, Response};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::base::Base;
use crate::error::ClientError;

/// The span of one operation, such as `asaanbill.add`.
macro_rules! operation {
    ($name:literal $(, $field:ident = $value:expr)*) => {
        tracing::info_span!("asaanbill", otel.name = concat!("asaanbill.", $name), otel.kind = "internal" $(, $field = $value)*)
    };
}
pub(crate) use operation;

/// The span of one attempt.
pub(crate) struct AttemptSpan(Span);

impl AttemptSpan {
    pub(crate) fn open(base: &Base, method: &Method, template: &'static str, attempt: u32) -> Self {
        let span = tracing::debug_span!(
            "http.client.request",
            otel.name = Empty,
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = Empty,
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            url.template = Empty,
            url.scheme = Empty,
            server.address = Empty,
            server.port = Empty,
            network.protocol.name = "http",
            error.type = Empty,
        );
        if !span.is_disabled() {
            let path = base.template(template);
            span.record("otel.name", format!("{method} {path}"));
            span.record("http.request.method", method.as_str());
            span.record("url.template", path);
            span.record("url.scheme", base.scheme());
            span.record("server.address", base.host());
            span.record("server.port", base.port());
            // Only a request that is sent again has it.
            if attempt > 1 {
                span.record("http.request.resend_count", attempt - 1);
            }
        }
        Self(span)
    }

    /// Runs the exchange within it.
    pub(crate) async fn over(
        &self,
        exchange: impl Future<Output = Result<Response<Bytes>, TransportError>>,
    ) -> Result<Response<Bytes>, TransportError> {
        let answer = if self.0.is_disabled() { exchange.await } else { exchange.instrument(self.0.clone()).await };
        if let Ok(answer) = &answer {
            self.0.record("http.response.status_code", answer.status().as_u16());
        }
        answer
    }

    /// Says how it ended.
    pub(crate) fn close<T>(self, result: &Result<T, ClientError>) {
        let Err(error) = result else { return };
        if self.0.is_disabled() {
            return;
        }
        self.0.record("otel.status_code", "ERROR");
        if let Some(status) = error.status() {
            self.0.record("http.response.status_code", status.as_u16());
            if !status.is_success() {
                self.0.record("error.type", status.as_str());
                return;
            }
        }
        self.0.record("error.type", format!("{:?}", error.kind()));
    }
}
