//! From what a server or a socket reported to our error: the kind by SQLSTATE, the words kept.
//!
//! SQLSTATE classes: PostgreSQL manual, appendix A.

use tokio_postgres::error::{DbError, ErrorPosition};

use crate::error::{Error, Kind, ServerReport};

/// The kind of a failure with this SQLSTATE.
#[must_use]
pub fn kind_of(sqlstate: &str) -> Kind {
    match sqlstate {
        "42501" => Kind::Permission,
        "42P01" | "3D000" | "3F000" | "42704" => Kind::NotFound,
        "55P03" | "55006" => Kind::Lock,
        "0A000" => Kind::Unsupported,
        "42703" | "42804" | "42846" => Kind::Incompatible,
        "53300" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Kind::Connection,
        _ => match sqlstate.get(..2).unwrap_or_default() {
            "08" => Kind::Connection,
            "22" | "23" | "44" => Kind::Data,
            "28" => Kind::Authentication,
            "40" => Kind::Conflict,
            "53" => Kind::Space,
            "58" => Kind::Io,
            _ => Kind::Server,
        },
    }
}

/// Our error from what the server reported while `doing` something.
#[must_use]
pub fn from_report(report: ServerReport, doing: &str) -> Error {
    let text = format!("{doing}: {}", report.message);
    match pooler(&report.message) {
        Some((kind, remedy)) => Error::new(kind, text).remedy(remedy),
        None => Error::new(kind_of(&report.sqlstate), text),
    }
    .reported_by_server(report)
}

/// What to do where a pooler has no connection for us.
pub const POOL_IS_FULL: &str = "a run takes its workers and two connections more on either side: lower \
resources.parallelism, make the pool larger (pgbouncer: default_pool_size), or connect to the server itself";

/// What a pooler means by its own errors, which all have one SQLSTATE (pgbouncer: 08P01) and are in
/// English.
fn pooler(message: &str) -> Option<(Kind, &'static str)> {
    if message.contains("statement pooling") {
        let remedy = "a run needs transactions: use pool_mode = transaction or session for this database, or connect to \
                      the server itself";
        return Some((Kind::Unsupported, remedy));
    }
    message
        .contains("query_wait_timeout")
        .then_some((Kind::Space, POOL_IS_FULL))
}

/// Our error from tokio-postgres' while `doing` something.
#[must_use]
pub fn from_client(error: tokio_postgres::Error, doing: &str) -> Error {
    if let Some(db) = error.as_db_error() {
        return from_report(report_of(db), doing);
    }
    let text = innermost(&error);
    if error.is_closed() || is_io(&error) {
        let text = if error.is_closed() {
            "the server closed the connection".to_owned()
        } else {
            text
        };
        return Error::new(Kind::Connection, format!("{doing}: {text}")).caused_by(error);
    }
    let kind = if text.contains("password") {
        Kind::Authentication
    } else {
        Kind::Server
    };
    Error::new(kind, format!("{doing}: {text}")).caused_by(error)
}

fn report_of(db: &DbError) -> ServerReport {
    ServerReport {
        sqlstate: db.code().code().to_owned(),
        message: db.message().to_owned(),
        detail: db.detail().map(str::to_owned),
        hint: db.hint().map(str::to_owned),
        context: db.where_().map(str::to_owned),
        constraint: db.constraint().map(str::to_owned),
        position: match db.position() {
            Some(ErrorPosition::Original(position)) => Some(*position),
            _ => None,
        },
    }
}

fn is_io(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<std::io::Error>() {
            return true;
        }
        next = error.source();
    }
    false
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = error.to_string();
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_map_to_kinds() {
        for (sqlstate, kind) in [
            ("53100", Kind::Space),
            ("53300", Kind::Connection),
            ("57P01", Kind::Connection),
            ("28P01", Kind::Authentication),
            ("42501", Kind::Permission),
            ("42P01", Kind::NotFound),
            ("23505", Kind::Data),
            ("40P01", Kind::Conflict),
            ("55P03", Kind::Lock),
            ("XX000", Kind::Server),
            ("", Kind::Server),
        ] {
            assert_eq!(kind_of(sqlstate), kind, "{sqlstate}");
        }
    }

    #[test]
    fn a_pooler_is_told_apart_by_what_it_says() {
        let said = |message: &str| {
            let report = ServerReport {
                sqlstate: "08P01".into(),
                message: message.into(),
                ..ServerReport::default()
            };
            from_report(report, "beginning").to_string()
        };
        assert_eq!(
            said("transaction blocks not allowed in statement pooling mode"),
            "beginning: transaction blocks not allowed in statement pooling mode (SQLSTATE 08P01)\n  what to do: a run \
             needs transactions: use pool_mode = transaction or session for this database, or connect to the server itself"
        );
        assert!(
            said("query_wait_timeout")
                .contains("make the pool larger (pgbouncer: default_pool_size)")
        );
    }
}
