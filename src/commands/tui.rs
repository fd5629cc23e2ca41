//! `rb-bench tui`: from what was typed to the workbench, and what it leaves in the terminal.

use super::{gates, grammar, print_error, print_line, subject};
use crate::bench::subject::Gates;
use crate::cli::{ColorChoice, SubjectFlags, TuiArgs};
use crate::error::{Error, Kind, Result};
use crate::report::{Paper, noise, summary};
use crate::tui::{
    self, Closed, Colours, Ending, Environment, Judged, Last, LastSession, Memory, Options,
};

/// The exit code of an interrupted command: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// Runs the workbench.
pub(super) fn run(args: &TuiArgs) -> Result<u8> {
    tui::require_terminal(&Environment::of_process())?;
    let memory = Memory::of_user();
    let starts = names_something(&args.measured.subject);
    let colours = match args.color {
        ColorChoice::Auto => Colours::Auto,
        ColorChoice::Always => Colours::Always,
        ColorChoice::Never => Colours::Never,
    };
    let out = args.measured.out.clone();
    let mut subject = subject::measured(&args.measured)?;
    let gates = subject.gates.clone();
    let mut remark = None;
    match memory.last().filter(|_| !starts) {
        Some(Last::There(what)) => subject.what = what,
        Some(Last::Gone(file)) => {
            remark = Some(format!(
                "this is {}: what was chosen last is not there any more: {}",
                subject.what.name(),
                file.display()
            ));
        }
        None => {}
    }
    if starts {
        // what is wrong with what was typed is told as every command tells it
        subject.plan(subject.arguments())?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::new(Kind::Io, format!("cannot start a runtime: {e}")))?;
    let options = Options {
        subject,
        starts,
        colours,
        out,
        grammar: grammar::grammar(),
        memory,
        remark,
    };
    let closed = tui::run(options, runtime.handle())?;
    // a reader of files that is still at it is not waited for
    runtime.shutdown_background();
    close(&closed, &gates)
}

/// Whether the user said what to measure: then it is measured at once.
fn names_something(flags: &SubjectFlags) -> bool {
    flags.profile.is_some() || flags.pipeline.is_some() || flags.source_url.is_some()
}

fn close(closed: &Closed, gates: &Gates) -> Result<u8> {
    for table in &closed.leftovers {
        print_error(&format!("rb-bench: {table} was left behind; drop it"));
    }
    if let (Ending::WithSummary, Some(last)) = (closed.ending, &closed.last)
        && let Some(text) = summary_of(last)
    {
        print_line(text.trim_end())?;
    }
    match closed.ending {
        Ending::Quit | Ending::WithSummary => Ok(gated(gates, closed.judged.as_ref())),
        Ending::Terminated | Ending::AtOnce => Ok(INTERRUPTED),
    }
}

/// What the command without a screen would have printed.
fn summary_of(last: &LastSession) -> Option<String> {
    if let Some(calibration) = &last.calibration {
        let one = std::slice::from_ref(&**calibration);
        return Some(noise::text(one, Paper::stdout()));
    }
    let artifact = last.artifact.as_ref()?;
    (!artifact.iterations.is_empty())
        .then(|| summary::text(artifact, last.path.as_deref(), Paper::stdout()))
}

/// The exit code by what the last benchmark found: verdicts count where they were made gates when the
/// workbench was started, and then as they do without a screen.
fn gated(gates: &Gates, judged: Option<&Judged>) -> u8 {
    match judged {
        Some(judged) if gates.decide_exit() => judged
            .error
            .unwrap_or_else(|| gates::exit_code(gates, judged.verdicts.iter())),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::metric::Metric;
    use crate::bench::rules::Rules;
    use crate::bench::verdict::Comparison;

    #[test]
    fn the_workbench_exits_by_the_gates_it_was_started_with() {
        let rule = Rules::at(0.02).rule(Metric::DurationS);
        let slower = Comparison::of_pairs(&[(0.5, 1.0); 6], rule);
        let judged = |error| Judged {
            verdicts: vec![(&slower).into()],
            error,
        };
        let gate = Gates {
            fail_on_regression: true,
            ..Gates::default()
        };
        assert_eq!(gated(&gate, Some(&judged(None))), 3);
        assert_eq!(gated(&gate, Some(&judged(Some(130)))), 130);
        assert_eq!(gated(&gate, None), 0);
        let without = Gates::default();
        assert_eq!(gated(&without, Some(&judged(Some(130)))), 0);
        assert_eq!(gated(&without, Some(&judged(None))), 0);
    }
}
