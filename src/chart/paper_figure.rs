//! A chart as a figure of a paper: the figure alone, in its real size; the words stand beside it for the caption.

use std::str::FromStr;

use super::{
    image,
    page::{Page, Sheet},
    pdf,
};
use crate::error::{Error, Result};

/// The file formats of figures for papers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureFormat {
    /// 600 image pixels per inch; the file says its real size.
    Png,
    /// Vector graphics with text that needs one of the named fonts.
    Svg,
    /// Vector graphics with text as outlines: no font is needed.
    Pdf,
}

impl FigureFormat {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Png, Self::Svg, Self::Pdf];

    /// The ending of its files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
            Self::Pdf => "pdf",
        }
    }
}

impl FromStr for FigureFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| Error::usage(format!("`{name}` is no format of figures"), "expected png, svg or pdf"))
    }
}

/// A figure for a paper.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperFigure {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its words, for the caption: message, title, how to read it, n.
    pub words: String,
    /// The height of the smallest text, in points.
    pub smallest_text: f64,
    /// Width at which the smallest text would have [`READABLE`] points; at most the width that was asked for if it has.
    pub readable_from: f64,
}

/// Points of the smallest text that is read without trouble in print.
pub const READABLE: f64 = 5.0;

/// Draws a figure of so many millimetres.
pub(super) fn draw(page: &Page, format: FigureFormat, millimetres: f64) -> Result<PaperFigure> {
    let svg = page.svg(Sheet::Figure { millimetres })?;
    let smallest_text = smallest_text(&svg, millimetres);
    let words = page.words();
    let bytes = match format {
        FigureFormat::Png => image::png_of_width(&svg, millimetres)?,
        FigureFormat::Svg => svg.into_bytes(),
        FigureFormat::Pdf => pdf::pdf(&svg, &page.title)?,
    };
    // A figure that had to be scaled down is as wide in pixels at any smaller width.
    let readable_from = millimetres * (READABLE / smallest_text).max(0.0);
    Ok(PaperFigure { bytes, words, smallest_text, readable_from })
}

/// Points of the smallest text in a document of so many millimetres: infinite without text.
fn smallest_text(svg: &str, millimetres: f64) -> f64 {
    let number = |text: &str| text.split('"').next().and_then(|number| number.parse::<f64>().ok());
    let width = svg.split_once("viewBox=\"0 0 ").and_then(|(_, rest)| number(rest.split(' ').next()?));
    let sizes = svg.split("font-size=\"").skip(1).filter_map(number);
    let points_per_unit = millimetres * 72.0 / 25.4 / width.unwrap_or(1.0);
    sizes.fold(f64::INFINITY, f64::min) * points_per_unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_text_is_measured_in_points() {
        let svg = "<svg width=\"25.4mm\" viewBox=\"0 0 720 9\"><text font-size=\"80\"/><text font-size=\"50\"/></svg>";
        // 72 points are 720 units wide, so that 50 units are 5 points.
        assert!((smallest_text(svg, 25.4) - 5.0).abs() < 1e-9);
        assert_eq!(smallest_text("<svg viewBox=\"0 0 720 9\"/>", 25.4), f64::INFINITY);
    }
}
