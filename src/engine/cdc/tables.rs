//! Which tables a document captures, and where their changes go.

use super::ends::destination;
use super::state::Table;
use crate::config::types::{Pipeline, SourceConnector, Stream};
use crate::engine::snapshot::{self, Found};
use crate::engine::targets;
use crate::error::{Error, Kind, Result};
use crate::postgres::Session;
use crate::postgres::catalog::{self, Name, Relation};

/// A table whose changes are captured.
#[derive(Debug, Clone)]
pub(super) struct Captured {
    /// The document's entry.
    pub(super) stream: Stream,
    /// The source's table.
    pub(super) relation: Relation,
    /// Where its changes go.
    pub(super) target: Name,
}

/// The document's tables, patterns expanded; `source` is in a transaction with an empty
/// `search_path`.
pub(super) async fn captured(source: &Session, pipeline: &Pipeline) -> Result<Vec<Captured>> {
    let schema = match &pipeline.source.connector {
        SourceConnector::Postgres(endpoint) => endpoint.schema.as_str(),
        SourceConnector::Generate(_) => "",
    };
    let mut all = Vec::new();
    for (stream, name) in snapshot::expand(source, pipeline, schema).await? {
        let relation = catalog::relation(source, &name)
            .await?
            .ok_or_else(|| snapshot::missing(&name))?;
        let found = Found {
            stream,
            relation,
            transformed: None,
        };
        let target = targets::target_name(&found, destination(pipeline)?)?;
        all.push(Captured {
            stream: found.stream,
            relation: found.relation,
            target,
        });
    }
    for (i, one) in all.iter().enumerate() {
        if all[..i].iter().any(|other| other.target == one.target) {
            return Err(Error::new(
                Kind::Incompatible,
                format!("two streams go into {}", one.target),
            )
            .remedy("give one of them another `target`"));
        }
    }
    Ok(all)
}

/// The tables as the state keeps them, in an order that does not depend on the document's.
pub(super) fn listed(captured: &[Captured]) -> Vec<Table> {
    let mut tables: Vec<Table> = captured
        .iter()
        .map(|one| Table {
            source: one.relation.name.to_string(),
            target: one.target.to_string(),
        })
        .collect();
    tables.sort_by(|a, b| a.source.cmp(&b.source));
    tables
}
