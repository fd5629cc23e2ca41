//! What iterations run on: databases that are there, targets that are ready, the instruments around them.
//!
//! Whoever measures asks a [`Rig`] for one iteration after another and decides what to make of them.
//! Whatever happens, [`Rig::clean_up`] leaves the databases as they were found; who sets up a rig calls
//! it, also after an error.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::artifact::{PostgresRecord, ServerRecord};
use super::binary::Binary;
use super::dataset::Dataset;
use super::iteration::{Apparatus, Done};
use super::order::Arm;
use super::profile::TargetState;
use super::progress::{Progress, Upcoming};
use super::seed;
use super::server::{self, APPLICATION, Company};
use super::session::{Open, Planned, query_digest};
use super::target::{Leftovers, Targets, Wanted, WritesTo};
use super::traces::Traces;
use crate::config::types::Pipeline;
use crate::engine::KnownSums;
use crate::error::{Error, Result};
use crate::postgres::{Server, Session};

/// How long leaving the databases as they were found may take.
const CLEANING: std::time::Duration = std::time::Duration::from_secs(15);

/// Databases, targets and instruments of a session.
pub(super) struct Rig {
    pub(super) open: Open,
    pub(super) targets: Targets,
    apparatus: Apparatus,
    /// The engine's traces on a user's destination; none elsewhere.
    traces: Option<Traces>,
    /// The source's sums, by what it is asked for.
    known: BTreeMap<String, KnownSums>,
}

impl Rig {
    /// Connects; nothing is made yet.
    pub(super) async fn set_up(
        open: Open,
        writes_to: WritesTo,
        progress: &Arc<dyn Progress>,
        cancel: &CancellationToken,
        leftovers: &Leftovers,
    ) -> Result<Self> {
        let source = connect(open.source.as_ref()).await?;
        let destination = connect(open.destination.as_ref()).await?;
        let watches = if open.cluster.is_some() {
            destination.iter().cloned().collect()
        } else {
            source.iter().chain(&destination).cloned().collect()
        };
        Ok(Self {
            apparatus: Apparatus {
                source,
                destination,
                watches,
                writes_to,
                progress: Arc::clone(progress),
                cancel: cancel.clone(),
                binaries: BTreeMap::new(),
                may_checkpoint: true,
            },
            targets: Targets::new(writes_to, leftovers),
            traces: None,
            known: BTreeMap::new(),
            open,
        })
    }

    /// The same; these programs run arms in place of this one.
    #[must_use]
    pub(super) fn with_binaries(mut self, binaries: &BTreeMap<Arm, Binary>) -> Self {
        self.apparatus.binaries.clone_from(binaries);
        self
    }

    /// Both servers, as artifacts describe them.
    pub(super) async fn servers(&self) -> Result<PostgresRecord> {
        let managed = self.open.cluster.is_some();
        let describe = async |session: &Option<Arc<Session>>| -> Result<Option<ServerRecord>> {
            match session {
                Some(session) => server::describe(session, managed).await.map(Some),
                None => Ok(None),
            }
        };
        Ok(PostgresRecord {
            source: describe(&self.apparatus.source).await?,
            destination: describe(&self.apparatus.destination).await?,
        })
    }

    /// Client backends of others that are active on the servers now.
    pub(super) async fn foreign_backends(&self) -> u32 {
        let mut foreign = 0;
        for session in &self.apparatus.watches {
            foreign += Company::seen(session).await.foreign;
        }
        foreign
    }

    /// Makes the targets ready for the first iteration.
    pub(super) async fn make_ready(
        &mut self,
        id: &str,
        dataset: Option<&Dataset>,
        state: TargetState,
    ) -> Result<()> {
        let (Some(session), Some(pipeline)) = (
            &self.apparatus.destination,
            self.open.pipelines.get(&Arm::After),
        ) else {
            return Ok(());
        };
        if self.open.cluster.is_none() {
            let traces = Traces::before(session, id, &pipeline.pipeline).await?;
            self.traces = Some(traces);
        }
        let wanted = Wanted {
            id,
            pipeline,
            dataset,
            state,
        };
        self.targets.prepare(session, &wanted).await
    }

    /// The pipeline of an arm as it runs here: into these targets, under a name of the session's.
    pub(super) fn pipeline(&self, arm: Arm) -> Result<Pipeline> {
        let mut pipeline = self
            .open
            .pipelines
            .get(&arm)
            .ok_or_else(|| Error::internal("an arm without a pipeline was planned"))?
            .clone();
        self.targets.apply(&mut pipeline);
        if let Some(traces) = &self.traces {
            traces.pipeline().clone_into(&mut pipeline.pipeline);
        }
        Ok(pipeline)
    }

    /// Runs one iteration.
    pub(super) async fn run(
        &mut self,
        planned: Planned,
        upcoming: Upcoming,
        pipeline: &Arc<Pipeline>,
    ) -> Result<Done> {
        let query = query_digest(pipeline)?;
        if !self.known.contains_key(&query) {
            let known = match (&self.open.seeded, &self.apparatus.source) {
                (Some(seeded), Some(source)) => {
                    seed::known_sums(source, &seeded.digest, &query).await?
                }
                _ => KnownSums::new(),
            };
            self.known.insert(query.clone(), known);
        }
        let known = self.known.entry(query.clone()).or_default();
        let done = self
            .apparatus
            .run(planned, upcoming, pipeline, &mut self.targets, known)
            .await?;
        // the source's sums are computed once for each dataset
        if let (Some(seeded), Some(source)) = (&self.open.seeded, &self.apparatus.source)
            && known.is_empty()
            && done.iteration.verify.is_ok()
        {
            seed::remember_sums(source, &seeded.digest, &query, &done.source_sums).await?;
            known.clone_from(&done.source_sums);
        }
        Ok(done)
    }

    /// What is done before each iteration, for the artifact.
    pub(super) fn resets(&self) -> Vec<String> {
        let mut resets = self.targets.resets();
        if self.apparatus.destination.is_some() {
            resets.push(if self.apparatus.may_checkpoint {
                "CHECKPOINT on the destination".into()
            } else {
                "no CHECKPOINT: the role may not".into()
            });
        }
        resets
    }

    /// Leaves the databases as they were found; the answer is what a reader should know of what could
    /// not be done.
    pub(super) async fn clean_up(&mut self) -> Vec<String> {
        let Some(server) = &self.open.destination else {
            return Vec::new();
        };
        let (targets, traces) = (&mut self.targets, &self.traces);
        // a session of its own: the other may be in the middle of something that was cancelled
        let cleaning = async {
            let session = server.connect(APPLICATION).await?;
            let mut failures = targets.clean_up(&session).await;
            if let Some(traces) = traces
                && let Err(error) = traces.remove(&session).await
            {
                failures.push(error.to_string());
            }
            session.close().await;
            Ok::<_, Error>(failures)
        };
        let failures = match tokio::time::timeout(CLEANING, cleaning).await {
            Ok(Ok(failures)) => failures,
            Ok(Err(error)) => vec![error.to_string()],
            Err(_) => vec![format!("no answer within {} s", CLEANING.as_secs())],
        };
        // on the managed server the next session drops what is left
        if self.apparatus.writes_to == WritesTo::Managed {
            return Vec::new();
        }
        failures
            .into_iter()
            .map(|failure| format!("not cleaned up: {failure}"))
            .collect()
    }
}

async fn connect(server: Option<&Server>) -> Result<Option<Arc<Session>>> {
    match server {
        Some(server) => Ok(Some(Arc::new(server.connect(APPLICATION).await?))),
        None => Ok(None),
    }
}
