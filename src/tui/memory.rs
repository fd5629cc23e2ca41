//! What is kept from one workbench to the next: which profile was chosen last.
//!
//! A convenience: where it cannot be written or read, nothing is said and nothing is lost.

use std::fs;
use std::path::PathBuf;

/// The longest name that is believed.
const LONGEST: usize = 4096;

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

    /// Keeps a name.
    pub fn remember(&self, name: &str) {
        let Some(file) = &self.file else {
            return;
        };
        let directory = file.parent().map(fs::create_dir_all);
        if let Some(Ok(())) = directory {
            let _convenience = fs::write(file, name);
        }
    }

    /// The name kept last.
    #[must_use]
    pub fn last(&self) -> Option<String> {
        let text = fs::read_to_string(self.file.as_ref()?).ok()?;
        let name = text.trim();
        let believable =
            !name.is_empty() && name.len() <= LONGEST && !name.contains(|c: char| c.is_control());
        believable.then(|| name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_name_is_kept_and_what_is_no_name_is_not_believed() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("deep/er/last");
        let memory = Memory::in_file(file.clone());
        assert_eq!(memory.last(), None);
        memory.remember("small");
        memory.remember("large");
        assert_eq!(memory.last().as_deref(), Some("large"));
        fs::write(&file, "a\u{1b}[31mb").unwrap();
        assert_eq!(memory.last(), None);
    }
}
