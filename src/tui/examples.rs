//! Workbenches for tests: the same on every machine, at rest and with a session under way.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::app::{App, Kind, Running, Screen};
use super::grammar::tests::example;
use super::snapshot::{
    CpuNow, IterationRow, PlanNote, ServerNow, ShardRow, Snapshot, StreamNote, Waits,
};
use super::state::profile::Resolution;
use super::theme::{Colours, Environment, Theme};
use crate::bench::control::Wish;
use crate::bench::order::Arm;
use crate::bench::progress::Upcoming;
use crate::bench::server_work::BackendWork;
use crate::bench::subject::Subject;
use crate::telemetry::counters::{Phase, Side, Totals};

/// No colours, ASCII.
pub fn plain() -> Theme {
    Theme::of(Colours::Never, &Environment::default())
}

/// The 16 colours, and characters beyond ASCII.
pub fn coloured() -> Theme {
    let environment = Environment {
        locale: [None, None, Some("C.UTF-8".into())],
        ..Environment::default()
    };
    Theme::of(Colours::Always, &environment)
}

/// A workbench that has read the small profile, on two cores.
pub fn at_rest(screen: Screen) -> App {
    let subject = Subject::of_profile("small");
    let mut app = App::new(
        screen,
        subject,
        plain(),
        PathBuf::from("bench-results"),
        example(),
    );
    let base = app.subject.base().unwrap();
    app.profile.resolutions = [Arm::Before, Arm::After]
        .map(|arm| Resolution::of(arm, &base.pipeline(arm).unwrap(), 2))
        .into();
    let resolutions = app.profile.resolutions.clone();
    app.profile.base = Some(base);
    app.profile.offer(&app.subject.what.clone(), &[]);
    app.profile.refresh(&app.subject);
    // as on two cores, wherever this runs
    app.profile.resolutions = resolutions;
    app
}

/// The same with the second pair of a session under way.
pub fn under_way(screen: Screen) -> App {
    let mut app = at_rest(screen);
    app.running = Some(Running {
        kind: Kind::Benchmark,
        subject: app.subject.clone(),
        since: Duration::ZERO,
        wish: Wish::GoOn,
        is_aborted: false,
        then_quit: false,
    });
    app.now = Duration::from_secs(41);
    app.iterations = vec![
        iteration(Arm::Before, None, 1, 2.3),
        iteration(Arm::After, None, 2, 1.9),
        iteration(Arm::Before, Some(1), 3, 2.11),
        iteration(Arm::After, Some(1), 4, 1.77),
    ];
    app.seen = Arc::new(moving());
    app.log(
        "12:04:31".into(),
        "shard 1 connection lost, chunks 1..18 requeued".into(),
    );
    app
}

fn upcoming(arm: Arm, pair: Option<u32>, number: u32) -> Upcoming {
    Upcoming {
        arm,
        warmup: pair.is_none(),
        number,
        of: 8,
        pair,
        setting: None,
    }
}

fn iteration(arm: Arm, pair: Option<u32>, number: u32, wall_s: f64) -> IterationRow {
    IterationRow {
        upcoming: upcoming(arm, pair, number),
        wall_s,
        mb_per_s: 508.0 / wall_s,
        cpu_pct: 92.4,
        p99_chunk_us: Some(171_000),
        retries: 0,
        verify: "ok",
        flags: Vec::new(),
        plan: Arc::new(PlanNote {
            streams: vec![StreamNote {
                stream: "public.bench_events".into(),
                workers: 1,
                why_one_worker: Some("a foreign key runs to another target".into()),
                format: "binary".into(),
                why_text: None,
                chunks: 36,
            }],
            commit: "two_phase".into(),
            commit_reason: "several workers write to tables that are there".into(),
        }),
    }
}

fn moving() -> Snapshot {
    let rates: VecDeque<f64> = (0..60).map(|n| 200.0 + f64::from(n)).collect();
    let backend = |side, worker, waits: Option<&str>| BackendWork {
        side,
        worker,
        waits_for: waits.map(str::to_owned),
        rows: Some(1_204),
        bytes: Some(600_000),
    };
    let shard = |worker: u32, rows, mb_per_s| ShardRow {
        stream: "public.bench_events".into(),
        worker,
        rows,
        bytes: rows * 500,
        mb_per_s,
        rates: rates.clone(),
        chunks: 18 - u64::from(worker),
        source_wait: 0.1,
        dest_wait: 0.8,
        source_backend: Some(backend(Side::Source, worker, Some("Client:ClientWrite"))),
        dest_backend: Some(backend(Side::Destination, worker, None)),
    };
    Snapshot {
        upcoming: Some(upcoming(Arm::After, Some(2), 5)),
        phase: Phase::Moving,
        at_s: 1.2,
        totals: Totals {
            chunks: 35,
            chunks_total: 50,
            ..Totals::default()
        },
        mb_per_s: 288.3,
        rows_per_s: 5_600.0,
        rates: rates.clone(),
        shards: vec![shard(0, 2_900, 146.3), shard(1, 2_800, 142.0)],
        cpu: CpuNow {
            cores: vec![0.9, 0.4],
            rb_bench: 0.06,
            source: Some(0.41),
            destination: Some(0.88),
        },
        waits: Waits {
            source: 0.12,
            destination: 0.79,
            commit: 0.03,
        },
        server: ServerNow {
            wal_mb_per_s: Some(91.2),
            checkpoints: Some(0),
            is_hidden: false,
        },
        ..Snapshot::default()
    }
}
