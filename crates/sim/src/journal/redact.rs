//! What a journal may hold of headers, queries and bodies.
//!
//! Redaction happens while an entry is written, in one pass over bytes that are copied anyway, so that no secret is ever
//! in the journal's memory. Whatever can't be read for sure counts as secret.

use http::HeaderMap;

use crate::json_scan::{TokenKind, Tokens};

/// What stands where a secret stood.
pub(crate) const REMOVED: &str = "[removed]";

/// A header or a query parameter is secret whose name has one of these in it: the hub's own `x-auth-ph-key`, a bank's
/// `password`, and whatever somebody sends by mistake.
const SECRET_WORDS: [&str; 7] = ["auth", "cookie", "key", "password", "secret", "token", "credential"];

/// The members of a body that are secret, at any depth.
const SECRET_MEMBERS: [&[u8]; 2] = [b"password", b"token"];

/// Which values of a body are secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// Those of the members that are named so.
    Named,
    /// All: a login's request, where a password may stand under a misspelt name, or in no JSON at all.
    All,
}

/// Every request has these, and they needn't be looked through.
const PLAIN_NAMES: [&str; 9] = [
    "content-type",
    "content-length",
    "host",
    "username",
    "channel-id",
    "accept",
    "user-agent",
    "x-sim-request-id",
    "date",
];

fn is_secret_name(name: &[u8]) -> bool {
    if PLAIN_NAMES.iter().any(|plain| plain.as_bytes() == name) {
        return false;
    }
    let holds = |word: &str| name.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    SECRET_WORDS.iter().any(|word| holds(word))
}

fn is_secret_member(name: &[u8]) -> bool {
    SECRET_MEMBERS.iter().any(|member| name.eq_ignore_ascii_case(member))
}

/// Appends headers as lines, up to a limit. Says whether all are there.
pub(crate) fn headers(to: &mut Vec<u8>, headers: &HeaderMap, limit: usize) -> bool {
    let end = to.len() + limit;
    for (name, value) in headers {
        let value = if is_secret_name(name.as_str().as_bytes()) { REMOVED.as_bytes() } else { value.as_bytes() };
        if to.len() + name.as_str().len() + value.len() + 3 > end {
            return false;
        }
        to.extend_from_slice(name.as_str().as_bytes());
        to.extend_from_slice(b": ");
        to.extend_from_slice(value);
        to.push(b'\n');
    }
    true
}

/// Appends a path and its query, up to a limit. Says whether all is there.
pub(crate) fn address(to: &mut Vec<u8>, path: &str, query: Option<&str>, limit: usize) -> bool {
    let start = to.len();
    to.extend_from_slice(path.as_bytes());
    let mut mark = b'?';
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        to.push(mark);
        mark = b'&';
        match pair.split_once('=') {
            Some((name, _)) if name.contains('%') || is_secret_name(name.as_bytes()) => {
                to.extend_from_slice(name.as_bytes());
                to.push(b'=');
                to.extend_from_slice(REMOVED.as_bytes());
            }
            _ => to.extend_from_slice(pair.as_bytes()),
        }
    }
    let whole = to.len() - start <= limit;
    to.truncate(start + limit);
    whole
}

/// Whether a body has nowhere a name of a secret member, nor an escape that could spell one. Each name is looked for by a letter
/// of it that few other words have.
fn names_no_secret(body: &[u8]) -> bool {
    let holds = |name: &[u8], rare: usize| {
        let mut letters = memchr::memchr2_iter(name[rare], name[rare].to_ascii_uppercase(), body);
        letters.any(|at| {
            let part = at.checked_sub(rare).and_then(|start| body.get(start..start + name.len()));
            part.is_some_and(|part| part.eq_ignore_ascii_case(name))
        })
    };
    let [password, token] = SECRET_MEMBERS;
    !holds(password, 4) && !holds(token, 2) && memchr::memchr(b'\\', body).is_none()
}

/// Appends a body, which may be any bytes.
pub(crate) fn body(to: &mut Vec<u8>, body: &[u8], secrets: Secrets) {
    if secrets == Secrets::Named && names_no_secret(body) {
        return to.extend_from_slice(body);
    }
    let mut copied = 0;
    let mut hide_next = false;
    // While inside of a secret object or list: how deep.
    let mut hidden: usize = 0;
    for token in Tokens::of(body) {
        let all = secrets == Secrets::All || hidden > 0;
        let hide = match token.kind {
            TokenKind::Key => {
                let name = token.content(body);
                let named = is_secret_member(name);
                hide_next = named || name.contains(&b'\\');
                all && !named
            }
            // A name without quotes is no JSON, and secret all the same.
            TokenKind::Literal if !hide_next && !all && is_secret_member(token.content(body)) => {
                hide_next = true;
                false
            }
            TokenKind::Text | TokenKind::Literal => std::mem::take(&mut hide_next) || all,
            TokenKind::Open => {
                hidden += usize::from(std::mem::take(&mut hide_next) || hidden > 0);
                false
            }
            TokenKind::Close => {
                hidden = hidden.saturating_sub(1);
                false
            }
            TokenKind::Mark => false,
        };
        if hide {
            to.extend_from_slice(body.get(copied..token.start).unwrap_or_default());
            to.push(b'"');
            to.extend_from_slice(REMOVED.as_bytes());
            to.push(b'"');
            copied = token.end;
        }
    }
    to.extend_from_slice(body.get(copied..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::{Secrets, address, body, headers};
    use http::HeaderMap;
    use proptest::prelude::*;

    fn redacted(text: &str, secrets: Secrets) -> String {
        let mut to = Vec::new();
        body(&mut to, text.as_bytes(), secrets);
        String::from_utf8(to).unwrap()
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(redacted(text, Secrets::Named), expected, "{text}");
    }

    #[test]
    fn members_that_are_secret() {
        check(r#"{"password":"s3cret"}"#, r#"{"password":"[removed]"}"#);
        check(r#"{"data":{"token" : "s3\"cret", "a":1}}"#, r#"{"data":{"token" : "[removed]", "a":1}}"#);
        check(r#"{"PassWord":12345,"b":2}"#, r#"{"PassWord":"[removed]","b":2}"#);
        check(r#"{"pass\u0077ord":"s3cret","b":2}"#, r#"{"pass\u0077ord":"[removed]","b":2}"#);
        check(
            r#"{"token":["s3cret",{"x":"s3cret"}],"b":"c"}"#,
            r#"{"token":["[removed]",{"[removed]":"[removed]"}],"b":"c"}"#,
        );
        check(
            r#"{"token":{"password":"s3cret","a":["s3cret"]},"b":"c"}"#,
            r#"{"token":{"password":"[removed]","[removed]":["[removed]"]},"b":"c"}"#,
        );
        check(r#"{"token":"s3cr"#, r#"{"token":"[removed]""#);
        check(r#"{"token":"#, r#"{"token":"#);
        check(r#"{"token":s3cret,"b":2}"#, r#"{"token":"[removed]","b":2}"#);
        check(r#"{"title":"token","identifier":"password"}"#, r#"{"title":"token","identifier":"password"}"#);
        check("{token: 's3cret'}", r#"{token: "[removed]"}"#);
        check(r#"{"tokens":"x"}"#, r#"{"tokens":"x"}"#);
        check("", "");
    }

    #[test]
    fn a_login_keeps_its_shape_only() {
        let check = |text: &str, expected: &str| assert_eq!(redacted(text, Secrets::All), expected, "{text}");
        check(r#"{"password":"s3cret"}"#, r#"{"password":"[removed]"}"#);
        check(r#"{"pasword":"s3cret","n":1}"#, r#"{"[removed]":"[removed]","[removed]":"[removed]"}"#);
        check("password=s3cret", r#""[removed]""#);
        check("{password: s3cret}", r#"{"[removed]": "[removed]"}"#);
        check(r#"["s3cret"]"#, r#"["[removed]"]"#);
    }

    #[test]
    fn headers_and_queries() {
        let mut map = HeaderMap::new();
        for name in ["x-auth-ph-key", "authorization", "cookie", "password", "x-api-key", "my-token"] {
            map.insert(name, "s3cret".parse().unwrap());
        }
        map.insert("username", "demo".parse().unwrap());
        map.append("accept", "a".parse().unwrap());
        map.append("accept", "b".parse().unwrap());
        let mut to = Vec::new();
        assert!(headers(&mut to, &map, 1000));
        let text = String::from_utf8(to).unwrap();
        assert!(!text.contains("s3cret") && text.contains("username: demo\n"), "{text}");
        assert!(text.contains("accept: a\naccept: b\n"), "{text}");
        assert!(!headers(&mut Vec::new(), &map, 20));

        let check = |query, limit, expected| {
            let mut to = b"before".to_vec();
            let whole = address(&mut to, "/p", query, limit);
            assert_eq!((String::from_utf8(to).unwrap().as_str(), whole), expected);
        };
        check(None, 99, ("before/p", true));
        check(Some("a=b&pageNo=1"), 99, ("before/p?a=b&pageNo=1", true));
        check(Some("Token=s3cret&p%61ssword=s3cret&c"), 99, ("before/p?Token=[removed]&p%61ssword=[removed]&c", true));
        check(Some("a=b"), 4, ("before/p?a", false));
    }

    proptest! {
        /// A secret under its name never shows, whatever stands around it and wherever the text is cut.
        #[test]
        fn no_cut_lets_a_secret_through(
            before in r#"[{"a:,\\\[ ]{0,12}"#,
            escaped in any::<bool>(),
            cut in 0usize..80,
        ) {
            let secret = if escaped { r#"s3c\"ret"# } else { "s3cret" };
            let text = format!(r#"{{"x":[{{"password":"{secret}","token" :"{secret}"}}],"y":"{}"#, before.replace(['"', '\\'], ""));
            let cut = &text[..cut.min(text.len())];
            let shown = redacted(cut, Secrets::Named);
            prop_assert!(!shown.contains("s3"), "{shown}");
        }

        #[test]
        fn any_bytes_will_do(bytes in prop::collection::vec(any::<u8>(), 0..100), all in any::<bool>()) {
            let mut to = Vec::new();
            body(&mut to, &bytes, if all { Secrets::All } else { Secrets::Named });
            if !all && !bytes.contains(&b'"') {
                prop_assert_eq!(to, bytes);
            }
        }
    }
}
