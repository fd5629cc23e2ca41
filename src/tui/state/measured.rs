//! The settings of a session beside those of its pipeline: each by the name of its flag, with its value
//! and where that comes from, and what typing a value makes of it.
//!
//! Pure: what is typed is judged against the profile in memory; whether a program is there is found when
//! the session begins.

use std::path::PathBuf;

use super::profile::{Line, short};
use crate::bench::guard::GuardMode;
use crate::bench::profile::{Origin, Profile};
use crate::bench::subject::{NOISE_THRESHOLD, Subject};

/// A setting of the session, beside those of its pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// Pairs to measure.
    Pairs,
    /// Whether it ends when the verdict is clear.
    UntilResolved,
    /// Warm-ups of each arm.
    Warmup,
    /// Rows of the dataset.
    Rows,
    /// Whether the before arm is measured.
    Arms,
    /// The smallest change that counts.
    Threshold,
    /// What gets a verdict beside wall time.
    Gate,
    /// What is done about a machine that is not quiet.
    Guard,
    /// A name for the session.
    Label,
    /// Another program for the before arm.
    BeforeBin,
    /// Another program for the after arm.
    AfterBin,
}

impl Measured {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::Pairs,
        Self::UntilResolved,
        Self::Warmup,
        Self::Rows,
        Self::Arms,
        Self::Threshold,
        Self::Gate,
        Self::Guard,
        Self::Label,
        Self::BeforeBin,
        Self::AfterBin,
    ];

    /// Its name, that of its flag.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pairs => "iters",
            Self::UntilResolved => "until-resolved",
            Self::Warmup => "warmup",
            Self::Rows => "rows",
            Self::Arms => "arms",
            Self::Threshold => "noise-threshold",
            Self::Gate => "gate",
            Self::Guard => "guard",
            Self::Label => "label",
            Self::BeforeBin => "before-bin",
            Self::AfterBin => "after-bin",
        }
    }

    /// Whether it has an effect on what is chosen.
    fn counts(self, subject: &Subject, profile: &Profile) -> bool {
        match self {
            Self::UntilResolved | Self::Gate | Self::BeforeBin => subject.both_arms,
            Self::Rows => subject.is_managed() && profile.dataset.is_some(),
            _ => true,
        }
    }

    /// Whether a key turns it over, so that nothing is typed.
    #[must_use]
    pub fn is_turned(self) -> bool {
        matches!(self, Self::UntilResolved | Self::Arms | Self::Guard)
    }

    /// Its line; none where it has no effect.
    #[must_use]
    pub fn line(self, subject: &Subject, profile: &Profile) -> Option<Line> {
        self.counts(subject, profile).then(|| Line::Session {
            what: self,
            value: self.value(subject, profile),
            from: self.from(subject, profile),
        })
    }

    fn value(self, subject: &Subject, profile: &Profile) -> String {
        match self {
            Self::Pairs => subject.pairs(profile).unwrap_or(profile.iters).to_string(),
            Self::UntilResolved => if subject.until_resolved { "yes" } else { "no" }.to_owned(),
            Self::Warmup => subject.warmup.unwrap_or(profile.warmup).to_string(),
            Self::Rows => {
                let dataset = profile.dataset.as_ref();
                dataset.map_or_else(String::new, |dataset| dataset.rows().to_string())
            }
            Self::Arms => if subject.both_arms { "both" } else { "one" }.to_owned(),
            Self::Threshold => format!("{} %", subject.noise_threshold),
            Self::Guard => subject.guard.name().to_owned(),
            Self::Gate | Self::Label | Self::BeforeBin | Self::AfterBin => {
                let text = self.text(subject);
                if text.is_empty() {
                    "-".to_owned()
                } else {
                    text
                }
            }
        }
    }

    /// What is typed anew begins with this.
    #[must_use]
    pub fn typed(self, subject: &Subject, shown: &str) -> String {
        match self {
            Self::Gate | Self::Label | Self::BeforeBin | Self::AfterBin => self.text(subject),
            _ => shown.trim_end_matches(" %").to_owned(),
        }
    }

    /// What was chosen of what may be left empty.
    fn text(self, subject: &Subject) -> String {
        let path = |path: &Option<PathBuf>| {
            let path = path.as_ref();
            path.map_or_else(String::new, |path| path.display().to_string())
        };
        match self {
            Self::Gate => {
                let names = subject.gates.metrics.iter().map(|metric| metric.name());
                names.collect::<Vec<_>>().join(", ")
            }
            Self::Label => subject.label.clone().unwrap_or_default(),
            Self::BeforeBin => path(&subject.before_bin),
            Self::AfterBin => path(&subject.after_bin),
            _ => String::new(),
        }
    }

    fn is_chosen(self, subject: &Subject) -> bool {
        match self {
            Self::Pairs => subject.iters.is_some(),
            Self::UntilResolved => subject.until_resolved,
            Self::Warmup => subject.warmup.is_some(),
            Self::Rows => subject.rows.is_some(),
            Self::Arms => !subject.both_arms,
            Self::Threshold => (subject.noise_threshold - NOISE_THRESHOLD).abs() > f64::EPSILON,
            Self::Guard => subject.guard != GuardMode::Warn,
            Self::Gate | Self::Label | Self::BeforeBin | Self::AfterBin => {
                !self.text(subject).is_empty()
            }
        }
    }

    fn from(self, subject: &Subject, profile: &Profile) -> String {
        let of_profile = match &profile.origin {
            Origin::Pipeline(_) => "default",
            _ => short(profile.document_name()),
        };
        match self {
            _ if self.is_chosen(subject) => format!("--{}", self.name()),
            Self::Pairs if subject.both_arms && subject.until_resolved => {
                format!("--{}", Self::UntilResolved.name())
            }
            Self::Pairs if subject.pairs(profile).is_ok_and(|n| n != profile.iters) => {
                "what a gate needs".to_owned()
            }
            Self::Pairs | Self::Warmup | Self::Rows => of_profile.to_owned(),
            _ => "default".to_owned(),
        }
    }

    /// Turns it over to the next of its words.
    pub fn turn(self, subject: &mut Subject) {
        match self {
            Self::UntilResolved => {
                subject.until_resolved = !subject.until_resolved;
                // it says itself how many pairs
                if subject.until_resolved {
                    subject.iters = None;
                }
            }
            Self::Arms => subject.both_arms = !subject.both_arms,
            Self::Guard => {
                subject.guard = match subject.guard {
                    GuardMode::Warn => GuardMode::Wait,
                    GuardMode::Wait => GuardMode::Fail,
                    GuardMode::Fail => GuardMode::Off,
                    GuardMode::Off => GuardMode::Warn,
                };
            }
            _ => {}
        }
    }

    /// Takes back what was chosen.
    pub fn reset(self, subject: &mut Subject) {
        match self {
            Self::Pairs => subject.iters = None,
            Self::UntilResolved => subject.until_resolved = false,
            Self::Warmup => subject.warmup = None,
            Self::Rows => subject.rows = None,
            Self::Arms => subject.both_arms = true,
            Self::Threshold => subject.noise_threshold = NOISE_THRESHOLD,
            Self::Gate => subject.gates.metrics.clear(),
            Self::Guard => subject.guard = GuardMode::Warn,
            Self::Label => subject.label = None,
            Self::BeforeBin => subject.before_bin = None,
            Self::AfterBin => subject.after_bin = None,
        }
    }

    /// Chooses what was typed.
    ///
    /// # Errors
    /// What is accepted.
    pub fn set(self, subject: &mut Subject, text: &str) -> Result<(), String> {
        let number = |least: u32, most: u32| {
            text.parse::<u32>()
                .ok()
                .filter(|n| (least..=most).contains(n))
                .ok_or_else(|| format!("accepted: a number from {least} to {most}"))
        };
        let path = || (!text.is_empty()).then(|| PathBuf::from(text));
        match self {
            Self::Pairs => {
                subject.iters = Some(number(1, 1_000)?);
                subject.until_resolved = false;
            }
            Self::Warmup => subject.warmup = Some(number(0, 1_000)?),
            Self::Rows => {
                let rows = text.replace([',', '_'], "").parse::<u64>().ok();
                let rows = rows.filter(|n| *n > 0);
                subject.rows = Some(rows.ok_or("accepted: a number of rows, at least 1")?);
            }
            Self::Threshold => {
                let value = text.trim_end_matches('%').trim().parse::<f64>().ok();
                let value = value.filter(|n| (0.0..=100.0).contains(n));
                subject.noise_threshold = value.ok_or("accepted: a percentage from 0 to 100")?;
            }
            Self::Gate => {
                let names = text.split([',', ' ']).filter(|name| !name.is_empty());
                let metrics = names.map(str::parse).collect::<crate::error::Result<_>>();
                subject.gates.metrics = metrics.map_err(|error| error.to_string())?;
            }
            Self::Label => subject.label = (!text.is_empty()).then(|| text.to_owned()),
            Self::BeforeBin => subject.before_bin = path(),
            Self::AfterBin => subject.after_bin = path(),
            Self::UntilResolved | Self::Arms | Self::Guard => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(subject: &Subject, what: Measured) -> Option<(String, String)> {
        match what.line(subject, &subject.base().unwrap())? {
            Line::Session { value, from, .. } => Some((value, from)),
            Line::Pipeline { .. } => None,
        }
    }

    #[test]
    fn pairs_say_who_asked_for_so_many() {
        let mut subject = Subject::of_profile("small");
        let pairs = |subject: &Subject| line(subject, Measured::Pairs).unwrap();
        assert_eq!(pairs(&subject), ("3".into(), "small".into()));
        Measured::Gate.set(&mut subject, "rss_peak").unwrap();
        assert_eq!(pairs(&subject), ("7".into(), "what a gate needs".into()));
        Measured::UntilResolved.turn(&mut subject);
        assert_eq!(pairs(&subject), ("20".into(), "--until-resolved".into()));
        Measured::Pairs.set(&mut subject, "9").unwrap();
        assert_eq!(pairs(&subject), ("9".into(), "--iters".into()));
        assert!(!subject.until_resolved);
    }

    #[test]
    fn what_is_no_value_says_what_is_accepted() {
        let mut subject = Subject::of_profile("small");
        for (what, text, accepted) in [
            (Measured::Pairs, "0", "accepted: a number from 1 to 1000"),
            (
                Measured::Warmup,
                "many",
                "accepted: a number from 0 to 1000",
            ),
            (
                Measured::Rows,
                "0",
                "accepted: a number of rows, at least 1",
            ),
            (
                Measured::Threshold,
                "101 %",
                "accepted: a percentage from 0 to 100",
            ),
        ] {
            let said = what.set(&mut subject, text).unwrap_err();
            assert_eq!(said, accepted);
        }
        assert_eq!(subject, Subject::of_profile("small"));
    }

    #[test]
    fn what_only_a_verdict_needs_is_not_offered_for_one_arm() {
        let mut subject = Subject::of_profile("small");
        Measured::Arms.turn(&mut subject);
        for what in [Measured::Gate, Measured::UntilResolved, Measured::BeforeBin] {
            assert_eq!(line(&subject, what), None);
        }
        assert!(line(&subject, Measured::AfterBin).is_some());
    }

    #[test]
    fn an_unknown_metric_is_told_with_what_is_meant() {
        let mut subject = Subject::of_profile("small");
        let problem = Measured::Gate.set(&mut subject, "rss_peek").unwrap_err();
        assert!(problem.contains("rss_peek"), "{problem}");
        Measured::Gate
            .set(&mut subject, "rss_peak, wal_bytes")
            .unwrap();
        assert_eq!(subject.gates.metrics.len(), 2);
    }
}
