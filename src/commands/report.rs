//! `rb-bench report`: a page for a browser, tables in a document, pages of profiles.
//!
//! Everything is made before anything is written, and each file is written whole.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::json;

use super::print_line;
use crate::bench::archive::Document;
use crate::bench::store;
use crate::cli::{Format, ReportArgs};
use crate::error::{Error, Kind, Result};
use crate::report::{citation, html, profile_pages, tables};

/// A document that is not what its artifacts say.
const OUT_OF_DATE: u8 = 1;

/// Writes what was asked for.
pub(super) fn run(args: &ReportArgs) -> Result<u8> {
    if let Some(document) = &args.update {
        return update(args, document);
    }
    let written = match (&args.profile_pages, &args.html) {
        (Some(directory), _) => profile_pages(&args.out, directory)?,
        (None, Some(file)) => vec![page(&args.artifacts, &args.out, file)?],
        (None, None) => {
            // the command line asks for one of them
            return Err(Error::internal("nothing to make was named"));
        }
    };
    let names: Vec<String> = written
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    print_line(&match args.format {
        Format::Json => json!({ "written": names }).to_string(),
        Format::Text => names
            .iter()
            .map(|name| format!("wrote {name}"))
            .collect::<Vec<_>>()
            .join("\n"),
    })?;
    Ok(0)
}

/// One page of all artifacts, in the order they were named.
fn page(artifacts: &[String], directory: &Path, file: &Path) -> Result<PathBuf> {
    let (mut parts, mut names) = (Vec::new(), Vec::new());
    for word in artifacts {
        match Document::named(word, directory)? {
            Document::Session(session) => {
                names.push(session.profile.name.clone());
                parts.push(html::session(&session));
            }
            Document::Tuning(tuning) => {
                names.push(tuning.profile.name.clone());
                parts.push(html::tuning(&tuning));
            }
        }
    }
    names.sort();
    names.dedup();
    let title = format!("Benchmark: {}", names.join(", "));
    store::replace(file, html::page(&title, &parts).as_bytes())?;
    Ok(file.to_owned())
}

fn update(args: &ReportArgs, document: &Path) -> Result<u8> {
    let text = fs::read_to_string(document).map_err(|e| Error::file("read", document, e))?;
    let directory = document.parent().unwrap_or(Path::new(""));
    let rewritten = citation::rewritten(&text, document, |cited| tables::cited(cited, directory))?;
    let changes = rewritten != text;
    if changes && !args.check {
        store::replace(document, rewritten.as_bytes())?;
    }
    let name = document.display();
    let says = match (changes, args.check) {
        (false, _) => format!("{name} is up to date"),
        (true, false) => format!("updated {name}"),
        (true, true) => {
            format!("{name} is not what its artifacts say: rb-bench report --update {name}")
        }
    };
    print_line(&match args.format {
        Format::Json => {
            json!({ "document": name.to_string(), "changes": changes, "written": changes && !args.check }).to_string()
        }
        Format::Text => says,
    })?;
    Ok(if changes && args.check {
        OUT_OF_DATE
    } else {
        0
    })
}

/// A page for each profile that is kept in `artifacts`.
fn profile_pages(artifacts: &Path, directory: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(directory).map_err(|e| Error::file("make", directory, e))?;
    let from = way(directory, artifacts)?;
    let refused = |e| Error::file("look through", artifacts, e);
    let mut documents = Vec::new();
    for entry in fs::read_dir(artifacts).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let name = path.file_name().unwrap_or_default();
            documents.push((
                from.join(name).display().to_string(),
                Document::load(&path)?,
            ));
        }
    }
    if documents.is_empty() {
        return Err(Error::new(
            Kind::NotFound,
            format!("no artifact is kept in {}", artifacts.display()),
        )
        .remedy("measure first, or name another directory with --out DIR"));
    }
    let mut written = Vec::new();
    for (name, text) in profile_pages::pages(&documents)? {
        let path = directory.join(name);
        store::replace(&path, text.as_bytes())?;
        written.push(path);
    }
    Ok(written)
}

/// The way from one directory to another, as a link takes it.
fn way(from: &Path, to: &Path) -> Result<PathBuf> {
    let whole = |path: &Path| {
        path.canonicalize()
            .map_err(|e| Error::file("find", path, e))
    };
    let (from, to) = (whole(from)?, whole(to)?);
    let common = from
        .components()
        .zip(to.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    Ok(up.chain(to.components().skip(common)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_goes_up_and_down_again() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (
            place.path().join("docs/benchmarks"),
            place.path().join("bench-results"),
        );
        fs::create_dir_all(&from).unwrap();
        fs::create_dir_all(&to).unwrap();
        assert_eq!(way(&from, &to).unwrap(), Path::new("../../bench-results"));
        assert_eq!(way(&to, &to).unwrap(), Path::new(""));
        let nowhere = place.path().join("nowhere");
        let error = way(&from, &nowhere).unwrap_err();
        let start = format!("cannot find {}: ", nowhere.display());
        assert!(error.message().starts_with(&start), "{error}");
    }
}
