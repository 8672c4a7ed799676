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
    message::Message,
    radar::RadarFigure,
    script,
    table::TableFigure,
    theme::{
        FIGURE_WIDTH, FONT_FAMILIES, HEADING, LABEL, LEADING, MARGIN, MIN_WIDTH, MUTED, PAPER, TEXT, TITLE, UNITS,
    },
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

    /// Width and height in pixels, laid out for a width; wider where it cannot be narrower.
    fn size(&self, room: f64) -> (f64, f64) {
        match self {
            Self::Radar(figure) => figure.size(room),
            Self::Curve(figure) => figure.size(room),
            Self::Bars(figure) => figure.size(room),
            Self::Heat(figure) => figure.size(room),
            Self::Table(figure) => figure.size(room),
            Self::Forest(figure) => figure.size(room),
            Self::Flow(figure) => figure.size(room),
            Self::Stack(parts) => stack_size(parts, room),
        }
    }

    fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point, room: f64) -> Result<()> {
        match self {
            Self::Radar(figure) => figure.draw(canvas, at, room),
            Self::Curve(figure) => figure.draw(canvas, at, room),
            Self::Bars(figure) => figure.draw(canvas, at, room),
            Self::Heat(figure) => figure.draw(canvas, at, room),
            Self::Table(figure) => figure.draw(canvas, at, room),
            Self::Forest(figure) => figure.draw(canvas, at, room),
            Self::Flow(figure) => figure.draw(canvas, at, room),
            Self::Stack(parts) => draw_stack(parts, canvas, at, room),
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

fn stack_size(parts: &[(String, Body)], room: f64) -> (f64, f64) {
    let sizes = parts.iter().map(|(_, body)| body.size(room));
    let titles: f64 = parts.iter().map(|(title, _)| title_height(title)).sum();
    sizes.fold((0.0, titles), |(wide, high), (width, height)| (wide.max(width), high + height + PART_GAP))
}

fn draw_stack<B: DrawingBackend>(
    parts: &[(String, Body)],
    canvas: &mut Canvas<'_, B>,
    at: Point,
    room: f64,
) -> Result<()> {
    let (width, _) = stack_size(parts, room);
    let mut top = at.1;
    for (title, body) in parts {
        let title = font::fit(title, width, HEADING, true);
        canvas.text((at.0, top + PART_TITLE / 3.0), &title, Type::new(HEADING, TEXT).bold())?;
        top += title_height(&title);
        body.draw(canvas, (at.0, top), room)?;
        top += body.size(room).1 + PART_GAP;
    }
    Ok(())
}

/// How a page is laid out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sheet {
    /// For a run: the figure with all its words, in pixels.
    Whole,
    /// For a paper: the figure alone, so many millimetres wide; the words are for the caption there.
    Figure {
        /// The width of the picture.
        millimetres: f64,
    },
}

/// A figure with the words around it.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// What the numbers say, in one sentence.
    pub(super) message: Option<Message>,
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
    /// Width that the figure is laid out for, and where it stands.
    room: f64,
    body: Point,
    caption_top: f64,
}

const TITLE_LEADING: f64 = 1.25;
const MESSAGE_TYPE: Type = Type::new(TITLE, TEXT).bold();
const TITLE_TYPE: Type = Type::new(HEADING, TEXT);
const SUBTITLE_TYPE: Type = Type::new(LABEL, MUTED);
const CAPTION_TYPE: Type = Type::new(LABEL, TEXT);
/// White space around a figure for a paper, in pixels: half a stroke and the ends of letters.
const EDGE: f64 = 3.0;
/// Points per pixel of a figure for a paper: ticks and cell values are in 6 points.
const POINTS_PER_PIXEL: f64 = 6.0 / 11.0;
const POINTS_PER_MILLIMETRE: f64 = 72.0 / 25.4;

impl Sheet {
    fn layout(self, page: &Page) -> PageLayout {
        match self {
            Self::Whole => page.whole(),
            Self::Figure { millimetres } => page.alone(millimetres * POINTS_PER_MILLIMETRE / POINTS_PER_PIXEL),
        }
    }

    /// The words that are drawn.
    fn has_words(self) -> bool {
        self == Self::Whole
    }
}

impl Page {
    /// The lines over the figure, from top to bottom: the message is the headline, else the title is.
    fn lines_above(&self) -> Vec<(String, Type, f64)> {
        let title = if self.message.is_some() { TITLE_TYPE } else { MESSAGE_TYPE };
        let message = self.message.iter().map(|message| (message.text.clone(), MESSAGE_TYPE, TITLE_LEADING));
        message
            .chain([
                (self.title.clone(), title, TITLE_LEADING),
                (script::printable(&self.subtitle), SUBTITLE_TYPE, LEADING),
            ])
            .collect()
    }

    fn whole(&self) -> PageLayout {
        let (body_width, body_height) = self.body.size(FIGURE_WIDTH);
        let width = (body_width + 2.0 * MARGIN).max(MIN_WIDTH);
        let inner = width - 2.0 * MARGIN;
        let lines = |text: &str, style: Type, leading: f64| {
            font::wrap(text, inner, style.size, style.bold).len() as f64 * style.size * leading
        };
        let above: f64 = self.lines_above().iter().map(|(text, style, leading)| lines(text, *style, *leading)).sum();
        let body_top = MARGIN + above + 14.0;
        let caption_top = body_top + body_height + 16.0;
        let height = caption_top + lines(&self.caption, CAPTION_TYPE, LEADING) + MARGIN;
        let left = MARGIN + ((inner - body_width) / 2.0).max(0.0);
        PageLayout {
            width: width.ceil(),
            height: height.ceil(),
            room: FIGURE_WIDTH,
            body: (left, body_top),
            caption_top,
        }
    }

    /// The figure alone, so many pixels wide, or as wide as it has to be.
    fn alone(&self, width: f64) -> PageLayout {
        let room = width - 2.0 * EDGE;
        let (body_width, body_height) = self.body.size(room);
        let width = width.max(body_width + 2.0 * EDGE);
        let left = (width - body_width) / 2.0;
        PageLayout { width, height: body_height + 2.0 * EDGE, room, body: (left, EDGE), caption_top: 0.0 }
    }

    /// Width and height of the whole page in pixels, whole numbers.
    pub(super) fn size(&self) -> (f64, f64) {
        let layout = self.whole();
        (layout.width, layout.height)
    }

    fn draw<B: DrawingBackend>(&self, backend: &mut B, layout: &PageLayout, sheet: Sheet) -> Result<()> {
        let mut canvas = Canvas::new(backend);
        canvas.rect((0.0, 0.0), (layout.width, layout.height), PAPER)?;
        self.body.draw(&mut canvas, layout.body, layout.room)?;
        if !sheet.has_words() {
            return Ok(());
        }
        let (inner, mut y) = (layout.width - 2.0 * MARGIN, MARGIN);
        for (text, style, leading) in self.lines_above() {
            y = canvas.paragraph((MARGIN, y), inner, &text, style, leading)?;
        }
        canvas.paragraph((MARGIN, layout.caption_top), inner, &self.caption, CAPTION_TYPE, LEADING)?;
        Ok(())
    }

    /// The page as an SVG document without identifiers.
    pub(super) fn svg(&self, sheet: Sheet) -> Result<String> {
        let layout = sheet.layout(self);
        let (wide, high) = ((layout.width * UNITS).round(), (layout.height * UNITS).round());
        let mut text = String::new();
        {
            let mut backend = SVGBackend::with_string(&mut text, (wide as u32, high as u32));
            self.draw(&mut backend, &layout, sheet)?;
            backend.present().map_err(|e| crate::error::Error::internal(format!("a chart could not be drawn: {e}")))?;
        }
        let family = format!(" font-family=\"{FONT_FAMILIES}\"");
        let content = text.split_once('>').map_or("", |(_, rest)| rest);
        let content = content.replace(&family, "").replace(" opacity=\"1\"", "");
        let [width, height] = match sheet {
            Sheet::Whole => [layout.width, layout.height].map(|pixels| pixels.to_string()),
            Sheet::Figure { millimetres } => {
                [millimetres, millimetres * high / wide].map(|size| format!("{}mm", (size * 1e3).round() / 1e3))
            }
        };
        Ok(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {wide} {high}\" \
             role=\"img\" aria-label=\"{}\"{family}>{content}",
            escape(&self.words()),
        ))
    }

    /// Message, title and caption, one after the other.
    pub(super) fn words(&self) -> String {
        let message = self.message.as_ref().map(|message| format!("{}. ", message.text)).unwrap_or_default();
        format!("{message}{}. {}", self.title, self.caption)
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
