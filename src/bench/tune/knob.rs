//! What can be tuned: a key of the pipeline document that changes how a run works, never what it copies.

use std::fmt;

use crate::config::types::{DestinationConnector, Pipeline};
use crate::config::{Override, nearest};
use crate::error::{Error, Kind, Result};

/// A key that can be tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knob {
    /// Workers.
    Parallelism,
    /// Bytes of a chunk.
    ChunkBytes,
    /// Bytes gathered before each send.
    BufferBytes,
    /// COPY or INSERT.
    LoadMethod,
    /// How large values are compressed.
    ToastCompression,
    /// What a worker's COMMIT waits for.
    SynchronousCommit,
}

impl Knob {
    /// Every knob.
    pub const ALL: [Self; 6] = [
        Self::Parallelism,
        Self::ChunkBytes,
        Self::BufferBytes,
        Self::LoadMethod,
        Self::ToastCompression,
        Self::SynchronousCommit,
    ];

    /// The key in the document.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Parallelism => "resources.parallelism",
            Self::ChunkBytes => "resources.chunk_bytes",
            Self::BufferBytes => "resources.buffer_bytes",
            Self::LoadMethod => "destination.config.load_method",
            Self::ToastCompression => "destination.config.toast_compression",
            Self::SynchronousCommit => "destination.config.synchronous_commit",
        }
    }

    /// The last part of the key, as it is shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.key().rsplit('.').next().unwrap_or_default()
    }

    /// The knob of this key or name.
    ///
    /// # Errors
    /// `Kind::Usage` for what the document has no key for, or none that may be tuned.
    pub fn find(text: &str) -> Result<Self> {
        let found = Self::ALL
            .into_iter()
            .find(|knob| text == knob.key() || text == knob.name());
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let meant = nearest(text, names.into_iter())
                .map(|meant| format!("; did you mean `{meant}`?"))
                .unwrap_or_default();
            Error::new(
                Kind::Usage,
                format!("a pipeline document has no `{text}` that can be tuned{meant}"),
            )
            .remedy(format!("accepted: {}", names.join(", ")))
        })
    }

    /// The values in the order in which the first that is good enough is chosen: numbers from the
    /// smallest, words as they were given; each once.
    ///
    /// # Errors
    /// `Kind::Usage` for fewer than two values.
    pub fn ordered(self, values: &[String]) -> Result<Vec<String>> {
        let mut ordered: Vec<String> = Vec::new();
        for value in values.iter().map(|v| v.trim()) {
            if !ordered.iter().any(|there| there == value) {
                ordered.push(value.to_owned());
            }
        }
        if self.is_number() {
            // what is no number is told by the document's own check
            ordered.sort_by_key(|value| value.parse::<u64>().unwrap_or(u64::MAX));
        }
        if ordered.len() < 2 {
            return Err(Error::new(
                Kind::Usage,
                format!("{self} has one value to try; accepted: at least two, such as 1,2,4"),
            ));
        }
        Ok(ordered)
    }

    /// Whether its values are numbers, rather than words.
    fn is_number(self) -> bool {
        matches!(
            self,
            Self::Parallelism | Self::ChunkBytes | Self::BufferBytes
        )
    }

    /// The value as a change of the document.
    pub fn set(self, value: &str) -> Result<Override> {
        let flag = match self {
            Self::Parallelism => "--sweep",
            _ => "--knob",
        };
        Override::flag(flag, &format!("{}={value}", self.key()))
    }

    /// Gives a pipeline that is bound to databases the value that another pipeline has.
    pub(super) fn copy(self, from: &Pipeline, to: &mut Pipeline) {
        match self {
            Self::Parallelism => to.resources.parallelism = from.resources.parallelism,
            Self::ChunkBytes => to.resources.chunk_bytes = from.resources.chunk_bytes,
            Self::BufferBytes => to.resources.buffer_bytes = from.resources.buffer_bytes,
            Self::LoadMethod | Self::ToastCompression | Self::SynchronousCommit => {
                if let (DestinationConnector::Postgres(from), DestinationConnector::Postgres(to)) =
                    (&from.destination.connector, &mut to.destination.connector)
                {
                    to.load_method = from.load_method;
                    to.toast_compression = from.toast_compression;
                    to.synchronous_commit = from.synchronous_commit;
                }
            }
        }
    }

    /// The lines that a document needs for this value.
    #[must_use]
    pub fn yaml(self, value: &str) -> String {
        let parts: Vec<&str> = self.key().split('.').collect();
        let last = parts.len() - 1;
        let line = |(depth, part): (usize, &&str)| {
            let value = if depth == last {
                format!(" {value}")
            } else {
                String::new()
            };
            format!("{}{part}:{value}", "  ".repeat(depth))
        };
        let lines: Vec<String> = parts.iter().enumerate().map(line).collect();
        lines.join("\n")
    }
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knob_is_found_by_key_or_name() {
        for knob in Knob::ALL {
            assert_eq!(Knob::find(knob.key()).unwrap(), knob);
            assert_eq!(Knob::find(knob.name()).unwrap(), knob);
        }
        for unknown in ["work_mem", "toast_compresion", "max_retries"] {
            let error = Knob::find(unknown).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().contains("chunk_bytes"), "{error}");
        }
    }

    #[test]
    fn numbers_are_tried_from_the_smallest_and_each_once() {
        let given = ["8", "1", " 2", "1"].map(str::to_owned);
        assert_eq!(Knob::Parallelism.ordered(&given).unwrap(), ["1", "2", "8"]);
        let words = ["insert", "copy"].map(str::to_owned);
        assert_eq!(Knob::LoadMethod.ordered(&words).unwrap(), words);
        assert!(Knob::Parallelism.ordered(&given[..1]).is_err());
    }

    #[test]
    fn the_yaml_is_the_documents_own() {
        insta::assert_snapshot!(Knob::LoadMethod.yaml("copy"), @r"
        destination:
          config:
            load_method: copy
        ");
    }
}
