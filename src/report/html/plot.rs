//! A drawing with axes, as inline SVG whose colours come from the page's style alone.
//!
//! Ours and not a plotting library's: those write each colour into each element, and one drawing must
//! follow the reader's light or dark.

use maud::{Markup, html};

use super::axis::Axis;

/// Width of every drawing, in units of its own; the page scales it.
pub(super) const WIDTH: f64 = 480.0;
/// Left end of the area for values: right of numbers of six characters, in the larger letters of a narrow page too.
pub(super) const LEFT: f64 = 62.0;
/// Its right end: half of a number's width from the edge.
pub(super) const RIGHT: f64 = WIDTH - 26.0;
/// Its top: below what the vertical axis is called.
pub(super) const TOP: f64 = 30.0;
/// Room below it for the numbers and the name of the horizontal axis.
const FOOT: f64 = 42.0;

/// A drawing: marks over a grid, between two axes.
pub(super) struct Plot<'a> {
    /// What it shows, for those who cannot see it.
    pub(super) alt: &'a str,
    /// Bottom of the area for values.
    pub(super) bottom: f64,
    /// The horizontal axis.
    pub(super) x: Labels<'a>,
    /// The vertical axis.
    pub(super) y: Labels<'a>,
}

/// An axis as it is read: its name and its ticks.
pub(super) struct Labels<'a> {
    /// What it measures, with the unit.
    pub(super) name: &'a str,
    /// Places and their texts.
    pub(super) ticks: Vec<(f64, String)>,
}

impl<'a> Labels<'a> {
    /// The axis with its numbers.
    pub(super) fn numbered(name: &'a str, axis: &Axis, about: usize) -> Self {
        Self::new(name, axis, axis.numbered(about))
    }

    /// The axis with these texts at these values.
    pub(super) fn new(name: &'a str, axis: &Axis, ticks: Vec<(f64, String)>) -> Self {
        Self {
            name,
            ticks: ticks
                .into_iter()
                .map(|(value, text)| (axis.at(value), text))
                .collect(),
        }
    }
}

impl Plot<'_> {
    /// The drawing with these marks on it.
    pub(super) fn draw(&self, marks: &Markup) -> Markup {
        let bottom = self.bottom;
        let height = bottom + FOOT;
        html! {
            svg viewBox={ "0 0 " (WIDTH) " " (px(height)) } role="img" aria-label=(self.alt) {
                text .name x=(px(2.0)) y=(px(15.0)) { (self.y.name) }
                @for (y, text) in &self.y.ticks {
                    line .grid x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(*y)) y2=(px(*y)) {}
                    text .number x=(px(LEFT - 6.0)) y=(px(y + 4.0)) text-anchor="end" { (text) }
                }
                line .axis x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(bottom)) y2=(px(bottom)) {}
                @for (x, text) in &self.x.ticks {
                    line .axis x1=(px(*x)) x2=(px(*x)) y1=(px(bottom)) y2=(px(bottom + 4.0)) {}
                    text .number x=(px(*x)) y=(px(bottom + 17.0)) text-anchor="middle" { (text) }
                }
                text .name x=(px(RIGHT)) y=(px(height - 6.0)) text-anchor="end" { (self.x.name) }
                (marks)
            }
        }
    }
}

/// A place, to a tenth of a unit.
pub(super) fn px(place: f64) -> String {
    format!("{place:.1}")
}

/// What a colour stands for: the class of a mark, and its word.
pub(super) type Key<'a> = (&'a str, String);

/// A drawing with its title, what the colours mean, and how to read it.
pub(super) fn figure(title: &str, keys: &[Key<'_>], drawing: &Markup, reading: &str) -> Markup {
    html! {
        figure {
            h3 { (title) }
            @if !keys.is_empty() {
                ul .keys {
                    @for (class, word) in keys {
                        li { span .swatch.(class) {} (word) }
                    }
                }
            }
            (drawing)
            figcaption { (reading) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_is_markup_and_its_texts_are_not() {
        let axis = Axis::linear(0.0, 10.0, LEFT, RIGHT);
        let plot = Plot {
            alt: "a \"thing\"",
            bottom: 100.0,
            x: Labels::numbered("<b>", &axis, 2),
            y: Labels::new(
                "y",
                &Axis::linear(0.0, 1.0, 100.0, TOP),
                vec![(1.0, "all".into())],
            ),
        };
        let drawn = plot.draw(&html! { circle r="1" {} }).into_string();
        insta::assert_snapshot!(drawn.replace("><", ">\n<"), @r#"
        <svg viewBox="0 0 480 142.0" role="img" aria-label="a &quot;thing&quot;">
        <text class="name" x="2.0" y="15.0">y</text>
        <line class="grid" x1="62.0" x2="454.0" y1="30.0" y2="30.0">
        </line>
        <text class="number" x="56.0" y="34.0" text-anchor="end">all</text>
        <line class="axis" x1="62.0" x2="454.0" y1="100.0" y2="100.0">
        </line>
        <line class="axis" x1="62.0" x2="62.0" y1="100.0" y2="104.0">
        </line>
        <text class="number" x="62.0" y="117.0" text-anchor="middle">0</text>
        <line class="axis" x1="258.0" x2="258.0" y1="100.0" y2="104.0">
        </line>
        <text class="number" x="258.0" y="117.0" text-anchor="middle">5</text>
        <line class="axis" x1="454.0" x2="454.0" y1="100.0" y2="104.0">
        </line>
        <text class="number" x="454.0" y="117.0" text-anchor="middle">10</text>
        <text class="name" x="454.0" y="136.0" text-anchor="end">&lt;b&gt;</text>
        <circle r="1">
        </circle>
        </svg>
        "#);
    }
}
