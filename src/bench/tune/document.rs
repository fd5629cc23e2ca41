//! Putting what was chosen into a pipeline document or a profile: that value, and nothing else.

use std::fmt;
use std::path::{Path, PathBuf};

use super::artifact::TuneArtifact;
use super::knob::Knob;
use crate::bench::store;
use crate::config::{Document, process_environment, with_value_at};
use crate::error::{Error, Result};

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The choice is in it.
    Choice {
        /// What was set.
        knob: Knob,
        /// To what.
        value: String,
        /// Where.
        file: PathBuf,
    },
    /// It is as it was: what the choice was confirmed against turned out to be faster.
    Left {
        /// What was faster.
        reference: String,
        /// Which document.
        file: PathBuf,
    },
}

/// `wrote resources.parallelism = 2 to orders.yaml`
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choice { knob, value, file } => {
                write!(f, "wrote {} = {value} to {}", knob.key(), file.display())
            }
            Self::Left { reference, file } => write!(
                f,
                "{} is left as it is: {reference} was faster than the choice in fresh pairs",
                file.display()
            ),
        }
    }
}

/// The document with the value in it, and nothing else changed.
///
/// # Errors
/// What keeps it from being read, or from taking the value.
pub fn changed(file: &Path, knob: Knob, value: &str) -> Result<String> {
    let text = std::fs::read_to_string(file).map_err(|e| Error::file("read", file, e))?;
    let name = file.display().to_string();
    let document = Document::read(&text, &name, &process_environment)?;
    // a profile has its pipeline one level further in
    let inside = if document.at("pipeline.version").is_some() {
        "pipeline."
    } else {
        ""
    };
    with_value_at(&text, &name, &format!("{inside}{}", knob.key()), value)
}

/// Puts the choice into a document, whole or not at all.
///
/// # Errors
/// `Kind::Internal` for a tuning without a choice; those of [`changed`]; what the file system says.
pub fn write(file: &Path, knob: Knob, artifact: &TuneArtifact) -> Result<Written> {
    let summary = &artifact.summary;
    let Some(choice) = &summary.choice else {
        return Err(Error::internal("a tuning that ended has no choice"));
    };
    let contradicted = summary
        .confirmation
        .as_ref()
        .filter(|c| c.verdict == "IMPROVED");
    if let Some(confirmation) = contradicted {
        return Ok(Written::Left {
            reference: confirmation.reference.clone(),
            file: file.to_owned(),
        });
    }
    let text = changed(file, knob, &choice.setting)?;
    store::replace(file, text.as_bytes())?;
    Ok(Written::Choice {
        knob,
        value: choice.setting.clone(),
        file: file.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::artifact::Status;
    use crate::bench::examples::tuning;
    use crate::bench::tune::summary;

    const DOCUMENT: &str = "\
# orders, every night
version: 1
name: orders
resources:
  parallelism: auto # as many as there are
";

    #[test]
    fn the_choice_replaces_the_value_and_comments_stay() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("orders.yaml");
        std::fs::write(&file, DOCUMENT).unwrap();
        let mut artifact = tuning(&[("1", 1, &[3.0, 3.1, 3.2]), ("2", 2, &[1.7, 1.7, 1.8])]);
        artifact.summary = summary::of(&artifact, Status::Complete, None);
        let written = write(&file, Knob::Parallelism, &artifact).unwrap();
        assert!(
            written
                .to_string()
                .starts_with("wrote resources.parallelism = 2 to "),
            "{written}"
        );
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(
            text,
            DOCUMENT.replace("parallelism: auto", "parallelism: 2")
        );
    }

    #[test]
    fn a_choice_that_was_contradicted_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("orders.yaml");
        std::fs::write(&file, DOCUMENT).unwrap();
        let mut artifact = tuning(&[("1", 1, &[3.0, 3.1, 3.2]), ("2", 2, &[1.7, 1.7, 1.8])]);
        artifact.summary = summary::of(&artifact, Status::Complete, None);
        artifact.summary.confirmation = Some(crate::bench::tune::artifact::ConfirmationRecord {
            reference: "auto".into(),
            reference_workers: 2,
            same_plan: false,
            pairs: 10,
            regret: Some(-0.1),
            ci_low: Some(-0.12),
            ci_high: Some(-0.08),
            verdict: "IMPROVED".into(),
            text: String::new(),
        });
        let written = write(&file, Knob::Parallelism, &artifact).unwrap();
        assert!(matches!(written, Written::Left { .. }), "{written:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), DOCUMENT);
    }
}
