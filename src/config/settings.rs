//! A document as a list of its values, each with where it was written: for showing, secrets masked.

use super::document::{Document, is_password};
use super::masking::mask_secrets;
use super::problems::Place;
use super::tree::{Content, Node, join};

/// One value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its dotted key; items of a list by index from 0.
    pub key: String,
    /// The value as written, secrets masked.
    pub shown: String,
    /// Where it was written.
    pub place: Place,
}

impl Document {
    /// Every value of the document, in its order; a list of plain values counts as one.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let mut found = Vec::new();
        gather(self.root(), "", &mut found);
        found
    }
}

fn gather(node: &Node, path: &str, found: &mut Vec<Setting>) {
    match &node.content {
        Content::Map(entries) => {
            for entry in entries {
                gather(&entry.value, &join(path, &entry.key), found);
            }
        }
        Content::List(items) if items.iter().any(|item| item.scalar().is_none()) => {
            for (n, item) in items.iter().enumerate() {
                gather(item, &join(path, n), found);
            }
        }
        Content::List(items) => {
            let shown: Vec<String> = items.iter().map(|item| shown(item, path)).collect();
            found.push(Setting {
                key: path.to_owned(),
                shown: format!("[{}]", shown.join(", ")),
                place: node.place.clone(),
            });
        }
        Content::Scalar(_) => found.push(Setting {
            key: path.to_owned(),
            shown: shown(node, path),
            place: node.place.clone(),
        }),
    }
}

fn shown(node: &Node, path: &str) -> String {
    match node.scalar() {
        Some(_) if is_password(path) => "***".to_owned(),
        Some(scalar) => mask_secrets(&scalar.written),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_there_with_its_line_and_no_secret() {
        let text = "pipeline: p\nsource:\n  config: { url: \"postgres://me:hunter2@h/x\", password: hunter2 }\n  streams:\n    - name: t\n      columns: [a, b]\n";
        let document = Document::read(text, "x.yaml", &|_| None).unwrap();
        let lines: Vec<String> = document
            .settings()
            .iter()
            .map(|s| format!("{} = {} ({:?})", s.key, s.shown, s.place.line()))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        pipeline = p (Some(1))
        source.config.url = postgres://me:***@h/x (Some(3))
        source.config.password = *** (Some(3))
        source.streams.0.name = t (Some(5))
        source.streams.0.columns = [a, b] (Some(6))
        ");
    }
}
