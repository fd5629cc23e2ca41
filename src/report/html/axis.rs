//! Axes: from values to places in a drawing, and where the ticks are.
//!
//! Pure numbers. A value outside of an axis is drawn at its end, so that nothing leaves the drawing.

/// How values lie along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Linear,
    Log,
}

/// A straight mapping of values to places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    kind: Kind,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Values from `low` to `high` evenly from place `from` to place `to`.
    pub(super) fn linear(low: f64, high: f64, from: f64, to: f64) -> Self {
        let (low, high) = if low.is_finite() && high.is_finite() && low < high {
            (low, high)
        } else {
            let middle = if low.is_finite() { low } else { 0.0 };
            let around = (middle.abs() * 0.05).max(1e-9);
            (middle - around, middle + around)
        };
        Self {
            kind: Kind::Linear,
            low,
            high,
            from,
            to,
        }
    }

    /// The same by logarithms: equal ratios are equal distances. `low` must be above 0.
    pub(super) fn log(low: f64, high: f64, from: f64, to: f64) -> Self {
        let low = if low.is_finite() && low > 0.0 {
            low
        } else {
            1e-6
        };
        let high = if high.is_finite() && high > low {
            high
        } else {
            low * 2.0
        };
        Self {
            kind: Kind::Log,
            low,
            high,
            from,
            to,
        }
    }

    /// The axis around these values, with a little room at both ends.
    pub(super) fn around(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        let room = ((high - low) * 0.08).max(high.abs() * 0.01);
        Self::linear(low - room, high + room, from, to)
    }

    /// Where a value is.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let share = match self.kind {
            Kind::Linear => (value - self.low) / (self.high - self.low),
            Kind::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + share * (self.to - self.from)
    }

    /// Round values to put ticks at, about as many as asked for.
    pub(super) fn ticks(&self, about: usize) -> Vec<f64> {
        match self.kind {
            Kind::Linear => round_between(self.low, self.high, about),
            Kind::Log => round_ratios(self.low, self.high, about),
        }
    }

    /// The ticks with their numbers, all with as many decimals as the step needs.
    pub(super) fn numbered(&self, about: usize) -> Vec<(f64, String)> {
        let ticks = self.ticks(about);
        let step = ticks
            .windows(2)
            .map(|w| w[1] - w[0])
            .fold(f64::INFINITY, f64::min);
        let digits = if step.is_finite() && step > 0.0 {
            (-(step * 1.000_001).log10().floor()).clamp(0.0, 9.0) as usize
        } else {
            2
        };
        ticks
            .into_iter()
            // a zero reached by steps may be a hair below
            .map(|tick| (tick, format!("{:.digits$}", tick + 0.0)))
            .collect()
    }
}

/// Multiples of 1, 2 or 5 times a power of ten (Heckbert, "Nice numbers for graph labels",
/// Graphics Gems, 1990).
fn round_between(low: f64, high: f64, about: usize) -> Vec<f64> {
    let rough = (high - low) / about.max(1) as f64;
    let magnitude = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|multiple| multiple * magnitude)
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    let first = (low / step - 1e-9).ceil();
    (0..=2 * about)
        .map(|n| (first + n as f64) * step)
        .take_while(|tick| *tick <= high + step * 1e-9)
        .map(|tick| if tick.abs() < step * 1e-9 { 0.0 } else { tick })
        .collect()
}

/// 1, 2 and 5 of every power of ten, or the powers alone where those would be too many.
fn round_ratios(low: f64, high: f64, about: usize) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    for multiples in [&[1.0, 2.0, 5.0][..], &[1.0]] {
        let ticks: Vec<f64> = (first..=last)
            .flat_map(|power| multiples.iter().map(move |m| m * 10f64.powi(power)))
            .filter(|tick| (low * 0.999..=high * 1.001).contains(tick))
            .collect();
        if ticks.len() <= about {
            return ticks;
        }
    }
    // many powers: every so many of them
    let every = (last - first) / about.max(1) as i32 + 1;
    (first..=last)
        .filter(|power| power % every == 0)
        .map(|power| 10f64.powi(power))
        .filter(|tick| (low..=high).contains(tick))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round_and_carry_the_decimals_they_need() {
        let axis = Axis::linear(0.0, 2.1, 0.0, 100.0);
        let texts: Vec<String> = axis.numbered(5).into_iter().map(|(_, t)| t).collect();
        assert_eq!(texts, ["0.0", "0.5", "1.0", "1.5", "2.0"]);
        let axis = Axis::linear(1.18, 1.24, 0.0, 100.0);
        let texts: Vec<String> = axis.numbered(3).into_iter().map(|(_, t)| t).collect();
        assert_eq!(texts, ["1.18", "1.20", "1.22", "1.24"]);
        let axis = Axis::log(90.0, 25_000.0, 0.0, 100.0);
        assert_eq!(axis.ticks(5), [100.0, 1_000.0, 10_000.0]);
        let axis = Axis::log(90.0, 250.0, 0.0, 100.0);
        assert_eq!(axis.ticks(5), [100.0, 200.0]);
    }

    #[test]
    fn one_value_has_an_axis_too() {
        let axis = Axis::around([1.2, 1.2], 0.0, 100.0);
        assert!((axis.at(1.2) - 50.0).abs() < 1e-6);
        let axis = Axis::around([], 0.0, 100.0);
        assert!(axis.at(7.0).is_finite());
    }

    proptest! {
        #[test]
        fn every_place_lies_in_the_drawing(
            low in -1e12f64..1e12, high in -1e12f64..1e12, value in prop::num::f64::NORMAL, about in 1usize..10,
        ) {
            for axis in [Axis::linear(low, high, 10.0, 90.0), Axis::log(low, high, 10.0, 90.0)] {
                prop_assert!((9.999..=90.001).contains(&axis.at(value)));
                let ticks = axis.ticks(about);
                prop_assert!(ticks.len() <= 2 * about + 1, "{ticks:?}");
                for tick in ticks {
                    prop_assert!((9.999..=90.001).contains(&axis.at(tick)));
                }
            }
        }
    }
}
