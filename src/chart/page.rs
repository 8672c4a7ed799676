//! The page around a figure: title above, caption below, and the two files that it becomes.

use plotters::prelude::SVGBackend;
use plotters_backend::DrawingBackend;

use super::{
    bars::BarFigure,
    canvas::{Canvas, Point, Type},
    curve::CurveFigure,
    flow::FlowFigure,
    font,
    forest::ForestFigure,
    heatmap::HeatFigure,
    radar::RadarFigure,
    script,
    table::TableFigure,
    theme::{FONT_FAMILIES, HEADING, LABEL, LEADING, MARGIN, MIN_WIDTH, MUTED, TEXT, TITLE, UNITS},
};
use crate::error::Result;

/// One of the kinds of figure.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Experts around a circle, one small radar per category.
    Radar(RadarFigure),
    /// Lines and points over an axis.
    Curve(CurveFigure),
    /// Grouped bars.
    Bars(BarFigure),
    /// Coloured cells.
    Heat(HeatFigure),
    /// Words in rows and columns.
    Table(TableFigure),
    /// Estimates one under the other.
    Forest(ForestFigure),
    /// Running text.
    Flow(FlowFigure),
    /// Figures one under the other, each under its title.
    Stack(Vec<(String, Self)>),
}

impl Body {
    /// Whether a cell of a heat map has no value.
    pub(super) fn has_empty_cells(&self) -> bool {
        match self {
            Self::Heat(figure) => {
                figure.blocks.iter().flat_map(|block| block.cells.iter().flatten()).any(Option::is_none)
            }
            Self::Stack(parts) => parts.iter().any(|(_, body)| body.has_empty_cells()),
            _ => false,
        }
    }

    fn size(&self) -> (f64, f64) {
        match self {
            Self::Radar(figure) => figure.size(),
            Self::Curve(figure) => figure.size(),
            Self::Bars(figure) => figure.size(),
            Self::Heat(figure) => figure.size(),
            Self::Table(figure) => figure.size(),
            Self::Forest(figure) => figure.size(),
            Self::Flow(figure) => figure.size(),
            Self::Stack(parts) => stack_size(parts),
        }
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point) -> Result<()> {
        match self {
            Self::Radar(figure) => figure.draw(canvas, at),
            Self::Curve(figure) => figure.draw(canvas, at),
            Self::Bars(figure) => figure.draw(canvas, at),
            Self::Heat(figure) => figure.draw(canvas, at),
            Self::Table(figure) => figure.draw(canvas, at),
            Self::Forest(figure) => figure.draw(canvas, at),
            Self::Flow(figure) => figure.draw(canvas, at),
            Self::Stack(parts) => draw_stack(parts, canvas, at),
        }
    }
}

/// Height of the title over a figure of a stack.
const PART_TITLE: f64 = 30.0;
/// White space under a figure of a stack.
const PART_GAP: f64 = 12.0;

fn title_height(title: &str) -> f64 {
    if title.is_empty() { 0.0 } else { PART_TITLE }
}

fn stack_size(parts: &[(String, Body)]) -> (f64, f64) {
    let sizes = parts.iter().map(|(_, body)| body.size());
    let titles: f64 = parts.iter().map(|(title, _)| title_height(title)).sum();
    sizes.fold((0.0, titles), |(wide, high), (width, height)| (wide.max(width), high + height + PART_GAP))
}

fn draw_stack<B: DrawingBackend>(parts: &[(String, Body)], canvas: &mut Canvas<'_, B>, at: Point) -> Result<()> {
    let (width, _) = stack_size(parts);
    let mut top = at.1;
    for (title, body) in parts {
        let title = font::fit(title, width, HEADING, true);
        canvas.text((at.0, top + PART_TITLE / 3.0), &title, Type::new(HEADING, TEXT).bold())?;
        top += title_height(&title);
        body.draw(canvas, (at.0, top))?;
        top += body.size().1 + PART_GAP;
    }
    Ok(())
}

/// A figure with the words around it.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// What the chart shows.
    pub(super) title: String,
    /// Checkpoint and corpus.
    pub(super) subtitle: String,
    /// How to read it, with n.
    pub(super) caption: String,
    /// The figure.
    pub(super) body: Body,
}

/// The places of the parts of a page.
struct PageLayout {
    width: f64,
    height: f64,
    body_top: f64,
    caption_top: f64,
}

const TITLE_LEADING: f64 = 1.25;
const TITLE_TYPE: Type = Type::new(TITLE, TEXT).bold();
const SUBTITLE_TYPE: Type = Type::new(LABEL, MUTED);
const CAPTION_TYPE: Type = Type::new(LABEL, TEXT);

impl Page {
    fn layout(&self) -> PageLayout {
        let (body_width, body_height) = self.body.size();
        let width = (body_width + 2.0 * MARGIN).max(MIN_WIDTH);
        let inner = width - 2.0 * MARGIN;
        let lines = |text: &str, style: Type, leading: f64| {
            font::wrap(text, inner, style.size, style.bold).len() as f64 * style.size * leading
        };
        let subtitle_top = MARGIN + lines(&self.title, TITLE_TYPE, TITLE_LEADING);
        let body_top = subtitle_top + lines(&self.subtitle, SUBTITLE_TYPE, LEADING) + 14.0;
        let caption_top = body_top + body_height + 16.0;
        let height = caption_top + lines(&self.caption, CAPTION_TYPE, LEADING) + MARGIN;
        PageLayout { width: width.ceil(), height: height.ceil(), body_top, caption_top }
    }

    /// Width and height in pixels, whole numbers.
    pub(super) fn size(&self) -> (f64, f64) {
        let layout = self.layout();
        (layout.width, layout.height)
    }

    fn draw<B: DrawingBackend>(&self, backend: &mut B, layout: &PageLayout) -> Result<()> {
        let mut canvas = Canvas::new(backend);
        let inner = layout.width - 2.0 * MARGIN;
        canvas.rect((0.0, 0.0), (layout.width, layout.height), super::theme::PAPER)?;
        let y = canvas.paragraph((MARGIN, MARGIN), inner, &self.title, TITLE_TYPE, TITLE_LEADING)?;
        canvas.paragraph((MARGIN, y), inner, &script::printable(&self.subtitle), SUBTITLE_TYPE, LEADING)?;
        let left = MARGIN + ((inner - self.body.size().0) / 2.0).max(0.0);
        self.body.draw(&mut canvas, (left, layout.body_top))?;
        canvas.paragraph((MARGIN, layout.caption_top), inner, &self.caption, CAPTION_TYPE, LEADING)?;
        Ok(())
    }

    /// The page as an SVG document without identifiers.
    pub(super) fn svg(&self) -> Result<String> {
        let layout = self.layout();
        let (wide, high) = (layout.width * UNITS, layout.height * UNITS);
        let mut text = String::new();
        {
            let mut backend = SVGBackend::with_string(&mut text, (wide as u32, high as u32));
            self.draw(&mut backend, &layout)?;
            backend.present().map_err(|e| crate::error::Error::internal(format!("a chart could not be drawn: {e}")))?;
        }
        let family = format!(" font-family=\"{FONT_FAMILIES}\"");
        let content = text.split_once('>').map_or("", |(_, rest)| rest);
        let content = content.replace(&family, "").replace(" opacity=\"1\"", "");
        Ok(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {wide} {high}\" \
             role=\"img\" aria-label=\"{}\"{family}>{content}",
            layout.width,
            layout.height,
            escape(&format!("{}. {}", self.title, self.caption)),
        ))
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
