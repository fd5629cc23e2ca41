//! Where artifacts are kept: one file a session, never half a file.
//!
//! An [`Output`] is a directory that was found writable before anything else was started. Every save
//! writes a temporary file beside the artifact (never ending in `.json`), syncs it, renames it over
//! the last one, and syncs the directory: whoever looks sees the last whole state.

use std::fs;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use super::artifact::{Artifact, SCHEMA};
use super::tune::{self, artifact::TuneArtifact};
use crate::error::{Error, Kind, Result};
use crate::units::Bytes;

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
    pub fn file_of(&self, artifact: &impl Saved) -> PathBuf {
        self.directory.join(artifact.file_name())
    }

    /// Writes the session's file, or replaces it whole. Its text is never whole in memory: a long session
    /// saves it thousands of times.
    pub fn save(&self, artifact: &impl Saved) -> Result<PathBuf> {
        let path = self.file_of(artifact);
        replace_with(&path, |file| {
            serde_json::to_writer_pretty(&mut *file, artifact)?;
            file.write_all(b"\n")
        })?;
        Ok(path)
    }
}

/// Writes a file whole or not at all: beside it, synced, renamed over it. A link is followed; what may be
/// done with the file stays as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_with(path, |file| file.write_all(bytes))
}

/// A file that is being written.
type File = BufWriter<fs::File>;

fn replace_with(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // a bare name of a file that is not there yet has the empty path as its parent
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!(".{name}.{}.tmp", std::process::id()));
    let permissions = fs::metadata(path).ok().map(|there| there.permissions());
    let written = write_synced(&temporary, permissions, write)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| fs::File::open(directory)?.sync_all());
    written.map_err(|cause| {
        // the rename may have happened; then there is nothing to remove
        let _gone = fs::remove_file(&temporary);
        Error::file("save", path, cause)
    })
}

/// An artifact that is kept in a file of its own.
pub trait Saved: Serialize {
    /// The file's name.
    fn file_name(&self) -> String;
}

impl Saved for Artifact {
    fn file_name(&self) -> String {
        file_name(&self.created_at, &self.profile.name, &self.id)
    }
}

impl Saved for TuneArtifact {
    fn file_name(&self) -> String {
        let name = format!("{}-tune", self.profile.name);
        file_name(&self.created_at, &name, &self.id)
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

/// The size from which on a file is not read, bytes: a session of thousands of iterations is smaller.
pub const LARGEST: u64 = 100_000_000;

/// The one field that tells what a file is, whatever else it holds.
#[derive(Deserialize)]
struct Header {
    schema: Option<String>,
}

/// Reads a saved session. Fields that a newer minor version added are passed over.
///
/// # Errors
/// `Kind::Incompatible` for another major version or another kind of artifact, by name;
/// `Kind::Data` for what is no artifact or only a part of one; `Kind::Unsupported` for a file of
/// [`LARGEST`] bytes or more, which is not read.
pub fn load(path: &Path) -> Result<Artifact> {
    load_as(path, SCHEMA)
}

/// Reads a saved tuning; errors as of [`load`].
pub fn load_tuning(path: &Path) -> Result<TuneArtifact> {
    load_as(path, tune::artifact::SCHEMA)
}

fn load_as<T: DeserializeOwned>(path: &Path, own: &str) -> Result<T> {
    let bytes = read(path)?;
    let schema = schema_of(&bytes, path)?;
    if schema != own {
        let error = Error::new(
            Kind::Incompatible,
            format!(
                "{} has the format `{schema}`; this version reads `{own}`",
                path.display()
            ),
        );
        return Err(if is_newer(&schema, own) {
            error.remedy("read it with a newer rb-bench")
        } else {
            error
        });
    }
    serde_json::from_slice(&bytes).map_err(|e| not_readable(&e, path))
}

/// The format that a file says it has.
///
/// # Errors
/// As [`load`], save for the version.
pub(super) fn schema_of(bytes: &[u8], path: &Path) -> Result<String> {
    let header: Header = serde_json::from_slice(bytes).map_err(|e| not_readable(&e, path))?;
    header.schema.ok_or_else(|| {
        Error::new(
            Kind::Data,
            format!("{} is not an artifact of rb-bench", path.display()),
        )
    })
}

/// The bytes of a file that is small enough to be an artifact, its texts without control characters: what is
/// printed of a foreign file must not command the terminal.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let refused = |e| Error::file("read", path, e);
    let mut file = fs::File::open(path).map_err(refused)?;
    let metadata = file.metadata().map_err(refused)?;
    if !metadata.is_file() {
        return Err(Error::new(
            Kind::Data,
            format!("{} is not a file", path.display()),
        ));
    }
    if metadata.len() >= LARGEST {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "{} has {}; an artifact has less than {}",
                path.display(),
                Bytes(metadata.len()),
                Bytes(LARGEST)
            ),
        ));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    // a file that grows meanwhile is not followed for ever
    (&mut file)
        .take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(refused)?;
    disarm(&mut bytes);
    Ok(bytes)
}

/// Puts U+FFFD or question marks, as long as they are, in the place of control characters in the strings of
/// a JSON text: those that are escaped, save for line ends and tabs (`\n`, `\t`), and the raw ones of C1 and DEL. Raw
/// ones of C0 are no JSON.
fn disarm(json: &mut [u8]) {
    let mut at = 0;
    while at < json.len() {
        match &mut json[at..] {
            [b'\\', b'u', b'0', b'0', high @ b'0'..=b'9', low, ..] => {
                let code = [*high, *low].map(|digit| char::from(digit).to_digit(16));
                if let [Some(high @ (0 | 1 | 7 | 8 | 9)), Some(low)] = code
                    && (high != 7 || low == 15)
                    && !matches!((high, low), (0, 9 | 10))
                {
                    json[at + 2..at + 6].copy_from_slice(b"fffd");
                }
                at += 6;
            }
            // a backslash and what it escapes belong together
            [b'\\', ..] => at += 2,
            [0x7f, ..] => {
                json[at] = b'?';
                at += 1;
            }
            [0xc2, second @ 0x80..=0x9f, ..] => {
                *second = b'?';
                json[at] = b'?';
                at += 2;
            }
            _ => at += 1,
        }
    }
}

fn not_readable(error: &serde_json::Error, path: &Path) -> Error {
    let path = path.display();
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Eof => Error::new(
            Kind::Data,
            format!("{path} ends in the middle: it is empty or was cut off"),
        ),
        Category::Syntax | Category::Io => Error::new(
            Kind::Data,
            format!("{path} is not JSON, at line {line}, column {column}"),
        ),
        // the field that does not fit ends there
        Category::Data => Error::new(
            Kind::Data,
            format!("{path} lacks a field of its format or has another type there, before line {line}, column {column}"),
        )
        .remedy("hold it against `rb-bench schema`, or delete it"),
    }
}

/// Whether a format is our own, of a later major version.
fn is_newer(schema: &str, own: &str) -> bool {
    let major = |name: &str| {
        let (kind, version) = name.rsplit_once(".v")?;
        Some((kind.to_owned(), version.parse::<u32>().ok()?))
    };
    match (major(schema), major(own)) {
        (Some((kind, theirs)), Some((own, ours))) => kind == own && theirs > ours,
        _ => false,
    }
}

/// The file of the newest tuning in a directory: names begin with the time.
///
/// # Errors
/// `Kind::NotFound` where there is none.
pub fn latest_tuning(directory: &Path) -> Result<PathBuf> {
    let refused = |e| Error::file("read", directory, e);
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .map_err(refused)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    let newest = files
        .into_iter()
        .rev()
        .find(|path| load_tuning(path).is_ok());
    newest.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            format!("no tuning is kept in {}", directory.display()),
        )
        .remedy("begin one with rb-bench tune, or name the file or --out DIR")
    })
}

/// Writes a file that has these permissions before anything is in it.
fn write_synced(
    path: &Path,
    permissions: Option<fs::Permissions>,
    write: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let file = fs::File::create(path)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    let mut file = BufWriter::with_capacity(1 << 16, file);
    write(&mut file)?;
    file.into_inner()?.sync_all()
}

fn file_name(created_at: &str, name: &str, id: &str) -> String {
    // 2026-11-23T20:27:31Z -> 20261123T202731Z
    let stamp: String = created_at
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let stamp = stamp.trim_end_matches('Z');
    let name: String = name
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
    format!("{stamp}Z-{name}-{id}.json")
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
    fn what_a_file_says_does_not_command_the_terminal() {
        let mut json = concat!(
            r#"["\u001b[31mred\u009b2J", "tab\tline\nend", "\u000a\u0041\u007f", "\\u001b", "#,
            "\"raw \u{9b}2J \u{7f} é\"]"
        )
        .as_bytes()
        .to_vec();
        disarm(&mut json);
        let texts: Vec<String> = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            texts,
            [
                "\u{fffd}[31mred\u{fffd}2J",
                "tab\tline\nend",
                "\nA\u{fffd}",
                "\\u001b",
                "raw ??2J ? é"
            ]
        );
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

    /// What reading a file with this text says.
    fn refusal(text: &str) -> String {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.json");
        fs::write(&path, text).unwrap();
        let error = load(&path).unwrap_err().to_string();
        error.replace(&path.display().to_string(), "x.json")
    }

    #[test]
    fn what_is_no_artifact_is_refused_with_the_reason() {
        let whole = serde_json::to_string(&examples::session()).unwrap();
        insta::assert_snapshot!(refusal(""), @"x.json ends in the middle: it is empty or was cut off");
        insta::assert_snapshot!(refusal(&whole[..whole.len() / 2]), @"x.json ends in the middle: it is empty or was cut off");
        insta::assert_snapshot!(refusal("benchmark,mean\n"), @"x.json is not JSON, at line 1, column 1");
        insta::assert_snapshot!(refusal(r#"{"results": []}"#), @"x.json is not an artifact of rb-bench");
        insta::assert_snapshot!(refusal(r#"{"schema": "rb-bench.run.v2"}"#), @"
        x.json has the format `rb-bench.run.v2`; this version reads `rb-bench.run.v1`
          what to do: read it with a newer rb-bench
        ");
        insta::assert_snapshot!(refusal(r#"{"schema": "someone.else.v1"}"#), @"x.json has the format `someone.else.v1`; this version reads `rb-bench.run.v1`");
        insta::assert_snapshot!(refusal(r#"{"schema": "rb-bench.run.v1"}"#), @"
        x.json lacks a field of its format or has another type there, before line 1, column 29
          what to do: hold it against `rb-bench schema`, or delete it
        ");
    }

    #[test]
    fn a_file_too_large_for_an_artifact_is_not_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.json");
        // a hole: nothing is written
        fs::File::create(&path).unwrap().set_len(LARGEST).unwrap();
        let error = load(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.to_string().contains("has 100 MB;"), "{error}");
    }

    #[test]
    fn an_artifact_of_a_newer_minor_version_is_read() {
        // kept as the first version wrote it, with what a newer one might add
        let text = include_str!("../../tests/data/run-v1.json");
        let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
        value["weather"] = serde_json::json!({"sky": "clear"});
        value["iterations"][0]["mood"] = serde_json::json!(1);
        value["protocol"]["witness"] = serde_json::json!(null);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.json");
        fs::write(&path, value.to_string()).unwrap();
        let session = load(&path).unwrap();
        assert_eq!(
            (session.id.as_str(), session.iterations.len()),
            ("0f3a9c21", 6)
        );
    }

    #[test]
    fn a_place_that_takes_no_file_is_named() {
        let place = tempfile::NamedTempFile::new().unwrap();
        let below = place.path().join("below");
        let saved = replace(&below, b"").unwrap_err();
        let start = format!("cannot save {}: ", below.display());
        assert!(saved.message().starts_with(&start), "{saved}");
        let kept = Output::at(&below).unwrap_err();
        let start = format!("cannot keep results in {}: ", below.display());
        assert!(kept.message().starts_with(&start), "{kept}");
    }
}
