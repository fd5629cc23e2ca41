//! What is kept from one workbench to the next: which profile was chosen last.
//!
//! A convenience: where it cannot be written or read, nothing is said and nothing is lost.

use std::fs;
use std::path::{self, PathBuf};

use crate::bench::subject::What;

/// The longest name that is believed.
const LONGEST: usize = 4096;

/// What was chosen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Last {
    /// It can be chosen again.
    There(What),
    /// The file that it was read from is there no more.
    Gone(PathBuf),
}

/// The file that keeps it; none where there is no place for it.
#[derive(Debug, Clone)]
pub struct Memory {
    file: Option<PathBuf>,
}

impl Memory {
    /// In the user's state directory (XDG Base Directory Specification).
    #[must_use]
    pub fn of_user() -> Self {
        let directory = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let state = directory("XDG_STATE_HOME")
            .or_else(|| directory("HOME").map(|home| home.join(".local/state")));
        Self {
            file: state.map(|state| state.join("rb-bench/last-profile")),
        }
    }

    /// In this file.
    #[must_use]
    pub fn in_file(file: PathBuf) -> Self {
        Self { file: Some(file) }
    }

    /// Keeps what was chosen: a file by its absolute path, so that it is the same one from every directory.
    pub fn remember(&self, what: &What) {
        let Some(file) = &self.file else {
            return;
        };
        let absolute = what.file().and_then(|path| path::absolute(path).ok());
        let kept = absolute.map_or_else(|| what.kept(), |path| what.in_file(&path).kept());
        let directory = file.parent().map(fs::create_dir_all);
        if let Some(Ok(())) = directory {
            let _convenience = fs::write(file, kept);
        }
    }

    /// What was kept last. A file in the working directory goes by its name there, as it does where it is chosen.
    #[must_use]
    pub fn last(&self) -> Option<Last> {
        let text = fs::read_to_string(self.file.as_ref()?).ok()?;
        let name = text.trim();
        let believable =
            !name.is_empty() && name.len() <= LONGEST && !name.contains(|c: char| c.is_control());
        let what = believable.then(|| What::of_kept(name))?;
        let Some(file) = what.file() else {
            return Some(Last::There(what));
        };
        if !file.is_file() {
            return Some(Last::Gone(file.to_owned()));
        }
        let here = std::env::current_dir().ok();
        let near = here.and_then(|here| Some(what.in_file(file.strip_prefix(here).ok()?)));
        // a file that is named like a shipped profile is none by that name
        let near = near.filter(|near| near.file().is_some());
        Some(Last::There(near.unwrap_or(what)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_choice_is_kept_and_what_is_none_is_not_believed() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("deep/er/last");
        let memory = Memory::in_file(file.clone());
        assert_eq!(memory.last(), None);
        let [small, large] = ["small", "large"].map(|name| What::Profile(name.to_owned()));
        memory.remember(&small);
        memory.remember(&large);
        assert_eq!(memory.last(), Some(Last::There(large)));
        fs::write(&file, "a\u{1b}[31mb").unwrap();
        assert_eq!(memory.last(), None);
    }

    #[test]
    fn a_file_is_kept_by_its_absolute_path_and_named_as_seen_from_here() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("last");
        let memory = Memory::in_file(file.clone());
        let here = std::env::current_dir().unwrap();
        // a file that is there wherever this test is run from
        let near = What::Pipeline("Cargo.toml".into());
        memory.remember(&near);
        let kept = format!("pipeline:{}", here.join("Cargo.toml").display());
        assert_eq!(fs::read_to_string(&file).unwrap(), kept);
        assert_eq!(memory.last(), Some(Last::There(near)));
        let path = place.path().join("gen.yaml");
        let far = What::Profile(path.display().to_string());
        memory.remember(&far);
        assert_eq!(memory.last(), Some(Last::Gone(path.clone())));
        fs::write(&path, "").unwrap();
        assert_eq!(memory.last(), Some(Last::There(far)));
    }
}
