//! Amounts, read from a number's own digits.
//!
//! guide:form-2 guide:form-3 guide:form-4

use asaanbill_core::Amount;
use rust_decimal::Decimal;

use crate::scalar::{Scalar, scalar_newtype};

scalar_newtype! {
    /// An amount in rupees as it came: a JSON number (`50.0`, `1.0E7`) or a string (`"1400"`).
    Money
}

impl Money {
    /// The amount as a JSON number, which always has a fraction digit: `50.0`, `1400.5`, `1234.56`.
    pub fn number(amount: Amount) -> Self {
        let (whole, fraction) = (amount.paisa() / 100, amount.paisa() % 100);
        let literal =
            if fraction % 10 == 0 { format!("{whole}.{}", fraction / 10) } else { format!("{whole}.{fraction:02}") };
        Self(Scalar::literal(literal))
    }

    /// The exact decimal, from plain or scientific notation; `None` where there is none or it needs more than 28 digits.
    pub fn decimal(&self) -> Option<Decimal> {
        read_decimal(self.as_str())
    }

    /// The amount, if the decimal is one: positive, at most two decimal places.
    pub fn amount(&self) -> Option<Amount> {
        // A string is kept as it was submitted; a number has no form of its own.
        if self.0.is_text()
            && let Ok(amount) = self.as_str().parse()
        {
            return Some(amount);
        }
        Amount::try_from(self.decimal()?).ok()
    }
}

impl From<Amount> for Money {
    /// The amount as a JSON string, as it was submitted.
    fn from(amount: Amount) -> Self {
        Self::text(amount.as_str())
    }
}

/// The largest power of ten that a decimal of 28 digits can hold.
const EXPONENT_MAX: u32 = 28;

fn read_decimal(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let starts_with_digit = mantissa.strip_prefix('-').unwrap_or(mantissa).starts_with(|c: char| c.is_ascii_digit());
    if !starts_with_digit || mantissa.contains('_') || mantissa.ends_with('.') || exponent.unsigned_abs() > EXPONENT_MAX
    {
        return None;
    }
    // Exact or nothing: the ordinary parser rounds what has too many digits.
    let mantissa = Decimal::from_str_exact(mantissa).ok()?;
    let scale = i32::try_from(mantissa.scale()).ok()? - exponent;
    match u32::try_from(scale) {
        Ok(scale) => Decimal::try_from_i128_with_scale(mantissa.mantissa(), scale).ok(),
        Err(_) => {
            let power = 10_i128.checked_pow(scale.unsigned_abs())?;
            Decimal::try_from_i128_with_scale(mantissa.mantissa().checked_mul(power)?, 0).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Money, read_decimal};
    use asaanbill_core::Amount;
    use proptest::prelude::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(read_decimal(text).map(|d| d.normalize().to_string()).as_deref(), expected, "{text:?}");
    }

    #[test]
    fn plain_and_scientific() {
        check("50", Some("50"));
        check("50.0", Some("50"));
        check("1400.5", Some("1400.5"));
        check("1.0E7", Some("10000000"));
        check("1.0e7", Some("10000000"));
        check("1.5E+3", Some("1500"));
        check("1234567E-2", Some("12345.67"));
        check("-5", Some("-5"));
        check("0.1", Some("0.1"));
        check("1E28", Some("10000000000000000000000000000"));
        for unread in [
            "",
            "N/A",
            "1,400",
            "50 ",
            " 50",
            "1E29",
            "1E",
            "E7",
            "1_000",
            "5.",
            ".5",
            "+5",
            "1E1E1",
            "1E-2147483648",
            "1E2147483647",
            "1E-29",
        ] {
            check(unread, None);
        }
        check("0.12345678901234567890123456789", None); // never rounded
        check("99999999999999999999999999999999", None);
    }

    #[test]
    fn a_number_is_written_with_a_fraction_digit() {
        let number = |text: &str| serde_json::to_string(&Money::number(text.parse().unwrap())).unwrap();
        assert_eq!(number("50"), "50.0");
        assert_eq!(number("50.00"), "50.0");
        assert_eq!(number("1400.5"), "1400.5");
        assert_eq!(number("1400.50"), "1400.5");
        assert_eq!(number("1234.56"), "1234.56");
        assert_eq!(number("0.01"), "0.01");
        assert_eq!(number("0.10"), "0.1");
        assert_eq!(number("999999999999999.99"), "999999999999999.99");
    }

    proptest! {
        /// Written as a number or as a string, the same amount is read.
        #[test]
        fn written_as_read(text in "[1-9][0-9]{0,14}(\\.[0-9]{1,2})?") {
            let amount: Amount = text.parse().unwrap();
            let number: Money = serde_json::from_str(&serde_json::to_string(&Money::number(amount)).unwrap()).unwrap();
            prop_assert_eq!(number.amount(), Some(amount));
            let string: Money = serde_json::from_str(&serde_json::to_string(&Money::from(amount)).unwrap()).unwrap();
            let kept = string.amount();
            prop_assert_eq!(kept.as_ref().map(Amount::as_str), Some(text.as_str()));
        }

        #[test]
        fn any_text_is_read_or_not(text in any::<String>()) {
            let _ = read_decimal(&text);
        }

        #[test]
        fn anything_like_a_number_is_read_or_not(text in "-?[0-9]{0,40}(\\.[0-9]{0,40})?([eE][+-]?[0-9]{1,12})?") {
            let _ = read_decimal(&text);
        }
    }
}
