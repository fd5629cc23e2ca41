//! Pictures in text: two histograms back to back, and every iteration as a dot, each on one scale.

use std::fmt::Write as _;

use super::micros;
use crate::bench::compared::Distribution;
use crate::bench::stats::Spread;
use crate::units::Seconds;

/// Most columns of one side's bars.
const WIDEST: usize = 34;

/// ```text
///             before                after
///         ██████████  100 ms .. 120 ms  ████
/// ```
/// The longest bar is the largest share of either side.
pub(super) fn mirrored(distribution: &Distribution, width: usize) -> String {
    let ranges: Vec<String> = distribution
        .classes
        .iter()
        .map(|class| format!("{} .. {}", micros(class.from_us), micros(class.to_us)))
        .collect();
    let middle = ranges.iter().map(|r| r.chars().count()).max().unwrap_or(0);
    let side = (width.saturating_sub(middle + 6) / 2).min(WIDEST);
    let shares = || {
        distribution
            .classes
            .iter()
            .flat_map(|c| [c.before, c.after])
    };
    let most = shares().fold(f64::MIN_POSITIVE, f64::max);
    let mut text = format!(
        "  {:>side$}  {:^middle$}  after\n",
        "before", distribution.name
    );
    for (class, range) in distribution.classes.iter().zip(&ranges) {
        let [before, after] = [class.before, class.after].map(|share| bar(share / most, side));
        let line = format!("  {before:>side$}  {range:^middle$}  {after}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// A bar; what is not nothing has one column at least.
fn bar(share: f64, width: usize) -> String {
    let columns = (share * width as f64).round() as usize;
    let least = usize::from(share > 0.0);
    "█".repeat(columns.clamp(least, width.max(1)))
}

/// ```text
///   before  ●  ● ●        wall time
///   after            ●2
///           1.10 s      2.00 s
/// ```
/// Where several fall on one place, their number.
pub(super) fn dots(before: &[f64], after: &[f64], width: usize) -> String {
    let all: Vec<f64> = before.iter().chain(after).copied().collect();
    let Some(range) = Spread::of(&all) else {
        return String::new();
    };
    let columns = width.saturating_sub(12).clamp(10, 72);
    let strip = |values: &[f64]| -> String {
        let mut counts = vec![0u32; columns];
        for value in values {
            let share = (value - range.min) / (range.max - range.min).max(f64::MIN_POSITIVE);
            counts[(share * (columns - 1) as f64).round() as usize] += 1;
        }
        let dot = |count: u32| match count {
            0 => ' ',
            1 => '●',
            n => char::from_digit(n, 10).unwrap_or('+'),
        };
        counts.into_iter().map(dot).collect()
    };
    let (least, most) = (
        Seconds(range.min).to_string(),
        Seconds(range.max).to_string(),
    );
    let gap = columns.saturating_sub(least.chars().count());
    format!(
        "  before  {}\n  after   {}\n          {least}{most:>gap$}\n",
        strip(before).trim_end(),
        strip(after).trim_end()
    )
}
