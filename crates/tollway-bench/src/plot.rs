//! Requests a second by connections, as an SVG that is readable on light and on dark ground.

use std::fmt::Write as _;

use crate::measure::Curve;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Left, top, right and bottom of the plotted area.
const AREA: (f64, f64, f64, f64) = (72.0, 48.0, 690.0, 340.0);
/// Steps of the vertical axis, at most.
const STEPS: f64 = 6.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#333}.title{font-size:15px;font-weight:600}\
.grid{stroke:#8886;stroke-width:1}.line{fill:none;stroke-width:2.5}\
.s0{stroke:#0b6e4f}.d0{fill:#0b6e4f}.s1{stroke:#8a5a00;stroke-dasharray:6 4}.d1{fill:#8a5a00}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.s0{stroke:#4cc9a0}.d0{fill:#4cc9a0}.s1{stroke:#e0b050}.d1{fill:#e0b050}}";

/// The drawing.
pub(crate) fn svg(curves: &[Curve]) -> String {
    let top = scale(curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).fold(1.0, f64::max));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
         <title>Requests a second by keep-alive connections</title>\n<style>{STYLE}</style>\n\
         <text class=\"title\" x=\"{}\" y=\"24\">Requests a second by keep-alive connections</text>\n",
        AREA.0
    );
    grid(&mut out, curves, top);
    for (number, curve) in curves.iter().enumerate() {
        draw(&mut out, curve, number, top);
    }
    out.push_str("</svg>\n");
    out
}

/// The end of the vertical axis and its step: 1, 2 or 5 times a power of ten.
fn scale(most: f64) -> (f64, f64) {
    let rough = most / STEPS;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    ((most / step).ceil() * step, step)
}

fn grid(out: &mut String, curves: &[Curve], (end, step): (f64, f64)) {
    let (left, _, right, bottom) = AREA;
    let mut value = 0.0;
    while value <= end {
        let y = height(value, end);
        put(out, &format!("<line class=\"grid\" x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>"));
        put(out, &format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>", left - 8.0, y + 4.0));
        value += step;
    }
    for (at, point) in curves.first().map(|curve| curve.points.as_slice()).unwrap_or_default().iter().enumerate() {
        let (x, y) = (across(at, curves), bottom + 20.0);
        put(out, &format!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", point.0));
    }
    let (x, y) = (f64::midpoint(left, right), bottom + 44.0);
    put(out, &format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">connections</text>"));
}

fn draw(out: &mut String, curve: &Curve, number: usize, (end, _): (f64, f64)) {
    let places: Vec<(f64, f64)> = curve
        .points
        .iter()
        .enumerate()
        .map(|(at, point)| (across(at, std::slice::from_ref(curve)), height(point.1, end)))
        .collect();
    let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    put(out, &format!("<polyline class=\"line s{number}\" points=\"{}\"/>", line.join(" ")));
    for ((x, y), point) in places.iter().zip(&curve.points) {
        put(out, &format!("<circle class=\"d{number}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"));
        put(out, &format!("<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0}</text>", y - 10.0, point.1));
    }
    if let Some((x, y)) = places.last() {
        put(out, &format!("<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", y + 22.0, curve.name));
    }
}

/// Connections stand at equal distances: each is a multiple of the one before.
fn across(at: usize, curves: &[Curve]) -> f64 {
    let gaps = curves.first().map_or(0, |curve| curve.points.len()).saturating_sub(1).max(1);
    let (left, _, right, _) = AREA;
    left + 40.0 + (right - left - 80.0) * at as f64 / gaps as f64
}

fn height(value: f64, end: f64) -> f64 {
    let (_, top, _, bottom) = AREA;
    bottom - (bottom - top) * value / end
}

fn put(out: &mut String, element: &str) {
    writeln!(out, "{element}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_hold_the_highest_point() {
        assert_eq!(scale(5_900.0), (6_000.0, 1_000.0));
        assert_eq!(scale(6_100.0), (8_000.0, 2_000.0));
        assert_eq!(scale(1.0), (1.0, 0.2));
        for most in [7.0, 99.0, 12_345.0, 1e6] {
            let (end, step) = scale(most);
            assert!(end >= most && end / step <= STEPS + 1.0, "{most}");
        }
    }

    #[test]
    fn every_point_is_drawn_inside_the_picture() {
        let points = vec![(1, 200.0, 0.0), (16, 2_000.0, 0.0), (64, 3_000.0, 0.0), (256, 3_100.0, 0.0)];
        let curves = [Curve { name: "paid", points: points.clone() }, Curve { name: "free", points }];
        let text = svg(&curves);
        assert_eq!(text.matches("<circle").count(), 8);
        assert_eq!(text.matches("<polyline").count(), 2);
        assert!(!text.contains("NaN") && !text.contains("\"-"));
        assert!(svg(&[]).ends_with("</svg>\n"));
    }
}
