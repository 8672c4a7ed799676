//! SVG to PDF: the shapes of a chart as vector graphics on one page of its real size.
//!
//! Charts consist of filled and stroked shapes in plain colours, and of text, which usvg has already turned into the outlines of
//! its letters in the embedded font: so the file needs no font, and looks the same everywhere. Nothing in it depends on time.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use pdf_writer::{
    Content, Filter, Finish, Name, Pdf, Rect, Ref, TextStr,
    types::{LineCapStyle, LineJoinStyle},
};
use resvg::{
    tiny_skia::{PathSegment, Point},
    usvg::{Fill, FillRule, Group, LineCap, LineJoin, Node, Paint, Path, Stroke, Transform},
};

use super::image;
use crate::error::{Error, Result};

/// Points per pixel of a document that is measured in millimetres, which usvg reads at 96 pixels per inch.
const POINTS_PER_PIXEL: f32 = 72.0 / 96.0;
const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const INFORMATION: Ref = Ref::new(5);

/// An SVG document as a PDF file of one page; `title` goes into its information.
///
/// # Errors
/// [`Error::Internal`] if the document has something other than shapes and text in plain colours.
pub(super) fn pdf(svg: &str, title: &str) -> Result<Vec<u8>> {
    let tree = image::tree(svg)?;
    let [width, height] = [tree.size().width(), tree.size().height()].map(|size| size * POINTS_PER_PIXEL);
    let mut drawing = Drawing { content: Content::new(), opacities: Vec::new(), opacity: None };
    // The y axis of a PDF runs upwards.
    drawing.content.transform([POINTS_PER_PIXEL, 0.0, 0.0, -POINTS_PER_PIXEL, 0.0, height]);
    drawing.group(tree.root(), 1.0)?;
    let stream = compressed(&drawing.content.finish())?;
    let mut file = Pdf::new();
    file.catalog(CATALOG).pages(PAGES);
    file.pages(PAGES).kids([PAGE]).count(1);
    let mut page = file.page(PAGE);
    page.media_box(Rect::new(0.0, 0.0, width, height)).parent(PAGES).contents(CONTENT);
    let mut resources = page.resources();
    let mut states = resources.ext_g_states();
    for (number, opacity) in drawing.opacities.iter().enumerate() {
        let mut state =
            states.insert(Name(state_name(number).as_bytes())).start::<pdf_writer::writers::ExtGraphicsState<'_>>();
        let alpha = f32::from(*opacity) / f32::from(u8::MAX);
        state.non_stroking_alpha(alpha).stroking_alpha(alpha);
    }
    states.finish();
    resources.finish();
    page.finish();
    file.stream(CONTENT, &stream).filter(Filter::FlateDecode);
    file.document_info(INFORMATION).title(TextStr(title)).producer(TextStr("openmoe-analyze"));
    Ok(file.finish())
}

fn state_name(number: usize) -> String {
    format!("a{number}")
}

fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(|error| unsupported(&error.to_string()))
}

/// The content of the page.
struct Drawing {
    content: Content,
    /// The opacities that occur, in 255 parts, in the order of their graphics states.
    opacities: Vec<u8>,
    /// The opacity that is set.
    opacity: Option<u8>,
}

impl Drawing {
    /// Draws a group inside others that have the opacity `opacity` together. A translucent group holds a single shape, so that its opacity is the shape's.
    fn group(&mut self, group: &Group, opacity: f32) -> Result<()> {
        let own = group.opacity().get();
        let has_effect = group.clip_path().is_some() || group.mask().is_some() || !group.filters().is_empty();
        if has_effect || (own < 1.0 && group.children().len() > 1) {
            return Err(unsupported("a group with an effect of its own"));
        }
        let opacity = opacity * own;
        for node in group.children() {
            match node {
                Node::Group(group) => self.group(group, opacity)?,
                Node::Path(path) if path.is_visible() => self.path(path, opacity)?,
                Node::Path(_) => {}
                Node::Text(text) => self.group(text.flattened(), opacity)?,
                Node::Image(_) => return Err(unsupported("an image")),
            }
        }
        Ok(())
    }

    fn path(&mut self, path: &Path, opacity: f32) -> Result<()> {
        if let Some(fill) = path.fill() {
            self.fill(path, fill, opacity)?;
        }
        path.stroke().map_or(Ok(()), |stroke| self.stroke(path, stroke, opacity))
    }

    fn fill(&mut self, path: &Path, fill: &Fill, opacity: f32) -> Result<()> {
        let [red, green, blue] = color(fill.paint())?;
        self.opacity(opacity * fill.opacity().get());
        self.content.set_fill_rgb(red, green, blue);
        self.outline(path, path.abs_transform());
        match fill.rule() {
            FillRule::NonZero => self.content.fill_nonzero(),
            FillRule::EvenOdd => self.content.fill_even_odd(),
        };
        Ok(())
    }

    fn stroke(&mut self, path: &Path, stroke: &Stroke, opacity: f32) -> Result<()> {
        let [red, green, blue] = color(stroke.paint())?;
        self.opacity(opacity * stroke.opacity().get());
        let transform = path.abs_transform();
        // Scales are the same in both directions, so that a stroke has one width.
        let scale = transform.get_scale().0;
        self.content.set_stroke_rgb(red, green, blue).set_line_width(stroke.width().get() * scale);
        self.content.set_line_cap(match stroke.linecap() {
            LineCap::Butt => LineCapStyle::ButtCap,
            LineCap::Round => LineCapStyle::RoundCap,
            LineCap::Square => LineCapStyle::ProjectingSquareCap,
        });
        self.content.set_line_join(match stroke.linejoin() {
            LineJoin::Miter | LineJoin::MiterClip => LineJoinStyle::MiterJoin,
            LineJoin::Round => LineJoinStyle::RoundJoin,
            LineJoin::Bevel => LineJoinStyle::BevelJoin,
        });
        self.content.set_miter_limit(stroke.miterlimit().get());
        if stroke.dasharray().is_some() {
            return Err(unsupported("a dashed stroke"));
        }
        self.outline(path, transform);
        self.content.stroke();
        Ok(())
    }

    fn opacity(&mut self, opacity: f32) {
        let opacity = (opacity * f32::from(u8::MAX)).round() as u8;
        if self.opacity == Some(opacity) {
            return;
        }
        self.opacity = Some(opacity);
        let known = self.opacities.iter().position(|known| *known == opacity);
        let number = known.unwrap_or(self.opacities.len());
        if known.is_none() {
            self.opacities.push(opacity);
        }
        self.content.set_parameters(Name(state_name(number).as_bytes()));
    }

    fn outline(&mut self, path: &Path, transform: Transform) {
        let mapped = |mut point: Point| {
            transform.map_point(&mut point);
            point
        };
        let mut last = Point::zero();
        for segment in path.data().segments() {
            match segment {
                PathSegment::MoveTo(to) => {
                    last = mapped(to);
                    self.content.move_to(last.x, last.y);
                }
                PathSegment::LineTo(to) => {
                    last = mapped(to);
                    self.content.line_to(last.x, last.y);
                }
                PathSegment::QuadTo(control, to) => {
                    let (control, to) = (mapped(control), mapped(to));
                    // The same curve with two control points.
                    let third =
                        |end: Point| (end.x + (control.x - end.x) * 2.0 / 3.0, end.y + (control.y - end.y) * 2.0 / 3.0);
                    let (first, second) = (third(last), third(to));
                    self.content.cubic_to(first.0, first.1, second.0, second.1, to.x, to.y);
                    last = to;
                }
                PathSegment::CubicTo(first, second, to) => {
                    let [first, second, to] = [first, second, to].map(mapped);
                    self.content.cubic_to(first.x, first.y, second.x, second.y, to.x, to.y);
                    last = to;
                }
                PathSegment::Close => {
                    self.content.close_path();
                }
            }
        }
    }
}

fn color(paint: &Paint) -> Result<[f32; 3]> {
    match paint {
        Paint::Color(color) => {
            Ok([color.red, color.green, color.blue].map(|part| f32::from(part) / f32::from(u8::MAX)))
        }
        _ => Err(unsupported("a gradient or a pattern")),
    }
}

fn unsupported(what: &str) -> Error {
    Error::internal(format!("a chart could not be written as PDF: {what}"))
}
