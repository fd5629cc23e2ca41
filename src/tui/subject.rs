//! What is going to be measured, as the user has chosen it: a profile or document, and what was changed.
//!
//! A value that starts nothing. The command line fills it once, the Profile screen edits it, and a
//! session's plan is made from it in the way the headless command makes one.

use std::path::PathBuf;

use crate::bench::guard::GuardMode;
use crate::bench::noise::Floors;
use crate::bench::order::Arm;
use crate::bench::profile::Profile;
use crate::bench::rules::Rules;
use crate::bench::session::{Databases, Plan};
use crate::cluster::{self, ClusterOptions};
use crate::config::mask_secrets;
use crate::config::types::Secret;
use crate::error::{Error, Kind, Result};

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A profile: a shipped one by name, or a file by its path.
    Profile(String),
    /// A pipeline document of the user's, on its own databases.
    Pipeline(PathBuf),
}

impl What {
    /// The name or path it goes by.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Profile(name) => name.clone(),
            Self::Pipeline(path) => path.display().to_string(),
        }
    }

    /// The same with its kind, as it is kept.
    #[must_use]
    pub fn kept(&self) -> String {
        match self {
            Self::Profile(name) => name.clone(),
            Self::Pipeline(path) => format!("{PIPELINE}{}", path.display()),
        }
    }

    /// What was kept.
    #[must_use]
    pub fn of_kept(text: &str) -> Self {
        match text.strip_prefix(PIPELINE) {
            Some(path) => Self::Pipeline(PathBuf::from(path)),
            None => Self::Profile(text.to_owned()),
        }
    }
}

/// What stands before a document's path where it is kept.
const PIPELINE: &str = "pipeline:";

/// Pairs of a calibration where nothing else is asked for.
const CALIBRATION_PAIRS: u32 = 20;
/// The fewest from which a noise floor can be made.
const LEAST_CALIBRATION_PAIRS: u32 = 6;

/// What is going to be measured, where and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// What.
    pub what: What,
    /// Both URLs, where databases of the user's are used.
    pub urls: Option<(Secret, Secret)>,
    /// The managed server.
    pub cluster: ClusterOptions,
    /// Write to the named tables instead of copies of them.
    pub in_place: bool,
    /// Rows of the dataset; the profile's when none.
    pub rows: Option<u64>,
    /// Pairs; the profile's when none.
    pub iters: Option<u32>,
    /// Warm-up iterations; the profile's when none.
    pub warmup: Option<u32>,
    /// Whether the before arm is measured too.
    pub both_arms: bool,
    /// Settings of the before arm, `KEY=VALUE`.
    pub before: Vec<String>,
    /// Settings of the after arm.
    pub after: Vec<String>,
    /// The user's name for the session.
    pub label: Option<String>,
    /// The seed of the order; random when none.
    pub seed: Option<u64>,
    /// The smallest change that counts, percent.
    pub noise_threshold: f64,
    /// What is done about a machine that is not quiet.
    pub guard: GuardMode,
}

impl Subject {
    /// A profile as it is, on the managed server.
    #[must_use]
    pub fn of_profile(name: &str) -> Self {
        Self {
            what: What::Profile(name.to_owned()),
            urls: None,
            cluster: ClusterOptions::default(),
            in_place: false,
            rows: None,
            iters: None,
            warmup: None,
            both_arms: true,
            before: Vec::new(),
            after: Vec::new(),
            label: None,
            seed: None,
            noise_threshold: 2.0,
            guard: GuardMode::Warn,
        }
    }

    /// The name or path it goes by.
    #[must_use]
    pub fn name(&self) -> String {
        self.what.name()
    }

    /// Whether its data are rb-bench's own.
    #[must_use]
    pub fn is_managed(&self) -> bool {
        self.urls.is_none() && matches!(self.what, What::Profile(_))
    }

    /// The settings of an arm that were chosen beside the profile's.
    #[must_use]
    pub fn changes(&self, arm: Arm) -> &[String] {
        match arm {
            Arm::Before => &self.before,
            Arm::After => &self.after,
        }
    }

    /// The profile as it is written, rows and all, without what was changed in its arms.
    pub fn base(&self) -> Result<Profile> {
        let profile = match &self.what {
            What::Profile(name) => Profile::find(name)?,
            What::Pipeline(path) => Profile::of_pipeline(path)?,
        };
        Ok(profile.with_rows(self.rows.filter(|_| self.is_managed())))
    }

    /// The profile with what was changed.
    pub fn profile(&self) -> Result<Profile> {
        let before: &[String] = if self.both_arms { &self.before } else { &[] };
        self.base()?.with_flags(before, &self.after)
    }

    /// The databases it uses.
    #[must_use]
    pub fn databases(&self) -> Databases {
        match (&self.urls, &self.what) {
            (Some((source, destination)), _) => Databases::Given {
                source: source.clone(),
                destination: destination.clone(),
            },
            (None, What::Pipeline(_)) => Databases::OfDocument,
            (None, What::Profile(_)) => Databases::Managed(self.cluster.clone()),
        }
    }

    /// The pairs of a calibration: as many as are asked for, but enough for a noise floor.
    #[must_use]
    pub fn calibration_pairs(&self) -> u32 {
        let asked = self.iters.unwrap_or(CALIBRATION_PAIRS);
        asked.max(LEAST_CALIBRATION_PAIRS)
    }

    /// The plan of a benchmark: what `rb-bench` with [`Self::arguments`] would do.
    pub fn plan(&self) -> Result<Plan> {
        if self.in_place && self.is_managed() {
            return Err(Error::new(
                Kind::Usage,
                "writing in place needs databases of your own: on the managed server every table is rb-bench's own",
            ));
        }
        let profile = self.profile()?;
        Ok(Plan {
            id: format!("{:08x}", rand::random::<u32>()),
            label: self.label.clone(),
            both_arms: self.both_arms,
            warmup: self.warmup.unwrap_or(profile.warmup),
            pairs: self.iters.unwrap_or(profile.iters),
            // short enough to be typed again
            seed: self
                .seed
                .unwrap_or_else(|| u64::from(rand::random::<u32>())),
            rules: Rules::at(self.noise_threshold / 100.0),
            binaries: std::collections::BTreeMap::new(),
            guard: self.guard,
            floors: Some(Floors::beside(&cluster::home(&self.cluster)?)),
            in_place: self.in_place,
            arguments: self.arguments(),
            databases: self.databases(),
            profile,
        })
    }

    /// The arguments by which the headless command does the same, secrets masked.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = match &self.what {
            What::Profile(name) => vec!["--profile".to_owned(), name.clone()],
            What::Pipeline(path) => vec!["--pipeline".to_owned(), path.display().to_string()],
        };
        let mut flag = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        if let Some((source, destination)) = &self.urls {
            flag("--source-url", mask_secrets(source.reveal()));
            flag("--dest-url", mask_secrets(destination.reveal()));
        }
        if let Some(rows) = self.rows.filter(|_| self.is_managed()) {
            flag("--rows", rows.to_string());
        }
        if let Some(iters) = self.iters {
            flag("--iters", iters.to_string());
        }
        if let Some(warmup) = self.warmup {
            flag("--warmup", warmup.to_string());
        }
        if let Some(label) = &self.label {
            flag("--label", label.clone());
        }
        if let Some(seed) = self.seed {
            flag("--seed", seed.to_string());
        }
        if (self.noise_threshold - 2.0).abs() > f64::EPSILON {
            flag("--noise-threshold", self.noise_threshold.to_string());
        }
        if self.guard != GuardMode::Warn {
            flag("--guard", self.guard.name().to_owned());
        }
        if self.both_arms {
            for setting in &self.before {
                flag("--before", mask_secrets(setting));
            }
        } else {
            flag("--arms", "one".to_owned());
        }
        for setting in &self.after {
            flag("--after", mask_secrets(setting));
        }
        if self.in_place {
            arguments.push("--in-place".to_owned());
        }
        if let (Some(dir), true) = (&self.cluster.cluster_dir, self.is_managed()) {
            arguments.extend(["--cluster-dir".to_owned(), dir.display().to_string()]);
        }
        if let (Some(bin), true) = (&self.cluster.pg_bin, self.is_managed()) {
            arguments.extend(["--pg-bin".to_owned(), bin.display().to_string()]);
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_can_be_typed() {
        let mut subject = Subject::of_profile("small");
        assert_eq!(subject.arguments(), ["--profile", "small"]);
        subject.rows = Some(500);
        subject.both_arms = false;
        subject.after = vec!["resources.parallelism=1".into()];
        assert_eq!(
            subject.arguments().join(" "),
            "--profile small --rows 500 --arms one --after resources.parallelism=1"
        );
        let plan = subject.plan().unwrap();
        assert_eq!((plan.both_arms, plan.pairs), (false, 3));
        assert_eq!(plan.profile.dataset.unwrap().rows(), 500);
    }

    #[test]
    fn what_is_kept_is_found_again() {
        for what in [
            What::Profile("small".into()),
            What::Pipeline("a dir/p.yaml".into()),
        ] {
            assert_eq!(What::of_kept(&what.kept()), what);
        }
    }

    #[test]
    fn a_password_is_in_no_argument() {
        let mut subject = Subject::of_profile("small");
        let url = |host| Secret::new(format!("postgres://me:hunter2@{host}/x"));
        subject.urls = Some((url("a"), url("b")));
        subject.after = vec!["destination.config.password=hunter2".into()];
        assert!(!subject.arguments().join(" ").contains("hunter2"));
    }
}
