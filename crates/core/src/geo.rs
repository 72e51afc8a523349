//! Where a dynamic QR code is made.
//!
//! guide:add-8

use core::fmt;
use core::str::FromStr;

use rust_decimal::Decimal;

use crate::bounds::Bounds;
use crate::error::{Field, FieldError, Problem};

/// Degrees north that exist. (assumed: the guide says "valid")
pub const LATITUDE: Bounds = Bounds::degrees(-90, 90);

/// Degrees east that exist. (assumed: the guide says "valid")
pub const LONGITUDE: Bounds = Bounds::degrees(-180, 180);

/// The most decimal places of a coordinate: far below an atom's width, as programs that print binary floats write. (assumed)
pub const COORDINATE_FRACTION_DIGITS: usize = 16;

/// A place on earth. The two coordinates are types of their own, because the guide's JSON has the longitude first and
/// most maps the latitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GeoPoint {
    /// Degrees north.
    pub latitude: Latitude,
    /// Degrees east.
    pub longitude: Longitude,
}

macro_rules! coordinate {
    ($(#[$doc:meta])* $name:ident, $field:expr, $bounds:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Decimal);

        impl $name {
            /// The degrees.
            pub fn degrees(self) -> Decimal {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = FieldError;

            fn from_str(value: &str) -> Result<Self, FieldError> {
                let degrees = plain_decimal($field, value)?;
                if !$bounds.contains(degrees) {
                    return Err(FieldError::new($field, Problem::OutOfRange, value));
                }
                Ok(Self(degrees))
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

coordinate! {
    /// Degrees north of the equator, negative to the south, within [`LATITUDE`]. (Guide, Add Payment, DQRC: `latitude`)
    Latitude, Field::Latitude, LATITUDE
}

coordinate! {
    /// Degrees east of Greenwich, negative to the west, within [`LONGITUDE`]. (Guide, Add Payment, DQRC: `longitude`)
    Longitude, Field::Longitude, LONGITUDE
}

/// The most digits before the point that a coordinate can need.
const WHOLE_DIGITS: usize = 3;

/// Digits with an optional minus sign and fraction: no plus sign, exponent, spaces or degrees sign.
fn plain_decimal(field: Field, value: &str) -> Result<Decimal, FieldError> {
    if value.trim().is_empty() {
        return Err(FieldError::missing(field));
    }
    let refused = |problem| FieldError::new(field, problem, value);
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    if [whole, fraction].iter().any(|part| part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit())) {
        return Err(refused(Problem::Malformed));
    }
    if whole.len() > WHOLE_DIGITS || fraction.len() > COORDINATE_FRACTION_DIGITS {
        return Err(refused(Problem::TooLong));
    }
    value.parse().map_err(|_| refused(Problem::Malformed))
}

#[cfg(test)]
mod tests {
    use super::{Latitude, Longitude};
    use crate::{FieldError, Problem};
    use core::fmt::Display;
    use core::str::FromStr;
    use proptest::prelude::*;
    use std::string::{String, ToString};

    fn check<T: FromStr<Err = FieldError> + Display>(value: &str, expected: Result<(), Problem>) {
        let read = value.parse::<T>().map(|c| c.to_string()).map_err(|e| e.problem());
        assert_eq!(read, expected.map(|()| value.into()), "{value:?}");
    }

    #[test]
    fn bounds_are_inclusive() {
        check::<Latitude>("33.646342", Ok(()));
        check::<Latitude>("90", Ok(()));
        check::<Latitude>("-90.000000", Ok(()));
        check::<Latitude>("90.000001", Err(Problem::OutOfRange));
        check::<Latitude>("-91", Err(Problem::OutOfRange));
        check::<Longitude>("72.996636", Ok(()));
        check::<Longitude>("91", Ok(()));
        check::<Longitude>("180", Ok(()));
        check::<Longitude>("-180", Ok(()));
        check::<Longitude>("180.1", Err(Problem::OutOfRange));
    }

    #[test]
    fn plain_decimals_only() {
        check::<Latitude>("", Err(Problem::Missing));
        for malformed in ["+33.6", "33.", ".5", "3e1", "33,6", "33.6N", " 33.6", "--3", "-", "NaN", "inf", "3_3"] {
            check::<Latitude>(malformed, Err(Problem::Malformed));
        }
        check::<Latitude>("0033.6", Err(Problem::TooLong));
        check::<Latitude>("33.12345678901234567", Err(Problem::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = text.parse::<Latitude>();
            let _ = text.parse::<Longitude>();
        }

        #[test]
        fn written_as_read(text in "-?[1-8][0-9]\\.[0-9]{1,16}") {
            prop_assert_eq!(text.parse::<Longitude>().unwrap().to_string(), text);
        }
    }
}
