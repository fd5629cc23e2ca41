//! What an expression uses, as EXPLAIN prints it: functions, operators, clocks. Pure.
//!
//! It reads the server's own printing (ruleutils.c): keywords in upper case, names in lower case
//! or quoted. What it does not know it doubts; it must never take an unknown thing for harmless.

use std::collections::BTreeSet;

/// Keywords that stand before a bracket and compute nothing that could differ between two reads.
const HARMLESS: &[&str] = &[
    "ALL",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "BETWEEN",
    "BOTH",
    "BY",
    "CASE",
    "COALESCE",
    "DISTINCT",
    "ELSE",
    "EXTRACT",
    "FOR",
    "FROM",
    "GREATEST",
    "IN",
    "IS",
    "LEADING",
    "LEAST",
    "NORMALIZE",
    "NOT",
    "NULLIF",
    "OPERATOR",
    "OR",
    "OVERLAPS",
    "OVERLAY",
    "PLACING",
    "POSITION",
    "ROW",
    "SUBSTRING",
    "THEN",
    "TO",
    "TRAILING",
    "TRIM",
    "VARIADIC",
    "WHEN",
    "ZONE",
];

/// Keywords for the clock.
const CLOCK: &[&str] = &[
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "LOCALTIME",
    "LOCALTIMESTAMP",
];

/// Keywords for the session.
const SESSION: &[&str] = &[
    "CURRENT_CATALOG",
    "CURRENT_ROLE",
    "CURRENT_SCHEMA",
    "CURRENT_USER",
    "SESSION_USER",
    "SYSTEM_USER",
    "USER",
];

/// Words that the input functions of date and time types read as the clock (datetime.c: `datetktbl`).
const CLOCK_WORDS: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

/// Types whose input functions read the same from the same text at any time (`pg_proc.provolatile`:
/// immutable; intervals know no clock).
const TIMELESS: &[&str] = &[
    "bigint",
    "bit",
    "boolean",
    "bytea",
    "char",
    "character",
    "cidr",
    "double",
    "inet",
    "integer",
    "interval",
    "json",
    "jsonb",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "numeric",
    "real",
    "smallint",
    "text",
    "uuid",
    "xml",
];

/// What expressions use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// Functions, without their schema.
    pub functions: BTreeSet<String>,
    /// Operators, as symbols, without their schema.
    pub operators: BTreeSet<String>,
    /// Clock keywords, as printed.
    pub clock: BTreeSet<String>,
    /// Session keywords, as printed.
    pub session: BTreeSet<String>,
    /// What cannot be told, as a person says it.
    pub doubts: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// An unquoted name or keyword.
    Word(String),
    /// A quoted name.
    Quoted(String),
    /// A text constant.
    Literal(String),
    Number,
    Operator(String),
    /// `::`
    Cast,
    Punctuation(char),
}

/// Adds what `text` uses. `texts` are columns whose values, read as another type, could be words
/// for the clock; none where any name may stand for such a column.
pub fn collect(text: &str, texts: Option<&BTreeSet<String>>, uses: &mut Uses) {
    let tokens = tokens(text);
    let reads_text = texts.is_none_or(|texts| {
        let is_text = |token: &Token| matches!(token, Token::Word(name) | Token::Quoted(name) if texts.contains(name));
        tokens.iter().any(is_text)
    });
    let mut i = 0;
    while let Some(token) = tokens.get(i) {
        let called = tokens.get(i + 1) == Some(&Token::Punctuation('('));
        match token {
            Token::Cast => {
                let (name, end) = type_name(&tokens, i + 1);
                let constant = matches!(tokens.get(i.wrapping_sub(1)), Some(Token::Literal(_)));
                let first = name.split(' ').next().unwrap_or_default();
                if reads_text && !constant && !TIMELESS.contains(&first) {
                    uses.doubts.insert(format!(
                        "it casts text to {name}, which may read a word such as 'now' as the clock"
                    ));
                }
                i = end;
                continue;
            }
            Token::Literal(text) if names_clock(text) => {
                uses.doubts
                    .insert(format!("'{text}' may be read as the clock"));
            }
            Token::Operator(symbol) => {
                uses.operators.insert(symbol.clone());
            }
            Token::Word(word) if CLOCK.contains(&word.as_str()) => {
                uses.clock.insert(word.clone());
            }
            Token::Word(word) if SESSION.contains(&word.as_str()) => {
                uses.session.insert(word.clone());
            }
            Token::Word(word) if HARMLESS.contains(&word.as_str()) => {}
            Token::Word(word) if called && is_keyword(word) => {
                uses.doubts.insert(format!(
                    "{word} is not known to be the same for every worker"
                ));
            }
            Token::Word(name) | Token::Quoted(name) if called => {
                uses.functions.insert(name.clone());
            }
            _ => {}
        }
        i += 1;
    }
}

/// A column that an expression is, and nothing else: what it is qualified with, and its name.
#[must_use]
pub fn plain_column(text: &str) -> Option<(String, String)> {
    let name = |token: &Token| match token {
        Token::Word(name) | Token::Quoted(name) => Some(name.clone()),
        _ => None,
    };
    match tokens(text).as_slice() {
        [relation, Token::Punctuation('.'), column] => Some((name(relation)?, name(column)?)),
        _ => None,
    }
}

/// Whether a text has a word in it that can stand for the clock, as a name, a constant or else.
/// A call, `now()`, does not count: it is seen as what it is.
#[must_use]
pub fn names_clock(text: &str) -> bool {
    let lower = text.to_lowercase();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    CLOCK_WORDS.iter().any(|word| {
        lower.match_indices(word).any(|(at, _)| {
            let (before, after) = (&lower[..at], &lower[at + word.len()..]);
            !before.ends_with(is_name)
                && !after.starts_with(is_name)
                && !after.trim_start().starts_with('(')
        })
    })
}

/// Keywords are printed in upper case, and names with upper case are printed quoted.
fn is_keyword(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_uppercase())
}

/// The type that begins at token `i`, modifiers and brackets left out, and where it ends.
fn type_name(tokens: &[Token], mut i: usize) -> (String, usize) {
    let mut name = String::new();
    while let Some(token) = tokens.get(i) {
        match token {
            Token::Word(word) if is_keyword(word) => break,
            Token::Word(word) | Token::Quoted(word) => {
                if !name.is_empty() && !name.ends_with('.') {
                    name.push(' ');
                }
                name.push_str(word);
            }
            Token::Punctuation('.') => name.push('.'),
            Token::Punctuation(open @ ('(' | '[')) => {
                let close = if *open == '(' { ')' } else { ']' };
                let end = tokens[i..]
                    .iter()
                    .position(|token| *token == Token::Punctuation(close));
                i += end.unwrap_or(0);
            }
            _ => break,
        }
        i += 1;
    }
    (name, i)
}

fn tokens(text: &str) -> Vec<Token> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = if c.is_whitespace() {
            c.len_utf8()
        } else if c == '\'' || c == '"' {
            // ruleutils.c prints a backslash in a constant doubled and with an E before it
            let escapes = tokens.last() == Some(&Token::Word("E".to_owned()));
            let (content, length) = quoted(rest, c, c == '\'' && escapes);
            if c == '\'' && escapes {
                tokens.pop();
            }
            tokens.push(match c {
                '"' => Token::Quoted(content),
                _ => Token::Literal(content),
            });
            length
        } else if c.is_ascii_digit() {
            let length = span(rest, |c| c.is_ascii_alphanumeric() || c == '.');
            tokens.push(Token::Number);
            length
        } else if is_name(c) {
            let length = span(rest, is_name);
            tokens.push(Token::Word(rest[..length].to_owned()));
            length
        } else if rest.starts_with("::") {
            tokens.push(Token::Cast);
            2
        } else if "+-*/<>=~!@#%^&|`?".contains(c) {
            let length = span(rest, |c| "+-*/<>=~!@#%^&|`?".contains(c));
            tokens.push(Token::Operator(rest[..length].to_owned()));
            length
        } else {
            tokens.push(Token::Punctuation(c));
            c.len_utf8()
        };
        rest = &rest[taken..];
    }
    tokens
}

/// Bytes of the characters from the start that are so.
fn span(text: &str, is_so: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_so(c)).unwrap_or(text.len())
}

/// What stands between quotes, and its length with them; a doubled quote is one.
fn quoted(text: &str, quote: char, escapes: bool) -> (String, usize) {
    let mut content = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && escapes {
            content.extend(characters.next().map(|(_, c)| c));
        } else if c != quote {
            content.push(c);
        } else if characters.next_if(|(_, c)| *c == quote).is_some() {
            content.push(quote);
        } else {
            return (content, at + 1);
        }
    }
    (content, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(text: &str) -> Uses {
        let mut uses = Uses::default();
        let texts = BTreeSet::from(["note".to_owned()]);
        collect(text, Some(&texts), &mut uses);
        uses
    }

    fn names(set: &BTreeSet<String>) -> Vec<&str> {
        set.iter().map(String::as_str).collect()
    }

    #[test]
    fn functions_are_found_and_types_keywords_and_constants_are_not_taken_for_them() {
        let found = uses(
            r#"CASE WHEN (public."My Fn"(t.a, 'x(y) ''f('''::text) > 5) THEN COALESCE(lower((t.b)::character varying(10)), "substring"(t.c, 1)) ELSE E'\\'' g('::text END"#,
        );
        assert_eq!(names(&found.functions), ["My Fn", "lower", "substring"]);
        assert_eq!(names(&found.operators), [">"]);
        assert!(
            found.doubts.is_empty() && found.clock.is_empty(),
            "{found:?}"
        );
        let found =
            uses("(t.at)::timestamp(3) without time zone AND (f(t.x) OR (ARRAY[1])[1] = 2)");
        assert_eq!(names(&found.functions), ["f"]);
    }

    #[test]
    fn operators_with_a_schema_are_found() {
        let found = uses("(t.a OPERATOR(public.<->) t.b) || 'a + b'::text");
        assert_eq!(names(&found.operators), ["<->", "||"]);
        assert!(found.functions.is_empty());
    }

    #[test]
    fn clock_and_session_are_told_apart_from_columns_that_are_called_so() {
        assert_eq!(
            names(&uses("CURRENT_TIMESTAMP(3)").clock),
            ["CURRENT_TIMESTAMP"]
        );
        assert_eq!(
            names(&uses("(CURRENT_USER)::text").session),
            ["CURRENT_USER"]
        );
        let column = uses(r#"t."current_user" || t."USER""#);
        assert!(column.clock.is_empty() && column.session.is_empty());
    }

    #[test]
    fn what_is_not_known_is_doubted() {
        assert!(!uses("XMLELEMENT(NAME a, t.b)").doubts.is_empty());
        assert!(!uses("row_number() OVER (?)").doubts.is_empty());
        assert!(
            !uses("('now'::text)::timestamp without time zone")
                .doubts
                .is_empty()
        );
    }

    #[test]
    fn only_a_cast_that_may_read_text_as_the_clock_is_doubted() {
        assert!(!uses("(t.note)::timestamp with time zone").doubts.is_empty());
        assert!(!uses("(t.note)::public.stamp").doubts.is_empty());
        assert!(uses("(t.note)::numeric(10,2)").doubts.is_empty());
        assert!(uses("(t.at)::date").doubts.is_empty());
        assert!(uses("t.note || '2024-01-01'::date").doubts.is_empty());
        let mut above = Uses::default();
        collect("(q.id)::date", None, &mut above);
        assert_eq!(above.doubts.len(), 1);
    }

    #[test]
    fn words_for_the_clock_are_found_wherever_they_stand() {
        for (text, yes) in [
            ("SELECT 'now'::timestamptz", true),
            ("SELECT timestamp 'Today 04:05'", true),
            ("SELECT now() AS at", false),
            ("SELECT snow, now_1 FROM input", false),
        ] {
            assert_eq!(names_clock(text), yes, "{text}");
        }
    }

    #[test]
    fn a_plain_column_is_nothing_but_one() {
        let column = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(plain_column("t.id"), column("t", "id"));
        assert_eq!(plain_column(r#""T x"."a""b""#), column("T x", "a\"b"));
        assert_eq!(plain_column("(t.id)"), None);
        assert_eq!(plain_column("lower(t.id)"), None);
        assert_eq!(plain_column("5"), None);
    }
}
