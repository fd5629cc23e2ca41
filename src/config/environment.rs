//! `${VAR}` and `${VAR:-default}` in the values of a document.
//!
//! As in a shell, the default stands in for a variable that is missing or empty; `$${` is a literal
//! `${`. Every missing variable of a document is named, each with its position. What is filled in may
//! be a password: it goes into `Scalar::text`, which no message shows.

use super::masking::quote;
use super::problems::Problem;
use super::tree::{Content, Filled, Node, Scalar, join};

/// How variables are looked up; injected, so that only the edge reads the process's environment.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The most bytes that filling may make of a document's texts.
const MAX_FILLED: usize = 64 << 20;

/// The environment of this process.
#[must_use]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Fills every scalar below `root`.
pub(super) fn fill(root: &mut Node, lookup: &Lookup<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut left = MAX_FILLED;
    fill_node(root, "", lookup, &mut left, &mut problems);
    problems
}

fn fill_node(
    node: &mut Node,
    path: &str,
    lookup: &Lookup<'_>,
    left: &mut usize,
    problems: &mut Vec<Problem>,
) {
    match &mut node.content {
        Content::List(items) => {
            for (n, item) in items.iter_mut().enumerate() {
                fill_node(item, &join(path, n), lookup, left, problems);
            }
        }
        Content::Map(entries) => {
            for entry in entries {
                fill_node(
                    &mut entry.value,
                    &join(path, &entry.key),
                    lookup,
                    left,
                    problems,
                );
            }
        }
        Content::Scalar(scalar) if scalar.text.contains("${") => {
            fill_scalar(scalar, lookup, left);
            problems.extend(scalar.faults.iter().map(|message| Problem {
                place: node.place.clone(),
                path: path.to_owned(),
                message: message.clone(),
            }));
        }
        Content::Scalar(_) => {}
    }
}

/// Fills one scalar, or says in it why that cannot be.
fn fill_scalar(scalar: &mut Scalar, lookup: &Lookup<'_>, left: &mut usize) {
    let mut faults = Vec::new();
    let mut pieces = 0;
    let mut variables = 0;
    let mut filled = String::new();
    for piece in pieces_of(&scalar.written) {
        pieces += 1;
        match piece {
            Piece::Literal(text) => filled.push_str(text),
            Piece::Variable { name, default } => {
                variables += 1;
                match (lookup(name), default) {
                    (Some(value), None) => filled.push_str(&value),
                    (Some(value), Some(_)) if !value.is_empty() => filled.push_str(&value),
                    (_, Some(default)) => filled.push_str(default),
                    (None, None) => faults.push(format!(
                        "the environment variable {name} is not set (`${{{name}}}`); set it, or give a default: ${{{name}:-...}}"
                    )),
                }
            }
            Piece::Malformed(text) => faults.push(format!(
                "not a variable ({}); accepted: ${{NAME}}, ${{NAME:-default}}, and $${{ for a literal ${{",
                quote(text)
            )),
        }
        if filled.len() > *left {
            faults.push(
                "variables fill in too much text; accepted: at most 64 MiB in a document".into(),
            );
            filled.clear();
            break;
        }
    }
    *left -= filled.len();
    scalar.filled = match (faults.is_empty(), variables) {
        (false, _) => Filled::Failed,
        (true, 0) => Filled::No,
        (true, _) if pieces == 1 => Filled::Whole,
        (true, _) => Filled::Partly,
    };
    scalar.text = filled;
    faults.dedup();
    scalar.faults = faults;
}

enum Piece<'t> {
    Literal(&'t str),
    Variable {
        name: &'t str,
        default: Option<&'t str>,
    },
    Malformed(&'t str),
}

fn pieces_of(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if at > 0 && rest.as_bytes()[at - 1] == b'$' {
            if at > 1 {
                pieces.push(Piece::Literal(&rest[..at - 1]));
            }
            pieces.push(Piece::Literal("${"));
            rest = &rest[at + 2..];
            continue;
        }
        if at > 0 {
            pieces.push(Piece::Literal(&rest[..at]));
        }
        let Some(end) = rest[at..].find('}') else {
            pieces.push(Piece::Malformed(&rest[at..]));
            return pieces;
        };
        let whole = &rest[at..=at + end];
        let inside = &whole[2..whole.len() - 1];
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        pieces.push(if is_name(name) {
            Piece::Variable { name, default }
        } else {
            Piece::Malformed(whole)
        });
        rest = &rest[at + end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    pieces
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::Plain;

    fn filled(text: &str, quoted: bool) -> (Scalar, Vec<String>) {
        let mut scalar = Scalar::new(text.into(), quoted);
        let lookup = |name: &str| match name {
            "N" => Some("4".to_owned()),
            "EMPTY" => Some(String::new()),
            "PW" => Some("hunter2".to_owned()),
            _ => None,
        };
        fill_scalar(&mut scalar, &lookup, &mut (1 << 20));
        let faults = scalar.faults.clone();
        (scalar, faults)
    }

    #[test]
    fn variables_defaults_and_escapes_are_filled() {
        for (written, text) in [
            ("${N}", "4"),
            ("a${N}b${N}", "a4b4"),
            ("${NONE:-x}", "x"),
            ("${EMPTY:-x}", "x"),
            ("${EMPTY}", ""),
            ("${N:-x}", "4"),
            ("${NONE:-}", ""),
            ("$${N}", "${N}"),
            ("$$${N}", "$${N}"),
            ("$1 ${N} $", "$1 4 $"),
        ] {
            let (scalar, faults) = filled(written, false);
            assert_eq!((scalar.text.as_str(), faults.len()), (text, 0), "{written}");
        }
    }

    #[test]
    fn a_value_that_is_one_variable_takes_the_type_of_its_text() {
        assert_eq!(filled("${N}", false).0.plain(), Plain::Integer(4));
        assert_eq!(filled("${N}", true).0.plain(), Plain::Integer(4));
        assert_eq!(filled("${NONE:-true}", false).0.plain(), Plain::Bool(true));
        assert_eq!(filled("1${N}", false).0.plain(), Plain::Text);
        assert_eq!(filled("$${N}", false).0.plain(), Plain::Text);
    }

    #[test]
    fn what_is_not_a_variable_is_refused() {
        for written in ["${}", "${1X}", "${A B}", "${A-x}", "${open"] {
            let (scalar, faults) = filled(written, false);
            assert_eq!(faults.len(), 1, "{written}");
            let shown = format!(
                "not a variable (`{written}`); accepted: ${{NAME}}, ${{NAME:-default}}, and $${{ for a literal ${{"
            );
            assert_eq!(faults[0], shown);
            assert_eq!(scalar.filled, Filled::Failed);
        }
    }

    #[test]
    fn variables_that_fill_in_too_much_are_refused() {
        let mut scalar = Scalar::new("${N}${N}".into(), false);
        fill_scalar(&mut scalar, &|_| Some("4".into()), &mut 1);
        assert_eq!(
            scalar.faults,
            ["variables fill in too much text; accepted: at most 64 MiB in a document"]
        );
    }

    #[test]
    fn all_missing_variables_of_a_value_are_named_and_filled_text_is_not_shown() {
        let (scalar, faults) = filled("${PW}${A}${B}", false);
        assert_eq!(faults.len(), 2);
        assert!(faults[0].contains("variable A is not set"));
        assert!(faults[1].contains("variable B is not set"));
        assert!(!format!("{scalar:?}{faults:?}").contains("hunter2"));
        assert_eq!(
            filled("${PW}", false).0.shown(),
            "`${PW}`, filled from the environment"
        );
    }
}
