//! Chunks of relations, read with COPY TO STDOUT.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{ChunkSource, Piece};
use crate::engine::plan::{Chunk, StreamSpec};
use crate::engine::standby;
use crate::error::{Error, Result};
use crate::postgres::block::Block;
use crate::postgres::catalog::Name;
use crate::postgres::copy::CopyOut;
use crate::postgres::{Session, quote_ident};

/// Reads chunks on one session, which is in a transaction at the run's snapshot.
pub struct PostgresSource {
    session: Session,
    copy: Option<CopyOut>,
    last: (u64, Duration),
    standby: bool,
}

impl PostgresSource {
    /// Reads on this session, which may be one of a standby.
    #[must_use]
    pub fn new(session: Session, standby: bool) -> Self {
        Self {
            session,
            standby,
            copy: None,
            last: (0, Duration::ZERO),
        }
    }
}

/// What an error of this source means.
fn explained(session: &Session, standby: bool) -> impl FnOnce(Error) -> Error {
    move |error| {
        if standby {
            standby::explain(error, session.server())
        } else {
            error
        }
    }
}

/// The SELECT of a chunk's rows, as they lie in the relation.
///
/// A heap is read ONLY and by row address; a relation in one piece is read as it is, for ONLY a
/// parent would leave out its children.
#[must_use]
pub fn rows_sql(columns: &[String], relation: &Name, chunk: &Chunk) -> String {
    let from = match &chunk.heap {
        Some(heap) => format!("ONLY {}", heap.sql()),
        None => relation.sql(),
    };
    let mut conditions = Vec::new();
    if let Some(block) = chunk.from_block {
        conditions.push(format!("ctid >= '({block},0)'::pg_catalog.tid"));
    }
    if let Some(block) = chunk.to_block {
        conditions.push(format!("ctid < '({block},0)'::pg_catalog.tid"));
    }
    conditions.extend(chunk.only.as_ref().map(|only| format!("({only})")));
    let condition = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    };
    format!("SELECT {} FROM {from}{condition}", list(columns))
}

/// The COPY statement that reads a chunk, through the transforms where there are any.
#[must_use]
pub fn copy_out_sql(stream: &StreamSpec, chunk: &Chunk, limit: Option<u64>) -> String {
    let rows = match &stream.transform {
        None => rows_sql(&stream.columns, &stream.source, chunk),
        Some(transform) => {
            let rows = rows_sql(&transform.input, &stream.source, chunk);
            format!(
                "SELECT {} FROM ({}) t",
                list(&stream.columns),
                transform.over(&rows)
            )
        }
    };
    let limit = limit.map_or(String::new(), |rows| format!(" LIMIT {rows}"));
    format!(
        "COPY ({rows}{limit}) TO STDOUT (FORMAT {})",
        stream.format.name()
    )
}

fn list(columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| quote_ident(column)).collect();
    columns.join(", ")
}

impl ChunkSource for PostgresSource {
    fn open<'a>(
        &'a mut self,
        stream: &'a StreamSpec,
        chunk: &'a Chunk,
        limit: Option<u64>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let sql = copy_out_sql(stream, chunk, limit);
            tracing::debug!("{}: {sql}", self.session.server());
            let copy = CopyOut::start(&self.session, &sql).await;
            self.copy = Some(copy.map_err(explained(&self.session, self.standby))?);
            Ok(())
        })
    }

    fn fill<'a>(&'a mut self, block: &'a mut Block) -> BoxFuture<'a, Result<Piece>> {
        Box::pin(async move {
            let copy = self
                .copy
                .as_mut()
                .ok_or_else(|| Error::internal("a chunk was read before it was opened"))?;
            let more = copy.fill(block).await;
            let more = more.map_err(explained(&self.session, self.standby))?;
            self.last = (copy.messages(), copy.waited());
            match self.copy.take_if(|_| !more) {
                None => Ok(Piece::More),
                Some(copy) => Ok(Piece::End {
                    messages: copy.messages(),
                    rows: copy.finish().await?,
                }),
            }
        })
    }

    fn messages(&self) -> u64 {
        self.last.0
    }

    fn waited(&self) -> Duration {
        self.last.1
    }

    fn session(&self) -> Option<&Session> {
        Some(&self.session)
    }

    fn into_session(self: Box<Self>) -> Option<Session> {
        Some(self.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::{CopyFormat, Origin};
    use crate::engine::transform::Transform;

    #[test]
    fn a_chunk_reads_only_its_heap_between_its_blocks() {
        let stream = StreamSpec {
            source: Name::new("public", "Odd \"name\""),
            target: None,
            load_into: None,
            columns: vec!["id".into(), "a b".into()],
            origin: Origin::Generated,
            transform: None,
            format: CopyFormat::Binary,
            why_text: None,
            fan_out: 1,
            why_one_worker: None,
            only: None,
            upsert: None,
            frozen: false,
        };
        let chunk = Chunk {
            heap: Some(Name::new("p", "leaf")),
            from_block: Some(10),
            to_block: Some(20),
            ..Chunk::whole(0, 0)
        };
        assert_eq!(
            copy_out_sql(&stream, &chunk, None),
            r#"COPY (SELECT "id", "a b" FROM ONLY "p"."leaf" WHERE ctid >= '(10,0)'::pg_catalog.tid AND ctid < '(20,0)'::pg_catalog.tid) TO STDOUT (FORMAT binary)"#
        );
        assert_eq!(
            copy_out_sql(&stream, &Chunk::whole(0, 0), Some(5)),
            r#"COPY (SELECT "id", "a b" FROM "public"."Odd ""name""" LIMIT 5) TO STDOUT (FORMAT binary)"#
        );
        let transform = Transform {
            input: vec!["x".into()],
            queries: vec!["TABLE input".into()],
        };
        let transformed = StreamSpec {
            transform: Some(transform),
            ..stream
        };
        assert_eq!(
            copy_out_sql(&transformed, &chunk, Some(5)),
            "COPY (SELECT \"id\", \"a b\" FROM (WITH input AS NOT MATERIALIZED (\
             SELECT \"x\" FROM ONLY \"p\".\"leaf\" WHERE ctid >= '(10,0)'::pg_catalog.tid AND ctid < '(20,0)'::pg_catalog.tid\
             ) SELECT * FROM (\nTABLE input\n) q) t LIMIT 5) TO STDOUT (FORMAT binary)"
        );
    }
}
