//! Service files: connection settings under a name, as libpq keeps them.
//!
//! The user's file is asked first, then the system's. LDAP look-ups are refused, not passed over.
//! Source: PostgreSQL manual, "The Connection Service File".

use std::path::{Path, PathBuf};

use super::conninfo::Settings;
use crate::error::{Error, Kind, Result};

/// The settings of a service: from the first of `files` that has it. A file that is not there is
/// passed over, unless it is `required`.
///
/// # Errors
/// `Kind::NotFound` where no file has the service, `Kind::Config` for a line that is no setting.
pub(super) fn find(service: &str, files: &[PathBuf], required: Option<&Path>) -> Result<Settings> {
    for file in files {
        let text = match std::fs::read(file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && required != Some(file.as_path()) =>
            {
                continue;
            }
            Err(error) => return Err(Error::file("read the service file", file, error)),
        };
        if let Some(settings) = find_in(&text, service, file)? {
            return Ok(settings);
        }
    }
    let looked: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    Err(Error::new(
        Kind::NotFound,
        format!(
            "no service `{service}` in the service files ({})",
            looked.join(", ")
        ),
    )
    .remedy(format!(
        "write a section [{service}] into one of them, or name the file in PGSERVICEFILE"
    )))
}

/// The settings below `[service]`, up to the next section.
fn find_in(text: &str, service: &str, file: &Path) -> Result<Option<Settings>> {
    let mut found: Option<Settings> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let section = line.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
        match (section, &mut found) {
            (Some(_), Some(_)) => break,
            (Some(name), None) if name == service => found = Some(Settings::new()),
            (Some(_) | None, None) => {}
            (None, Some(settings)) => {
                let wrong = |why: &str| {
                    Error::new(
                        Kind::Config,
                        format!("{}:{}: {why}", file.display(), number + 1),
                    )
                };
                if line.starts_with("ldap://") {
                    return Err(wrong("services are not looked up by LDAP")
                        .with_kind(Kind::Unsupported)
                        .remedy("write the settings of the service into the file"));
                }
                let Some((name, value)) = line.split_once('=') else {
                    return Err(wrong("a setting of a service has no =")
                        .remedy("write it as name=value, one a line"));
                };
                if name.trim() == "service" {
                    return Err(wrong("a service cannot name another service")
                        .remedy("write the settings of the other one here"));
                }
                settings.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# services\n[other]\nhost=db2\n\n[shop]\nhost=db1\n # the port\nport = 6000\npassword=a=b\n[shop]\nhost=late\n[bad]\nhunter2\n[deep]\nservice=shop\n[ldap]\nldap://x\n";

    fn found(service: &str) -> Result<Option<Settings>> {
        find_in(TEXT, service, Path::new("services.conf"))
    }

    #[test]
    fn a_service_is_its_section_up_to_the_next() {
        let settings = found("shop").unwrap().unwrap();
        let expected = [("host", "db1"), ("port", "6000"), ("password", "a=b")];
        let expected: Vec<_> = expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(settings, expected);
        assert!(found("none").unwrap().is_none());
    }

    #[test]
    fn a_line_that_is_no_setting_is_told_by_its_place_and_not_shown() {
        for (service, why) in [
            (
                "bad",
                "services.conf:13: a setting of a service has no =\n  what to do: write it as name=value, one a line",
            ),
            (
                "deep",
                "services.conf:15: a service cannot name another service\n  what to do: write the settings of the other one here",
            ),
            (
                "ldap",
                "services.conf:17: services are not looked up by LDAP\n  what to do: write the settings of the service into the file",
            ),
        ] {
            let said = found(service).unwrap_err().to_string();
            assert_eq!(said, why);
        }
    }

    #[test]
    fn a_service_that_no_file_has_is_told_with_the_files() {
        let files = ["/nowhere/a.conf".into(), "/nowhere/b.conf".into()];
        let said = find("shop", &files, None).unwrap_err().to_string();
        assert_eq!(
            said,
            "no service `shop` in the service files (/nowhere/a.conf, /nowhere/b.conf)\n  what to do: write a section \
             [shop] into one of them, or name the file in PGSERVICEFILE"
        );
        let error = find("shop", &files, Some(&files[0])).unwrap_err();
        assert!(
            error.message().contains("cannot read the service file"),
            "{error}"
        );
    }
}
