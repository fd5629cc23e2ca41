//! Keeps passwords out of what is shown.
//!
//! Any text of a document that reaches a message goes through [`mask_secrets`] first, whatever key
//! it stood under: a URL is often pasted into the wrong place. It masks too much rather than too
//! little; its result is for reading, never for connecting.

/// The longest text a message quotes, in characters.
const SHOWN_CHARS: usize = 60;

/// The text with the password of a URL (`user:***@host`) and of `password=` settings masked.
#[must_use]
pub fn mask_secrets(text: &str) -> String {
    mask_settings(&mask_userinfo(text))
}

/// What stands where a secret stood.
const MASK: &str = "***";

/// Whether a secret was masked in this text.
#[must_use]
pub fn holds_masked(text: &str) -> bool {
    without_masked(text) != text
}

/// A masked text without the places where secrets stood, so that they come from elsewhere:
/// `postgres://app@db1/shop` of `postgres://app:***@db1/shop`.
#[must_use]
pub fn without_masked(text: &str) -> String {
    let mut text = text.replace(&format!(":{MASK}@"), "@");
    while let Some(value) = text.to_ascii_lowercase().find(&format!("={MASK}")) {
        let end = value + 1 + MASK.len();
        let start = text[..value]
            .rfind(|c: char| c == '?' || c == '&' || c.is_whitespace())
            .map_or(0, |at| at + 1);
        // what joined it to the next setting goes with it, else what joined it to the last one
        let next = text[end..].starts_with(|c: char| c == '&' || c.is_whitespace());
        text.replace_range(
            start.saturating_sub(usize::from(!next))..end + usize::from(next),
            "",
        );
    }
    text
}

/// Masks what stands between the first colon of the authority and the last `@`. A password with an
/// unescaped `@` or `/` is masked whole; without an `@`, what stands in the place of a port is masked
/// unless it is a number.
fn mask_userinfo(text: &str) -> String {
    let authority = text.find("://").map_or(0, |at| at + 3);
    let (head, rest) = text.split_at(authority);
    let Some(colon) = rest.find(':') else {
        return text.to_owned();
    };
    if let Some(at) = rest.rfind('@').filter(|at| *at > colon) {
        return format!("{head}{}:***{}", &rest[..colon], &rest[at..]);
    }
    let port = &rest[colon + 1..];
    let port = &port[..port.find(['/', '?', ',', ']']).unwrap_or(port.len())];
    if head.is_empty() || port.bytes().all(|b| b.is_ascii_digit() || b == b':') {
        return text.to_owned();
    }
    format!(
        "{head}{}:***{}",
        &rest[..colon],
        &rest[colon + 1 + port.len()..]
    )
}

/// Masks the value of every `password=` setting, quoted or not, in keyword strings and in queries.
fn mask_settings(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(found) = lower[from..].find("password") {
        let word_end = from + found + "password".len();
        let value = lower[word_end..].trim_start();
        let Some(value) = value.strip_prefix('=') else {
            masked.push_str(&text[from..word_end]);
            from = word_end;
            continue;
        };
        let start = text.len() - value.trim_start().len();
        masked.push_str(&text[from..start]);
        masked.push_str("***");
        from = start + setting_length(&text[start..]);
    }
    masked.push_str(&text[from..]);
    masked
}

/// Bytes of a setting's value: up to the closing quote, or to a space or `&`.
fn setting_length(text: &str) -> usize {
    if !text.starts_with('\'') {
        return text
            .find(|c: char| c.is_whitespace() || c == '&')
            .unwrap_or(text.len());
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The text as a message quotes it: in backticks, masked, on one line, not endless.
#[must_use]
pub fn quote(text: &str) -> String {
    let masked = mask_secrets(text);
    let mut shown: String = masked
        .chars()
        .take(SHOWN_CHARS)
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect();
    if masked.chars().count() > SHOWN_CHARS {
        shown.push_str("...");
    }
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_masked() {
        for (text, shown) in [
            ("postgres://app@db1/shop", "postgres://app@db1/shop"),
            ("postgres://db1:5432/shop", "postgres://db1:5432/shop"),
            ("postgres://[::1]:5432/shop", "postgres://[::1]:5432/shop"),
            (
                "postgres://app:hunter2@db1:5432/shop",
                "postgres://app:***@db1:5432/shop",
            ),
            (
                "postgres://app:hun/ter@2@db1/shop",
                "postgres://app:***@db1/shop",
            ),
            ("postgres:/app:hunter2@db1/shop", "postgres:***@db1/shop"),
            ("app:hunter2@db1", "app:***@db1"),
            ("mysql://app:hunter2", "mysql://app:***"),
            (
                "postgres://db/s?password=hunter2&sslmode=require",
                "postgres://db/s?password=***&sslmode=require",
            ),
            (
                "host=db password = 'hunter 2' user=app",
                "host=db password = *** user=app",
            ),
            (
                r"host=db PASSWORD='hun\'ter' user=app",
                "host=db PASSWORD=*** user=app",
            ),
            ("the password is not here", "the password is not here"),
        ] {
            assert_eq!(mask_secrets(text), shown);
        }
    }

    #[test]
    fn a_masked_text_without_its_secrets_still_connects() {
        for (text, bare) in [
            (
                "postgres://app:hunter2@db1:5432/shop",
                "postgres://app@db1:5432/shop",
            ),
            (
                "postgres://db/s?password=hunter2&sslmode=require",
                "postgres://db/s?sslmode=require",
            ),
            (
                "postgres://db/s?a=b&password=hunter2",
                "postgres://db/s?a=b",
            ),
            ("postgres://db/s?password=hunter2", "postgres://db/s"),
            ("host=db password='hunter 2' user=app", "host=db user=app"),
            ("password=hunter2", ""),
        ] {
            let masked = mask_secrets(text);
            assert!(holds_masked(&masked), "{masked}");
            assert_eq!(without_masked(&masked), bare);
        }
        for plain in ["postgres://app@db1/shop", "--table=public.*", "a ** b"] {
            assert!(!holds_masked(plain));
        }
    }

    #[test]
    fn a_quoted_text_stays_on_one_line_and_ends() {
        assert_eq!(quote("a\nb"), "`a\\nb`");
        assert_eq!(quote(&"x".repeat(61)), format!("`{}...`", "x".repeat(60)));
    }
}
