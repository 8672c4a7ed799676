//! A chart before it is drawn.

use crate::{
    chart::{
        Chart, Message, PaperFigure, image,
        page::{Page, Sheet},
        paper_figure::{self, FigureFormat},
        theme::PNG_SCALE,
    },
    error::Result,
};

/// A planned chart, which has not been drawn yet.
#[derive(Clone, Debug)]
pub struct ChartSpec {
    /// File stem below `charts/`.
    pub name: String,
    /// The [`ChartKind::stem`](crate::chart::ChartKind::stem) it belongs to.
    pub kind: &'static str,
    /// What is drawn.
    pub(super) page: Page,
}

impl ChartSpec {
    /// What its numbers say, in one sentence; drawn as its headline. `None` where the chart compares a run with the paper.
    pub fn message(&self) -> Option<&Message> {
        self.page.message.as_ref()
    }

    /// What the chart shows, in one line.
    pub fn title(&self) -> &str {
        &self.page.title
    }

    /// How to read it, with n, and which part of a large model it shows.
    pub fn caption(&self) -> &str {
        &self.page.caption
    }

    /// Width and height of the picture as PNG, in pixels.
    pub fn png_size(&self) -> (u32, u32) {
        let (width, height) = self.page.size();
        ((width * PNG_SCALE) as u32, (height * PNG_SCALE) as u32)
    }

    /// The same chart under a headline.
    pub(super) fn saying(mut self, message: impl Into<Option<Message>>) -> Self {
        self.page.message =
            message.into().map(|message| Message { text: crate::chart::script::printable(&message.text), ..message });
        self
    }

    /// Draws the chart as SVG and PNG.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] if a drawing backend or the PNG encoder fails.
    pub fn draw(&self) -> Result<Chart> {
        let svg = self.page.svg(Sheet::Whole)?;
        let png = image::png(&svg)?;
        Ok(Chart {
            name: self.name.clone(),
            kind: self.kind,
            message: self.page.message.clone(),
            title: self.page.title.clone(),
            caption: self.page.caption.clone(),
            svg,
            png,
        })
    }

    /// Draws the figure alone for a paper, so many millimetres wide.
    ///
    /// # Errors
    /// As [`ChartSpec::draw`].
    pub fn draw_for_paper(&self, format: FigureFormat, millimetres: f64) -> Result<PaperFigure> {
        paper_figure::draw(&self.page, format, millimetres)
    }
}
