//! Why a text is not what the guide says.

use std::fmt;

/// A text that can't be read as the answer or request it should be. It never quotes the text.
#[derive(Debug)]
pub struct WireError {
    what: &'static str,
    why: Why,
}

#[derive(Debug)]
enum Why {
    NotUtf8 { at: usize },
    Json { line: usize, column: usize, category: serde_json::error::Category },
    NoData,
    NotAnObject,
}

impl WireError {
    pub(crate) fn json(what: &'static str, error: &serde_json::Error) -> Self {
        let why = Why::Json { line: error.line(), column: error.column(), category: error.classify() };
        Self { what, why }
    }

    pub(crate) fn not_utf8(what: &'static str, error: std::str::Utf8Error) -> Self {
        Self { what, why: Why::NotUtf8 { at: error.valid_up_to() } }
    }

    pub(crate) fn no_data(what: &'static str) -> Self {
        Self { what, why: Why::NoData }
    }

    pub(crate) fn not_an_object(what: &'static str) -> Self {
        Self { what, why: Why::NotAnObject }
    }

    /// Whether the text isn't JSON at all, as when a proxy answered with a page of its own.
    pub fn is_not_json(&self) -> bool {
        match self.why {
            Why::NotUtf8 { .. } => true,
            Why::Json { category, .. } => category != serde_json::error::Category::Data,
            Why::NoData | Why::NotAnObject => false,
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use serde_json::error::Category;
        let what = self.what;
        match &self.why {
            Why::NotUtf8 { at } => write!(f, "{what} is not UTF-8 (byte {at})"),
            Why::NoData => write!(f, "{what} has no data"),
            Why::NotAnObject => write!(f, "{what} is not the expected object"),
            Why::Json { line, column, category } => {
                let problem = match category {
                    Category::Eof => "ends too early",
                    Category::Syntax => "is not JSON",
                    Category::Data => "is not the expected object",
                    Category::Io => "could not be read",
                };
                write!(f, "{what} {problem} (line {line}, column {column})")
            }
        }
    }
}

impl std::error::Error for WireError {}
