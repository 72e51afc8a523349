//! What the bench is asked for.

use std::env;
use std::path::PathBuf;

/// Payments in the large store where nothing is said: what a big biller has in a few years.
const PAYMENTS: u64 = 5_000_000;

/// Payments in the large store of a quick run.
const PAYMENTS_QUICK: u64 = 20_000;

/// How the bench is called.
const USAGE: &str = "\
usage: cargo bench -p asaanbill-e2e --bench hub -- [--quick] [--only NAME]… [--payments N] [--program PATH]

  --quick         everything once, with small numbers; no bound is enforced
  --only NAME     only this part, as often as needed: add, bulk, size, start, in-process, postgres, instances
  --payments N    payments in the large store [default: 5000000]
  --program PATH  the asaanbill command to measure [default: it is built]";

/// The parts of the bench, in the order in which they run.
pub(crate) const PARTS: [&str; 7] = ["add", "bulk", "size", "start", "in-process", "postgres", "instances"];

/// What to measure, and how long.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) quick: bool,
    pub(crate) only: Vec<String>,
    pub(crate) payments: u64,
    pub(crate) program: Option<PathBuf>,
}

impl Args {
    /// Reads the command line.
    ///
    /// # Errors
    ///
    /// What is wrong, and how the bench is called.
    pub(crate) fn read() -> Result<Self, String> {
        let wrong = |what: String| format!("{what}\n{USAGE}");
        let mut args = Self { quick: false, only: Vec::new(), payments: 0, program: None };
        let mut payments = None;
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| wrong(format!("{word} needs a value")));
            match word.as_str() {
                // `cargo bench` adds it for the standard library's harness.
                "--bench" => {}
                "--quick" => args.quick = true,
                "--only" => args.only.push(part(&value()?).map_err(wrong)?),
                "--payments" => payments = Some(read_payments(&value()?).map_err(wrong)?),
                "--program" => args.program = Some(value()?.into()),
                "--help" => return Err(USAGE.into()),
                _ => return Err(wrong(format!("{word} is no argument of this bench"))),
            }
        }
        args.payments = payments.unwrap_or(if args.quick { PAYMENTS_QUICK } else { PAYMENTS });
        Ok(args)
    }

    /// Whether a part is to run.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

fn part(name: &str) -> Result<String, String> {
    let known = PARTS.contains(&name);
    known.then(|| name.to_owned()).ok_or_else(|| format!("--only {name}: expected one of {}", PARTS.join(", ")))
}

fn read_payments(text: &str) -> Result<u64, String> {
    let payments = text.parse().ok().filter(|payments| *payments >= crate::size::SMALL);
    payments.ok_or_else(|| format!("--payments {text}: expected a number from {}", crate::size::SMALL))
}
