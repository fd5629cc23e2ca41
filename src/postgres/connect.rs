//! Connecting to a Postgres server: from an endpoint to a session.
//!
//! A [`Server`] is an endpoint that was understood: where, as whom, how encrypted. Where an endpoint
//! leaves a choice (several hosts, several addresses of a name), its first connection makes it, and
//! all later ones of the same `Server` and its clones go to the same address: a snapshot is known to
//! one server only. It prints without the password, and nothing else here prints one either.

mod start;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rand::seq::SliceRandom as _;
use tokio::time::Instant;

use super::candidates::{Candidate, Place};
use super::layers::Surroundings;
use super::open::{Address, Encryption, Target, resolve};
use super::parameters::{Parameters, SessionAttributes};
use super::refusal;
use super::session::Session;
use super::tls::{Mode, Tls};
use crate::config::types::{Endpoint, Secret};
use crate::error::{Error, Result};

/// How long a server that asks for patience (starting up, too many clients) is given.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server to connect to: where, as whom, which database. Prints without its password.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    parameters: Parameters,
    shown: String,
    /// Made when it is first needed: a Unix socket needs none.
    tls: OnceLock<Tls>,
    /// Held while the first connection chooses.
    choosing: tokio::sync::Mutex<()>,
    chosen: OnceLock<Chosen>,
}

/// Where a connection went, and whether it was encrypted.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    target: Target,
    encrypted: bool,
    shown: String,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = self.inner.chosen.get();
        f.write_str(chosen.map_or(&self.inner.shown, |chosen| &chosen.shown))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Server {
    /// Understands an endpoint: its parts, its URL under them, then what the service file and the
    /// environment have for what neither gives.
    ///
    /// # Errors
    /// `Kind::Config` for what cannot be read or does not go together, `Kind::Unsupported` for
    /// parameters that we do not have, `Kind::NotFound` for a service.
    pub fn from_endpoint(endpoint: &Endpoint) -> Result<Self> {
        let account = nix::unistd::User::from_uid(nix::unistd::getuid());
        let account = account.ok().flatten();
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let around = Surroundings {
            variable: &|name| std::env::var(name).ok(),
            home: home.or_else(|| account.as_ref().map(|user| user.dir.clone())),
            account: account.map_or_else(|| "postgres".to_owned(), |user| user.name),
        };
        let parameters = Parameters::of(endpoint, &around)?;
        Ok(Self {
            inner: Arc::new(Inner {
                shown: parameters.shown(),
                parameters,
                tls: OnceLock::new(),
                choosing: tokio::sync::Mutex::default(),
                chosen: OnceLock::new(),
            }),
        })
    }

    /// Understands a URL or keyword string.
    pub fn from_url(url: &str) -> Result<Self> {
        Self::from_endpoint(&Endpoint {
            url: Some(Secret::new(url)),
            ..Endpoint::default()
        })
    }

    /// Whether the server runs on this host, so that its processes can be looked at.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self.inner.chosen.get() {
            Some(chosen) => match &chosen.target.address {
                Address::Unix(_) => true,
                Address::Tcp(address) => address.ip().is_loopback(),
            },
            None => (self.inner.parameters.candidates.iter()).all(Candidate::is_local),
        }
    }

    /// Whether another `Server` of the same endpoint could choose otherwise.
    #[must_use]
    pub fn leaves_a_choice(&self) -> bool {
        match self.inner.parameters.candidates.as_slice() {
            [one] => !one.is_one_place(),
            _ => true,
        }
    }

    /// Has the endpoint name the server that was chosen and no other. Nothing happens before a
    /// connection has chosen one.
    pub fn narrow(&self, endpoint: &mut Endpoint) {
        let Some(Chosen { target, .. }) = self.inner.chosen.get() else {
            return;
        };
        let (host, address) = match (&target.candidate.place, &target.address) {
            (Place::Socket(directory), _) => (directory.display().to_string(), String::new()),
            (Place::Network { name, .. }, Address::Tcp(address)) => {
                (name.clone().unwrap_or_default(), address.ip().to_string())
            }
            (Place::Network { .. }, Address::Unix(_)) => return,
        };
        endpoint.host = Some(host);
        endpoint.port = Some(target.candidate.port);
        endpoint.settings.hostaddr = Some(address);
        endpoint.settings.load_balance_hosts = Some("disable".into());
    }

    /// Opens one session; `name` becomes its application_name.
    ///
    /// A server that is starting up or has no slot left is asked again for a while.
    ///
    /// # Errors
    /// `Kind::Connection`, `Kind::Authentication`, `Kind::NotFound` (database), as reported.
    pub async fn connect(&self, name: &str) -> Result<Session> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            // boxed: what connects is held by whoever waits for it, down to every worker's stack
            match Box::pin(self.connect_once(name)).await {
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
        if self.inner.chosen.get().is_none() {
            let _turn = self.inner.choosing.lock().await;
            // whoever had the turn before may have chosen
            if self.inner.chosen.get().is_none() {
                let session = self.choose(name).await?;
                let _first = self.inner.chosen.set(session.on().clone());
                return Ok(session);
            }
        }
        let Some(chosen) = self.inner.chosen.get() else {
            return Err(Error::internal("no server was chosen"));
        };
        self.connect_to(&chosen.target, Some(chosen.encrypted), name)
            .await
    }

    /// Tries one place after the other until one is what it should be.
    async fn choose(&self, name: &str) -> Result<Session> {
        let parameters = &self.inner.parameters;
        let rounds: &[SessionAttributes] = match &parameters.attributes {
            SessionAttributes::PreferStandby => {
                &[SessionAttributes::Standby, SessionAttributes::Any]
            }
            one => std::slice::from_ref(one),
        };
        let mut failures = Vec::new();
        for wanted in rounds {
            failures.clear();
            let mut candidates = parameters.candidates.clone();
            if parameters.shuffle {
                candidates.shuffle(&mut rand::rng());
            }
            for candidate in &candidates {
                let mut targets = match self.within(resolve(candidate)).await {
                    Ok(Ok(targets)) => targets,
                    Ok(Err(error)) => {
                        let doing = format!("connecting to {}", parameters.shown_at(candidate));
                        failures.push(refusal::unresolved(error).context(doing));
                        continue;
                    }
                    Err(late) => {
                        failures.push(late);
                        continue;
                    }
                };
                if parameters.shuffle {
                    targets.shuffle(&mut rand::rng());
                }
                for target in &targets {
                    let failure = match self.connect_to(target, None, name).await {
                        Ok(session) => {
                            let shown = session.on().shown.clone();
                            let asked = self.within(wanted.misfit(&session)).await;
                            match asked.and_then(|answer| answer) {
                                Ok(None) => return Ok(session),
                                Ok(Some(why)) => {
                                    session.close().await;
                                    refusal::unfit(&shown, &why)
                                }
                                // what cannot answer is no server to work on; the next may be
                                Err(error) => error.context(format!("connecting to {shown}")),
                            }
                        }
                        Err(error) if refusal::is_final(&error) => return Err(error),
                        Err(error) => error,
                    };
                    failures.push(failure);
                }
            }
        }
        Err(refusal::of_all(&self.inner.shown, failures))
    }

    /// Connects to one address, as `encrypted` says or, before that is known, as `sslmode` does.
    async fn connect_to(
        &self,
        target: &Target,
        encrypted: Option<bool>,
        name: &str,
    ) -> Result<Session> {
        let outcome = match (&target.address, encrypted, self.inner.parameters.tls.mode) {
            (Address::Unix(_), _, _) | (_, Some(false), _) | (_, None, Mode::Disable) => {
                self.start(target, Encryption::No, name).await
            }
            (_, None, Mode::Allow) => match self.start(target, Encryption::No, name).await {
                // the server may let nobody in who is not encrypted
                Err(first) if first.is_refusal() => {
                    let second = self.start(target, self.required()?, name).await;
                    second.map_err(|_| first)
                }
                outcome => outcome,
            },
            (_, None, Mode::Prefer) => {
                let first = Encryption::IfOffered(self.tls()?);
                match self.start(target, first, name).await {
                    Err(first) if first.is_of_encryption() => {
                        let second = self.start(target, Encryption::No, name).await;
                        second.map_err(|_| first)
                    }
                    outcome => outcome,
                }
            }
            _ => self.start(target, self.required()?, name).await,
        };
        outcome.map_err(|failure| failure.error)
    }

    fn required(&self) -> Result<Encryption<'_>> {
        Ok(Encryption::Yes {
            tls: self.tls()?,
            direct: self.inner.parameters.tls.direct,
        })
    }

    fn tls(&self) -> Result<&Tls> {
        if let Some(tls) = self.inner.tls.get() {
            return Ok(tls);
        }
        let loaded = Tls::load(&self.inner.parameters.tls)
            .map_err(|error| error.context(format!("connecting to {self}")))?;
        Ok(self.inner.tls.get_or_init(|| loaded))
    }

    async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let timeout = self.inner.parameters.connect_timeout;
        let deadline = timeout.map(|t| Instant::now() + t);
        start::within(deadline, work)
            .await
            .map_err(|_| self.no_answer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

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
    fn a_name_leaves_a_choice_and_an_address_or_a_socket_does_not() {
        for (url, choice) in [
            ("host=db1", true),
            ("host=db1 load_balance_hosts=random", true),
            ("host=db1 hostaddr=10.0.0.1", false),
            ("host=10.0.0.1", false),
            ("host=/run/postgresql", false),
            ("host=10.0.0.1,10.0.0.2", true),
        ] {
            let server = Server::from_url(url).unwrap();
            assert_eq!(server.leaves_a_choice(), choice, "{url}");
        }
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
}
