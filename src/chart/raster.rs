//! A plotters backend that fills a PNG image with exact pixel coverage and the embedded font, so that charts look the
//! same on a machine without fonts.

use std::convert::Infallible;

use ab_glyph::{Font, ScaleFont, point};
use ab_glyph_rasterizer::Rasterizer;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
    FontTransform, text_anchor::HPos,
};

use super::{
    canvas::{EM_PER_SIZE, circle},
    font::{self, HALF_X_HEIGHT},
    script::visual,
    theme::{PNG_SCALE, UNITS},
};
use crate::error::{Error, Result};

/// Image pixels per drawing unit.
const PIXELS: f64 = PNG_SCALE / UNITS;

type Drawn = std::result::Result<(), DrawingErrorKind<Infallible>>;

/// An RGB image that is drawn on.
pub(super) struct RasterBackend {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl RasterBackend {
    /// A white image for a page of `width` by `height` page pixels.
    pub(super) fn new(width: f64, height: f64) -> Self {
        let (width, height) = ((width * PNG_SCALE).ceil() as usize, (height * PNG_SCALE).ceil() as usize);
        Self { width, height, rgb: vec![255; width * height * 3] }
    }

    /// The image as the bytes of a PNG file.
    pub(super) fn into_png(self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let failed =
            |error: png::EncodingError| Error::internal(format!("a chart could not be written as PNG: {error}"));
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        // Flat areas become zeros, which the fast compressor packs as well as the slow one.
        encoder.set_compression(png::Compression::Default);
        encoder.set_filter(png::FilterType::NoFilter);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&self.rgb).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(bytes)
    }

    fn blend(&mut self, x: i64, y: i64, color: BackendColor, coverage: f64) {
        if x < 0 || y < 0 || x >= self.width as i64 || y >= self.height as i64 {
            return;
        }
        let alpha = color.alpha * coverage.clamp(0.0, 1.0);
        let at = (y as usize * self.width + x as usize) * 3;
        let (red, green, blue) = color.rgb;
        for (pixel, ink) in self.rgb[at..at + 3].iter_mut().zip([red, green, blue]) {
            *pixel = (f64::from(*pixel) + (f64::from(ink) - f64::from(*pixel)) * alpha).round() as u8;
        }
    }

    /// Fills the union of polygons that all run the same way round.
    fn fill_all(&mut self, polygons: &[Vec<(f64, f64)>], color: BackendColor) {
        let points = || polygons.iter().flatten();
        let left = points().map(|p| p.0).fold(f64::INFINITY, f64::min).floor();
        let top = points().map(|p| p.1).fold(f64::INFINITY, f64::min).floor();
        let right = points().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max).ceil();
        let bottom = points().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max).ceil();
        if !(left.is_finite() && right > left && bottom > top) {
            return;
        }
        let mut raster = Rasterizer::new((right - left) as usize + 2, (bottom - top) as usize + 2);
        for polygon in polygons {
            let local: Vec<_> = polygon.iter().map(|p| point((p.0 - left) as f32, (p.1 - top) as f32)).collect();
            for (index, &from) in local.iter().enumerate() {
                let to = local[(index + 1) % local.len()];
                raster.draw_line(ab_glyph_rasterizer::point(from.x, from.y), ab_glyph_rasterizer::point(to.x, to.y));
            }
        }
        raster.for_each_pixel_2d(|x, y, coverage| {
            if coverage > 0.0 {
                self.blend(left as i64 + i64::from(x), top as i64 + i64::from(y), color, f64::from(coverage));
            }
        });
    }

    fn stroke(&mut self, points: &[(f64, f64)], width: f64, color: BackendColor) {
        let mut shapes = Vec::with_capacity(points.len() * 2);
        for pair in points.windows(2) {
            shapes.extend(segment(pair[0], pair[1], width));
        }
        if width > 1.5 && points.len() > 2 {
            let joints = points[1..points.len() - 1].iter();
            shapes.extend(joints.map(|&joint| clockwise(circle(joint, width / 2.0, 12))));
        }
        self.fill_all(&shapes, color);
    }
}

/// A line as a rectangle; nothing where it has no length.
fn segment(from: (f64, f64), to: (f64, f64), width: f64) -> Option<Vec<(f64, f64)>> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy);
    if length < 1e-9 {
        return None;
    }
    let (nx, ny) = (-dy / length * width / 2.0, dx / length * width / 2.0);
    Some(clockwise(vec![
        (from.0 + nx, from.1 + ny),
        (to.0 + nx, to.1 + ny),
        (to.0 - nx, to.1 - ny),
        (from.0 - nx, from.1 - ny),
    ]))
}

fn clockwise(mut polygon: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let area: f64 = (0..polygon.len())
        .map(|i| {
            let (a, b) = (polygon[i], polygon[(i + 1) % polygon.len()]);
            a.0 * b.1 - b.0 * a.1
        })
        .sum();
    if area < 0.0 {
        polygon.reverse();
    }
    polygon
}

fn pixels(coordinate: BackendCoord) -> (f64, f64) {
    (f64::from(coordinate.0) * PIXELS, f64::from(coordinate.1) * PIXELS)
}

impl DrawingBackend for RasterBackend {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        ((self.width as f64 / PIXELS) as u32, (self.height as f64 / PIXELS) as u32)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> Drawn {
        let (x, y) = pixels(at);
        self.blend(x as i64, y as i64, color, 1.0);
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let points: Vec<_> = path.into_iter().map(pixels).collect();
        self.stroke(&points, f64::from(style.stroke_width()) * PIXELS, style.color());
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let points: Vec<_> = path.into_iter().map(pixels).collect();
        self.fill_all(&[points], style.color());
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        let size = style.size() / EM_PER_SIZE * PIXELS;
        let bold = matches!(style.style(), FontStyle::Bold);
        let upwards = matches!(style.transform(), FontTransform::Rotate270);
        let text = visual(text);
        let width = font::width(&text, size, bold);
        let mut pen = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -width / 2.0,
            HPos::Right => -width,
        };
        let (x0, y0) = pixels(at);
        // The fraction of the origin is given to the outline, so that glyphs stand where they were measured.
        let (along, across) = if upwards { (-y0, x0) } else { (x0, y0) };
        let Some(face) = font::face_for(&text, bold) else { return Ok(()) };
        let scaled = face.as_scaled(font::scale(face, size));
        for character in text.chars() {
            let id = scaled.glyph_id(character);
            let origin = point((along + pen) as f32, (across + size * HALF_X_HEIGHT) as f32);
            if let Some(outline) = face.outline_glyph(id.with_scale_and_position(scaled.scale(), origin)) {
                let bounds = outline.px_bounds();
                outline.draw(|x, y, coverage| {
                    let (px, py) = (bounds.min.x as i64 + i64::from(x), bounds.min.y as i64 + i64::from(y));
                    let (px, py) = if upwards { (py, -px - 1) } else { (px, py) };
                    self.blend(px, py, style.color(), f64::from(coverage));
                });
            }
            pen += f64::from(scaled.h_advance(id));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_is_exact_and_overlap_counts_once() {
        let mut image = RasterBackend::new(4.0, 4.0);
        let black = BackendColor { alpha: 1.0, rgb: (0, 0, 0) };
        let square = |x: f64| clockwise(vec![(x, 1.0), (x + 2.0, 1.0), (x + 2.0, 3.0), (x, 3.0)]);
        image.fill_all(&[square(1.0), square(1.5)], black);
        let row = |x: usize| image.rgb[(image.width + x) * 3];
        assert_eq!([row(0), row(1), row(2), row(3), row(4)], [255, 0, 0, 128, 255]);
    }
}
