//! The tokens of a text that may or may not be JSON: what is left where a body is damaged or cut, and must be looked
//! through all the same. Nothing is interpreted, nothing is copied, and every byte is passed once.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A string before a colon.
    Key,
    /// Any other string. One that never ends goes to the end of the text.
    Text,
    /// A number, `true`, `null`, or anything else that stands there.
    Literal,
    /// `{` or `[`.
    Open,
    /// `}` or `]`.
    Close,
    /// A comma or a colon.
    Mark,
}

/// A token and where it stands, quotes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    /// A string's content, escapes as they stand; any other token as it is.
    pub(crate) fn content(self, text: &[u8]) -> &[u8] {
        let whole = text.get(self.start..self.end).unwrap_or_default();
        let inner = whole.strip_prefix(b"\"").unwrap_or(whole);
        if inner.len() < whole.len() { inner.strip_suffix(b"\"").unwrap_or(inner) } else { whole }
    }
}

/// The tokens of a text.
pub(crate) struct Tokens<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(crate) fn of(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    fn after_space(&self, mut at: usize) -> usize {
        while self.byte(at).is_some_and(|byte| byte.is_ascii_whitespace()) {
            at += 1;
        }
        at
    }

    /// The end of the string that starts here.
    fn string_end(&self, start: usize) -> usize {
        let mut at = start + 1;
        while let Some(found) = memchr::memchr2(b'"', b'\\', self.text.get(at..).unwrap_or_default()) {
            at += found;
            if self.byte(at) == Some(b'"') {
                return at + 1;
            }
            at += 2;
        }
        self.text.len()
    }

    fn literal_end(&self, start: usize) -> usize {
        let ends =
            |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b',' | b':');
        let length = self.text.get(start..).unwrap_or_default().iter().position(ends);
        length.map_or(self.text.len(), |length| start + length)
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.after_space(self.at);
        let (kind, end) = match self.byte(start)? {
            b'{' | b'[' => (TokenKind::Open, start + 1),
            b'}' | b']' => (TokenKind::Close, start + 1),
            b',' | b':' => (TokenKind::Mark, start + 1),
            b'"' => {
                let end = self.string_end(start);
                let key = self.byte(self.after_space(end)) == Some(b':');
                (if key { TokenKind::Key } else { TokenKind::Text }, end)
            }
            _ => (TokenKind::Literal, self.literal_end(start)),
        };
        self.at = end;
        Some(Token { kind, start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::{TokenKind, Tokens};
    use proptest::prelude::*;

    fn check(text: &str, expected: &str) {
        let letter = |kind| match kind {
            TokenKind::Key => "K",
            TokenKind::Text => "T",
            TokenKind::Literal => "L",
            TokenKind::Open => "<",
            TokenKind::Close => ">",
            TokenKind::Mark => "",
        };
        let found = Tokens::of(text.as_bytes()).map(|token| {
            let content = String::from_utf8_lossy(token.content(text.as_bytes())).into_owned();
            match token.kind {
                TokenKind::Key | TokenKind::Text | TokenKind::Literal => format!("{}({content})", letter(token.kind)),
                kind => letter(kind).to_owned(),
            }
        });
        assert_eq!(found.collect::<String>(), expected, "{text}");
    }

    #[test]
    fn json_and_what_is_not() {
        check(r#"{"a" : "b", "c":[1,null,-1.5e3]}"#, "<K(a)T(b)K(c)<L(1)L(null)L(-1.5e3)>>");
        check(r#"{"a\"b":"\\","c":""}"#, r#"<K(a\"b)T(\\)K(c)T()>"#);
        check(r#"{"a":"never en"#, "<K(a)T(never en)");
        check(r#"{"a":""#, "<K(a)T()");
        check(r#""\"#, r"T(\)");
        check("password=x y", "L(password=x)L(y)");
        check("", "");
        check(" \n", "");
        check(r#"{a:"b"}"#, "<L(a)T(b)>");
    }

    proptest! {
        /// Whatever the bytes: tokens come in order, none is empty, and only space is left out.
        #[test]
        fn every_byte_is_passed_once(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut passed = 0;
            for token in Tokens::of(&text) {
                prop_assert!(text[passed..token.start].iter().all(u8::is_ascii_whitespace));
                prop_assert!(token.start < token.end && token.end <= text.len());
                passed = token.end;
            }
            prop_assert!(text[passed..].iter().all(u8::is_ascii_whitespace));
        }
    }
}
