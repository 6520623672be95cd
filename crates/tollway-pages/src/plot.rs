//! Plots as SVG in the page's own colours, drawn once for wide and once for narrow screens, each with its figures in a
//! table for those who do not see it.

use maud::{Markup, html};
use plotters::coord::ranged1d::{BoldPoints, Ranged as _};
use plotters::coord::types::RangedCoordu64;
use plotters::prelude::*;

use crate::frame::trusted;

/// One series: what a point stands for, and how high.
#[derive(Clone, Copy)]
pub struct Plot<'a> {
    /// What is drawn; read aloud.
    pub title: &'a str,
    /// One bar each, in order: a label and a height.
    pub points: &'a [(String, u64)],
    /// How a height is written.
    pub written: &'a dyn Fn(u64) -> String,
}

/// What stands for a colour until the page's style names it.
const INK: RGBColor = RGBColor(1, 1, 1);
const LINE: RGBColor = RGBColor(2, 2, 2);
const FIRST: RGBColor = RGBColor(3, 3, 3);

/// Labels of heights, about.
const HEIGHTS: usize = 4;
/// Points drawn at most; of more, the newest are.
const POINTS_MAX: usize = 366;

type Drawn = Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

impl Plot<'_> {
    /// As bars over time.
    pub fn bars(&self) -> Markup {
        self.figure(|root, points, labels| self.draw_bars(root, points, labels))
    }

    /// As a line with its area.
    pub fn line(&self) -> Markup {
        self.figure(|root, points, labels| self.draw_line(root, points, labels))
    }

    fn figure(
        &self,
        draw: impl Fn(&DrawingArea<SVGBackend<'_>, plotters::coord::Shift>, &[(String, u64)], usize) -> Drawn,
    ) -> Markup {
        let points = &self.points[self.points.len().saturating_sub(POINTS_MAX)..];
        if points.iter().all(|(_, height)| *height == 0) {
            return html! { p.empty { "Nothing to draw yet." } };
        }
        let svg = |class, size, labels| {
            let mut text = String::new();
            let drawn = draw(&SVGBackend::with_string(&mut text, size).into_drawing_area(), points, labels);
            match drawn {
                Ok(()) => themed(&text, class, size),
                Err(error) => {
                    tracing::warn!(%error, "a plot was not drawn");
                    String::new()
                }
            }
        };
        html! {
            figure.plot {
                div role="img" aria-label=(self.title) {
                    (trusted(svg("wide", (960, 260), 8)))
                    (trusted(svg("narrow", (380, 230), 4)))
                }
                details {
                    summary { "Show the figures" }
                    div.scroll tabindex="0" role="region" aria-label=(self.title) { table {
                        thead { tr { th scope="col" { "When" } th.num scope="col" { (self.title) } } }
                        tbody { @for (label, height) in points.iter().rev().filter(|(_, height)| *height > 0) {
                            tr { td { (label) } td.num { ((self.written)(*height)) } }
                        } }
                    } }
                }
            }
        }
    }

    fn draw_bars(
        &self,
        root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
        points: &[(String, u64)],
        labels: usize,
    ) -> Drawn {
        let top = ceiling(points);
        let count = points.len();
        let mut chart = chart(root, self.widest(points))?.build_cartesian_2d(0..ten(count), 0..top)?;
        self.mesh(&mut chart, points, labels)?;
        // Ten steps a bar: the gaps between them are two.
        let bars = points.iter().enumerate().filter(|(_, (_, height))| *height > 0);
        chart.draw_series(bars.map(|(place, (_, height))| {
            let left = ten(place);
            Rectangle::new([(left + 1, 0), (left + 9, *height)], FIRST.filled())
        }))?;
        root.present()
    }

    fn draw_line(
        &self,
        root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
        points: &[(String, u64)],
        labels: usize,
    ) -> Drawn {
        let top = ceiling(points);
        let mut chart = chart(root, self.widest(points))?.build_cartesian_2d(0..ten(points.len()), 0..top)?;
        self.mesh(&mut chart, points, labels)?;
        let line = points.iter().enumerate().map(|(place, (_, height))| (ten(place) + 5, *height));
        chart.draw_series(AreaSeries::new(line.clone(), 0, FIRST.mix(0.14)))?;
        chart.draw_series(LineSeries::new(line, FIRST.stroke_width(2)))?;
        root.present()
    }

    /// How wide the labels of the heights are, in characters.
    fn widest(&self, points: &[(String, u64)]) -> usize {
        let range: RangedCoordu64 = (0..ceiling(points)).into();
        let labels = range.key_points(BoldPoints(HEIGHTS));
        labels.into_iter().map(|height| (self.written)(height).chars().count()).max().unwrap_or_default()
    }

    fn mesh(&self, chart: &mut Axes<'_, '_>, points: &[(String, u64)], labels: usize) -> Drawn {
        let named = |x: &u64| {
            let place = usize::try_from(*x / 10).unwrap_or(usize::MAX);
            points.get(place).map(|(label, _)| short(label)).unwrap_or_default()
        };
        let written = |height: &u64| (self.written)(*height);
        let font = ("sans-serif", 13).into_font().color(&INK);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .axis_style(LINE)
            .bold_line_style(LINE)
            .light_line_style(TRANSPARENT)
            .x_labels(labels.min(points.len()))
            .y_labels(HEIGHTS)
            .x_label_formatter(&named)
            .y_label_formatter(&written)
            .label_style(font)
            .draw()
    }
}

type Axes<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordu64, RangedCoordu64>>;

fn chart<'a, 'b>(
    root: &'a DrawingArea<SVGBackend<'b>, plotters::coord::Shift>,
    widest: usize,
) -> Result<ChartBuilder<'a, 'b, SVGBackend<'b>>, DrawingAreaErrorKind<<SVGBackend<'b> as DrawingBackend>::ErrorType>> {
    let mut chart = ChartBuilder::on(root);
    let left = u32::try_from(widest).unwrap_or(12).min(16) * 8 + 12;
    chart.margin(6).margin_right(14).x_label_area_size(30).y_label_area_size(left);
    Ok(chart)
}

/// A day without its year: the table has it whole.
fn short(label: &str) -> String {
    let is_day = label.len() == 10 && label.is_ascii();
    if is_day { label[5..].to_owned() } else { label.to_owned() }
}

/// A little more than the highest.
fn ceiling(points: &[(String, u64)]) -> u64 {
    let top = points.iter().map(|(_, height)| *height).max().unwrap_or_default();
    top.saturating_add(top / 12).saturating_add(1)
}

fn ten(place: usize) -> u64 {
    u64::try_from(place).unwrap_or(u64::MAX).saturating_mul(10)
}

/// Colours by class, size by the page. The drawing writes one colour into an element.
fn themed(svg: &str, class: &str, (width, height): (u32, u32)) -> String {
    let mut text = svg.to_owned();
    if let Some(end) = text.find('>').map(|end| end + 1) {
        let head = format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" aria-hidden=\"true\" focusable=\"false\">"
        );
        text.replace_range(..end, &head);
    }
    for (from, to) in [
        ("fill=\"#010101\"", "class=\"plot-ink\""),
        ("stroke=\"#020202\"", "class=\"plot-line\""),
        ("fill=\"#030303\"", "class=\"plot-1\""),
        ("stroke=\"#030303\"", "class=\"plot-1-line\""),
    ] {
        text = text.replace(from, to);
    }
    text.replace(" font-family=\"sans-serif\"", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[(String, u64)]) -> String {
        Plot { title: "Revenue <by> day", points, written: &|height| format!("${height}") }.bars().into_string()
    }

    #[test]
    fn bars_take_the_colours_of_the_page_and_are_told_in_words() {
        let points: Vec<_> = (1..=14).map(|day| (format!("11-{day:02}"), day * 1_000)).collect();
        let text = drawn(&points);
        assert!(text.contains("class=\"plot-1\"") && text.contains("class=\"plot-ink\""), "{text}");
        assert!(text.contains("aria-label=\"Revenue &lt;by&gt; day\""));
        assert!(text.contains("<td class=\"num\">$14000</td>"));
        assert!(!text.contains("#010101") && !text.contains("#030303") && !text.contains("style="), "{text}");
        assert!(text.len() < 40 << 10, "{}", text.len());
    }

    #[test]
    fn nothing_odd_breaks_a_plot() {
        assert!(drawn(&[]).contains("Nothing to draw"));
        assert!(drawn(&[("a".into(), 0)]).contains("Nothing to draw"));
        assert!(drawn(&[("a".into(), u64::MAX)]).contains("plot-1"));
        let many: Vec<_> = (0..5_000).map(|n| (n.to_string(), n)).collect();
        assert!(drawn(&many).contains("plot-1"));
        let line = Plot { title: "x", points: &many, written: &|n| n.to_string() }.line().into_string();
        assert!(line.contains("plot-1-line"), "{line}");
    }
}
