//! What of an iteration can be compared and gated: quantities of which less is better.
//!
//! Wall time is the one that a verdict is about unless more are asked for.

use std::fmt;
use std::str::FromStr;

use super::artifact::Iteration;
use super::summary::distribution;
use crate::config::nearest;
use crate::error::{Error, Kind};

/// A quantity of an iteration of which less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Wall time of the engine's run.
    DurationS,
    /// CPU seconds of rb-bench.
    CpuRbBenchS,
    /// CPU seconds of the source's backends.
    CpuSourceS,
    /// CPU seconds of the destination's backends.
    CpuDestinationS,
    /// Peak resident memory of rb-bench.
    RssPeak,
    /// Write-ahead log that the destination wrote.
    WalBytes,
    /// Median time of a chunk.
    ChunkP50Us,
    /// 99th percentile of a chunk's time.
    ChunkP99Us,
}

impl Metric {
    /// Every metric, the one that a verdict is always about first.
    pub const ALL: [Self; 8] = [
        Self::DurationS,
        Self::CpuRbBenchS,
        Self::CpuSourceS,
        Self::CpuDestinationS,
        Self::RssPeak,
        Self::WalBytes,
        Self::ChunkP50Us,
        Self::ChunkP99Us,
    ];

    /// The metric as flags and artifacts name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DurationS => "duration_s",
            Self::CpuRbBenchS => "cpu_rb_bench_s",
            Self::CpuSourceS => "cpu_source_s",
            Self::CpuDestinationS => "cpu_destination_s",
            Self::RssPeak => "rss_peak",
            Self::WalBytes => "wal_bytes",
            Self::ChunkP50Us => "chunk_p50_us",
            Self::ChunkP99Us => "chunk_p99_us",
        }
    }

    /// Its value in an iteration; none where it is not known, or nothing that a ratio can be made
    /// of, as CPU time below a clock tick.
    #[must_use]
    pub fn of(self, iteration: &Iteration) -> Option<f64> {
        let chunk = |quantile| {
            let chunks = distribution(iteration, "chunk_us")?;
            (!chunks.is_empty()).then(|| chunks.value_at_quantile(quantile) as f64)
        };
        let value = match self {
            Self::DurationS => Some(iteration.duration_s),
            Self::CpuRbBenchS => Some(iteration.cpu.rb_bench_s),
            Self::CpuSourceS => iteration.cpu.source_s,
            Self::CpuDestinationS => iteration.cpu.destination_s,
            Self::RssPeak => iteration.rss_peak.map(|bytes| bytes as f64),
            Self::WalBytes => iteration.pg.wal_bytes.map(|bytes| bytes as f64),
            Self::ChunkP50Us => chunk(0.5),
            Self::ChunkP99Us => chunk(0.99),
        };
        value.filter(|value| value.is_finite() && *value > 0.0)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    /// The metric of this name.
    ///
    /// # Errors
    /// `Kind::Usage` for an unknown one, with the nearest and all there are.
    fn from_str(text: &str) -> Result<Self, Error> {
        let names = Self::ALL.map(Self::name);
        Self::ALL
            .into_iter()
            .find(|metric| metric.name() == text)
            .ok_or_else(|| {
                let meant = nearest(text, names.into_iter())
                    .map(|meant| format!("; did you mean `{meant}`?"))
                    .unwrap_or_default();
                Error::new(Kind::Usage, format!("unknown metric `{text}`{meant}"))
                    .remedy(format!("use one of {}", names.join(", ")))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn every_metric_is_found_by_its_name_and_in_an_iteration() {
        let session = examples::session();
        for metric in Metric::ALL {
            assert_eq!(metric.name().parse::<Metric>().unwrap(), metric);
            assert!(metric.of(&session.iterations[2]).is_some(), "{metric}");
        }
    }

    #[test]
    fn an_unknown_metric_names_the_nearest() {
        let error = "cpu_sorce_s".parse::<Metric>().unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(
            error.to_string().contains("did you mean `cpu_source_s`?"),
            "{error}"
        );
    }

    #[test]
    fn what_no_ratio_can_be_made_of_is_not_known() {
        let mut iteration = examples::session().iterations.remove(2);
        iteration.cpu.rb_bench_s = 0.0;
        iteration.cpu.source_s = None;
        assert_eq!(Metric::CpuRbBenchS.of(&iteration), None);
        assert_eq!(Metric::CpuSourceS.of(&iteration), None);
    }
}
