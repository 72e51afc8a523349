//! The hub's record numbers.
//!
//! guide:addr-9

use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

use crate::error::{Field, FieldError, Problem};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $field:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// The number, from 1 to `i64::MAX`.
            pub fn get(self) -> u64 {
                self.0.get()
            }
        }

        impl TryFrom<u64> for $name {
            type Error = FieldError;

            fn try_from(number: u64) -> Result<Self, FieldError> {
                match NonZeroU64::new(number) {
                    Some(id) if i64::try_from(number).is_ok() => Ok(Self(id)),
                    _ => Err(FieldError::out_of_range($field)),
                }
            }
        }

        impl TryFrom<i64> for $name {
            type Error = FieldError;

            fn try_from(number: i64) -> Result<Self, FieldError> {
                let number = u64::try_from(number).map_err(|_| FieldError::out_of_range($field))?;
                Self::try_from(number)
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> i64 {
                i64::try_from(id.get()).expect("an id is at most i64::MAX")
            }
        }

        impl FromStr for $name {
            type Err = FieldError;

            fn from_str(value: &str) -> Result<Self, FieldError> {
                if value.trim().is_empty() {
                    return Err(FieldError::missing($field));
                }
                if !value.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(FieldError::new($field, Problem::Malformed, value));
                }
                let number = value.parse::<u64>().ok().and_then(|n| Self::try_from(n).ok());
                number.ok_or_else(|| FieldError::new($field, Problem::OutOfRange, value))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id! {
    /// The hub's number of one payment record. Later records have larger numbers. (Guide, Add Payment, answer: `id`)
    PaymentId, Field::PaymentId
}

id! {
    /// The hub's number of one accepted batch. (Guide, Add Bulk, answer: `bulkPaymentRequestId`)
    BulkRequestId, Field::BulkRequestId
}

id! {
    /// The number of an integrator's channel: everything in the hub belongs to one. (Guide, Login, answer:
    /// `channel.id`)
    ChannelId, Field::ChannelId
}

#[cfg(test)]
mod tests {
    use super::PaymentId;
    use crate::Problem;
    use proptest::prelude::*;
    use std::string::ToString as _;

    fn check(value: &str, expected: Result<u64, Problem>) {
        let read = value.parse::<PaymentId>();
        assert_eq!(read.map(PaymentId::get).map_err(|e| e.problem()), expected, "{value:?}");
    }

    #[test]
    fn a_positive_whole_number() {
        check("25", Ok(25));
        check("9223372036854775807", Ok(9_223_372_036_854_775_807));
        check("9223372036854775808", Err(Problem::OutOfRange));
        check("99999999999999999999999", Err(Problem::OutOfRange));
        check("0", Err(Problem::OutOfRange));
        check("-1", Err(Problem::Malformed));
        check("+1", Err(Problem::Malformed));
        check("1.0", Err(Problem::Malformed));
        check(" ", Err(Problem::Missing));
    }

    #[test]
    fn it_crosses_into_a_database_and_back() {
        let id = PaymentId::try_from(7_u64).unwrap();
        assert_eq!(PaymentId::try_from(i64::from(id)), Ok(id));
        assert!(PaymentId::try_from(-1_i64).is_err());
        assert!(PaymentId::try_from(0_i64).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|[0-9]{0,25}") {
            if let Ok(id) = text.parse::<PaymentId>() {
                prop_assert_eq!(id.to_string(), text.trim_start_matches('0'));
            }
        }
    }
}
