//! What can go wrong.

use std::fmt;
use std::time::Duration;

/// What befalls a request. Each has a name, by which headers, magic values and `POST /_sim/faults` ask for it, and prints
/// as it is written there: `slow-drip;bytes=16;every_ms=100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The hub's error envelope with this status, 400 to 599. Nothing is done.
    Status {
        /// The HTTP status and the envelope's code.
        code: u16,
    },
    /// 401, as if the token were unknown. Nothing is done.
    Unauthorized,
    /// 429 with `Retry-After`. Nothing is done.
    TooManyRequests {
        /// In whole seconds, at most a day.
        retry_after: Duration,
    },
    /// The hub takes this long to begin, in whole milliseconds, 1 ms to 10 minutes. Then all goes on as usual.
    Latency(Duration),
    /// The connection closes without an answer. Nothing is done.
    ResetBefore,
    /// The work is done and durable, and the connection closes without an answer.
    ResetAfterCommit,
    /// The work is done; the head of the answer arrives and half of its body, and then the connection closes.
    CutAnswer,
    /// The work is done; the answer's length is right and its JSON ends in the middle.
    TruncatedJson,
    /// The work is done; the answer's JSON has a comma too many.
    MalformedJson,
    /// The work is done; the answer's body comes in pieces.
    SlowDrip {
        /// The size of a piece, 1 to 65536.
        bytes: u32,
        /// Between two pieces, in whole milliseconds, 1 ms to a minute.
        every: Duration,
    },
    /// The work is done; the answer has strings for numbers, and numbers for strings that hold one.
    WrongType,
    /// The work is done; every date in the answer is the 31st of June.
    ImpossibleDate,
}

/// A fault's name, meaning and parameters.
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) parameters: &'static [Parameter],
}

/// A whole number that a fault takes.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) default: u64,
    pub(crate) least: u64,
    pub(crate) most: u64,
}

const fn parameter(name: &'static str, default: u64, least: u64, most: u64) -> Parameter {
    Parameter { name, default, least, most }
}

const fn spec(name: &'static str, what: &'static str, parameters: &'static [Parameter]) -> Spec {
    Spec { name, what, parameters }
}

/// Every fault that can be asked for, in the order of the documentation.
pub(crate) const SPECS: &[Spec] = &[
    spec("status", "an error envelope with this status; nothing is done", &[parameter("code", 500, 400, 599)]),
    spec("unauthorized", "401 as for an unknown token; nothing is done", &[]),
    spec(
        "too-many-requests",
        "429 with Retry-After in seconds; nothing is done",
        &[parameter("retry_after", 1, 0, 86_400)],
    ),
    spec("latency", "the hub begins after this many milliseconds", &[parameter("ms", 1000, 1, 600_000)]),
    spec("reset-before", "the connection closes without an answer; nothing is done", &[]),
    spec("reset-after-commit", "the work is done and durable; the connection closes without an answer", &[]),
    spec("cut-answer", "the work is done; the connection closes in the middle of the answer's body", &[]),
    spec("truncated-json", "the work is done; the answer's JSON ends in the middle", &[]),
    spec("malformed-json", "the work is done; the answer's JSON has a comma too many", &[]),
    spec(
        "slow-drip",
        "the work is done; the answer's body comes in pieces of so many bytes, one every so many milliseconds",
        &[parameter("bytes", 16, 1, 65_536), parameter("every_ms", 100, 1, 60_000)],
    ),
    spec("wrong-type", "the work is done; the answer has strings for numbers and numbers for strings", &[]),
    spec("impossible-date", "the work is done; every date in the answer is the 31st of June", &[]),
];

/// The most parameters that a fault has.
const PARAMETERS_MAX: usize = 2;

impl FaultKind {
    /// From a name and what is given of its parameters; the rest have defaults. All that is wrong is told.
    pub(crate) fn read<'n>(
        name: &str,
        given: impl IntoIterator<Item = (&'n str, Option<u64>)>,
    ) -> Result<Self, Vec<String>> {
        let Some(spec) = SPECS.iter().find(|spec| spec.name == name) else {
            let known: Vec<_> = SPECS.iter().map(|spec| spec.name).collect();
            return Err(vec![format!("unknown fault; allowed: {}", known.join(", "))]);
        };
        let mut values = [0; PARAMETERS_MAX];
        for (value, parameter) in values.iter_mut().zip(spec.parameters) {
            *value = parameter.default;
        }
        let mut problems = Vec::new();
        for (key, value) in given {
            let known = spec.parameters.iter().position(|parameter| parameter.name == key);
            match known.and_then(|position| Some((values.get_mut(position)?, &spec.parameters[position], value))) {
                Some((kept, parameter, Some(value))) if (parameter.least..=parameter.most).contains(&value) => {
                    *kept = value;
                }
                Some((_, parameter, _)) => problems.push(parameter.refusal()),
                None => problems.push(spec.no_such_parameter()),
            }
        }
        let kind = Self::of(spec.name, values).ok_or_else(Vec::new);
        if problems.is_empty() { kind } else { Err(problems) }
    }

    /// The inverse of [`name`](Self::name) and [`values`](Self::values).
    fn of(name: &str, [first, second]: [u64; PARAMETERS_MAX]) -> Option<Self> {
        Some(match name {
            "status" => Self::Status { code: u16::try_from(first).ok()? },
            "unauthorized" => Self::Unauthorized,
            "too-many-requests" => Self::TooManyRequests { retry_after: Duration::from_secs(first) },
            "latency" => Self::Latency(Duration::from_millis(first)),
            "reset-before" => Self::ResetBefore,
            "reset-after-commit" => Self::ResetAfterCommit,
            "cut-answer" => Self::CutAnswer,
            "truncated-json" => Self::TruncatedJson,
            "malformed-json" => Self::MalformedJson,
            "slow-drip" => Self::SlowDrip { bytes: u32::try_from(first).ok()?, every: Duration::from_millis(second) },
            "wrong-type" => Self::WrongType,
            "impossible-date" => Self::ImpossibleDate,
            _ => return None,
        })
    }

    /// The name by which it is asked for, such as `reset-after-commit`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Unauthorized => "unauthorized",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::Latency(_) => "latency",
            Self::ResetBefore => "reset-before",
            Self::ResetAfterCommit => "reset-after-commit",
            Self::CutAnswer => "cut-answer",
            Self::TruncatedJson => "truncated-json",
            Self::MalformedJson => "malformed-json",
            Self::SlowDrip { .. } => "slow-drip",
            Self::WrongType => "wrong-type",
            Self::ImpossibleDate => "impossible-date",
        }
    }

    /// The values of its parameters, in their order.
    fn values(self) -> [u64; PARAMETERS_MAX] {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::Status { code } => [code.into(), 0],
            Self::TooManyRequests { retry_after } => [retry_after.as_secs(), 0],
            Self::Latency(by) => [millis(by), 0],
            Self::SlowDrip { bytes, every } => [bytes.into(), millis(every)],
            _ => [0; PARAMETERS_MAX],
        }
    }

    /// Each parameter with its value.
    pub(crate) fn parameters(self) -> impl Iterator<Item = (&'static Parameter, u64)> {
        let spec = SPECS.iter().find(|spec| spec.name == self.name());
        spec.map_or(&[][..], |spec| spec.parameters).iter().zip(self.values())
    }

    /// What is wrong with the values that were written in Rust.
    pub(crate) fn problems(self) -> Vec<String> {
        let wrong = |(parameter, value): &(&Parameter, u64)| !(parameter.least..=parameter.most).contains(value);
        self.parameters().filter(wrong).map(|(parameter, _)| parameter.refusal()).collect()
    }
}

impl Parameter {
    fn refusal(&self) -> String {
        format!("{}: allowed: a whole number from {} to {}", self.name, self.least, self.most)
    }
}

impl Spec {
    fn no_such_parameter(&self) -> String {
        let names: Vec<_> = self.parameters.iter().map(|parameter| parameter.name).collect();
        let allowed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        format!("unknown parameter; {} has: {allowed}", self.name)
    }

    /// As it is written in a header, with its defaults.
    pub(crate) fn example(&self) -> String {
        let parameters = self.parameters.iter().map(|parameter| format!(";{}={}", parameter.name, parameter.default));
        self.name.to_owned() + &parameters.collect::<String>()
    }
}

/// As it is written in a header: `slow-drip;bytes=16;every_ms=100`.
impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.parameters().try_for_each(|(parameter, value)| write!(f, ";{}={value}", parameter.name))
    }
}

#[cfg(test)]
mod tests {
    use super::{FaultKind, SPECS};
    use std::time::Duration;

    #[test]
    fn every_name_leads_to_its_kind_and_back() {
        for spec in SPECS {
            let kind = FaultKind::read(spec.name, []).unwrap();
            assert_eq!(kind.name(), spec.name);
            assert_eq!(kind.to_string(), spec.example());
            assert_eq!(kind.problems(), Vec::<String>::new());
            let given = kind.parameters().map(|(parameter, value)| (parameter.name, Some(value)));
            assert_eq!(FaultKind::read(spec.name, given), Ok(kind));
        }
    }

    fn check(name: &str, given: &[(&str, Option<u64>)], expected: Result<FaultKind, &str>) {
        let read = FaultKind::read(name, given.iter().copied()).map_err(|problems| problems.join(" | "));
        assert_eq!(read, expected.map_err(str::to_owned), "{name} {given:?}");
    }

    #[test]
    fn parameters_have_defaults_and_bounds_and_all_that_is_wrong_is_told() {
        check("status", &[], Ok(FaultKind::Status { code: 500 }));
        check("status", &[("code", Some(599))], Ok(FaultKind::Status { code: 599 }));
        check("status", &[("code", Some(600))], Err("code: allowed: a whole number from 400 to 599"));
        check("status", &[("code", Some(399))], Err("code: allowed: a whole number from 400 to 599"));
        check("status", &[("code", None)], Err("code: allowed: a whole number from 400 to 599"));
        check("latency", &[("ms", Some(7))], Ok(FaultKind::Latency(Duration::from_millis(7))));
        check("reset-before", &[("ms", Some(7))], Err("unknown parameter; reset-before has: none"));
        check(
            "slow-drip",
            &[("bytes", Some(0)), ("every", Some(1)), ("every_ms", Some(60_001))],
            Err(
                "bytes: allowed: a whole number from 1 to 65536 | unknown parameter; slow-drip has: bytes, every_ms | \
                 every_ms: allowed: a whole number from 1 to 60000",
            ),
        );
        assert!(FaultKind::read("resets", []).unwrap_err()[0].starts_with("unknown fault; allowed: status, "));
    }

    #[test]
    fn values_from_rust_are_checked_too() {
        assert_eq!(FaultKind::Status { code: 200 }.problems(), ["code: allowed: a whole number from 400 to 599"]);
        assert_eq!(FaultKind::Latency(Duration::MAX).problems(), ["ms: allowed: a whole number from 1 to 600000"]);
        let drip = FaultKind::SlowDrip { bytes: 0, every: Duration::ZERO };
        assert_eq!(drip.problems().len(), 2);
    }
}
