//! Charts that show the paper's curves and those of a run over one another.

/// Panels that share both axes.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// File stem below `charts/`.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// What the horizontal axis is.
    pub x_label: &'static str,
    /// What the vertical axis is.
    pub y_label: &'static str,
    /// Ticks of the horizontal axis with their labels; empty: round numbers.
    pub x_ticks: Vec<(f64, String)>,
    /// Whether both axes are logarithmic; the horizontal one in x + 1.
    pub logarithmic: bool,
    /// Whether the vertical axis is in percent.
    pub percent: bool,
    /// The panels.
    pub panels: Vec<OverlayPanel>,
}

/// The curves of one category, data set or layer.
#[derive(Clone, Debug)]
pub struct OverlayPanel {
    /// What it is about.
    pub title: String,
    /// The paper's curves first.
    pub series: Vec<Series>,
}

/// The origin of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The paper; several curves are numbered.
    Paper(usize),
    /// A layer of the run: its index among the layers, and the number of layers.
    Run(usize, usize),
}

/// One curve.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its origin.
    pub who: Who,
    /// Its name in the legend.
    pub label: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
    /// Its intervals: x, low, high.
    pub band: Vec<(f64, f64, f64)>,
}
