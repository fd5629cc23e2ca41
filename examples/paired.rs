//! Makes one session of several that ran in turn: what was measured in one place as `before`, what was measured
//! in another as `after`, the first of each place a pair, and so on.
//!
//!     cargo run --release --example paired -- headless/ workbench/ bench-results "evidence workbench" "benches/workbench.sh"
//!
//! For comparisons whose arms cannot run in one session, such as a session with a screen against one
//! without (`benches/workbench.sh`). Whoever runs the sessions in turn, in balanced order, makes them pairs; this only
//! writes them down as such. The first measured iteration of each session counts.

use std::collections::BTreeMap;
use std::path::Path;

use rb_bench::bench::artifact::{Artifact, Iteration, IterationPhase, ScreenRecord, Status};
use rb_bench::bench::order::Arm;
use rb_bench::bench::rules::Rules;
use rb_bench::bench::store::{self, Output};
use rb_bench::bench::summary;
use rb_bench::{Error, Kind, Result};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let made = match &arguments[..] {
        [before, after, out, label, command] => make(before, after, out, label, command),
        _ => Err(Error::new(
            Kind::Usage,
            "paired BEFORE-DIR AFTER-DIR OUT-DIR LABEL COMMAND",
        )),
    };
    if let Err(error) = made {
        eprintln!("paired: {error}");
        std::process::exit(1);
    }
}

fn make(before: &str, after: &str, out: &str, label: &str, command: &str) -> Result<()> {
    let (befores, afters) = (sessions(before)?, sessions(after)?);
    let mut session = afters.first().cloned().ok_or_else(|| nothing(after))?;
    let pairs = befores.len().min(afters.len()) as u32;
    let mut iterations = Vec::new();
    let halves = befores.iter().zip(&afters);
    for (pair, (before, after)) in (0..).zip(halves) {
        let mut both = [
            counted(before, Arm::Before, pair)?,
            counted(after, Arm::After, pair)?,
        ];
        both.sort_by(|a, b| a.started_at.cmp(&b.started_at));
        iterations.extend(both);
    }
    let place = |session: &Artifact| BTreeMap::from([("ui".into(), session.invocation.ui.clone())]);
    session.protocol.before = befores.first().map(place).unwrap_or_default();
    session.protocol.after = place(&session);
    for (idx, iteration) in (0..).zip(&mut iterations) {
        iteration.idx = idx;
    }
    let rules = Rules::at(session.protocol.noise_threshold_pct / 100.0);
    session.protocol.arms = "both".into();
    session.protocol.pairs = pairs;
    session.protocol.order = summary::pairs(&iterations)
        .iter()
        .map(|(before, after)| {
            if before.idx < after.idx {
                vec![Arm::Before, Arm::After]
            } else {
                vec![Arm::After, Arm::Before]
            }
        })
        .collect();
    session.ui = screen(&afters);
    session.label = Some(label.to_owned());
    // no call of rb-bench repeats it
    session.invocation.args = command.split(' ').map(str::to_owned).collect();
    command.clone_into(&mut session.invocation.repeat);
    session.summary = summary::of(&iterations, &rules, Status::Complete, None);
    session.iterations = iterations;
    let path = Output::at(Path::new(out))?.save(&session)?;
    println!("{}", path.display());
    Ok(())
}

/// What the screens of all sessions cost together; the times of a frame are the worst session's.
fn screen(sessions: &[Artifact]) -> Option<ScreenRecord> {
    let screens = sessions.iter().filter_map(|session| session.ui.as_ref());
    screens.cloned().reduce(|all, one| ScreenRecord {
        frames: all.frames + one.frames,
        draw_p50_us: all.draw_p50_us.max(one.draw_p50_us),
        draw_p99_us: all.draw_p99_us.max(one.draw_p99_us),
        cpu_s: all.cpu_s + one.cpu_s,
        cpu_share: all.cpu_share.max(one.cpu_share),
        events_dropped: all.events_dropped + one.events_dropped,
    })
}

/// The sessions of a directory, in the order they began.
fn sessions(directory: &str) -> Result<Vec<Artifact>> {
    let entries =
        std::fs::read_dir(directory).map_err(|e| Error::file("read", Path::new(directory), e))?;
    let mut sessions = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|e| Error::file("read", Path::new(directory), e))?
            .path();
        let name = path.file_name().and_then(|name| name.to_str());
        if path.extension().is_some_and(|e| e == "json")
            && !name.is_some_and(|n| n.starts_with('.'))
        {
            sessions.push(store::load(&path)?);
        }
    }
    sessions.sort_by(|a, b| a.created_at.cmp(&b.created_at));
    Ok(sessions)
}

fn counted(session: &Artifact, arm: Arm, pair: u32) -> Result<Iteration> {
    let measured = session.iterations.iter().find(|i| i.is_measured());
    let mut iteration = measured.cloned().ok_or_else(|| nothing(&session.id))?;
    (iteration.arm, iteration.pair, iteration.phase) = (arm, pair, IterationPhase::Measure);
    Ok(iteration)
}

fn nothing(what: &str) -> Error {
    Error::new(Kind::NotFound, format!("{what}: nothing was measured"))
}
