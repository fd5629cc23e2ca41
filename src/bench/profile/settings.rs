//! Every setting of an arm, with the value that counts and where it comes from.
//!
//! The pipeline as it resolved says which settings there are and what they are; the document and the arm's
//! own settings say which of them somebody wrote, and where.

use super::Profile;
use crate::bench::order::Arm;
use crate::config::Place;
use crate::error::{Error, Result};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// A line of a document.
    Line {
        /// The document, as messages name it.
        document: String,
        /// From 1.
        line: u32,
    },
    /// A flag, or a change that is one.
    Flag,
    /// Nobody wrote it.
    Default,
}

/// One setting of an arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmSetting {
    /// Its dotted key.
    pub key: String,
    /// Its value, secrets masked.
    pub value: String,
    /// Where that comes from.
    pub from: Provenance,
}

impl Profile {
    /// Every setting of an arm, in the order of their keys.
    ///
    /// # Errors
    /// What is wrong with the arm's settings.
    pub fn settings_in_full(&self, arm: Arm) -> Result<Vec<ArmSetting>> {
        let pipeline = serde_json::to_value(self.pipeline(arm)?)
            .map_err(|e| Error::internal(format!("serializing a pipeline: {e}")))?;
        let mut settings = Vec::new();
        flatten(&pipeline, "", &mut settings);
        for written in self.document.settings() {
            if let Some(setting) = settings.iter_mut().find(|s| s.key == written.key) {
                // as it was written, which may name a variable
                setting.value.clone_from(&written.shown);
                setting.from = of(&written.place);
            }
        }
        for change in self.overrides_of(arm) {
            if let Some(setting) = settings.iter_mut().find(|s| s.key == change.key()) {
                setting.value = change.shown();
                setting.from = of(change.place());
            }
        }
        Ok(settings)
    }

    /// Where this came from by name, for settings that no pipeline has.
    #[must_use]
    pub fn document_name(&self) -> &str {
        self.document.origin()
    }
}

fn of(place: &Place) -> Provenance {
    match place {
        Place::Text { file, line, .. } => Provenance::Line {
            document: file.to_string(),
            line: *line,
        },
        // an arm without settings has one of ours
        Place::Flag(flag) if flag.starts_with("bench ") => Provenance::Default,
        Place::Flag(_) => Provenance::Flag,
        Place::Whole(_) => Provenance::Default,
    }
}

fn flatten(value: &serde_json::Value, path: &str, settings: &mut Vec<ArmSetting>) {
    let join = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    let shown = match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                flatten(value, &join(key), settings);
            }
            return;
        }
        serde_json::Value::Array(items) if items.iter().any(serde_json::Value::is_object) => {
            for (n, item) in items.iter().enumerate() {
                flatten(item, &join(&n.to_string()), settings);
            }
            return;
        }
        serde_json::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(", "))
        }
        other => plain(other),
    };
    settings.push(ArmSetting {
        key: path.to_owned(),
        value: shown,
        from: Provenance::Default,
    });
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(profile: &Profile, arm: Arm, key: &str) -> (String, Provenance) {
        let all = profile.settings_in_full(arm).unwrap();
        let found = all.into_iter().find(|setting| setting.key == key).unwrap();
        (found.value, found.from)
    }

    #[test]
    fn a_setting_says_where_it_comes_from() {
        let profile = Profile::find("small")
            .unwrap()
            .with_flags(&[], &["resources.max_retries=7".into()])
            .unwrap();
        let (value, from) = setting(&profile, Arm::After, "resources.max_retries");
        assert_eq!((value.as_str(), from), ("7", Provenance::Flag));
        let (_, from) = setting(&profile, Arm::Before, "resources.max_retries");
        assert_eq!(from, Provenance::Default);
        let (value, from) = setting(&profile, Arm::After, "source.use");
        assert_eq!(value, "source-postgres");
        assert!(
            matches!(from, Provenance::Line { line: 2.., .. }),
            "{from:?}"
        );
    }

    #[test]
    fn both_arms_have_their_own_parallelism() {
        let profile = Profile::find("medium").unwrap();
        let key = "resources.parallelism";
        assert_eq!(setting(&profile, Arm::Before, key).0, "1");
        assert_eq!(setting(&profile, Arm::After, key).0, "auto");
    }
}
