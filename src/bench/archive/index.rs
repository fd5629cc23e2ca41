//! The index of a directory: what its files were found to hold, so that they are read once.
//!
//! A file is known by its name, size and time of change; one that changed is read again. The index is
//! a file of its own beside the artifacts, no `.json`. It may be deleted at any time, and one that
//! cannot be read or written is as good as none: nothing depends on it but speed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Entry, TuningEntry};

/// The file's name. Another form of [`Content`] takes another number.
const NAME: &str = ".rb-bench-index.v3";

/// Which state of a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            size: metadata.len(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        }
    }
}

/// What a file was found to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    /// A session.
    Session(Box<Entry>),
    /// A tuning.
    Tuning(Box<TuningEntry>),
    /// Something else's JSON.
    Other,
}

/// The files of a directory that were read before.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Index {
    files: BTreeMap<String, (Stamp, Content)>,
}

impl Index {
    /// The index that is kept in a directory; an empty one where there is none.
    pub(super) fn kept_in(directory: &Path) -> Self {
        fs::read(directory.join(NAME))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    pub(super) fn content(&self, file: &str, stamp: Stamp) -> Option<&Content> {
        let (known, content) = self.files.get(file)?;
        (*known == stamp).then_some(content)
    }

    pub(super) fn add(&mut self, file: String, stamp: Stamp, content: Content) {
        self.files.insert(file, (stamp, content));
    }

    /// Keeps the index, if that can be done.
    pub(super) fn keep_in(&self, directory: &Path) {
        let Ok(bytes) = serde_json::to_vec(self) else {
            return;
        };
        let temporary = directory.join(format!("{NAME}.{}.tmp", std::process::id()));
        let kept = fs::write(&temporary, bytes)
            .and_then(|()| fs::rename(&temporary, directory.join(NAME)));
        if kept.is_err() {
            // a directory that cannot be written has nothing to be removed from
            let _gone = fs::remove_file(&temporary);
        }
    }
}
