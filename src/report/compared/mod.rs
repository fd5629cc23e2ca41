//! Two arms side by side, for `rb-bench compare`: as text, Markdown and CSV, and in words.
//!
//! Every form is made from the same values; a verdict is worded by the statistics alone.

mod csv;
mod explain;
mod markdown;
mod picture;
#[cfg(test)]
mod tests;
mod text;

pub use csv::csv;
pub use explain::explain;
pub use markdown::escaped;
pub use markdown::markdown;
pub use text::text;

use crate::bench::compared::{Compared, Measure, SideRecord, Unit};
use crate::bench::stats::Spread;
use crate::bench::verdict::signed_percent;
use crate::units::{ByteRate, Bytes, Seconds};

/// What must stand beside every comparison of two sessions.
pub const UNPAIRED: &str = "unpaired: drift between the two sessions is not controlled";

/// `0f3a9c21 after "nightly": medium, rb-bench 0.1.0 release, 2026-11-23 20:27, parallelism=auto`.
#[must_use]
pub fn side(side: &SideRecord) -> String {
    let label = side
        .label
        .as_deref()
        .map(|label| format!(" \"{label}\""))
        .unwrap_or_default();
    let began = side.created_at.get(..16).unwrap_or(&side.created_at);
    let mut parts = vec![
        format!("{} {}{label}: {}", side.session, side.arm, side.profile),
        format!("rb-bench {}", side.version),
        began.replace('T', " "),
    ];
    parts.extend(side.settings.iter().cloned());
    if side.partial {
        parts.push("partial".into());
    }
    parts.join(", ")
}

/// `2 (auto): 2 cores, cap 2; ...`.
#[must_use]
pub fn parallelism(side: &SideRecord) -> String {
    format!(
        "{} ({}): {}",
        side.parallelism_effective, side.parallelism_mode, side.parallelism_reason
    )
}

/// A figure with its range, or that it is not known: `2.01 s (2.00 .. 2.20)`, units once where they
/// are the same.
#[must_use]
pub fn figure(measure: &Measure, value: Option<Spread>) -> String {
    let Some(value) = value else {
        return "unknown".into();
    };
    let [median, min, max] = [value.median, value.min, value.max].map(|v| number(measure.unit, v));
    let unit = |text: &str| text.split_once(' ').map(|(_, unit)| unit.to_owned());
    let bare = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    if unit(&median) == unit(&min) && unit(&min) == unit(&max) {
        format!("{median} ({} .. {})", bare(&min), bare(&max))
    } else {
        format!("{median} ({min} .. {max})")
    }
}

/// A value in its unit: `2.01 s`, `158 MB/s`.
#[must_use]
pub fn number(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Seconds => Seconds(value).to_string(),
        Unit::MbPerSecond => ByteRate(value * 1e6).to_string(),
        // three digits, as everywhere
        Unit::SecondsPerGb if value >= 9.995 => format!("{value:.1} s/GB"),
        Unit::SecondsPerGb => format!("{value:.2} s/GB"),
        Unit::Bytes => Bytes(value as u64).to_string(),
        Unit::Ratio => format!("{value:.2}"),
        Unit::Micros => micros(value),
        Unit::Cores => format!("{value:.2} cores"),
    }
}

/// Microseconds as a person reads them.
#[must_use]
pub fn micros(value: f64) -> String {
    Seconds(value / 1e6).to_string()
}

/// In percent, `+18.3 (+14.1 .. +22.0)`; nothing where there are too few data for an interval.
#[must_use]
pub fn change(measure: &Measure) -> Option<String> {
    let (ratio, low, high) = (measure.ratio?, measure.ci_low?, measure.ci_high?);
    Some(format!(
        "{} ({} .. {})",
        signed_percent(ratio),
        signed_percent(low),
        signed_percent(high)
    ))
}

/// What waives the differences: `--allow host --allow build`.
pub(super) fn waiver(compared: &Compared) -> String {
    let mut flags: Vec<String> = compared
        .differences
        .iter()
        .map(|difference| format!("--allow {}", difference.condition))
        .collect();
    flags.dedup();
    flags.join(" ")
}
