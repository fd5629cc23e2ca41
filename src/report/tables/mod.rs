//! Tables in Markdown, for documents: each made from saved artifacts alone, and naming them.

mod growth;
mod peers;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::citation::Citation;
use super::compared::{escaped, markdown};
use super::figures;
use super::tune::{name_of, rows};
use crate::bench::archive::Document;
use crate::bench::artifact::{Artifact, HostRecord, PostgresRecord, Status, Tool};
use crate::bench::compared::Compared;
use crate::bench::order::Arm;
use crate::bench::tune::artifact::TuneArtifact;
use crate::config::nearest;
use crate::error::{self, Error, Result};
use crate::units::{ByteRate, Bytes};

/// What a table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The two arms of a session: verdict, figures with ranges and changes, latencies, workers.
    Comparison,
    /// Several sessions, a line each, with their verdicts.
    Verdicts,
    /// The machine, the servers and the versions of a session or tuning.
    Machine,
    /// A tuning, or a measurement of the sides: each value, the choice, what `auto` loses, the limit.
    Tuning,
    /// Sessions of one profile in different sizes, a line each: what a row costs.
    Growth,
    /// What other tools reached: the file that `benches/peers/peers.py --json` writes.
    Peers,
}

impl Kind {
    const ALL: [(&str, Self); 6] = [
        ("comparison", Self::Comparison),
        ("verdicts", Self::Verdicts),
        ("machine", Self::Machine),
        ("tuning", Self::Tuning),
        ("growth", Self::Growth),
        ("peers", Self::Peers),
    ];
}

impl FromStr for Kind {
    type Err = Error;

    /// The kind of this name.
    ///
    /// # Errors
    /// `Kind::Config` for an unknown one, with the nearest and all there are.
    fn from_str(text: &str) -> Result<Self> {
        let names = || Self::ALL.into_iter().map(|(name, _)| name);
        let known = Self::ALL.into_iter().find(|(name, _)| *name == text);
        known.map(|(_, kind)| kind).ok_or_else(|| {
            let meant = nearest(text, names())
                .map(|meant| format!("; did you mean `{meant}`?"))
                .unwrap_or_default();
            let known: Vec<&str> = names().collect();
            Error::new(
                error::Kind::Config,
                format!("unknown kind of table `{text}`{meant}"),
            )
            .remedy(format!("use one of {}", known.join(", ")))
        })
    }
}

/// The table that a document cites; files are looked for from `directory`, the document's own.
///
/// # Errors
/// What keeps an artifact from being read, and one of another kind than the table's.
pub fn cited(citation: &Citation, directory: &Path) -> Result<String> {
    let files: Vec<(&str, PathBuf)> = citation
        .artifacts
        .iter()
        .map(|file| (file.as_str(), directory.join(file)))
        .collect();
    let one = || match &files[..] {
        [(name, path)] => Ok((*name, path.as_path())),
        _ => Err(Error::new(
            error::Kind::Config,
            "a table of this kind is made from one artifact",
        )),
    };
    match citation.kind {
        Kind::Comparison => {
            let (name, path) = one()?;
            comparison(&*session(path)?, name)
        }
        Kind::Verdicts | Kind::Growth => {
            let sessions: Vec<(&str, Box<Artifact>)> = files
                .iter()
                .map(|(name, path)| Ok((*name, session(path)?)))
                .collect::<Result<_>>()?;
            let sessions = sessions
                .iter()
                .map(|(name, session)| (*name, session.as_ref()));
            Ok(match citation.kind {
                Kind::Growth => growth::table(sessions),
                _ => verdicts(sessions),
            })
        }
        Kind::Machine => Ok(match Document::load(one()?.1)? {
            Document::Session(a) => machine(&a.host, &a.postgres, &a.tool),
            Document::Tuning(a) => machine(&a.host, &a.postgres, &a.tool),
        }),
        Kind::Tuning => {
            let (name, path) = one()?;
            match Document::load(path)? {
                Document::Tuning(artifact) => Ok(tuning(&artifact, name)),
                Document::Session(_) => Err(another_kind(path, "a session", "a tuning")),
            }
        }
        Kind::Peers => peers::table(one()?.1),
    }
}

fn session(path: &Path) -> Result<Box<Artifact>> {
    match Document::load(path)? {
        Document::Session(artifact) => Ok(artifact),
        Document::Tuning(_) => Err(another_kind(path, "a tuning", "a session")),
    }
}

fn another_kind(path: &Path, is: &str, needed: &str) -> Error {
    Error::new(
        error::Kind::Config,
        format!("{} is {is}; this table needs {needed}", path.display()),
    )
}

/// The two arms of a session.
pub(super) fn comparison(session: &Artifact, file: &str) -> Result<String> {
    let mut text = markdown(&Compared::of_session(session)?);
    let said = [
        (
            "judged by",
            figures::threshold(session).into_iter().collect(),
        ),
        ("run by", figures::programs(session)),
        ("screen", figures::screen(session).into_iter().collect()),
        ("may have disturbed it", figures::disturbances(session)),
        ("not quiet when it began", figures::waived(session)),
        ("to know", session.warnings.clone()),
    ];
    text.push('\n');
    for (name, lines) in said {
        for line in lines {
            let _ = writeln!(text, "- {name}: {}", escaped(&line));
        }
    }
    text.push_str(&source(file, &session.repeating_command()));
    Ok(text)
}

/// Where a table comes from, and the command that measures it again.
fn source(file: &str, command: &str) -> String {
    format!(
        "\nFrom [{file}]({file}); again: `{}`\n",
        command.replace('`', "'")
    )
}

/// A line a session: workers and throughput of both arms, and the verdict in its own words.
pub(super) fn verdicts<'a>(sessions: impl Iterator<Item = (&'a str, &'a Artifact)>) -> String {
    let mut text = "| session | workers before | workers after | throughput before | throughput after | verdict |\n\
                    | --- | --- | --- | ---: | ---: | --- |\n"
        .to_owned();
    for (file, session) in sessions {
        let arm = |arm| {
            session
                .summary
                .arms
                .get(&arm)
                .map_or_else(Default::default, |a| {
                    let workers = format!("{} ({})", a.parallelism_effective, a.parallelism_mode);
                    (
                        workers,
                        figures::spread(a.mb_per_s, |v| ByteRate(v * 1e6).to_string()),
                    )
                })
        };
        let ((before, before_rate), (after, after_rate)) = (arm(Arm::Before), arm(Arm::After));
        let label = session
            .label
            .as_deref()
            .map(|l| format!(" “{l}”"))
            .unwrap_or_default();
        let verdict = session
            .summary
            .comparison
            .as_ref()
            .map_or("", |c| c.text.as_str());
        let state = match session.summary.status {
            Status::Failed => " (failed)",
            Status::Invalid => " (invalid)",
            _ if session.partial => " (partial)",
            _ => "",
        };
        let _ = writeln!(
            text,
            "| [{}{}]({file}){state} | {} | {} | {before_rate} | {after_rate} | {} |",
            escaped(&session.profile.name),
            escaped(&label),
            escaped(&before),
            escaped(&after),
            escaped(verdict),
        );
    }
    text
}

/// On what it was measured.
pub(super) fn machine(host: &HostRecord, postgres: &PostgresRecord, tool: &Tool) -> String {
    let mut lines = Vec::new();
    if let Some(machine) = figures::machine(host) {
        lines.push(("machine", machine));
    }
    let cores = format!("{} of {} may be used", host.available_cores, host.cores);
    lines.push(("cores", cores));
    lines.push(("memory", Bytes(host.memory_bytes).to_string()));
    lines.push(("servers", figures::servers(postgres)));
    let both = [
        ("source", &postgres.source),
        ("destination", &postgres.destination),
    ];
    for (side, server) in both {
        let Some(server) = server else { continue };
        let settings = server
            .settings
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let settings: Vec<String> = settings.collect();
        lines.push((side, settings.join(", ")));
    }
    // two that are alike are said once
    if let [.., (_, source), (side, destination)] = &mut lines[..]
        && *side == "destination"
        && source == destination
    {
        *side = "settings, both";
        let both = lines.len() - 2;
        lines.remove(both);
    }
    lines.push((
        "rb-bench",
        format!("{}, {} build", tool.version, tool.build),
    ));
    let mut text = "| | |\n| --- | --- |\n".to_owned();
    for (name, line) in lines {
        let _ = writeln!(text, "| {name} | {} |", escaped(&line));
    }
    text
}

/// Each value of a tuning, what explains them, the choice, and what it was confirmed against.
pub(super) fn tuning(artifact: &TuneArtifact, file: &str) -> String {
    let summary = &artifact.summary;
    let mut text = format!(
        "| {} | workers | rounds | wall time | throughput | of the best |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
        escaped(name_of(artifact))
    );
    for row in rows(artifact) {
        let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    let told = [
        ("why", summary.fit_text.clone()),
        (
            "choice",
            summary.choice.as_ref().map(|choice| choice.setting.clone()),
        ),
        (
            "confirmed",
            summary.confirmation.as_ref().map(|c| c.text.clone()),
        ),
        (
            "limit",
            summary.limit.as_ref().map(|limit| limit.text.clone()),
        ),
    ];
    text.push('\n');
    for (name, line) in told {
        let Some(line) = line else { continue };
        let _ = writeln!(text, "- {name}: {}", escaped(&line));
    }
    if artifact.partial {
        text.push_str("- partial: it was interrupted\n");
    }
    for warning in &artifact.warnings {
        let _ = writeln!(text, "- to know: {}", escaped(warning));
    }
    text.push_str(&source(file, &artifact.invocation.repeat));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples;
    use crate::bench::tune::summary;

    #[test]
    fn a_session_is_a_line_with_its_verdict() {
        let session = examples::session_of(&[2.0; 6], &[1.2; 6]);
        insta::assert_snapshot!(verdicts([("a.json", &session)].into_iter()), @"
        | session | workers before | workers after | throughput before | throughput after | verdict |
        | --- | --- | --- | ---: | ---: | --- |
        | [medium](a.json) | 1 (manual) | 2 (auto) | 95.0 MB/s (95.0 MB/s .. 95.0 MB/s) | 158 MB/s (158 MB/s .. 158 MB/s) | IMPROVED  throughput +66.7 % (95 % CI +66.7 .. +66.7), 6 pairs, threshold 2 % |
        ");
    }

    #[test]
    fn what_was_measured_on_is_told() {
        let session = examples::session();
        insta::assert_snapshot!(machine(&session.host, &session.postgres, &session.tool), @r#"
        | | |
        | --- | --- |
        | machine | EPYC, Debian 12, kernel 6.1 |
        | cores | 2 of 2 may be used |
        | memory | 24.0 GB |
        | servers | PostgreSQL 15.8 (managed) |
        | settings, both | wal\_level=logical |
        | rb-bench | 0.1.0, release build |
        "#);
    }

    #[test]
    fn a_tuning_is_a_line_a_value_and_its_choice() {
        let mut artifact =
            examples::tuning(&[("1", 1, &[3.0, 3.1, 3.2]), ("2", 2, &[1.7, 1.7, 1.8])]);
        artifact.summary = summary::of(&artifact, Status::Complete, None);
        insta::assert_snapshot!(tuning(&artifact, "t.json"), @"
        | parallelism | workers | rounds | wall time | throughput | of the best |
        | --- | ---: | ---: | ---: | ---: | ---: |
        | 1 | 1 | 3 | 3.10 s (3.00 s .. 3.20 s) | 61.3 MB/s (59.4 MB/s .. 63.3 MB/s) | 54.8 % |
        | 2 | 2 | 3 | 1.70 s (1.70 s .. 1.80 s) | 112 MB/s (106 MB/s .. 112 MB/s) | 100.0 % |

        - why: 2 different numbers of workers are too few to fit the scalability law; it needs 4
        - choice: 2

        From [t.json](t.json); again: `rb-bench --profile medium --seed 7`
        ");
    }

    #[test]
    fn a_comparison_names_the_file_and_the_command() {
        let session = examples::session_of(&[2.0; 6], &[1.2; 6]);
        let text = comparison(&session, "a.json").unwrap();
        assert!(text.contains("**IMPROVED**"), "{text}");
        assert!(
            text.contains("From [a.json](a.json); again: `rb-bench --profile medium --seed 7`"),
            "{text}"
        );
    }

    #[test]
    fn a_table_of_another_kind_of_file_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let output = crate::bench::store::Output::at(place.path()).unwrap();
        let saved = output.save(&examples::tuning(&[("1", 1, &[3.0])])).unwrap();
        let Err(error) = super::session(&saved) else {
            panic!("a tuning is no session")
        };
        assert_eq!(
            error.message(),
            format!(
                "{} is a tuning; this table needs a session",
                saved.display()
            )
        );
    }
}
