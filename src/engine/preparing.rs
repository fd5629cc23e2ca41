//! What is made ready in the destination before the workers start, and what they are told of it.

use super::attempt::Attempt;
use super::commit::Aside;
use super::cursors;
use super::leader::Leader;
use super::plan::CommitForm;
use super::planning::Planned;
use super::replace::{self, Replacement};
use super::sequences::{self, Sequence};
use super::state::{self, Details, LedgerHead, RunState};
use super::targets::Target;
use super::worker::WriteTo;
use super::{report, schema, settings};
use crate::config::types::PostgresDestination;
use crate::error::Result;

/// What was made ready in the destination before the workers start.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) aside: Vec<Aside>,
    pub(super) replacements: Vec<Replacement>,
    pub(super) sequences: Vec<Sequence>,
}

impl Attempt<'_> {
    pub(super) fn ledger_head(&self, form: CommitForm) -> LedgerHead {
        LedgerHead {
            run: self.run.clone(),
            pipeline: self.pipeline().pipeline.clone(),
            digest: report::digest(self.pipeline()),
            form: form.name(),
            write_mode: self.pipeline().destination.write_mode,
        }
    }

    /// Locks existing targets, makes hidden ones, and finds the sequences to move.
    pub(super) async fn prepare(&self, leader: &Leader, planned: &Planned) -> Result<Prepared> {
        let (mut prepared, mut replaced) = (Prepared::default(), Vec::new());
        let altered = planned.matched.iter().any(|one| one.alters().is_some());
        let doing = "looking at the targets";
        leader.decision.execute("SAVEPOINT held", doing).await?;
        for (stream, one) in planned.plan.streams.iter().zip(&planned.matched) {
            match (&one.target, &stream.load_into) {
                // it has not the columns yet that it will be asked for
                (Target::Existing(_), _) if one.alters().is_some() => {}
                (Target::Existing(relation), _) => {
                    leader.hold(&relation.name, one.upsert.as_ref()).await?;
                }
                (Target::Missing(blueprint), Some(hidden))
                    if planned.form == CommitForm::BuiltAside =>
                {
                    prepared.aside.push(Aside {
                        hidden: hidden.clone(),
                        blueprint: (**blueprint).clone(),
                        columns: stream.columns.clone(),
                    });
                }
                (Target::Replaced(relation), Some(hidden)) => {
                    replaced.push(replace::Wanted {
                        planned: relation,
                        drift: &one.drift,
                        hidden,
                        columns: &stream.columns,
                    });
                }
                _ => {}
            }
        }
        if altered {
            // the worker that alters one may need it, and what refers to it, for itself
            leader.decision.execute("ROLLBACK TO held", doing).await?;
        }
        prepared.replacements = replace::read(leader, &replaced).await?;
        if self.keeps_state(planned) {
            state::ensure(&leader.control).await?;
        }
        if planned.form == CommitForm::BuiltAside {
            let new = prepared.aside.iter().map(|aside| &aside.hidden);
            let replacing = prepared.replacements.iter().map(|one| &one.hidden);
            let names: Vec<_> = new.chain(replacing).cloned().collect();
            let mut statements = replace::make(&prepared.replacements);
            for aside in &prepared.aside {
                statements.extend(aside.blueprint.create(&aside.hidden));
            }
            let details = Details {
                aside: &names,
                ..Details::default()
            };
            let row = state::write_run(
                &self.ledger_head(planned.form),
                RunState::Building,
                &details,
            );
            leader.make_aside(self.run, statements, &row).await?;
        }
        for (stream, one) in planned.plan.streams.iter().zip(&planned.matched) {
            if let Target::Existing(relation) = &one.target {
                let found = sequences::sequences(&leader.decision, &relation.name, &stream.columns);
                prepared.sequences.extend(found.await?);
            }
        }
        if planned.form == CommitForm::SingleWriter {
            // looked for to see what this role may; the worker moves them in its transaction
            prepared.sequences.clear();
        }
        Ok(prepared)
    }

    /// Sees what of that the destination would refuse, without making anything: for `check` and dry runs.
    pub(super) async fn foresee(&self, leader: &Leader, planned: &Planned) -> Result<()> {
        for (stream, one) in planned.plan.streams.iter().zip(&planned.matched) {
            let Target::Existing(relation) = &one.target else {
                continue;
            };
            if one.alters().is_none() {
                leader.hold(&relation.name, one.upsert.as_ref()).await?;
            }
            sequences::sequences(&leader.decision, &relation.name, &stream.columns).await?;
        }
        if self.keeps_state(planned) {
            // hidden tables, and what workers that are to PREPARE stage their rows in
            let staged = planned.form == CommitForm::TwoPhase
                && planned.matched.iter().any(|one| one.upsert.is_some());
            let tables = planned.form == CommitForm::BuiltAside || staged;
            schema::foresee(&leader.decision, tables).await?;
        }
        Ok(())
    }

    /// Whether the run needs schema `rb_bench` in the destination.
    fn keeps_state(&self, planned: &Planned) -> bool {
        planned.form != CommitForm::SingleWriter
            || self.request.options.run_id.is_some()
            || !planned.marks().is_empty()
    }

    pub(super) fn write_to(
        &self,
        planned: &Planned,
        destination: &PostgresDestination,
        leader: &Leader,
        sequences: &[Sequence],
    ) -> WriteTo {
        let Planned {
            plan,
            form,
            deferred,
            matched,
            ..
        } = planned;
        let (mut last, mut own_tables) = (Vec::new(), Vec::new());
        let mut first = settings::storing(destination);
        if *deferred {
            first.push("SET CONSTRAINTS ALL DEFERRED".to_owned());
        }
        if *form == CommitForm::SingleWriter {
            if !planned.marks().is_empty() {
                first.push(cursors::hold_as_writer(&self.pipeline().pipeline));
            }
            for (stream, one) in plan.streams.iter().zip(matched) {
                if let Some(alter) = one.alters() {
                    // the worker itself may wait for rows of others as long as it takes
                    let waits = |time| format!("SET LOCAL lock_timeout = '{time}'");
                    first.extend([waits(settings::LOCK_TIMEOUT), alter, waits("0")]);
                }
                if let (Target::Missing(blueprint), Some(name)) = (&one.target, &stream.load_into) {
                    first.extend(blueprint.create(name));
                    last.extend(blueprint.build_keys(name));
                }
                own_tables.extend(
                    stream
                        .load_into
                        .iter()
                        .map(|name| (name.clone(), stream.columns.clone())),
                );
            }
        }
        WriteTo::Postgres {
            server: leader.server.clone(),
            version: leader.version,
            method: destination.load_method,
            place: Box::new(leader.place.clone()),
            first,
            last,
            own_tables,
            staging: self.run.staging(*form == CommitForm::TwoPhase),
            sequences: sequences.to_vec(),
        }
    }
}
