//! Changing one value of a document where it is written: comments, order and layout stay.
//!
//! The reader says where a value stands; what stands there is replaced, and a key that is missing is put
//! where it belongs. The changed text is then read again and must say what the old one said, with that
//! one value: a document that this cannot be done to is left alone, and the error says so.

use std::fmt::Write as _;
use std::sync::Arc;

use super::document::{Override, set};
use super::problems::{Place, Problems};
use super::reader;
use super::tree::{Content, Entry, Node, segments};
use crate::error::{Error, Kind, Result};

/// The text with the value at a dotted path of maps set to this YAML scalar.
///
/// # Errors
/// `Kind::Config` for what is no document, `Kind::Unsupported` where the value cannot be changed without
/// changing more than it.
pub fn with_value_at(text: &str, origin: &str, path: &str, value: &str) -> Result<String> {
    let (bom, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let root = read(body, origin)?;
    let changed = change(body, &root, path, value).filter(|changed| {
        let expected = with_value(body, origin, path, value);
        matches!((read(changed, origin), expected), (Ok(is), Ok(should)) if same(&is, &should))
    });
    match changed {
        Some(changed) => Ok(format!("{bom}{changed}")),
        None => Err(Error::new(
            Kind::Unsupported,
            format!("`{path}` of {origin} cannot be changed without changing more of it"),
        )
        .remedy(format!("write it there yourself: {path} is {value}"))),
    }
}

fn read(text: &str, origin: &str) -> Result<Node> {
    let origin: Arc<str> = origin.into();
    let (root, problems) = reader::read(text, &origin).map_err(Problems::into_error)?;
    if problems.is_empty() {
        Ok(root)
    } else {
        Err(Problems::new(&origin, problems).into_error())
    }
}

/// What the document is to say: the value set as a flag sets it.
fn with_value(text: &str, origin: &str, path: &str, value: &str) -> Result<Node> {
    let mut root = read(text, origin)?;
    let change = Override::flag("edit", &format!("{path}={value}"))?;
    let path: Vec<&str> = segments(path).collect();
    set(&mut root, &path, "", &change).map_err(Error::internal)?;
    Ok(root)
}

/// Whether two trees say the same; keys of a map in any order.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.content, &other.content) {
        (Content::Scalar(one), Content::Scalar(other)) => {
            one.written == other.written && one.plain() == other.plain()
        }
        (Content::List(one), Content::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
        }
        (Content::Map(one), Content::Map(other)) => {
            let has = |entry: &Entry| {
                let there = other.iter().find(|o| o.key == entry.key);
                there.is_some_and(|o| same(&entry.value, &o.value))
            };
            one.len() == other.len() && one.iter().all(has)
        }
        _ => false,
    }
}

/// The changed text; none where the place of the change cannot be told.
fn change(text: &str, root: &Node, path: &str, value: &str) -> Option<String> {
    let mut node = root;
    let mut key: Option<&Entry> = None;
    let mut missing: Vec<&str> = segments(path).collect();
    while let (Content::Map(entries), Some(segment)) = (&node.content, missing.first()) {
        let Some(entry) = entries.iter().find(|entry| entry.key == *segment) else {
            break;
        };
        (node, key) = (&entry.value, Some(entry));
        missing.remove(0);
    }
    if missing.is_empty() {
        return replace(text, node, key?, value);
    }
    insert(text, node, key, &missing, value)
}

fn replace(text: &str, node: &Node, key: &Entry, value: &str) -> Option<String> {
    let scalar = node.scalar()?;
    if scalar.written.is_empty() && !scalar.quoted {
        let after = after_colon(text, key)?;
        return Some(spliced(text, after..after, &format!(" {value}")));
    }
    let start = offset(text, &node.place)?;
    let rest = &text[start..];
    let length = match rest.chars().next()? {
        '"' => closing(rest, |rest| rest.starts_with('\\'))?,
        '\'' => closing(rest, |rest| rest.starts_with("''"))?,
        _ if rest.starts_with(&scalar.written) => scalar.written.len(),
        _ => return None,
    };
    Some(spliced(text, start..start + length, value))
}

/// Bytes of a quoted scalar; `escaped` says where two characters belong together.
fn closing(quoted: &str, escaped: impl Fn(&str) -> bool) -> Option<usize> {
    let quote = quoted.chars().next()?;
    let mut at = quote.len_utf8();
    loop {
        let rest = &quoted[at..];
        let mut characters = rest.chars();
        let character = characters.next()?;
        if escaped(rest) {
            at += character.len_utf8() + characters.next()?.len_utf8();
        } else if character == quote {
            return Some(at + quote.len_utf8());
        } else {
            at += character.len_utf8();
        }
    }
}

/// Puts the missing keys into the deepest map that is there.
fn insert(
    text: &str,
    node: &Node,
    key: Option<&Entry>,
    missing: &[&str],
    value: &str,
) -> Option<String> {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let line_start = |at: usize| text[..at].rfind('\n').map_or(0, |n| n + 1);
    let Content::Map(entries) = &node.content else {
        // `key:` with nothing after it
        let place = offset(text, &key.filter(|_| node.is_null())?.place)?;
        let indent = place - line_start(place) + 2;
        let end = text[place..]
            .find('\n')
            .map_or(text.len(), |n| place + n + 1);
        let lines = block(missing, value, indent, newline);
        return Some(spliced(text, end..end, &lines));
    };
    let start = offset(text, &node.place)?;
    if text[start..].starts_with('{') {
        let comma = if entries.is_empty() { " " } else { "," };
        let inside = format!(" {}{comma}", flow(missing, value));
        return Some(spliced(text, start + 1..start + 1, &inside));
    }
    let first = offset(text, &entries.first()?.place)?;
    let line = line_start(first);
    if key.is_some() {
        let lines = block(missing, value, first - line, newline);
        return Some(spliced(text, line..line, &lines));
    }
    // a key of the document itself goes to its end
    let before = if text.ends_with('\n') { "" } else { newline };
    let lines = block(missing, value, first - line, newline);
    Some(format!("{text}{before}{lines}"))
}

/// `a: { b: value }`
fn flow(keys: &[&str], value: &str) -> String {
    match keys {
        [] => value.to_owned(),
        [key] => format!("{key}: {value}"),
        [key, rest @ ..] => format!("{key}: {{ {} }}", flow(rest, value)),
    }
}

/// The same as lines, each two columns further in.
fn block(keys: &[&str], value: &str, indent: usize, newline: &str) -> String {
    let mut lines = String::new();
    for (n, key) in keys.iter().enumerate() {
        let indent = " ".repeat(indent + 2 * n);
        let value = if n + 1 == keys.len() {
            format!(" {value}")
        } else {
            String::new()
        };
        let _ = write!(lines, "{indent}{key}:{value}{newline}");
    }
    lines
}

fn after_colon(text: &str, key: &Entry) -> Option<usize> {
    let start = offset(text, &key.place)?;
    text[start..].find(':').map(|n| start + n + 1)
}

/// The byte at which a place begins.
fn offset(text: &str, place: &Place) -> Option<usize> {
    let Place::Text { line, column, .. } = place else {
        return None;
    };
    let mut start = 0;
    for _ in 1..*line {
        start += text[start..].find('\n')? + 1;
    }
    let mut characters = text[start..].char_indices();
    let within = characters.nth(*column as usize - 1).map(|(at, _)| at);
    within.map(|at| start + at)
}

fn spliced(text: &str, range: std::ops::Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..range.start], &text[range.end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "resources.parallelism";

    fn changed(text: &str) -> String {
        with_value_at(text, "x.yaml", PATH, "3").unwrap()
    }

    #[test]
    fn a_value_changes_and_nothing_else() {
        let text = "# top\na: 1   # one\nresources:  # more\n  max_retries: 2\n  parallelism: auto # why\nz: ä\n";
        assert_eq!(changed(text), text.replace("auto", "3"));
        for written in ["\"auto\"", "'auto'", "16"] {
            let text = format!("resources: {{ parallelism: {written}, max_retries: 1 }} # ä\n");
            assert_eq!(changed(&text), text.replace(written, "3"));
        }
        let text = "ä: { resources: 1 }\r\nresources: { é: x, parallelism: auto }\r\n";
        assert_eq!(changed(text), text.replace("auto", "3"));
    }

    #[test]
    fn a_key_that_is_missing_is_put_where_it_belongs() {
        let block = "a: 1\nresources:\n    # few\n    max_retries: 2\nz: 1\n";
        assert_eq!(
            changed(block),
            "a: 1\nresources:\n    # few\n    parallelism: 3\n    max_retries: 2\nz: 1\n"
        );
        assert_eq!(
            changed("resources: { max_retries: 2 }\n"),
            "resources: { parallelism: 3, max_retries: 2 }\n"
        );
        assert_eq!(
            changed("resources: {}\n"),
            "resources: { parallelism: 3 }\n"
        );
        assert_eq!(
            changed("resources: # none\nz: 1\n"),
            "resources: # none\n  parallelism: 3\nz: 1\n"
        );
        assert_eq!(
            changed("resources:\n  parallelism: # none\n"),
            "resources:\n  parallelism: 3 # none\n"
        );
        assert_eq!(changed("a: 1"), "a: 1\nresources:\n  parallelism: 3\n");
        assert_eq!(
            changed("{ a: 1 }"),
            "{ resources: { parallelism: 3 }, a: 1 }"
        );
    }

    #[test]
    fn a_value_that_belongs_to_more_than_one_place_is_left_alone() {
        let shared = "a: &n { parallelism: 4 }\nresources: *n\n";
        let error = with_value_at(shared, "x.yaml", PATH, "3").unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.to_string().contains("x.yaml"), "{error}");
        for text in [
            "resources: [1]\n",
            "resources: 5\n",
            "resources:\n  parallelism: |\n    auto\n",
        ] {
            assert!(with_value_at(text, "x.yaml", PATH, "3").is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_from_the_environment_is_replaced_as_it_is_written() {
        let text = "resources: { parallelism: \"${WORKERS}\" }\n";
        assert_eq!(changed(text), "resources: { parallelism: 3 }\n");
    }
}
