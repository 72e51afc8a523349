//! Amounts of Pakistani rupees.
//!
//! guide:add-4 guide:add-5 guide:add-6

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use rust_decimal::Decimal;

use crate::bounds::Bounds;
use crate::error::{Field, FieldError, Problem};

/// The most digits before the point: a thousand times a thousand milliards, and exact in 64 bits of paisa. (assumed)
pub const AMOUNT_INTEGER_DIGITS: usize = 15;

/// The most digits after the point: a rupee has 100 paisa. (assumed)
pub const AMOUNT_FRACTION_DIGITS: usize = 2;

/// What a dynamic QR code may ask for. (Guide, Add Payment, DQRC: `amount`)
pub const DYNAMIC_QR_AMOUNT: Bounds = Bounds::rupees_between(0, 1_000_000);

const TEXT_MAX: usize = AMOUNT_INTEGER_DIGITS + 1 + AMOUNT_FRACTION_DIGITS;

/// An exact amount of rupees: more than zero, at most two decimal places, kept as it was submitted.
///
/// It is ASCII digits with an optional point and one or two digits: no sign, space, separator or exponent. Amounts
/// compare by value, so `50`, `50.0` and `050` are equal, and each is written back as it came.
///
/// ```
/// use asaanbill_core::Amount;
///
/// let amount: Amount = "50.0".parse()?;
/// assert_eq!(amount, "50".parse()?);
/// assert_eq!(amount.to_string(), "50.0");
/// assert_eq!(amount.paisa(), 5_000);
/// # Ok::<(), asaanbill_core::FieldError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Amount {
    text: [u8; TEXT_MAX],
    length: u8,
    paisa: u64,
}

impl Amount {
    /// The amount as it was submitted.
    #[expect(clippy::missing_panics_doc, reason = "the invariant excludes it")]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.text[..usize::from(self.length)]).expect("an amount is ASCII digits and a point")
    }

    /// The amount in hundredths of a rupee.
    pub fn paisa(&self) -> u64 {
        self.paisa
    }

    /// The amount in rupees, with two decimal places.
    pub fn rupees(&self) -> Decimal {
        Decimal::from_i128_with_scale(i128::from(self.paisa), 2)
    }
}

impl FromStr for Amount {
    type Err = FieldError;

    fn from_str(value: &str) -> Result<Self, FieldError> {
        if value.trim().is_empty() {
            return Err(FieldError::missing(Field::Amount));
        }
        let refused = |problem| FieldError::new(Field::Amount, problem, value);
        let (whole, fraction) = match value.split_once('.') {
            Some((_, "")) => return Err(refused(Problem::Malformed)),
            Some(parts) => parts,
            None => (value, ""),
        };
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > AMOUNT_FRACTION_DIGITS {
            return Err(refused(Problem::Malformed));
        }
        if whole.len() > AMOUNT_INTEGER_DIGITS {
            return Err(refused(Problem::TooLong));
        }
        let digits = whole.bytes().chain(fraction.bytes()).chain(core::iter::repeat(b'0'));
        let paisa = digits
            .take(whole.len() + AMOUNT_FRACTION_DIGITS)
            .fold(0_u64, |paisa, digit| paisa * 10 + u64::from(digit - b'0'));
        if paisa == 0 {
            return Err(refused(Problem::OutOfRange));
        }
        let mut text = [0; TEXT_MAX];
        text[..value.len()].copy_from_slice(value.as_bytes());
        let length = u8::try_from(value.len()).expect("the digits were counted");
        Ok(Self { text, length, paisa })
    }
}

/// Exact, or refused: never rounded. Trailing zeros beyond two decimal places don't count.
impl TryFrom<Decimal> for Amount {
    type Error = FieldError;

    fn try_from(rupees: Decimal) -> Result<Self, FieldError> {
        use alloc::string::ToString as _;
        rupees.normalize().to_string().parse()
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.paisa == other.paisa
    }
}

impl Eq for Amount {}

impl Hash for Amount {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.paisa.hash(state);
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        self.paisa.cmp(&other.paisa)
    }
}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amount({})", self.as_str())
    }
}

/// An amount that a dynamic QR code may ask for: within [`DYNAMIC_QR_AMOUNT`]. (Guide, Add Payment, DQRC: `amount`)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DynamicQrAmount(Amount);

impl DynamicQrAmount {
    /// The amount.
    pub fn get(self) -> Amount {
        self.0
    }
}

impl TryFrom<Amount> for DynamicQrAmount {
    type Error = FieldError;

    fn try_from(amount: Amount) -> Result<Self, FieldError> {
        if !DYNAMIC_QR_AMOUNT.contains(amount.rupees()) {
            return Err(FieldError::new(Field::Amount, Problem::OutOfDynamicQrRange, amount.as_str()));
        }
        Ok(Self(amount))
    }
}

impl FromStr for DynamicQrAmount {
    type Err = FieldError;

    fn from_str(value: &str) -> Result<Self, FieldError> {
        value.parse::<Amount>().and_then(Self::try_from)
    }
}

#[cfg(test)]
mod tests {
    use super::{Amount, DynamicQrAmount};
    use crate::Problem;
    use proptest::prelude::*;
    use rust_decimal::Decimal;
    use std::string::{String, ToString};

    fn check(value: &str, expected: Result<u64, Problem>) {
        let read = value.parse::<Amount>();
        assert_eq!(read.map(|a| a.paisa()).map_err(|e| e.problem()), expected, "{value:?}");
        if let Ok(amount) = read {
            assert_eq!(amount.to_string(), value);
        }
    }

    #[test]
    fn digits_with_at_most_two_decimal_places() {
        check("50", Ok(5_000));
        check("1400.5", Ok(140_050));
        check("0.01", Ok(1));
        check("007.50", Ok(750));
        check("999999999999999.99", Ok(99_999_999_999_999_999));
        check("", Err(Problem::Missing));
        check("  ", Err(Problem::Missing));
        check("0", Err(Problem::OutOfRange));
        check("0.00", Err(Problem::OutOfRange));
        for malformed in ["-5", "+5", " 5", "5 ", "1,400", "1e3", "5.", ".5", "1.2.3", "12.345", "٥٠", "NaN", "0x10"]
        {
            check(malformed, Err(Problem::Malformed));
        }
        check("1000000000000000", Err(Problem::TooLong));
        check("0000000000000001", Err(Problem::TooLong));
    }

    #[test]
    fn equal_by_value_and_never_rounded() {
        let amount = |text: &str| text.parse::<Amount>().unwrap();
        assert_eq!(amount("50"), amount("050.00"));
        assert!(amount("9.99") < amount("10"));
        assert_eq!(amount("1400.5").rupees().to_string(), "1400.50");
        let exact = |text: &str| Amount::try_from(text.parse::<Decimal>().unwrap());
        assert_eq!(exact("50.000").unwrap().to_string(), "50");
        assert_eq!(exact("50.005").unwrap_err().problem(), Problem::Malformed);
        assert_eq!(exact("-1").unwrap_err().problem(), Problem::Malformed);
    }

    #[test]
    fn a_dynamic_qr_code_asks_for_less_than_a_million() {
        let problem = |text: &str| text.parse::<DynamicQrAmount>().map(|_| ()).map_err(|e| e.problem());
        assert_eq!(problem("0.01"), Ok(()));
        assert_eq!(problem("999999.99"), Ok(()));
        assert_eq!(problem("1000000"), Err(Problem::OutOfDynamicQrRange));
        assert_eq!(problem("0"), Err(Problem::OutOfRange));
        assert_eq!(problem("x"), Err(Problem::Malformed));
    }

    proptest! {
        #[test]
        fn written_as_read(whole in "[0-9]{1,15}", fraction in proptest::option::of("[0-9]{1,2}")) {
            let mut text: String = whole;
            if let Some(fraction) = fraction {
                text = text + "." + &fraction;
            }
            let value: Decimal = text.parse().unwrap();
            match text.parse::<Amount>() {
                Ok(amount) => {
                    prop_assert_eq!(amount.to_string(), text);
                    prop_assert_eq!(amount.rupees(), value);
                    prop_assert_eq!(Amount::try_from(value).unwrap(), amount);
                }
                Err(error) => {
                    prop_assert!(value.is_zero());
                    prop_assert_eq!(error.problem(), Problem::OutOfRange);
                }
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            if let Ok(amount) = text.parse::<Amount>() {
                prop_assert_eq!(amount.to_string(), text);
            }
        }
    }
}
