//! SVG to PNG with the fonts inside the binary, so that charts look the same on a machine without fonts.

use std::sync::{Arc, LazyLock};

use flate2::Crc;
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};

use super::{
    font::{BOLD_FONT, FAMILY, REGULAR_FONT},
    theme::PNG_SCALE,
};
use crate::error::{Error, Result};

/// Image pixels per inch of a figure for a paper.
const PIXELS_PER_INCH: f64 = 600.0;
const MILLIMETRES_PER_INCH: f64 = 25.4;
/// Where the first chunk of a PNG file ends: signature, and header with its length, name and sum.
const HEADER_END: usize = 8 + 25;

/// The embedded fonts, in place of whatever family an SVG names.
static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(REGULAR_FONT.to_vec());
    fonts.load_font_data(BOLD_FONT.to_vec());
    fonts.set_sans_serif_family(FAMILY);
    Arc::new(fonts)
});

/// An SVG document as shapes, its text in the embedded fonts.
pub(super) fn tree(svg: &str) -> Result<Tree> {
    let options = Options { fontdb: Arc::clone(&FONTS), font_family: FAMILY.to_owned(), ..Options::default() };
    Tree::from_str(svg, &options).map_err(failed)
}

/// A chart's SVG document as the bytes of a PNG file, [`PNG_SCALE`] image pixels per page pixel.
pub(super) fn png(svg: &str) -> Result<Vec<u8>> {
    rasterised(&tree(svg)?, PNG_SCALE as f32)
}

/// An SVG document of so many millimetres as a PNG file that says its real size: 600 image pixels per inch.
pub(super) fn png_of_width(svg: &str, millimetres: f64) -> Result<Vec<u8>> {
    let tree = tree(svg)?;
    let pixels = (millimetres / MILLIMETRES_PER_INCH * PIXELS_PER_INCH).round();
    let mut bytes = rasterised(&tree, (pixels / f64::from(tree.size().width())) as f32)?;
    let per_metre = (PIXELS_PER_INCH / MILLIMETRES_PER_INCH * 1e3).round() as u32;
    bytes.splice(HEADER_END..HEADER_END, physical_size(per_metre));
    Ok(bytes)
}

fn rasterised(tree: &Tree, scale: f32) -> Result<Vec<u8>> {
    encoded(&pixels(tree, scale)?)
}

/// The picture, so many image pixels per page pixel.
pub(super) fn pixels(tree: &Tree, scale: f32) -> Result<Pixmap> {
    let (width, height) = (tree.size().width() * scale, tree.size().height() * scale);
    // The product of a scale is a hair beside the whole number that it stands for.
    let whole = |size: f32| (size - 1e-2).ceil() as u32;
    let mut image = Pixmap::new(whole(width), whole(height))
        .ok_or_else(|| failed(format!("{width} x {height} pixels are no image")))?;
    resvg::render(tree, Transform::from_scale(scale, scale), &mut image.as_mut());
    Ok(image)
}

pub(super) fn encoded(image: &Pixmap) -> Result<Vec<u8>> {
    image.encode_png().map_err(failed)
}

/// The chunk of a PNG file that says how many image pixels a metre has.
fn physical_size(per_metre: u32) -> Vec<u8> {
    let mut named = b"pHYs".to_vec();
    named.extend(per_metre.to_be_bytes().repeat(2));
    // The unit is the metre.
    named.push(1);
    let mut sum = Crc::new();
    sum.update(&named);
    let length = (named.len() - 4) as u32;
    [&length.to_be_bytes()[..], &named, &sum.sum().to_be_bytes()].concat()
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("a chart could not be drawn as an image: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_for_a_paper_says_its_real_size() {
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"25.4mm\" height=\"12.7mm\" viewBox=\"0 0 4 2\"/>";
        let bytes = png_of_width(svg, 25.4).unwrap();
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((number(16), number(20)), (600, 300));
        // 600 pixels per inch are 23,622 per metre; the chunk follows the header, and its sum is that of the PNG standard.
        assert_eq!((&bytes[37..41], number(41), number(45), bytes[49]), (&b"pHYs"[..], 23_622, 23_622, 1));
        assert!(Pixmap::decode_png(&bytes).is_ok());
    }
}
