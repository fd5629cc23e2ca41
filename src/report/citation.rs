//! Tables in a document that cite the artifacts they are made from, and their rewriting.
//!
//! A table stands between two comments, each on a line of its own:
//!
//! ```text
//! <!-- rb-bench:table artifact=bench-results/X.json kind=comparison -->
//! <!-- /rb-bench:table -->
//! ```
//!
//! Pure: what a table holds comes from a function that is handed in. Everything outside of the
//! comments stays as it is; in a code block they are text.

use std::path::Path;

use super::tables::Kind;
use crate::error::{self, Error, Result};

const OPENS: &str = "<!-- rb-bench:table";
const CLOSES: &str = "<!-- /rb-bench:table -->";
const ENDS: &str = "-->";

/// What a table is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// What it shows.
    pub kind: Kind,
    /// The files, as they are written there.
    pub artifacts: Vec<String>,
}

/// The document with every table made anew.
///
/// # Errors
/// `Kind::Config` with everything that is wrong, each with file and line: a comment that cannot be
/// read, one without its other, a table that cannot be made.
pub fn rewritten(
    text: &str,
    document: &Path,
    table: impl Fn(&Citation) -> Result<String>,
) -> Result<String> {
    let mut written = String::with_capacity(text.len());
    let mut problems = Vec::new();
    let mut wrong = |line: usize, what: &str| {
        problems.push(format!("{}:{line}: {what}", document.display()));
    };
    let mut opened = None;
    let mut fence: Option<&str> = None;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let bare = line.trim();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| bare.starts_with(mark));
        if opened.is_none() && (fence.is_some() || mark.is_some()) {
            fence = match (fence, mark) {
                (Some(open), Some(mark)) if open == mark => None,
                (None, mark) => mark,
                (open, _) => open,
            };
            written.push_str(line);
        } else if let Some(settings) = bare.strip_prefix(OPENS) {
            if opened.replace(number).is_some() {
                wrong(number, "a table begins inside of another");
            }
            written.push_str(line);
            match read(settings).and_then(|citation| table(&citation)) {
                Ok(table) => {
                    written.push('\n');
                    written.push_str(table.trim());
                    written.push_str("\n\n");
                }
                Err(error) => wrong(number, &error.to_string()),
            }
        } else if bare == CLOSES {
            if opened.take().is_none() {
                wrong(number, "a table ends that did not begin");
            }
            written.push_str(line);
        } else if opened.is_none() {
            written.push_str(line);
        }
    }
    if let Some(number) = opened {
        wrong(
            number,
            &format!("the table does not end: `{CLOSES}` is missing"),
        );
    }
    if problems.is_empty() {
        Ok(written)
    } else {
        Err(Error::new(error::Kind::Config, problems.join("\n"))
            .remedy("nothing was written; mend the lines, or make the artifacts that they cite"))
    }
}

/// ` artifact=A,B kind=K -->`.
fn read(settings: &str) -> Result<Citation> {
    let wrong = |what: String| {
        let remedy = format!("write `{OPENS} artifact=FILE kind=KIND {ENDS}`");
        Error::new(error::Kind::Config, what).remedy(remedy)
    };
    let settings = settings
        .trim_end()
        .strip_suffix(ENDS)
        .ok_or_else(|| wrong("the comment does not end on its line".into()))?;
    let (mut kind, mut artifacts) = (None, Vec::new());
    for setting in settings.split_whitespace() {
        match setting.split_once('=') {
            Some(("kind", word)) => kind = Some(word.parse()?),
            Some(("artifact", files)) => {
                artifacts.extend(
                    files
                        .split(',')
                        .filter(|f| !f.is_empty())
                        .map(str::to_owned),
                );
            }
            _ => return Err(wrong(format!("`{setting}` is not understood"))),
        }
    }
    if artifacts.is_empty() {
        return Err(wrong("the table cites no artifact".into()));
    }
    Ok(Citation {
        kind: kind.ok_or_else(|| wrong("the table has no kind".into()))?,
        artifacts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(text: &str) -> Result<String> {
        rewritten(text, Path::new("PERF.md"), |citation| {
            if citation.artifacts[0] == "gone.json" {
                return Err(Error::new(error::Kind::NotFound, "cannot read gone.json"));
            }
            Ok(format!(
                "{:?} of {}\n",
                citation.kind,
                citation.artifacts.join(" and ")
            ))
        })
    }

    #[test]
    fn only_what_stands_between_the_comments_changes() {
        let text = "# Title\n\n<!-- rb-bench:table artifact=a.json kind=comparison -->\nold\nolder\n<!-- /rb-bench:table -->\n  words \nno newline";
        let once = rewrite(text).unwrap();
        assert_eq!(
            once,
            "# Title\n\n<!-- rb-bench:table artifact=a.json kind=comparison -->\n\nComparison of a.json\n\n<!-- /rb-bench:table -->\n  words \nno newline"
        );
        assert_eq!(
            rewrite(&once).unwrap(),
            once,
            "what is up to date stays as it is"
        );
    }

    #[test]
    fn a_table_may_cite_several_artifacts() {
        let text = "<!-- rb-bench:table kind=verdicts artifact=a.json,b.json -->\n<!-- /rb-bench:table -->\n";
        assert!(
            rewrite(text)
                .unwrap()
                .contains("Verdicts of a.json and b.json")
        );
    }

    #[test]
    fn a_comment_in_a_code_block_is_text() {
        let text = "```\n<!-- rb-bench:table artifact=gone.json kind=comparison -->\n```\nafter\n";
        assert_eq!(rewrite(text).unwrap(), text);
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_line() {
        let text = "<!-- /rb-bench:table -->\n<!-- rb-bench:table artifact=gone.json kind=comparison -->\n<!-- /rb-bench:table -->\n\
            <!-- rb-bench:table artifact=a.json kind=comparisson -->\n<!-- /rb-bench:table -->\n\
            <!-- rb-bench:table kind=machine -->\n<!-- rb-bench:table artifact=a.json file=x kind=machine -->\n";
        let error = rewrite(text).unwrap_err();
        insta::assert_snapshot!(error, @"
        PERF.md:1: a table ends that did not begin
        PERF.md:2: cannot read gone.json
        PERF.md:4: unknown kind of table `comparisson`; did you mean `comparison`?
          what to do: use one of comparison, verdicts, machine, tuning, growth, peers
        PERF.md:6: the table cites no artifact
          what to do: write `<!-- rb-bench:table artifact=FILE kind=KIND -->`
        PERF.md:7: a table begins inside of another
        PERF.md:7: `file=x` is not understood
          what to do: write `<!-- rb-bench:table artifact=FILE kind=KIND -->`
        PERF.md:7: the table does not end: `<!-- /rb-bench:table -->` is missing
          what to do: nothing was written; mend the lines, or make the artifacts that they cite
        ");
    }

    #[test]
    fn a_comment_that_is_not_whole_is_told() {
        for (settings, wrong) in [
            (
                " artifact=a.json kind=comparison".to_owned(),
                "the comment does not end on its line",
            ),
            (format!(" artifact=a.json {ENDS}"), "the table has no kind"),
        ] {
            assert_eq!(
                read(&settings).unwrap_err().to_string(),
                format!("{wrong}\n  what to do: write `{OPENS} artifact=FILE kind=KIND {ENDS}`")
            );
        }
    }
}
