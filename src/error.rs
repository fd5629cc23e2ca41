//! The one error type: what happened, to what, why, and what to do next.
//!
//! Every fallible function of rb-bench returns [`Error`]. It carries a [`Kind`] (which decides the
//! exit code), the message, a remedy where there is one, what the server said where a server said
//! it, and the cause. It must never hold a password: whoever builds a message from a URL prints
//! the URL through `postgres::connect`, which masks it.

use std::fmt;

/// The result of everything in rb-bench.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure this is; it decides the exit code and what a retry may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Wrong flags or arguments (exit 2).
    Usage,
    /// A document or profile that cannot be used.
    Config,
    /// A table, profile, file or server program that is not there.
    NotFound,
    /// A server that could not be reached, or a connection that was lost.
    Connection,
    /// A server that refused who we are.
    Authentication,
    /// A server or file system that refused what we asked.
    Permission,
    /// A destination that cannot hold what the source has, or a table of the wrong shape.
    Incompatible,
    /// Rows that the destination refused: a constraint, a malformed value.
    Data,
    /// A disk or quota that is full (SQLSTATE class 53, ENOSPC), or a pooler without a free connection.
    Space,
    /// A lock that could not be had: somebody changes the table.
    Lock,
    /// Two workers of one run that waited for each other.
    SiblingBlocked,
    /// A conflict the server resolved by failing us: deadlock, serialization, recovery.
    Conflict,
    /// What this version of rb-bench does not do.
    Unsupported,
    /// Rows that arrived otherwise than they left: the one thing that must never happen.
    Verification,
    /// A file or pipe that failed.
    Io,
    /// Any other error that a server reported.
    Server,
    /// A machine that is too busy to measure on (exit 6).
    Guard,
    /// The user stopped it (exit 130).
    Interrupted,
    /// A defect of rb-bench.
    Internal,
}

/// How far the failed run's commit had come: the worst over all its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitState {
    /// Nothing was committed: the destination is as it was, save for rows of an unfinished upsert,
    /// which the next run writes again.
    #[default]
    BeforeCommit,
    /// The run is committed.
    AfterCommitConfirmed,
    /// A commit was sent and its answer never came.
    AfterCommitUnknown,
}

/// What a Postgres server said about a failure, whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerReport {
    /// The five-character SQLSTATE.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// The detail line, where there is one.
    pub detail: Option<String>,
    /// The server's own hint.
    pub hint: Option<String>,
    /// The context (`COPY orders, line 12`).
    pub context: Option<String>,
    /// The constraint concerned.
    pub constraint: Option<String>,
    /// Where in the statement, in characters from 1.
    pub position: Option<u32>,
}

/// An error: kind, message, remedy, the server's words, the cause.
pub struct Error {
    kind: Kind,
    message: String,
    remedy: Option<String>,
    server: Option<Box<ServerReport>>,
    commit_state: CommitState,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind; `message` is lowercase, without a trailing period.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            remedy: None,
            server: None,
            commit_state: CommitState::BeforeCommit,
            source: None,
        }
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Adds the server's own words.
    #[must_use]
    pub fn reported_by_server(mut self, report: ServerReport) -> Self {
        self.server = Some(Box::new(report));
        self
    }

    /// Says how far the commit had come.
    #[must_use]
    pub fn at_commit_state(mut self, state: CommitState) -> Self {
        self.commit_state = self.commit_state.max(state);
        self
    }

    /// Takes back a doubt about the commit: the server was asked, and nothing is committed.
    #[must_use]
    pub fn nothing_committed(mut self) -> Self {
        self.commit_state = CommitState::BeforeCommit;
        self
    }

    /// Puts what was being done in front of the message: `copying public.orders: ...`.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// Changes the kind, where the caller knows better what it means.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// A defect of rb-bench itself.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
            .remedy("this is a defect of rb-bench; please report it with this text")
    }

    /// A failed file operation, with the path it concerned.
    #[must_use]
    pub fn file(doing: &str, path: &std::path::Path, cause: std::io::Error) -> Self {
        let kind = match cause.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Kind::Permission
            }
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Kind::Space,
            _ => Kind::Io,
        };
        Self::new(kind, format!("cannot {doing} {}: {cause}", path.display())).caused_by(cause)
    }

    /// What sort of failure this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What to do next, where somebody said.
    #[must_use]
    pub fn remedy_text(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// The message without its remedy.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the server said, where it was a server.
    #[must_use]
    pub fn server(&self) -> Option<&ServerReport> {
        self.server.as_deref()
    }

    /// The SQLSTATE, where a server reported the failure.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.server.as_deref().map(|s| s.sqlstate.as_str())
    }

    /// How far the commit had come.
    #[must_use]
    pub fn commit_state(&self) -> CommitState {
        self.commit_state
    }

    /// The exit code of a command that ends with this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Usage => 2,
            Kind::Guard => 6,
            Kind::Interrupted => 130,
            _ => 1,
        }
    }

    /// The error as a program reads it (`--format json`).
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "error": self.message,
            "kind": format!("{:?}", self.kind),
            "remedy": self.remedy,
            "sqlstate": self.sqlstate(),
            "detail": self.server.as_ref().and_then(|s| s.detail.clone()),
            "commit_state": self.commit_state,
        })
    }
}

/// The message, then the server's detail, hint and context, then the remedy, a line each.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(server) = &self.server {
            write!(f, " (SQLSTATE {})", server.sqlstate)?;
            let parts = [
                ("detail", &server.detail),
                ("hint", &server.hint),
                ("context", &server.context),
            ];
            for (name, text) in parts {
                if let Some(text) = text {
                    write!(f, "\n  {name}: {}", text.replace('\n', "\n    "))?;
                }
            }
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  what to do: {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_prints_what_the_server_said_and_what_to_do() {
        let error = Error::new(Kind::Data, "copying public.t: duplicate key")
            .reported_by_server(ServerReport {
                sqlstate: "23505".into(),
                detail: Some("Key (id)=(1) already exists.".into()),
                ..ServerReport::default()
            })
            .remedy("empty the table");
        assert_eq!(
            error.to_string(),
            "copying public.t: duplicate key (SQLSTATE 23505)\n  detail: Key (id)=(1) already exists.\n  what to do: empty the table"
        );
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn the_worst_commit_state_is_kept() {
        let error = Error::new(Kind::Connection, "x")
            .at_commit_state(CommitState::AfterCommitUnknown)
            .at_commit_state(CommitState::BeforeCommit);
        assert_eq!(error.commit_state(), CommitState::AfterCommitUnknown);
    }

    #[test]
    fn a_defect_asks_to_be_reported() {
        assert_eq!(
            Error::internal("no worker").to_string(),
            "no worker\n  what to do: this is a defect of rb-bench; please report it with this text"
        );
    }
}
