//! Connection strings as libpq takes them: URLs and `key=value` settings, into settings by name.
//!
//! It knows the grammar, not the names. A connection string may hold a password anywhere, so no
//! error here quotes any of it. Source: PostgreSQL manual, "Connection Strings".

use percent_encoding::percent_decode_str;

use crate::error::{Error, Kind, Result};

/// What the string says: names and values in the order in which they stand.
pub(super) type Settings = Vec<(String, String)>;

/// Reads a URL or a string of settings.
///
/// # Errors
/// `Kind::Config`, without the text.
pub(super) fn parse(text: &str) -> Result<Settings> {
    for scheme in ["postgres://", "postgresql://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return parse_url(rest).map_err(|why| {
                Error::new(
                    Kind::Config,
                    format!("the connection URL cannot be read: {why}"),
                )
                .remedy("write it as postgres://user@host:port/database?name=value, with anything unusual percent-encoded (%40 for @, %2F for /)")
            });
        }
    }
    parse_settings(text).map_err(|why| {
        Error::new(
            Kind::Config,
            format!("the connection settings cannot be read: {why}"),
        )
        .remedy("write them as host=db1 dbname=shop, values with blanks in single quotes")
    })
}

type Parsed<T> = std::result::Result<T, &'static str>;

fn decode(text: &str) -> Parsed<String> {
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('%') {
        let digits = bytes.get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err("a % is not followed by two hexadecimal digits");
        }
    }
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| "what is percent-encoded is not UTF-8")?;
    if decoded.contains('\0') {
        return Err("it holds a zero byte");
    }
    Ok(decoded.into_owned())
}

/// What follows `postgres://`: `user:password@host:port,host:port/database?name=value&...`.
fn parse_url(text: &str) -> Parsed<Settings> {
    let mut settings = Settings::new();
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            settings.push((name.to_owned(), value));
        }
    };
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, database) = path.split_once('/').unwrap_or((path, ""));
    if database.contains('@') {
        // a / in a password would make a host of the user, which messages show
        return Err("an @ follows the first /");
    }
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    set("user", decode(user)?);
    set("password", decode(password)?);
    let places: Vec<(&str, &str)> = hosts.split(',').map(host_and_port).collect::<Parsed<_>>()?;
    let list = |part: fn(&(&str, &str)) -> String| {
        let parts: Vec<String> = places.iter().map(part).collect();
        let given = parts.iter().any(|part| !part.is_empty());
        if given {
            parts.join(",")
        } else {
            String::new()
        }
    };
    set("host", decode(&list(|(host, _)| (*host).to_owned()))?);
    set("port", decode(&list(|(_, port)| (*port).to_owned()))?);
    set("dbname", decode(database)?);
    for parameter in query.split('&').filter(|text| !text.is_empty()) {
        let (name, value) = parameter
            .split_once('=')
            .ok_or("a parameter after the ? has no =")?;
        let (name, value) = (decode(name)?, decode(value)?);
        // as JDBC has it, and libpq too
        if name == "ssl" && value == "true" {
            settings.push(("sslmode".into(), "require".into()));
        } else {
            settings.push((name, value));
        }
    }
    Ok(settings)
}

fn host_and_port(text: &str) -> Parsed<(&str, &str)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(rest) => rest
            .split_once(']')
            .ok_or("an address begins with [ and has no ]")?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, port)),
        None if rest.is_empty() => Ok((host, "")),
        None => Err("something other than a port follows an address in []"),
    }
}

fn parse_settings(text: &str) -> Parsed<Settings> {
    let mut settings = Settings::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or("a setting has no =")?;
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err("a setting has no =");
        }
        let (value, after) = setting_value(after.trim_start())?;
        settings.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(settings)
}

/// One value, quoted or not, and what follows it. A backslash takes the next character as it is.
fn setting_value(text: &str) -> Parsed<(String, &str)> {
    let (quoted, text) = match text.strip_prefix('\'') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            blank if !quoted && blank.is_whitespace() => return Ok((value, &text[at..])),
            other => value.push(other),
        }
    }
    if quoted {
        return Err("a quoted value has no end");
    }
    Ok((value, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        let settings = parse(text).unwrap();
        let settings: Vec<String> = settings.iter().map(|(k, v)| format!("{k}={v}")).collect();
        settings.join(" ")
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        for (url, settings) in [
            ("postgres://", ""),
            ("postgresql:///shop", "dbname=shop"),
            (
                "postgres://app:p%40ss@db1:6000/shop",
                "user=app password=p@ss host=db1 port=6000 dbname=shop",
            ),
            (
                "postgres://app@/shop?host=/tmp",
                "user=app dbname=shop host=/tmp",
            ),
            (
                "postgres://%2Fvar%2Frun%2Fpostgresql/shop",
                "host=/var/run/postgresql dbname=shop",
            ),
            (
                "postgres://[::1]:5433/shop",
                "host=::1 port=5433 dbname=shop",
            ),
            ("postgres://db1:1,db2,[::1]:3", "host=db1,db2,::1 port=1,,3"),
            (
                "postgres://db1,db2/x?ssl=true",
                "host=db1,db2 dbname=x sslmode=require",
            ),
            (
                "postgres://h/d?options=-c%20work_mem%3D64MB&sslmode=verify-full",
                "host=h dbname=d options=-c work_mem=64MB sslmode=verify-full",
            ),
            (
                "postgres://h/d?application_name=",
                "host=h dbname=d application_name=",
            ),
        ] {
            assert_eq!(parsed(url), settings, "{url}");
        }
    }

    #[test]
    fn settings_are_read_as_libpq_reads_them() {
        for (text, settings) in [
            ("", ""),
            ("host=db1 dbname = shop", "host=db1 dbname=shop"),
            (
                r"password='it\'s a \\' user=a\ b",
                r"password=it's a \ user=a b",
            ),
            ("user='' port=1", "user= port=1"),
        ] {
            assert_eq!(parsed(text), settings, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_without_being_shown() {
        for (text, why) in [
            (
                "postgres://app:hunter2%4@h/d",
                "a % is not followed by two hexadecimal digits",
            ),
            (
                "postgres://app:hunter2@[::1/d",
                "an address begins with [ and has no ]",
            ),
            (
                "postgres://app:hunter2@[::1]x/d",
                "something other than a port follows an address in []",
            ),
            (
                "postgres://app:hunter2@h/d?hunter2",
                "a parameter after the ? has no =",
            ),
            ("postgres://app:hun/ter2@h/d", "an @ follows the first /"),
            (
                "postgres://app:%FF@h/d",
                "what is percent-encoded is not UTF-8",
            ),
            ("postgres://app:%00@h/d", "it holds a zero byte"),
            ("host=h password='hunter2", "a quoted value has no end"),
            ("host=h hunter2 user=a", "a setting has no ="),
            ("host=h hunter2", "a setting has no ="),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            let expected = if text.starts_with("postgres") {
                format!(
                    "the connection URL cannot be read: {why}\n  what to do: write it as \
                     postgres://user@host:port/database?name=value, with anything unusual percent-encoded (%40 \
                     for @, %2F for /)"
                )
            } else {
                format!(
                    "the connection settings cannot be read: {why}\n  what to do: write them as host=db1 \
                     dbname=shop, values with blanks in single quotes"
                )
            };
            assert_eq!(error.to_string(), expected);
        }
    }
}
