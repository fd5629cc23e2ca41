//! Locks, then the snapshot: two sessions on the source that a run reads under.
//!
//! The lock session holds every relation ACCESS SHARE, so that no ALTER changes what was planned;
//! the snapshot session holds the one instant that every worker reads at. Losing either ends the
//! attempt. They are held until the caller is done, verification included.

use std::collections::HashSet;

use tokio_util::sync::CancellationToken;

use super::key_ranges;
use super::settings;
use super::standby::{self, Standby};
use super::stop::unless_stopped;
use super::transform;
use super::transformed::{self, Transformed};
use super::whereabouts::{self, Whereabouts};
use crate::config::relation::{RelationName, is_pattern};
use crate::config::types::{Pipeline, Stream};
use crate::error::{Error, Kind, Result};
use crate::postgres::catalog::{self, Name, Relation, RelationKind};
use crate::postgres::{Server, Session, listing};

/// The oldest server whose catalogs are known here, as either end.
pub const OLDEST_VERSION: u32 = 120_000;

/// A stream of the document, and the relation it turned out to name.
#[derive(Debug, Clone)]
pub struct Found {
    /// The document's entry.
    pub stream: Stream,
    /// The relation, as it comes out of the transforms.
    pub relation: Relation,
    /// What the transforms do to it, where there are any.
    pub transformed: Option<Transformed>,
}

impl Found {
    /// The columns that the document chooses of the relation; with transforms, these chose theirs.
    #[must_use]
    pub fn chosen(&self) -> Option<&[String]> {
        let columns = self.stream.columns.as_deref();
        columns.filter(|_| self.transformed.is_none())
    }
}

/// The two sessions, and what was found under them.
pub struct Snapshot {
    lock: Session,
    reader: Session,
    /// The exported snapshot's id.
    pub id: String,
    /// The server's version number.
    pub version: u32,
    /// Which server it is.
    pub place: Whereabouts,
    /// What is to be known of it, where it is a standby.
    pub standby: Option<Standby>,
    /// The streams, patterns expanded, in document order.
    pub found: Vec<Found>,
}

impl Snapshot {
    /// Locks what the pipeline names, then takes and exports a snapshot, or uses `given`.
    pub async fn take(
        server: &Server,
        pipeline: &Pipeline,
        schema: &str,
        given: Option<&str>,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        let connecting = async {
            tokio::try_join!(
                server.connect("rb-bench lock"),
                server.connect("rb-bench snapshot")
            )
        };
        let (lock, reader) = unless_stopped(cancel, &[], connecting).await?;
        let sessions = [lock.canceller(), reader.canceller()];
        let taking = Self::take_on(lock, reader, pipeline, schema, given);
        unless_stopped(cancel, &sessions, taking).await
    }

    async fn take_on(
        lock: Session,
        reader: Session,
        pipeline: &Pipeline,
        schema: &str,
        given: Option<&str>,
    ) -> Result<Self> {
        let server = reader.server();
        let version = catalog::version(&lock).await?;
        if version < OLDEST_VERSION {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "{server} is PostgreSQL {}; this version of rb-bench reads from 12 or newer",
                    version / 10_000
                ),
            ));
        }
        lock.begin(
            &settings::begin_lock(version),
            "beginning the lock transaction",
        )
        .await?;
        let place = Whereabouts::of(&lock).await?;
        let names = expand(&lock, pipeline, schema).await?;
        for (stream, name) in &names {
            hold(&lock, name, false)
                .await
                .map_err(|e| explain_missing(e, name))
                .map_err(|e| e.context(format!("stream `{}`", stream.name)))?;
        }
        // what the queries read is locked too before the snapshot: a TRUNCATE in between is not seen
        let queries = transform::queries(pipeline);
        transformed::check_syntax(&lock, &queries).await?;
        let mut described = Vec::new();
        if !queries.is_empty() {
            for (stream, name) in &names {
                described.push(transformed::describe(&lock, name, stream, &queries).await?);
            }
        }
        let begin = settings::begin_source(version, given, true);
        reader.begin(&begin, "taking the snapshot").await.map_err(|error| {
            if given.is_some() {
                error.remedy("--snapshot takes the id that pg_export_snapshot() gave in a transaction that is still open")
            } else {
                error
            }
        })?;
        whereabouts::require_same(server, &place, &reader).await?;
        let id = reader
            .value(
                "SELECT pg_catalog.pg_export_snapshot()",
                "exporting the snapshot",
            )
            .await?
            .ok_or_else(|| Error::internal("pg_export_snapshot gave nothing"))?;
        let standby = Standby::of(&reader).await?;
        let mut found = Vec::with_capacity(names.len());
        let mut described = described.into_iter();
        for (stream, name) in names {
            let mut relation = catalog::relation(&reader, &name)
                .await?
                .ok_or_else(|| missing(&name))?;
            if relation.kind == RelationKind::Other {
                return Err(Error::new(
                    Kind::Incompatible,
                    format!("{name} is not a table or view"),
                ));
            }
            key_ranges::find(&reader, version, &mut relation).await?;
            let (relation, transformed) = match described.next() {
                None => (relation, None),
                Some(described) => {
                    let proving = transformed::prove(&reader, relation, described, &queries);
                    let (relation, transformed) = proving.await.map_err(|e| e.context(&name))?;
                    (relation, Some(transformed))
                }
            };
            found.push(Found {
                stream,
                relation,
                transformed,
            });
        }
        Ok(Self {
            lock,
            reader,
            id,
            version,
            place,
            standby,
            found,
        })
    }

    /// The session that reads at the snapshot.
    #[must_use]
    pub fn reader(&self) -> &Session {
        &self.reader
    }

    /// Returns, with the reason, when either session has ended: the snapshot is gone.
    pub async fn lost(&mut self) -> Error {
        let (which, said) = tokio::select! {
            said = self.lock.ended() => ("lock", said),
            said = self.reader.ended() => ("snapshot", said),
        };
        let lost = lost(which, self.reader.server());
        match said {
            // a standby gives up what stands in the way of its primary's changes
            Some(said) if self.standby.is_some() && said.sqlstate() == Some(standby::CONFLICT) => {
                standby::explain(said, self.reader.server()).context(lost.message())
            }
            _ => lost,
        }
    }

    /// What is to be said of the source beforehand.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let standby = self.standby.iter();
        let server = self.reader.server();
        standby
            .filter_map(|standby| standby.warning(server))
            .collect()
    }

    /// What an error of the session that reads at the snapshot means.
    #[must_use]
    pub fn explain(&self, error: Error) -> Error {
        if self.standby.is_some() {
            standby::explain(error, self.reader.server())
        } else {
            error
        }
    }

    /// Lets go of snapshot and locks.
    pub async fn release(self) {
        tokio::join!(self.lock.close(), self.reader.close());
    }
}

fn lost(which: &str, server: &Server) -> Error {
    Error::new(
        Kind::Connection,
        format!("the {which} session on {server} was lost"),
    )
}

/// The root cause where a worker cannot import the run's snapshot: it was exported on the server at
/// `place`, so either whoever held it is gone, or this is another server.
pub async fn explain_import(error: Error, session: &Session, place: &Whereabouts) -> Error {
    let server = session.server();
    match error.sqlstate() {
        // invalid snapshot identifier; since PostgreSQL 17 it does not exist; its process is gone
        Some("22023" | "42704" | "55000") => {}
        _ => return error,
    }
    let found = async {
        session.execute("ROLLBACK", "rolling back").await?;
        Whereabouts::of(session).await
    };
    match found.await {
        Ok(found) if !found.may_be(place) => whereabouts::several(server),
        _ => lost("snapshot", server),
    }
}

/// Holds a relation ACCESS SHARE in the session's transaction. With `nowait`, a queued ALTER is
/// an error rather than something to wait behind: it waits for us.
pub async fn hold(session: &Session, name: &Name, nowait: bool) -> Result<()> {
    let doing = format!("locking {name}");
    let wait = if nowait { " NOWAIT" } else { "" };
    let sql = format!(
        "SAVEPOINT l; LOCK TABLE {} IN ACCESS SHARE MODE{wait}; RELEASE l",
        name.sql()
    );
    match session.execute(&sql, &doing).await {
        // LOCK TABLE refuses materialised views and foreign tables, and wants SELECT on every
        // column; a SELECT takes the same lock and wants no more than it reads
        Err(error) if matches!(error.sqlstate(), Some("42809" | "42501")) => {
            let timeout = if nowait { "SET LOCAL lock_timeout = '1ms';" } else { "" };
            let back = format!("SET LOCAL lock_timeout = '{}'", settings::LOCK_TIMEOUT);
            let sql = format!("ROLLBACK TO l; {timeout} SELECT FROM {} LIMIT 0; {back}", name.sql());
            session.execute(&sql, &doing).await
        }
        other => other,
    }
    .map_err(|error| match error.sqlstate() {
        Some("55P03") => error.remedy("somebody changes this table (an ALTER holds it or waits for it); run again when that is done"),
        Some("42501") => error.remedy("GRANT SELECT on it to this role"),
        _ => error,
    })
}

pub(super) fn missing(name: &Name) -> Error {
    Error::new(
        Kind::NotFound,
        format!("{name} does not exist in the source"),
    )
    .remedy("correct the name, or the schema it is looked for in")
}

fn explain_missing(error: Error, name: &Name) -> Error {
    if error.kind() == Kind::NotFound {
        missing(name)
    } else {
        error
    }
}

/// Every stream with the relation it names: exact names as they are, patterns expanded.
pub(super) async fn expand(
    session: &Session,
    pipeline: &Pipeline,
    schema: &str,
) -> Result<Vec<(Stream, Name)>> {
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for stream in &pipeline.source.streams {
        let schema = stream.schema.as_deref().unwrap_or(schema);
        let exact = Name::new(schema, &stream.name);
        if !is_pattern(schema) && !is_pattern(&stream.name) {
            if seen.insert(exact.clone()) {
                names.push((stream.clone(), exact));
            }
            continue;
        }
        let mut matching = listing::matching(session, schema, &stream.name).await?;
        matching.retain(|name| !excluded(&pipeline.source.exclude, name));
        if matching.is_empty() {
            return Err(Error::new(
                Kind::NotFound,
                format!("no table or view of the source is named {exact}"),
            )
            .remedy("`*` stands for any characters, `?` for one; names are case-sensitive"));
        }
        // a parent is read with the rows of its heirs: those would travel twice
        let heirs = listing::heirs(session, &matching).await?;
        names.extend(
            matching
                .into_iter()
                .filter(|name| !heirs.contains(name))
                .filter(|name| seen.insert(name.clone()))
                .map(|name| (stream.clone(), name)),
        );
    }
    Ok(names)
}

/// Whether one of these patterns (`name` or `schema.name`) leaves this relation out.
fn excluded(patterns: &[String], name: &Name) -> bool {
    patterns
        .iter()
        .filter_map(|pattern| RelationName::parse(pattern).ok())
        .any(|pattern| {
            pattern
                .schema
                .is_none_or(|schema| matches(&schema, &name.schema))
                && matches(&pattern.table, &name.relation)
        })
}

/// Whether a text is what a pattern with `*` and `?` stands for.
fn matches(pattern: &str, text: &str) -> bool {
    let mut characters = pattern.chars();
    match characters.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = characters.as_str();
            text.char_indices()
                .map(|(i, _)| i)
                .chain([text.len()])
                .any(|i| matches(rest, &text[i..]))
        }
        Some(wanted) => {
            let mut text = text.chars();
            text.next().is_some_and(|c| wanted == '?' || wanted == c)
                && matches(characters.as_str(), text.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_shells_do() {
        for (pattern, text, yes) in [
            ("*", "", true),
            ("order_*", "order_items", true),
            ("order_*", "orders", false),
            ("?rder*s", "orders", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("é?", "éa", true),
        ] {
            assert_eq!(matches(pattern, text), yes, "{pattern} {text}");
        }
    }

    #[test]
    fn an_exclusion_without_a_schema_holds_in_every_schema() {
        let name = Name::new("sales", "tmp_1");
        assert!(excluded(&["tmp_*".into()], &name));
        assert!(excluded(&["sales.tmp_*".into()], &name));
        assert!(!excluded(&["public.tmp_*".into()], &name));
    }
}
