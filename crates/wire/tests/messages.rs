//! What each error says: what couldn't be read, where, and what to look at. Never a word of the text. A changed message changes
//! this.

use asaanbill_wire::{
    Acknowledgement, AddRequest, Envelope, Literals, LoginAnswer, NotAcknowledged, NotText, PageError, Processed,
    RequestText, WireError,
};

#[test]
fn a_text_that_can_t_be_read() {
    let answer = |text: &[u8]| {
        let error: WireError = match Envelope::read_bytes(text) {
            Err(error) => error,
            Ok(envelope) => envelope.data::<LoginAnswer>().unwrap_err(),
        };
        error.to_string()
    };
    let messages = [
        answer(b"\xff"),
        answer(b"<html>"),
        answer(br#"{"responseCode":2"#),
        answer(b"[]"),
        answer(br#"{"responseCode":200}"#),
        answer(br#"{"responseCode":200,"data":7}"#),
        serde_json::from_str::<AddRequest<'_>>("7").unwrap_err().to_string(),
        serde_json::from_str::<Processed>("[]").unwrap_err().to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    the hub's answer is not UTF-8 (byte 0)
    the hub's answer is not JSON (line 1, column 1)
    the hub's answer ends too early (line 1, column 17)
    the hub's answer is not the expected object (line 1, column 2)
    the hub's answer has no data
    the answer's data is not the expected object
    invalid type: integer `7`, expected an object at line 1 column 1
    invalid type: sequence, expected an object at line 1 column 0
    ");
}

/// The hub's own words: the simulator answers with them.
#[test]
fn a_page_that_can_t_be_asked_for() {
    insta::assert_snapshot!(format!("{}\n{}", PageError::Number, PageError::Size), @"
    Invalid pageNo
    Invalid pageSize
    ");
}

/// An integrator's answer to a call-back, as a hub reads it.
#[test]
fn what_is_no_acknowledgement() {
    let [body, code] =
        ["[]", r#"{"responseCode":"200"}"#].map(|text| Acknowledgement::read(text.as_bytes()).unwrap_err());
    assert_eq!((body, code), (NotAcknowledged::Body, NotAcknowledged::Code));
    insta::assert_snapshot!(format!("{body}\n{code}"), @r#"
    the body is not a JSON object with a responseCode; expected: {"responseCode":200}
    the responseCode is not the integer 200; a string, or 200.0, doesn't count
    "#);
}

#[test]
fn a_value_that_is_no_text() {
    let number: RequestText<'_> = serde_json::from_str("50").unwrap();
    let error: NotText = number.read(Literals::Refused).unwrap_err();
    insta::assert_snapshot!(error, @"every value of a payment has to be a string: put it in quotes");
}
