//! Names beside data points.

use plotters_backend::DrawingBackend;

use super::{CurveFigure, CurveFrame, CurvePanel};
use crate::{
    chart::{
        canvas::{Canvas, Marker, Point, Type},
        font,
        theme::{PAPER, SMALL, TEXT},
    },
    error::Result,
};

impl CurveFigure {
    /// Draws the labels in the order of the marks; a label that would overlap an earlier label or another mark is left out.
    pub(super) fn draw_labels<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        panel: &CurvePanel,
        frame: CurveFrame,
    ) -> Result<()> {
        let points: Vec<Point> =
            panel.marks.iter().map(|mark| (self.x(frame, mark.at.0), frame.y(mark.at.1))).collect();
        let mut taken: Vec<(Point, Point)> = Vec::new();
        for (mark, at) in panel.marks.iter().zip(&points).filter(|(mark, _)| !mark.label.is_empty()) {
            let width = font::width(&mark.label, SMALL, false);
            let inside = |(from, to): &(Point, Point)| {
                from.0 >= frame.left
                    && to.0 <= frame.left + frame.width
                    && from.1 >= frame.top
                    && to.1 <= frame.top + frame.height
            };
            let free = |(from, to): &(Point, Point)| {
                let clear =
                    |p: &Point| p.0 < from.0 - 2.0 || p.0 > to.0 + 2.0 || p.1 < from.1 - 2.0 || p.1 > to.1 + 2.0;
                let apart = |(a, b): &(Point, Point)| to.0 < a.0 || from.0 > b.0 || to.1 < a.1 || from.1 > b.1;
                points.iter().all(clear) && taken.iter().all(apart)
            };
            let mut places = [(6.0, -6.5), (-6.0 - width, -6.5), (-width / 2.0, -19.0), (-width / 2.0, 6.0)];
            // A point that stands out has its interval on a line beside it.
            if mark.marker == Marker::Square {
                places = [(-width / 2.0, -19.0), (2.0, -24.0), (-width - 4.0, 8.0), (4.0, 8.0)];
            }
            let place = places
                .map(|(dx, dy)| ((at.0 + dx, at.1 + dy), (at.0 + dx + width, at.1 + dy + 13.0)))
                .into_iter()
                .find(|place| inside(place) && free(place));
            if let Some(place) = place {
                // Lines that run behind a number would strike it out.
                canvas.rect((place.0.0 - 1.0, place.0.1), (place.1.0 + 1.0, place.1.1), PAPER.with_alpha(0.8))?;
                canvas.text((place.0.0, f64::midpoint(place.0.1, place.1.1)), &mark.label, Type::new(SMALL, TEXT))?;
                taken.push(place);
            }
        }
        Ok(())
    }
}
