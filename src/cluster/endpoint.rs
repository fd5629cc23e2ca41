//! Where the managed server listens, and the connections that start-up itself needs.
//!
//! A URL from here holds the password: it is for connecting, never for printing.

use std::path::PathBuf;
use std::thread;

use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use super::SUPERUSER;
use crate::error::{Error, Kind, Result};

/// The databases of a managed server.
pub const DATABASES: [&str; 2] = ["source", "dest"];

/// A database and its size.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Bytes on disk, where a server could be asked.
    pub bytes: Option<u64>,
}

/// The address of a running server.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// The socket directory; TCP on 127.0.0.1 without one.
    pub(crate) socket: Option<PathBuf>,
    pub(crate) port: u16,
    pub(crate) password: String,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host(), self.port)
    }
}

impl Endpoint {
    /// The host as libpq takes it.
    pub(crate) fn host(&self) -> String {
        self.socket
            .as_ref()
            .map_or_else(|| "127.0.0.1".to_owned(), |d| d.display().to_string())
    }

    /// The connection URL of a database, password inside.
    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgres://{SUPERUSER}:{}@{}:{}/{}",
            percent_encoded(&self.password),
            percent_encoded(&self.host()),
            self.port,
            percent_encoded(database)
        )
    }

    /// One connection attempt; whether the server takes connections.
    pub(crate) fn probe(&self) -> Result<Probe> {
        self.session("postgres", async |_| Ok(()))
            .map(|()| Probe::Ready)
            .or_else(|error| match error {
                Failure::Sql(e) if e.code() == Some(&SqlState::INVALID_PASSWORD) => {
                    Err(Error::new(
                        Kind::Authentication,
                        "the managed server does not take the password that is kept beside its data",
                    )
                    .remedy("`rb-bench cluster reset` makes a new server; the seeded data is made again"))
                }
                Failure::Sql(_) => Ok(Probe::NotYet),
                Failure::Other(error) => Err(error),
            })
    }

    /// Creates those of [`DATABASES`] that are missing.
    pub(crate) fn create_databases(&self) -> Result<()> {
        let create = async |client: &tokio_postgres::Client| {
            for name in DATABASES {
                let there = client
                    .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name])
                    .await?;
                if there.is_none() {
                    client
                        .batch_execute(&format!("CREATE DATABASE \"{name}\" TEMPLATE template0"))
                        .await?;
                }
            }
            Ok(())
        };
        self.session("postgres", create)
            .map_err(|failure| failure.into_error("create the databases of the managed server"))
    }

    /// The databases that are there, templates and `postgres` left out; none where the server cannot be asked.
    pub(crate) fn databases(&self) -> Option<Vec<Database>> {
        const QUERY: &str = "SELECT datname::text, pg_database_size(oid) FROM pg_database
            WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY datname";
        let list = async |client: &tokio_postgres::Client| {
            let rows = client.query(QUERY, &[]).await?;
            Ok(rows
                .iter()
                .map(|row| Database {
                    name: row.get(0),
                    bytes: u64::try_from(row.get::<_, i64>(1)).ok(),
                })
                .collect())
        };
        self.session("postgres", list).ok()
    }

    /// Runs `work` on a connection, on a thread of its own: the caller may be inside a runtime.
    fn session<T: Send>(
        &self,
        database: &str,
        work: impl AsyncFnOnce(&tokio_postgres::Client) -> Result<T, tokio_postgres::Error> + Send,
    ) -> Result<T, Failure> {
        let mut config = tokio_postgres::Config::new();
        config
            .port(self.port)
            .user(SUPERUSER)
            .password(&self.password)
            .dbname(database)
            .application_name("rb-bench")
            .connect_timeout(std::time::Duration::from_secs(5));
        match &self.socket {
            Some(directory) => config.host_path(directory),
            None => config.host("127.0.0.1"),
        };
        let session = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| {
                    Failure::Other(Error::new(Kind::Io, format!("cannot start a runtime: {e}")))
                })?;
            runtime
                .block_on(async {
                    let (client, connection) = config.connect(NoTls).await?;
                    let driver = tokio::spawn(connection);
                    let result = work(&client).await;
                    drop(client);
                    // It ends with its client; what went wrong, the result has said.
                    let _ = driver.await;
                    result
                })
                .map_err(Failure::Sql)
        };
        thread::scope(|scope| scope.spawn(session).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// What a connection attempt found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// The server takes connections.
    Ready,
    /// Nobody listens yet, or the server is starting.
    NotYet,
}

enum Failure {
    Sql(tokio_postgres::Error),
    Other(Error),
}

impl Failure {
    fn into_error(self, doing: &str) -> Error {
        match self {
            Self::Other(error) => error,
            Self::Sql(e) => {
                let said = e
                    .as_db_error()
                    .map_or_else(|| e.to_string(), |d| d.message().to_owned());
                Error::new(Kind::Server, format!("cannot {doing}: {said}")).caused_by(e)
            }
        }
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_leads_to_the_socket() {
        let endpoint = Endpoint {
            socket: Some("/tmp/a b/socket".into()),
            port: 5433,
            password: "s3cret".into(),
        };
        let url = endpoint.url("my db");
        assert_eq!(
            url,
            "postgres://postgres:s3cret@%2Ftmp%2Fa%20b%2Fsocket:5433/my%20db"
        );
        let config: tokio_postgres::Config = url.parse().unwrap();
        let socket = tokio_postgres::config::Host::Unix("/tmp/a b/socket".into());
        assert_eq!(config.get_hosts(), [socket]);
        assert_eq!(config.get_ports(), [5433]);
        assert!(!format!("{endpoint:?}").contains("s3cret"));
    }

    #[test]
    fn without_a_socket_the_url_leads_to_loopback() {
        let endpoint = Endpoint {
            socket: None,
            port: 5433,
            password: "x".into(),
        };
        assert_eq!(
            endpoint.url("dest"),
            "postgres://postgres:x@127.0.0.1:5433/dest"
        );
    }
}
