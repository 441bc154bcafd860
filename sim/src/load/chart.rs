//! The load over time as an SVG: throughput, latency, memory; one below the other.

use std::fmt::Write as _;

use serde_json::Value;

use crate::timeline::{Second, percentile};

/// One line of a panel.
struct Line {
    name: &'static str,
    colour: &'static str,
    values: Vec<f64>,
}

/// Draws it.
pub(crate) fn draw(seconds: &[Second], report: &Value) -> String {
    let of = |part: fn(&Second) -> f64| seconds.iter().map(part).collect::<Vec<f64>>();
    let line = |name, colour, values| Line {
        name,
        colour,
        values,
    };
    let panels = [
        (
            "a second",
            vec![
                line("joins", BLUE, of(|s| s.joins.len() as f64)),
                line("contributions", GREEN, of(|s| s.contributions.len() as f64)),
            ],
        ),
        (
            "ms of a contribution",
            vec![
                line(
                    "p50",
                    GREEN,
                    of(|s| percentile(s.contributions.clone(), 50)),
                ),
                line("p99", RED, of(|s| percentile(s.contributions.clone(), 99))),
            ],
        ),
        (
            "MiB of the parent",
            vec![line("resident", BLUE, of(|s| s.resident as f64 / MIB))],
        ),
    ];
    let height = TOP + panels.len() as f64 * (PANEL + GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{} contributions of {} elements, {} clients at once: {} a second while they were at work</text>\n",
        report["contributions"],
        report["dimension"],
        report["clients_at_once"],
        report["contributions_per_second"],
    );
    for (place, (title, lines)) in panels.iter().enumerate() {
        let top = TOP + place as f64 * (PANEL + GAP);
        panel(&mut svg, top, title, lines);
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\">seconds, 0 to {}; in the pauses the next round's clients are sealed</text></svg>",
        height - 6.0,
        seconds.len(),
    );
    svg
}

fn panel(svg: &mut String, top: f64, title: &str, lines: &[Line]) {
    let values = lines.iter().flat_map(|line| &line.values);
    let most = values.copied().fold(1.0, f64::max);
    let bottom = top + PANEL;
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\">{title}, up to {most:.1}</text>\
         <path d=\"M{LEFT} {top}V{bottom}H{}\" fill=\"none\" stroke=\"#888\"/>",
        top - 6.0,
        WIDTH - RIGHT,
    );
    for (place, line) in lines.iter().enumerate() {
        let step = (WIDTH - LEFT - RIGHT) / line.values.len().max(2) as f64;
        let mut path = String::new();
        for (second, value) in line.values.iter().enumerate() {
            let (x, y) = (LEFT + second as f64 * step, bottom - value / most * PANEL);
            let _ = write!(path, "{}{x:.1} {y:.1}", if second == 0 { "M" } else { "L" });
        }
        let (colour, name) = (line.colour, line.name);
        let x = WIDTH - RIGHT - 110.0 * (lines.len() - place) as f64;
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\
             <text x=\"{x}\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            top - 6.0,
        );
    }
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 20.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 60.0;
const PANEL: f64 = 130.0;
const GAP: f64 = 40.0;
const MIB: f64 = 1_048_576.0;
const BLUE: &str = "#1f6fb2";
const GREEN: &str = "#2e8b57";
const RED: &str = "#c0392b";
