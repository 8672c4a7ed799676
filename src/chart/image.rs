//! SVG to PNG with the fonts inside the binary, so that charts look the same on a machine without fonts.

use std::sync::{Arc, LazyLock};

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};

use super::{
    font::{BOLD_FONT, FAMILY, REGULAR_FONT},
    theme::PNG_SCALE,
};
use crate::error::{Error, Result};

/// The embedded fonts, in place of whatever family an SVG names.
static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(REGULAR_FONT.to_vec());
    fonts.load_font_data(BOLD_FONT.to_vec());
    fonts.set_sans_serif_family(FAMILY);
    Arc::new(fonts)
});

/// A chart's SVG document as the bytes of a PNG file, [`PNG_SCALE`] image pixels per page pixel.
pub(super) fn png(svg: &str) -> Result<Vec<u8>> {
    let options = Options { fontdb: Arc::clone(&FONTS), font_family: FAMILY.to_owned(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(failed)?;
    let scale = PNG_SCALE as f32;
    let (width, height) = (tree.size().width() * scale, tree.size().height() * scale);
    let mut image = Pixmap::new(width.ceil() as u32, height.ceil() as u32)
        .ok_or_else(|| failed(format!("{width} x {height} pixels are no image")))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut image.as_mut());
    image.encode_png().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("a chart could not be drawn as PNG: {error}"))
}
