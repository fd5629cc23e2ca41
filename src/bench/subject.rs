//! What is going to be measured, as a person has chosen it: a profile or document, and what was changed.
//!
//! A value that starts nothing. A command line fills it, the workbench edits it, and the plan of a session
//! is made from it in one way, whoever asked. Which flags make sense together is for who reads them.

mod arguments;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::binary::Binary;
use super::guard::GuardMode;
use super::metric::Metric;
use super::noise::Floors;
use super::order::Arm;
use super::profile::{Profile, shipped_names};
use super::rules::Rules;
use super::session::{Databases, Plan};
use crate::cluster::{self, ClusterOptions};
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

    /// The file it is read from; none for a shipped profile.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Profile(name) if shipped_names().any(|shipped| shipped == name) => None,
            Self::Profile(name) => Some(Path::new(name)),
            Self::Pipeline(path) => Some(path),
        }
    }

    /// The same kind of thing in another file.
    #[must_use]
    pub fn in_file(&self, file: &Path) -> Self {
        match self {
            Self::Profile(_) => Self::Profile(file.display().to_string()),
            Self::Pipeline(_) => Self::Pipeline(file.to_owned()),
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

/// The fewest pairs from which a noise floor can be made.
const LEAST_CALIBRATION_PAIRS: u32 = 6;
/// Pairs of a calibration where nothing else is asked for.
const CALIBRATION_PAIRS: u32 = 20;
/// The smallest change that counts where nothing else is asked for, percent.
pub const NOISE_THRESHOLD: f64 = 2.0;

/// What gets a verdict beside wall time, and what verdicts do to the exit code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gates {
    /// A verdict REGRESSED is an exit code of its own.
    pub fail_on_regression: bool,
    /// One that is not clear, likewise.
    pub require_conclusive: bool,
    /// Further metrics that get a verdict.
    pub metrics: Vec<Metric>,
}

impl Gates {
    /// Whether anything is gated: then there must be enough pairs for a verdict.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.decide_exit() || !self.metrics.is_empty()
    }

    /// Whether verdicts decide the exit code.
    #[must_use]
    pub fn decide_exit(&self) -> bool {
        self.fail_on_regression || self.require_conclusive
    }
}

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
    /// Pairs; the profile's, or as many as a verdict takes, when none.
    pub iters: Option<u32>,
    /// Warm-up iterations; the profile's when none.
    pub warmup: Option<u32>,
    /// Whether the before arm is measured too; without it there is no verdict, and what is said of
    /// verdicts and of the before arm has no effect.
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
    /// Whether it is looked at in between and ends when the verdict is clear.
    pub until_resolved: bool,
    /// What gets a verdict, and what that does.
    pub gates: Gates,
    /// Another program that runs the before arm.
    pub before_bin: Option<PathBuf>,
    /// Another program that runs the after arm.
    pub after_bin: Option<PathBuf>,
    /// What is done about a machine that is not quiet.
    pub guard: GuardMode,
}

impl Subject {
    /// A profile as it is, on the managed server.
    #[must_use]
    pub fn of_profile(name: &str) -> Self {
        Self::of(What::Profile(name.to_owned()))
    }

    /// The same of a profile or a document.
    #[must_use]
    pub fn of(what: What) -> Self {
        Self {
            what,
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
            noise_threshold: NOISE_THRESHOLD,
            until_resolved: false,
            gates: Gates::default(),
            before_bin: None,
            after_bin: None,
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

    /// Whether what differs between the arms is the program that runs them.
    #[must_use]
    pub fn compares_programs(&self) -> bool {
        self.after_bin.is_some() || (self.both_arms && self.before_bin.is_some())
    }

    /// The settings of an arm that were chosen beside the profile's.
    #[must_use]
    pub fn changes(&self, arm: Arm) -> &[String] {
        match arm {
            Arm::Before => &self.before,
            Arm::After => &self.after,
        }
    }

    /// The profile or document as it is written, without anything that was chosen.
    ///
    /// # Errors
    /// What is wrong with it, or that there is none of this name.
    pub fn written(&self) -> Result<Profile> {
        match &self.what {
            What::Profile(name) => Profile::find(name),
            What::Pipeline(path) => Profile::of_pipeline(path),
        }
    }

    /// The same with the rows that were chosen.
    ///
    /// # Errors
    /// As [`Self::written`], and `Kind::Usage` for what would be ignored: the user believes it did
    /// something.
    pub fn base(&self) -> Result<Profile> {
        let wrong = if self.rows.is_some() && !self.is_managed() {
            "--rows needs the managed server: rb-bench does not change how many rows a database of yours has"
        } else if self.in_place && self.is_managed() {
            "--in-place needs --source-url and --dest-url, or --pipeline: on the managed server every table is rb-bench's own"
        } else {
            return Ok(self.written()?.with_rows(self.rows));
        };
        Err(Error::new(Kind::Usage, wrong))
    }

    /// A profile as it is written with the rows and settings that were chosen. Where programs are
    /// compared, what differs is the program: the before arm has the after arm's settings, and its own
    /// flags on top.
    ///
    /// # Errors
    /// What the validator says of a setting.
    pub fn applied_to(&self, written: Profile) -> Result<Profile> {
        let before: &[String] = if self.both_arms { &self.before } else { &[] };
        let profile = written.with_rows(self.rows);
        if !self.compares_programs() {
            return profile.with_flags(before, &self.after);
        }
        let equal = profile.with_flags(&[], &self.after)?.with_equal_arms();
        equal.with_flags(before, &[])
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

    /// By which rules it is judged.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let rules = Rules::at(self.noise_threshold / 100.0);
        if !self.both_arms {
            return rules;
        }
        let rules = rules.with_gates(&self.gates.metrics);
        if self.until_resolved {
            rules.until_resolved()
        } else {
            rules
        }
    }

    /// How many pairs: those that were asked for; without a word, what the profile says, and at least
    /// what a gate needs to be able to fail.
    ///
    /// # Errors
    /// `Kind::Usage` for a gate and too few pairs.
    pub fn pairs(&self, profile: &Profile) -> Result<u32> {
        let rules = self.rules();
        let needed = rules.pairs_needed();
        let is_gated = self.both_arms && self.gates.is_any();
        match (self.iters, rules.looks().last()) {
            (None, Some(last)) => Ok(*last),
            (None, None) if is_gated => Ok(profile.iters.max(needed)),
            (Some(pairs), _) if is_gated && pairs < needed => Err(Error::new(
                Kind::Usage,
                format!("{pairs} pairs carry no verdict, so that a gate could never tell anything"),
            )
            .remedy(format!(
                "measure at least --iters {needed}, or leave it out"
            ))),
            (pairs, _) => Ok(pairs.unwrap_or(profile.iters)),
        }
    }

    /// The programs that run the arms, where one is another: then both are run as programs, for what a
    /// program takes to start would be one arm's alone.
    fn binaries(&self) -> Result<BTreeMap<Arm, Binary>> {
        let mut binaries = BTreeMap::new();
        if !self.compares_programs() {
            return Ok(binaries);
        }
        let arms = [
            (Arm::Before, &self.before_bin),
            (Arm::After, &self.after_bin),
        ];
        for (arm, path) in arms {
            if arm == Arm::Before && !self.both_arms {
                continue;
            }
            let binary = match path {
                Some(path) => Binary::find(path)?,
                None => Binary::own()?,
            };
            binaries.insert(arm, binary);
        }
        Ok(binaries)
    }

    /// The seed of the order: the one that was chosen, else one short enough to be typed again.
    #[must_use]
    pub fn seed_or_random(&self) -> u64 {
        self.seed
            .unwrap_or_else(|| u64::from(rand::random::<u32>()))
    }

    /// The plan of its benchmark; the arguments are those by which it is to be repeated, secrets masked.
    ///
    /// # Errors
    /// What is wrong with what was chosen; nothing was started.
    pub fn plan(&self, arguments: Vec<String>) -> Result<Plan> {
        let profile = self.applied_to(self.base()?)?;
        Ok(Plan {
            id: id(),
            label: self.label.clone(),
            both_arms: self.both_arms,
            warmup: self.warmup.unwrap_or(profile.warmup),
            pairs: self.pairs(&profile)?,
            seed: self.seed_or_random(),
            rules: self.rules(),
            binaries: self.binaries()?,
            guard: self.guard,
            floors: Some(Floors::beside(&cluster::home(&self.cluster)?)),
            in_place: self.in_place,
            arguments,
            databases: self.databases(),
            profile,
        })
    }

    /// The pairs of its calibration: as many as are asked for, but enough for a noise floor.
    #[must_use]
    pub fn calibration_pairs(&self) -> u32 {
        let asked = self.iters.unwrap_or(CALIBRATION_PAIRS);
        asked.max(LEAST_CALIBRATION_PAIRS)
    }

    /// The plan of its calibration: both arms are its after arm, so that whatever differs is noise.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub fn calibration(&self, arguments: Vec<String>) -> Result<Plan> {
        let profile = self.base()?.with_flags(&[], &self.after)?.with_equal_arms();
        Ok(Plan {
            id: id(),
            label: None,
            both_arms: true,
            warmup: self.warmup.unwrap_or(profile.warmup),
            pairs: self.calibration_pairs(),
            seed: self.seed_or_random(),
            rules: Rules::at(0.0),
            binaries: BTreeMap::new(),
            guard: self.guard,
            floors: None,
            in_place: self.in_place,
            arguments,
            databases: self.databases(),
            profile,
        })
    }
}

/// Eight hex digits.
fn id() -> String {
    format!("{:08x}", rand::random::<u32>())
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
        let plan = subject.plan(Vec::new()).unwrap();
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
}
