//! Text into a tree with positions, and the faults of the text itself: size, encoding, YAML.
//!
//! What would be silently lost elsewhere is refused here: a second document, a key written twice,
//! what follows a NUL. It knows nothing of what keys mean.

mod builder;

use std::sync::Arc;

use saphyr_parser::{Parser, ScanError};

use super::problems::{Place, Problem, Problems};
use super::tree::Node;
use builder::Builder;

/// The most bytes a document may have.
pub(super) const MAX_BYTES: usize = 8 << 20;

/// Reads one document. The problems beside the tree did not end the reading.
pub(super) fn read(text: &str, origin: &Arc<str>) -> Result<(Node, Vec<Problem>), Problems> {
    if text.len() > MAX_BYTES {
        return Err(too_big(origin));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    refuse_control_characters(text, origin)?;
    let mut builder = Builder::new(origin);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax_problem(&error, text, origin))?;
        builder.take(event, span)?;
    }
    match builder.finish() {
        (Some(root), problems) if !root.is_null() => Ok((root, problems)),
        _ => Err(Problems::one(
            origin,
            Place::text(origin, 1, 1),
            "the document is empty",
        )),
    }
}

/// Bytes into text; what is not UTF-8 is named with its position.
pub(super) fn decode(bytes: Vec<u8>, origin: &Arc<str>) -> Result<String, Problems> {
    if bytes.len() > MAX_BYTES {
        return Err(too_big(origin));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = String::from_utf8_lossy(&bytes[..valid]);
        let (line, column) = end_of(&before);
        let what = if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            "the document is UTF-16".to_owned()
        } else {
            format!("not UTF-8 text (byte 0x{:02x})", bytes[valid])
        };
        Problems::one(
            origin,
            Place::text(origin, line, column),
            format!("{what}; accepted: UTF-8"),
        )
    })
}

fn too_big(origin: &Arc<str>) -> Problems {
    Problems::one(
        origin,
        Place::Whole(Arc::clone(origin)),
        "the document is too big; accepted: at most 8 MiB",
    )
}

/// Line and column, from 1, of what follows this text.
fn end_of(text: &str) -> (usize, usize) {
    let line_start = text.rfind('\n').map_or(0, |at| at + 1);
    let line = text.bytes().filter(|b| *b == b'\n').count() + 1;
    (line, text[line_start..].chars().count() + 1)
}

/// The parser takes a NUL for the end of the text; what follows would be lost.
fn refuse_control_characters(text: &str, origin: &Arc<str>) -> Result<(), Problems> {
    let is_bad = |c: char| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r');
    let Some(at) = text.find(is_bad) else {
        return Ok(());
    };
    let (line, column) = end_of(&text[..at]);
    let code = text.as_bytes()[at];
    Err(Problems::one(
        origin,
        Place::text(origin, line, column),
        format!("a control character (0x{code:02x}); accepted: text, tabs inside it, line ends"),
    ))
}

/// The parser's complaint, with a hint where the usual cause is known.
fn syntax_problem(error: &ScanError, text: &str, origin: &Arc<str>) -> Problems {
    let mark = error.marker();
    let line = text
        .lines()
        .nth(mark.line().saturating_sub(1))
        .unwrap_or("");
    let indent = &line[..line.len() - line.trim_start().len()];
    let hint = if indent.contains('\t') {
        "; indent with spaces, tabs are not accepted"
    } else if line.contains("${") {
        "; inside { } and [ ], quote it: \"${VAR}\""
    } else {
        ""
    };
    Problems::one(
        origin,
        Place::text(origin, mark.line().max(1), mark.col() + 1),
        format!("not YAML: {}{hint}", error.info()),
    )
}

#[cfg(test)]
mod tests;
