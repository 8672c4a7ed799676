//! The colours, sizes and fonts of all charts.
//!
//! Colours are from Okabe and Ito's colour-blind-safe palette; nothing is distinguished by colour alone, because every
//! series also has its own line style, marker or direct label.

/// An opaque or translucent colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Color {
    /// Red, green, blue.
    pub(super) rgb: (u8, u8, u8),
    /// 0 invisible ... 1 opaque.
    pub(super) alpha: f64,
}

impl Color {
    const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self { rgb: (red, green, blue), alpha: 1.0 }
    }

    /// The same colour, translucent.
    pub(super) const fn with_alpha(self, alpha: f64) -> Self {
        Self { rgb: self.rgb, alpha }
    }

    /// The colour a share `amount` of the way to `other`.
    pub(super) fn towards(self, other: Self, amount: f64) -> Self {
        let mix = |from: u8, to: u8| {
            (f64::from(from) + (f64::from(to) - f64::from(from)) * amount.clamp(0.0, 1.0)).round() as u8
        };
        let ((r, g, b), (s, h, c)) = (self.rgb, other.rgb);
        Self { rgb: (mix(r, s), mix(g, h), mix(b, c)), alpha: 1.0 }
    }

    /// Black or white, whichever can be read on this colour.
    pub(super) fn ink(self) -> Self {
        let (r, g, b) = self.rgb;
        let luma = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
        if luma > 122.0 { TEXT } else { PAPER }
    }
}

/// Background.
pub(super) const PAPER: Color = Color::rgb(255, 255, 255);
/// Titles, labels, axes.
pub(super) const TEXT: Color = Color::rgb(26, 28, 31);
/// Captions, ticks, notes.
pub(super) const MUTED: Color = Color::rgb(88, 93, 100);
/// Grid lines and frames.
pub(super) const GRID: Color = Color::rgb(214, 218, 223);
/// Zebra stripes of tables, empty cells.
pub(super) const WASH: Color = Color::rgb(244, 246, 248);
/// The measured value.
pub(super) const VALUE: Color = Color::rgb(0, 90, 160);
/// A second measured value, above expectation.
pub(super) const ACCENT: Color = Color::rgb(200, 84, 0);
/// A corrected value.
pub(super) const CORRECTED: Color = Color::rgb(0, 130, 96);

/// Fills of the layers in bar charts, light to dark so that they are told apart in greyscale.
pub(super) const LAYER_FILLS: [Color; 8] = [
    Color::rgb(198, 219, 239),
    Color::rgb(158, 202, 225),
    Color::rgb(125, 180, 213),
    Color::rgb(96, 158, 202),
    Color::rgb(66, 134, 186),
    Color::rgb(38, 111, 168),
    Color::rgb(14, 86, 145),
    Color::rgb(8, 60, 110),
];

/// How a line is broken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dash {
    /// Unbroken.
    Solid,
    /// Long dashes.
    Dashed,
    /// Short dashes.
    Dotted,
    /// Dash, dot.
    Mixed,
}

impl Dash {
    /// Lengths of ink and gap in pixels, repeating.
    pub(super) const fn pattern(self) -> &'static [f64] {
        match self {
            Self::Solid => &[],
            Self::Dashed => &[8.0, 5.0],
            Self::Dotted => &[2.0, 3.5],
            Self::Mixed => &[10.0, 4.0, 2.0, 4.0],
        }
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stroke {
    /// Its colour.
    pub(super) color: Color,
    /// Its width in pixels.
    pub(super) width: f64,
    /// Its line style.
    pub(super) dash: Dash,
}

impl Stroke {
    /// An unbroken line.
    pub(super) const fn solid(color: Color, width: f64) -> Self {
        Self { color, width, dash: Dash::Solid }
    }

    /// A broken line.
    pub(super) const fn broken(color: Color, width: f64, dash: Dash) -> Self {
        Self { color, width, dash }
    }
}

/// Grid lines.
pub(super) const GRID_LINE: Stroke = Stroke::solid(GRID, 1.0);
/// Axes and frames.
pub(super) const AXIS_LINE: Stroke = Stroke::solid(MUTED, 1.0);
/// Measured curves.
pub(super) const VALUE_LINE: Stroke = Stroke::solid(VALUE, 1.8);
/// Corrected curves.
pub(super) const CORRECTED_LINE: Stroke = Stroke::broken(CORRECTED, 1.6, Dash::Mixed);
/// Noise floors and other baselines.
pub(super) const FLOOR_LINE: Stroke = Stroke::broken(ACCENT, 1.6, Dash::Dashed);
/// Ceilings.
pub(super) const CEILING_LINE: Stroke = Stroke::broken(TEXT, 1.4, Dash::Dotted);
/// Means.
pub(super) const MEAN_LINE: Stroke = Stroke::solid(MUTED, 1.0);
/// Uniform routing.
pub(super) const UNIFORM_LINE: Stroke = Stroke::broken(TEXT, 1.1, Dash::Dashed);
/// The share over everything, behind the share of one category.
pub(super) const OVERALL_LINE: Stroke = Stroke::solid(ACCENT, 1.1);
/// Interval whiskers.
pub(super) const WHISKER: Stroke = Stroke::solid(TEXT, 1.3);

/// Opacity of interval bands.
pub(super) const BAND_ALPHA: f64 = 0.22;

/// Font size of the title, in pixels per em.
pub(super) const TITLE: f64 = 19.0;
/// Font size of panel titles.
pub(super) const HEADING: f64 = 14.0;
/// Font size of axis labels, legends and captions.
pub(super) const LABEL: f64 = 12.5;
/// Font size of ticks and cell values.
pub(super) const SMALL: f64 = 11.0;
/// Font size of crowded labels.
pub(super) const TINY: f64 = 9.5;
/// Line height as a multiple of the font size.
pub(super) const LEADING: f64 = 1.4;

/// White space around the page.
pub(super) const MARGIN: f64 = 26.0;
/// White space between panels.
pub(super) const GUTTER: f64 = 22.0;
/// Narrowest page, so that captions stay readable.
pub(super) const MIN_WIDTH: f64 = 860.0;
/// Width that most figures are laid out for.
pub(super) const FIGURE_WIDTH: f64 = 1160.0;

/// Fonts that an SVG viewer is asked for, in order; all are as wide as the embedded font or narrower.
pub(super) const FONT_FAMILIES: &str =
    "DejaVu Sans, Verdana, Noto Sans, Noto Sans CJK JP, Arial Unicode MS, Helvetica, Arial, sans-serif";

/// Drawing units per pixel: plotters' backends take integers, quarter pixels are fine enough.
pub(super) const UNITS: f64 = 4.0;
/// Pixels of the PNG per pixel of the page.
pub(super) const PNG_SCALE: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_fills_darken_so_that_greyscale_tells_them_apart() {
        let luma = |color: Color| {
            let (r, g, b) = color.rgb;
            0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b)
        };
        assert!(LAYER_FILLS.windows(2).all(|pair| luma(pair[0]) - luma(pair[1]) > 8.0));
        assert_eq!(PAPER.ink(), TEXT);
        assert_eq!(TEXT.ink(), PAPER);
    }
}
