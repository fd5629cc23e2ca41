//! A directory of artifacts: what is in it, and finding the one that is meant.
//!
//! Nothing here changes an artifact; [`Archive::remove`] deletes whole files, when asked.

mod entry;
mod index;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

pub use entry::{Entry, Limit, TuningEntry};
use index::{Content, Index, Stamp};

use super::artifact::{Artifact, SCHEMA};
use super::store;
use super::tune::artifact::{self as tuned, TuneArtifact};
use crate::config::nearest;
use crate::error::{Error, Kind, Result};

/// How the formats of tunings begin, whatever their version.
const TUNINGS: &str = "rb-bench.tune.";

/// Fewest digits of an id that are taken for one.
const SHORTEST_ID: usize = 4;

/// A file that should be an artifact and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unreadable {
    /// The file's name in its directory.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// The sessions and tunings in a directory.
#[derive(Debug)]
pub struct Archive {
    directory: PathBuf,
    entries: Vec<Entry>,
    tunings: Vec<TuningEntry>,
    unreadable: Vec<Unreadable>,
}

impl Archive {
    /// Looks through a directory; one that is not there holds nothing. Files that were seen before
    /// and did not change are not read again.
    ///
    /// # Errors
    /// A directory that cannot be read. A file in it that cannot be read is in
    /// [`Self::unreadable`].
    pub fn open(directory: &Path) -> Result<Self> {
        let known = Index::kept_in(directory);
        let mut index = Index::default();
        let mut archive = Self {
            directory: directory.to_owned(),
            entries: Vec::new(),
            tunings: Vec::new(),
            unreadable: Vec::new(),
        };
        for (file, stamp) in files_in(directory)? {
            let content = known
                .content(&file, stamp)
                .cloned()
                .map_or_else(|| content_of(&file, &directory.join(&file)), Ok);
            match content {
                Ok(content) => {
                    archive.list(&file, &content);
                    index.add(file, stamp, content);
                }
                // another day it may be readable, by another user or another version
                Err(reason) => archive.unreadable.push(Unreadable { file, reason }),
            }
        }
        if index != known {
            index.keep_in(directory);
        }
        archive
            .entries
            .sort_by(|a, b| (&a.created_at, &a.file).cmp(&(&b.created_at, &b.file)));
        archive
            .tunings
            .sort_by(|a, b| (&a.created_at, &a.file).cmp(&(&b.created_at, &b.file)));
        Ok(archive)
    }

    /// Takes a file's content in; the directory says what the file is called, not what is in the index.
    fn list(&mut self, file: &str, content: &Content) {
        let file = file.to_owned();
        match content {
            Content::Session(entry) => self.entries.push(Entry {
                file,
                ..Entry::clone(entry)
            }),
            Content::Tuning(entry) => self.tunings.push(TuningEntry {
                file,
                ..TuningEntry::clone(entry)
            }),
            Content::Other => {}
        }
    }

    /// Every session, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every tuning, oldest first.
    #[must_use]
    pub fn tunings(&self) -> &[TuningEntry] {
        &self.tunings
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Files that should be artifacts and cannot be read.
    #[must_use]
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// The file of an entry.
    #[must_use]
    pub fn path(&self, entry: &Entry) -> PathBuf {
        self.directory.join(&entry.file)
    }

    /// Deletes the file of an entry.
    pub fn remove(&self, entry: &Entry) -> Result<()> {
        let path = self.path(entry);
        fs::remove_file(&path).map_err(|e| Error::file("delete", &path, e))
    }

    /// The session that a word means: `latest`, `previous` (the one before the latest of the same
    /// profile), an id or its beginning, or a label, which means the newest session that has it.
    ///
    /// # Errors
    /// `Kind::NotFound` with the nearest, `Kind::Usage` for the beginning of several ids.
    pub fn find(&self, word: &str) -> Result<&Entry> {
        let none = |what: String| {
            Error::new(
                Kind::NotFound,
                format!("{what} in {}", self.directory.display()),
            )
            .remedy("`rb-bench history` lists what there is; --out DIR looks elsewhere")
        };
        let latest = || {
            self.entries
                .last()
                .ok_or_else(|| none("there is no saved session".into()))
        };
        match word {
            "latest" => return latest(),
            "previous" => {
                let latest = latest()?;
                let of_profile = |e: &&Entry| e.profile == latest.profile;
                return self
                    .entries
                    .iter()
                    .rev()
                    .filter(of_profile)
                    .nth(1)
                    .ok_or_else(|| {
                        none(format!(
                            "there is no session of profile {} before the latest, {}",
                            latest.profile, latest.id
                        ))
                    });
            }
            _ => {}
        }
        let labelled = |e: &&Entry| e.label.as_deref() == Some(word);
        if let Some(entry) = self.entries.iter().rev().find(labelled) {
            return Ok(entry);
        }
        let begun: Vec<&Entry> = if word.len() >= SHORTEST_ID {
            let begins = |e: &&Entry| e.id.starts_with(word);
            self.entries.iter().filter(begins).collect()
        } else {
            Vec::new()
        };
        match begun[..] {
            [entry] => Ok(entry),
            [] => {
                let names = self
                    .entries
                    .iter()
                    .flat_map(|e| [Some(e.id.as_str()), e.label.as_deref()])
                    .flatten()
                    .chain(["latest", "previous"]);
                let meant = nearest(word, names)
                    .map(|meant| format!(" (did you mean `{meant}`?)"))
                    .unwrap_or_default();
                Err(none(format!("there is no session `{word}`{meant}")))
            }
            _ => {
                let ids: Vec<&str> = begun.iter().map(|e| e.id.as_str()).collect();
                Err(Error::new(
                    Kind::Usage,
                    format!("`{word}` is the beginning of {}", ids.join(", ")),
                )
                .remedy("give more digits"))
            }
        }
    }
}

/// The session that was named, and its file: a path, or a word that [`Archive::find`] knows in
/// `directory`.
///
/// # Errors
/// Those of [`Archive::find`] and of [`store::load`].
pub fn named(word: &str, directory: &Path) -> Result<(Artifact, PathBuf)> {
    let path = path_of(word, directory)?;
    Ok((store::load(&path)?, path))
}

fn path_of(word: &str, directory: &Path) -> Result<PathBuf> {
    let path = Path::new(word);
    if path.exists() || word.contains('/') || word.to_lowercase().ends_with(".json") {
        return Ok(path.to_owned());
    }
    let archive = Archive::open(directory)?;
    Ok(archive.path(archive.find(word)?))
}

/// An artifact of either kind.
#[derive(Debug)]
pub enum Document {
    /// A benchmark's session.
    Session(Box<Artifact>),
    /// A tuning.
    Tuning(Box<TuneArtifact>),
}

impl Document {
    /// Reads an artifact of either kind.
    ///
    /// # Errors
    /// Those of [`store::load`].
    pub fn load(path: &Path) -> Result<Self> {
        let schema = store::schema_of(&store::read(path)?, path)?;
        if schema.starts_with(TUNINGS) {
            Ok(Self::Tuning(Box::new(store::load_tuning(path)?)))
        } else {
            Ok(Self::Session(Box::new(store::load(path)?)))
        }
    }

    /// The artifact that was named: a session as [`named`] finds it, or a file of either kind.
    ///
    /// # Errors
    /// Those of [`named`].
    pub fn named(word: &str, directory: &Path) -> Result<Self> {
        Self::load(&path_of(word, directory)?)
    }
}

/// The `.json` files in a directory, each with the state that it is in.
fn files_in(directory: &Path) -> Result<Vec<(String, Stamp)>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::file("look through", directory, e)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::file("look through", directory, e))?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with('.') || Path::new(&name).extension().is_none_or(|e| e != "json") {
            continue;
        }
        // a file may be gone by now; a link counts as what it leads to
        if let Ok(metadata) = fs::metadata(entry.path())
            && metadata.is_file()
        {
            files.push((name, Stamp::of(&metadata)));
        }
    }
    Ok(files)
}

/// What a file holds, or why an artifact in it cannot be read.
fn content_of(file: &str, path: &Path) -> Result<Content, String> {
    let schema = store::read(path).and_then(|bytes| store::schema_of(&bytes, path));
    // who lists it names the file
    let named = path.display().to_string();
    let said = |error: Error| match error.message().strip_prefix(&named) {
        Some(rest) => format!("it{rest}"),
        None => error.message().replace(&format!(" {named}"), " it"),
    };
    match schema.map_err(said)? {
        schema if schema == SCHEMA => {
            let session = store::load(path).map_err(said)?;
            Ok(Content::Session(Box::new(Entry::of(file, &session))))
        }
        schema if schema == tuned::SCHEMA => {
            let tuning = store::load_tuning(path).map_err(said)?;
            Ok(Content::Tuning(Box::new(TuningEntry::of(file, &tuning))))
        }
        // an artifact of a version to come is worth a word, something else's file is not
        schema if schema.starts_with("rb-bench.run.") || schema.starts_with(TUNINGS) => {
            Err(format!("it has the format `{schema}`"))
        }
        _ => Ok(Content::Other),
    }
}
