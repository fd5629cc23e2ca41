//! Bytes, rows, rates and durations as types that print the way a person reads them.
//!
//! Sizes are decimal (1 MB = 1,000,000 bytes), as `pg_size_pretty`'s are not: rates are compared
//! with disks and networks, which count in powers of ten.

use std::fmt;
use std::time::Duration;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rows(pub u64);

/// Bytes per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ByteRate(pub f64);

/// Rows per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowRate(pub f64);

/// A span of time, printed with three significant figures.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Seconds(pub f64);

impl ByteRate {
    /// The rate of `bytes` over `elapsed`; 0 where no time has passed.
    #[must_use]
    pub fn over(bytes: u64, elapsed: Duration) -> Self {
        Self(per_second(bytes, elapsed))
    }
}

impl RowRate {
    /// The rate of `rows` over `elapsed`; 0 where no time has passed.
    #[must_use]
    pub fn over(rows: u64, elapsed: Duration) -> Self {
        Self(per_second(rows, elapsed))
    }
}

/// Bytes as lowercase hexadecimal digits: digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

/// `value` with three significant figures and the largest of `steps` it reaches.
fn scaled(f: &mut fmt::Formatter<'_>, value: f64, steps: &[(f64, &str)]) -> fmt::Result {
    let (unit, name) = steps
        .iter()
        .find(|(unit, _)| value.abs() >= *unit)
        .or(steps.last())
        .copied()
        .unwrap_or((1.0, ""));
    let scaled = value / unit;
    // where nothing is smaller than one, values are counts: 7 B has no decimals, 7.00 s has
    let counts = steps.last().is_some_and(|(least, _)| *least >= 1.0);
    let whole = scaled == 0.0 || counts && unit <= 1.0 && scaled.fract() == 0.0;
    let digits = if whole || scaled >= 99.95 {
        0
    } else if scaled >= 9.995 {
        1
    } else {
        2
    };
    f.pad(&format!("{scaled:.digits$}{name}"))
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(
            f,
            self.0 as f64,
            &[
                (1e12, " TB"),
                (1e9, " GB"),
                (1e6, " MB"),
                (1e3, " kB"),
                (1.0, " B"),
            ],
        )
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3);
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(
            f,
            self.0,
            &[
                (1e9, " GB/s"),
                (1e6, " MB/s"),
                (1e3, " kB/s"),
                (1.0, " B/s"),
            ],
        )
    }
}

impl fmt::Display for RowRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(
            f,
            self.0,
            &[(1e6, " Mrow/s"), (1e3, " krow/s"), (1.0, " row/s")],
        )
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 90.0 {
            let whole = self.0.round() as u64;
            let text = if whole >= 3600 {
                format!("{}h{:02}m", whole / 3600, whole % 3600 / 60)
            } else {
                format!("{}m{:02}s", whole / 60, whole % 60)
            };
            return f.pad(&text);
        }
        scaled(f, self.0, &[(1.0, " s"), (1e-3, " ms"), (1e-6, " us")])
    }
}

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_print_with_three_figures() {
        assert_eq!(Bytes(0).to_string(), "0 B");
        assert_eq!(Bytes(999).to_string(), "999 B");
        assert_eq!(Bytes(469_000_000).to_string(), "469 MB");
        assert_eq!(ByteRate(288_300_000.0).to_string(), "288 MB/s");
        assert_eq!(RowRate(5_600.0).to_string(), "5.60 krow/s");
        assert_eq!(Seconds(2.114).to_string(), "2.11 s");
        assert_eq!(Seconds(2.0).to_string(), "2.00 s");
        assert_eq!(Seconds(0.015).to_string(), "15.0 ms");
        assert_eq!(Seconds(0.000_171).to_string(), "171 us");
        assert_eq!(Seconds(0.0).to_string(), "0 us");
        assert_eq!(Seconds(125.0).to_string(), "2m05s");
        assert_eq!(Seconds(7_500.0).to_string(), "2h05m");
    }

    #[test]
    fn rows_are_grouped_by_thousands() {
        assert_eq!(Rows(7).to_string(), "7");
        assert_eq!(Rows(1_000).to_string(), "1,000");
        assert_eq!(Rows(12_345_678).to_string(), "12,345,678");
    }

    #[test]
    fn a_rate_over_no_time_is_zero() {
        assert_eq!(ByteRate::over(5, Duration::ZERO), ByteRate(0.0));
    }
}
