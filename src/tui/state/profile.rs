//! The Profile screen: the profile as it was read, what of it was changed, and what that resolves to.
//!
//! Everything shown is computed from the profile in memory, so that a change can be judged as it is typed.

use std::path::Path;

use super::measured::Measured;
use crate::bench::order::Arm;
use crate::bench::profile::Profile;
use crate::bench::profile::settings::{ArmSetting, Provenance};
use crate::bench::subject::{Subject, What};
use crate::config::types::Pipeline;
use crate::parallelism::{
    ParallelismFields, available_cores, ineligible_by_document, resolve_pipeline,
};

/// A profile that was read, or why it could not be.
#[derive(Debug)]
pub struct Loaded {
    /// What was asked for.
    pub what: What,
    /// What else can be chosen where rb-bench was started.
    pub found: Vec<What>,
    /// What was read.
    pub outcome: Result<Profile, String>,
}

/// What came of a document that was given to the editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edited {
    /// It was changed, and is a file of this path.
    Changed(String),
    /// It was left as it was.
    Unchanged,
    /// It could not be edited.
    Failed(String),
}

/// The panes, in the order Tab goes through them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pane {
    /// What can be chosen.
    Profiles,
    /// What is set.
    #[default]
    Settings,
    /// What it resolves to.
    Explanation,
}

impl Pane {
    /// Every pane.
    pub const ALL: [Self; 3] = [Self::Profiles, Self::Settings, Self::Explanation];
}

/// A line of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// One of the session's.
    Session {
        /// Which.
        what: Measured,
        /// Its value.
        value: String,
        /// Where that comes from.
        from: String,
    },
    /// One of the pipeline's, in both arms.
    Pipeline {
        /// Its dotted key.
        key: String,
        /// In the before arm; none where that has no such setting.
        before: Option<Cell>,
        /// In the after arm.
        after: Option<Cell>,
    },
}

/// A value in an arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The value, secrets masked.
    pub value: String,
    /// Where it comes from.
    pub from: String,
    /// Whether it was changed here.
    pub is_changed: bool,
}

impl Line {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Session { what, .. } => what.name(),
            Self::Pipeline { key, .. } => key,
        }
    }

    /// What it is in an arm.
    #[must_use]
    pub fn cell(&self, arm: Arm) -> Option<&Cell> {
        match (self, arm) {
            (Self::Session { .. }, _) => None,
            (Self::Pipeline { before, .. }, Arm::Before) => before.as_ref(),
            (Self::Pipeline { after, .. }, Arm::After) => after.as_ref(),
        }
    }
}

/// What an arm resolves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The arm.
    pub arm: Arm,
    /// The six fields and the reason.
    pub fields: ParallelismFields,
    /// Each stream of the document: its name, how many workers at once, and why one.
    pub streams: Vec<(String, u32, Option<&'static str>)>,
}

impl Resolution {
    /// What a pipeline resolves to on so many cores.
    #[must_use]
    pub fn of(arm: Arm, pipeline: &Pipeline, cores: u32) -> Self {
        let resolved = resolve_pipeline(pipeline, cores);
        let streams = pipeline.source.streams.iter().map(|stream| {
            let why = ineligible_by_document(pipeline, stream);
            (stream.name.clone(), resolved.fan_out(why.is_none()), why)
        });
        Self {
            arm,
            fields: resolved.fields(),
            streams: streams.collect(),
        }
    }
}

/// What the screen keeps.
#[derive(Debug, Clone)]
pub struct State {
    /// The pane that has the keys.
    pub pane: Pane,
    /// Whether that pane has the whole screen.
    pub is_zoomed: bool,
    /// The profiles and documents that can be chosen.
    pub choices: Vec<What>,
    /// The one the cursor is on.
    pub choice: usize,
    /// The profile as it is written; none until it was read.
    pub base: Option<Profile>,
    /// The settings, filtered.
    pub lines: Vec<Line>,
    /// The one the cursor is on.
    pub chosen: usize,
    /// The arm the cursor is on.
    pub arm: Arm,
    /// Only settings whose name holds this are shown; empty for all.
    pub filter: String,
    /// What the arms resolve to, the before arm first.
    pub resolutions: Vec<Resolution>,
    /// What is wrong with what is chosen.
    pub problem: Option<String>,
    /// How far the explanation was scrolled.
    pub scrolled: usize,
}

/// The setting that the cursor is on first: what this program is about.
const FIRST: &str = "resources.parallelism";

impl Default for State {
    fn default() -> Self {
        Self {
            pane: Pane::Settings,
            is_zoomed: false,
            choices: Vec::new(),
            choice: 0,
            base: None,
            lines: Vec::new(),
            chosen: 0,
            arm: Arm::After,
            filter: String::new(),
            resolutions: Vec::new(),
            problem: None,
            scrolled: 0,
        }
    }
}

impl State {
    /// Computes what is shown of a subject anew; the cursor stays on its setting.
    pub fn refresh(&mut self, subject: &Subject) {
        let at = self
            .lines
            .get(self.chosen)
            .map(|line| line.name().to_owned());
        let Some(base) = self.base.clone() else {
            return;
        };
        match judged(subject, &base) {
            Ok(profile) => {
                self.problem = None;
                self.lines = lines(subject, &profile);
                self.resolutions = resolutions(subject, &profile);
            }
            Err(problem) => self.problem = Some(problem),
        }
        self.lines.retain(|line| line.name().contains(&self.filter));
        let at = at.unwrap_or_else(|| FIRST.to_owned());
        let found = self.lines.iter().position(|line| line.name() == at);
        let last = self.lines.len().saturating_sub(1);
        self.chosen = found.unwrap_or(self.chosen).min(last);
        if !subject.both_arms {
            self.arm = Arm::After;
        }
    }

    /// Puts what can be chosen in the list, and the cursor on what is.
    pub fn offer(&mut self, chosen: &What, found: &[What]) {
        let shipped = crate::bench::profile::shipped_names();
        self.choices = shipped.map(|name| What::Profile(name.to_owned())).collect();
        self.choices.extend_from_slice(found);
        if !self.choices.contains(chosen) {
            self.choices.push(chosen.clone());
        }
        let at = self.choices.iter().position(|choice| choice == chosen);
        self.choice = at.unwrap_or(0);
    }

    /// The line the cursor is on.
    #[must_use]
    pub fn line(&self) -> Option<&Line> {
        self.lines.get(self.chosen)
    }
}

/// The profile with a subject's changes, or all that is wrong with them.
///
/// # Errors
/// The validator's own messages, and a gate that could never tell anything.
pub fn judged(subject: &Subject, base: &Profile) -> Result<Profile, String> {
    let judged = || {
        let profile = subject.applied_to(base.clone())?;
        subject.pairs(&profile)?;
        Ok(profile)
    };
    judged().map_err(|error: crate::error::Error| error.to_string())
}

fn resolutions(subject: &Subject, profile: &Profile) -> Vec<Resolution> {
    let arms: &[Arm] = if subject.both_arms {
        &[Arm::Before, Arm::After]
    } else {
        &[Arm::After]
    };
    arms.iter()
        .filter_map(|arm| {
            let pipeline = profile.pipeline(*arm).ok()?;
            Some(Resolution::of(*arm, &pipeline, available_cores()))
        })
        .collect()
}

fn lines(subject: &Subject, profile: &Profile) -> Vec<Line> {
    let settings = |arm| profile.settings_in_full(arm).unwrap_or_default();
    let (before, after) = (settings(Arm::Before), settings(Arm::After));
    let mut keys: Vec<&str> = before
        .iter()
        .chain(&after)
        .map(|setting| setting.key.as_str())
        .collect();
    keys.sort_unstable_by_key(|key| (rank(key), *key));
    keys.dedup();
    let cell = |arm: Arm, settings: &[ArmSetting], key: &str| {
        let setting = settings.iter().find(|setting| setting.key == key)?;
        let mut changes = subject.changes(arm).iter();
        Some(Cell {
            value: setting.value.clone(),
            from: shown(&setting.from, arm),
            is_changed: changes.any(|change| key_of(change) == key),
        })
    };
    let session = Measured::ALL
        .into_iter()
        .filter_map(|what| what.line(subject, profile));
    let pipeline = keys.iter().map(|key| Line::Pipeline {
        key: (*key).to_owned(),
        before: cell(Arm::Before, &before, key).filter(|_| subject.both_arms),
        after: cell(Arm::After, &after, key),
    });
    // what the program is about first, then how it is measured, then the rest
    let mut pipeline: Vec<Line> = pipeline.collect();
    let rest = pipeline.split_off(usize::from(!pipeline.is_empty()));
    pipeline.into_iter().chain(session).chain(rest).collect()
}

/// What is changed most often comes first.
fn rank(key: &str) -> u8 {
    match key {
        FIRST => 0,
        _ if key.starts_with("resources.") => 1,
        _ if key.starts_with("destination.") => 2,
        _ if key.starts_with("transforms.") => 3,
        _ if key.starts_with("source.") => 4,
        _ => 5,
    }
}

/// `KEY=VALUE`'s key.
#[must_use]
pub fn key_of(change: &str) -> &str {
    change.split_once('=').map_or(change, |(key, _)| key).trim()
}

fn shown(from: &Provenance, arm: Arm) -> String {
    match from {
        Provenance::Line { document, line } => format!("{}:{line}", short(document)),
        Provenance::Flag => format!("--{}", arm.name()),
        Provenance::Default => "default".to_owned(),
    }
}

/// A shipped profile by its name, a file by the last part of its path.
pub(super) fn short(document: &str) -> &str {
    let name = document.strip_prefix("profile ").unwrap_or(document);
    Path::new(name)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(subject: &Subject) -> State {
        let mut state = State {
            base: Some(subject.written().unwrap()),
            ..State::default()
        };
        state.refresh(subject);
        state
    }

    #[test]
    fn the_cursor_begins_on_the_parallelism_of_the_after_arm() {
        let subject = Subject::of_profile("small");
        let state = state(&subject);
        let line = state.line().unwrap();
        assert_eq!((line.name(), state.arm), (FIRST, Arm::After));
        assert_eq!(line.cell(Arm::Before).unwrap().value, "1");
        assert_eq!(line.cell(Arm::After).unwrap().value, "auto");
        assert_eq!(line.cell(Arm::After).unwrap().from, "small:39");
    }

    #[test]
    fn a_change_is_resolved_at_once_and_a_wrong_one_is_told_by_the_validator() {
        let mut subject = Subject::of_profile("small");
        subject.after = vec!["resources.parallelism=3".into()];
        let mut state = state(&subject);
        assert_eq!(state.resolutions[1].fields.parallelism_effective, 3);
        assert!(state.line().unwrap().cell(Arm::After).unwrap().is_changed);
        subject.after = vec!["resources.parallelism=0".into()];
        state.refresh(&subject);
        let problem = state.problem.clone().unwrap();
        assert!(problem.contains("parallelism"), "{problem}");
        // what was resolved last stays there to be seen
        assert_eq!(state.resolutions[1].fields.parallelism_effective, 3);
    }

    #[test]
    fn one_arm_alone_has_one_column() {
        let mut subject = Subject::of_profile("medium");
        subject.both_arms = false;
        let state = state(&subject);
        assert!(
            state
                .lines
                .iter()
                .all(|line| line.cell(Arm::Before).is_none())
        );
        assert_eq!(state.resolutions.len(), 1);
    }
}
