//! Where artifacts are kept: one file a session, never half a file.
//!
//! An [`Output`] is a directory that was found writable before anything else was started. Every save
//! writes a temporary file beside the artifact (never ending in `.json`), syncs it, renames it over
//! the last one, and syncs the directory: whoever looks sees the last whole state.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::artifact::Artifact;
use crate::error::{Error, Kind, Result};

/// A directory for artifacts that can be written to.
#[derive(Debug)]
pub struct Output {
    directory: PathBuf,
    /// Directories that were made for it, innermost first; taken away again if nothing is saved.
    made: Vec<PathBuf>,
}

impl Output {
    /// Makes sure of the directory, making it where it is missing.
    ///
    /// # Errors
    /// `Kind::Permission`, `Kind::Space` or `Kind::Io`, with nothing left behind.
    pub fn at(directory: &Path) -> Result<Self> {
        let unusable = |cause: std::io::Error| {
            Error::file("keep results in", directory, cause)
                .remedy("choose another directory with --out DIR")
        };
        let mut made = Vec::new();
        let mut missing = Some(directory);
        while let Some(path) = missing.filter(|p| !p.as_os_str().is_empty() && !p.exists()) {
            made.push(path.to_owned());
            missing = path.parent();
        }
        let output = Self {
            directory: directory.to_owned(),
            made,
        };
        fs::create_dir_all(directory).map_err(unusable)?;
        let probe = directory.join(format!(".rb-bench-{}.probe", std::process::id()));
        fs::File::create(&probe).map_err(unusable)?;
        fs::remove_file(&probe).map_err(unusable)?;
        Ok(output)
    }

    /// The file of a session: `<utc>-<profile>-<short id>.json`.
    #[must_use]
    pub fn file_of(&self, artifact: &Artifact) -> PathBuf {
        self.directory.join(file_name(artifact))
    }

    /// Writes the session's file, or replaces it whole.
    pub fn save(&self, artifact: &Artifact) -> Result<PathBuf> {
        let path = self.file_of(artifact);
        let mut text = serde_json::to_string_pretty(artifact)
            .map_err(|e| Error::internal(format!("serializing the artifact: {e}")))?;
        text.push('\n');
        let temporary = self.directory.join(format!(
            ".{}.{}.tmp",
            file_name(artifact),
            std::process::id()
        ));
        let written = write_synced(&temporary, text.as_bytes())
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| fs::File::open(&self.directory)?.sync_all());
        if let Err(cause) = written {
            // the rename may have happened; then there is nothing to remove
            let _gone = fs::remove_file(&temporary);
            return Err(Error::file("save the results to", &path, cause));
        }
        Ok(path)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // a directory that something was saved in is not empty and stays
        for directory in &self.made {
            if fs::remove_dir(directory).is_err() {
                return;
            }
        }
    }
}

/// Reads a saved session.
///
/// # Errors
/// `Kind::Incompatible` for another major version, `Kind::Data` for what is no artifact.
pub fn load(path: &Path) -> Result<Artifact> {
    let text = fs::read_to_string(path).map_err(|e| Error::file("read", path, e))?;
    let unreadable = |e: serde_json::Error| {
        Error::new(
            Kind::Data,
            format!("{} is not an artifact of rb-bench: {e}", path.display()),
        )
    };
    let value: serde_json::Value = serde_json::from_str(&text).map_err(unreadable)?;
    match value.get("schema").and_then(|schema| schema.as_str()) {
        Some(super::artifact::SCHEMA) => serde_json::from_value(value).map_err(unreadable),
        Some(other) => Err(Error::new(
            Kind::Incompatible,
            format!(
                "{} has the format `{other}`; this version reads `{}`",
                path.display(),
                super::artifact::SCHEMA
            ),
        )),
        None => Err(Error::new(
            Kind::Data,
            format!("{} is not an artifact of rb-bench", path.display()),
        )),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn file_name(artifact: &Artifact) -> String {
    // 2026-11-23T20:27:31Z -> 20261123T202731Z
    let stamp: String = artifact
        .created_at
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let stamp = stamp.trim_end_matches('Z');
    let profile: String = artifact
        .profile
        .name
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || matches!(c, '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .take(60)
        .collect();
    format!("{stamp}Z-{profile}-{}.json", artifact.id)
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_session_is_one_file_however_often_it_is_saved() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("deep/results");
        let output = Output::at(&directory).unwrap();
        let mut artifact = examples::session();
        output.save(&artifact).unwrap();
        artifact.partial = false;
        let path = output.save(&artifact).unwrap();
        assert_eq!(names(&directory), ["20261123T202731Z-medium-0f3a9c21.json"]);
        drop(output);
        let back = load(&path).unwrap();
        assert!(!back.partial);
        assert_eq!(back.iterations.len(), artifact.iterations.len());
    }

    #[test]
    fn a_directory_that_was_made_for_nothing_goes_away() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("deep/results");
        drop(Output::at(&directory).unwrap());
        assert!(names(place.path()).is_empty());
        let kept = place.path().join("kept");
        fs::create_dir(&kept).unwrap();
        drop(Output::at(&kept).unwrap());
        assert!(kept.exists());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error_that_names_it() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Output::at(&file.join("results")).unwrap_err().to_string();
        assert!(
            error.contains("file/results") && error.contains("--out"),
            "{error}"
        );
    }

    #[test]
    fn another_major_version_is_refused_by_name() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.json");
        fs::write(&path, r#"{"schema": "rb-bench.run.v2"}"#).unwrap();
        let error = load(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::Incompatible);
        assert!(error.to_string().contains("rb-bench.run.v2"), "{error}");
    }
}
