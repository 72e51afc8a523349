//! Steps, for a person to read or for a script.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::{Map, Value};

/// One thing that has happened.
#[derive(Debug)]
pub(crate) struct Step {
    name: &'static str,
    title: String,
    lines: Vec<String>,
    facts: Map<String, Value>,
}

impl Step {
    /// `name` is for scripts and never changes; `title` is for people.
    pub(crate) fn new(name: &'static str, title: impl Into<String>) -> Self {
        Self { name, title: title.into(), lines: Vec::new(), facts: Map::new() }
    }

    /// A line for people.
    pub(crate) fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// A fact for scripts.
    pub(crate) fn fact(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(key.into(), value.into());
        self
    }
}

/// A step for a script: its name comes first.
#[derive(Serialize)]
struct Line {
    step: &'static str,
    #[serde(flatten)]
    facts: Map<String, Value>,
}

/// Where steps go.
#[derive(Debug)]
pub(crate) enum Output {
    /// Numbered, with colour where the terminal has it.
    Person { steps: usize },
    /// One JSON object a line: `{"step":…, …}`.
    Script,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        if json { Self::Script } else { Self::Person { steps: 0 } }
    }

    /// Shows a step at once.
    ///
    /// # Errors
    ///
    /// If standard output fails, as a closed pipe does.
    pub(crate) fn show(&mut self, step: Step) -> io::Result<()> {
        self.write(&mut anstream::stdout().lock(), step)
    }

    fn write(&mut self, out: &mut impl Write, step: Step) -> io::Result<()> {
        let Step { name, title, lines, facts } = step;
        match self {
            Self::Script => {
                writeln!(out, "{}", serde_json::to_string(&Line { step: name, facts })?)?;
            }
            Self::Person { steps } => {
                const NUMBER: Style = AnsiColor::Cyan.on_default().bold();
                const TITLE: Style = Style::new().bold();
                *steps += 1;
                writeln!(out, "{NUMBER}{steps:>2}{NUMBER:#}  {TITLE}{title}{TITLE:#}")?;
                for line in lines.iter().flat_map(|line| line.lines()) {
                    writeln!(out, "    {line}")?;
                }
            }
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::{Output, Step};

    fn written(json: bool) -> String {
        let mut output = Output::new(json);
        let mut bytes = Vec::new();
        for _ in 0..2 {
            let step = Step::new("pay", "The payer pays").line("50 rupees\nat a \"bank\"").fact("amount", "50");
            output.write(&mut bytes, step).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_script_gets_one_object_a_line() {
        assert_eq!(written(true), "{\"step\":\"pay\",\"amount\":\"50\"}\n".repeat(2));
    }

    #[test]
    fn a_person_gets_numbers_and_lines() {
        let plain = anstream::adapter::strip_str(&written(false)).to_string();
        let lines = "The payer pays\n    50 rupees\n    at a \"bank\"\n";
        assert_eq!(plain, format!(" 1  {lines} 2  {lines}"));
    }
}
