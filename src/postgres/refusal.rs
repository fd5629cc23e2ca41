//! Why a connection was not made: which of several failures is told, and what to do about it.
//!
//! Nothing here connects. A server's own words are kept; its advice is ours.

use std::error::Error as _;
use std::io;

use super::parameters::SessionAttributes;
use super::session::Session;
use super::{sqlstate, tls};
use crate::error::{Error, Kind, Result};

/// How far a connection had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// No socket was opened.
    Opening,
    /// The socket was not encrypted as it was to be.
    Securing,
    /// The server did not let us in.
    Starting {
        /// Whether the connection was encrypted.
        encrypted: bool,
    },
}

/// A connection that was not made.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    stage: Stage,
}

impl Failure {
    pub(super) fn new(error: Error, stage: Stage) -> Self {
        Self { error, stage }
    }

    /// Whether the server refused an unencrypted connection, so that an encrypted one may do.
    pub(super) fn is_refusal(&self) -> bool {
        self.stage == Stage::Starting { encrypted: false } && self.is_by_rule()
    }

    /// Whether it may be due to encryption, so that one without may do.
    pub(super) fn is_of_encryption(&self) -> bool {
        match self.stage {
            Stage::Opening => false,
            Stage::Securing => true,
            Stage::Starting { encrypted } => encrypted && self.is_by_rule(),
        }
    }

    /// invalid_authorization_specification: what pg_hba.conf says, before any password.
    fn is_by_rule(&self) -> bool {
        self.error.sqlstate() == Some("28000")
    }
}

/// A host whose name leads nowhere.
pub(super) fn unresolved(error: io::Error) -> Error {
    Error::new(
        Kind::Connection,
        format!("the host name cannot be looked up: {error}"),
    )
    .caused_by(error)
    .remedy("check its spelling, or give its address in hostaddr")
}

/// A server that is there and is not what was asked for.
pub(super) fn unfit(shown: &str, why: &str) -> Error {
    Error::new(Kind::Connection, format!("connecting to {shown}: {why}"))
        .remedy("list a server in host that is what target_session_attrs asks for")
}

/// Whether no other server is tried after this: as libpq, where a server has judged who we are, and
/// where the fault is on our side.
pub(super) fn is_final(error: &Error) -> bool {
    match error.kind() {
        Kind::Connection | Kind::Unsupported => false,
        Kind::Authentication => error.sqlstate().is_some(),
        _ => true,
    }
}

/// One error for the failures of all places that were tried.
pub(super) fn of_all(shown: &str, mut failures: Vec<Error>) -> Error {
    let mut seen: Vec<String> = Vec::new();
    failures.retain(|failure| {
        let new = !seen.contains(&failure.message().to_owned());
        seen.push(failure.message().to_owned());
        new
    });
    let Some(last) = failures.pop() else {
        return Error::internal("no server was tried");
    };
    if failures.is_empty() {
        return last;
    }
    failures.push(last);
    let why: Vec<&str> = failures.iter().map(Error::message).collect();
    let mut error = Error::new(
        Kind::Connection,
        format!(
            "connecting to {shown}: no server can be used\n  {}",
            why.join("\n  ")
        ),
    )
    .remedy(
        "check that one of them runs, can be reached, and is what target_session_attrs asks for",
    );
    // who has to wait for a server is told so by its SQLSTATE
    let mut patient = failures.iter().rev().filter_map(Error::server);
    if let Some(report) = patient.next() {
        error = error.reported_by_server(report.clone());
    }
    error
}

/// Our error for a start-up that failed.
pub(super) fn of_start_up(error: tokio_postgres::Error, doing: &str) -> Error {
    let wrong = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .and_then(tls::alert_of)
        .map(|wrong| (tls::explain(wrong), tls::remedy(wrong)));
    if let Some((text, remedy)) = wrong {
        let ours = Error::new(Kind::Authentication, format!("{doing}: {text}")).caused_by(error);
        return match remedy {
            Some(remedy) => ours.remedy(remedy),
            None => ours,
        };
    }
    advise(sqlstate::from_client(error, doing))
}

fn advise(error: Error) -> Error {
    let says = |text: &str| error.message().contains(text);
    match error.sqlstate() {
        Some("28000") if says("certificate") => {
            error.remedy("give sslcert and sslkey, with a certificate that an authority of the server's ssl_ca_file has signed for this role")
        }
        Some("28000") if says("no encryption") => {
            error.remedy("use sslmode=require or stronger: the server lets nobody in unencrypted here; or add a line to its pg_hba.conf")
        }
        Some("28000") if says("pg_hba.conf") => {
            error.remedy("add a line for this address, role and database to the server's pg_hba.conf")
        }
        Some("28P01" | "28000") => error
            .remedy("give the right user, and the password in PGPASSWORD, PGPASSFILE or ~/.pgpass"),
        Some("3D000") => error.remedy("create the database, or correct its name"),
        Some("53300") => {
            error.remedy("lower resources.parallelism, or raise the server's max_connections")
        }
        None if says("channel binding") => error
            .with_kind(Kind::Authentication)
            .remedy("channel_binding=require needs TLS and a SCRAM password: use sslmode=require and password_encryption=scram-sha-256, or channel_binding=prefer"),
        None if says("unsupported authentication method") => error
            .with_kind(Kind::Unsupported)
            .remedy("have pg_hba.conf ask for scram-sha-256, md5, password, cert or peer; GSSAPI and SSPI are not supported"),
        _ if error.kind() == Kind::Authentication => {
            error.remedy("set PGPASSWORD, or put the password into ~/.pgpass")
        }
        _ => error,
    }
}

impl SessionAttributes {
    /// Why the server of a session is not what was asked for; none if it is.
    pub(super) async fn misfit(self, session: &Session) -> Result<Option<String>> {
        if self == Self::Any {
            return Ok(None);
        }
        let row = session
            .row(
                "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')",
                "asking whether the server is a standby",
            )
            .await?;
        let (standby, read_only) = (row.get(0) == Some("t"), row.get(1) == Some("on"));
        Ok(match self {
            Self::ReadWrite if read_only => {
                Some("it is read-only, and target_session_attrs is read-write")
            }
            Self::ReadOnly if !read_only => {
                Some("it is not read-only, and target_session_attrs is read-only")
            }
            Self::Primary if standby => {
                Some("it is a standby, and target_session_attrs is primary")
            }
            Self::Standby if !standby => {
                Some("it is a primary, and target_session_attrs is standby")
            }
            _ => None,
        }
        .map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failures_of_several_servers_are_told_once_each() {
        let failure = |text: &str| Error::new(Kind::Connection, text);
        let one = of_all("a@h/d", vec![failure("x"), failure("x")]);
        assert_eq!(one.message(), "x");
        let two = of_all("a@h,i/d", vec![failure("x"), failure("y"), failure("x")]);
        assert_eq!(
            two.message(),
            "connecting to a@h,i/d: no server can be used\n  x\n  y"
        );
    }
}
