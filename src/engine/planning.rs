//! An attempt's plan: what the catalogs of both sides say, brought together.
//!
//! It reads and decides; nothing is written here. The pure part is in `plan`.

use super::attempt::{Attempt, OpenSource};
use super::cdc;
use super::cursors::Mark;
use super::eligibility;
use super::key_ranges;
use super::leader::Leader;
use super::plan::{self, CommitForm, CommitInputs, Origin, Plan, StreamSpec};
use super::targets::{self, Matched, Target};
use super::{PlanSummary, StreamPlan, cursors, increment, readable, verify};
use crate::config::types::{CommitChoice, SyncMode, WriteMode};
use crate::error::{Error, Kind, Result};
use crate::parallelism::ineligible_by_document;
use crate::postgres::catalog::Relation;

/// An attempt's plan with all that was learned on the way.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) form: CommitForm,
    pub(super) deferred: bool,
    pub(super) matched: Vec<Matched>,
    pub(super) summary: PlanSummary,
}

impl Attempt<'_> {
    pub(super) async fn plan(
        &self,
        leader: Option<&Leader>,
        source: &OpenSource,
    ) -> Result<Planned> {
        let (mut matched, references, room) = match (self.destination(), leader) {
            (Some(destination), Some(leader)) => {
                let session = &leader.decision;
                let snapshot = source.snapshot.as_ref();
                let matching = targets::match_targets(
                    session,
                    snapshot,
                    &source.found,
                    self.pipeline(),
                    destination,
                    |found| self.upsert_key(&found.relation),
                );
                let (matched, room) = tokio::try_join!(matching, targets::room(&leader.control))?;
                let references = targets::references(session, &matched).await?;
                (matched, references, Some(room))
            }
            _ => (targets::match_nowhere(&source.found)?, Vec::new(), None),
        };
        self.refuse_to_verify(&matched)?;
        if let Some(snapshot) = &source.snapshot {
            readable::require(snapshot.reader(), &matched).await?;
        }
        self.plan_increments(leader, source, &mut matched).await?;
        let refused = |text: String| {
            Error::new(Kind::Incompatible, text)
                .remedy("see `rb-bench check` for the plan; nothing was copied")
        };
        let groups =
            eligibility::group_by_references(matched.len(), &references).map_err(refused)?;
        let deferred = groups.iter().any(|(_, deferred)| *deferred);
        let groups: Vec<Vec<usize>> = groups.into_iter().map(|(group, _)| group).collect();
        let streams: Vec<StreamSpec> = matched
            .iter()
            .enumerate()
            .map(|(i, one)| self.stream_spec(one, groups.iter().find(|group| group.contains(&i))))
            .collect();
        let most = if self.one_worker || self.request.options.limit.is_some() {
            1
        } else {
            self.resolved.effective
        };
        let chunk_bytes = self.pipeline().resources.chunk_bytes;
        let mut plan = plan::lay_out(streams.clone(), &groups, most, chunk_bytes);
        let (form, reason) = match room {
            Some(room) if self.writes() || leader.is_some() => plan::choose_commit(CommitInputs {
                choice: self.commit_choice(),
                workers: plan.workers,
                existing: matched
                    .iter()
                    .filter(|one| matches!(one.target, Target::Existing(_)))
                    .count(),
                missing: matched
                    .iter()
                    .filter(|one| matches!(one.target, Target::Missing(_)))
                    .count(),
                replaced: matched
                    .iter()
                    .filter(|one| matches!(one.target, Target::Replaced(_)))
                    .count(),
                altered: matched.iter().any(|one| one.alters().is_some()),
                prepared_slots: room.prepared.clamp(0, i64::from(u32::MAX)) as u32,
            })
            .map_err(refused)?,
            _ => (CommitForm::None, "nothing is written".to_owned()),
        };
        let (form, reason) = if form == CommitForm::Ledger && cdc::captures(self.pipeline()) {
            let why = "the snapshot is written down with the rows: one worker, one COMMIT";
            (CommitForm::SingleWriter, why.to_owned())
        } else {
            (form, reason)
        };
        let alone =
            form == CommitForm::SingleWriter || self.commit_choice() == CommitChoice::SingleWriter;
        if alone && plan.workers > 1 {
            plan = plan::lay_out(streams, &groups, 1, chunk_bytes);
        }
        if let Some(room) = room.filter(|_| self.writes()) {
            targets::check_room(room, plan.workers, "destination")?;
        }
        if let Some(snapshot) = &source.snapshot {
            targets::check_room(
                targets::room(snapshot.reader()).await?,
                plan.workers,
                "source",
            )?;
        }
        for (i, stream) in plan.streams.iter_mut().enumerate() {
            let aside =
                form == CommitForm::BuiltAside && !matches!(matched[i].target, Target::Existing(_));
            stream.load_into = if aside {
                Some(self.run.aside(i))
            } else {
                stream.target.clone()
            };
        }
        let mut summary = self.summarize(&plan, &matched, form, reason);
        if let Some(snapshot) = &source.snapshot {
            summary.notes.extend(snapshot.notes());
        }
        for (stream, planned) in plan.streams.iter().zip(&summary.streams) {
            if let (Origin::Relation(relation), 2..) = (&stream.origin, planned.chunks) {
                summary.notes.extend(key_ranges::note(relation));
            }
        }
        Ok(Planned {
            plan,
            form,
            deferred,
            matched,
            summary,
        })
    }

    /// Finds out what incremental streams are to bring, from the marks of earlier runs.
    async fn plan_increments(
        &self,
        leader: Option<&Leader>,
        source: &OpenSource,
        matched: &mut [Matched],
    ) -> Result<()> {
        let Some(snapshot) = source.snapshot.as_ref().filter(|_| self.is_incremental()) else {
            return Ok(());
        };
        if self.request.options.limit.is_some() && self.writes() {
            return Err(Error::new(
                Kind::Usage,
                "--limit leaves out rows of an incremental stream, and its mark would hide them",
            )
            .remedy("leave it out, or give --dry-run"));
        }
        let pipeline = &self.pipeline().pipeline;
        let marks = match leader {
            Some(leader) => cursors::find(&leader.decision, Some(pipeline)).await?,
            None => Vec::new(),
        };
        let streams = matched.iter_mut();
        for one in streams.filter(|one| one.stream.sync_mode == SyncMode::Incremental) {
            let increment = increment::plan(snapshot.reader(), one, pipeline, &marks).await?;
            one.increment = Some(increment);
        }
        Ok(())
    }

    /// Whether a stream goes on from the mark of an earlier run.
    pub(super) fn is_incremental(&self) -> bool {
        let mut streams = self.pipeline().source.streams.iter();
        streams.any(|stream| stream.sync_mode == SyncMode::Incremental)
    }

    /// The columns by which an upsert knows a row that is there, where the document asks for one.
    fn upsert_key(&self, source: &Relation) -> Option<Vec<String>> {
        let destination = &self.pipeline().destination;
        let named = Some(&destination.primary_key).filter(|key| !key.is_empty());
        match destination.write_mode {
            // changes find their row by the replica identity; the whole row cannot be a key
            WriteMode::Upsert if cdc::captures(self.pipeline()) => named
                .or(Some(&source.identity))
                .filter(|key| !key.is_empty())
                .cloned(),
            WriteMode::Upsert => Some(destination.primary_key.clone()),
            _ => None,
        }
    }

    /// What is another each time it is read cannot be compared with what arrived.
    fn refuse_to_verify(&self, matched: &[Matched]) -> Result<()> {
        let unrepeatable = matched.iter().find_map(|one| {
            let why = one.transformed.as_ref()?.unrepeatable.as_ref()?;
            Some((&one.source, why)).filter(|_| self.request.options.verify)
        });
        unrepeatable.map_or(Ok(()), |(source, why)| {
            let text = format!(
                "{source} cannot be verified: its transforms give other rows each time ({why})"
            );
            Err(Error::new(Kind::Unsupported, text)
                .remedy("run it without verification, or take that out of the query"))
        })
    }

    /// A retry after workers blocked each other has one worker, whatever the document asks for.
    fn commit_choice(&self) -> CommitChoice {
        if self.one_worker {
            CommitChoice::SingleWriter
        } else {
            self.pipeline().destination.commit
        }
    }

    fn stream_spec(&self, one: &Matched, group: Option<&Vec<usize>>) -> StreamSpec {
        let by_relation = match &one.origin {
            Origin::Relation(relation) => eligibility::ineligible_relation(relation),
            Origin::Generated => None,
        };
        let by_key = || match &one.origin {
            Origin::Relation(source) => {
                let key = self.upsert_key(source)?;
                eligibility::unsure_key(source, &key)
            }
            Origin::Generated => None,
        };
        let by_transforms = || {
            one.transformed
                .as_ref()
                .and_then(|t| t.why_one_worker.clone())
        };
        let by_target = || match (&one.origin, &one.target) {
            (Origin::Relation(source), Target::Existing(target)) => {
                eligibility::meeting_key(source, &one.fit.columns, target)
            }
            _ => None,
        };
        let by_references = || {
            group.map(|group| match group.len() {
                1 => "the target refers to itself by a foreign key".to_owned(),
                _ => "foreign keys tie the target to other targets of the run: one worker, parents first".to_owned(),
            })
        };
        let why = ineligible_by_document(self.pipeline(), &one.stream)
            .map(str::to_owned)
            .or(by_relation)
            .or_else(by_key)
            .or_else(by_transforms)
            .or_else(by_target)
            .or_else(by_references);
        let verify = self.request.options.verify;
        let sums = verify.then(|| verify::expressions(one, false));
        StreamSpec {
            source: one.source.clone(),
            target: one.target_name.clone(),
            load_into: None,
            columns: one.fit.columns.clone(),
            origin: one.origin.clone(),
            transform: one.transformed.as_ref().map(|t| t.transform.clone()),
            format: one.fit.format,
            why_text: one.fit.why_text.clone(),
            fan_out: self.resolved.fan_out(why.is_none()),
            why_one_worker: why,
            only: one
                .increment
                .as_ref()
                .map(|increment| increment.only.clone()),
            upsert: one.upsert.clone().map(|upsert| upsert.summing(sums)),
            frozen: matches!(one.target, Target::Replaced(_)),
        }
    }

    fn summarize(
        &self,
        plan: &Plan,
        matched: &[Matched],
        form: CommitForm,
        reason: String,
    ) -> PlanSummary {
        let mut notes: Vec<String> = matched.iter().filter_map(targets::text_note).collect();
        for one in matched {
            notes.extend(one.drift.notes.iter().cloned());
            if let (Some(sql), Target::Existing(table)) = (one.alters(), &one.target) {
                notes.push(format!(
                    "{}: altered first ({sql}); who reads it waits until the run ends",
                    table.name
                ));
            }
            notes.extend(one.increment.iter().map(|i| i.note.clone()));
            match &one.target {
                Target::Missing(blueprint) => notes.extend(blueprint.notes.iter().cloned()),
                Target::Replaced(relation) => notes.push(format!(
                    "{}: the rows that are there give way to the run's; no trigger fires for either",
                    relation.name
                )),
                _ => {}
            }
        }
        match form {
            CommitForm::Ledger => {
                notes
                    .push("readers may see a part of the rows while the workers commit".to_owned());
            }
            CommitForm::TwoPhase => {
                notes.push(
                    "readers may see a part of the rows for the moment between two COMMIT PREPARED"
                        .to_owned(),
                );
            }
            _ => {}
        }
        let streams = plan
            .streams
            .iter()
            .zip(matched)
            .enumerate()
            .map(|(i, (stream, one))| {
                let chunks = plan
                    .units
                    .iter()
                    .flat_map(|unit| &unit.chunks)
                    .filter(|chunk| chunk.stream == i);
                let chunk_count = chunks.clone().count() as u64;
                StreamPlan {
                    stream: stream.source.to_string(),
                    target: stream
                        .target
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                    workers: u64::from(stream.fan_out.min(plan.workers))
                        .min(chunk_count)
                        .max(1) as u32,
                    why_one_worker: stream.why_one_worker.clone(),
                    format: stream.format.name().to_owned(),
                    why_text: stream.why_text.clone(),
                    chunks: chunk_count,
                    bytes: chunks.map(|chunk| chunk.bytes).sum(),
                    alters: one.alters().into_iter().collect(),
                    creates: match &one.target {
                        Target::Missing(blueprint) => blueprint.statements(),
                        _ => Vec::new(),
                    },
                }
            });
        PlanSummary {
            streams: streams.collect(),
            workers: plan.workers,
            commit: form.name().to_owned(),
            commit_reason: reason,
            parallelism_reason: self.resolved.reason(),
            notes,
        }
    }
}

impl Planned {
    /// The marks that the run commits with its rows.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let increments = self.matched.iter().filter_map(|one| one.increment.as_ref());
        increments.filter_map(|i| i.mark.clone()).collect()
    }
}
