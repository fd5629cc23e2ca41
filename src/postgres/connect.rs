//! Connecting to a Postgres server: from an endpoint to a session.
//!
//! A [`Server`] is an endpoint that was understood: where, as whom, with which password. It prints
//! without the password, and nothing else here prints one either.

use std::fmt;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};

use super::line::{Line, Socket};
use super::session::Session;
use super::{password, sqlstate};
use crate::config::types::{Endpoint, Secret};
use crate::error::{Error, Kind, Result};

/// How long a server may take to answer a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a server that asks for patience (starting up, too many clients) is given.
const PATIENCE: Duration = Duration::from_secs(10);
/// Idle time before a TCP connection is probed, and between probes.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A server to connect to: where, as whom, which database. Prints without its password.
#[derive(Clone)]
pub struct Server {
    config: Arc<Config>,
    shown: String,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Server {
    /// Understands an endpoint: its URL, then its parts over it, then the password's other places.
    ///
    /// # Errors
    /// `Kind::Config` for a URL that does not parse, `Kind::Unsupported` for TLS that is required.
    pub fn from_endpoint(endpoint: &Endpoint) -> Result<Self> {
        let (url, ssl_of_url) = match &endpoint.url {
            Some(url) => without_ssl_parameters(url.reveal()),
            None => (String::new(), None),
        };
        refuse_tls(endpoint.sslmode.as_deref().or(ssl_of_url.as_deref()))?;
        let mut config = Config::from_str(&url).map_err(|e| {
            let cause = std::error::Error::source(&e)
                .map(|s| format!(": {s}"))
                .unwrap_or_default();
            Error::new(
                Kind::Config,
                format!("the connection URL cannot be read{cause}"),
            )
            .remedy("write it as postgres://user@host:port/database")
        })?;
        config.ssl_mode(SslMode::Disable);
        if let Some(user) = &endpoint.user {
            config.user(user);
        }
        if let Some(database) = &endpoint.database {
            config.dbname(database);
        }
        if let Some(password) = &endpoint.password {
            config.password(password.reveal());
        }
        let config = with_address(config, endpoint.host.as_deref(), endpoint.port);
        Ok(Self::complete(config))
    }

    /// Understands a URL or keyword string.
    pub fn from_url(url: &str) -> Result<Self> {
        Self::from_endpoint(&Endpoint {
            url: Some(Secret::new(url)),
            ..Endpoint::default()
        })
    }

    fn complete(mut config: Config) -> Self {
        if config.get_user().is_none() {
            let user = nix::unistd::User::from_uid(nix::unistd::getuid())
                .ok()
                .flatten();
            config.user(user.map_or_else(|| "postgres".to_owned(), |u| u.name));
        }
        let user = config.get_user().unwrap_or_default().to_owned();
        let database = config.get_dbname().unwrap_or(&user).to_owned();
        config.dbname(&database);
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let (host, shown_host) = match config.get_hosts().first() {
            Some(Host::Tcp(name)) => (name.clone(), format!("{name}:{port}")),
            Some(Host::Unix(path)) => {
                let name = path.display().to_string();
                ("localhost".to_owned(), format!("{name}:{port}"))
            }
            None => ("localhost".to_owned(), format!("localhost:{port}")),
        };
        if config.get_password().is_none() {
            let lookup = password::Lookup {
                host: &host,
                port,
                database: &database,
                user: &user,
            };
            if let Some(password) = password::find(lookup) {
                config.password(password.reveal());
            }
        }
        Self {
            shown: format!("{user}@{shown_host}/{database}"),
            config: Arc::new(config),
        }
    }

    /// Whether the server runs on this host, so that its processes can be looked at.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost"
                    || name
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|ip| ip.is_loopback())
            }
        })
    }

    /// Opens one session; `name` becomes its application_name.
    ///
    /// A server that is starting up or has no slot left is asked again for a while.
    ///
    /// # Errors
    /// `Kind::Connection`, `Kind::Authentication`, `Kind::NotFound` (database), as reported.
    pub async fn connect(&self, name: &str) -> Result<Session> {
        let started = std::time::Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            match self.connect_once(name).await {
                Err(error)
                    if matches!(error.sqlstate(), Some("57P03" | "53300"))
                        && started.elapsed() < PATIENCE =>
                {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                outcome => return outcome,
            }
        }
    }

    async fn connect_once(&self, name: &str) -> Result<Session> {
        let doing = format!("connecting to {self}");
        let socket = tokio::time::timeout(CONNECT_TIMEOUT, self.open_socket())
            .await
            .map_err(|_| {
                Error::new(
                    Kind::Connection,
                    format!("{doing}: no answer within {} s", CONNECT_TIMEOUT.as_secs()),
                )
                .remedy("check host and port, and that nothing in between drops the connection")
            })??;
        let (line, end) = Line::new(socket);
        let mut config = Config::clone(&self.config);
        config.application_name(name);
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, config.connect_raw(end, NoTls));
        let (client, connection) = connecting
            .await
            .map_err(|_| {
                Error::new(
                    Kind::Connection,
                    format!("{doing}: the server does not finish the start-up"),
                )
            })?
            .map_err(|e| explain(sqlstate::from_client(e, &doing)))?;
        let driver = tokio::spawn(async move {
            let error = connection.await.err()?;
            tracing::debug!("connection ended: {error}");
            Some(sqlstate::from_client(error, "the connection ended"))
        });
        Ok(Session::new(client, driver, line, self.clone()))
    }

    pub(super) async fn open_socket(&self) -> Result<Socket> {
        let ports = self.config.get_ports();
        let mut last = None;
        for (i, host) in self.config.get_hosts().iter().enumerate() {
            let port = ports.get(i).or(ports.first()).copied().unwrap_or(5432);
            match open_one(host, port).await {
                Ok(socket) => return Ok(socket),
                Err(error) => last = Some(error),
            }
        }
        let error = last.unwrap_or_else(|| std::io::Error::other("no host given"));
        Err(
            Error::new(Kind::Connection, format!("connecting to {self}: {error}"))
                .caused_by(error)
                .remedy(
                    "check that the server runs there and accepts connections from this machine",
                ),
        )
    }
}

async fn open_one(host: &Host, port: u16) -> std::io::Result<Socket> {
    match host {
        Host::Unix(directory) => UnixStream::connect(directory.join(format!(".s.PGSQL.{port}")))
            .await
            .map(Socket::Unix),
        Host::Tcp(name) => {
            let stream = TcpStream::connect((name.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            let keepalive = socket2::TcpKeepalive::new()
                .with_time(KEEPALIVE)
                .with_interval(KEEPALIVE);
            socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
            Ok(Socket::Tcp(stream))
        }
    }
}

fn explain(error: Error) -> Error {
    match error.sqlstate() {
        Some("28P01" | "28000") => error
            .remedy("give the right user, and the password in PGPASSWORD, PGPASSFILE or ~/.pgpass"),
        Some("3D000") => error.remedy("create the database, or correct its name"),
        Some("53300") => {
            error.remedy("lower resources.parallelism, or raise the server's max_connections")
        }
        _ if error.kind() == Kind::Authentication => {
            error.remedy("set PGPASSWORD, or put the password into ~/.pgpass")
        }
        _ => error,
    }
}

/// The sslmode parameter of a URL or keyword string, and the rest without any ssl* parameter.
fn without_ssl_parameters(url: &str) -> (String, Option<String>) {
    let mut mode = None;
    let mut keep = |parameter: &&str| {
        let Some((key, value)) = parameter.split_once('=') else {
            return true;
        };
        if key.trim() == "sslmode" {
            mode = Some(value.trim().trim_matches('\'').to_owned());
        }
        !key.trim().starts_with("ssl")
    };
    let rest = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        match url.split_once('?') {
            None => url.to_owned(),
            Some((base, parameters)) => {
                let kept: Vec<&str> = parameters.split('&').filter(&mut keep).collect();
                if kept.is_empty() {
                    base.to_owned()
                } else {
                    format!("{base}?{}", kept.join("&"))
                }
            }
        }
    } else {
        url.split(' ')
            .filter(&mut keep)
            .collect::<Vec<_>>()
            .join(" ")
    };
    (rest, mode)
}

fn refuse_tls(mode: Option<&str>) -> Result<()> {
    match mode {
        None | Some("disable" | "allow" | "prefer") => Ok(()),
        Some(mode @ ("require" | "verify-ca" | "verify-full")) => Err(Error::new(
            Kind::Unsupported,
            format!("sslmode {mode} needs TLS, which this version of rb-bench does not have"),
        )
        .remedy("connect through a Unix socket, a private network or an SSH tunnel, with sslmode disable")),
        Some(other) => Err(Error::new(Kind::Config, format!("unknown sslmode `{other}`"))
            .remedy("use disable, allow, prefer, require, verify-ca or verify-full")),
    }
}

fn with_address(config: Config, host: Option<&str>, port: Option<u16>) -> Config {
    if host.is_none() && port.is_none() && !config.get_hosts().is_empty() {
        return config;
    }
    // Config can only add hosts and ports, so the other settings move into a new one
    let mut new = Config::new();
    if let Some(user) = config.get_user() {
        new.user(user);
    }
    if let Some(password) = config.get_password() {
        new.password(password);
    }
    if let Some(database) = config.get_dbname() {
        new.dbname(database);
    }
    if let Some(options) = config.get_options() {
        new.options(options);
    }
    new.ssl_mode(SslMode::Disable);
    match host {
        Some(host) => {
            new.host(host);
        }
        None if config.get_hosts().is_empty() => {
            let directory = Path::new("/var/run/postgresql");
            if directory.is_dir() {
                new.host_path(directory);
            } else {
                new.host("localhost");
            }
        }
        None => {
            for host in config.get_hosts() {
                match host {
                    Host::Tcp(name) => new.host(name),
                    Host::Unix(path) => new.host_path(path),
                };
            }
        }
    }
    for port in port.as_slice().iter().chain(if port.is_none() {
        config.get_ports()
    } else {
        &[]
    }) {
        new.port(*port);
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_prints_without_its_password() {
        let server = Server::from_url("postgres://app:hunter2@db1:6000/shop").unwrap();
        assert_eq!(
            format!("{server} {server:?}"),
            "app@db1:6000/shop app@db1:6000/shop"
        );
    }

    #[test]
    fn an_unreadable_url_does_not_print_itself() {
        let error = Server::from_url("postgres://app:hunter2@db1:port/shop").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(error.kind(), Kind::Config);
    }

    #[test]
    fn parts_win_over_the_url() {
        let endpoint = Endpoint {
            url: Some(Secret::new("postgres://app@db1:6000/shop")),
            host: Some("db2".into()),
            port: Some(7000),
            database: Some("other".into()),
            ..Endpoint::default()
        };
        assert_eq!(
            Server::from_endpoint(&endpoint).unwrap().to_string(),
            "app@db2:7000/other"
        );
    }

    #[test]
    fn tls_that_is_required_is_refused_and_the_rest_is_not() {
        for (url, kind) in [
            ("postgres://a@h/d?sslmode=require", Some(Kind::Unsupported)),
            ("host=h user=a sslmode=verify-full", Some(Kind::Unsupported)),
            ("postgres://a@h/d?sslmode=maybe", Some(Kind::Config)),
            ("postgres://a@h/d?sslmode=prefer&connect_timeout=3", None),
            ("host=h user=a sslmode=disable", None),
        ] {
            assert_eq!(Server::from_url(url).err().map(|e| e.kind()), kind, "{url}");
        }
    }
}
