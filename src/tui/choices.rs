//! Profiles and pipeline documents that lie where rb-bench was started, to be chosen from.
//!
//! A look at the beginning of each file, no more: what is wrong with one is told when it is chosen.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::bench::subject::What;

/// Files that are looked at.
const MOST: usize = 200;
/// Bytes of each.
const BEGINNING: u64 = 8 << 10;

/// What can be chosen in a directory, by name; nothing where it cannot be read.
#[must_use]
pub fn beside(directory: &Path) -> Vec<What> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml"))
        .take(MOST)
        .collect();
    files.sort();
    files.iter().filter_map(|file| kind(file)).collect()
}

fn kind(file: &Path) -> Option<What> {
    let mut text = Vec::new();
    File::open(file)
        .ok()?
        .take(BEGINNING)
        .read_to_end(&mut text)
        .ok()?;
    let text = String::from_utf8_lossy(&text);
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    // by the name that was given, not `./name`
    let path = file.strip_prefix(".").unwrap_or(file);
    if has("profile:") {
        Some(What::Profile(path.display().to_string()))
    } else if has("pipeline:") && has("source:") {
        Some(What::Pipeline(path.to_owned()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_and_documents_are_told_apart_and_other_files_left_out() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
        write("b.yaml", "# mine\nprofile: b\n");
        write("a.yml", "version: \"1.0\"\npipeline: a\nsource: {}\n");
        write("c.yaml", "services: {}\n");
        write("d.txt", "profile: d\n");
        let path = |name: &str| place.path().join(name);
        assert_eq!(
            beside(place.path()),
            [
                What::Pipeline(path("a.yml")),
                What::Profile(path("b.yaml").display().to_string())
            ]
        );
        assert!(beside(&path("nowhere")).is_empty());
    }
}
