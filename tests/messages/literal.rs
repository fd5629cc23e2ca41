//! String literals of a source as what they say: escapes resolved, placeholders cut out.
//!
//! It knows the syntax of literals and of format strings, and nothing of messages.

/// What a string literal says, without quotes and escapes; none for other literals.
pub(crate) fn value(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        let inner = raw.trim_start_matches('#');
        let hashes = raw.len() - inner.len();
        let inner = inner.strip_prefix('"')?;
        return Some(inner[..inner.len() - 1 - hashes].to_owned());
    }
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut said = String::with_capacity(inner.len());
    let mut rest = inner.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            said.push(c);
            continue;
        }
        match rest.next()? {
            'n' => said.push('\n'),
            't' => said.push('\t'),
            'r' => said.push('\r'),
            '0' => said.push('\0'),
            // the line goes on at the next word
            '\n' => while rest.next_if(|c| c.is_whitespace()).is_some() {},
            'x' => {
                let code: String = rest.by_ref().take(2).collect();
                said.push(char::from(u8::from_str_radix(&code, 16).ok()?));
            }
            'u' => {
                let code: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                said.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
            }
            same => said.push(same),
        }
    }
    Some(said)
}

/// The pieces of a format string between its placeholders.
pub(crate) fn pieces(format: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '{' | '}' if rest.next_if_eq(&c).is_some() => push(&mut pieces, c),
            '{' => {
                while rest.next().is_some_and(|c| c != '}') {}
                pieces.push(String::new());
            }
            // each line of a message is a piece: a test reads them line by line
            '\n' => pieces.push(String::new()),
            c => push(&mut pieces, c),
        }
    }
    pieces
}

fn push(pieces: &mut [String], c: char) {
    if let Some(last) = pieces.last_mut() {
        last.push(c);
    }
}

#[test]
fn a_literal_is_read_as_the_compiler_reads_it() {
    for (literal, said) in [
        (r#""a\tb\\ \"c\"""#, Some("a\tb\\ \"c\"")),
        ("\"one \\\n    line\"", Some("one line")),
        ("r#\"raw \\n \"text\"\"#", Some("raw \\n \"text\"")),
        (r#""\u{e9}\x41""#, Some("éA")),
        ("b\"bytes\"", None),
        ("12", None),
    ] {
        assert_eq!(value(literal).as_deref(), said, "{literal}");
    }
}

#[test]
fn a_format_string_falls_apart_at_its_placeholders() {
    assert_eq!(
        pieces("cannot read {}: {{x}} is {y:?}\nlast"),
        ["cannot read ", ": {x} is ", "", "last"]
    );
}
