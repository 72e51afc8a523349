//! Drawn codes, read back by another reader.

use asaanbill_qr::{Background, ErrorKind, MAX_PIXELS_PER_MODULE, Symbol};
use proptest::prelude::*;

use crate::vectors::{READABLE, SIMULATOR};

/// The quiet zone of four modules on each side.
const QUIET: usize = 4;

/// What a reader finds in a picture given as dark pixels in rows.
fn scan(picture: &[Vec<bool>]) -> String {
    let mut image = rqrr::PreparedImage::prepare_from_bitmap(picture[0].len(), picture.len(), |x, y| picture[y][x]);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one symbol in the picture");
    grids[0].decode().unwrap().1
}

/// What a reader finds in a symbol whose modules are known to be exactly these, without its quiet zone.
fn read(modules: &[Vec<bool>]) -> String {
    let grid = rqrr::SimpleGrid::from_func(modules.len(), |x, y| modules[y][x]);
    rqrr::Grid::new(grid).decode().unwrap().1
}

fn without_quiet_zone(picture: &[Vec<bool>]) -> Vec<Vec<bool>> {
    let inside = QUIET..picture.len() - QUIET;
    for (y, row) in picture.iter().enumerate() {
        for (x, dark) in row.iter().enumerate() {
            assert!(!dark || (inside.contains(&x) && inside.contains(&y)), "the quiet zone is light at {x},{y}");
        }
    }
    picture[inside.clone()].iter().map(|row| row[inside.clone()].to_vec()).collect()
}

fn enlarged(picture: &[Vec<bool>], times: usize) -> Vec<Vec<bool>> {
    let wide = |row: &Vec<bool>| row.iter().flat_map(|dark| vec![*dark; times]).collect::<Vec<_>>();
    picture.iter().flat_map(|row| vec![wide(row); times]).collect()
}

fn pixels(png: &[u8]) -> Vec<Vec<bool>> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut buffer = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut buffer).unwrap();
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Grayscale, png::BitDepth::One));
    let width = usize::try_from(info.width).unwrap();
    buffer[..info.buffer_size()]
        .chunks(info.line_size)
        .map(|line| (0..width).map(|x| line[x / 8] & (0x80 >> (x % 8)) == 0).collect())
        .collect()
}

/// Dark modules of terminal text, as they look on that ground.
fn modules(text: &str, background: Background) -> Vec<Vec<bool>> {
    let dark_if_painted = background == Background::Light;
    let mut rows = Vec::new();
    for line in text.lines() {
        let halves = line.chars().map(|c| match c {
            ' ' => (false, false),
            '\u{2580}' => (true, false),
            '\u{2584}' => (false, true),
            '\u{2588}' => (true, true),
            other => panic!("{other:?} is no half block"),
        });
        let (upper, lower): (Vec<_>, Vec<_>) =
            halves.map(|(up, low)| (up == dark_if_painted, low == dark_if_painted)).unzip();
        rows.extend([upper, lower]);
    }
    // A symbol is odd in height, so the last line's lower half is the terminal's own ground.
    rows.pop();
    rows
}

/// Dark modules of an SVG: the squares of its one path, 8 units each.
fn squares(svg: &str) -> Vec<Vec<bool>> {
    let between = |after: &str, until: &str| svg.split(after).nth(1).unwrap().split(until).next().unwrap();
    let side: usize = between("width=\"", "\"").parse::<usize>().unwrap() / 8;
    let mut rows = vec![vec![false; side]; side];
    for square in between("d=\"M", "\"").split('M') {
        let (corner, size) = square.split_once('h').unwrap();
        assert!(size.starts_with("8v8"), "{size}");
        let (x, y) = corner.split_once(' ').unwrap();
        rows[y.parse::<usize>().unwrap() / 8][x.parse::<usize>().unwrap() / 8] = true;
    }
    rows
}

#[test]
fn every_form_is_read_back_to_the_same_text() {
    for text in READABLE {
        let symbol = Symbol::new(text).unwrap();
        let side = symbol.width() + 2 * QUIET;
        for scale in [1, 3, 8] {
            let picture = pixels(&symbol.to_png(scale).unwrap());
            assert_eq!(picture.len(), side * usize::try_from(scale).unwrap());
            if scale > 1 {
                assert_eq!(scan(&picture), text);
            }
        }
        let svg = squares(&symbol.to_svg());
        assert_eq!(svg, pixels(&symbol.to_png(1).unwrap()));
        assert_eq!(scan(&enlarged(&svg, 4)), text);
        assert_eq!(read(&without_quiet_zone(&svg)), text);
        for background in [Background::Dark, Background::Light] {
            assert_eq!(modules(&symbol.to_terminal(background), background), svg, "{background:?}");
        }
    }
}

#[test]
fn pictures_have_bounds() {
    let symbol = Symbol::new(SIMULATOR).unwrap();
    for scale in [0, MAX_PIXELS_PER_MODULE + 1, u32::MAX] {
        let error = symbol.to_png(scale).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Undrawable, None));
    }
    assert!(symbol.to_png(MAX_PIXELS_PER_MODULE).is_ok());
    for text in ["x".repeat(2400), "ی".repeat(1200)] {
        assert_eq!(Symbol::new(&text).unwrap_err().kind(), ErrorKind::Undrawable);
    }
    insta::assert_snapshot!(symbol.to_png(33).unwrap_err(), @"a module is drawn with 1 to 32 pixels, not 33");
    insta::assert_snapshot!(Symbol::new(&"x".repeat(2400)).unwrap_err(), @"no QR symbol holds a text of 2400 bytes");
}

#[test]
fn the_longest_code_can_be_drawn() {
    // 512 characters of three bytes each: more than any code has.
    let text = "最".repeat(512);
    let symbol = Symbol::new(&text).unwrap();
    assert!(!symbol.is_dark(symbol.width(), 0) && symbol.is_dark(0, 0));
    assert_eq!(read(&without_quiet_zone(&squares(&symbol.to_svg()))), text);
}

#[test]
fn debug_hides_the_text() {
    insta::assert_snapshot!(format!("{:?}", Symbol::new(SIMULATOR).unwrap()), @"Symbol { width: 49, .. }");
}

proptest! {
    #[test]
    fn any_text_is_read_back(text in "[0-9]{1,40}|[0-9A-Z $%*+./:-]{1,40}|[ -~]{1,200}|[ -~一-鿿ا-ے]{1,80}") {
        let symbol = Symbol::new(&text).unwrap();
        let rows: Vec<Vec<bool>> =
            (0..symbol.width()).map(|y| (0..symbol.width()).map(|x| symbol.is_dark(x, y)).collect()).collect();
        prop_assert_eq!(read(&rows), text);
    }
}
