//! Drawing a code.

use std::fmt;

use qrcode::bits::Bits;
use qrcode::render::{svg, unicode::Dense1x2};
use qrcode::{Color, EcLevel, QrCode, Version};

use crate::error::{QrError, Undrawable};

/// A QR symbol: the square of dark and light modules that shows one text.
///
/// It is drawn with error correction M, as is usual for payment codes, in the smallest version that holds the
/// text, and always with its quiet zone of four modules, without which many scanners find nothing. `Debug` leaves
/// the text out.
///
/// ```
/// use asaanbill_qr::{Background, Symbol};
///
/// let symbol = Symbol::new("000201...")?;
/// assert!(symbol.to_svg().ends_with("</svg>"));
/// assert!(symbol.to_png(8)?.starts_with(b"\x89PNG"));
/// assert_eq!(symbol.to_terminal(Background::Dark).lines().count(), (symbol.width() + 8).div_ceil(2));
/// # Ok::<(), asaanbill_qr::QrError>(())
/// ```
#[derive(Clone)]
pub struct Symbol {
    code: QrCode,
}

/// What a terminal's text stands on. Scanners want dark modules on light ground, so one of the two is painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Background {
    /// Light text on dark ground: the light modules are painted.
    Dark,
    /// Dark text on light ground: the dark modules are painted.
    Light,
}

/// The most pixels a module's side may have in a PNG. The largest symbol is then some 6000 pixels wide, enough for a
/// poster, and takes 4.5 MB of memory to draw.
pub const MAX_PIXELS_PER_MODULE: u32 = 32;

/// Light modules around the symbol, ISO/IEC 18004.
const QUIET_ZONE: usize = 4;

impl Symbol {
    /// Makes the symbol of a text: a code's, or any other, such as one that can't be read and has to be shown all the same.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Undrawable`](crate::ErrorKind::Undrawable) if the text has more bytes than the largest symbol holds,
    /// which is some 2300 of them. No code comes near that.
    pub fn new(text: &str) -> Result<Symbol, QrError> {
        let code = if text.is_ascii() { QrCode::with_error_correction_level(text, EcLevel::M) } else { in_bytes(text) };
        let code = code.map_err(|_| QrError::undrawable(Undrawable::TextTooLong { bytes: text.len() }))?;
        Ok(Symbol { code })
    }

    /// The modules on each side, without the quiet zone: 21 to 177.
    pub fn width(&self) -> usize {
        self.code.width()
    }

    /// Whether the module in column `x` and row `y` is dark. Outside of the symbol all is light.
    pub fn is_dark(&self, x: usize, y: usize) -> bool {
        x < self.width() && y < self.width() && self.code[(x, y)] == Color::Dark
    }

    /// An SVG document, black on white, 8 units a module. It scales without loss.
    pub fn to_svg(&self) -> String {
        self.code.render::<svg::Color<'_>>().build()
    }

    /// A PNG picture of one bit a pixel, black on white.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Undrawable`](crate::ErrorKind::Undrawable) if `pixels_per_module` is zero or above
    /// [`MAX_PIXELS_PER_MODULE`].
    pub fn to_png(&self, pixels_per_module: u32) -> Result<Vec<u8>, QrError> {
        if !(1..=MAX_PIXELS_PER_MODULE).contains(&pixels_per_module) {
            return Err(QrError::undrawable(Undrawable::Scale { asked: pixels_per_module }));
        }
        let failed = || QrError::undrawable(Undrawable::Encoder);
        let scale = usize::try_from(pixels_per_module).map_err(|_| failed())?;
        let side = (self.width() + 2 * QUIET_ZONE) * scale;
        let mut rows = Vec::with_capacity(side * side.div_ceil(8));
        for y in 0..side {
            let mut row = vec![0u8; side.div_ceil(8)];
            for x in 0..side {
                if !self.is_dark_with_quiet_zone(x / scale, y / scale) {
                    row[x / 8] |= 0x80 >> (x % 8);
                }
            }
            rows.extend_from_slice(&row);
        }
        let pixels = u32::try_from(side).map_err(|_| failed())?;
        let mut picture = Vec::new();
        let mut encoder = png::Encoder::new(&mut picture, pixels, pixels);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let mut writer = encoder.write_header().map_err(|_| failed())?;
        writer.write_image_data(&rows).map_err(|_| failed())?;
        writer.finish().map_err(|_| failed())?;
        Ok(picture)
    }

    /// Text for a terminal: each character shows two modules, one above the other. Lines end with `\n` but the last.
    pub fn to_terminal(&self, background: Background) -> String {
        let (dark, light) = match background {
            Background::Dark => (Dense1x2::Light, Dense1x2::Dark),
            Background::Light => (Dense1x2::Dark, Dense1x2::Light),
        };
        self.code.render::<Dense1x2>().dark_color(dark).light_color(light).build()
    }

    fn is_dark_with_quiet_zone(&self, x: usize, y: usize) -> bool {
        x >= QUIET_ZONE && y >= QUIET_ZONE && self.is_dark(x - QUIET_ZONE, y - QUIET_ZONE)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbol").field("width", &self.width()).finish_non_exhaustive()
    }
}

/// The symbol of a text that isn't all ASCII, as one run of UTF-8 bytes. Left to choose, the encoder takes a run of those
/// bytes for Shift JIS where it looks like it, and a scanner then gives back other characters than were put in.
fn in_bytes(text: &str) -> Result<QrCode, qrcode::types::QrError> {
    for version in 1..=40 {
        let mut bits = Bits::new(Version::Normal(version));
        if bits.push_byte_data(text.as_bytes()).and_then(|()| bits.push_terminator(EcLevel::M)).is_ok() {
            return QrCode::with_bits(bits, EcLevel::M);
        }
    }
    Err(qrcode::types::QrError::DataTooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_beyond_ascii_is_drawn_as_bytes_and_never_as_shift_jis() {
        // E9 9E 81: each of the three may lead a pair of Shift JIS, so a run of them looks like nothing else.
        let text = "鞁".repeat(8);
        let mut bits = Bits::new(Version::Normal(2));
        bits.push_byte_data(text.as_bytes()).unwrap();
        bits.push_terminator(EcLevel::M).unwrap();
        let bytes = QrCode::with_bits(bits, EcLevel::M).unwrap();
        let misled = QrCode::with_version(&text, Version::Normal(2), EcLevel::M).unwrap();
        assert!(misled.to_colors() != bytes.to_colors(), "the encoder is misled by this text");
        assert!(Symbol::new(&text).unwrap().code.to_colors() == bytes.to_colors());
    }

    #[test]
    fn a_symbol_is_the_smallest_that_holds_the_text_at_level_m() {
        // Version 1 holds 14 bytes at level M, version 2 holds 26: ISO/IEC 18004, table 7.
        for (text, width) in [("یییییی1x", 21), ("یییییییx", 25), ("aaaaaaaaaaaaaa", 21), ("aaaaaaaaaaaaaaa", 25)]
        {
            let symbol = Symbol::new(text).unwrap();
            assert_eq!((symbol.width(), symbol.code.error_correction_level()), (width, EcLevel::M), "{text}");
        }
    }
}
