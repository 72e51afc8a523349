//! What a receiver's answer says, and if it doesn't acknowledge, why not.

use asaanbill_wire::Acknowledgement;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::diagnosis::Diagnosis;

/// Whether a body acknowledges. `asaanbill-wire` decides; here it is only explained.
pub(super) fn judge(body: &[u8]) -> Result<(), Diagnosis> {
    Acknowledgement::read(body).map(drop).map_err(|_| explain(body))
}

/// What is wrong with a body that doesn't acknowledge. Of the body itself it keeps no more than an integer code.
fn explain(body: &[u8]) -> Diagnosis {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow, default, rename = "responseCode", deserialize_with = "even_null")]
        code: Option<&'a RawValue>,
    }

    /// A `null` is a code of the wrong kind, not a missing one.
    fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Some)
    }

    let json = std::str::from_utf8(body).ok().filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    let Some(json) = json else { return Diagnosis::NotJson };
    // What serde derives would take an array for an object.
    let answer = json.trim_start().starts_with('{').then(|| serde_json::from_str::<Answer<'_>>(json).ok()).flatten();
    let Some(Answer { code }) = answer else { return Diagnosis::NotObject };
    let Some(code) = code else { return Diagnosis::CodeMissing };
    match code.get().parse() {
        // The code is right, and something else is not: another field stands there twice.
        Ok(200) => Diagnosis::NotObject,
        Ok(code) => Diagnosis::Code(code),
        Err(_) => Diagnosis::CodeKind,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Diagnosis, judge};

    fn check(body: &str, expected: Result<(), Diagnosis>) {
        assert_eq!(judge(body.as_bytes()), expected, "{body}");
    }

    #[test]
    fn only_the_integer_200_acknowledges() {
        check(r#"{"responseCode":200}"#, Ok(()));
        check(r#" {"responseMessage":null, "responseCode" : 200, "more":[1]} "#, Ok(()));
    }

    #[test]
    fn what_is_wrong_has_a_name() {
        use Diagnosis as D;
        for body in ["", " ", "OK", "<html>", "{", r#"{"responseCode":200"#, r#"{"responseCode":200}x"#, "{'a':1}"] {
            check(body, Err(D::NotJson));
        }
        for body in ["200", "null", "[200]", r#"[200,"ok"]"#, r#""200""#, r#"[{"responseCode":200}]"#] {
            check(body, Err(D::NotObject));
        }
        check(r#"{"responseCode":200,"responseCode":200}"#, Err(D::NotObject));
        check(r#"{"responseCode":200,"responseMessage":"a","responseMessage":"b"}"#, Err(D::NotObject));
        for body in ["{}", r#"{"responseMessage":"ok"}"#, r#"{"ResponseCode":200}"#, r#"{"data":{"responseKode":200}}"#]
        {
            check(body, Err(D::CodeMissing));
        }
        for code in
            [r#""200""#, "200.0", "2e2", "null", "true", "[200]", r#"{"a":200}"#, "99999999999999999999", r#""x""#]
        {
            check(&format!(r#"{{"responseCode":{code}}}"#), Err(D::CodeKind));
        }
        for code in [0, 201, 500, -200, i64::MAX] {
            check(&format!(r#"{{"responseCode":{code}}}"#), Err(D::Code(code)));
        }
        assert_eq!(judge(b"{\"responseCode\":200,\"x\":\"\xff\"}"), Err(D::NotJson));
    }

    proptest! {
        /// The explanation never contradicts the decision, whatever the bytes.
        #[test]
        fn what_is_refused_is_explained(
            body in "(\\{\"responseCode\": ?)?[-0-9a-z\".,{}\\[\\]: ]{0,16}\\}?",
        ) {
            let judged = judge(body.as_bytes());
            prop_assert_ne!(judged, Err(Diagnosis::Code(200)));
            let plain = serde_json::from_str::<serde_json::Value>(&body).ok();
            let right = plain.as_ref().and_then(|v| v.as_object()?.get("responseCode")?.as_u64()) == Some(200);
            prop_assert!(judged.is_err() || right, "{body} is acknowledged");
        }
    }
}
