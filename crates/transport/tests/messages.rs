//! What each error says: what happened, to what, whether it was sent, and what to do. A changed message changes this.

use asaanbill_transport::{Delivery, ErrorKind, TransportError};
use http::{StatusCode, Uri};

fn to_the_hub(error: TransportError) -> String {
    error.with_origin(&Uri::from_static("https://hub.example/search/1001")).to_string()
}

#[test]
fn every_way_to_fail() {
    let kinds = [
        ErrorKind::Refused,
        ErrorKind::InvalidRequest,
        ErrorKind::Connect,
        ErrorKind::Tls,
        ErrorKind::Timeout,
        ErrorKind::Closed,
        ErrorKind::TooLarge,
        ErrorKind::InvalidResponse,
        ErrorKind::Other,
    ];
    let messages: Vec<String> = kinds.into_iter().map(|kind| to_the_hub(TransportError::not_sent(kind))).collect();
    insta::assert_snapshot!(messages.join("\n"), @"
    https://hub.example: refused to send (the request was not sent, and won't be as it is: mend it)
    https://hub.example: the request can't be sent as it is (the request was not sent, and won't be as it is: mend it)
    https://hub.example: could not connect; check the address, the network and the proxy (the request was not sent: sending it again is safe)
    https://hub.example: no secure connection; check the certificate's name, its dates and who signed it (the request was not sent: sending it again is safe)
    https://hub.example: the deadline passed (the request was not sent: sending it again is safe)
    https://hub.example: the connection closed before the answer was complete (the request was not sent: sending it again is safe)
    https://hub.example: the answer is larger than allowed (the request was not sent: sending it again is safe)
    https://hub.example: the answer is not HTTP; check that a server of HTTP is at this address (the request was not sent: sending it again is safe)
    https://hub.example: the exchange failed (the request was not sent: sending it again is safe)
    ");
}

#[test]
fn every_verdict() {
    let kind = ErrorKind::Closed;
    let [not_sent, unknown, answered] = [Delivery::NotSent, Delivery::Unknown, Delivery::Answered].map(|delivery| {
        to_the_hub(match delivery {
            Delivery::NotSent => TransportError::not_sent(kind),
            Delivery::Unknown => TransportError::unknown(kind).with_detail("in the middle of a line"),
            Delivery::Answered => TransportError::answered(kind, StatusCode::OK),
        })
    });
    insta::assert_snapshot!([not_sent, unknown, answered].join("\n"), @"
    https://hub.example: the connection closed before the answer was complete (the request was not sent: sending it again is safe)
    https://hub.example: the connection closed before the answer was complete: in the middle of a line (the request may have been received: look before sending it again)
    https://hub.example: the connection closed before the answer was complete (the server had answered with status 200: look before sending it again)
    ");
}

/// Settings that can't be used: `ConfigError`.
#[cfg(all(feature = "__rustls", feature = "reqwest"))]
#[test]
fn settings() {
    use asaanbill_transport::{ConfigError, ReqwestTransport, TrustedRoots};

    let chain = |error: ConfigError| match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    let roots = |pem: &str| chain(TrustedRoots::none().with_pem(pem.as_bytes()).unwrap_err());
    let messages = [
        roots("nothing"),
        roots("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
        roots("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        chain(TrustedRoots::none().with_der(b"x").unwrap_err()),
        chain(ReqwestTransport::builder().proxy("http://me:s3cret@").unwrap_err()),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    the transport can't be built: the PEM text holds no certificate, and needs one
    the transport can't be built: a root certificate isn't PEM text: base64 decode error: InvalidCharacter(33)
    the transport can't be built: a root certificate is no authority's: invalid peer certificate: BadEncoding
    the transport can't be built: a root certificate is no authority's: invalid peer certificate: BadEncoding
    the transport can't be built: the proxy's address can't be read; give one such as http://proxy.example:3128
    ");
}

/// `CassetteError`, with its cause.
#[cfg(feature = "record")]
#[test]
fn a_cassette() {
    use asaanbill_transport::{Cassette, CassetteError};

    let chain = |error: CassetteError| format!("{error}: {}", std::error::Error::source(&error).unwrap());
    let read = |text: &str| chain(Cassette::from_json(text).unwrap_err());
    let messages = [
        read("{"),
        read(r#"{"version":99,"exchanges":[]}"#),
        read(r#"{"version":1,"exchanges":[{"request":{"method":"GET","path":"/","body":{}}}]}"#),
        // The cause is the system's own words, which differ from one to the other.
        Cassette::read("/nowhere/at/all.json").unwrap_err().to_string(),
        Cassette::from_json(r#"{"version":1,"exchanges":[]}"#)
            .unwrap()
            .write("/nowhere/at/all.json")
            .unwrap_err()
            .to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    the cassette can't be read; mend what the cause names, or record it again: EOF while parsing an object at line 1 column 1
    the cassette can't be read; mend what the cause names, or record it again: version 99 isn't 1
    the cassette can't be read; mend what the cause names, or record it again: exchange 0 needs an answer or a failure, and a status from 100 to 999
    the cassette can't be read; mend what the cause names, or record it again
    the cassette can't be written; the cause says why
    ");
}
