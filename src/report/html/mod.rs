//! One page that shows what was measured: self-contained, for any browser, light or dark.
//!
//! It loads nothing and runs nothing. Every text of an artifact is escaped (maud does that to all
//! that is not markup of ours). Verdicts are the statistics' own words.

mod axis;
mod comparison;
mod histogram;
mod pairs;
mod plot;
mod session;
mod speedup;
mod strip;
mod timeline;
mod tuning;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub use comparison::section as comparison;
pub use session::section as session;
pub use tuning::section as tuning;

/// Colours and layout.
const STYLE: &str = include_str!("style.css");

/// A page of these parts.
#[must_use]
pub fn page(title: &str, parts: &[Markup]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // nothing may be loaded or run, whatever the page holds
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    @for part in parts { (part) }
                }
                footer { "Made by rb-bench " (env!("CARGO_PKG_VERSION")) " from saved artifacts. Every figure stands with its range; a verdict is only what the interval carries." }
            }
        }
    };
    page.into_string()
}

/// A verdict as the statistics word it, coloured by its kind.
fn verdict(name: &str, text: &str) -> Markup {
    let class = match name {
        "IMPROVED" => "good",
        "REGRESSED" | "INVALID" | "NOT COMPARABLE" => "bad",
        "EQUIVALENT" => "same",
        _ => "open",
    };
    let (before, after) = text.split_once(name).unwrap_or((text, ""));
    html! {
        p .verdict {
            (before)
            @if text.contains(name) { strong .(class) { (name) } }
            (after)
        }
    }
}

/// A list under a heading; nothing where it is empty.
fn list(heading: &str, lines: &[impl maud::Render]) -> Markup {
    html! {
        @if !lines.is_empty() {
            h3 { (heading) }
            ul { @for line in lines { li { (line) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples;

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        let page = page("medium", &[session(&examples::session())]);
        for outside in [
            "http://", "https://", "src=", "href=", "url(", "@import", "<script", "<link",
        ] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
    }
}
