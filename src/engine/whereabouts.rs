//! Which server a session is on: behind a name, a proxy or a pooler there may be several.
//!
//! All sessions of one side of a run must be on one server. A lock held on another one holds
//! nothing, and rows written to another one are lost.

use tokio_postgres::SimpleQueryRow;

use crate::error::{Error, Kind, Result};
use crate::postgres::{Server, Session};

/// What a server says of itself, as columns of a query of `pg_control_system()`.
pub const COLUMNS: &str = "system_identifier, \
coalesce(pg_catalog.host(pg_catalog.inet_server_addr()), '') || ':' || pg_catalog.current_setting('port'), \
(pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint::text";

/// A running server, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// The system identifier, which a standby shares with its primary.
    system: String,
    /// Where it listens, as far as it knows.
    address: String,
    /// When it was started, microseconds since 1970: a whole number, which no setting prints otherwise.
    started: String,
}

impl Whereabouts {
    /// Which server this session is on.
    pub async fn of(session: &Session) -> Result<Self> {
        let sql = format!("SELECT {COLUMNS} FROM pg_catalog.pg_control_system()");
        let row = session.row(&sql, "asking which server it is").await?;
        Ok(Self::of_row(&row))
    }

    /// Reads a row that begins with [`COLUMNS`].
    #[must_use]
    pub fn of_row(row: &SimpleQueryRow) -> Self {
        let text = |i: usize| row.get(i).unwrap_or_default().to_owned();
        Self {
            system: text(0),
            address: text(1),
            started: text(2),
        }
    }

    /// Whether this is the same server, not restarted in between. Its address does not count: one
    /// server can be reached at several.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (&self.system, &self.started) == (&other.system, &other.started)
    }

    /// Whether this is the same server, though perhaps restarted in between.
    #[must_use]
    pub fn may_be(&self, other: &Self) -> bool {
        self.is(other) || (&self.system, &self.address) == (&other.system, &other.address)
    }
}

/// Refuses sessions that are on several servers.
pub async fn require_same(server: &Server, first: &Whereabouts, other: &Session) -> Result<()> {
    require_same_place(server, first, &Whereabouts::of(other).await?)
}

/// Refuses a session that is elsewhere than the first.
pub fn require_same_place(server: &Server, first: &Whereabouts, found: &Whereabouts) -> Result<()> {
    if found.is(first) {
        return Ok(());
    }
    Err(if found.may_be(first) {
        let text = format!("{server} was restarted while the run connected to it");
        Error::new(Kind::Connection, text)
    } else {
        several(server)
    })
}

/// The error of a name that several servers answer to.
#[must_use]
pub fn several(server: &Server) -> Error {
    Error::new(
        Kind::Unsupported,
        format!("several servers answer behind {server}, and a run needs all its sessions on one"),
    )
    .remedy("name one of them: a load balancer or a name with several addresses cannot be copied through")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_identifier_and_start_and_a_restarted_one_by_its_address() {
        let place = |system: &str, address: &str, started: &str| Whereabouts {
            system: system.to_owned(),
            address: address.to_owned(),
            started: started.to_owned(),
        };
        let first = place("1", "10.0.0.1:5432", "100.5");
        for (other, is, may_be) in [
            (place("1", "::1:5432", "100.5"), true, true),
            (place("1", "10.0.0.1:5432", "200.5"), false, true),
            (place("1", "10.0.0.2:5432", "200.5"), false, false),
            (place("2", "10.0.0.1:5432", "100.5"), false, false),
        ] {
            assert_eq!(
                (first.is(&other), first.may_be(&other)),
                (is, may_be),
                "{other:?}"
            );
        }
        let server = Server::from_url("host=db dbname=d user=u").unwrap();
        let restarted = place("1", "10.0.0.1:5432", "200.5");
        let error = require_same_place(&server, &first, &restarted).unwrap_err();
        assert_eq!(error.kind(), Kind::Connection);
        assert_eq!(
            error.message(),
            format!("{server} was restarted while the run connected to it")
        );
        require_same_place(&server, &first, &place("1", "::1:5432", "100.5")).unwrap();
    }
}
