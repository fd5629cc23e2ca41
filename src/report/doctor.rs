//! What was found here, for `rb-bench doctor`.

use super::Paper;
use super::paper::Ink;
use crate::bench::doctor::{Diagnosis, Finding, State};

/// Columns before a finding's text.
const INDENT: usize = 23;

/// The findings by area, each with its word and its remedy, and what they come to.
#[must_use]
pub fn text(found: &Diagnosis, paper: Paper) -> String {
    let mut lines = Vec::new();
    let mut area = "";
    for finding in &found.findings {
        if finding.area != area {
            area = finding.area;
            lines.push(area.to_owned());
        }
        lines.extend(of(finding, paper));
    }
    lines.push(String::new());
    lines.push(verdict(found, paper));
    lines.join("\n")
}

fn of(finding: &Finding, paper: Paper) -> Vec<String> {
    let ink = match finding.state {
        State::Ok => Ink::Good,
        State::Warn => Ink::Open,
        State::Fail => Ink::Bad,
    };
    let name = finding.state.name();
    let word = paper.paint(ink, name) + &" ".repeat(4_usize.saturating_sub(name.len()));
    let width = usize::from(paper.width).saturating_sub(INDENT).max(30);
    let mut text = wrapped(&finding.text, width);
    if let Some(remedy) = &finding.remedy {
        text.extend(wrapped(&format!("-> {remedy}"), width));
    }
    let mut lines = text.into_iter();
    let first = lines.next().unwrap_or_default();
    let mut all = vec![format!("  {word}  {:<INNER$}  {first}", finding.what)];
    all.extend(lines.map(|line| format!("{:INDENT$}{line}", "")));
    all
}

/// Columns of what a finding is about.
const INNER: usize = INDENT - 10;

/// The text in lines of at most `width` columns, broken between words; what has no blank stays whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn verdict(found: &Diagnosis, paper: Paper) -> String {
    let warnings = match found.count(State::Warn) {
        0 => String::new(),
        1 => ", with 1 warning".to_owned(),
        n => format!(", with {n} warnings"),
    };
    if found.can_run {
        paper.paint(Ink::Good, &format!("a benchmark can run here{warnings}"))
    } else {
        let what = match found.count(State::Fail) {
            1 => "1 failure".to_owned(),
            n => format!("{n} failures"),
        };
        paper.paint(
            Ink::Bad,
            &format!("no benchmark can run here: {what}{warnings}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(state: State, remedy: Option<&str>) -> Finding {
        Finding {
            area: "machine",
            what: "cores",
            state,
            text: "2 of 2 may be used".into(),
            remedy: remedy.map(str::to_owned),
        }
    }

    #[test]
    fn each_finding_has_its_word_and_its_remedy() {
        let found = Diagnosis {
            can_run: false,
            findings: vec![
                finding(State::Ok, None),
                finding(
                    State::Warn,
                    Some(
                        "give it more of them, and look whether that is enough for what you want to do",
                    ),
                ),
                finding(State::Fail, Some("buy one")),
            ],
        };
        let narrow = Paper {
            width: 70,
            ..Paper::PLAIN
        };
        let text = text(&found, narrow);
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "machine",
                "  ok    cores          2 of 2 may be used",
                "  warn  cores          2 of 2 may be used",
                "                       -> give it more of them, and look whether that",
                "                       is enough for what you want to do",
                "  fail  cores          2 of 2 may be used",
                "                       -> buy one",
                "",
                "no benchmark can run here: 1 failure, with 1 warning",
            ]
        );
    }

    #[test]
    fn what_it_comes_to_is_the_last_line() {
        let of = |can_run, findings: Vec<Finding>| {
            let found = Diagnosis { can_run, findings };
            text(&found, Paper::PLAIN)
                .lines()
                .last()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            of(true, vec![finding(State::Ok, None)]),
            "a benchmark can run here"
        );
        assert_eq!(
            of(true, vec![finding(State::Warn, None)]),
            "a benchmark can run here, with 1 warning"
        );
        assert_eq!(
            of(
                false,
                vec![finding(State::Fail, None), finding(State::Fail, None)]
            ),
            "no benchmark can run here: 2 failures"
        );
    }
}
