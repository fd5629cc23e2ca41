//! Which side limits a copy: the whole of it beside the source alone and the destination alone.
//!
//! The source alone copies the same streams into `dest-null`. The destination alone takes as many
//! generated rows of the same width, from as many workers, one stream and one table each, for generated
//! streams are not shared out. What the destination spends on the types, keys and indexes of the real
//! tables is therefore not in that figure, and the artifact says so. The three run in randomized blocks, on
//! the same servers, and are verified as far as there are two servers to ask.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::artifact::{Stage, TuneArtifact};
use super::recorder::{Asked, Job, Outcome, Recorder, Work, blank};
use super::tuning::blocks;
use crate::bench::artifact::Iteration;
use crate::bench::control::Control;
use crate::bench::dataset::{ColumnDefinition, Dataset, TableDefinition};
use crate::bench::order::Arm;
use crate::bench::progress::Progress;
use crate::bench::rig::Rig;
use crate::bench::runner::{profile_record, stamp};
use crate::bench::session::{self, Databases, Open, Plan};
use crate::bench::store::Output;
use crate::bench::target::{Leftovers, WritesTo};
use crate::config::types::{
    DestinationConnector, Generate, Pipeline, PipelineParallelism, SourceConnector, Stream,
    WriteMode,
};
use crate::error::{Error, Kind, Result};

/// The copy as it is.
pub const WHOLE: &str = "whole";
/// The same streams into `dest-null`.
pub const SOURCE: &str = "source alone";
/// Generated rows into the destination.
pub const DESTINATION: &str = "destination alone";

/// Bytes of a generated row in binary COPY beside its payload: the number of fields, `id` and its
/// length, the payload's length.
const ROW_OVERHEAD: u64 = 2 + (4 + 8) + 4;

/// What is to be set beside each other.
#[derive(Debug, Clone)]
pub struct IsolatePlan {
    /// What is measured and where; its profile without arms.
    pub session: Plan,
    /// Iterations of each of the three.
    pub rounds: u32,
}

/// Runs the plan.
///
/// # Errors
/// What kept the first iteration from starting; `Kind::Unsupported` for a pipeline that has one side
/// only. What happens later is in the outcome.
pub async fn run(
    plan: &IsolatePlan,
    output: &Output,
    progress: &Arc<dyn Progress>,
    control: &Control,
    leftovers: &Leftovers,
) -> Result<Outcome> {
    let cancel = control.cancel();
    let session = &plan.session;
    refuse_one_side(&session.profile.pipeline_with(&[])?)?;
    let now = stamp(jiff::Timestamp::now());
    let mut open = session::open(session, progress, cancel).await?;
    let warnings = std::mem::take(&mut open.warnings);
    let profile = profile_record(session, &open)?;
    let writes_to = session.writes_to()?;
    let rig = Rig::set_up(open, writes_to, progress, cancel, leftovers).await?;
    let asked = Asked {
        knob: None,
        values: [WHOLE, SOURCE, DESTINATION].map(str::to_owned).to_vec(),
        reference: None,
        rounds: plan.rounds,
    };
    let mut artifact = blank(session, asked, &rig, profile, now).await?;
    artifact.warnings = warnings;
    let mut sides = Sides {
        rigs: vec![rig],
        recorder: Recorder::new(artifact, output, progress, control),
        setting_up: (Arc::clone(progress), cancel.clone(), leftovers.clone()),
    };
    // the copies must go whatever happens, a defect of ours included
    let outcome = AssertUnwindSafe(sides.measure(plan)).catch_unwind().await;
    // the last first: the first knows what was there before all of them
    for rig in sides.rigs.iter_mut().rev() {
        let failures = rig.clean_up().await;
        sides.recorder.artifact.warnings.extend(failures);
    }
    match outcome {
        Ok(outcome) => sides.recorder.finish(outcome.err()),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn refuse_one_side(pipeline: &Pipeline) -> Result<()> {
    let alone = match (&pipeline.source.connector, &pipeline.destination.connector) {
        (SourceConnector::Generate(_), _) => "source-generate measures the destination",
        (_, DestinationConnector::Null) => "dest-null measures the source",
        _ => return Ok(()),
    };
    Err(Error::new(
        Kind::Unsupported,
        format!("this pipeline has one side only: {alone} alone already"),
    ))
}

/// The three under way.
struct Sides<'a> {
    /// In the order of [`WHOLE`], [`SOURCE`], [`DESTINATION`].
    rigs: Vec<Rig>,
    recorder: Recorder<'a>,
    setting_up: (Arc<dyn Progress>, CancellationToken, Leftovers),
}

impl Sides<'_> {
    async fn measure(&mut self, plan: &IsolatePlan) -> Result<()> {
        let session = &plan.session;
        let (whole, dataset) = (&mut self.rigs[0], session.profile.dataset.as_ref());
        whole
            .make_ready(&session.id, dataset, session.profile.target)
            .await?;
        self.recorder.note(std::mem::take(&mut whole.targets.notes));
        let bound = whole.open.pipelines.get(&Arm::After).cloned();
        let bound = bound.ok_or_else(|| Error::internal("a session without a pipeline"))?;
        let mut works = vec![Work {
            name: WHOLE.to_owned(),
            pipeline: Arc::new(whole.pipeline(Arm::After)?),
        }];
        // the first run says how many rows of which width there are, and how many workers
        let warmups = session.warmup.max(1);
        self.recorder.left = warmups as usize + 3 * plan.rounds as usize;
        for n in 0..warmups {
            let job = Job {
                stage: Stage::Warmup,
                arm: Arm::After,
                pair: n,
                what: format!("warm-up, {WHOLE}"),
            };
            self.recorder.run(&mut self.rigs[0], job, &works[0]).await?;
        }
        let size = Size::of(&self.recorder.artifact)?;
        works.push(self.source_alone(&bound).await?);
        works.push(self.destination_alone(&bound, size, session).await?);
        for (n, round) in blocks(works.len(), plan.rounds, session.seed) {
            let job = Job {
                stage: Stage::Sweep,
                arm: Arm::After,
                pair: round,
                what: format!("round {}, {}", round + 1, works[n].name),
            };
            self.recorder.run(&mut self.rigs[n], job, &works[n]).await?;
        }
        Ok(())
    }

    async fn source_alone(&mut self, bound: &Pipeline) -> Result<Work> {
        let mut pipeline = bound.clone();
        pipeline.destination.connector = DestinationConnector::Null;
        pipeline.destination.write_mode = WriteMode::Append;
        pipeline.destination.primary_key.clear();
        for stream in &mut pipeline.source.streams {
            stream.target = None;
        }
        self.add(pipeline, WritesTo::Nowhere, SOURCE).await
    }

    async fn destination_alone(
        &mut self,
        bound: &Pipeline,
        size: Size,
        session: &Plan,
    ) -> Result<Work> {
        let rows = size.rows.div_ceil(u64::from(size.workers)).max(1);
        let width = size
            .row_bytes
            .saturating_sub(ROW_OVERHEAD)
            .clamp(1, 16 << 20);
        let tables: Vec<TableDefinition> = (1..=size.workers).map(|n| generated(n, rows)).collect();
        let mut pipeline = bound.clone();
        pipeline.source.connector = SourceConnector::Generate(Generate {
            rows,
            row_bytes: width as u32,
            rows_per_second: None,
            seed: session.seed,
        });
        pipeline.source.exclude.clear();
        pipeline.source.streams = tables
            .iter()
            .map(|table| Stream {
                name: table.table.clone(),
                ..Stream::default()
            })
            .collect();
        pipeline.transforms.clear();
        pipeline.destination.write_mode = WriteMode::Append;
        pipeline.destination.primary_key.clear();
        pipeline.resources.parallelism = PipelineParallelism::Manual(size.workers);
        self.recorder.note(vec![format!(
            "{DESTINATION}: {} table(s) of {rows} generated rows of {} bytes each, (id bigint, payload text) with a \
             primary key: what the real tables' types, keys and indexes cost is not in it; counted, for no \
             other server has these rows",
            size.workers, size.row_bytes
        )]);
        let writes_to = match session.databases {
            Databases::Managed(_) => WritesTo::Managed,
            Databases::Given { .. } | Databases::OfDocument => WritesTo::Copies,
        };
        let dataset = Dataset {
            setup: Vec::new(),
            tables,
        };
        self.add(pipeline, writes_to, DESTINATION).await?;
        let rig = self.rigs.last_mut();
        let rig = rig.ok_or_else(|| Error::internal("a side without its rig"))?;
        rig.make_ready(&session.id, Some(&dataset), session.profile.target)
            .await?;
        Ok(Work {
            name: DESTINATION.to_owned(),
            pipeline: Arc::new(rig.pipeline(Arm::After)?),
        })
    }

    /// A rig on the same servers for another pipeline.
    async fn add(&mut self, pipeline: Pipeline, writes_to: WritesTo, name: &str) -> Result<Work> {
        let whole = &self.rigs[0].open;
        let generates = matches!(pipeline.source.connector, SourceConnector::Generate(_));
        let open = Open {
            cluster: None,
            source: whole.source.clone().filter(|_| !generates),
            destination: whole
                .destination
                .clone()
                .filter(|_| writes_to != WritesTo::Nowhere),
            seeded: None,
            pipelines: BTreeMap::from([(Arm::After, pipeline.clone())]),
            warnings: Vec::new(),
        };
        let (progress, cancel, leftovers) = &self.setting_up;
        let rig = Rig::set_up(open, writes_to, progress, cancel, leftovers).await?;
        self.rigs.push(rig);
        Ok(Work {
            name: name.to_owned(),
            pipeline: Arc::new(pipeline),
        })
    }
}

/// What one run of the whole moves.
#[derive(Clone, Copy)]
struct Size {
    rows: u64,
    row_bytes: u64,
    workers: u32,
}

impl Size {
    fn of(artifact: &TuneArtifact) -> Result<Self> {
        let last: Option<&Iteration> = artifact.iterations.last().map(|i| &i.iteration);
        let last = last.ok_or_else(|| Error::internal("no warm-up ran"))?;
        if last.rows == 0 {
            return Err(Error::new(
                Kind::Data,
                "the source has no rows, so that neither side has anything to do",
            ));
        }
        Ok(Self {
            rows: last.rows,
            row_bytes: last.bytes / last.rows,
            workers: super::summary::workers(last).max(1),
        })
    }
}

fn generated(n: u32, rows: u64) -> TableDefinition {
    let column = |name: &str, sql_type: &str, primary_key| ColumnDefinition {
        name: name.to_owned(),
        sql_type: sql_type.to_owned(),
        primary_key,
        not_null: false,
        expr: String::new(),
    };
    TableDefinition {
        table: format!("rb_bench_generated_{n}"),
        rows,
        row_bytes: None,
        columns: vec![
            column("id", "bigint", true),
            column("payload", "text", false),
        ],
    }
}
