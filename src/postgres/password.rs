//! Passwords that neither the connection nor PGPASSWORD gives: the password file, as libpq has it.
//!
//! Source: PostgreSQL manual, "The Password File". A password found here goes into the connection
//! and nowhere else.

use std::path::{Path, PathBuf};

use crate::config::types::Secret;

/// What a password is looked up for.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    /// Host as connected to; `localhost` for a Unix socket in the default directory.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: &'a str,
    /// Role.
    pub user: &'a str,
}

/// The password for this connection from `file`, or from ~/.pgpass, if there is one.
#[must_use]
pub fn find(lookup: Lookup<'_>, file: Option<&Path>) -> Option<Secret> {
    let path = file
        .map(Path::to_owned)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pgpass")))?;
    if !is_private(&path) {
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    find_in(&text, lookup)
}

/// libpq ignores a password file that others may read, and warns; so do we.
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = std::fs::metadata(path) else {
        return false;
    };
    if !metadata.is_file() {
        return false;
    }
    let open_to_others = metadata.permissions().mode() & 0o077;
    let private = open_to_others == 0;
    if !private {
        tracing::warn!(
            "password file {} is readable by others and was ignored; chmod 0600 it",
            path.display()
        );
    }
    private
}

fn find_in(text: &str, lookup: Lookup<'_>) -> Option<Secret> {
    let port = lookup.port.to_string();
    let wanted = [lookup.host, &port, lookup.database, lookup.user];
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let fields = split_line(line);
            let [host, port, database, user, password] = fields.as_slice() else {
                return None;
            };
            let matches = [host, port, database, user]
                .into_iter()
                .zip(wanted)
                .all(|(field, wanted)| field == "*" || field == wanted);
            matches.then(|| Secret::new(password.clone()))
        })
}

/// Splits at colons; a backslash takes the next character as it is.
fn split_line(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let last = fields.len() - 1;
        match character {
            ':' => fields.push(String::new()),
            '\\' => fields[last].extend(characters.next()),
            other => fields[last].push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKUP: Lookup<'_> = Lookup {
        host: "db1",
        port: 5432,
        database: "shop",
        user: "app",
    };

    #[test]
    fn the_first_matching_line_wins() {
        let text = "# comment\ndb2:*:*:*:no\ndb1:5432:shop:app:yes\n*:*:*:*:later\n";
        assert_eq!(find_in(text, LOOKUP).unwrap().reveal(), "yes");
    }

    #[test]
    fn backslashes_escape_colons() {
        assert_eq!(
            find_in(r"*:*:*:*:a\:b\\c", LOOKUP).unwrap().reveal(),
            r"a:b\c"
        );
    }

    #[test]
    fn malformed_lines_are_passed_over() {
        assert!(find_in("db1:5432:shop:app\n\n:::\n", LOOKUP).is_none());
    }
}
