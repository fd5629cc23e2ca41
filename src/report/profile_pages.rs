//! A page in Markdown for each profile that sessions were saved of, and an index of them.
//!
//! Every session of a profile is listed, whatever it says; the newest one that is whole is shown in
//! full, and the newest tuning.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::compared::escaped;
use super::tables;
use crate::bench::archive::Document;
use crate::bench::artifact::{Artifact, Status};
use crate::bench::tune::artifact::TuneArtifact;
use crate::error::Result;

/// The index's file name.
const INDEX: &str = "README.md";

/// What is known of a profile, newest last: each with its file as a page refers to it.
#[derive(Default)]
struct Known<'a> {
    sessions: Vec<(&'a str, &'a Artifact)>,
    tunings: Vec<(&'a str, &'a TuneArtifact)>,
}

/// The pages, by file name. `documents` are artifacts, each with its file as seen from the pages'
/// directory.
///
/// # Errors
/// A session whose gates this version does not know.
pub fn pages(documents: &[(String, Document)]) -> Result<BTreeMap<String, String>> {
    let mut profiles: BTreeMap<&str, Known<'_>> = BTreeMap::new();
    for (file, document) in documents {
        match document {
            Document::Session(a) => {
                profiles
                    .entry(&a.profile.name)
                    .or_default()
                    .sessions
                    .push((file, a));
            }
            Document::Tuning(a) => {
                profiles
                    .entry(&a.profile.name)
                    .or_default()
                    .tunings
                    .push((file, a));
            }
        }
    }
    let mut index = "# Benchmarks\n\nOne page a profile, made by `rb-bench report --profile-pages` from the saved artifacts.\n\n\
                     | profile | sessions | the newest says |\n| --- | ---: | --- |\n"
        .to_owned();
    let mut pages = BTreeMap::new();
    for (name, mut known) in profiles {
        known
            .sessions
            .sort_by_key(|(_, session)| session.created_at.clone());
        known
            .tunings
            .sort_by_key(|(_, tuning)| tuning.created_at.clone());
        let file = format!("{}.md", file_stem(name));
        let newest = newest_whole(&known.sessions)
            .and_then(|(_, session)| session.summary.comparison.as_ref());
        let _ = writeln!(
            index,
            "| [{}]({file}) | {} | {} |",
            escaped(name),
            known.sessions.len(),
            newest.map(|c| escaped(&c.text)).unwrap_or_default()
        );
        pages.insert(file, page(name, &known)?);
    }
    pages.insert(INDEX.to_owned(), index);
    Ok(pages)
}

fn page(name: &str, known: &Known<'_>) -> Result<String> {
    let mut text = format!("# {}\n\n", escaped(name));
    let described = known
        .sessions
        .iter()
        .rev()
        .find_map(|(_, s)| s.profile.description.as_deref());
    if let Some(description) = described {
        let _ = writeln!(text, "{}\n", escaped(description));
    }
    if let Some((file, session)) = newest_whole(&known.sessions) {
        let _ = writeln!(
            text,
            "## The newest session\n\n{}",
            tables::comparison(session, file)?
        );
        let machine = tables::machine(&session.host, &session.postgres, &session.tool);
        let _ = writeln!(text, "### Where it ran\n\n{machine}");
    }
    if let Some((file, tuning)) = known.tunings.last() {
        let _ = writeln!(
            text,
            "## The newest tuning\n\n{}",
            tables::tuning(tuning, file)
        );
    }
    if !known.sessions.is_empty() {
        let all = tables::verdicts(known.sessions.iter().rev().copied());
        let _ = writeln!(text, "## All sessions, newest first\n\n{}", all.trim_end());
    }
    Ok(text)
}

/// The newest session of two arms that ended as planned.
fn newest_whole<'a>(sessions: &[(&'a str, &'a Artifact)]) -> Option<(&'a str, &'a Artifact)> {
    let whole = |session: &Artifact| {
        session.summary.status == Status::Complete
            && !session.partial
            && session.summary.comparison.is_some()
    };
    sessions
        .iter()
        .rev()
        .find(|(_, session)| whole(session))
        .copied()
}

/// A name that is safe as a file's.
fn file_stem(name: &str) -> String {
    let safe = |c: char| {
        if c.is_alphanumeric() || matches!(c, '-' | '_') {
            c
        } else {
            '_'
        }
    };
    name.chars().map(safe).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples;

    #[test]
    fn a_profile_shows_its_newest_whole_session_and_lists_all() {
        let session = |created: &str, after: f64, partial| {
            let mut session = examples::session_of(&[2.0; 6], &[after; 6]);
            session.created_at = created.into();
            session.partial = partial;
            (
                format!("../{created}.json"),
                Document::Session(Box::new(session)),
            )
        };
        let mut other = examples::session_of(&[2.0; 6], &[2.0; 6]);
        other.profile.name = "../evil".into();
        let documents = [
            session("2026-03", 1.9, true),
            session("2026-02", 1.0, false),
            session("2026-01", 3.0, false),
            ("../x.json".to_owned(), Document::Session(Box::new(other))),
        ];
        let pages = pages(&documents).unwrap();
        let names: Vec<&String> = pages.keys().collect();
        assert_eq!(names, ["README.md", "___evil.md", "medium.md"]);
        let page = &pages["medium.md"];
        assert!(
            page.contains("From [../2026-02.json](../2026-02.json)"),
            "{page}"
        );
        let listed = page.split("## All sessions").nth(1).unwrap();
        let places: Vec<usize> = ["2026-03", "2026-02", "2026-01"]
            .iter()
            .map(|created| listed.find(created).unwrap())
            .collect();
        assert!(places.is_sorted(), "{listed}");
        assert!(
            listed.contains("(partial)") && listed.contains("REGRESSED"),
            "{listed}"
        );
        insta::assert_snapshot!(pages["README.md"], @"
        # Benchmarks

        One page a profile, made by `rb-bench report --profile-pages` from the saved artifacts.

        | profile | sessions | the newest says |
        | --- | ---: | --- |
        | [../evil](___evil.md) | 1 | EQUIVALENT  throughput 0.0 % (95 % CI 0.0 .. 0.0), 6 pairs, threshold 2 % |
        | [medium](medium.md) | 3 | IMPROVED  throughput +100.0 % (95 % CI +100.0 .. +100.0), 6 pairs, threshold 2 % |
        ");
    }
}
