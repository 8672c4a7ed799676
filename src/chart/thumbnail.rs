//! A chart as a small picture, for a list of charts.

use super::image;
use crate::error::Result;

/// Steps of each of red, green and blue: a picture of so few colours is a few kilobytes.
const STEPS: u16 = 5;

/// A chart's SVG document as the bytes of a PNG file, so many pixels wide, in few colours.
///
/// # Errors
/// [`crate::error::Error::Internal`] if it is no SVG document, or cannot be encoded.
pub fn thumbnail(svg: &str, width: u16) -> Result<Vec<u8>> {
    let tree = image::tree(svg)?;
    let mut pixels = image::pixels(&tree, f32::from(width) / tree.size().width())?;
    for value in pixels.data_mut() {
        let step = (u16::from(*value) * STEPS + 127) / 255;
        *value = (step * 255 / STEPS) as u8;
    }
    image::encoded(&pixels)
}

#[cfg(test)]
mod tests {
    use resvg::tiny_skia::Pixmap;

    use super::*;

    #[test]
    fn a_thumbnail_has_its_width_and_few_colours() {
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1000\" height=\"500\">\
                   <rect width=\"1000\" height=\"500\" fill=\"#fafafa\"/><circle cx=\"500\" cy=\"250\" r=\"200\" fill=\"#0072b2\"/></svg>";
        let bytes = thumbnail(svg, 150).unwrap();
        let picture = Pixmap::decode_png(&bytes).unwrap();
        assert_eq!((picture.width(), picture.height()), (150, 75));
        assert!(picture.data().iter().all(|value| value % 51 == 0));
        assert!(bytes.len() < 2000, "{} bytes", bytes.len());
        assert!(thumbnail("no picture", 150).is_err());
    }
}
