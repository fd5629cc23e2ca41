//! A standby as the source: what it may do to a run, said before, and named when it does it.
//!
//! A standby ends queries whose snapshot still needs rows that its primary has removed. Trying again
//! would meet the same after the same time, so that is never done by itself.

use crate::error::{Error, Kind, Result};
use crate::postgres::{Server, Session};

/// The SQLSTATE of a recovery conflict. Nothing else at a standby has it: a transaction there only
/// reads, and none that only reads is refused by another at REPEATABLE READ.
pub const CONFLICT: &str = "40001";

/// A source that follows another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standby {
    /// Whether its primary keeps the rows that queries here can see.
    pub feedback: bool,
    /// `max_standby_streaming_delay`, as the server prints it.
    pub delay: String,
}

impl Standby {
    /// Asks the server; none where it follows nobody.
    pub async fn of(session: &Session) -> Result<Option<Self>> {
        let sql = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('hot_standby_feedback'), \
                   pg_catalog.current_setting('max_standby_streaming_delay')";
        let doing = "asking whether the source is a standby";
        let row = session.row(sql, doing).await?;
        Ok((row.get(0) == Some("t")).then(|| Self {
            feedback: row.get(1) == Some("on"),
            delay: row.get(2).unwrap_or_default().to_owned(),
        }))
    }

    /// What a run should be told beforehand.
    #[must_use]
    pub fn warning(&self, server: &Server) -> Option<String> {
        (!self.feedback && self.delay != "-1").then(|| {
            format!(
                "{server} is a standby that ends queries which stand in the way of its primary's changes for {} \
                 (max_standby_streaming_delay), and the run with them; hot_standby_feedback = on there, or a delay of -1, \
                 keeps it from doing so",
                self.delay
            )
        })
    }
}

/// A recovery conflict as such, with what to do; any other error of a standby as it is.
#[must_use]
pub fn explain(error: Error, server: &Server) -> Error {
    if error.sqlstate() != Some(CONFLICT) {
        return error;
    }
    error
        .with_kind(Kind::Server)
        .context(format!("{server} is a standby, and gave up reading for its primary's changes (recovery conflict)"))
        .remedy("set hot_standby_feedback = on or max_standby_streaming_delay = -1 there for the copy, or copy from the primary")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_that_waits_for_its_readers_is_no_reason_to_warn() {
        let server = Server::from_url("postgres://a@h/d").unwrap();
        for (feedback, delay, warns) in [
            (false, "30s", true),
            (false, "-1", false),
            (true, "30s", false),
        ] {
            let standby = Standby {
                feedback,
                delay: delay.to_owned(),
            };
            assert_eq!(standby.warning(&server).is_some(), warns, "{standby:?}");
        }
    }
}
