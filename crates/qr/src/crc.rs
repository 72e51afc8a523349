//! The checksum of field 63.

use crc::{CRC_16_IBM_3740, Crc, Table};

/// EMVCo MPM, 63: ISO/IEC 13239 with polynomial 1021 and initial value FFFF, better known as CRC-16/CCITT-FALSE. The
/// catalogue that the `crc` crate follows calls it IBM-3740.
///
/// Sixteen bytes at a time: eight kilobytes of tables, for a third of the time.
static CHECKSUM: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_IBM_3740);

/// The checksum of everything that precedes field 63's value, its id and length (`6304`) included, as UTF-8 bytes.
pub(crate) fn checksum(text_through_6304: &str) -> u16 {
    CHECKSUM.checksum(text_through_6304.as_bytes())
}

/// The checksum as field 63 spells it: four upper-case hexadecimal digits.
pub(crate) fn spelled(checksum: u16) -> String {
    let digit = |place: u32| char::from_digit((u32::from(checksum) >> (4 * place)) & 0xF, 16).unwrap_or('0');
    [3, 2, 1, 0].into_iter().map(|place| digit(place).to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_check_value_and_not_a_cousins() {
        // XMODEM (initial value 0) gives 31C3, X-25 gives 906E.
        assert_eq!(checksum("123456789"), 0x29B1);
        assert_eq!(checksum(""), 0xFFFF);
    }

    #[test]
    fn it_counts_bytes_not_characters() {
        assert_eq!(checksum("\u{6700}"), CHECKSUM.checksum(&[0xE6, 0x9C, 0x80]));
    }

    #[test]
    fn leading_zeros_are_written() {
        assert_eq!(spelled(0x7B), "007B");
    }
}
